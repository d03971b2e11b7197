"""`vitruvian predict` of videos, image sequences and cameras, from words to files."""

from __future__ import annotations

import csv
import gc
import json
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from vitruvian.cli import main
from vitruvian.predict.video import file, job, parts, run
from vitruvian.predict.video.clip import Still
from vitruvian.vocab import skeleton

from .conftest import frames_of, scene, sound_of, walk
from .test_camera import FakeCapture

Clip = Callable[..., Path]
Predict = Callable[..., tuple[int, str, str]]
RESULTS = ["a.frames.jsonl", "a.json", "a.overlay.mp4", "a.tracks.csv"]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of eight frames, so that short clips have several."""
    monkeypatch.setattr(run, "FRAMES", 8)
    monkeypatch.setattr(job, "FRAMES", 8)
    monkeypatch.setattr(run, "LARGEST_CHUNK", 4)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def record(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def stopped_after(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run dies, as by kill -9, when so many frames have been predicted."""
    whole = run.Work._write

    def write(self: run.Work, part: Any, still: Still, *rest: Any) -> None:
        if still.index == frames:
            raise KeyboardInterrupt
        whole(self, part, still, *rest)

    monkeypatch.setattr(run.Work, "_write", write)


def test_the_files_of_a_clip_and_what_they_hold(predict: Predict, clip: Clip, out: Path) -> None:
    ms = [0, 100, 150, 400, 450, 500, 900, 950, 1000, 1100]
    code, told, problems = predict(
        clip(ms=ms, picture=lambda i: scene(walk(ms[i] / 100)), sound="aac"), "--tasks", "pose", "depth"
    )
    assert (code, problems) == (0, "")
    assert "a.mp4: 10 frames (1.10 s), 2 tracks, sound kept (aac)" in told and " frames/s" in told and "jitter " in told
    assert names(out) == RESULTS
    summary = record(out / "a.json")
    assert summary["video"] == {"file": "a.mp4", "width": 128, "height": 96, "frames": 10, "seconds": 1.1,
                                "rate": pytest.approx(8.3, abs=1), "notes": [], "problem": ""}  # fmt: skip
    assert summary["files"] == {"overlay": RESULTS[2], "frames": RESULTS[0], "tracks": RESULTS[3]}
    assert [track["frames"] for track in summary["tracks"]] == [10, 10]
    assert summary["smooth"] is None and set(summary["jitter"]) == {"unit", "of", "predicted"}
    assert summary["depth_colors"] == {"range": "fixed", "near": 0, "far": 1}
    frames = lines(out / "a.frames.jsonl")
    assert [frame["index"] for frame in frames] == list(range(10))
    assert [frame["time"] for frame in frames] == pytest.approx([t / 1000 for t in ms], abs=1e-5)
    assert all([person["track"] for person in frame["people"]] == [1, 2] for frame in frames)
    (person, _) = frames[0]["people"]
    assert set(person) >= {"box", "score", "origin", "track", "skeleton", "keypoints", "area", "depth_range"}
    assert tuple(person["keypoints"]) == skeleton("wholebody133").names
    table = list(csv.DictReader((out / "a.tracks.csv").read_text().splitlines()))
    assert len(table) == 20 and float(table[0]["nose_x"]) == person["keypoints"]["nose"]["x"]
    assert [float(v) for v in (table[0][k] for k in ("x1", "y1", "x2", "y2"))] == person["box"]
    times, pictures = frames_of(out / "a.overlay.mp4")
    assert times == pytest.approx([t / 1000 for t in ms], abs=1e-3)
    overlay = summary["overlay"]
    assert pictures[0].shape == (overlay["height"], overlay["width"], 3) and overlay["sound"] == "kept (aac)"
    assert len(sound_of(out / "a.overlay.mp4")) > 40


def test_without_an_overlay(predict: Predict, clip: Clip, out: Path) -> None:
    assert predict(clip(), "--no-draw")[0] == 0
    assert names(out) == ["a.frames.jsonl", "a.json", "a.tracks.csv"]
    assert "overlay" not in record(out / "a.json")
    assert "already done" in predict(clip(), "--no-draw")[1]
    assert "already done" not in predict(clip())[1], "an overlay is asked for now"
    assert names(out) == RESULTS


def test_a_second_run_skips_a_finished_clip_and_only_that(predict: Predict, clip: Clip, out: Path) -> None:
    path = clip()
    predict(path)
    before = {name: (out / name).stat().st_mtime_ns for name in RESULTS}
    code, told, _ = predict(path)
    assert code == 0 and "already done: 10 frames" in told
    assert {name: (out / name).stat().st_mtime_ns for name in RESULTS} == before
    assert "already done" not in predict(path, "--smooth")[1]
    assert "already done" not in predict(path, "--overwrite")[1]
    (out / "a.tracks.csv").unlink()
    assert "already done" not in predict(path)[1]
    code, _, problems = predict(clip("other/a.mp4", count=3))
    assert code == 1 and "is the result of another clip of this name" in problems
    clip(count=12)
    assert "12 frames" in predict(path)[1], "the same place, another content"


def test_more_frames_replace_fewer_and_not_the_other_way_round(predict: Predict, clip: Clip, out: Path) -> None:
    path = clip(count=12)
    assert predict(path, "--limit", "3")[0] == 0
    assert "12 frames" in predict(path)[1]
    before = (out / "a.frames.jsonl").read_bytes()
    code, _, problems = predict(path, "--limit", "3")
    assert code == 1 and "was made by other means (limit none, now 3)" in problems
    assert (out / "a.frames.jsonl").read_bytes() == before
    assert predict(path, "--limit", "3", "--overwrite")[0] == 0


def test_results_of_others_are_never_replaced(predict: Predict, clip: Clip, out: Path) -> None:
    out.mkdir()
    (out / "a.tracks.csv").write_text("mine")
    code, _, problems = predict(clip())
    assert code == 1 and "a.tracks.csv is not a result of vitruvian" in problems
    assert (out / "a.tracks.csv").read_text() == "mine"


@pytest.mark.parametrize("frame", [1, 8, 9, 21])
def test_a_killed_run_goes_on_to_an_identical_result(
    predict: Predict, clip: Clip, out: Path, tmp_path: Path, small_pieces: None, frame: int
) -> None:
    words = [clip(count=23, sound="aac"), "--smooth", "--tasks", "pose", "depth"]
    assert predict(*words, "--out", tmp_path / "whole")[0] == 0
    with pytest.MonkeyPatch.context() as patch:
        stopped_after(frame, patch)
        code, _, problems = predict(*words)
        assert code == 1 and "the same command goes on from here" in problems
    assert names(out) == [".a.parts"], "no result before all of it is there"
    code, told, _ = predict(*words)
    assert code == 0 and (f"goes on from frame {frame // 8 * 8}" in told) == (frame >= 8)
    assert names(out) == RESULTS
    for name in ("a.frames.jsonl", "a.tracks.csv", "a.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    ours, theirs = (frames_of(folder / "a.overlay.mp4") for folder in (out, tmp_path / "whole"))
    assert ours[0] == theirs[0]
    assert all((a == b).all() for a, b in zip(ours[1], theirs[1], strict=True))
    assert sound_of(out / "a.overlay.mp4") == sound_of(tmp_path / "whole" / "a.overlay.mp4")


def test_a_real_kill_9_loses_one_piece_at_most(
    tiny: Path, clip: Clip, tmp_path: Path, small_pieces: None, capfd: pytest.CaptureFixture[str]
) -> None:
    killed = (
        "import os, signal, sys\n"
        "from vitruvian.predict.video import run, job\n"
        "run.FRAMES, job.FRAMES, run.LARGEST_CHUNK = 8, 8, 4\n"
        "write = run.Work._write\n"
        "def dying(self, part, still, *rest):\n"
        "    if still.index == 13: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    write(self, part, still, *rest)\n"
        "run.Work._write = dying\n"
        "from vitruvian.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    fixed = ["predict", clip(count=20), "--tasks", "pose", "--model", tiny, "--device", "cpu", "--detector", "whole-image"]
    words, folders = list(map(str, fixed)), [str(tmp_path / "out"), str(tmp_path / "whole")]
    threads = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    dead = subprocess.run([sys.executable, "-c", killed, *words, "--out", folders[0]], capture_output=True, env=threads)
    assert dead.returncode == -signal.SIGKILL
    assert names(tmp_path / "out") == [".a.parts"]
    assert [main([*words, "--out", folder]) for folder in folders] == [0, 0]
    assert "goes on from frame 8" in capfd.readouterr().out
    for name in ("a.frames.jsonl", "a.tracks.csv", "a.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_an_unfinished_run_made_in_another_way_is_begun_anew(predict: Predict, clip: Clip, small_pieces: None) -> None:
    path = clip(count=20)
    with pytest.MonkeyPatch.context() as patch:
        stopped_after(18, patch)
        predict(path)
    assert "begun anew" in predict(path, "--smooth")[1]


def test_smoothing_is_off_by_default_and_told_with_its_gain(predict: Predict, clip: Clip, out: Path) -> None:
    rng = np.random.default_rng(0)
    places = [(20 + int(dx), 20 + int(dy), 60 + int(dx), 80 + int(dy)) for dx, dy in rng.integers(-2, 3, (24, 2))]
    path = clip(count=24, picture=lambda i: scene([places[i]]))
    assert " smoothed" not in predict(path)[1]
    rough = [frame["people"][0]["keypoints"]["nose"]["x"] for frame in lines(out / "a.frames.jsonl")]
    code, told, _ = predict(path, "--smooth", "--overwrite")
    assert code == 0
    steady = [frame["people"][0]["keypoints"]["nose"]["x"] for frame in lines(out / "a.frames.jsonl")]
    assert rough[0] == steady[0] and np.std(np.diff(steady, 2)) < np.std(np.diff(rough, 2))
    summary = record(out / "a.json")
    assert summary["smooth"]["method"] == "one-euro"
    if (jitter := summary["jitter"])["of"]:
        assert jitter["smoothed"] < jitter["predicted"] and "as predicted" in told


def test_one_track_only(predict: Predict, clip: Clip, out: Path) -> None:
    assert predict(clip(), "--track", "2")[0] == 0
    frames = lines(out / "a.frames.jsonl")
    assert [[person["track"] for person in frame["people"]] for frame in frames] == [[2]] * 10
    assert record(out / "a.json")["only_track"] == 2
    code, _, problems = predict(clip(), "--track", "5", "--overwrite")
    assert code == 1 and "nobody has track 5. Allowed: 1 to 2." in problems
    code, _, problems = predict(clip("empty.mp4", picture=lambda _: scene([])), "--track", "1")
    assert code == 1 and "nobody found, so no track 1" in problems


def test_people_keep_their_numbers_over_a_gap(predict: Predict, clip: Clip, out: Path) -> None:
    predict(clip(count=14, picture=lambda i: scene(walk(i)[1:] if 4 <= i < 8 else walk(i))))
    seen = [sorted(person["track"] for person in frame["people"]) for frame in lines(out / "a.frames.jsonl")]
    assert seen == [[1, 2]] * 4 + [[2]] * 4 + [[1, 2]] * 6


def test_boxes_can_be_given_frame_by_frame(predict: Predict, clip: Clip, out: Path, tmp_path: Path) -> None:
    path, boxes = clip(count=6), tmp_path / "boxes.csv"
    predict(path)
    table = list(csv.DictReader((out / "a.tracks.csv").read_text().splitlines()))
    rows = [[row["frame"], row["x1"], row["y1"], row["x2"], row["y2"], {"1": "9", "2": "4"}[row["track"]]] for row in table]
    boxes.write_text("frame,x1,y1,x2,y2,track\n" + "\n".join(map(",".join, rows)))
    code, told, _ = predict(path, "--boxes", boxes, "--overwrite")
    assert code == 0 and "boxes from boxes.csv" in told
    frames = lines(out / "a.frames.jsonl")
    assert all([(p["track"], p["origin"]) for p in frame["people"]] == [(9, "user"), (4, "user")] for frame in frames)
    assert "already done" in predict(path, "--boxes", boxes)[1]
    boxes.write_text("frame,x1,y1,x2,y2\n3,0,0,50,50\n")
    assert "already done" not in predict(path, "--boxes", boxes)[1], "other boxes"
    assert [len(frame["people"]) for frame in lines(out / "a.frames.jsonl")] == [0, 0, 0, 1, 0, 0]
    assert predict(path, clip("b.mp4"), "--boxes", boxes)[0] == 2
    code, _, problems = predict(clip("small.mp4", size=(32, 48)), "--boxes", boxes)
    assert code == 1 and "of frame 3 lies outside the frame of 48x32 px" in problems


def test_depth_colours_of_two_passes_span_the_whole_clip(predict: Predict, clip: Clip, out: Path) -> None:
    words = [clip(count=12), "--tasks", "pose", "depth", "--depth-range", "two-pass"]
    assert predict(*words)[0] == 0
    colors, frames = record(out / "a.json")["depth_colors"], lines(out / "a.frames.jsonl")
    ends = [person["depth_range"] for frame in frames for person in frame["people"] if person["depth_range"]]
    assert colors["range"] == "two-pass"
    assert colors["near"] == pytest.approx(min(e["near"] for e in ends), abs=1e-4)
    assert colors["far"] == pytest.approx(max(e["far"] for e in ends), abs=1e-4)


def test_a_killed_first_pass_is_resumed_too(
    predict: Predict, clip: Clip, out: Path, tmp_path: Path, small_pieces: None
) -> None:
    words = [clip(count=20), "--tasks", "depth", "--depth-range", "two-pass"]
    predict(*words, "--out", tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        people = run.Work._people

        def dying(self: run.Work, index: int, *rest: Any) -> Any:
            if index == 14:
                raise KeyboardInterrupt
            return people(self, index, *rest)

        patch.setattr(run.Work, "_people", dying)
        predict(*words)
    kept = json.loads((out / ".a.parts" / "depths.json").read_text())
    assert kept["next"] == 8
    assert predict(*words)[0] == 0
    for name in ("a.frames.jsonl", "a.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_limit_ends_clip_and_sound(predict: Predict, clip: Clip, out: Path) -> None:
    assert predict(clip(count=20, sound="aac"), "--limit", "5")[0] == 0
    assert record(out / "a.json")["video"]["frames"] == len(frames_of(out / "a.overlay.mp4")[0]) == 5
    assert max(time for time, _ in sound_of(out / "a.overlay.mp4")) < 0.51


def test_broken_clips_fail_in_one_line_each_and_the_others_are_done(
    predict: Predict, clip: Clip, out: Path, tmp_path: Path
) -> None:
    folder = clip("good.mp4").parent
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "noise.avi").write_bytes(bytes(range(256)) * 40)
    cut = clip("cut.mp4", 30)
    cut.write_bytes(cut.read_bytes()[:900])
    torn = clip("torn.mkv", 60, options={"g": "5"})
    torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
    Image.new("RGB", (64, 48)).save(folder / "photo.png")
    code, told, problems = predict(folder)
    assert code == 1 and problems.count("error: ") == len(problems.splitlines()) == 4
    assert "good.mp4: 10 frames" in told and "photo.png: " in told
    assert (out / "torn.json").exists() and "frames are in " in problems, "what there is of a cut clip is kept"
    assert record(out / "torn.json")["video"]["problem"]


def test_a_sequence_of_pictures(predict: Predict, tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "shot"
    folder.mkdir()
    for i in range(6):
        Image.fromarray(scene(walk(i))).save(folder / f"f.{i + 7}.png")
    assert predict(folder, "--sequence", "--fps", "25")[0] == 0
    frames = lines(out / "shot.frames.jsonl")
    assert [frame["time"] for frame in frames] == pytest.approx([i / 25 for i in range(6)], abs=1e-6)
    assert [frame["people"][0]["box"][0] for frame in frames] == sorted(frame["people"][0]["box"][0] for frame in frames)
    (folder / "f.9.png").write_bytes(b"broken")
    code, _, problems = predict(folder, "--sequence", "--fps", "25", "--overwrite")
    assert code == 1 and "1 frames cannot be read, the first: " in problems
    frames = lines(out / "shot.frames.jsonl")
    assert len(frames) == 6 and "error" in frames[2] and frames[3]["people"][0]["track"] == 1
    assert len(frames_of(out / "shot.overlay.mp4")[0]) == 5


def test_a_camera(predict: Predict, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    code, told, _ = predict("webcam:0", "--limit", "5")
    assert code == 0 and "5 frames" in told
    (summary,) = out.glob("webcam0-*.json")
    assert record(summary)["video"]["frames"] == 5
    code, _, problems = predict("webcam:0", "--tasks", "depth", "--depth-range", "two-pass")
    assert code == 1 and "a camera cannot be seen twice" in problems


def test_frames_in_memory_are_counted_not_the_length_of_the_clip(
    predict: Predict, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: set[int] = set()
    most = 0
    upright = file._upright

    def watched(frame: Any) -> Any:
        nonlocal most
        pixels = upright(frame)
        alive.add(id(pixels))
        weakref.finalize(pixels, alive.discard, id(pixels))
        most = max(most, len(alive))
        return pixels

    monkeypatch.setattr(file, "_upright", watched)
    counts = []
    for number, length in enumerate((20, 80)):
        most = 0
        assert predict(clip(f"{number}.mp4", length, size=(48, 64), picture=lambda i: scene([], (48, 64))))[0] == 0
        gc.collect()
        counts.append(most)
    assert counts[0] == counts[1] <= run.LARGEST_CHUNK + 3


def test_json_lines(predict: Predict, clip: Clip) -> None:
    code, told, words = predict(clip(), "--json")
    (line,) = told.splitlines()
    said = json.loads(line)
    assert code == 0 and said["state"] == "done" and said["video"]["frames"] == 10 and "tiny" in words


def test_without_pyav_clips_fail_with_the_install_line_and_photos_are_done(
    predict: Predict, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clip().parent
    Image.new("RGB", (64, 48)).save(folder / "photo.png")
    monkeypatch.setattr(file, "find_spec", lambda module: None)
    code, told, problems = predict(folder)
    assert code == 1 and "photo.png: nobody found" in told
    assert 'a.mp4: PyAV is not installed. Fix: pip install "vitruvian[video]"' in problems


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--track", "0"], "--track 0. Allowed: 1, 2, 3"),
        (["--limit", "-1"], "--limit -1. Allowed"),
        (["--depth-range", "two-pass"], "--depth-range two-pass is about colours of depth"),
    ],
)
def test_what_no_clip_can_do_is_wrong_usage(predict: Predict, clip: Clip, words: list[str], told: str, out: Path) -> None:
    code, _, problems = predict(clip(), *words)
    assert code == 2 and told in problems
    assert not out.exists() or names(out) == []


def test_words_for_videos_need_a_video(predict: Predict, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.png")
    code, _, problems = predict(tmp_path / "photo.png", "--smooth", "--track", "1")
    assert code == 2 and "--track, --smooth is for videos, and none is given" in problems


def test_a_full_disk_fails_the_clip_and_keeps_what_is_done(
    predict: Predict, clip: Clip, out: Path, monkeypatch: pytest.MonkeyPatch, small_pieces: None
) -> None:
    whole, path = parts.Part.add, clip(count=20)

    def full(self: parts.Part, *rest: Any) -> None:
        if self._parts.count == 1:
            raise OSError(28, "No space left on device")
        whole(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(parts.Part, "add", full)
        code, _, problems = predict(path)
    assert code == 1 and "No space left on device" in problems and names(out) == [".a.parts"]
    assert "goes on from frame 8" in predict(path)[1]

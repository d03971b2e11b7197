from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vitruvian.cli import main
from vitruvian.vocab import skeleton

Result = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """run("convert", ...) -> exit code, stdout, stderr of `vitruvian keypoints`."""

    def call(*words: str | Path) -> tuple[int, str, str]:
        code = main(["keypoints", *map(str, words)])
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.fixture
def clip(tmp_path: Path, result: Result) -> Path:
    """Two frames of a video; the second one with two tracks."""
    people = read(result("mould", people=2))["people"]
    path = tmp_path / "clip.frames.jsonl"
    frames = [
        {"index": 0, "time": 0.0, "people": [{**people[0], "track": 7}]},
        {"index": 2, "time": 0.08, "people": [{**people[0], "track": 7}, {**people[1], "track": 9}]},
    ]
    size = {"image": {"file": "clip.mp4", "width": 80, "height": 60}}
    path.write_text("".join(json.dumps({**size, **frame}) + "\n" for frame in frames))
    return path


def test_list_names_every_set_and_numbers_its_points(run: Run) -> None:
    code, told, problems = run("list")
    assert code == 0 and problems == ""
    assert [line.split()[0] for line in told.splitlines()[1:]] == sorted(
        ["coco17", "crowdpose14", "h36m17", "halpe26", "mediapipe33", "openpose18", "openpose25", "sapiens308", "wholebody133"]
    )
    code, told, _ = run("list", "openpose25")
    assert code == 0 and "   1  neck\n" in told and "   4  right_wrist  (mirror image 7 left_wrist)" in told
    assert run("list", "openpose26")[0] == 2


def test_a_folder_of_results_mirrors_the_given_one(run: Run, result: Result, tmp_path: Path) -> None:
    result("a", skeleton="wholebody133", people=2)
    result("deep/b", skeleton="wholebody133", people=0)
    code, told, problems = run("convert", tmp_path / "results", "--to", "halpe26", "--out", tmp_path / "out")
    assert code == 0 and problems == ""
    assert "23 points the same; 2 near: neck = left_shoulder + right_shoulder" in told
    assert "1 without equivalent (score 0): head" in told
    record = read(tmp_path / "out" / "a.halpe26.json")
    assert record["conversion"][0]["none"] == ["head"] and record["derived"] == "keypoints" and "files" not in record
    for person in record["people"]:
        assert person["skeleton"] == "halpe26" and tuple(person["keypoints"]) == skeleton("halpe26").names
    assert read(tmp_path / "out" / "deep" / "b.halpe26.json")["people"] == []


def test_a_video_stays_a_line_a_frame(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("convert", clip, "--to", "h36m17", "--out", tmp_path / "out")[0] == 0
    lines = [json.loads(line) for line in (tmp_path / "out" / "clip.h36m17.frames.jsonl").read_text().splitlines()]
    assert [(line["index"], [p["track"] for p in line["people"]]) for line in lines] == [(0, [7]), (2, [7, 9])]


def test_openpose_gets_its_own_files(run: Run, clip: Path, result: Result, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("convert", clip, result("a"), "--to", "openpose18", "--out", out, "--style", "openpose")[0] == 0
    names = ["a_keypoints.json", "clip_000000000000_keypoints.json", "clip_000000000002_keypoints.json"]
    assert sorted(path.name for path in out.iterdir()) == names
    people = read(out / names[2])["people"]
    assert [person["person_id"] for person in people] == [[7], [9]]
    assert len(people[0]["pose_keypoints_2d"]) == 3 * 18
    code, _, problems = run("convert", clip, "--to", "coco17", "--out", out, "--style", "openpose")
    assert code == 2 and "--to openpose18 or openpose25" in problems


def test_one_table_of_all(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("convert", clip, "--to", "openpose25", "--out", tmp_path / "points.csv")[0] == 0
    rows = table(tmp_path / "points.csv")
    assert len(rows) == 3 * 25
    assert {(row["image"], row["index"], row["track"]) for row in rows} == {
        ("clip.mp4", "0", "7"), ("clip.mp4", "2", "7"), ("clip.mp4", "2", "9")
    }  # fmt: skip
    assert {row["kind"] for row in rows if row["name"] == "left_heel"} == {"none"}


def test_one_coco_file_of_all_with_masks(run: Run, result: Result, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    result("a", people=2)
    result("b", people=1, mask="boxes")
    assert run("convert", tmp_path / "results", "--to", "openpose25", "--out", tmp_path / "all.json")[0] == 0
    document = read(tmp_path / "all.json")
    assert document["categories"][0]["keypoints"] == list(skeleton("openpose25").names)
    assert document["info"]["conversion"][0]["to"] == "openpose25"
    first, second, third = document["annotations"]
    assert "segmentation" in first and "segmentation" not in third
    assert first["keypoints"][3 * 24 : 3 * 25] == [0.0, 0.0, 0], "no right heel: neither a place nor visible"
    loaded = coco.COCO(str(tmp_path / "all.json"))
    assert loaded.annToRLE(second) == second["segmentation"]


def test_angles_of_photos_and_frames(run: Run, clip: Path, result: Result, tmp_path: Path) -> None:
    arm = {"left_shoulder": (10, 10, 0.9), "left_elbow": (20, 10, 0.9), "left_wrist": (20, 20, 0.4)}
    photo = result("a", points=arm)
    code, told, _ = run("angles", photo, clip, "--out", tmp_path / "angles.csv")
    assert code == 0 and "coco17 has not the points of left_ankle, right_ankle" in told and "4 people" in told
    rows = table(tmp_path / "angles.csv")
    assert rows[0]["left_elbow"] == "90.00" and rows[0]["left_ankle"] == "nan" and rows[0]["index"] == ""
    assert [(row["time"], row["person"], row["track"]) for row in rows[1:]] == [
        ("0.0", "1", "7"),
        ("0.08", "1", "7"),
        ("0.08", "2", "9"),
    ]
    run("angles", photo, "--out", tmp_path / "sure.csv", "--threshold", "0.5")
    assert table(tmp_path / "sure.csv")[0]["left_elbow"] == "nan"


def test_one_bad_input_stops_no_other(run: Run, result: Result, tmp_path: Path) -> None:
    good, bare = result("good"), result("bare", skeleton=None)
    out = tmp_path / "out"
    code, told, problems = run("convert", bare, good, tmp_path / "gone.json", "--to", "coco17", "--out", out)
    assert code == 1 and (out / "good.coco17.json").is_file() and told.endswith("; 2 failed\n")
    first, second = problems.splitlines()
    assert "person 1 has no keypoints" in first and "no such file" in second
    code, told, _ = run("angles", bare, "--out", tmp_path / "angles.csv")
    assert code == 1 and told == "nothing written; 1 failed\n" and not (tmp_path / "angles.csv").exists()


def test_wrong_words(run: Run, result: Result, tmp_path: Path) -> None:
    path = result("a")
    for words, told in [
        (["convert", path, "--to", "openpose", "--out", tmp_path], "Did you mean openpose"),
        (["convert", "--to", "coco17", "--out", tmp_path], "no result given"),
        (["angles", path, "--out", tmp_path / "a.txt"], "a.txt.csv"),
        (["angles", path, "--out", tmp_path / "a.csv", "--threshold", "2"], "a score in 0..1"),
    ]:
        code, _, problems = run(*words)
        assert code == 2 and told in problems


def test_nothing_is_replaced_unasked(run: Run, result: Result, tmp_path: Path) -> None:
    words = ["convert", result("a"), "--to", "coco17", "--out", tmp_path / "x.csv"]
    assert run(*words)[0] == 0
    code, _, problems = run(*words)
    assert (
        code == 1
        and problems == f"error: {tmp_path / 'x.csv'} is already there. Fix: --overwrite, or give --out another place.\n"
    )
    assert run(*words, "--overwrite")[0] == 0

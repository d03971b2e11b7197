from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapes

from vitruvian.data.gbuffer import read_gbuffer
from vitruvian.errors import UsageError, VitruvianError
from vitruvian.synth.dataset import generate as module
from vitruvian.synth.dataset import work
from vitruvian.synth.dataset.generate import generate, parse_size, run
from vitruvian.synth.dataset.preview import row

SIZE = (64, 48)
HERE = Path(__file__).parent


def make(out: Path, count: int = 4, **options):
    settings = {"size": SIZE, "seed": 7, "workers": 0, "images": False, "backend": "numpy", "sampler": shapes.capsule_scene}
    return generate(out, count, **(settings | options))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_folder_holds_every_sample_and_a_coco_file(tmp_path):
    report = make(tmp_path / "set")
    assert (report.written, report.kept, report.failed) == (4, 0, ())
    assert json.loads((tmp_path / "set/dataset.json").read_text())["backend"] == "numpy"
    coco = json.loads((tmp_path / "set/annotations.json").read_text())
    assert [i["id"] for i in coco["images"]] == [0, 1, 2, 3]
    assert coco["images"][1] == {"id": 1, "file_name": "000001.jpg", "width": 48, "height": 64}
    assert len(coco["categories"][0]["keypoints"]) == 17
    frames = [read_gbuffer(p) for p in sorted((tmp_path / "set/gbuffers").glob("*.npz"))]
    assert [f.key for f in frames] == ["000000", "000001", "000002", "000003"]
    assert len(coco["annotations"]) == sum((f.person == i + 1).any() for f in frames for i in range(len(f.people)))
    assert len({a["id"] for a in coco["annotations"]}) == len(coco["annotations"])


def test_annotations_say_what_the_gbuffer_says(tmp_path):
    make(tmp_path, 2)
    coco = json.loads((tmp_path / "annotations.json").read_text())
    first = coco["annotations"][0]
    frame = read_gbuffer(tmp_path / "gbuffers/000000.npz")
    who = frame.people[0]
    x, y, w, h = first["bbox"]
    np.testing.assert_allclose([x, y, x + w, y + h], who.box)
    assert first["area"] == (frame.person == 1).sum()
    np.testing.assert_allclose(np.reshape(first["keypoints"], (17, 3)), who.wholebody133[:17], atol=0.006)
    assert first["num_keypoints"] == (who.wholebody133[:17, 2] > 0).sum()
    lengths = {"foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
    assert {name: len(first[name]) // 3 for name in lengths} == lengths


def test_workers_do_not_change_a_bit_of_real_people_and_pictures(tmp_path):
    for workers in (1, 2):
        report = make(tmp_path / str(workers), 3, workers=workers, images=True, sampler=None)
        assert report.failed == () and report.written == 3
    one, two = contents(tmp_path / "1"), contents(tmp_path / "2")
    assert one == two
    assert {"images/000002.jpg", "gbuffers/000002.npz", "annotations.json"} < set(one)
    picture = cv2.imread(str(tmp_path / "1/images/000000.jpg"))
    assert picture.shape == (*SIZE, 3) and picture.std() > 5


def test_a_sample_depends_on_its_seed_and_index_only(tmp_path):
    make(tmp_path / "few", 2)
    make(tmp_path / "more", 3)
    make(tmp_path / "other", 2, seed=8)
    few, more, other = (contents(tmp_path / name) for name in ("few", "more", "other"))
    for name in ("gbuffers/000000.npz", "gbuffers/000001.npz"):
        assert few[name] == more[name]
        assert few[name] != other[name]


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
import shapes
from vitruvian.synth.dataset.generate import generate
if __name__ == "__main__":
    generate(Path({out!r}), 6, {size}, 7, {workers}, images=False, backend="numpy", sampler=shapes.slow_scene)
"""


def start_and_kill(tmp_path: Path, out: Path, workers: int) -> list[int]:
    """Begin a run in another process and kill it once two samples are there; the ids of its processes."""
    script = tmp_path / "run.py"
    script.write_text(KILLED.format(here=str(HERE), out=str(out), size=SIZE, workers=workers))
    process = subprocess.Popen([sys.executable, str(script)], env=os.environ | {"SLOW": "20"}, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while len(list(out.glob("gbuffers/0*.npz"))) < 2:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        workers_now = [int(i) for i in children.read_text().split()] if children.exists() else []
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return workers_now


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 is a POSIX matter")
def test_after_kill_9_the_same_run_finishes_with_the_same_result(tmp_path):
    out = tmp_path / "killed"
    children = start_and_kill(tmp_path, out, workers=2)
    deadline = time.monotonic() + 120
    while not all(gone(pid) for pid in children):
        assert time.monotonic() < deadline, "workers outlive their killed parent"
        time.sleep(0.02)
    assert not (out / "annotations.json").exists()
    for path in out.glob("gbuffers/0*.npz"):
        read_gbuffer(path)
    report = make(out, 6, sampler=shapes.slow_scene)
    assert report.kept >= 2 and report.kept + report.written == 6
    make(tmp_path / "whole", 6, sampler=shapes.slow_scene)
    assert contents(out) == contents(tmp_path / "whole")


def test_a_damaged_or_missing_sample_is_made_again_and_leftovers_go(tmp_path):
    make(tmp_path)
    before = contents(tmp_path)
    broken = tmp_path / "gbuffers/000001.npz"
    broken.write_bytes(broken.read_bytes()[:100])
    (tmp_path / "gbuffers/000002.npz").unlink()
    (tmp_path / "gbuffers/.000003.npz.99.tmp").write_bytes(b"half")
    report = make(tmp_path)
    assert (report.written, report.kept) == (2, 2)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "change, said", [({"seed": 8}, "seed 7, now 8"), ({"size": (32, 32)}, "size"), ({"count": 9}, "count 4, now 9")]
)
def test_other_arguments_on_an_existing_folder_are_refused(tmp_path, change, said):
    make(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=f"{said}.*same arguments"):
        make(tmp_path, **change)
    assert contents(tmp_path) == before


def test_auto_on_an_existing_folder_keeps_its_backend(tmp_path):
    make(tmp_path, backend="numpy")
    assert make(tmp_path, backend="auto").backend == "numpy"


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        make(tmp_path)
    assert contents(tmp_path) == {"thesis.txt": b"mine"}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_failing_sample_is_reported_and_the_others_go_on(tmp_path, workers):
    report = make(tmp_path, sampler=shapes.broken_scene, workers=workers)
    assert [(f.index, f.reason) for f in report.failed] == [(1, "ValueError: this pose has no elbow")]
    assert report.written == 3
    coco = json.loads((tmp_path / "annotations.json").read_text())
    assert [i["id"] for i in coco["images"]] == [0, 2, 3]


def test_run_says_what_failed_and_returns_one(tmp_path, monkeypatch, capsys):
    def here(out, count, size, seed, workers, backgrounds, **options):
        return generate(out, count, size, seed, 0, backgrounds, sampler=shapes.sometimes_broken_scene, **options)

    monkeypatch.setattr(module, "generate", here)
    monkeypatch.setenv("BROKEN", "1")
    assert run(tmp_path / "a", 3, "64x48", images=False) == 1
    said = capsys.readouterr().err
    assert "sample 1 failed: ValueError: this pose has no elbow" in said
    assert "2 samples written" in said and "rasteriser" in said
    monkeypatch.delenv("BROKEN")
    assert run(tmp_path / "a", 3, "64x48", images=False) == 0
    assert "1 samples written, 2 were there" in capsys.readouterr().err
    with pytest.raises(UsageError, match="at least 1"):
        run(tmp_path / "a", 3, "64x48", workers=0)


def test_an_output_that_cannot_be_written_is_one_clear_line(tmp_path, monkeypatch):
    def full(path, frame):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(work, "write_gbuffer", full)
    with pytest.raises(VitruvianError, match=r"cannot write .*000000.npz \(No space left on device\)\. Free space"):
        make(tmp_path / "full")
    (tmp_path / "file").write_text("")
    with pytest.raises(VitruvianError, match="cannot make the folder"):
        make(tmp_path / "file" / "set")


@pytest.mark.parametrize("options", [{"count": 0}, {"seed": -1}, {"workers": -1}, {"size": (8, 64)}, {"backend": "povray"}])
def test_impossible_arguments_are_refused_before_anything_is_written(tmp_path, options):
    with pytest.raises(UsageError):
        make(tmp_path / "set", **options)
    assert not list(tmp_path.rglob("*.npz"))


def test_a_folder_without_backgrounds_is_refused(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(UsageError, match="no background photos"):
        make(tmp_path / "set", backgrounds=tmp_path / "photos")


def test_backgrounds_are_recorded_by_hash_and_part_of_the_arguments(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    cv2.imwrite(str(photos / "wall.png"), np.full((80, 60, 3), 120, np.uint8))
    make(tmp_path / "set", 1, backgrounds=photos, images=True)
    recorded = json.loads((tmp_path / "set/dataset.json").read_text())["backgrounds"]
    assert recorded == {"wall.png": hashlib.sha256((photos / "wall.png").read_bytes()).hexdigest()}
    with pytest.raises(UsageError, match="backgrounds 1 photos, now 0 photos"):
        make(tmp_path / "set", 1, images=True)


def test_sizes_are_height_by_width():
    assert parse_size("256x192") == (256, 192)
    for wrong in ("256", "256x", "0x10", "256*192", "99999x10", "-1x20", "²x20"):
        with pytest.raises(UsageError, match="256x192"):
            parse_size(wrong)


def test_the_preview_has_a_row_for_each_sample_and_five_tiles(tmp_path):
    report = make(tmp_path, 3, preview=True)
    sheet = cv2.imread(str(report.preview))
    assert sheet.shape == (3 * (SIZE[0] + 4), 5 * SIZE[1] + 4 * 4, 3)
    frame = read_gbuffer(tmp_path / "gbuffers/000000.npz")
    tiles = row(frame)
    inside = frame.person > 0
    for i in range(5):
        tile = tiles[:, i * (SIZE[1] + 4) :][:, : SIZE[1]]
        assert tile[inside].mean() > 1.5 * tile[~inside].mean()
    assert module.PREVIEW_ROWS >= 3

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from vitruvian.cli import main
from vitruvian.data.masks import decode_rle
from vitruvian.predict import pipeline, write
from vitruvian.vocab import skeleton

Photo = Callable[..., Path]
ENDINGS = ("depth.npy", "depth.png", "json", "normal.npy", "normal.png", "owner.png", "parts.png")


@pytest.fixture
def predict(tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """predict("photos", "--json") -> exit code, stdout, stderr; one person a photo unless told otherwise."""

    def run(*words: str | Path, detector: str = "whole-image", draw: bool = False) -> tuple[int, str, str]:
        boxes = [] if "--boxes" in words else ["--detector", detector]
        fixed = ["--model", tiny, "--out", tmp_path / "out", *boxes, "--device", "cpu", "--dtype", "fp32"]
        code = main([str(word) for word in ["predict", *words, *fixed, "--draw" if draw else "--no-draw"]])
        told = capfd.readouterr()
        return code, told.out, told.err

    return run


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def test_the_files_of_a_photo_and_what_they_hold(predict: Any, photo: Photo, tmp_path: Path) -> None:
    code, told, problems = predict(photo("a/b.c.jpg").parents[1], draw=True)
    assert (code, problems) == (0, "")
    assert f"a/b.c.jpg: 1 person -> {tmp_path}/out/a/b.c.json" in told
    assert "tiny (" in told and "boxes from whole-image, on cpu in fp32" in told
    assert files_below(tmp_path / "out") == sorted(f"a/b.c.{ending}" for ending in (*ENDINGS, "overlay.jpg"))
    folder = tmp_path / "out" / "a"
    record = read(folder / "b.c.json")
    assert record["format"] == 1
    assert record["image"] == {"file": "a/b.c.jpg", "width": 80, "height": 60, "notes": []}
    assert record["made_by"]["model"] == "tiny" and len(record["made_by"]["weights"]) == 64
    (person,) = record["people"]
    assert (person["box"], person["score"], person["origin"]) == ([0, 0, 80, 60], 1, "whole-image")
    assert tuple(person["keypoints"]) == skeleton("wholebody133").names
    assert set(person["keypoints"]["nose"]) == {"x", "y", "score"}
    parts = cv2.imread(str(folder / record["files"]["parts"]), cv2.IMREAD_UNCHANGED)
    assert parts.shape == (60, 80) and parts.dtype == np.uint8
    assert {str(i) for i in np.unique(parts)} <= set(record["parts"]["legend"])
    owner = cv2.imread(str(folder / record["files"]["owner"]), cv2.IMREAD_UNCHANGED)
    assert ((owner == 1) == (parts > 0)).all() and person["area"] == (owner == 1).sum()
    depth, normal = np.load(folder / record["files"]["depth"]), np.load(folder / record["files"]["normal"])
    assert (depth.dtype, depth.shape, normal.dtype, normal.shape) == (np.float32, (60, 80), np.float16, (60, 80, 3))
    assert (np.isfinite(depth) == (owner == 1)).all() and (np.isfinite(normal).all(-1) == (owner == 1)).all()
    np.testing.assert_allclose(np.linalg.norm(normal[owner == 1].astype(float), axis=-1), 1, atol=2e-3)
    levels = cv2.imread(str(folder / record["files"]["depth_png"]), cv2.IMREAD_UNCHANGED)
    assert levels.dtype == np.uint16 and ((levels > 0) == (owner == 1)).all()
    np.testing.assert_allclose((65535 - levels[owner == 1].astype(float)) / 65534, depth[owner == 1], atol=1e-5)
    overlay = cv2.imread(str(folder / record["files"]["overlay"]))
    assert overlay.shape[0] > 800 and overlay.shape[1] > 1800, "three by two panels"
    assert cv2.imread(str(folder / record["files"]["normal_png"])).shape == (60, 80, 3)


def test_fewer_tasks_fewer_files(predict: Any, photo: Photo, tmp_path: Path) -> None:
    predict(photo("a.jpg"), "--tasks", "pose")
    assert files_below(tmp_path / "out") == ["a.json"]
    predict(photo("b.jpg"), "--tasks", "depth")
    assert files_below(tmp_path / "out") == ["a.json", "b.depth.npy", "b.depth.png", "b.json", "b.owner.png"]


def test_a_second_run_skips_what_is_done_and_only_that(predict: Any, photo: Photo, tmp_path: Path) -> None:
    first, second = photo("a.jpg"), photo("b.jpg", seed=1)
    out = tmp_path / "out"
    predict(first.parent)
    before = {name: (out / name).stat().st_mtime_ns for name in files_below(out)}
    code, told, _ = predict(first.parent)
    assert code == 0 and told.count("already done: 1 person") == 2
    assert {name: (out / name).stat().st_mtime_ns for name in files_below(out)} == before
    photo("a.jpg", seed=9)
    (out / "b.depth.npy").unlink()
    _, told, _ = predict(first.parent)
    assert "already done" not in told, "one photo was changed, of the other a file is gone"
    assert "already done" not in predict(second, "--overwrite")[1]
    assert "already done" in predict(second, "--tasks", "pose", "seg")[1], "more than is asked for is enough"
    assert "already done" not in predict(second, "--tasks", "pose", "seg", draw=True)[1], "its picture is new"
    assert "already done" in predict(second, "--tasks", "pose", "seg")[1]
    code, _, problem = predict(second, "--flip-test", "--no-flip-test")
    assert code == 2 and "contradict" in problem


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--flip-test"], "flip test off, now on"),
        (["--boxes", "{}/boxes.csv"], "detector whole-image, now given boxes"),
    ],
)
def test_results_by_other_means_are_replaced_only_when_asked_for(
    predict: Any, photo: Photo, tmp_path: Path, words: list[str], told: str
) -> None:
    path, out = photo("a.jpg"), tmp_path / "out"
    (tmp_path / "boxes.csv").write_text("a.jpg,1,2,30,40\n")
    words = [word.format(tmp_path) for word in words]
    predict(path)
    before = {name: (out / name).read_bytes() for name in files_below(out)}
    code, _, problems = predict(path, "--tasks", "pose", *words)
    assert code == 1 and f"was made by other means ({told})" in problems and "--overwrite" in problems
    assert {name: (out / name).read_bytes() for name in files_below(out)} == before
    assert predict(path, "--tasks", "pose", *words, "--overwrite")[0] == 0
    assert files_below(out) == ["a.json"]


def test_a_photo_that_was_changed_is_done_anew_with_all_its_tasks(predict: Any, photo: Photo, tmp_path: Path) -> None:
    path = photo("a.jpg")
    predict(path, "--tasks", "depth")
    photo("a.jpg", seed=4)
    code, told, _ = predict(path, "--tasks", "pose")
    assert code == 0 and "already done" not in told
    assert read(tmp_path / "out/a.json")["tasks"] == ["pose", "depth"]


def test_another_task_is_added_to_what_is_there_and_overwrite_leaves_only_what_is_asked_for(
    predict: Any, photo: Photo, tmp_path: Path
) -> None:
    path, out = photo("a.jpg"), tmp_path / "out"
    predict(path, "--tasks", "pose", draw=True)
    predict(path, "--tasks", "depth")
    assert files_below(out) == ["a.depth.npy", "a.depth.png", "a.json", "a.overlay.jpg", "a.owner.png"]
    assert read(out / "a.json")["tasks"] == ["pose", "depth"]
    (out / "a.txt").write_text("mine")
    predict(path, "--tasks", "seg", "--overwrite")
    assert files_below(out) == ["a.json", "a.owner.png", "a.parts.png", "a.txt"]
    assert read(out / "a.json")["tasks"] == ["seg"]


def test_another_photo_of_the_same_name_does_not_replace_a_result(predict: Any, photo: Photo, tmp_path: Path) -> None:
    first, second = photo("p/a.jpg"), photo("q/a.jpg", seed=1)
    predict(first, "--tasks", "pose")
    before = (tmp_path / "out/a.json").read_text()
    code, _, problems = predict(second, "--tasks", "pose")
    assert (
        code == 1 and "is the result of another photo of this name. Fix: give --out another folder, or --overwrite." in problems
    )
    assert (tmp_path / "out/a.json").read_text() == before
    assert predict(second, "--tasks", "pose", "--overwrite")[0] == 0
    second.rename(first)
    assert "already done" in predict(first, "--tasks", "pose")[1], "a photo may move"


def test_files_beside_a_photo_are_not_replaced_by_its_results(predict: Any, photo: Photo, tmp_path: Path) -> None:
    path = photo("../out/a.jpg")
    (tmp_path / "out/a.depth.png").write_text("mine")
    code, _, problems = predict(path)
    assert code == 1 and "a.depth.png is not a result of vitruvian and would be replaced" in problems
    assert (tmp_path / "out/a.depth.png").read_text() == "mine"
    (tmp_path / "out/a.depth.png").unlink()
    assert predict(path)[0] == 0
    assert "already done" in predict(tmp_path / "out")[1], "results beside photos are no photos"


def test_what_a_killed_run_left_half_written_is_removed(predict: Any, photo: Photo, tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "out").mkdir()
    dead, living = tmp_path / f"out/.a.json.{gone.pid}.tmp", tmp_path / f"out/.a.json.{os.getppid()}.tmp"
    for place in (dead, living):
        place.write_text("half")
    predict(photo("a.jpg"), "--tasks", "pose")
    assert not dead.exists() and living.exists()


def test_an_unexpected_defect_costs_one_photo(predict: Any, photo: Photo, tmp_path: Path, monkeypatch: Any) -> None:
    photo("a.jpg", size=(70, 90)), photo("b.jpg")
    real = pipeline.Predictor.predict_photos

    def sometimes(self: Any, photos: Any, *rest: Any) -> Any:
        if any(one.size == (70, 90) for one in photos):
            raise ZeroDivisionError("by zero")
        return real(self, photos, *rest)

    monkeypatch.setattr(pipeline.Predictor, "predict_photos", sometimes)
    code, _, problems = predict(tmp_path / "photos", "--tasks", "pose")
    assert code == 1 and "a.jpg: unexpected ZeroDivisionError: by zero. Fix: please report it" in problems
    assert files_below(tmp_path / "out") == ["b.json"]


def test_only_part_masks_say_how_large_somebody_is(predict: Any, photo: Photo, tmp_path: Path) -> None:
    predict(photo("a.jpg"), "--tasks", "pose")
    assert "area" not in read(tmp_path / "out/a.json")["people"][0]


def test_other_boxes_are_done_anew(predict: Any, photo: Photo, tmp_path: Path) -> None:
    path, boxes = photo("a.jpg"), tmp_path / "boxes.csv"
    boxes.write_text("a.jpg,1,2,30,40,0.5\n")
    assert "1 person ->" in predict(path, "--boxes", boxes)[1]
    assert "already done: 1 person" in predict(path, "--boxes", boxes)[1]
    boxes.write_text("a.jpg,1,2,30,40,0.5\na.jpg,5,5,30,40\n")
    assert "a.jpg: 2 people" in predict(path, "--boxes", boxes)[1]
    record = read(tmp_path / "out" / "a.json")
    assert [(p["origin"], p["score"]) for p in record["people"]] == [("user", 0.5), ("user", 1.0)]
    assert record["made_by"]["detector"] == "boxes.csv"


def test_results_serve_as_boxes(predict: Any, photo: Photo, tmp_path: Path) -> None:
    path = photo("a.jpg")
    predict(path)
    kept = (tmp_path / "out" / "a.json").rename(tmp_path / "boxes.json")
    code, told, _ = predict(path, "--boxes", kept)
    assert code == 0 and "boxes from boxes.json" in told
    assert read(tmp_path / "out" / "a.json")["people"][0]["box"] == [0, 0, 80, 60]


def test_json_lines_on_stdout_and_nothing_else(predict: Any, photo: Photo, tmp_path: Path) -> None:
    path = photo("a.jpg")
    (path.parent / "b.jpg").write_bytes(b"")
    code, told, words = predict(path.parent, "--json")
    good, bad = (json.loads(line) for line in told.splitlines())
    assert code == 1
    assert good["state"] == "done" and len(good["people"]) == 1 and Path(good["result"]).is_file()
    assert bad == {"file": str(path.parent / "b.jpg"), "error": words.split("error: ")[1].splitlines()[0]}
    assert "boxes from whole-image" in words


def test_coco_export_of_new_and_of_done_photos(predict: Any, photo: Photo, tmp_path: Path) -> None:
    predict(photo("000000000139.jpg"))
    photo("000000000007.jpg", seed=1)
    code, _, _ = predict(tmp_path / "photos", "--coco", tmp_path / "deep" / "coco.json")
    document = read(tmp_path / "deep" / "coco.json")
    assert code == 0
    assert [(i["id"], i["width"], i["height"]) for i in document["images"]] == [(7, 80, 60), (139, 80, 60)]
    assert document["categories"][0]["keypoints"] == list(skeleton("coco17").names)
    first = document["annotations"][0]
    assert first["bbox"] == [0, 0, 80, 60] and first["score"] == 1
    lengths = {
        name: len(first[name]) // 3 for name in ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
    }
    assert list(lengths.values()) == [17, 6, 68, 21, 21]
    assert len(first["keypoint_scores"]) == 133 and set(first["keypoints"][2::3]) <= {1, 2}


def test_coco_file_is_read_by_pycocotools(predict: Any, photo: Photo, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    predict(photo("a.jpg"), "--coco", tmp_path / "coco.json")
    loaded = coco.COCO(str(tmp_path / "coco.json"))
    assert len(loaded.getAnnIds(catIds=loaded.getCatIds(catNms=["person"]))) == 1


def test_coco_has_masks_where_parts_were_made(predict: Any, photo: Photo, tmp_path: Path) -> None:
    path = photo("a.jpg")
    assert predict(path, "--coco", tmp_path / "coco.json")[0] == 0
    (found,) = read(tmp_path / "coco.json")["annotations"]
    owner = cv2.imread(str(tmp_path / "out" / "a.owner.png"), cv2.IMREAD_UNCHANGED)
    assert (decode_rle(found["segmentation"]) == (owner == 1)).all() and found["area"] == (owner == 1).sum()
    predict(path, "--overwrite", "--coco", tmp_path / "coco.json", "--tasks", "pose")
    assert "segmentation" not in read(tmp_path / "coco.json")["annotations"][0]


def test_exif_of_the_input_is_not_copied(predict: Any, photo: Photo, tmp_path: Path) -> None:
    path = photo("a.jpg")
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    exif[0x0112] = 6
    with Image.open(path) as image:
        image.load()
    image.save(path, exif=exif)
    predict(path)
    record = read(tmp_path / "out" / "a.json")
    assert (record["image"]["width"], record["image"]["height"]) == (60, 80)
    for name in files_below(tmp_path / "out"):
        assert b"a secret place" not in (tmp_path / "out" / name).read_bytes()


class TestBadInput:
    """One clear line each, the others finish, exit code 1; 2 for wrong usage."""

    def test_bad_photos_among_good_ones(self, predict: Any, photo: Photo, tmp_path: Path) -> None:
        good = photo("good.jpg")
        whole = photo("x.jpg").read_bytes()
        (good.parent / "x.jpg").unlink()
        (good.parent / "cut.jpg").write_bytes(whole[: len(whole) // 2])
        (good.parent / "empty.png").write_bytes(b"")
        (good.parent / "letter.jpg").write_text("Dear Sir")
        Image.new("RGB", (1, 1)).save(good.parent / "dot.png")
        code, told, problems = predict(good.parent, tmp_path / "none.jpg")
        lines = problems.splitlines()
        assert code == 1
        assert [line.split("/")[-1].split(":")[0] for line in lines] == [
            "cut.jpg",
            "dot.png",
            "empty.png",
            "letter.jpg",
            "none.jpg",
        ]
        assert all(line.startswith("error: ") and ("Allowed:" in line or "Fix:" in line) for line in lines)
        assert "1 done, 5 failed" in told
        assert files_below(tmp_path / "out") == [f"good.{ending}" for ending in ENDINGS]

    def test_a_decompression_bomb(self, predict: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("vitruvian.predict.images.MAX_PIXELS", 80 * 60)
        code, told, problems = predict(photo("a.jpg"), photo("b.jpg", size=(61, 80)))
        assert code == 1 and "1 done, 1 failed" in told
        assert "b.jpg: 80x61 px, refused before decoding" in problems

    def test_bad_boxes(self, predict: Any, photo: Photo, tmp_path: Path) -> None:
        rows = {"a": "1,2,30,40", "b": "nan,0,9,9", "c": "-7,0,9,9", "d": "30,0,9,9", "e": "0,0,500,9", "f": "1,1,9,9"}
        for name in rows:
            photo(f"{name}.jpg")
        (tmp_path / "b.csv").write_text("".join(f"{name}.jpg,{row}\n" for name, row in rows.items()))
        code, told, problems = predict(tmp_path / "photos", "--boxes", tmp_path / "b.csv")
        assert code == 1 and "2 done, 4 failed" in told
        for line, words in zip(problems.splitlines(), ("not finite", "negative", "inverted", "ends outside"), strict=True):
            assert words in line and "Allowed:" in line
        assert [name for name in files_below(tmp_path / "out") if name.endswith("json")] == ["a.json", "f.json"]

    def test_boxes_of_unknown_images(self, predict: Any, photo: Photo, tmp_path: Path) -> None:
        (tmp_path / "b.csv").write_text("a.jpg,1,2,30,40\nzebra.jpg,1,2,30,40\n")
        code, told, problems = predict(photo("a.jpg"), photo("b.jpg"), "--boxes", tmp_path / "b.csv")
        assert code == 1 and "2 done, 1 failed" in told and "b.jpg (no box in b.csv): nobody found" in told
        assert "names images that are not among the given photos: zebra.jpg" in problems

    @pytest.mark.parametrize("content", [None, "not, boxes"])
    def test_no_boxes_file_nothing_done(self, predict: Any, photo: Photo, tmp_path: Path, content: str | None) -> None:
        if content:
            (tmp_path / "b.csv").write_text(content)
        code, _, problems = predict(photo("a.jpg"), "--boxes", tmp_path / "b.csv")
        assert code == 1 and problems.startswith("error: ") and problems.count("\n") == 1
        assert files_below(tmp_path / "out") == []

    def test_an_unreadable_file(self, predict: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
        real = Path.open

        def denied(self: Path, *args: Any, **kwargs: Any) -> Any:
            if self.name == "a.jpg":
                raise PermissionError(13, "Permission denied")
            return real(self, *args, **kwargs)

        paths = photo("a.jpg"), photo("b.jpg")
        monkeypatch.setattr(Path, "open", denied)
        code, told, problems = predict(*paths)
        assert code == 1 and "1 done, 1 failed" in told
        assert "a.jpg: cannot be read (Permission denied)" in problems

    def test_a_photo_without_a_box_says_so(self, predict: Any, photo: Photo, tmp_path: Path) -> None:
        (tmp_path / "b.csv").write_text("a.jpg,1,2,30,40\n")
        code, told, _ = predict(photo("a.jpg"), photo("b.jpg"), "--boxes", tmp_path / "b.csv")
        assert code == 0 and "b.jpg (no box in b.csv): nobody found" in told and "Give boxes" not in told
        assert read(tmp_path / "out" / "b.json")["image"]["notes"] == ["no box in b.csv"]

    def test_boxes_that_clip_to_nothing(self, predict: Any, photo: Photo, tmp_path: Path) -> None:
        good, bad = photo("a.jpg"), photo("b.jpg")
        (tmp_path / "b.csv").write_text("a.jpg,1,2,30,40\nb.jpg,-0.9,-0.9,-0.1,-0.1\n")
        code, told, problems = predict(good, bad, "--boxes", tmp_path / "b.csv")
        assert code == 1 and "1 done, 1 failed" in told
        assert "lies outside the photo" in problems

    @pytest.mark.parametrize("target", ["photos/a.jpg", "b.csv", "out/a.json", "out/a.parts.png"])
    def test_the_coco_file_replaces_nothing_of_worth(self, predict: Any, photo: Photo, tmp_path: Path, target: str) -> None:
        path, boxes = photo("a.jpg"), tmp_path / "b.csv"
        boxes.write_text("a.jpg,1,2,30,40\n")
        place = path if target.startswith("photos") else tmp_path / target
        before = path.read_bytes()
        code, _, problems = predict(path, "--boxes", boxes, "--coco", place)
        assert code == 2 and "would replace" in problems
        assert path.read_bytes() == before and boxes.read_text().startswith("a.jpg")

    def test_a_file_of_the_users_is_not_replaced(self, predict: Any, photo: Photo, tmp_path: Path) -> None:
        path = photo("a.jpg")
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "a.json").write_text('{"shapes": []}')
        code, _, problems = predict(path, "--overwrite")
        assert code == 1 and "is not a result of vitruvian" in problems
        assert (tmp_path / "out" / "a.json").read_text() == '{"shapes": []}'

    def test_an_empty_name_is_not_this_folder(self, predict: Any, photo: Photo) -> None:
        code, told, problems = predict("", photo("a.jpg"))
        assert code == 1 and "1 done, 1 failed" in told
        assert "an empty name" in problems

    def test_a_pipe_with_a_photos_name_is_none(self, predict: Any, photo: Photo) -> None:
        folder = photo("a.jpg").parent
        os.mkfifo(folder / "pipe.jpg")
        code, told, _ = predict(folder)
        assert code == 0 and "1 done" in told

    def test_an_output_folder_that_cannot_be(self, tiny: Path, photo: Photo, tmp_path: Path, capfd: Any) -> None:
        (tmp_path / "file").write_text("mine")
        code = main(["predict", str(photo("a.jpg")), "--model", str(tiny), "--out", str(tmp_path / "file")])
        told = capfd.readouterr()
        assert code == 1 and told.out == ""
        assert told.err.startswith(f"error: the output folder {tmp_path}/file cannot be made")
        assert (tmp_path / "file").read_text() == "mine"

    def test_a_full_disk_keeps_what_is_finished(
        self, predict: Any, photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        photo("a.jpg"), photo("b.jpg"), photo("c.jpg")
        real = Path.write_bytes

        def full(self: Path, data: bytes) -> int:
            if self.name.startswith(".b.normal"):
                raise OSError(28, "No space left on device")
            return real(self, data)

        monkeypatch.setattr(Path, "write_bytes", full)
        code, told, problems = predict(tmp_path / "photos")
        assert code == 1 and "2 done, 1 failed" in told
        assert "b.jpg: the result cannot be written" in problems and "No space left on device" in problems
        assert files_below(tmp_path / "out") == [f"{stem}.{ending}" for stem in "ac" for ending in ENDINGS]

    def test_a_failed_second_try_leaves_the_first_result(
        self, predict: Any, photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = photo("a.jpg")
        predict(path)
        before = {name: (tmp_path / "out" / name).read_bytes() for name in files_below(tmp_path / "out")}

        def full(self: Path, data: bytes) -> int:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(Path, "write_bytes", full)
        code, _, problems = predict(path, "--overwrite")
        assert code == 1 and "Read-only file system" in problems
        assert {name: (tmp_path / "out" / name).read_bytes() for name in files_below(tmp_path / "out")} == before

    def test_results_beside_photos_but_never_in_their_place(self, tiny: Path, photo: Photo, tmp_path: Path, capfd: Any) -> None:
        path, out = photo("a.jpg"), tmp_path / "photos"
        words = ["predict", str(path), "--model", str(tiny), "--out", str(out), "--tasks", "seg", "--detector", "whole-image"]
        assert main(words) == 0
        assert (out / "a.parts.png").is_file() and (out / "a.jpg").is_file()
        before = (out / "a.parts.png").read_bytes()
        assert main([*words[:2], str(out / "a.parts.png"), *words[2:], "--overwrite"]) == 2
        assert f"would replace the photo {out}/a.parts.png" in capfd.readouterr().err
        assert (out / "a.parts.png").read_bytes() == before

    def test_too_large_for_the_memory(self, predict: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
        real = pipeline.Predictor.predict_photos

        def predict_photos(self: Any, photos: Any, *rest: Any) -> Any:
            if any(one.size == (70, 90) for one in photos):
                raise MemoryError
            return real(self, photos, *rest)

        monkeypatch.setattr(pipeline.Predictor, "predict_photos", predict_photos)
        code, told, problems = predict(photo("a.jpg", size=(70, 90)), photo("b.jpg"))
        assert code == 1 and "1 done, 1 failed" in told and "a.jpg: not enough memory" in problems

    def test_a_coco_file_that_cannot_be_written(self, predict: Any, photo: Photo, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        code, told, problems = predict(photo("a.jpg"), "--coco", tmp_path / "folder")
        assert code == 1 and "1 done, 1 failed" in told and "the COCO file cannot be written" in problems

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            (["--model", "vitruvian-x"], "unknown model 'vitruvian-x'. Did you mean vitruvian-s"),
            (["--tasks", "dept"], "unknown task 'dept'. Did you mean depth"),
            (["--tasks", "pose,seg"], "separate them by spaces, as in --tasks pose seg"),
            (["--tasks", "poes"], "unknown task 'poes'. Did you mean pose? Allowed: depth, normal, pose, seg."),
            (["--detector", "hgo"], "unknown detector 'hgo'. Did you mean hog"),
        ],
    )
    def test_unknown_names_are_wrong_usage(
        self, predict: Any, photo: Photo, tiny: Path, tmp_path: Path, capfd: Any, words: list[str], text: str
    ) -> None:
        fixed = {"--model": str(tiny), "--out": str(tmp_path / "out"), "--detector": "hog"} | {words[0]: words[1]}
        code = main(["predict", str(photo("a.jpg")), *[word for pair in fixed.items() for word in pair]])
        told = capfd.readouterr()
        assert code == 2 and told.err.count("\n") == 1 and text in told.err
        assert files_below(tmp_path / "out") == []

    def test_given_boxes_and_a_named_detector_exclude_each_other(
        self, tiny: Path, photo: Photo, tmp_path: Path, capfd: Any
    ) -> None:
        (tmp_path / "b.csv").write_text("a.jpg,1,2,30,40\n")
        words = ["predict", photo("a.jpg"), "--model", tiny, "--boxes", tmp_path / "b.csv", "--detector", "hog"]
        assert main([str(word) for word in words]) == 2
        assert "exclude each other" in capfd.readouterr().err

    def test_a_photo_that_tasks_has_swallowed(self, capfd: Any) -> None:
        assert main(["predict", "--tasks", "pose", "a.jpg"]) == 2
        told = capfd.readouterr().err
        assert "--tasks took 'a.jpg'. Fix: photos first, as in predict a.jpg --tasks pose" in told

    def test_an_absent_device_is_wrong_usage(
        self, photo: Photo, tiny: Path, tmp_path: Path, capfd: Any, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        code = main(["predict", str(photo("a.jpg")), "--model", str(tiny), "--out", str(tmp_path / "out"), "--device", "cuda"])
        assert code == 2 and "device cuda is not available here" in capfd.readouterr().err

    def test_weights_that_do_not_fit(self, photo: Photo, tiny: Path, tmp_path: Path, capfd: Any) -> None:
        data = tiny.read_bytes()
        bad = tmp_path / "bad.safetensors"
        bad.write_bytes(data.replace(rb"\"mlp\": 32", rb"\"mlp\": 64"))
        code = main(["predict", str(photo("a.jpg")), "--model", str(bad), "--out", str(tmp_path / "out")])
        told = capfd.readouterr()
        assert code == 1 and "of the wrong shape" in told.err and told.err.count("\n") == 1

    def test_a_photo_without_people_is_a_result(self, predict: Any, photo: Photo, tmp_path: Path) -> None:
        code, told, problems = predict(photo("a.jpg"), detector="hog")
        assert (code, problems) == (0, "")
        assert told.count("a.jpg: nobody found") == 1
        assert "note: hog found nobody. Give boxes (--boxes), another --detector" in told
        record = read(tmp_path / "out" / "a.json")
        assert record["people"] == []
        assert files_below(tmp_path / "out") == [f"a.{ending}" for ending in ENDINGS]
        assert np.isnan(np.load(tmp_path / "out" / "a.depth.npy")).all()

    def test_interrupt_between_two_photos(self, predict: Any, photo: Photo, tmp_path: Path, monkeypatch: Any) -> None:
        photo("a.jpg"), photo("b.jpg"), photo("c.jpg")
        real = write.record_of

        def record_of(result: Any, name: str, *rest: Any) -> Any:
            if name == "b.jpg":
                raise KeyboardInterrupt
            return real(result, name, *rest)

        monkeypatch.setattr(write, "record_of", record_of)
        code, _, problems = predict(tmp_path / "photos")
        assert code == 1
        assert problems.startswith("interrupted: 1 done; 1 person;") and "goes on from here" in problems
        whole = [[f"{name}.{ending}" for name in names for ending in ENDINGS] for names in ("a", "ac")]
        assert sorted(files_below(tmp_path / "out")) in [sorted(names) for names in whole]  # the next may be written already

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_in_the_middle(self, photo: Photo, tiny: Path, tmp_path: Path, number: int) -> None:
        for i in range(60):
            photo(f"{i:02}.jpg", seed=i)
        out = tmp_path / "out"
        words = ["predict", tmp_path / "photos", "--model", tiny, "--out", out, "--detector", "whole-image", "--no-draw"]
        command = [sys.executable, "-m", "vitruvian", *map(str, words)]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell hands it down ignored
        )
        deadline = time.monotonic() + 60
        while len(list(out.glob("*.json"))) < 2 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        told, problems = process.communicate(timeout=60)
        records = sorted(out.glob("*.json"))
        assert process.returncode == 1, (told, problems)
        assert problems.startswith("interrupted: ") and problems.count("\n") == 1
        assert 2 <= len(records) < 60
        for path in records:
            assert all((out / file).is_file() for file in read(path)["files"].values())
        assert not [name for name in files_below(out) if name.endswith(".tmp")]


def test_a_bar_only_for_somebody_who_looks(predict: Any, photo: Photo, tmp_path: Path, monkeypatch: Any) -> None:
    photo("a.jpg"), photo("b.jpg")
    assert "\x1b" not in predict(tmp_path / "photos")[1]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    code, told, _ = predict(tmp_path / "photos", "--overwrite")
    assert code == 0 and "photos" in told and "a.jpg: 1 person" in told


def test_default_model_is_packaged_by_that_name() -> None:
    from vitruvian import weights

    assert pipeline.DEFAULT_MODEL in weights.MODELS

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitruvian.data.masks import decode_rle
from vitruvian.errors import InputError, UsageError
from vitruvian.predict.stored import ResultFile, Stored, find_results, photo_of, read_results, with_masks

Result = Callable[..., Path]


def only(path: Path) -> Stored:
    (stored,) = read_results(ResultFile(path, path.stem))
    return stored


def test_a_folder_gives_its_results_and_nothing_made_of_them(result: Result, tmp_path: Path) -> None:
    for stem in ("b/frame10", "b/frame2", "a"):
        result(stem)
    folder = tmp_path / "results"
    (folder / "coco.json").write_text('{"images": [], "annotations": []}')
    (folder / "a.metric.json").write_text(json.dumps({**json.loads((folder / "a.json").read_text()), "derived": "depth align"}))
    (folder / "broken.json").write_text("{")
    frames = [json.dumps({"index": i, "time": i / 30, "people": []}) for i in range(2)]
    (folder / "clip.frames.jsonl").write_text("\n".join(frames))
    files, problems = find_results([str(folder), str(folder / "a.json")])
    assert [file.stem for file in files] == ["a", "b/frame2", "b/frame10", "clip"] and problems == []
    assert [stored.line for stored in read_results(files[-1])] == [1, 2]


def test_what_is_no_result_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no result given"):
        find_results([])
    _, (problem,) = find_results([str(tmp_path)])
    assert "no result of vitruvian predict in this folder" in problem.message
    for name, text, told in [
        ("a.json", "{", "no JSON"),
        ("a.json", "[]", "no list of people"),
        ("a.json", '{"people": 3}', "no list of people"),
        ("a.png", "", "not a file of results"),
        ("a.frames.jsonl", '{"people": []}', "a frame without its index"),
        ("a.frames.jsonl", '{"index": 0, "people": []}\n{"ind', "line 2: no JSON"),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=told):
            list(read_results(ResultFile(tmp_path / name, "a")))
    with pytest.raises(InputError, match="no such file"):
        list(read_results(ResultFile(tmp_path / "gone.json", "gone")))


def test_lines_of_a_json_run_find_their_maps(result: Result, tmp_path: Path) -> None:
    path = result("deep/a")
    line = {"file": "x/a.jpg", "state": "done", "result": str(path), **json.loads(path.read_text())}
    lines = tmp_path / "run.jsonl"
    lines.write_text(json.dumps(line) + "\n" + json.dumps({"file": "b.jpg", "error": "damaged"}) + "\n")
    (stored,) = read_results(ResultFile(lines, "run"))
    assert stored.stem == "deep/a" and stored.map("owner").shape == (60, 80)
    lines.write_text(json.dumps({**line, "image": {**line["image"], "file": "../../a.jpg"}}))
    assert next(read_results(ResultFile(lines, "run"))).stem == "a", "nothing is written above the output folder"


def test_frames_of_a_video_have_no_maps(tmp_path: Path) -> None:
    path = tmp_path / "clip.frames.jsonl"
    path.write_text(json.dumps({"index": 3, "time": 0.1, "image": {"file": "clip.mp4", "width": 4, "height": 3}, "people": []}))
    with pytest.raises(InputError, match="line 1: frames of a video have no depth map"):
        next(read_results(ResultFile(path, "clip"))).map("depth")


def test_maps_that_cannot_be_used(result: Result) -> None:
    path = result("a", normal=None, depth=np.zeros((3, 4), np.float32))
    with pytest.raises(InputError, match=r"no normal map\. Fix: vitruvian predict with --tasks normal"):
        only(path).map("normal")
    with pytest.raises(InputError, match="4x3 px, the photo 80x60 px"):
        only(path).map("depth")
    path.with_name("a.depth.npy").write_bytes(b"x")
    path.with_name("a.owner.png").write_bytes(b"x")
    path.with_name("a.parts.png").unlink()
    for kind, told in [("depth", "cannot be read"), ("owner", "damaged"), ("parts", "gone")]:
        with pytest.raises(InputError, match=told):
            only(path).map(kind)


def test_masks_are_those_of_the_owner_map_and_only_where_parts_say_so(result: Result) -> None:
    stored = only(result("a", people=2))
    for i, person in enumerate(with_masks(stored)["people"], 1):
        assert (decode_rle(person["segmentation"]) == (stored.map("owner") == i)).all()
    boxes = only(result("b", mask="boxes"))
    assert with_masks(boxes) == boxes.record


def test_the_photo_of_a_result_is_that_photo(result: Result, tmp_path: Path) -> None:
    stored = only(result("a"))
    with pytest.raises(InputError, match="no such file"):
        photo_of(stored, tmp_path)
    Image.new("RGB", (80, 60), "red").save(tmp_path / "a.jpg")
    assert photo_of(stored, tmp_path).shape == (60, 80, 3)
    assert photo_of(stored, tmp_path / "a.jpg").shape == (60, 80, 3)
    other: dict[str, Any] = {**stored.record, "fingerprint": {"photo": "0" * 64}}
    with pytest.raises(InputError, match="not the photo that"):
        photo_of(Stored(other, stored.path, "a"), tmp_path)
    Image.new("RGB", (81, 60)).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="not the photo that"):
        photo_of(stored, tmp_path)

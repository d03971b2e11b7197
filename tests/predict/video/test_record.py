from __future__ import annotations

import csv
import json
from pathlib import Path

from vitruvian.predict.video.record import fault_record, jitter_record, line_of, write_tables


def line(index: int, people: list[dict], **more: object) -> str:
    image = {"file": "a.mp4", "width": 128, "height": 96}
    return line_of({"index": index, "time": index / 10, "image": image, "people": people, **more}) + "\n"


def person(track: int, **points: tuple[float, float, float]) -> dict:
    keypoints = {name: dict(zip(("x", "y", "score"), values, strict=True)) for name, values in points.items()}
    return {"box": [1, 2, 3, 4], "score": 0.5, "track": track, **({"keypoints": keypoints} if points else {})}


def test_lines_become_two_tables_and_a_census(tmp_path: Path) -> None:
    fault = line_of(fault_record(3, 0.3, "a.mp4", (96, 128), "torn")) + "\n"
    people = [person(2, nose=(5, 6, 0.7)), person(1)]
    lines = [line(0, people), line(1, []), line(2, [person(2, nose=(7, 8, 0.9))]), fault]
    census = write_tables(lines, tmp_path / "f", tmp_path / "t", ("nose",))
    assert (tmp_path / "f").read_text() == "".join(lines)
    rows = list(csv.reader((tmp_path / "t").read_text().splitlines()))
    assert rows[0] == ["track", "frame", "time", "x1", "y1", "x2", "y2", "score", "nose_x", "nose_y", "nose_score"]
    assert rows[1] == ["2", "0", "0.0", "1", "2", "3", "4", "0.5", "5", "6", "0.7"]
    assert rows[2] == ["1", "0", "0.0", "1", "2", "3", "4", "0.5", "", "", ""] and len(rows) == 4
    assert (census.frames, census.people, census.faults, census.first_fault, census.seconds) == (4, 3, 1, "torn", 0.3)
    assert census.tracks[2] == {"track": 2, "frames": 2, "first": 0, "start": 0.0, "last": 2, "end": 0.2}


def test_a_frame_that_could_not_be_read_has_no_people_and_a_reason() -> None:
    record = json.loads(line_of(fault_record(3, 0.3, "ä.mp4", (96, 128), "torn")))
    assert record == {
        "index": 3,
        "time": 0.3,
        "image": {"file": "ä.mp4", "width": 128, "height": 96},
        "people": [],
        "error": "torn",
    }


def test_jitter_is_told_with_its_unit() -> None:
    assert jitter_record(1.234, None, 7, False) == {"unit": "px/s2", "of": 7, "predicted": 1.23}
    assert jitter_record(None, None, 0, True) == {"unit": "px/s2", "of": 0, "predicted": None, "smoothed": None}

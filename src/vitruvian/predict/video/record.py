"""What is written of a clip: a line a frame, a table of tracks, and a summary."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitruvian.predict.record import Record, record_of
from vitruvian.predict.result import ImageResult

DIGITS = 6  # of seconds


@dataclass
class Census:
    """What all lines say together. frames: of the clip; faults: frames that could not be read, the first one's reason."""

    frames: int = 0
    seconds: float = 0.0
    people: int = 0
    tracks: dict[int, Record] = field(default_factory=dict)
    faults: int = 0
    first_fault: str = ""

    def count(self, line: Record) -> None:
        """One frame more."""
        self.frames += 1
        self.seconds = line["time"]
        self.people += len(line["people"])
        if "error" in line:
            self.faults += 1
            self.first_fault = self.first_fault or line["error"]
        for person in line["people"]:
            if (number := person.get("track")) is not None:
                entry = {"track": number, "frames": 0, "first": line["index"], "start": line["time"]}
                entry = self.tracks.setdefault(number, entry)
                entry |= {"frames": entry["frames"] + 1, "last": line["index"], "end": line["time"]}


def frame_record(result: ImageResult, index: int, time: float, name: str) -> Record:
    """The record of one frame: people as in the record of a photo. time: seconds."""
    photo = record_of(result, name, {}, {})
    image = {key: photo["image"][key] for key in ("file", "width", "height")}
    return {"index": index, "time": round(time, DIGITS), "image": image, "people": photo["people"]}


def fault_record(index: int, time: float, name: str, size: tuple[int, int], fault: str) -> Record:
    """The record of a frame that could not be read."""
    image = {"file": name, "width": size[1], "height": size[0]}
    return {"index": index, "time": round(time, DIGITS), "image": image, "people": [], "error": fault}


def line_of(record: Record) -> str:
    """One line of JSON."""
    return json.dumps(record, allow_nan=False, ensure_ascii=False)


def write_tables(lines: Iterable[str], frames: Path, tracks: Path, points: Sequence[str]) -> Census:
    """The lines as they are, and a row for each track and frame, keypoints `points` in columns; one in memory at a time."""
    census = Census()
    with ExitStack() as stack:
        out = stack.enter_context(frames.open("w", encoding="utf-8"))
        table = csv.writer(stack.enter_context(tracks.open("w", encoding="utf-8", newline="")), lineterminator="\n")
        keys = ("x", "y", "score")
        table.writerow(["track", "frame", "time", "x1", "y1", "x2", "y2", "score", *(f"{p}_{k}" for p in points for k in keys)])
        for text in lines:
            out.write(text)
            line = json.loads(text)
            census.count(line)
            for person in line["people"]:
                said = person.get("keypoints", {})
                values = [said[p][k] if p in said else "" for p in points for k in keys]
                row = [person.get("track", ""), line["index"], line["time"], *person["box"], person["score"], *values]
                table.writerow(row)
    return census


def jitter_record(before: float | None, after: float | None, count: int, smooth: bool) -> Record:
    """How much keypoints trembled, as predicted and, if they were smoothed, as written."""
    out: dict[str, Any] = {"unit": "px/s2", "of": count, "predicted": _short(before)}
    return {**out, "smoothed": _short(after)} if smooth else out


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 2)

"""Boxes given by the user: checked one by one, read from CSV, from our own results or from COCO files."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import numpy as np

from vitruvian.errors import InputError
from vitruvian.predict.sources import Problem, Source
from vitruvian.types import Array, Person

ALLOWED = "Allowed: finite x1,y1,x2,y2 in pixels of the upright photo, 0 <= x1 < x2 <= width, 0 <= y1 < y2 <= height."
SLACK = 1.0  # px beyond the border that rounding explains; clipped
PERSON = "person"
Row: TypeAlias = tuple[str, Person | None, str]  # image name, person, what is wrong with the box


@dataclass
class BoxFile:
    """Image name -> its people, in the file's order; an image without people may be named too."""

    path: Path
    people: dict[str, list[Person]] = field(default_factory=lambda: defaultdict(list))
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def match(self, sources: Sequence[Source]) -> tuple[dict[str, str], list[Problem]]:
        """Stem of a source -> the name it has in this file, and one Problem for the names that fit no source."""
        exact: dict[str, list[str]] = defaultdict(list)
        loose: dict[str, list[str]] = defaultdict(list)
        for source in sources:
            exact[source.name].append(source.stem)
            for key in dict.fromkeys(_keys(source.name)):
                loose[key].append(source.stem)
        chosen: dict[str, str] = {}
        unknown = []
        for name in dict.fromkeys([*self.people, *self.wrong]):
            stems = exact.get(name) or next((loose[key] for key in _keys(name) if key in loose), [])
            if len(stems) != 1:
                unknown.append(f"{name} (several photos have this name)" if stems else name)
            elif stems[0] in chosen:
                unknown.append(f"{name} (the same photo as {chosen[stems[0]]})")
            else:
                chosen[stems[0]] = name
        return chosen, self._strangers(unknown)

    def _strangers(self, names: list[str]) -> list[Problem]:
        if not names:
            return []
        some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        text = f"{self.path}: names images that are not among the given photos: {some}. Allowed: their paths or file names."
        return [Problem(str(self.path), text)]


def _keys(name: str) -> list[str]:
    """What an image may be called: its path, its file name, the stem, and the number COCO files are named by."""
    path = PurePosixPath(name.replace("\\", "/"))
    number = [f"#{int(path.stem)}"] if path.stem.isdecimal() else []
    return [path.as_posix(), path.name, path.stem, *number]


def people_of(boxes: Sequence[Person] | Array, size: tuple[int, int], where: str) -> list[Person]:
    """Boxes (N, 4) xyxy, (N, 5) with a score, or people -> people, checked against the photo's size (H, W), clipped to it."""
    if not isinstance(boxes, np.ndarray) and all(isinstance(box, Person) for box in boxes):
        people = list(boxes)
    else:
        rows = np.asarray(boxes, np.float64)
        rows = rows.reshape(0, 4) if rows.size == 0 else np.atleast_2d(rows)
        if rows.ndim != 2 or rows.shape[1] not in (4, 5):
            raise InputError(f"{where}: boxes of shape {rows.shape}. Allowed: (N, 4) x1,y1,x2,y2 or (N, 5) with a score.")
        people = [Person(row[:4].astype(np.float32), float(row[4]) if len(row) == 5 else 1.0, origin="user") for row in rows]
    height, width = size
    out = []
    for i, person in enumerate(people):
        box = np.asarray(person.box, np.float32)
        fault = box_fault(box, person.score)
        clipped = np.clip(box, 0, np.array([width, height, width, height], np.float32))
        if not fault and (box[2] > width + SLACK or box[3] > height + SLACK):
            fault = f"ends outside the photo of {width}x{height} px"
        elif not fault and (clipped[2:] <= clipped[:2]).any():
            fault = f"lies outside the photo of {width}x{height} px"
        if fault:
            raise InputError(f"{where}: box {i + 1} {_show(box)} {fault}. {ALLOWED}")
        out.append(Person(clipped, person.score, person.track, person.origin))
    return out


def box_fault(box: Array, score: float) -> str:
    """What is wrong with a box whatever the photo; empty if nothing is."""
    if not np.isfinite(box).all() or not np.isfinite(score):
        return "is not finite"
    if (box < -SLACK).any():
        return "is negative"
    if box[2] <= box[0] or box[3] <= box[1]:
        return "is inverted or empty"
    return "" if 0 <= score <= 1 else f"has the score {score:g}, not in 0..1"


def digest(people: Iterable[Person]) -> str:
    """A hash of boxes and scores: what was asked for, to tell whether it has been done."""
    text = json.dumps([[*np.asarray(p.box, float).tolist(), p.score] for p in people])
    return hashlib.sha256(text.encode()).hexdigest()


def _show(box: Array) -> str:
    return "(" + ", ".join(f"{v:g}" for v in np.asarray(box).tolist()) + ")"


def read_boxes(path: str | Path) -> BoxFile:
    """A boxes file: .csv (image,x1,y1,x2,y2[,score]), .json or .jsonl (our results; COCO annotations or detections).

    A wrong box does not stop the others: it is kept in `wrong` and its photo fails. InputError if nothing can be read.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: the boxes file cannot be read ({error.strerror}). Fix: check the path.") from error
    except UnicodeDecodeError:
        raise InputError(f"{path}: the boxes file is not text. Allowed: CSV or JSON in UTF-8.") from None
    read = {".csv": _csv, ".json": _json, ".jsonl": _json_lines}.get(path.suffix.lower())
    if read is None:
        raise InputError(f"{path}: a boxes file of unknown kind {path.suffix!r}. Allowed: .csv, .json, .jsonl.")
    out = BoxFile(path)
    try:
        for name, person, fault in read(text):
            out.people[name] += [person] if person else []
            if fault:
                out.wrong[name].append(f"{path}: {fault}. {ALLOWED}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: the boxes file is not understood ({type(error).__name__}: {error}). Allowed: CSV lines"
            " image,x1,y1,x2,y2[,score]; results of vitruvian predict; COCO annotations or detections."
        ) from error
    return out


def _row(name: str, box: Sequence[Any], score: Any, where: str) -> Row:
    try:
        person = Person(np.array([float(v) for v in box], np.float32), float(score), origin="user")
    except (TypeError, ValueError):
        return name, None, f"{where} ({name}): {list(box)} {score!r} are not numbers"
    if person.box.shape != (4,):
        return name, None, f"{where} ({name}): {len(box)} numbers instead of 4"
    fault = box_fault(person.box, person.score)
    return (name, None, f"{where} ({name}): box {_show(person.box)} {fault}") if fault else (name, person, "")


def _csv(text: str) -> Iterable[Row]:
    for number, cells in enumerate(csv.reader(text.splitlines(), skipinitialspace=True), 1):
        if not cells or (number == 1 and cells[0].strip().lower() == "image"):
            continue
        if len(cells) not in (5, 6):
            raise ValueError(f"line {number} has {len(cells)} cells instead of 5 or 6")
        yield _row(cells[0].strip(), cells[1:5], cells[5] if len(cells) == 6 else 1.0, f"line {number}")


def _json_lines(text: str) -> Iterable[Row]:
    for line in text.splitlines():
        if line.strip():
            yield from _results(json.loads(line))


def _json(text: str) -> Iterable[Row]:
    raw = json.loads(text)
    if isinstance(raw, dict) and "annotations" in raw:
        return _coco(raw)
    entries = raw if isinstance(raw, list) else [raw]
    if all("image_id" in entry for entry in entries):
        return _detections(entries, None)
    return (row for entry in entries for row in _results(entry))


def _results(entry: Mapping[str, Any]) -> Iterable[Row]:
    """One record of `vitruvian predict`; a line that tells of an error has no people to take."""
    if "error" in entry:
        return
    name = entry["image"]["file"]
    yield name, None, ""
    for number, person in enumerate(entry["people"], 1):
        yield _row(name, person["box"], person.get("score", 1.0), f"person {number}")


def _coco(raw: Mapping[str, Any]) -> Iterable[Row]:
    names = {image["id"]: image["file_name"] for image in raw["images"]}
    ids = {c["id"] for c in raw.get("categories", []) if c["name"] == PERSON} or {1}
    yield from ((name, None, "") for name in names.values())
    yield from _detections([e for e in raw["annotations"] if not e.get("iscrowd") and e.get("category_id", 1) in ids], names)


def _detections(entries: Sequence[Mapping[str, Any]], names: Mapping[Any, str] | None) -> Iterable[Row]:
    """COCO rows: bbox is x, y, width, height. Without an image list the id itself names the image."""
    for number, entry in enumerate(entries, 1):
        if names is None and entry.get("category_id", 1) != 1:
            continue
        x, y, width, height = entry["bbox"]
        name = str(entry["image_id"]) if names is None else names[entry["image_id"]]
        yield _row(name, (x, y, x + width, y + height), entry.get("score", 1.0), f"box {number}")

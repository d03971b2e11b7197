"""Boxes given by the user: checked one by one, read from CSV, from our own results or from COCO files."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from vitruvian.errors import InputError
from vitruvian.predict.box_formats import PARSERS, SLACK, box_fault, box_of, brief, numbers_of, show
from vitruvian.predict.sources import Problem, Source
from vitruvian.types import Array, Person

ALLOWED = "Allowed: finite x1,y1,x2,y2 in pixels of the upright photo, 0 <= x1 < x2 <= width, 0 <= y1 < y2 <= height."
SHAPES = "Allowed: x1,y1,x2,y2 for each person, shape (N, 4), or with a score (N, 5), as numbers; or a list of Person."
FORMATS = (
    "Allowed: CSV lines image,x1,y1,x2,y2[,score]; results of vitruvian predict;"
    " COCO annotations (images, annotations) or detections (a list)."
)


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
    """Boxes (N, 4) xyxy, (N, 5) with a score, or people -> people, checked against the photo's size (H, W), clipped to it.

    A single box may be given as it is, (4,) or (5,). InputError for anything else, with the name of the photo.
    """
    if isinstance(boxes, list | tuple) and any(isinstance(box, Person) for box in boxes):
        people = [_checked(box, number, where) for number, box in enumerate(boxes, 1)]
    else:
        people = [
            Person(box_of(row[:4]), float(row[4]) if len(row) == 5 else 1.0, origin="user") for row in _rows(boxes, where)
        ]
    return [_clipped(person, number, size, where) for number, person in enumerate(people, 1)]


def _checked(entry: Any, number: int, where: str) -> Person:
    """An entry of a list of people; what it holds came from the caller and may be anything."""
    if not isinstance(entry, Person):
        raise InputError(f"{where}: entry {number} of the list of people is {brief(entry)}. {SHAPES}")
    box, score = numbers_of(entry.box), numbers_of(entry.score)
    if box is None or box.shape != (4,):
        raise InputError(f"{where}: the box of person {number} is {brief(entry.box)}. Allowed: four numbers, x1,y1,x2,y2.")
    if score is None or score.shape != ():
        raise InputError(f"{where}: the score of person {number} is {brief(entry.score)}. Allowed: a number in 0..1.")
    return Person(box_of(box), float(score), entry.track, entry.origin)


def _rows(boxes: Any, where: str) -> Array:
    """(N, 4) or (N, 5) float64."""
    rows = numbers_of(boxes)
    if rows is None:
        raise InputError(f"{where}: boxes given as {brief(boxes)}. {SHAPES}")
    if rows.shape == (0,):
        return rows.reshape(0, 4)
    if rows.shape in ((4,), (5,)):
        rows = rows[None]
    if rows.ndim != 2 or rows.shape[1] not in (4, 5):
        raise InputError(f"{where}: boxes of shape {rows.shape}. {SHAPES}")
    return rows


def _clipped(person: Person, number: int, size: tuple[int, int], where: str) -> Person:
    height, width = size
    box = person.box
    fault = box_fault(box, person.score)
    clipped = np.clip(box, 0, np.array([width, height, width, height], np.float32))
    if not fault and (box[2] > width + SLACK or box[3] > height + SLACK):
        fault = f"ends outside the photo of {width}x{height} px"
    elif not fault and (clipped[2:] <= clipped[:2]).any():
        fault = f"lies outside the photo of {width}x{height} px"
    if fault:
        raise InputError(f"{where}: box {number} {show(box)} {fault}. {ALLOWED}")
    return Person(clipped, person.score, person.track, person.origin)


def digest(people: Iterable[Person]) -> str:
    """A hash of boxes and scores: what was asked for, to tell whether it has been done."""
    text = json.dumps([[*np.asarray(p.box, float).tolist(), p.score] for p in people])
    return hashlib.sha256(text.encode()).hexdigest()


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
    parse = PARSERS.get(path.suffix.lower())
    if parse is None:
        raise InputError(f"{path}: a boxes file of unknown kind {path.suffix!r}. Allowed: {', '.join(PARSERS)}.")
    out = BoxFile(path)
    try:
        for name, person, fault in parse(text):
            out.people[name] += [person] if person else []
            if fault:
                out.wrong[name].append(f"{path}: {fault}. {ALLOWED}")
    except (csv.Error, ValueError, RecursionError) as error:
        raise InputError(f"{path}: the boxes file is not understood: {error}. {FORMATS}") from error
    return out

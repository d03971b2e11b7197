"""Boxes as files write them, CSV, our own results and COCO, each row checked; ValueError for what is no such file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from vitruvian.types import Array, Person

Row: TypeAlias = tuple[str, Person | None, str]  # image name, person, what is wrong with the box
SLACK = 1.0  # px beyond the border that rounding explains; clipped
SHOWN = 60  # characters of a wrong value
PERSON = "person"
HEADER = ["image", "x1", "y1", "x2", "y2", "score"]
KINDS: dict[type, str] = {
    type(None): "null", bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list",
    dict: "an object",
}  # fmt: skip


def numbers_of(value: Any) -> Array | None:
    """A number or anything made of numbers, as float64; None if it is something else, or its rows differ in length."""
    try:
        raw = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):  # ragged lists; tensors that are on another device or need gradients
        return None
    if raw.dtype.kind not in "iuf":  # text that looks like a number is no number
        return None
    return raw.astype(np.float64)


def box_of(numbers: Array) -> Array:
    """Boxes are float32; what that cannot hold becomes infinite, and is told as such."""
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def brief(value: object) -> str:
    """A value as a message shows it: its beginning and its type."""
    text = " ".join(repr(value).split())
    return f"{text[:SHOWN]}{'...' if len(text) > SHOWN else ''} ({type(value).__name__})"


def show(box: Array) -> str:
    """A box as a message shows it."""
    return "(" + ", ".join(f"{v:g}" for v in np.asarray(box).tolist()) + ")"


def box_fault(box: Array, score: float) -> str:
    """What is wrong with a box whatever the photo; empty if nothing is."""
    if not np.isfinite(box).all():
        return "is not finite"
    if not np.isfinite(score):
        return f"has the score {score:g}, not in 0..1"
    if (box < -SLACK).any():
        return "is negative"
    if box[2] <= box[0] or box[3] <= box[1]:
        return "is inverted or empty"
    return "" if 0 <= score <= 1 else f"has the score {score:g}, not in 0..1"


def _row(name: str, corners: Any, score: Any, where: str) -> Row:
    """One box, x1,y1,x2,y2; a wrong one is told and costs no other."""
    numbers, trust = numbers_of(corners), numbers_of(score)
    if numbers is None or trust is None or numbers.ndim != 1 or trust.ndim:
        return name, None, f"{where} ({name}): {_no_number(corners, score)} is not a number"
    if len(numbers) != 4:
        return name, None, f"{where} ({name}): {len(numbers)} numbers instead of 4"
    person = Person(box_of(numbers), float(trust), origin="user")
    fault = box_fault(person.box, person.score)
    return (name, None, f"{where} ({name}): box {show(person.box)} {fault}") if fault else (name, person, "")


def _no_number(corners: Any, score: Any) -> str:
    """The first of these that is none, as JSON writes it."""
    values = [*corners, score] if isinstance(corners, list | tuple) else [corners, score]
    first = next((value for value in values if numbers_of(value) is None), corners)
    text = json.dumps(first, default=str, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _csv(text: str) -> Iterable[Row]:
    """Lines image,x1,y1,x2,y2[,score]; a header alone means that nobody is in any photo."""
    for number, cells in enumerate(csv.reader(text.splitlines(), skipinitialspace=True), 1):
        if not cells:
            continue
        if number == 1 and cells[0].strip().lower() == "image":
            _check_header([cell.strip().lower() for cell in cells])
            continue
        if len(cells) not in (5, 6):
            raise ValueError(f"line {number} has {len(cells)} cells instead of 5 or 6")
        box, score = [_number(cell) for cell in cells[1:5]], _number(cells[5]) if len(cells) == 6 else 1.0
        yield _row(cells[0].strip(), box, score, f"line {number}")


def _check_header(names: list[str]) -> None:
    if names not in (HEADER, HEADER[:-1]):
        raise ValueError(f"its first line names the columns {','.join(names)}")


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _json_lines(text: str) -> Iterable[Row]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield from _result(_parsed(line, f"line {number}"), f"line {number}")


def _json(text: str) -> Iterable[Row]:
    """An empty list means that nobody is in any photo."""
    raw = _parsed(text, "the file")
    if isinstance(raw, dict):
        if {"images", "annotations"} & raw.keys():
            return _coco(raw)
        if not {"people", "image_id", "error"} & raw.keys():
            raise ValueError(f"the file is an object with {_some(raw)}, neither a result nor COCO")
        raw = [raw]
    entries = [(f"entry {number}", entry) for number, entry in enumerate(_as(list, raw, "the file"), 1)]
    if all(isinstance(entry, dict) and "image_id" in entry for _, entry in entries):
        return _detections(entries, None)
    return (row for where, entry in entries for row in _result(entry, where))


def _result(raw: Any, where: str) -> Iterable[Row]:
    """One record of `vitruvian predict`; a line that tells of an error has no people to take."""
    entry = _as(dict, raw, where)
    if "error" in entry:
        return
    image = _get(entry, "image", dict, where)
    name = _get(image, "file", str, f"image of {where}")
    yield name, None, ""
    for number, person in enumerate(_get(entry, "people", list, where), 1):
        place = f"person {number} of {where}"
        box = _get(_as(dict, person, place), "box", object, place)
        yield _row(name, box, person.get("score", 1.0), f"person {number}")


def _coco(raw: Mapping[str, Any]) -> Iterable[Row]:
    """Annotated people, but for crowds; photos without any are named too."""
    images = _get(raw, "images", list, "the COCO file")
    names = {_get(i, "id", int | str, "an image"): _get(i, "file_name", str, "an image") for i in images}
    annotations = [(f"annotation {number}", e) for number, e in enumerate(_get(raw, "annotations", list, "the COCO file"), 1)]
    people = _people_ids(raw)
    yield from ((name, None, "") for name in names.values())
    wanted = [(w, e) for w, e in annotations if not _as(dict, e, w).get("iscrowd") and e.get("category_id", 1) in people]
    yield from _detections(wanted, names)


def _people_ids(raw: Mapping[str, Any]) -> list[Any]:
    """The ids of the category person; 1, as in COCO, where the file lists no categories."""
    categories = _as(list, raw.get("categories", []), "categories")
    people = [_get(c, "id", object, "a category") for c in categories if _get(c, "name", str, "a category") == PERSON]
    if categories and not people:
        raise ValueError(f"none of its categories is {PERSON!r}")
    return people or [1]


def _detections(entries: Sequence[tuple[str, Mapping[str, Any]]], names: Mapping[Any, str] | None) -> Iterable[Row]:
    """COCO rows: bbox is x, y, width, height. Without an image list the id itself names the image."""
    for where, entry in entries:
        if names is None and entry.get("category_id", 1) != 1:
            continue
        image = _get(entry, "image_id", int | str, where)
        if names is not None and image not in names:
            raise ValueError(f"{where} is of image {image!r}, which is not among its images")
        box = _get(entry, "bbox", object, where)
        numbers = numbers_of(box)
        if numbers is not None and numbers.shape == (4,):
            box = numbers + np.array([0, 0, *numbers[:2]])
        yield _row(str(image) if names is None else names[image], box, entry.get("score", 1.0), where)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is no JSON ({error})") from None


def _get(entry: Any, name: str, kind: Any, where: str) -> Any:
    """A field of an object, of the kind it must be."""
    if name not in _as(dict, entry, where):
        raise ValueError(f"{where} has no {name!r}; it has {_some(entry)}")
    return _as(kind, entry[name], f"{name} of {where}")


def _as(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{where} is {KINDS[type(value)]} instead of {KINDS.get(kind, 'a number or a string')}")
    return value


def _some(entry: Mapping[str, Any]) -> str:
    names = list(entry)
    return ", ".join(map(repr, names[:5])) + (" and others" if len(names) > 5 else "") if names else "no fields"


PARSERS: dict[str, Callable[[str], Iterable[Row]]] = {".csv": _csv, ".json": _json, ".jsonl": _json_lines}

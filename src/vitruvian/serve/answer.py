"""One photo's bytes -> the bytes of an answer: its record, its overlay, or all of its files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from vitruvian.errors import UsageError
from vitruvian.predict.boxes import people_of
from vitruvian.predict.images import photo_of_bytes
from vitruvian.predict.pipeline import Predictor
from vitruvian.predict.record import record_of, to_text
from vitruvian.predict.result import ImageResult
from vitruvian.predict.write import ENDINGS, encoded
from vitruvian.types import Array

FORMATS = ("json", "overlay", "zip")
MEDIA = {"json": "application/json", "overlay": "image/jpeg", "zip": "application/zip"}
LONGEST_NAME = 100


@dataclass(frozen=True)
class Request:
    """What is asked of a photo. tasks: None is all of the model's; boxes (N, 4) or (N, 5) with scores, None to detect."""

    tasks: tuple[str, ...] | None = None
    boxes: Array | None = None
    format: str = "json"

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Request:
        """From the words of a URL: tasks=pose,seg, boxes=x1,y1,x2,y2[,score];..., format=json|overlay|zip. UsageError for
        any other."""
        if strangers := query.keys() - {"tasks", "boxes", "format"}:
            raise UsageError(f"unknown field {', '.join(sorted(strangers))}. Allowed: tasks, boxes, format.")
        kind = query.get("format", "json")
        if kind not in FORMATS:
            raise UsageError(f"format={kind}. Allowed: {', '.join(FORMATS)}.")
        tasks = tuple(name.strip() for name in query["tasks"].split(",")) if query.get("tasks") else None
        return cls(tasks, _boxes(query["boxes"]) if "boxes" in query else None, kind)


def _boxes(text: str) -> Array:
    """(N, 5) with scores; a box without one has 1, as in a boxes file."""
    allowed = f"boxes={text[:80]}. Allowed: x1,y1,x2,y2[,score] of each person, people apart by ;"
    try:
        rows = [[float(number) for number in row.split(",")] for row in text.split(";") if row.strip()]
    except ValueError:
        raise UsageError(allowed) from None
    if any(len(row) not in (4, 5) for row in rows):
        raise UsageError(allowed)
    return np.array([[*row, 1.0][:5] for row in rows], np.float64).reshape(-1, 5)


def answer(predictor: Predictor, data: bytes, name: str, asked: Request) -> bytes:
    """The answer in the format that is asked for; name: a plain one (see `plain_name`).

    InputError for what is no photo, UsageError for what the model cannot.
    """
    names = predictor.choose(asked.tasks)
    photo = photo_of_bytes(data, name)
    people = None if asked.boxes is None else people_of(asked.boxes, photo.size, name)
    result = predictor.predict_photo(photo, people, names)
    if asked.format == "overlay":
        return encoded(result, draw=True)["overlay"]()
    if asked.format == "zip":
        return _zipped(result, name)
    return _record(result, name, {})


def plain_name(name: str) -> str:
    """A file name without folders, of printable characters, as records and archives may hold it."""
    last = PurePosixPath(name.replace("\\", "/")).name
    kept = "".join(letter for letter in last if letter.isprintable())[-LONGEST_NAME:]
    return kept.lstrip(".") or "photo"


def _record(result: ImageResult, name: str, files: Mapping[str, str]) -> bytes:
    return (to_text(record_of(result, name, files, {})) + "\n").encode()


def _zipped(result: ImageResult, name: str) -> bytes:
    """All files of `vitruvian predict`, under the same names."""
    stem, files = PurePosixPath(name).stem, encoded(result, draw=True)
    names = {kind: f"{stem}.{ENDINGS[kind]}" for kind in files}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # the page unpacks no others
        for kind, encode in files.items():
            archive.writestr(names[kind], encode())
        archive.writestr(f"{stem}.{ENDINGS['record']}", _record(result, name, names))
    return out.getvalue()


def about(predictor: Predictor, names: Sequence[str]) -> dict[str, object]:
    """What answers: model, weights, tasks, detector, device."""
    made = predictor.made_by(predictor.boxes_from(tuple(names)))
    return {
        "status": "ok", "model": made.model, "weights": made.weights, "licence": made.licence, "tasks": list(names),
        "detector": made.detector, "device": made.device, "dtype": made.dtype, "flip_test": made.flip_test,
    }  # fmt: skip

"""Results of earlier runs read back: the record of a photo with its maps, or those of the frames of a video."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vitruvian.data.masks import encode_rle
from vitruvian.errors import InputError, UsageError
from vitruvian.geometry import AXES
from vitruvian.predict.images import read_photo
from vitruvian.predict.record import Record
from vitruvian.predict.sources import Problem, expanded
from vitruvian.types import UNSTATED, Array

ENDINGS = (".frames.jsonl", ".jsonl", ".json")
DERIVED = "derived"  # field of a record made of another record; a folder's results are those that lack it
ALLOWED = "Allowed: STEM.json of vitruvian predict, STEM.frames.jsonl of a video, or a folder of them."


@dataclass(frozen=True)
class ResultFile:
    """A file of results, and its path below what was given, without its ending."""

    path: Path
    stem: str

    @property
    def is_video(self) -> bool:
        """True of a file that holds a record for each frame."""
        return self.path.name.endswith(ENDINGS[0])


@dataclass(frozen=True)
class Stored:
    """The record of one photo or frame, and where it was found. stem: where what is made of it goes, below an output folder."""

    record: Record
    path: Path
    stem: str
    line: int | None = None

    @property
    def where(self) -> str:
        """The file, and the line in it, as messages name them."""
        return str(self.path) if self.line is None else f"{self.path}, line {self.line}"

    @property
    def name(self) -> str:
        """The photo's name; of a frame, the video's."""
        image = self.record.get("image")
        name = image.get("file") if isinstance(image, dict) else None
        return str(name or self.record.get("video") or self.path.name)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the photo. InputError where the record does not say it."""
        image = self.record.get("image")
        try:
            return int(image["height"]), int(image["width"])  # type: ignore[index]
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{self.where}: the size of the photo is not in the record. {ALLOWED}") from None

    @property
    def people(self) -> list[Record]:
        """The people, in the record's order."""
        return list(self.record["people"])

    def has(self, kind: str) -> bool:
        """True if the record names a map of this kind."""
        return kind in (self.record.get("files") or {})

    def map(self, kind: str) -> Array:
        """The map `parts`, `depth`, `normal` or `owner`. InputError where it was not made, is gone or of another size."""
        if not self.has(kind) and "index" in self.record:
            raise InputError(
                f"{self.where}: frames of a video have no {kind} map. Fix: vitruvian predict with its frames as photos."
            )
        if not self.has(kind):
            task = {"parts": "seg", "owner": "seg"}.get(kind, kind)
            raise InputError(f"{self.where}: there is no {kind} map. Fix: vitruvian predict with --tasks {task}.")
        path = self._folder / self.record["files"][kind]
        values = _read_map(path)
        if values.shape[:2] != self.size:
            shape = f"{values.shape[1]}x{values.shape[0]}"
            raise InputError(
                f"{path}: {shape} px, the photo {self.size[1]}x{self.size[0]} px. Fix: run vitruvian predict again."
            )
        return values

    def normals(self, axes: str | None = None, instead: str = "") -> Array:
        """The map `normal` (H, W, 3) in camera axes. axes: a name of `geometry.AXES`, for a record that does not state its own.

        InputError where neither states them; instead: what else would do, for the message.
        """
        values, frame = self.map("normal"), (self.record.get("normal") or {}).get("frame")
        if not str(frame).startswith(UNSTATED):
            return values
        if axes is None:
            fix = f"Fix: --given-axes {', '.join(AXES)}, as they were trained{instead}."
            raise InputError(f"{self.where}: the axes of its normals are not stated. {fix}")
        out: Array = values * np.array(AXES[axes], values.dtype)
        return out

    @property
    def _folder(self) -> Path:
        place = self.record.get("result")  # a line of `predict --json` says where its files lie
        return Path(place).parent if isinstance(place, str) else self.path.parent


def find_results(given: Sequence[str]) -> tuple[list[ResultFile], list[Problem]]:
    """Every result among files and folders (recursive), once, in order; what cannot be used is a Problem.

    Of a folder those that `predict` wrote, and nothing that was made of them. UsageError if nothing is given.
    """
    if not given:
        raise UsageError(f"no result given. {ALLOWED}")
    found: dict[Path, ResultFile] = {}
    problems = []
    for text in given:
        path = expanded(text)
        if path.is_dir():
            files = [ResultFile(file, _stem(file.relative_to(path))) for file in _results_below(path)]
            if not files:
                problems.append(Problem(text, f"{text}: no result of vitruvian predict in this folder. {ALLOWED}"))
        else:
            files = [ResultFile(path, _stem(Path(path.name)))]
        for file in files:
            found.setdefault(file.path.resolve(), file)
    return list(found.values()), problems


def read_results(file: ResultFile) -> Iterator[Stored]:
    """The records of a file, one after the other: one of a photo, one a frame of a video.

    InputError for what is absent, no JSON, or no result.
    """
    if not file.path.name.endswith(ENDINGS):
        raise InputError(f"{file.path}: not a file of results. {ALLOWED}")
    try:
        with file.path.open(encoding="utf-8-sig") as text:
            if file.path.suffix == ".json":
                yield Stored(_checked(text.read(), str(file.path)), file.path, file.stem)
                return
            for number, line in enumerate(text, 1):
                if line.strip():
                    yield from _of_line(line, number, file)
    except FileNotFoundError:
        raise InputError(f"{file.path}: no such file. {ALLOWED}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file.path}: cannot be read ({error}). {ALLOWED}") from error


def photo_of(stored: Stored, photos: Path) -> Array:
    """The photo (H, W, 3) of a result, below the folder `photos`, or that file. InputError where it is another one."""
    path = photos / stored.name if photos.is_dir() else photos
    pixels = read_photo(path).pixels
    known = (stored.record.get("fingerprint") or {}).get("photo")
    with path.open("rb") as file:
        changed = known is not None and hashlib.file_digest(file, "sha256").hexdigest() != known
    if changed or pixels.shape[:2] != stored.size:
        raise InputError(f"{path}: not the photo that {stored.where} was made of. Fix: give the folder of the photos.")
    return pixels


def with_masks(stored: Stored) -> Record:
    """The record with COCO's run-length code of each person's pixels, where parts say which those are; else as it is."""
    if (stored.record.get("owner") or {}).get("mask") != "parts" or not stored.has("owner"):
        return stored.record
    owner = stored.map("owner")
    people = [{**person, "segmentation": encode_rle(owner == i)} for i, person in enumerate(stored.people, 1)]
    return {**stored.record, "people": people}


def _stem(path: Path) -> str:
    ending = next((e for e in ENDINGS if path.name.endswith(e)), path.suffix)
    return path.with_name(path.name.removesuffix(ending) or path.name).as_posix()


def _results_below(folder: Path) -> list[Path]:
    files = (
        path for path in sorted(folder.rglob("*"), key=_in_order) if path.name.endswith(ENDINGS[0]) or path.suffix == ".json"
    )
    return [path for path in files if path.is_file() and not path.name.startswith(".") and _is_result(path)]


def _in_order(path: Path) -> list[tuple[int, str]]:
    """As people count: frame2 before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.as_posix())]


def _is_result(path: Path) -> bool:
    """Whether `predict` wrote it: of a video, its first frame says so."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            texts = islice(file, 2) if path.name.endswith(ENDINGS[0]) else [file.read()]
            raws = [json.loads(text) for text in texts]
    except (OSError, ValueError, RecursionError):
        return False
    fields = {"people"} if path.name.endswith(ENDINGS[0]) else {"format", "image", "people"}
    return any(isinstance(raw, dict) and fields <= raw.keys() and DERIVED not in raw for raw in raws)


def _of_line(line: str, number: int, file: ResultFile) -> Iterator[Stored]:
    where = f"{file.path}, line {number}"
    raw = _parsed(line, where)
    if isinstance(raw, dict) and "people" not in raw and (number == 1 or "error" in raw):
        return  # what precedes the frames of a video, or a photo that failed
    record = _checked(raw, where)
    if file.is_video and not isinstance(record.get("index"), int):
        raise InputError(f"{where}: a frame without its index. {ALLOWED}")
    name = Path(str((record.get("image") or {}).get("file", file.stem)))
    inside = not (name.is_absolute() or ".." in name.parts)  # what is made of it stays below the output folder
    stem = file.stem if "index" in record else _stem(name if inside else Path(name.name))
    yield Stored(record, file.path, stem, number)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: no JSON ({error}). {ALLOWED}") from None


def _checked(raw: Any, where: str) -> Record:
    if isinstance(raw, str):
        raw = _parsed(raw, where)
    people = raw.get("people") if isinstance(raw, dict) else None
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise InputError(f"{where}: not a result of vitruvian predict (it has no list of people). {ALLOWED}")
    return dict(raw)


def _read_map(path: Path) -> Array:
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except FileNotFoundError:
        raise InputError(f"{path}: this map is gone. Fix: run vitruvian predict again.") from None
    except (OSError, ValueError, EOFError, cv2.error) as error:
        raise InputError(f"{path}: the map cannot be read ({error}). Fix: run vitruvian predict again.") from error
    if image is None:
        raise InputError(f"{path}: the map is damaged. Fix: run vitruvian predict again.")
    return np.asarray(image)

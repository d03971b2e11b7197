"""Boxes of a clip's people given by its user, frame by frame: a CSV file such as `STEM.tracks.csv` of an earlier run."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitruvian.errors import InputError
from vitruvian.predict.box_formats import SLACK, box_fault, box_of, show
from vitruvian.types import Array, Person

NEEDED = ("frame", "x1", "y1", "x2", "y2")
OPTIONAL = ("score", "track")
ALLOWED = (
    f"Allowed: CSV whose first line names the columns {', '.join(NEEDED)}, and {' and '.join(OPTIONAL)} if known,"
    " such as STEM.tracks.csv; frames from 0, pixels of the upright frame."
)


@dataclass(frozen=True)
class GivenBoxes:
    """All boxes of one clip, ordered by frame. frame (N,), box (N, 4) xyxy px, score (N,), track (N,), 0 where not given.

    tracked: the file says who is who; else the tracker does.
    """

    name: str
    frame: Array
    box: Array
    score: Array
    track: Array
    tracked: bool

    def people(self, index: int) -> list[Person]:
        """Those of a frame; nobody in a frame that the file does not name."""
        rows = slice(*np.searchsorted(self.frame, [index, index + 1]).tolist())
        found = zip(self.box[rows], self.score[rows], self.track[rows], strict=True)
        return [Person(box, float(score), int(track) or None, "user") for box, score, track in found]

    def digest(self) -> str:
        """What was asked for, to tell whether it has been done."""
        out = hashlib.sha256(str(self.tracked).encode())
        for values in (self.frame, self.box, self.score, self.track):
            out.update(np.ascontiguousarray(values).tobytes())
        return out.hexdigest()

    def within(self, size: tuple[int, int]) -> GivenBoxes:
        """Boxes cut at the border of frames of `size` (H, W). InputError where one lies outside."""
        high = np.array([size[1], size[0], size[1], size[0]], np.float32)
        cut = np.clip(self.box, 0, high)
        outside = (self.box[:, 2:] > high[2:] + SLACK).any(1) | (cut[:, 2:] <= cut[:, :2]).any(1)
        if outside.any():
            row = int(np.argmax(outside))
            told = f"box {show(self.box[row])} of frame {self.frame[row]} lies outside the frame of {size[1]}x{size[0]} px"
            raise InputError(f"{self.name}: {told}. {ALLOWED}")
        return GivenBoxes(self.name, self.frame, cut, self.score, self.track, self.tracked)


def read_given(path: Path) -> GivenBoxes:
    """The boxes file of one clip. InputError for what is no such file, with the line that is wrong."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, skipinitialspace=True)
            return _gathered(path, _columns(path, next(rows, [])), rows)
    except OSError as error:
        raise InputError(f"{path}: the boxes file cannot be read ({error.strerror}). Fix: check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: the boxes file is no CSV ({error}). {ALLOWED}") from error


def _columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    names = {name.strip().lower(): i for i, name in enumerate(header)}
    if missing := [name for name in NEEDED if name not in names]:
        raise InputError(f"{path}: boxes of a clip without the columns {', '.join(missing)}. {ALLOWED}")
    return names


def _gathered(path: Path, columns: dict[str, int], rows: Iterable[Sequence[str]]) -> GivenBoxes:
    found: list[tuple[int, list[float], float, int]] = []
    for number, cells in enumerate(rows, 2):
        if cells:
            found.append(_row(f"{path}: line {number}", columns, cells))
    found.sort(key=lambda row: row[0])
    frame, box, score, track = zip(*found, strict=True) if found else ((), (), (), ())
    frames, tracks = np.array(frame, np.int64), np.array(track, np.int64)
    tracked = bool(len(tracks) and (tracks > 0).all())
    if tracked:
        _check_once(path, frames, tracks)
    return GivenBoxes(path.name, frames, box_of(np.reshape(box, (-1, 4))), np.array(score, np.float64), tracks, tracked)


def _check_once(path: Path, frames: Array, tracks: Array) -> None:
    pairs, counts = np.unique(np.stack([frames, tracks], 1), axis=0, return_counts=True)
    if (counts > 1).any():
        frame, track = pairs[np.argmax(counts > 1)].tolist()
        raise InputError(f"{path}: track {track} is in frame {frame} more than once. Allowed: once a frame.")


def _row(where: str, columns: dict[str, int], cells: Sequence[str]) -> tuple[int, list[float], float, int]:
    def number(name: str, other: str = "") -> float:
        cell = cells[columns[name]] if columns.get(name, len(cells)) < len(cells) else other
        try:
            return float(cell or other)
        except ValueError:
            raise InputError(f"{where}: {name} is {cell!r}, no number. {ALLOWED}") from None

    frame, track = number("frame"), number("track", "0")
    box, score = [number(name) for name in NEEDED[1:]], number("score", "1")
    for name, value in (("frame", frame), ("track", track)):
        if not 0 <= value < 2**53 or value != int(value):
            raise InputError(f"{where}: {name} is {value:g}. Allowed: 0, 1, 2, ...")
    if fault := box_fault(box_of(np.array(box)), score):
        raise InputError(f"{where}: box {show(np.array(box))} {fault}. {ALLOWED}")
    return int(frame), box, score, int(track)

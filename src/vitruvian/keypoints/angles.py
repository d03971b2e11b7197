"""Joint angles in the picture's plane, one row a person and frame."""

from __future__ import annotations

import math

from vitruvian.geometry import angle_between, lean
from vitruvian.keypoints.points import points_of, sure
from vitruvian.predict.stored import Stored
from vitruvian.types import Keypoints
from vitruvian.vocab import angles, skeleton

COLUMNS = ("image", "index", "time", "person", "track", *(angle.name for angle in angles()))


def angles_of(points: Keypoints, threshold: float) -> dict[str, float]:
    """Degrees by name (see `vocab/angles.toml`); NaN where a point scores below the threshold or the skeleton lacks it."""
    out = {}
    for angle in angles():
        start, end = sure(points, angle.start, threshold), sure(points, angle.end, threshold)
        value = angle_between(start, sure(points, angle.at, threshold), end) if angle.at else lean(start, end)
        out[angle.name] = float(value)
    return out


def rows_of(stored: Stored, threshold: float) -> list[list[str]]:
    """The lines of `COLUMNS` for every person of a photo or frame; people are counted from 1."""
    record = stored.record
    lines = []
    for number, person in enumerate(stored.people, 1):
        values = angles_of(points_of(person, stored, number), threshold)
        start = [stored.name, record.get("index"), record.get("time"), number, person.get("track")]
        lines.append([*(("" if v is None else str(v)) for v in start), *map(_text, values.values())])
    return lines


def out_of_reach(name: str) -> list[str]:
    """The angles that a skeleton can never give."""
    known = set(skeleton(name).names)
    return [angle.name for angle in angles() if not {*angle.start, *angle.at, *angle.end} <= known]


def _text(value: float) -> str:
    return "nan" if math.isnan(value) else f"{value:.2f}"

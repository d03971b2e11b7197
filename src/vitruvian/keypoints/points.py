"""The points of one person: read from a record, taken over to another set, told again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from vitruvian.errors import InputError
from vitruvian.predict.record import Record
from vitruvian.predict.stored import Stored
from vitruvian.types import Array, Keypoints
from vitruvian.vocab import Equivalence, Equivalent, equivalents, skeleton, skeleton_names

EXACTNESS = get_args(Equivalence)


def points_of(person: Record, stored: Stored, number: int) -> Keypoints:
    """The keypoints of the `number`-th person. InputError where there are none, or they are not those of their skeleton."""
    where = f"{stored.where}: person {number}"
    points, name = person.get("keypoints"), person.get("skeleton")
    if not isinstance(points, dict) or not points:
        raise InputError(f"{where} has no keypoints. Fix: vitruvian predict with --tasks pose.")
    if name not in skeleton_names():
        raise InputError(f"{where} has the skeleton {name!r}. Allowed: {', '.join(skeleton_names())}.")
    if tuple(points) != skeleton(name).names:
        raise InputError(f"{where}: its keypoints are not those of {name}. Fix: run vitruvian predict again.")
    try:
        rows = np.array([[point["x"], point["y"], point["score"]] for point in points.values()], np.float64)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{where}: a keypoint is not x, y and score. Fix: run vitruvian predict again.") from None
    return Keypoints(rows[:, :2], rows[:, 2], name)


def convert_points(points: Keypoints, target: str) -> Keypoints:
    """The same person in another set: the mean of the points that make up each, with their least score; 0 where none do."""
    found = equivalents(points.skeleton, target)
    xy, score = np.zeros((len(found), 2)), np.zeros(len(found))
    for i, equivalent in enumerate(found):
        if rows := list(equivalent.rows):
            xy[i], score[i] = points.xy[rows].mean(0), points.score[rows].min()
    return Keypoints(xy, score, target)


def convert_person(person: Record, stored: Stored, number: int, target: str) -> Record:
    """The person's record with the keypoints of another set; what is not the same point says what it is (`kind`)."""
    points = points_of(person, stored, number)
    before = [point.get("kind", "same") for point in person["keypoints"].values()]
    found = equivalents(points.skeleton, target)
    moved = convert_points(points, target)
    rows = {e.name: _row(moved, i, _kind(e, before)) for i, e in enumerate(found)}
    return {**person, "skeleton": target, "keypoints": rows}


def _row(points: Keypoints, i: int, kind: str) -> Record:
    if kind == "none":
        return {"x": 0.0, "y": 0.0, "score": 0.0, "kind": kind}
    x, y = points.xy[i]
    row = {"x": round(float(x), 2), "y": round(float(y), 2), "score": round(float(points.score[i]), 4)}
    return row if kind == "same" else {**row, "kind": kind}


def _kind(equivalent: Equivalent, before: Sequence[str]) -> str:
    """How a point was had, now or in a conversion before: the least exact of all."""
    return max([equivalent.kind, *(before[row] for row in equivalent.rows)], key=EXACTNESS.index)


def conversion(source: str, target: str) -> Record:
    """What a conversion does, point by point: how many stay the same, and what the others are made of."""
    names = skeleton(source).names
    found = equivalents(source, target)
    made = {kind: {e.name: [names[row] for row in e.rows] for e in found if e.kind == kind} for kind in ("midpoint", "near")}
    none = [e.name for e in found if e.kind == "none"]
    return {"from": source, "to": target, "same": sum(e.kind == "same" for e in found), **made, "none": none}


def sure(points: Keypoints, names: tuple[str, ...], threshold: float) -> Array:
    """The mean (2,) of these points; NaN where the skeleton lacks one, or one scores below the threshold."""
    known = skeleton(points.skeleton).names
    if not set(names) <= set(known):
        return np.full(2, np.nan)
    rows = [known.index(name) for name in names]
    return points.xy[rows].mean(0) if (points.score[rows] >= threshold).all() else np.full(2, np.nan)

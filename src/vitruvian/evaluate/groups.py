"""Means of people's figures by group, with an interval that says how far a few people can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from vitruvian.evaluate.people import ORDER, Judged

DRAWS, LEVEL, SEED = 2000, 0.95, 0  # of the bootstrap
LEAST_PHOTOS = 10  # of fewer, draws are all alike and the interval comes out far too narrow
EVERYBODY = "everybody"
Estimate: TypeAlias = dict[str, float]  # mean, low, high, people


def estimate(values: Sequence[float], photos: Sequence[str]) -> Estimate:
    """Mean over people and its 95 % interval, by drawing photos with replacement; people without the figure are left out.

    NaN bounds where fewer than LEAST_PHOTOS photos have it.
    """
    known = np.isfinite(values)
    numbers, names = np.asarray(values, float)[known], np.asarray(photos)[known]
    out = {"people": len(numbers), "mean": float(numbers.mean()) if len(numbers) else float("nan")}
    _, place = np.unique(names, return_inverse=True)
    count = int(place.max()) + 1 if len(place) else 0
    if count < LEAST_PHOTOS:
        return out | {"low": float("nan"), "high": float("nan")}
    sums, people = np.bincount(place, numbers, count), np.bincount(place, minlength=count)
    drawn = np.random.default_rng(SEED).integers(count, size=(DRAWS, count))
    low, high = np.quantile(sums[drawn].sum(1) / people[drawn].sum(1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return out | {"low": float(low), "high": float(high)}


def estimates(people: Sequence[Judged]) -> dict[str, Any]:
    """`people`: how many; figure -> estimate, for every figure that any of them has."""
    names = dict.fromkeys(name for one in people for name in one.figures)
    photos = [one.photo for one in people]
    return {"people": len(people)} | {n: estimate([p.figures.get(n, float("nan")) for p in people], photos) for n in names}


def by_group(people: Sequence[Judged], order: Sequence[str] = ORDER) -> dict[str, dict[str, Any]]:
    """Grouping -> group -> estimates; the first grouping is everybody. order: of groups, those that are not in it by name."""
    rank = {name: place for place, name in enumerate(order)}
    out = {EVERYBODY: {EVERYBODY: estimates(people)}}
    for grouping in dict.fromkeys(name for one in people for name in one.groups):
        names = sorted({one.groups.get(grouping, "unknown") for one in people}, key=lambda n: (rank.get(n, len(rank)), n))
        out[grouping] = {n: estimates([p for p in people if p.groups.get(grouping, "unknown") == n]) for n in names}
    return out


def differences(people: Sequence[Judged], reference: Sequence[Judged]) -> dict[str, Any]:
    """Estimates of what changes from `reference`, the same people (by key) seen otherwise, person by person."""
    before = {one.key: one.figures for one in reference}
    pairs = [(one, before[one.key]) for one in people if one.key in before]
    changed = [
        Judged(one.photo, one.key, {n: v - old[n] for n, v in one.figures.items() if n in old}, {}) for one, old in pairs
    ]
    return estimates(changed)

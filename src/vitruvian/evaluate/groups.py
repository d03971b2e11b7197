"""Means of people's figures by group, with an interval that says how far a few people can be trusted."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from vitruvian.errors import InputError
from vitruvian.evaluate.people import ORDER, Judged

DRAWS, LEVEL, SEED = 2000, 0.95, 0  # of the bootstrap
EVERYBODY = "everybody"
Estimate: TypeAlias = dict[str, float]  # mean, low, high, people
# figure -> words, and whether it is a fraction (else it stays in its unit)
SHOWN: dict[str, tuple[str, bool]] = {
    "pose/pck/body": ("body points within 0.1 of the box, %", True),
    "seg/foreground_iou": ("person IoU, %", True),
    "seg/miou": ("parts mIoU, %", True),
    "depth/order": ("depth order, %", True),
    "normal/mean": ("normals, °", False),
}


def estimate(values: Sequence[float], photos: Sequence[str]) -> Estimate:
    """Mean over people and its 95 % interval, by drawing photos with replacement; people without the figure are left out.

    NaN bounds where fewer than two photos have it.
    """
    known = np.isfinite(values)
    numbers, names = np.asarray(values, float)[known], np.asarray(photos)[known]
    out = {"people": len(numbers), "mean": float(numbers.mean()) if len(numbers) else float("nan")}
    _, place = np.unique(names, return_inverse=True)
    count = int(place.max()) + 1 if len(place) else 0
    if count < 2:
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


def group_table(title: str, groups: Mapping[str, Any], signed: bool = False) -> str:
    """A Markdown table: a row a group, "mean (low to high)" a cell; figures that nobody has are left out."""
    shown = [n for n in SHOWN if any(np.isfinite(row[n]["mean"]) for row in groups.values() if n in row)]
    head = [title, "n", *(SHOWN[n][0] for n in shown)]
    body = [[name, row["people"], *(_cell(row.get(n), SHOWN[n][1], signed) for n in shown)] for name, row in groups.items()]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(str(v) for v in line) + " |" for line in lines)


def _cell(given: Mapping[str, float] | None, fraction: bool, signed: bool) -> str:
    if given is None or not np.isfinite(given["mean"]):
        return "–"
    scale = 100 if fraction else 1
    mean, low, high = (round(given[n] * scale, 1) + 0.0 for n in ("mean", "low", "high"))  # + 0.0: never -0.0
    sign = "+" if signed else ""
    if not np.isfinite(low):
        return f"{mean:{sign}.1f}"
    return f"{mean:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


class GivenGroups:
    """A CSV of the user's own groups: column `photo` (file name), perhaps `person` (annotation id), all others groupings."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: cannot be read ({error}). Fix: give a CSV file.") from error
        self.names = [n for n in (rows[0] if rows else ()) if n and n not in ("photo", "person")]
        if not self.names or "photo" not in rows[0]:
            raise InputError(f"{path}: no groups. Allowed: a CSV with the column photo, perhaps person, and groupings.")
        self.path = path
        self._rows = {(row["photo"], row.get("person") or ""): row for row in rows}
        self._met: set[tuple[str, str]] = set()

    def of(self, photo: str, person: str) -> dict[str, str]:
        """Grouping -> group of annotation `person` on `photo`; its photo's row where it has none of its own."""
        for key in ((photo, person), (photo, "")):
            if key in self._rows:
                self._met.add(key)
                return {n: (self._rows[key][n] or "").strip() or "not given" for n in self.names}
        return dict.fromkeys(self.names, "not given")

    def unmet(self) -> list[str]:
        """The photos (and people) of rows that nobody was found for."""
        return sorted("/".join(filter(None, key)) for key in self._rows.keys() - self._met)

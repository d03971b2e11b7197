"""The sets themselves, made from the tables of their TOML files (checked ones: see `custom`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitruvian.errors import unknown_name
from vitruvian.types import IGNORE, Array

Table = Mapping[str, Any]


@dataclass(frozen=True)
class Link:
    """A drawn line between two keypoints. color: RGB 0..255."""

    start: int
    end: int
    color: tuple[int, int, int]


@dataclass(frozen=True)
class Skeleton:
    """A keypoint set: names, mirror permutation, OKS sigmas, colours, drawn links and named groups of indices."""

    name: str
    names: tuple[str, ...]
    flip: tuple[int, ...]
    sigmas: tuple[float, ...]
    weights: tuple[float, ...]
    colors: tuple[tuple[int, int, int], ...]
    links: tuple[Link, ...]
    groups: dict[str, tuple[int, ...]]
    upper: tuple[int, ...]
    lower: tuple[int, ...]
    min_visible: int
    title: str = ""

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Row of a keypoint; an unknown name lists the near ones."""
        if name not in self.names:
            raise unknown_name(f"{self.name} keypoint", name, self.names)
        return self.names.index(name)


@dataclass(frozen=True)
class ClassSet:
    """A set of pixel classes; id 0 is the background. colors (C, 3) RGB, loss_weights of the official cross-entropy."""

    name: str
    names: tuple[str, ...]
    flip: tuple[int, ...]
    colors: tuple[tuple[int, int, int], ...]
    loss_weights: tuple[float, ...]
    ignore: int
    source34: tuple[int, ...]
    title: str = ""

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Id of a class; an unknown name lists the near ones."""
        if name not in self.names:
            raise unknown_name(f"{self.name} class", name, self.names)
        return self.names.index(name)


@dataclass(frozen=True)
class ClassMap:
    """How the ids of a data set's masks become those of a class set: source id -> (its name, our id or 255)."""

    name: str
    target: str
    rows: Mapping[int, tuple[str, int]]

    def table(self) -> Array:
        """(256,) int64: our id of every source id, -1 where the map has none."""
        out = np.full(256, -1, np.int64)
        for source, (_, own) in self.rows.items():
            out[source] = own
        return out


def skeleton_of(raw: Table) -> Skeleton:
    """A keypoint set from a whole table."""
    rows = raw["keypoints"]
    place = {row["name"]: i for i, row in enumerate(rows)}
    return Skeleton(
        name=raw["name"],
        names=tuple(place),
        flip=_flip(rows),
        sigmas=tuple(row["sigma"] for row in rows),
        weights=tuple(row["weight"] for row in rows),
        colors=tuple(tuple(row["color"]) for row in rows),
        links=tuple(Link(place[r["from"]], place[r["to"]], tuple(r["color"])) for r in raw["links"]),
        groups={g: tuple(place[n] for n in members) for g, members in raw["groups"].items()},
        upper=tuple(i for i, row in enumerate(rows) if row["body"] == "upper"),
        lower=tuple(i for i, row in enumerate(rows) if row["body"] == "lower"),
        min_visible=raw["min_visible"],
        title=raw["title"],
    )


def class_set_of(raw: Table) -> ClassSet:
    """A class set from a whole table."""
    rows = raw["classes"]
    place: dict[str, int] = {row["name"]: i for i, row in enumerate(rows)}
    ignore = int(raw["ignore"])
    return ClassSet(
        name=raw["name"],
        names=tuple(place),
        flip=_flip(rows),
        colors=tuple(tuple(row["color"]) for row in rows),
        loss_weights=tuple(float(row["loss_weight"]) for row in rows),
        ignore=ignore,
        source34=tuple(place.get(row["to"], ignore) for row in raw.get("source34", ())),
        title=raw["title"],
    )


def class_map_of(raw: Table, target: ClassSet) -> ClassMap:
    """A class map from a whole table, into the class set that it names."""
    place = {name: i for i, name in enumerate(target.names)} | {"none": IGNORE}
    return ClassMap(raw["name"], target.name, {row["id"]: (row["name"], place[row["to"]]) for row in raw["ids"]})


def _flip(rows: Sequence[Table]) -> tuple[int, ...]:
    place = {row["name"]: i for i, row in enumerate(rows)}
    return tuple(place[row["swap"] or row["name"]] for row in rows)

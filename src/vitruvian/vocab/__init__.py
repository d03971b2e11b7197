"""Names of keypoints and classes: one TOML file each, read once, never computed.

`skeleton("wholebody133")`, `class_set("body28")`, `keypoint_map("wholebody133", "sapiens308")`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from vitruvian.errors import unknown_name
from vitruvian.types import Array


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

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Id of a class; an unknown name lists the near ones."""
        if name not in self.names:
            raise unknown_name(f"{self.name} class", name, self.names)
        return self.names.index(name)


def _read(folder: str, kind: str, name: str) -> dict[str, Any]:
    path = files(__package__) / folder / f"{name}.toml"
    if not path.is_file():
        raise unknown_name(kind, name, _names(folder))
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _names(folder: str) -> tuple[str, ...]:
    entries = (files(__package__) / folder).iterdir()
    return tuple(sorted(e.name.removesuffix(".toml") for e in entries if e.name.endswith(".toml")))


def skeleton_names() -> tuple[str, ...]:
    """Every keypoint set there is."""
    return _names("keypoints")


def class_set_names() -> tuple[str, ...]:
    """Every class set there is."""
    return _names("classes")


def _flip(rows: list[dict[str, Any]]) -> tuple[int, ...]:
    place = {row["name"]: i for i, row in enumerate(rows)}
    return tuple(place[row["swap"] or row["name"]] for row in rows)


@cache
def skeleton(name: str) -> Skeleton:
    """The keypoint set of that name (`skeleton_names()` lists them)."""
    raw = _read("keypoints", "skeleton", name)
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
    )


@cache
def class_set(name: str) -> ClassSet:
    """The class set of that name (`class_set_names()` lists them)."""
    raw = _read("classes", "class set", name)
    rows = raw["classes"]
    place = {row["name"]: i for i, row in enumerate(rows)}
    return ClassSet(
        name=raw["name"],
        names=tuple(place),
        flip=_flip(rows),
        colors=tuple(tuple(row["color"]) for row in rows),
        loss_weights=tuple(float(row["loss_weight"]) for row in rows),
        ignore=raw["ignore"],
        source34=tuple(place.get(row["to"], raw["ignore"]) for row in raw["source34"]),
    )


@cache
def keypoint_map(source: str, target: str) -> Array:
    """(K_target,) int64: for each target point the source row that is the same point, -1 where there is none."""
    a, b = skeleton(source), skeleton(target)
    if source == target:
        return np.arange(len(a))
    if {source, target} == {"wholebody133", "sapiens308"}:
        pairs = _read("maps", "keypoint map", "wholebody133_to_sapiens308")["points"]
        if source == "wholebody133":
            pairs = {k: v for k, v in pairs.items() if v != "none"}
            pairs = {v: k for k, v in pairs.items()}
    else:  # coco17 shares its names with both larger sets
        pairs = {n: n for n in b.names if n in a.names}
    return np.array([a.names.index(pairs[n]) if pairs.get(n, "none") != "none" else -1 for n in b.names], np.int64)

"""Names of keypoints and classes: one TOML file each, read once, never computed.

`skeleton("wholebody133")`, `class_set("body28")`, `equivalents("wholebody133", "openpose25")`, `angles()`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeAlias

import numpy as np

from vitruvian.errors import unknown_name
from vitruvian.types import Array

Equivalence: TypeAlias = Literal["same", "midpoint", "near", "none"]
_Definition: TypeAlias = tuple[Equivalence, tuple[tuple[str, ...], ...]]


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
        title=raw["title"],
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


@dataclass(frozen=True)
class Equivalent:
    """Where a point of one set comes from in another: the mean of the source's `rows`.

    `same`: the same point; `midpoint`: half-way between two, by definition; `near`: a stand-in that lies close by; `none`.
    """

    name: str
    kind: Equivalence
    rows: tuple[int, ...]


@cache
def equivalents(source: str, target: str) -> tuple[Equivalent, ...]:
    """One entry for each point of the target set, in its order: how to have it from the source set."""
    a, b = skeleton(source), skeleton(target)
    if source == target:
        return tuple(Equivalent(name, "same", (i,)) for i, name in enumerate(a.names))
    own, foreign = _definitions(target), _definitions(source)
    return tuple(_equivalent(name, a, own.get(name), foreign.get(name)) for name in b.names)


def _equivalent(name: str, source: Skeleton, own: _Definition | None, foreign: _Definition | None) -> Equivalent:
    if name in source.names and own == foreign:  # one name is one point unless a set says otherwise of its own
        return Equivalent(name, "same", (source.index(name),))
    kind, choices = own or ("none", ())
    for choice in choices:
        if all(part in source.names for part in choice):
            return Equivalent(name, kind, tuple(source.index(part) for part in choice))
    return Equivalent(name, "none", ())


@cache
def _definitions(name: str) -> dict[str, _Definition]:
    """What a set says of its points beside their names: kind, and the points of other sets to have them from, best first."""
    if name not in _names("maps"):
        return {}
    raw = _read("maps", "keypoint map", name)
    out: dict[str, _Definition] = {point: ("midpoint", (tuple(of),)) for point, of in raw.get("midpoints", {}).items()}
    return out | {point: ("near", tuple(map(tuple, choices))) for point, choices in raw.get("near", {}).items()}


@cache
def keypoint_map(source: str, target: str) -> Array:
    """(K_target,) int64: for each target point the source row that is the same point, -1 where there is none."""
    return np.array([e.rows[0] if e.kind == "same" else -1 for e in equivalents(source, target)], np.int64)


@dataclass(frozen=True)
class Angle:
    """An angle in the picture's plane: of a joint, at `at` between `start` and `end`; where `at` is empty, of the line from the
    middle of `start` to the middle of `end` against the upright."""

    name: str
    start: tuple[str, ...]
    at: tuple[str, ...]
    end: tuple[str, ...]


@cache
def angles() -> tuple[Angle, ...]:
    """Every angle there is, joints first."""
    raw = tomllib.loads((files(__package__) / "angles.toml").read_text(encoding="utf-8"))
    joints = [Angle(row["name"], (row["from"],), (row["at"],), (row["to"],)) for row in raw["joints"]]
    return (*joints, *(Angle(row["name"], tuple(row["base"]), (), tuple(row["top"])) for row in raw["leans"]))

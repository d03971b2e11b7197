"""Names of keypoints and classes: one TOML file each, read once, never computed.

`skeleton("wholebody133")`, `class_set("body28")`, `class_map("cihp20")`, `equivalents("wholebody133", "coco17")`, `angles()`.
Wherever a name is allowed, the path of a TOML file of one's own is too (see `custom`). Once read, or once the weights that know
it are loaded, such a set goes by its own name in this process.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from vitruvian.errors import UsageError, unknown_name
from vitruvian.types import Array
from vitruvian.vocab.custom import read_toml, sides_apart, whole_class_map, whole_class_set, whole_skeleton
from vitruvian.vocab.sets import ClassMap, ClassSet, Link, Skeleton, class_map_of, class_set_of, skeleton_of

__all__ = [
    "Angle", "ClassMap", "ClassSet", "Equivalent", "Link", "Skeleton", "angles", "class_map", "class_map_names", "class_set",
    "class_set_names", "define", "definition", "equivalents", "is_skeleton", "keypoint_map", "sides_apart", "skeleton",
    "skeleton_names",
]  # fmt: skip

Equivalence: TypeAlias = Literal["same", "midpoint", "near", "none"]
_Definition: TypeAlias = tuple[Equivalence, tuple[tuple[str, ...], ...]]
_OWN: dict[str, dict[str, Any]] = {}  # users' sets: name -> whole table


def _read(folder: str, kind: str, name: str) -> dict[str, Any]:
    path = files(__package__) / folder / f"{name}.toml"
    if not path.is_file():
        own = (own for own, raw in _OWN.items() if _folder(raw) == folder)
        raise unknown_name(kind, name, (*_names(folder), *own, "FILE.toml"))
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def _names(folder: str) -> tuple[str, ...]:
    entries = (files(__package__) / folder).iterdir()
    return tuple(sorted(e.name.removesuffix(".toml") for e in entries if e.name.endswith(".toml")))


def _folder(raw: Mapping[str, Any]) -> str:
    return "keypoints" if "keypoints" in raw else "classes"


def skeleton_names() -> tuple[str, ...]:
    """Every keypoint set that comes with the package."""
    return _names("keypoints")


def class_set_names() -> tuple[str, ...]:
    """Every class set that comes with the package."""
    return _names("classes")


def class_map_names() -> tuple[str, ...]:
    """Every class map that comes with the package."""
    return _names("class_maps")


def skeleton(name: str) -> Skeleton:
    """The keypoint set of that name (`skeleton_names()` lists them), or of that TOML file."""
    return _skeleton(_known(name, "skeleton"))


def class_set(name: str) -> ClassSet:
    """The class set of that name (`class_set_names()` lists them), or of that TOML file."""
    return _class_set(_known(name, "class set"))


@cache
def _skeleton(name: str) -> Skeleton:
    if name in _OWN and _folder(_OWN[name]) == "keypoints":
        return skeleton_of(_OWN[name])
    return skeleton_of(_read("keypoints", "skeleton", name))


@cache
def _class_set(name: str) -> ClassSet:
    if name in _OWN and _folder(_OWN[name]) == "classes":
        return class_set_of(_OWN[name])
    return class_set_of(_read("classes", "class set", name))


def class_map(name: str) -> ClassMap:
    """The class map of that name (`class_map_names()` lists them), or of that TOML file."""
    where = name if _is_path(name) else f"the class map {name}"
    raw = read_toml(Path(name)) if _is_path(name) else _read("class_maps", "class map", name)
    whole = whole_class_map(raw, where, lambda target: class_set(target).names)
    return class_map_of(whole, class_set(whole["to"]))


def is_skeleton(name: str) -> bool:
    """Whether this is the name or the file of a keypoint set; else it may be one of classes."""
    if _is_path(name):
        return "keypoints" in read_toml(Path(name))
    return name in skeleton_names() or (name in _OWN and _folder(_OWN[name]) == "keypoints")


def definition(name: str) -> dict[str, Any] | None:
    """The whole table of a user's set, to save it with what needs it; None for a set that comes with the package."""
    return _OWN.get(_known(name, "skeleton" if is_skeleton(name) else "class set"))


def define(raw: Mapping[str, Any], where: str) -> str:
    """Make a user's keypoint or class set known in this process by its name, which is returned.

    where: the file it is from, for messages. Raises UsageError for a table that is no set (naming the field), for a name of
    the package, and for a name that another set has here.
    """
    if "keypoints" not in raw and "classes" not in raw:
        raise UsageError(f"{where}: neither keypoints nor classes. Allowed: the TOML of a skeleton or of a class set.")
    whole = (whole_skeleton if "keypoints" in raw else whole_class_set)(raw, where)
    name = str(whole["name"])
    if name in (*skeleton_names(), *class_set_names()):
        raise UsageError(f"{where}: name is {name!r}, a set of this package. Fix: give it another name.")
    if _OWN.setdefault(name, whole) != whole:
        raise UsageError(
            f"{where}: name is {name!r}, and so is that of another set already in use. Fix: rename one of them, or start anew."
        )
    return name


def _is_path(name: str) -> bool:
    return name.endswith(".toml") or os.sep in name


def _known(name: str, kind: str) -> str:
    """The name of a set given by name or file."""
    if not _is_path(name):
        return name
    path = Path(name)
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        changed = 0
    return _from_file(path, changed, kind)


@cache
def _from_file(path: Path, _changed: int, kind: str) -> str:
    """As `_known`; a file that has changed is read anew."""
    raw, wanted = read_toml(path), "keypoints" if kind == "skeleton" else "classes"
    if wanted not in raw:
        raise UsageError(f"{path}: {wanted} is missing. Allowed: the TOML of a {kind}.")
    return define(raw, str(path))


@dataclass(frozen=True)
class Equivalent:
    """Where a point of one set comes from in another: the mean of the source's `rows`.

    `same`: the same point; `midpoint`: half-way between two, by definition; `near`: a stand-in that lies close by; `none`.
    """

    name: str
    kind: Equivalence
    rows: tuple[int, ...]


def equivalents(source: str, target: str) -> tuple[Equivalent, ...]:
    """One entry for each point of the target set, in its order: how to have it from the source set."""
    return _equivalents(_known(source, "skeleton"), _known(target, "skeleton"))


@cache
def _equivalents(source: str, target: str) -> tuple[Equivalent, ...]:
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

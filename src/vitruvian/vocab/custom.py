"""Keypoint sets, class sets and class maps of a user's own: one TOML file, checked field by field, gaps filled as told below.

What may be left out: `title`, `links`, `groups`, `min_visible` (3, or all where there are fewer), and of a row `swap` (its own
mirror image), `body` (neither half), `sigma` (0.05), `weight`, `loss_weight` (1) and `color` (by side; of classes by hue).
"""

from __future__ import annotations

import colorsys
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vitruvian.checks import above, finite, whole
from vitruvian.errors import InputError, UsageError, unknown_name
from vitruvian.types import IGNORE

SIGMA = 0.05
LEFT, RIGHT, MIDDLE = (0, 255, 0), (255, 128, 0), (51, 153, 255)  # as in coco17
SKELETON_FIELDS = ("name", "title", "min_visible", "keypoints", "links", "groups")
POINT_FIELDS = ("name", "swap", "body", "sigma", "weight", "color")
LINK_FIELDS = ("from", "to", "color")
CLASS_SET_FIELDS = ("name", "title", "ignore", "classes", "source34")
CLASS_FIELDS = ("name", "swap", "loss_weight", "color")
MAP_FIELDS = ("name", "title", "to", "ids")
ID_FIELDS = ("id", "name", "to")

Row = dict[str, Any]


def read_toml(path: Path) -> Row:
    """The tables of a file. InputError for one that cannot be read, or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Fix: check the path.") from error
    except ValueError as error:
        raise InputError(f"{path}: not TOML ({error}). Fix: mend that line.") from error


def whole_skeleton(raw: Mapping[str, Any], where: str) -> Row:
    """The table of a keypoint set with its gaps filled. UsageError that names the file (`where`) and the field."""
    _fields(raw, SKELETON_FIELDS, where)
    rows = _rows(raw, "keypoints", POINT_FIELDS, where)
    names = [row["name"] for row in rows]
    swaps = _swaps(rows, f"{where}: keypoints")
    for row, color in zip(rows, _side_colors(names, swaps), strict=True):
        told = f"{where}: keypoints: {row['name']}"
        _value(row, "body", "", lambda v: v in ("", "upper", "lower"), 'upper, lower or ""', told)
        _value(row, "sigma", SIGMA, lambda v: above(v, 0) and v <= 1, "a number above 0, at most 1", told)
        _value(row, "weight", 1.0, lambda v: above(v, 0), "a number above 0", told)
        _color(row, color, told)
    links = _links(raw.get("links", []), names, where)
    groups = _groups(raw.get("groups", {"all": names}), names, where)
    out = {"name": _name(raw, where), "keypoints": rows, "links": links, "groups": groups} | {"title": raw.get("title", "")}
    told = f"a whole number from 1 to {len(names)}"
    lowest = raw.get("min_visible", min(3, len(names)))
    return _value({**out, "min_visible": lowest}, "min_visible", 1, lambda v: whole(v, 1) and v <= len(names), told, where)


def whole_class_set(raw: Mapping[str, Any], where: str) -> Row:
    """The table of a class set with its gaps filled. UsageError that names the file (`where`) and the field."""
    _fields(raw, CLASS_SET_FIELDS, where)
    rows = _rows(raw, "classes", CLASS_FIELDS, where)
    if not 2 <= len(rows) <= IGNORE:
        raise UsageError(f"{where}: {len(rows)} classes. Allowed: 2 to {IGNORE}, the first of them the background.")
    swaps = _swaps(rows, f"{where}: classes")
    if swaps[0] != 0:
        raise UsageError(f"{where}: classes: {rows[0]['name']}: the first class is the background and cannot have a swap.")
    for i, row in enumerate(rows):
        told = f"{where}: classes: {row['name']}"
        _value(row, "loss_weight", 1.0, lambda v: finite(v) and v >= 0, "a number of at least 0", told)
        hue = colorsys.hsv_to_rgb(i * 0.618 % 1, 0.55 + 0.45 * (i % 2), 1.0)  # the golden ratio keeps neighbours apart
        _color(row, (50, 50, 50) if i == 0 else tuple(round(255 * v) for v in hue), told)
    if raw.get("ignore", IGNORE) != IGNORE:
        raise UsageError(f"{where}: ignore is {raw['ignore']!r}. Allowed: {IGNORE}. Fix: map other ids with a class map.")
    old = {"source34": raw["source34"]} if "source34" in raw else {}
    return {"name": _name(raw, where), "title": raw.get("title", ""), "ignore": IGNORE, "classes": rows} | old


def whole_class_map(raw: Mapping[str, Any], where: str, classes: Callable[[str], Sequence[str]]) -> Row:
    """The table of a class map. classes: name of a class set -> names of its classes."""
    _fields(raw, MAP_FIELDS, where)
    if not isinstance(raw.get("to"), str):
        raise UsageError(f"{where}: to is {raw.get('to')!r}. Allowed: the name of a class set.")
    allowed = (*classes(raw["to"]), "none")
    rows = _rows(raw, "ids", ID_FIELDS, where)
    for row in rows:
        told = f"{where}: ids: {row['name']}"
        _value(row, "id", None, lambda v: whole(v, 0) and v <= 255, "a whole number from 0 to 255", told)
        if row.get("to") not in allowed:
            raise UsageError(f"{told}: to: {unknown_name('class of ' + raw['to'], row.get('to'), allowed)}")
    _no_doubles([row["id"] for row in rows], f"{where}: ids", "id")
    return {"name": _name(raw, where), "title": raw.get("title", ""), "to": raw["to"], "ids": rows}


def sides_apart(names: Sequence[str], flip: Sequence[int]) -> list[str]:
    """Names with a left and a right form that are not each other's mirror image: mostly a mistake."""
    place = {name.lower(): i for i, name in enumerate(names)}
    out = []
    for i, name in enumerate(names):
        other = place.get(re.sub("left", "right", name.lower()), i)
        if other != i and flip[i] != other:
            out.append(f"{name} and {names[other]} are not each other's swap")
    return out


def _fields(table: Mapping[str, Any], allowed: Sequence[str], where: str) -> None:
    for name in table:
        if name not in allowed:
            raise UsageError(f"{where}: {unknown_name('field', name, allowed)}")


def _name(raw: Mapping[str, Any], where: str) -> str:
    name = raw.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise UsageError(f"{where}: name is {name!r}. Allowed: letters, digits, _ and -.")
    if not isinstance(raw.get("title", ""), str):
        raise UsageError(f"{where}: title is {raw['title']!r}. Allowed: text.")
    return name


def _rows(raw: Mapping[str, Any], field: str, allowed: Sequence[str], where: str) -> list[Row]:
    rows = raw.get(field)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) for row in rows):
        raise UsageError(f"{where}: {field} is missing or empty. Allowed: a list of tables, {{ name = ... }}, one or more.")
    for number, row in enumerate(rows, 1):
        _fields(row, allowed, f"{where}: {field}: row {number}")
        name = row.get("name")
        if not isinstance(name, str) or not name or name != name.strip():
            raise UsageError(f"{where}: {field}: row {number}: name is {name!r}. Allowed: text without blanks around it.")
    if field != "ids":
        _no_doubles([row["name"] for row in rows], f"{where}: {field}", "name")
    return [dict(row) for row in rows]


def _no_doubles(values: Sequence[Any], where: str, what: str) -> None:
    double = next((v for i, v in enumerate(values) if v in values[:i]), None)
    if double is not None:
        raise UsageError(f"{where}: the {what} {double!r} occurs twice. Allowed: each once.")


def _swaps(rows: list[Row], where: str) -> list[int]:
    """The mirror permutation; fills `swap`. UsageError for pairs that are impossible."""
    names = [row["name"] for row in rows]
    for row in rows:
        swap = row.setdefault("swap", "")
        if swap not in ("", *names):
            raise UsageError(f"{where}: {row['name']}: swap: {unknown_name('name', swap, names)}")
    flip = [names.index(row["swap"] or row["name"]) for row in rows]
    for i, other in enumerate(flip):
        if flip[other] != i:
            back = names[flip[other]] if flip[other] != other else "itself"
            raise UsageError(
                f"{where}: {names[i]}: swap is {names[other]!r}, but the swap of {names[other]} is {back}:"
                " an impossible flip pair. Fix: let each name the other."
            )
        sides = {side for side in ("left", "right") for n in (names[i], names[other]) if side in n.lower()}
        if other != i and len(sides) == 1:
            raise UsageError(
                f"{where}: {names[i]}: swap is {names[other]!r}, both {sides.pop()}: an impossible flip pair."
                " Fix: pair a left with a right."
            )
    return flip


def _value(row: Row, field: str, default: Any, holds: Callable[[Any], bool], allowed: str, where: str) -> Row:
    if not holds(row.setdefault(field, default)):
        raise UsageError(f"{where}: {field} is {row[field]!r}. Allowed: {allowed}.")
    return row


def _color(row: Row, default: Sequence[int], where: str) -> None:
    def holds(v: Any) -> bool:
        return isinstance(v, list) and len(v) == 3 and all(whole(n, 0) and n <= 255 for n in v)

    _value(row, "color", list(default), holds, "three whole numbers from 0 to 255, red, green, blue", where)


def _side_colors(names: Sequence[str], flip: Sequence[int]) -> list[tuple[int, int, int]]:
    left = ["left" in name.lower() or ("right" not in name.lower() and i < flip[i]) for i, name in enumerate(names)]
    return [MIDDLE if flip[i] == i else LEFT if left[i] else RIGHT for i in range(len(names))]


def _links(raw: Any, names: Sequence[str], where: str) -> list[Row]:
    if not isinstance(raw, list) or not all(isinstance(row, Mapping) for row in raw):
        raise UsageError(f"{where}: links is {raw!r}. Allowed: a list of tables, {{ from = ..., to = ... }}.")
    rows = [dict(row) for row in raw]
    for number, row in enumerate(rows, 1):
        told = f"{where}: links: row {number}"
        _fields(row, LINK_FIELDS, told)
        for end in ("from", "to"):
            if row.get(end) not in names:
                raise UsageError(f"{told}: {end}: {unknown_name('keypoint', row.get(end), names)}")
        if row["from"] == row["to"]:
            raise UsageError(f"{told}: from {row['from']!r} to itself. Allowed: two different keypoints.")
        _color(row, MIDDLE, told)
    return rows


def _groups(raw: Any, names: Sequence[str], where: str) -> dict[str, list[str]]:
    if not isinstance(raw, Mapping) or not all(isinstance(members, list) for members in raw.values()):
        raise UsageError(f"{where}: groups is {raw!r}. Allowed: a table, group = [names of keypoints].")
    for group, members in raw.items():
        for member in members:
            if member not in names:
                raise UsageError(f"{where}: groups: {group}: {unknown_name('keypoint', member, names)}")
        _no_doubles(members, f"{where}: groups: {group}", "keypoint")
    return {group: list(members) for group, members in raw.items()}

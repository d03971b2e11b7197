"""What the fields of a record may hold: kinds of value read from their annotations, ranges from a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from vitruvian.errors import unknown_name

Rule: TypeAlias = tuple[str, str, Callable[[Any], bool]]  # names of fields, what they may be, whether a value is


def fault(record: Any, rules: Iterable[Rule]) -> str | None:
    """The first field that holds what it may not, as a line: which, what was given, what is allowed. None if all is well.

    Fields annotated as Literal, bool or str need no rule.
    """
    for name, kind in get_type_hints(type(record)).items():
        value = getattr(record, name)
        if get_origin(kind) is Literal and not (isinstance(value, str) and value in get_args(kind)):
            return str(unknown_name(name, value, get_args(kind)))
        if kind in (bool, str) and not isinstance(value, kind):
            return _told(name, value, "True or False" if kind is bool else "text")
    for names, allowed, holds in rules:
        for name in names.split():
            if not holds(getattr(record, name)):
                return _told(name, getattr(record, name), allowed)
    return None


def whole(value: Any, low: int) -> bool:
    """Whether it is a whole number of at least `low`; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def finite(value: Any) -> bool:
    """Whether it is a number that is neither infinite nor NaN; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def above(value: Any, low: float) -> bool:
    """Whether it is a finite number greater than `low`."""
    return finite(value) and value > low


def several(value: Any, holds: Callable[[Any], bool], count: int | None = None) -> bool:
    """Whether it is a tuple, of `count` entries if that is given, and every entry passes."""
    return isinstance(value, tuple) and (count is None or len(value) == count) and all(map(holds, value))


def _told(name: str, value: object, allowed: str) -> str:
    words = isinstance(value, tuple) and value != () and all(isinstance(one, str) and one for one in value)
    shown = " ".join(value) if isinstance(value, tuple) and words else repr(value)
    return f"{name} is {shown}. Allowed: {allowed}."

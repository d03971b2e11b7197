"""Scorers that a user tells in a TOML file: any model of transformers (the `detect` extra) that compares pictures with words
(CLIP, SigLIP), names what they show, or finds things in them (`curate.foreign`). A table is a stage:

    [unnatural]                                    # name of the stage, and of its column in the ledger
    model = "hub:google/siglip-base-patch16-224"   # or a folder
    keep = ["a photo of a person", "a photo of a place"]
    drop = ["a painting", "a cartoon", "a screenshot"]
    most = 0.5                                     # an image stays with this score or less
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vitruvian.curate.limits import Bound, Stage
from vitruvian.errors import UsageError, unknown_name

SUFFIX = ".toml"
FORM = 'model = "hub:OWNER/NAME" (or a folder), drop = ["words", ...], keep = ["words", ...], most, sure and cost from 0'


@dataclass(frozen=True)
class Told:
    """One table. most: the score with which an image stays; sure: score from which a thing counts as found; cost: ms an image,
    for the record."""

    name: str
    model: str
    drop: tuple[str, ...]
    keep: tuple[str, ...] = ()
    most: float = 0.5
    sure: float = 0.5
    cost: float = 0.0

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The one that it decides."""
        return (Stage(self.name, (Bound(self.name, "most", self.most),)),)


def is_told(place: str) -> bool:
    """True of FILE.toml:TABLE."""
    return place.rpartition(":")[0].endswith(SUFFIX)


def read_told(place: str) -> Told:
    """What FILE.toml:TABLE says. UsageError for anything else."""
    file, _, name = place.rpartition(":")
    try:
        tables = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"scorer {place}: {file} cannot be read ({error}). Fix: check the path and the TOML.") from error
    table = tables.get(name)
    if not isinstance(table, dict):
        raise unknown_name("table", name, [key for key, value in tables.items() if isinstance(value, dict)])
    allowed = [one.name for one in fields(Told) if one.name != "name"]
    if wrong := [key for key in table if key not in allowed]:
        raise unknown_name(f"key of [{name}]", wrong[0], allowed)
    if not _is_right(table):
        raise UsageError(f"scorer {place}: {table}. Allowed: {FORM}.")
    known: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    return Told(name=name, **known)


def _is_right(table: dict[str, Any]) -> bool:
    words = [table.get("drop"), table.get("keep", ["some"])]
    numbers = [table.get(key, 0) for key in ("most", "sure", "cost")]
    return (
        isinstance(table.get("model"), str)
        and all(isinstance(some, list) and some and all(isinstance(word, str) for word in some) for some in words)
        and all(isinstance(number, (int, float)) and number >= 0 for number in numbers)
    )

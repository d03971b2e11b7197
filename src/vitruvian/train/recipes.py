"""Recipes of the verbs that train: TOML files, packaged ones by name, whose keys are the fields of a record."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from vitruvian.errors import unknown_name
from vitruvian.vocab.custom import read_toml

ENDING = ".toml"


def packaged(folder: Traversable) -> tuple[str, ...]:
    """The names of a folder's recipes, sorted."""
    return tuple(sorted(entry.name.removesuffix(ENDING) for entry in folder.iterdir() if entry.name.endswith(ENDING)))


def table_of(given: str, folder: Traversable, names: tuple[str, ...]) -> dict[str, Any]:
    """A packaged recipe by name, or FILE.toml. UsageError for an unknown name, InputError for a damaged file."""
    if given.endswith(ENDING):
        return read_toml(Path(given))
    if given not in names:
        raise unknown_name("recipe", given, names, f"{', '.join(names)}, or FILE.toml")
    return tomllib.loads((folder / f"{given}{ENDING}").read_text(encoding="utf-8"))


def fields_of(values: Mapping[str, Any], known: Iterable[str], where: str) -> dict[str, Any]:
    """A table as fields of a record, lists as tuples. UsageError for a key that the record has not; near ones are listed."""
    names = tuple(known)
    for name in values:
        if name not in names:
            raise unknown_name(f"key of {where}", name, names)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

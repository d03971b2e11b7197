"""How a verb and its words are shown: one paragraph a text, defaults only where they say something, a list of verbs."""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, TypeAlias, cast, get_type_hints

import tyro

Verb: TypeAlias = Callable[..., int]
HELP = ("-h", "--help")
SILENT = ("", "None", "False", "''")  # defaults that tell nobody anything


@cache
def shown(verb: Verb) -> Verb:
    """The verb itself, after its parameters have been given the texts of its docstring, without their line breaks."""
    texts = texts_of(verb)
    for name, hint in get_type_hints(verb, include_extras=True).items():
        if name in texts:
            told = tyro.conf.arg(help=texts[name], help_behavior_hint=_default)
            verb.__annotations__[name] = cast(Any, Annotated)[hint, told]
    return verb


def texts_of(verb: Verb) -> dict[str, str]:
    """Parameter -> its text, from the part `Args:` of the docstring."""
    part = inspect.cleandoc(verb.__doc__ or "").partition("Args:\n")[2]
    return {name: " ".join(text.split()) for name, text in re.findall(r"^    (\w+): (.+(?:\n        .+)*)", part, re.M)}


def description(verb: Verb) -> str:
    """What stands before `Args:`, a line for each paragraph."""
    told = inspect.cleandoc(verb.__doc__ or "").partition("Args:\n")[0].strip()
    return "\n\n".join(" ".join(part.split()) for part in told.split("\n\n"))


def overview(verbs: Mapping[str, Verb], prog: str, told: str, hint: str = "") -> str:
    """The list of verbs, each with the first paragraph of its docstring; hint: stands below it."""
    width, column = min(120, shutil.get_terminal_size().columns - 1), max(map(len, verbs)) + 4
    lines = [f"usage: {prog} VERB ...", "", textwrap.fill(told, width), ""]
    for name, verb in verbs.items():
        line = f"  {name:<{column - 2}}{description(verb).partition(chr(10))[0]}"
        lines.append(textwrap.fill(line, width, subsequent_indent=" " * column))
    return "\n".join([*lines, "", textwrap.fill(f"`{prog} VERB --help` shows what a verb takes.{hint}", width)])


def _default(label: str) -> str:
    return "" if label in SILENT else f"(default: {'yes' if label == 'True' else label})"

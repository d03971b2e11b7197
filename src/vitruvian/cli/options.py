"""What several verbs take, and how two flags make one answer."""

from __future__ import annotations

from typing import Annotated

import tyro

from vitruvian.errors import UsageError

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
Word = Annotated[str, tyro.conf.Positional]
Sources = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE...")]
Results = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RESULT...")]


def either(yes: bool, no: bool, yes_name: str, no_name: str) -> bool | None:
    """True or False as told by one of two flags, None where by neither."""
    if yes and no:
        raise UsageError(f"{yes_name} and {no_name} contradict each other. Fix: leave one of them.")
    return True if yes else False if no else None

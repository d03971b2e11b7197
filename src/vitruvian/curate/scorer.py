"""What a scorer is: anything that gives images numbers, declares what it is and costs, and where it draws the line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from vitruvian.curate.limits import Stage
from vitruvian.errors import UsageError
from vitruvian.types import Array

Scores: TypeAlias = dict[str, Any]  # by column of the ledger; numbers, and `boxes` of people


@dataclass(frozen=True)
class View:
    """An image as scorers see it: upright, no side above `integrity.LONGEST`.

    pixels (h, w, 3) uint8 RGB; size (H, W): of the image itself, whose pixels boxes are told in.
    """

    pixels: Array
    size: tuple[int, int]

    @property
    def scale(self) -> float:
        """Pixels of the image over those of the view."""
        return self.size[1] / int(self.pixels.shape[1])


class Scorer(Protocol):
    """A model that measures, for one stage or several. It is made anew in every worker.

    model: what answers, such as the name and hash of weights, or `classical`. cost: milliseconds an image on one core, as
    measured when it was written; cheap scorers go first. stages: names and thresholds.
    """

    model: str
    cost: float
    stages: tuple[Stage, ...]

    def score(self, batch: Sequence[View]) -> list[Scores]:
        """For every view the columns of the bounds of `stages`. What it says of a view must not depend on the others."""


def plug_in(place: str) -> Scorer:
    """The scorer that PACKAGE.MODULE:NAME makes when it is called without arguments. UsageError where there is none."""
    scorer: Scorer = made_by_user("scorer", place, ("model", "cost", "stages", "score"))
    return scorer


def made_by_user(kind: str, place: str, words: Sequence[str]) -> Any:
    """What PACKAGE.MODULE:NAME makes when it is called without arguments. UsageError where it lacks one of `words`."""
    module, colon, name = place.partition(":")
    if not (module and colon and name):
        raise UsageError(f"{kind} {place!r}. Allowed: PACKAGE.MODULE:NAME, of a class or function without arguments.")
    if (here := str(Path.cwd())) not in sys.path:  # where the user's own files lie
        sys.path.append(here)
    try:
        made = getattr(importlib.import_module(module), name)()
    except Exception as error:  # whatever a user's code raises
        raise UsageError(
            f"{kind} {place}: cannot be made ({type(error).__name__}: {error}). Fix: check the name; it takes no arguments."
        ) from error
    if missing := [word for word in words if not hasattr(made, word)]:
        raise UsageError(f"{kind} {place}: has no {', '.join(missing)}. Fix: see vitruvian.curate.{kind}.{kind.title()}.")
    return made

"""Who of a detector's finds is a person: two logistic regressions of what the packaged model says of them.

`recipes.cascade` fits both on synthetic pictures; they fit the weights of one detector and one model only.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.errors import WeightsError
from vitruvian.predict.looks import BOTH, FIGURES
from vitruvian.types import Array
from vitruvian.weights.load import EMBEDDED

FILE = EMBEDDED / "cascade.json"
FIX = "python -m vitruvian.recipes.cascade"
FARTHEST = 4.0  # spreads: a square counts no farther from the mean, or one odd figure would decide alone


@dataclass(frozen=True)
class Regression:
    """Logistic. mean, spread: of the F figures; linear, square: of the logit, of the normalised figures and their squares."""

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    linear: tuple[float, ...]
    square: tuple[float, ...]
    constant: float

    def score(self, figures: Array) -> Array:
        """(N, F) -> (N,) float32, from 0 to 1."""
        coefficients = np.concatenate([self.linear, self.square, [self.constant]])
        logit = inputs(figures, np.array(self.mean), np.array(self.spread)) @ coefficients
        out: Array = (1 / (1 + np.exp(-logit))).astype(np.float32)
        return out


def inputs(figures: Array, mean: Array, spread: Array) -> Array:
    """(N, F) -> (N, 2 F + 1): normalised figures, their squares, and one."""
    normal = (figures - mean) / spread
    return np.concatenate([normal, normal.clip(-FARTHEST, FARTHEST) ** 2, np.ones((len(normal), 1))], 1)


@dataclass(frozen=True)
class Judge:
    """detector, model: hashes of the weights it was fitted to. first: of the figures of a find (`looks.FIGURES`); second: of
    those of both looks (`looks.BOTH`), for the likely ones.

    most: finds of a photo that are looked at, the surest; likely, copies: finds of at least this score by `first` are looked
    at again, where no surer one overlaps them by more than this IoU. threshold: score of a person; overlap: IoU beyond which
    the less sure of two people goes; agreement: IoU of parts and box from which the box moves.
    """

    detector: str
    model: str
    first: Regression
    second: Regression
    threshold: float
    most: int = 16
    likely: float = 0.03
    copies: float = 0.6
    overlap: float = 0.45
    agreement: float = 0.3

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(self), indent=1) + "\n")
        temporary.replace(path)


def read_judge(path: Path = FILE) -> Judge:
    """WeightsError where it is not there or not one of these."""
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        regressions = {name: _regression(values[name]) for name in ("first", "second")}
        judge = Judge(**(values | regressions))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{path} is no judge of finds: {type(error).__name__}: {error}. Fix: pip install --force-reinstall vitruvian"
        ) from error
    if not (isinstance(judge.threshold, (int, float)) and 0 <= judge.threshold <= 1):
        raise WeightsError(f"{path}: threshold {judge.threshold}. Allowed: 0 to 1. Fix: {FIX}")
    for look, names in (("first", FIGURES), ("second", BOTH)):
        for name in ("mean", "spread", "linear", "square"):
            if len(getattr(getattr(judge, look), name)) != len(names):
                raise WeightsError(f"{path}: {look}.{name} must have {len(names)} numbers. Fix: {FIX}")
    return judge


def _regression(values: dict[str, Any]) -> Regression:
    tupled: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Regression(**tupled)

"""What is counted of maps, photo by photo, in the figures of `vitruvian evaluate parts|depth|normal`."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from vitruvian.errors import InputError
from vitruvian.evaluate.results.depth import LEAST_PIXELS, mean_errors
from vitruvian.evaluate.results.normal import SHORT
from vitruvian.evaluate.results.parts import named
from vitruvian.tasks.base import Task
from vitruvian.tasks.depth import Alignment, align_depth, depth_errors
from vitruvian.tasks.normal import Angles
from vitruvian.tasks.seg import Seg, SegMetric
from vitruvian.types import IGNORE, Array, Sample
from vitruvian.vocab import class_set


class Judge(Protocol):
    """Counts maps of photos, or of people on them."""

    def add(self, given: Array, truth: Sample, within: Array | None = None) -> bool:
        """Count an answer (H, W[, C]); within (H, W): only there. False where there is too little to count."""

    def figures(self) -> dict[str, Any]:
        """Of all that was counted."""


class PartsJudge:
    """One confusion table over all photos; 255 in the truth is left out."""

    def __init__(self, class_set: str) -> None:
        self._metric = SegMetric(class_set)

    def add(self, given: Array, truth: Sample, within: Array | None = None) -> bool:
        """As `Judge.add`."""
        if truth.classes is None:
            return False
        self._metric.add(given, truth.classes if within is None else np.where(within, truth.classes, IGNORE))
        return True

    def figures(self) -> dict[str, Any]:
        """As `vitruvian evaluate parts`."""
        return {**named(self._metric), "class_set": self._metric.name}


class DepthJudge:
    """Each photo (or person) aligned and measured, then the mean."""

    def __init__(self, alignment: Alignment) -> None:
        self._alignment: Alignment = alignment
        self._rows: list[dict[str, float]] = []

    def add(self, given: Array, truth: Sample, within: Array | None = None) -> bool:
        """As `Judge.add`."""
        if truth.depth is None:
            return False
        counted = _within(np.isfinite(truth.depth) & (truth.depth > 0), within)
        if counted.sum() < LEAST_PIXELS:
            return False
        z = _finite(given, counted).astype(np.float64)
        self._rows.append(depth_errors(*align_depth(z, truth.depth[counted].astype(np.float64), self._alignment)))
        return True

    def figures(self) -> dict[str, Any]:
        """As `vitruvian evaluate depth`."""
        return mean_errors(self._rows)


class NormalJudge:
    """Angles over all pixels of all photos."""

    def __init__(self) -> None:
        self._angles = Angles()

    def add(self, given: Array, truth: Sample, within: Array | None = None) -> bool:
        """As `Judge.add`."""
        if truth.normal is None:
            return False
        length = np.linalg.norm(truth.normal, axis=-1)
        counted = _within((length > SHORT) & (length < 1 / SHORT), within)  # also False for NaN
        self._angles.add(_finite(given, counted), truth.normal[counted])
        return bool(counted.any())

    def figures(self) -> dict[str, Any]:
        """As `vitruvian evaluate normal`."""
        return {**self._angles.compute(), "pixels": int(self._angles.histogram.sum())}


def judge_of(task: Task, alignment: Alignment) -> Judge:
    """The judge of a task's maps. alignment: of depth to its truth."""
    if isinstance(task, Seg):
        return PartsJudge(class_set(task.class_set).name)
    return DepthJudge(alignment) if task.name == "depth" else NormalJudge()


def _within(counted: Array, within: Array | None) -> Array:
    out: Array = counted if within is None else counted & within
    return out


def _finite(given: Array, counted: Array) -> Array:
    """The answers at the counted pixels. InputError where one is missing."""
    values: Array = given[counted]
    if not np.isfinite(values).all():
        missing = int((~np.isfinite(values).reshape(len(values), -1).all(1)).sum())
        raise InputError(f"the model's answer is not finite (NaN) at {missing} of {len(values)} labelled pixels.")
    return values

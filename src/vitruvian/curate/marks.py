"""Watermarks, overlaid text, drawings: one pass of the packaged network answers all three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vitruvian.curate.limits import Stage
from vitruvian.curate.scorer import Scores, View
from vitruvian.curate.settings import Settings
from vitruvian.device import choose_compute
from vitruvian.model.marks import OUTPUTS
from vitruvian.weights.marks import load_marks


class Marks:
    """Every picture passes alone, as its sides are its own; so what is said of it hangs on no other."""

    cost = 42.0

    def __init__(self, settings: Settings) -> None:
        loaded = load_marks()
        device = choose_compute(settings.device, "fp32").device
        self._marks = replace(loaded, net=loaded.net.to(device))
        self.model = f"marks {loaded.hash[:12]}"
        self.stages: tuple[Stage, ...] = tuple(settings.limits.stage(name) for name in OUTPUTS)

    def score(self, batch: Sequence[View]) -> list[Scores]:
        """watermark, text and artistic, 0 to 1."""
        return [dict(self._marks.scores(view.pixels)) for view in batch]

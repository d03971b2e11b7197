"""From the results of runs to what they say: means with their spread, differences seed by seed, and a verdict."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from vitruvian.recipes.claims.held_out import FIGURES
from vitruvian.recipes.claims.plan import PRETRAINED, SEEDS, SIZES, Kind, Run, all_runs

Results: TypeAlias = Mapping[str, Mapping[str, Any]]  # name of a finished run -> its result.json


@dataclass(frozen=True)
class Arm:
    """One side of a comparison: the runs of one kind and size, a run a seed."""

    kind: Kind
    size: str

    @property
    def name(self) -> str:
        """As the runs are named, without the seed."""
        return f"{self.size}-{self.kind}"

    def values(self, results: Results, figure: str) -> dict[int, float]:
        """Seed -> figure, of the runs that are finished and have it."""
        found = {seed: results.get(Run(self.kind, self.size, seed).name) for seed in SEEDS}
        values = {seed: result["figures"].get(figure) for seed, result in found.items() if result is not None}
        return {seed: value for seed, value in values.items() if value is not None}


FROM_NOTHING, FROM_PRETRAINING = Arm("random", PRETRAINED), Arm("pretrained", PRETRAINED)
BY_SIZE = tuple(Arm("random", size) for size in SIZES)
LONGER = Arm("longer", PRETRAINED)
CLAIMS: dict[str, tuple[Arm, ...]] = {"pretraining": (FROM_NOTHING, FROM_PRETRAINING), "size": BY_SIZE}


def by_run(found: Sequence[Mapping[str, Any] | None]) -> Results:
    """Results in the order of `all_runs`, None where there is none -> those that there are, by name."""
    return {run.name: result for run, result in zip(all_runs(), found, strict=True) if result is not None}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean and sample standard deviation (NaN of one), and how many."""
    if not values:
        return {"seeds": 0, "mean": float("nan"), "sd": float("nan")}
    sd = statistics.stdev(values) if len(values) > 1 else float("nan")
    return {"seeds": len(values), "mean": statistics.fmean(values), "sd": sd}


def gains(results: Results, figure: str, worse: Arm, better: Arm) -> dict[int, float]:
    """Seed -> how much the second arm is better than the first, above 0 if it is, whichever way the figure counts."""
    before, after = worse.values(results, figure), better.values(results, figure)
    sign = 1 if FIGURES[figure] else -1
    return {seed: sign * (after[seed] - before[seed]) for seed in before if seed in after}


def verdict(results: Results, figure: str, arms: Sequence[Arm]) -> str:
    """Whether each arm beats the one before it, in every seed: `holds`, `does not hold` where the last loses to the first in
    every seed, `undecided` between them, `open` until all seeds are there."""
    steps = [gains(results, figure, worse, better) for worse, better in pairwise(arms)]
    if any(len(step) < len(SEEDS) for step in steps):
        return f"open: {min(map(len, steps))} of {len(SEEDS)} seeds finished"
    whole = gains(results, figure, arms[0], arms[-1])
    if all(gain > 0 for step in steps for gain in step.values()):
        return "holds"
    if all(gain <= 0 for gain in whole.values()):
        return "does not hold"
    return "undecided: " + ", ".join(f"{_wins(step)} of {len(step)}" for step in steps)


def _wins(step: Mapping[int, float]) -> int:
    return sum(gain > 0 for gain in step.values())


def comparison(results: Results) -> dict[str, Any]:
    """Claim -> figure -> `arms` (name -> mean and sd), `gains` of the last over the first by seed, `verdict`."""
    return {
        claim: {
            figure: {
                "arms": {arm.name: spread(list(arm.values(results, figure).values())) for arm in arms},
                "gains": gains(results, figure, arms[0], arms[-1]),
                "verdict": verdict(results, figure, arms),
            }
            for figure in FIGURES
        }
        for claim, arms in CLAIMS.items()
    }

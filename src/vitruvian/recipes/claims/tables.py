"""The tables of the report: a row a figure or a run, a column a side of the comparison."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vitruvian.recipes.claims.comparison import FROM_NOTHING, FROM_PRETRAINING, LONGER, Results
from vitruvian.recipes.claims.plan import SEEDS, SIZES, forward_cost, model_spec, size_of


class Shown(NamedTuple):
    """How a figure is written: its words, factor, digits, and whether its task's verdict goes by it."""

    words: str
    factor: float
    digits: int
    decides: bool = False

    @property
    def task(self) -> str:
        """The words before the colon."""
        return self.words.split(":")[0]


SHOWN = {
    "pose/pck": Shown("pose: PCK of 133 points, % ↑", 100, 1, True),
    "pose/pck/body": Shown("pose: PCK of the body, % ↑", 100, 1),
    "seg/miou": Shown("parts: mIoU, % ↑", 100, 2, True),
    "seg/foreground_iou": Shown("parts: person IoU, % ↑", 100, 1),
    "depth/rmse": Shown("depth: RMSE after alignment, cm ↓", 100, 2, True),
    "depth/order": Shown("depth: order of pairs, % ↑", 100, 1),
    "normal/mean": Shown("normals: mean angle, ° ↓", 1, 2, True),
    "normal/within_30": Shown("normals: within 30°, % ↑", 100, 1),
}
DECIDING = {name: shown for name, shown in SHOWN.items() if shown.decides}


def claim_table(figures: Mapping[str, Any], names: Sequence[str], blind: Mapping[str, float]) -> Iterator[str]:
    """A row a figure: what the blind reach, mean and spread of every arm, gains seed by seed, verdict."""
    seeds = ", ".join(map(str, SEEDS))
    yield f"| figure | blind | {' | '.join(names)} | {names[-1]} over {names[0]}, seeds {seeds} | verdict |"
    yield "| --- " * (len(names) + 4) + "|"
    for name, shown in SHOWN.items():
        found = figures[name]
        cells = [_spread(arm, shown) for arm in found["arms"].values()]
        gained = ", ".join(_signed(found["gains"].get(seed), shown) for seed in SEEDS)
        words = f"**{shown.words}**" if shown.decides else shown.words
        yield f"| {words} | {value_of(blind.get(name), shown)} | {' | '.join(cells)} | {gained} | {found['verdict']} |"
    yield ""
    yield "Blind: one answer for everybody, the mean of what the medium trunk from nothing (seed 1) says of all people."
    yield "Mean ± standard deviation over seeds, with their number where some are missing. The gains are above 0"
    yield "where the last is better, whichever way a figure counts. In bold: the figure that its task's verdict above goes by."


def control(results: Results, views: int) -> Iterator[str]:
    """The run from nothing that got the cost of the pretraining as labelled views."""
    seed = SEEDS[0]
    arms = {"from nothing": FROM_NOTHING, "pretrained": FROM_PRETRAINING, "from nothing, longer": LONGER}
    longer = next((r for r in results.values() if r["run"]["kind"] == "longer"), None)
    if longer is None:
        yield "The control, from nothing with as many more labelled views as the pretraining costs, is not finished."
        return
    passes = longer["views"] / views
    yield f"**Control, seed {seed} alone**: from nothing with {longer['views']:,} labelled views ({passes:.2f} passes over the"
    yield f"same {views:,}), which cost as many operations as pretraining and fine-tuning together."
    yield ""
    yield f"| figure | {' | '.join(arms)} |"
    yield "| --- " * (len(arms) + 1) + "|"
    for name, shown in SHOWN.items():
        yield f"| {shown.words} | {' | '.join(value_of(arm.values(results, name).get(seed), shown) for arm in arms.values())} |"


def trunks() -> Iterator[str]:
    """What the sizes are."""
    yield "| trunk | width | blocks | parameters with heads | GFLOP a view, forward |"
    yield "| --- " * 5 + "|"
    for name, size in SIZES.items():
        spec = model_spec(name)
        yield f"| {name} | {size.dim} | {size.depth} | {size_of(spec):,} | {forward_cost(spec) / 1e9:.3f} |"


def run_table(results: Results) -> Iterator[str]:
    """A row a run: what it saw, what it cost, what it reached."""
    words = " | ".join(shown.words for shown in DECIDING.values())
    yield f"| run | labelled views | unlabelled views | steps | s | TFLOP | finished (UTC) | {words} |"
    yield "| --- " * (7 + len(DECIDING)) + "|"
    for name, result in results.items():
        figures = " | ".join(value_of(result["figures"].get(figure), shown) for figure, shown in DECIDING.items())
        cost = f"{result['steps']:,} | {result['seconds']:,.0f} | {result['training_tflop']:,.1f}"
        date = result["made_by"]["date"].removesuffix(" UTC")
        yield f"| {name} | {' | '.join(views_of(results, result))} | {cost} | {date} | {figures} |"
    yield ""
    yield "A run counts for all four tasks. Steps, seconds and TFLOP are its own; the unlabelled views of a pretrained one are"
    yield "those of the pretraining of its seed. Seconds are of the steps, beside other work: compare costs by TFLOP."


def views_of(results: Results, result: Mapping[str, Any]) -> tuple[str, str]:
    """Labelled and unlabelled views that the trunk of a run has seen."""
    if result["run"]["kind"] == "pretraining":
        return "0", f"{result['views']:,}"
    before = results.get("{size}-pretraining-{seed}".format(**result["run"])) if result["run"]["kind"] == "pretrained" else None
    return f"{result['views']:,}", f"{before['views']:,}" if before else "0"


def value_of(value: float | None, shown: Shown) -> str:
    """A figure in its unit."""
    return "–" if value is None or not math.isfinite(value) else f"{value * shown.factor:.{shown.digits}f}"


def _spread(arm: Mapping[str, float], shown: Shown) -> str:
    if not arm["seeds"]:
        return "–"
    told = value_of(arm["mean"], shown) + (f" ± {value_of(arm['sd'], shown)}" if arm["seeds"] > 1 else "")
    return told if arm["seeds"] == len(SEEDS) else f"{told} ({arm['seeds']:.0f} of {len(SEEDS)})"


def _signed(value: float | None, shown: Shown) -> str:
    return "–" if value is None else f"{value * shown.factor:+.{shown.digits}f}"

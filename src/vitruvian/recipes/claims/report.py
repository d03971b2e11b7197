"""claims.md, claims.json and claims.png of the runs that are finished: figures with spread, verdicts, every run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vitruvian.errors import UsageError
from vitruvian.recipes.claims.comparison import CLAIMS, FROM_NOTHING, FROM_PRETRAINING, LONGER, Arm, Results, by_run, comparison
from vitruvian.recipes.claims.curves import BLUE, GREEN, GREY, ORANGE, Color, Curve, Line, Panel, picture
from vitruvian.recipes.claims.plan import (
    GEOMETRY_SEED,
    PRETRAINED,
    SEEDS,
    SIZES,
    Budget,
    all_runs,
    forward_cost,
    model_spec,
    size_of,
)
from vitruvian.recipes.claims.queue import PLAN, RENDERED, read_result, write_json
from vitruvian.recipes.embedded import GEOMETRY


class Shown(NamedTuple):
    """How a figure is written: its words, factor, digits, and whether its task's verdict goes by it."""

    words: str
    factor: float
    digits: int
    decides: bool = False


SHOWN = {
    "pose/pck": Shown("pose: PCK of 133 points, % ↑", 100, 1, True),
    "pose/pck/body": Shown("pose: PCK of the body, % ↑", 100, 1),
    "seg/miou": Shown("parts: mIoU, % ↑", 100, 1, True),
    "seg/foreground_iou": Shown("parts: person IoU, % ↑", 100, 1),
    "depth/rmse": Shown("depth: RMSE after alignment, cm ↓", 100, 2, True),
    "depth/order": Shown("depth: order of pairs, % ↑", 100, 1),
    "normal/mean": Shown("normals: mean angle, ° ↓", 1, 1, True),
    "normal/within_30": Shown("normals: within 30°, % ↑", 100, 1),
}
TITLES = {"pretraining": "(a) pretrained or not", "size": "(b) size of the trunk"}
LEGEND = {
    "pretraining": (("from nothing", BLUE), ("pretrained", GREEN)),
    "size": (("small", GREY), ("medium", BLUE), ("large", ORANGE)),
}
COMMAND = "python -m vitruvian.recipes.claims"


def write_report(work: Path, out: Path, commit: str = "") -> Path:
    """Of what is finished in `work`; returns the path of the text. UsageError where nothing is."""
    results = by_run([read_result(work, run) for run in all_runs()])
    if not results:
        raise UsageError(f"{work} has no finished run yet. Fix: {COMMAND} --work {work}")
    plan = json.loads((work / PLAN).read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    compared = comparison(results)
    write_json(out / "claims.json", plain({"commit": commit, "budget": plan["budget"], "claims": compared, "runs": results}))
    rows = {title: _panels(results, CLAIMS[claim], LEGEND[claim]) for claim, title in TITLES.items()}
    picture(rows).save(out / "claims.png")
    text = "\n".join(markdown(results, compared, plan, commit)) + "\n"
    (out / "claims.md").write_text(text, encoding="utf-8")
    return out / "claims.md"


def plain(value: Any) -> Any:
    """The same without NaN, which JSON does not know."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown(results: Results, compared: Mapping[str, Any], plan: Mapping[str, Any], commit: str) -> Iterator[str]:
    """The lines of claims.md."""
    yield from ("# Two of the paper's claims, at a scale that fits two cores", "", *head(results, commit), "")
    yield from (*summary(compared), "", *setting(results, plan), "", "![Curves](claims.png)", "")
    yield f"*Figures on {_people(results)} held-out people over views seen; pale lines are seeds, the strong ones their mean.*"
    yield from ("", "## (a) A pretrained encoder against one from nothing", "")
    yield from claim_table(compared["pretraining"], ("from nothing", "pretrained"))
    yield from (
        "",
        *control(results, plan["budget"]["views"]),
        "",
        "## (b) A larger trunk against a smaller",
        "",
        *trunks(),
        "",
    )
    yield from claim_table(compared["size"], tuple(SIZES))
    yield from ("", "## Every run", "", *run_table(results))


def head(results: Results, commit: str) -> Iterator[str]:
    """Command, commit, date, hardware, and how much of the plan is done."""
    made, total = list(results.values())[-1]["made_by"], len(list(all_runs()))
    told = f"commit {commit} · " if commit else ""
    yield f"`{COMMAND} --work runs/claims` · {told}{made['date']} · {made['hardware']} a process,"
    state = "" if len(results) == total else f" · **{len(results)} of {total} runs finished**"
    yield f"{made['precision']}, {made['software']}{state}"


def summary(compared: Mapping[str, Any]) -> Iterator[str]:
    """Both claims, task by task, in one table."""
    deciding = [name for name, shown in SHOWN.items() if shown.decides]
    yield "| claim | " + " | ".join(SHOWN[name].words.split(":")[0] for name in deciding) + " |"
    yield "| --- " * (1 + len(deciding)) + "|"
    for claim, words in (("pretraining", "(a) pretraining helps"), ("size", "(b) larger is better, twice")):
        yield f"| {words} | " + " | ".join(compared[claim][name]["verdict"] for name in deciding) + " |"
    yield ""
    yield "*Holds*: better in every seed, in (b) from small to medium and from medium to large. *Does not hold*: never better,"
    yield "in (b) large never better than small. *Undecided*: between them, with the number of seeds that are better (in (b) of"
    yield "each step). Of two equal models one is better in all three seeds in one of eight cases: read the differences below"
    yield "with the verdict."


def setting(results: Results, plan: Mapping[str, Any]) -> Iterator[str]:
    """What was the same for all."""
    budget = Budget(**plan["budget"])
    yield "- **Same for all.** Input 128×96, patches of 8×8 (192 tokens), four heads at a quarter of the input, one run for all"
    yield "  four tasks, the losses of the packaged model; AdamW, 1e-3, 5 % warm-up, cosine, batch 16, averaged weights."
    yield f"  {budget.views:,} labelled views, each seen once. Nothing was tuned for any side."
    yield "- **Seeds.** A seed decides the views, their order and the first weights. Runs of one seed see the same views in the"
    yield "  same order. In (a) heads are equal at first, and the trunk from nothing is the very one that pretraining of that"
    yield "  seed begins with (sine-cosine positions included), so pretraining is all that differs."
    yield from pretraining(results, budget)
    yield f"- **Pictures.** Synthetic people: views of {frames_behind(plan)} to train on, frames of another seed to judge by,"
    yield "  boxes given. Nothing here says anything about photos."


def pretraining(results: Results, budget: Budget) -> Iterator[str]:
    """What the pretrained ones got in addition."""
    done = [result for result in results.values() if result["run"]["kind"] == "pretraining"]
    if not done:
        return
    labelled = 3 * forward_cost(model_spec(PRETRAINED)) * budget.views / 1e12
    first, last = (", ".join(f"{result['loss'][end]:.2f}" for result in done) for end in ("first", "last"))
    yield f"- **Pretraining** is extra: {done[0]['views']:,} views, {budget.passes} passes over the same {budget.views:,}"
    yield "  pictures without their labels, 75 % hidden, decoder 64 wide and 2 deep, 1e-3, batch 32:"
    yield f"  {done[0]['training_tflop'] / labelled:.2f} times the operations of the fine-tuning. Loss of a hidden patch, seed"
    yield f"  by seed: {first} at first, {last} at the end."


def frames_behind(plan: Mapping[str, Any]) -> str:
    """The frames of the training views, as their own folder tells."""
    place = Path(plan["geometry"]) / "dataset.json"
    if plan["geometry"] == RENDERED:
        return f"{plan['budget']['frames']:,} frames of {GEOMETRY[0]}×{GEOMETRY[1]} (seed {GEOMETRY_SEED})"
    if not place.is_file():
        return "the frames of --geometry"
    told = json.loads(place.read_text(encoding="utf-8"))
    return f"{told['count']:,} frames of {told['size'][0]}×{told['size'][1]} (seed {told['seed']})"


def claim_table(figures: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    """A row a figure: mean and spread of every arm, gains seed by seed, verdict."""
    seeds = ", ".join(str(seed) for seed in SEEDS)
    yield f"| figure | {' | '.join(names)} | {names[-1]} better by (seeds {seeds}) | verdict |"
    yield "| --- " * (len(names) + 3) + "|"
    for name, shown in SHOWN.items():
        found = figures[name]
        cells = [_spread(arm, shown) for arm in found["arms"].values()]
        gained = ", ".join(_signed(found["gains"].get(seed), shown) for seed in SEEDS)
        words = f"**{shown.words}**" if shown.decides else shown.words
        yield f"| {words} | {' | '.join(cells)} | {gained} | {found['verdict']} |"
    yield ""
    yield "Mean ± standard deviation over seeds; in bold the figure that the task's verdict above goes by."


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
        yield f"| {shown.words} | {' | '.join(_value(arm.values(results, name).get(seed), shown) for arm in arms.values())} |"


def trunks() -> Iterator[str]:
    """What the sizes are."""
    yield "| trunk | width | blocks | parameters with heads | GFLOP a view, forward |"
    yield "| --- " * 5 + "|"
    for name, size in SIZES.items():
        spec = model_spec(name)
        yield f"| {name} | {size.dim} | {size.depth} | {size_of(spec):,} | {forward_cost(spec) / 1e9:.3f} |"


def run_table(results: Results) -> Iterator[str]:
    """A row a run: what it saw, what it cost, what it reached."""
    shown = {name: s for name, s in SHOWN.items() if s.decides}
    yield f"| run | views | steps | s | views/s | TFLOP | {' | '.join(s.words for s in shown.values())} |"
    yield "| --- " * (6 + len(shown)) + "|"
    for name, result in results.items():
        figures = [_value(result["figures"].get(figure), s) for figure, s in shown.items()]
        cost = f"{result['seconds']:,.0f} | {result['images_per_s']:.0f} | {result['training_tflop']:,.1f}"
        yield f"| {name} | {result['views']:,} | {result['steps']:,} | {cost} | {' | '.join(figures)} |"
    yield ""
    yield "Seconds are those of the steps, on a machine shared with other work: costs are to be compared by operations (TFLOP)."


def _people(results: Results) -> int:
    return max(int(result["people"]) for result in results.values())


def _spread(arm: Mapping[str, float], shown: Shown) -> str:
    if not arm["seeds"]:
        return "–"
    return f"{_value(arm['mean'], shown)} ± {_value(arm['sd'], shown)}"


def _value(value: float | None, shown: Shown) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value * shown.factor:.{shown.digits}f}"


def _signed(value: float | None, shown: Shown) -> str:
    return "–" if value is None else f"{value * shown.factor:+.{shown.digits}f}"


def _panels(results: Results, arms: Sequence[Arm], names: Sequence[tuple[str, Color]]) -> list[Panel]:
    return [
        Panel(
            shown.words.replace(" ↑", "").replace(" ↓", ", lower is better"),
            [Curve(name, color, _lines(results, arm, figure, shown)) for arm, (name, color) in zip(arms, names, strict=True)],
        )
        for figure, shown in SHOWN.items()
        if shown.decides
    ]


def _lines(results: Results, arm: Arm, figure: str, shown: Shown) -> list[Line]:
    """A line a seed, without the points that have no such figure."""
    ours = [r for r in results.values() if (r["run"]["kind"], r["run"]["size"]) == (arm.kind, arm.size)]
    lines = [[(p["views"], p[figure] * shown.factor) for p in r["curve"] if p[figure] is not None] for r in ours]
    return [line for line in lines if line]

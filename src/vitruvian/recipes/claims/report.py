"""claims.md, claims.json and claims.png of the runs that are finished: what holds, what does not, and where it was seen."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vitruvian.errors import UsageError
from vitruvian.predict.legend import INK
from vitruvian.recipes.claims.comparison import CLAIMS, FROM_PRETRAINING, LONGER, Arm, Results, by_run, comparison, gains
from vitruvian.recipes.claims.curves import BLUE, GREEN, GREY, ORANGE, Curve, Level, Line, Panel, picture
from vitruvian.recipes.claims.held_out import FIGURES
from vitruvian.recipes.claims.plan import GEOMETRY_SEED, PRETRAINED, SEEDS, SIZES, Budget, all_runs, forward_cost, model_spec
from vitruvian.recipes.claims.queue import BLIND, PLAN, RENDERED, read_json, read_result, write_json, write_text
from vitruvian.recipes.claims.tables import DECIDING, Shown, claim_table, control, run_table, trunks, value_of
from vitruvian.recipes.embedded import GEOMETRY

TITLES = {"pretraining": "(a) pretrained or from nothing, medium trunk", "size": "(b) size of the trunk, from nothing"}
CLAIM_WORDS = {"pretraining": "(a) pretraining helps", "size": "(b) larger is better, twice"}
LEGEND = {
    "pretraining": (("from nothing", BLUE), ("pretrained", GREEN)),
    "size": (("small", GREY), ("medium", BLUE), ("large", ORANGE)),
}
COMMAND = "python -m vitruvian.recipes.claims"


def write_report(work: Path, out: Path, commit: str = "", note: str = "") -> Path:
    """Of what is finished in `work`; returns the path of the text. UsageError where nothing is."""
    results = by_run([read_result(work, run) for run in all_runs()])
    if not results:
        raise UsageError(f"{work} has no finished run yet. Fix: {COMMAND} --work {work}")
    plan = json.loads((work / PLAN).read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    compared = comparison(results)
    blind = (read_json(work / BLIND) or {"figures": {}})["figures"]
    told = {"commit": commit, "note": note, "budget": plan["budget"], "missing": missing(results), "blind": blind}
    write_json(out / "claims.json", plain({**told, "claims": compared, "runs": results}))
    _draw(results, out / "claims.png")
    text = "\n".join(markdown(results, compared, plan, blind, commit, note)) + "\n"
    write_text(out / "claims.md", text)
    return out / "claims.md"


def missing(results: Results) -> list[str]:
    """Names of the runs that are not finished, in the order of the plan."""
    return [run.name for run in all_runs() if run.name not in results]


def plain(value: Any) -> Any:
    """The same without NaN, which JSON does not know."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown(
    results: Results,
    compared: Mapping[str, Any],
    plan: Mapping[str, Any],
    blind: Mapping[str, float],
    commit: str = "",
    note: str = "",
) -> Iterator[str]:
    """The lines of claims.md."""
    budget = Budget(**plan["budget"])
    yield from ("# Two of the paper's claims, at a scale that fits two cores", "", *head(results, budget, commit, note), "")
    yield from (
        *summary(compared),
        "",
        *in_words(compared),
        *control_in_words(results),
        *beware(compared, blind),
        "",
        *reading(),
        "",
        "![Curves](claims.png)",
        "",
    )
    yield f"*Figures on {_people(results)} held-out people over labelled views seen. Pale lines are seeds, the strong"
    yield "ones their mean; the dashed one, where it is finished, is the end of the control.*"
    yield from ("", "## What was the same, and what was not", "", *setting(results, plan), "")
    yield from ("## (a) A pretrained encoder against one from nothing", "")
    yield from claim_table(compared["pretraining"], [name for name, _ in LEGEND["pretraining"]], blind)
    yield from ("", *control(results, budget.views), "", "## (b) A larger trunk against a smaller", "", *trunks(), "")
    yield from claim_table(compared["size"], tuple(SIZES), blind)
    yield from ("", "## Every run", "", *run_table(results))


def head(results: Results, budget: Budget, commit: str, note: str) -> Iterator[str]:
    """Command, commit, dates, hardware, and how much of the plan is done."""
    made = [result["made_by"] for result in results.values()]
    days = sorted({each["date"][:10] for each in made})
    machines = sorted({"{hardware} a process, {precision}, {software}".format(**each) for each in made})
    yield f"`{COMMAND} --work runs/claims` · {f'commit {commit}' if commit else 'commit not given'} ·"
    yield f"{' to '.join(dict.fromkeys((days[0], days[-1])))} · {'; '.join(machines)}"
    if note:
        yield from ("", note)
    if budget != Budget():
        yield from ("", "**A try of the queue with another budget than the recipe's: its verdicts mean little.**")
    if absent := missing(results):
        yield from ("", f"**{len(results)} of {len(results) + len(absent)} runs are finished.** Missing: {', '.join(absent)}.")


def summary(compared: Mapping[str, Any]) -> Iterator[str]:
    """Both claims, task by task, in one table."""
    yield "| claim | " + " | ".join(shown.task for shown in DECIDING.values()) + " |"
    yield "| --- " * (1 + len(DECIDING)) + "|"
    for claim, words in CLAIM_WORDS.items():
        yield f"| {words} | " + " | ".join(compared[claim][name]["verdict"] for name in DECIDING) + " |"


def in_words(compared: Mapping[str, Any]) -> Iterator[str]:
    """A sentence a claim, negative results first."""
    for claim, words in CLAIM_WORDS.items():
        verdicts = {shown.task: compared[claim][name]["verdict"].split(":")[0] for name, shown in DECIDING.items()}
        parts = []
        for verdict in ("does not hold", "undecided", "holds", "open"):
            tasks = [task for task, given in verdicts.items() if given == verdict]
            if tasks:
                parts.append(f"{verdict} for {', '.join(tasks)}")
        yield f"- **{words}**: {'; '.join(parts)}."


def control_in_words(results: Results) -> Iterator[str]:
    """Whether the cost of the pretraining was better spent on labels; nothing until the three runs are there."""
    won = {shown.task: gains(results, name, LONGER, FROM_PRETRAINING).get(SEEDS[0]) for name, shown in DECIDING.items()}
    if None in won.values():
        return
    better, worse = ([task for task, gain in won.items() if gain is not None and (gain > 0) == side] for side in (True, False))
    yield f"- **At equal cost** (seed {SEEDS[0]} alone) pretraining does better than more labelled views for"
    yield f"  {', '.join(better) or 'no task'}, and worse for {', '.join(worse) or 'none'}."


def beware(compared: Mapping[str, Any], blind: Mapping[str, float]) -> Iterator[str]:
    """Deciding figures by which a model that looks is no better than one that does not: their verdicts say little."""
    for name, shown in DECIDING.items():
        sign = 1 if FIGURES[name] else -1
        arms = {arm: found["mean"] for claim in compared.values() for arm, found in claim[name]["arms"].items()}
        lost = [arm for arm, mean in arms.items() if name in blind and sign * (mean - blind[name]) <= 0]
        if lost:
            told = f"{shown.words.strip(' ↑↓')}: {value_of(blind[name], shown)}"
            yield f"- **Beware, {shown.task}**: by this verdict's figure who does not look, with one answer for everybody"
            yield f"  ({told}), is at least as good as {', '.join(lost)}."
            yield "  It measures little of what these see; the other figures of the task are in the tables."


def reading() -> Iterator[str]:
    """What the verdicts mean, and how little three seeds are."""
    yield "*Holds*: better in every seed, in (b) from small to medium and from medium to large. *Does not hold*: never better,"
    yield "in (b) large never better than small. *Undecided*: between them, with the number of seeds that are better (in (b) of"
    yield f"each step). *Open*: seeds are missing. Of two equal models a given one is better in all {len(SEEDS)} seeds in one"
    yield f"of {2 ** len(SEEDS)} cases, and the four tasks of a run share its trunk, so are no four trials: read the"
    yield "differences with the verdicts. Only the one medium trunk is pretrained, and only on the"
    yield "pictures that it is fine-tuned on."


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
    yield "- **Size** is compared at equal views, not at equal cost: a larger trunk takes more operations a view (below)."
    yield f"- **Pictures.** Synthetic people: views of {frames_behind(plan)} to train on, frames of another seed to judge by,"
    yield "  boxes given. Nothing here says anything about photos, or about trunks hundreds of times as large."


def pretraining(results: Results, budget: Budget) -> Iterator[str]:
    """What the pretrained ones got in addition."""
    done = [result for result in results.values() if result["run"]["kind"] == "pretraining"]
    if not done:
        return
    labelled = 3 * forward_cost(model_spec(PRETRAINED)) * budget.views / 1e12
    first, last = (", ".join(f"{result['loss'][end]:.2f}" for result in done) for end in ("first", "last"))
    yield f"- **Pretraining** is extra: {done[0]['views']:,} views, {budget.passes} passes over the same {budget.views:,}"
    yield "  pictures without their labels, mirrored by half, 75 % hidden, decoder 64 wide and 2 deep, 1e-3, batch 32:"
    yield f"  {done[0]['training_tflop'] / labelled:.2f} times the operations of the fine-tuning. Loss of a hidden patch, seed"
    yield f"  by seed: {first} in the first line of the log, {last} in the last."


def frames_behind(plan: Mapping[str, Any]) -> str:
    """The frames of the training views, as their own folder tells."""
    place = Path(plan["geometry"]) / "dataset.json"
    if plan["geometry"] == RENDERED:
        return f"{plan['budget']['frames']:,} frames of {GEOMETRY[0]}×{GEOMETRY[1]} (seed {GEOMETRY_SEED})"
    if not place.is_file():
        return "the frames of --geometry"
    told = json.loads(place.read_text(encoding="utf-8"))
    return f"{told['count']:,} frames of {told['size'][0]}×{told['size'][1]} (seed {told['seed']})"


def _people(results: Results) -> int:
    return max(int(result["people"]) for result in results.values())


def _draw(results: Results, path: Path) -> None:
    total = len(list(all_runs()))
    seen = f"{len(SEEDS)} seeds, {_people(results)} held-out people, {len(results)} of {total} runs finished"
    rows = {title: _panels(results, claim) for claim, title in TITLES.items()}
    temporary = path.with_name(f".{path.stem}.tmp.png")
    picture("Two of the paper's claims on synthetic people", seen, rows).save(temporary)
    temporary.replace(path)


def _panels(results: Results, claim: str) -> list[Panel]:
    arms, names = CLAIMS[claim], LEGEND[claim]
    return [
        Panel(
            shown.words.rstrip(" ↑↓"),
            "higher is better" if "↑" in shown.words else "lower is better",
            [Curve(name, color, _lines(results, arm, figure, shown)) for arm, (name, color) in zip(arms, names, strict=True)],
            _levels(results, figure, shown) if claim == "pretraining" else (),
        )
        for figure, shown in DECIDING.items()
    ]


def _levels(results: Results, figure: str, shown: Shown) -> Sequence[Level]:
    """The end of the control."""
    views = next((r["views"] for r in results.values() if r["run"]["kind"] == "longer"), 0)
    name = f"control: from nothing, {views:,} labelled views, seed {SEEDS[0]} alone"
    return [Level(name, INK, value * shown.factor) for value in LONGER.values(results, figure).values()]


def _lines(results: Results, arm: Arm, figure: str, shown: Shown) -> list[Line]:
    """A line a seed, without the points that have no such figure."""
    ours = [r for r in results.values() if (r["run"]["kind"], r["run"]["size"]) == (arm.kind, arm.size)]
    lines = [[(p["views"], p[figure] * shown.factor) for p in r["curve"] if p[figure] is not None] for r in ours]
    return [line for line in lines if line]

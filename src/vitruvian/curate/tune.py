"""Other thresholds on the same scores: the funnel anew from a ledger, and the set that follows from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from vitruvian.curate.alike import alike
from vitruvian.curate.decide import Verdict, by_looks, decide
from vitruvian.curate.duplicates import Pair
from vitruvian.curate.limits import UNREAD, Limits, count_people
from vitruvian.curate.place import Place
from vitruvian.curate.record import Row
from vitruvian.curate.run import Outcome, Run, finished_before, read_ledger
from vitruvian.curate.settings import Settings, check_limits, settings_of, stages_of
from vitruvian.errors import UsageError


@dataclass(frozen=True)
class Again:
    """rows: of the ledger, as if nothing were decided; before: counts of its stages; pairs: of images that show one
    picture; verdicts: the new ones, one for each."""

    sources: list[str]
    models: list[dict[str, Any]]
    settings: Settings
    rows: list[Row]
    before: Counter[str]
    pairs: list[Pair]
    verdicts: list[Verdict]


def told_by(run: Path) -> dict[str, Any]:
    """What run.json of a run says. UsageError where there is none."""
    told = Place(run).told()
    if told is None:
        raise UsageError(f"{run}: no run.json. Fix: the folder (--out) of a run of `vitruvian curate`.")
    return told


def decide_again(run: Path, limits: dict[str, float]) -> Again:
    """The verdicts of other limits. UsageError where that takes scores which the run has not measured."""
    told = told_by(run)
    ledger = read_ledger(run, embedded=True)
    settings = settings_of(told)
    check_limits(settings, limits)
    settings = replace(settings, limits=settings.limits.but(**limits))
    before = Counter(row["stage"] for row in ledger)
    rows = [{**row, "problem": None, "stage": row["stage"] if row["stage"] in UNREAD else ""} for row in ledger]
    for row in rows:
        count_people(row, settings.limits)
    pairs = alike(rows, settings.limits)
    decided = decide(rows, settings.limits, stages_of(settings), pairs)
    verdicts = [verdict for verdict in decided.verdicts if verdict is not None]
    missing = len(rows) - len(verdicts) + (_never_embedded(rows, settings.limits) if settings.embedding else 0)
    if missing:
        raise UsageError(
            f"{missing} images hang on scores or vectors that {run} has not measured, since a stage before dropped them."
            " Fix: stricter limits, or curate with --all-scores."
        )
    return Again(told["sources"], told["models"], settings, rows, before, pairs, verdicts)


def _never_embedded(rows: list[Row], limits: Limits) -> int:
    embedded = {row["sha256"] for row in rows if row.get("vector") is not None}
    return sum(by_looks(row, limits) is None and row["sha256"] not in embedded for row in rows)


def tuned(again: Again, out: Path, workers: int, console: Console | None = None) -> Outcome:
    """Write the new ledger and its shards into a folder of their own; the images are read again where they lie."""
    place = Place(out)
    told = {"sources": again.sources, **again.settings.as_json(), "models": again.models}
    with place.alone():
        place.begin(told, Settings().as_json())
        if place.finished:
            return finished_before(place, told)
        stages = Run(place, again.settings, workers, 120, console).finish(again.rows, again.pairs)
        place.tell(told | {"stages": stages})
        place.clear()
    return Outcome(stages)

"""The verbs `curate` and `curate tune`: words into settings, what they print, their exit codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from vitruvian.curate.fetch import Manners
from vitruvian.curate.limits import Limits
from vitruvian.curate.place import Place
from vitruvian.curate.report import write_report
from vitruvian.curate.run import USUAL, Outcome, curate, read_ledger
from vitruvian.curate.settings import DEFAULT, Settings, funnel
from vitruvian.curate.tune import decide_again, tuned
from vitruvian.errors import UsageError


def run(
    sources: Sequence[str], out: Path, limits: Mapping[str, float | None], scorers: Sequence[str] | None, detector: str,
    device: str, all_scores: bool, shard_size: int, workers: int, patience: float, report: bool = False,
    manners: Manners = USUAL, ray: str | None = None,
) -> int:  # fmt: skip
    """Curate, and print the funnel. limits: fields of `Limits`, None where not given. Returns 0."""
    _check(workers)
    if shard_size < 1:
        raise UsageError(f"shard-size {shard_size}. Allowed: 1, 2, 3, ...")
    chosen = DEFAULT if scorers is None else tuple(scorers)
    settings = Settings(Limits().but(**limits), chosen, detector, device, all_scores, shard_size)
    outcome = curate(sources, out, settings, workers, patience, Console(stderr=True), manners, ray)
    if outcome.before:
        print(f"{out}: finished before; its ledger stands")
    _print(outcome, settings)
    print(f"ledger: {Place(out).ledger}, shards: {Place(out).shards}")
    if report:
        _report(out, settings)
    return 0


def _report(out: Path, settings: Settings) -> None:
    write_report(out / "report.html", read_ledger(out), settings)
    print(f"report: {out / 'report.html'}")


def tune(run: Path, limits: Mapping[str, float | None], out: Path | None, workers: int, report: bool = False) -> int:
    """Decide again, print both funnels, and with `out` write the new set. Returns 0."""
    _check(workers)
    if report and out is None:
        raise UsageError("--report describes what is written. Fix: give --out.")
    again = decide_again(run, {name: value for name, value in limits.items() if value is not None})
    print(f"{'stage':12}{'before':>9}{'now':>9}")
    now = Counter(verdict.stage for verdict in again.verdicts)
    for name in ["", *funnel(again.settings)]:
        if again.before[name] or now[name]:
            print(f"{name or 'kept':12}{again.before[name]:>9,}{now[name]:>9,}")
    if out is not None:
        outcome = tuned(again, out, workers, Console(stderr=True))
        print(f"{outcome.kept:,} images in {Place(out).shards}, ledger: {Place(out).ledger}")
        if report:
            _report(out, again.settings)
    return 0


def _check(workers: int) -> None:
    if workers < 0:
        raise UsageError(f"workers {workers}. Allowed: 0 (in this process), 1, 2, ...")


def _print(outcome: Outcome, settings: Settings) -> None:
    print(f"{outcome.total:,} inputs, {outcome.kept:,} kept")
    for name in funnel(settings):
        if outcome.stages.get(name):
            print(f"  {name:12}{outcome.stages[name]:>9,} dropped")

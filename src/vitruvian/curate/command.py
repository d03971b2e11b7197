"""The verbs `curate`, `curate tune` and `curate label`: words into settings, what they print, their exit codes."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from vitruvian.curate.fetch import Manners
from vitruvian.curate.label import Advice, Answers, Frame, advise, figures, frame_of, sample
from vitruvian.curate.label_page import HOST, Desk, serve
from vitruvian.curate.limits import PERSON, Limits
from vitruvian.curate.place import Place
from vitruvian.curate.report import write_report
from vitruvian.curate.run import USUAL, Outcome, curate, read_ledger
from vitruvian.curate.settings import DEFAULT, Settings, check_limits, funnel, settings_of, stages_of
from vitruvian.curate.tune import decide_again, told_by, tuned
from vitruvian.errors import UsageError


def run(
    sources: Sequence[str], out: Path, limits: Mapping[str, float | None], scorers: Sequence[str] | None, detector: str,
    device: str, all_scores: bool, shard_size: int, workers: int, patience: float, report: bool = False,
    manners: Manners = USUAL, ray: str | None = None, embedding: str = "", edits: Sequence[str] = (),
) -> int:  # fmt: skip
    """Curate, and print the funnel. limits: fields of `Limits`, None where not given. Returns 0."""
    _check(workers)
    if shard_size < 1:
        raise UsageError(f"shard-size {shard_size}. Allowed: 1, 2, 3, ...")
    chosen = DEFAULT if scorers is None else tuple(scorers)
    settings = Settings(Limits().but(**limits), chosen, detector, device, all_scores, shard_size, embedding, tuple(edits))
    check_limits(settings, limits)
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


def label(run: Path, stage: str, count: int, seed: int, port: int, precision: float, figures_only: bool) -> int:
    """Serve the page until Ctrl-C or all is answered, then print what follows from the answers. Returns 0."""
    if count < 1:
        raise UsageError(f"count {count}. Allowed: 1, 2, 3, ...")
    if not 0 < precision <= 1:
        raise UsageError(f"precision {precision:g}. Allowed: above 0, up to 1.")
    settings = settings_of(told_by(run))
    frame = frame_of(read_ledger(run), settings, stage)
    answers = Answers(run / "labels.jsonl", frame)
    if answers.damaged:
        print(f"{answers.path}: {answers.damaged} damaged line(s) left out")
    if not figures_only:
        _ask(Desk(frame, sample(frame, count, seed), answers, print), port)
    _print_figures(run, frame, answers, settings, precision)
    return 0


def _ask(desk: Desk, port: int) -> None:
    with serve(desk, port) as server:
        print(
            f"{len(desk.order):,} pictures at http://{HOST}:{server.server_address[1]} (keys y, n, s, u); Ctrl-C ends",
            flush=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    print()


def _print_figures(run: Path, frame: Frame, answers: Answers, settings: Settings, precision: float) -> None:
    told = figures(frame, answers.given)
    print(f"{'group':28}{'images':>9}{'answers':>9}{'yes':>9}")
    for group, counts in told.counts.items():
        name = f"{'kept' if group.kept else 'dropped'}, {'near a threshold' if group.near else 'others'}"
        print(f"{name:28}" + "".join(f"{count:>9,}" for count in counts))
    for name, share, means in (
        ("precision", told.precision, "of what is kept should be"),
        ("recall", told.recall, f"of what should be kept is{f' let through by {frame.stage}' if frame.stage else ''}"),
    ):
        print(f"{name:10}{f'{share} {means} (95 %)' if share else 'not known: a group has no answer yet'}")
    bounds = next((one.bounds for one in (*settings.limits.looks(), *stages_of(settings)) if one.name == frame.stage), ())
    if len(bounds) == 1 and told.precision:
        _print_advice(run, advise(frame, answers.given, bounds[0], precision), precision)


def _print_advice(run: Path, advice: Advice | None, precision: float) -> None:
    if advice is None:
        print(f"no threshold of this stage alone reaches a precision of {precision:.0%} on these answers")
        return
    score = advice.bound.score
    word = "--person-score" if score == PERSON else f"--max-{score}"
    known = score in asdict(Limits())
    print(
        f"{advice.bound} would have precision {advice.precision:.0%}, recall {advice.recall:.0%} on the answers that chose it:"
    )
    print(
        f"  vitruvian curate tune {run} {word} {advice.bound.limit:g}" if known else "  a threshold of a plug-in: set it there"
    )


def _check(workers: int) -> None:
    if workers < 0:
        raise UsageError(f"workers {workers}. Allowed: 0 (in this process), 1, 2, ...")


def _print(outcome: Outcome, settings: Settings) -> None:
    print(f"{outcome.total:,} inputs, {outcome.kept:,} kept")
    for name in funnel(settings):
        if outcome.stages.get(name):
            print(f"  {name:12}{outcome.stages[name]:>9,} dropped")

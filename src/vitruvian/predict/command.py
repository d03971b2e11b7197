"""The verb `predict`: sources in, files and lines out, an exit code at the end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vitruvian.errors import InputError, UsageError
from vitruvian.predict.files import Options, predict_files
from vitruvian.predict.pipeline import DEFAULT_MODEL, load
from vitruvian.predict.report import Report, progress
from vitruvian.predict.sources import Source, find_sources
from vitruvian.predict.write import ENDINGS, write_coco
from vitruvian.tasks import TASKS


def run(
    sources: Sequence[str],
    *,
    tasks: Sequence[str] = (),
    model: Sequence[str] = (),
    out: Path = Path("vitruvian-output"),
    boxes: Path | None = None,
    detector: str = "auto",
    device: str = "auto",
    dtype: str = "auto",
    flip_test: bool = False,
    fit: str = "auto",
    engine: str = "eager",
    draw: bool = True,
    as_json: bool = False,
    overwrite: bool = False,
    coco: Path | None = None,
) -> int:
    """Predict every photo of the sources into `out`. Returns 0, or 1 if an input failed or the run was interrupted.

    Raises UsageError for wrong arguments, InputError for an unusable boxes file or output folder, before any photo is done.
    """
    _check(sources, tasks, boxes, detector)
    found, problems = find_sources(sources, out)
    if coco is not None:
        _keep_apart(coco, found, out, boxes)
    report = Report(as_json)
    for problem in problems:
        report.failed(problem.name, problem.message)
    options = Options(out, tasks or None, boxes, draw, overwrite)
    try:
        with _stoppable():
            if found:
                _make_folder(out)
                predictor = load(
                    model or DEFAULT_MODEL,
                    detector=detector,
                    device=device,
                    dtype=dtype,
                    flip_test=flip_test,
                    fit=fit,
                    engine=engine,
                )
                outcomes = predict_files(predictor, found, options)
                report.start(predictor, options)
                with progress(outcomes, len(found), shown=not as_json) as watched:
                    for outcome in watched:
                        report.tell(outcome)
            if coco is not None:
                _write_coco(coco, report)
    except KeyboardInterrupt:
        return report.end(options, interrupted=True)
    return report.end(options)


def _check(sources: Sequence[str], tasks: Sequence[str], boxes: Path | None, detector: str) -> None:
    """What no run can make sense of, told before anything is loaded."""
    if boxes is not None and detector != "auto":
        raise UsageError(f"--boxes {boxes} and --detector {detector} exclude each other: given boxes are not searched for.")
    strangers = [name for name in tasks if name not in TASKS]
    if strangers and not sources:
        words = " ".join(strangers)
        fix = " ".join(["predict", words, "--tasks", *(name for name in tasks if name in TASKS)])
        raise UsageError(f"no photo given: --tasks took {words!r}. Fix: photos first, as in {fix}")


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: half-written files go, finished results stay."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _keep_apart(coco: Path, sources: Sequence[Source], out: Path, boxes: Path | None) -> None:
    """The COCO file may replace an earlier one, never a photo, the boxes or a result."""
    taken = {source.path.resolve() for source in sources}
    taken |= {(out / f"{source.stem}.{ending}").resolve() for source in sources for ending in ENDINGS.values()}
    if boxes is not None:
        taken.add(boxes.resolve())
    if coco.resolve() in taken:
        raise UsageError(f"--coco {coco} would replace a photo, the boxes file or a result. Fix: give it another path.")


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"the output folder {out} cannot be made ({error.strerror})"
        raise InputError(f"{reason}. Fix: give --out a folder that can be written.") from error


def _write_coco(path: Path, report: Report) -> None:
    try:
        write_coco(path, report.records)
    except OSError as error:
        report.failed(str(path), f"{path}: the COCO file cannot be written ({error.strerror}). Fix: give --coco another path.")

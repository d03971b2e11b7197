"""The verb `predict`: sources in, files and lines out, an exit code at the end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vitruvian.errors import InputError, UsageError
from vitruvian.predict.files import predict_files
from vitruvian.predict.outcome import Options
from vitruvian.predict.pipeline import DEFAULT_MODEL, Predictor, load
from vitruvian.predict.report import Report, progress
from vitruvian.predict.sources import Source
from vitruvian.predict.stored import with_masks
from vitruvian.predict.video.find import Found, find_inputs
from vitruvian.predict.video.job import predict_clips
from vitruvian.predict.video.report import Bar
from vitruvian.predict.video.run import DepthRange, VideoOptions
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
    min_score: float | None = None,
    nms: float | None = None,
    max_people: int | None = None,
    oks_nms: float | None = None,
    device: str = "auto",
    dtype: str = "auto",
    flip_test: bool | None = None,
    fit: str = "auto",
    engine: str = "eager",
    draw: bool = True,
    as_json: bool = False,
    overwrite: bool = False,
    coco: Path | None = None,
    sequence: bool = False,
    fps: float | None = None,
    track: int | None = None,
    smooth: bool = False,
    depth_range: DepthRange = "fixed",
    limit: int | None = None,
) -> int:
    """Predict every photo and clip of the sources into `out`. Returns 0, or 1 if an input failed or the run was interrupted.

    Raises UsageError for wrong arguments, InputError for an unusable boxes file or output folder, before any photo is done.
    """
    _check(sources, tasks, boxes, detector)
    found = find_inputs(sources, out, sequence, fps)
    video = VideoOptions(track, smooth, depth_range, limit)
    _check_video(video, found)
    if boxes is not None and found.photos and found.clips:
        raise UsageError(f"--boxes {boxes} with photos and videos. Fix: do them in two runs, each with its own boxes.")
    if coco is not None:
        _keep_apart(coco, found.photos, out, boxes)
    report = Report(as_json)
    for problem in found.problems:
        report.failed(problem.name, problem.message)
    if coco is not None and found.clips:
        report.say(f"note: {coco} will hold the photos only; each video has its own STEM.frames.jsonl")
    options = Options(out, tasks or None, boxes, draw, overwrite)
    try:
        with _stoppable():
            if found.photos or found.clips:
                _make_folder(out)
                predictor = load(
                    model or DEFAULT_MODEL,
                    detector=detector,
                    device=device,
                    dtype=dtype,
                    flip_test=flip_test,
                    fit=fit,
                    engine=engine,
                    min_score=min_score,
                    nms=nms,
                    max_people=max_people,
                    oks_nms=oks_nms,
                )
                report.start(predictor, options)
                _predict(predictor, found, options, video, report)
            if coco is not None:
                _write_coco(coco, report)
    except KeyboardInterrupt:
        return report.end(options, interrupted=True)
    return report.end(options)


def _predict(predictor: Predictor, found: Found, options: Options, video: VideoOptions, report: Report) -> None:
    """Photos first, then clips; what is wrong for all clips is told before the first photo."""
    bar = Bar(not report.as_json, report.words)
    clips = predict_clips(predictor, found.clips, options, video, bar)
    if found.photos:
        outcomes = predict_files(predictor, found.photos, options)
        with progress(outcomes, len(found.photos), shown=not report.as_json) as watched:
            for outcome in watched:
                report.tell(outcome)
    with bar:
        for outcome in clips:
            report.tell(outcome, bar.speed)


def _check(sources: Sequence[str], tasks: Sequence[str], boxes: Path | None, detector: str) -> None:
    """What no run can make sense of, told before anything is loaded."""
    if boxes is not None and detector != "auto":
        raise UsageError(f"--boxes {boxes} and --detector {detector} exclude each other: given boxes are not searched for.")
    strangers = [name for name in tasks if not TASKS.keys() >= set(name.split(","))]
    if strangers and not sources:
        words = " ".join(strangers)
        fix = " ".join(["predict", words, "--tasks", *(name for name in tasks if name in TASKS)])
        raise UsageError(f"no photo given: --tasks took {words!r}. Fix: photos first, as in {fix}")


def _check_video(video: VideoOptions, found: Found) -> None:
    """What is asked of videos where there are none, or what no video has."""
    asked = {"--track": video.track is not None, "--smooth": video.smooth, "--limit": video.limit is not None}
    asked["--depth-range two-pass"] = video.depth_range != "fixed"
    if (given := [flag for flag, is_given in asked.items() if is_given]) and not found.clips:
        raise UsageError(f"{', '.join(given)} is for videos, and none is given. Fix: name a video, --sequence or webcam:0.")
    for flag, number in (("--track", video.track), ("--limit", video.limit)):
        if number is not None and number < 1:
            raise UsageError(f"{flag} {number}. Allowed: 1, 2, 3, ...")


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
        write_coco(path, [with_masks(stored) for stored in report.stored])
    except InputError as error:
        report.failed(str(path), str(error))
    except OSError as error:
        report.failed(str(path), f"{path}: the COCO file cannot be written ({error.strerror}). Fix: give --coco another path.")

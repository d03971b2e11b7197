"""How a clip gets on, for who looks at a terminal, and what is told of it at the end."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from vitruvian.predict.record import Record

if TYPE_CHECKING:
    from rich.progress import Progress


class Bar:
    """A `run.Watch`: a bar with the time left if `shown` and stdout is a terminal, and lines on `words`."""

    def __init__(self, shown: bool, words: TextIO) -> None:
        self._words = words
        self._shown = shown and sys.stdout.isatty()
        self._progress: Progress | None = None
        self._frames, self._since = 0, time.monotonic()

    def __enter__(self) -> Self:
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            speed = TextColumn("{task.fields[speed]}")
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                speed,
                TimeRemainingColumn(),
                transient=True,
                console=Console(),  # the shared one remembers what stdout was when somebody first asked for it
            )
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()

    @property
    def speed(self) -> str:
        """Frames a second of the pass that began last."""
        seconds = time.monotonic() - self._since
        return f"{self._frames / seconds:.1f} frames/s" if self._frames and seconds > 0 else ""

    def begin(self, name: str, done: int, total: int | None) -> None:
        """See `run.Watch`."""
        self._frames, self._since = 0, time.monotonic()
        if self._progress is not None:
            for task in self._progress.task_ids:
                self._progress.remove_task(task)
            self._progress.add_task(name, total=total, completed=done, speed="")

    def step(self, frames: int) -> None:
        """See `run.Watch`."""
        self._frames += frames
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[-1], advance=frames, speed=self.speed)

    def say(self, text: str) -> None:
        """See `run.Watch`."""
        print(text, file=self._words, flush=True)


def clip_words(record: Record) -> str:
    """What is in a clip's record, in one line."""
    video, tracks = record["video"], len(record["tracks"])
    told = [f"{video['frames']} frames ({video['seconds']:.2f} s)", "1 track" if tracks == 1 else f"{tracks} tracks"]
    if "overlay" in record:
        told.append(f"sound {record['overlay']['sound']}")
    return ", ".join([*told, *video["notes"]])


def jitter_words(records: list[Record]) -> str:
    """How much keypoints trembled in all these clips; nothing where none was sure for long enough."""
    known = [record["jitter"] for record in records if record["jitter"]["predicted"] is not None]
    count = sum(jitter["of"] for jitter in known)
    if not count:
        return ""
    means = {
        key: sum(jitter[key] * jitter["of"] for jitter in known) / count
        for key in ("predicted", "smoothed")
        if all(jitter.get(key) is not None for jitter in known)
    }
    told = f"jitter {means['predicted']:.0f} px/s²"
    return told + (f" as predicted, {means['smoothed']:.0f} smoothed" if "smoothed" in means else "")

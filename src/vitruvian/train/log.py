"""What a run tells: one JSON line per record in `log.jsonl`, and a progress bar, or plain lines where no terminal is."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vitruvian.errors import InputError, UsageError
from vitruvian.types import Batch


class RunLog:
    """The log of one run. Lines are only ever added, except on resume: what the checkpoint had not seen is taken off.

    A line is `{"step", "kind": "train" | "evaluate" | "skipped", ...}`; losses are means since the line before. Of several
    ranks only the first one writes and shows, but every one has its notices.
    """

    def __init__(
        self, path: Path, steps: int, start: int, progress: bool = True, rank: int = 0, tensorboard: bool = False
    ) -> None:
        self._rank, self._show = rank, progress and rank == 0
        self._console = Console(file=sys.stderr)
        self._bar: Progress | None = None
        self._file: TextIO | None = None
        self._board = board(path.parent / "tensorboard", start) if tensorboard and rank == 0 else None
        if rank == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            _keep_until(path, start)
            self._file = path.open("a", encoding="utf-8")
        if self._show and self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[figures]}"), console=self._console)
            self._task = self._bar.add_task("train", total=steps, completed=start, figures="")

    def __enter__(self) -> RunLog:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()
        if self._file:
            with suppress(OSError):  # every record was flushed: what is left is one that could not be written, which was told
                self._file.close()
        if self._board:
            self._board.close()

    def step(self, step: int) -> None:
        """Move the bar."""
        if self._bar:
            self._bar.update(self._task, completed=step)

    def record(self, step: int, kind: str, fields: Mapping[str, Any]) -> None:
        """Write one line and show its figures."""
        line = {"step": step, "kind": kind, **_finite(fields), "time": round(time.time(), 2)}
        if self._file:
            try:
                self._file.write(json.dumps(line) + "\n")
                self._file.flush()
            except OSError as error:
                told = f"{self._file.name} cannot be written ({error.strerror})"
                raise InputError(f"{told}. Fix: make room; the same command goes on from the last checkpoint.") from error
        if self._board:
            for name, value in _finite(fields).items():
                if isinstance(value, int | float):
                    self._board.add_scalar(f"{kind}/{name}", value, step)
        if self._bar and kind == "train":
            brief = {name: fields[name] for name in ("loss", "images_per_s") if name in fields}
            self._bar.update(self._task, figures=_text(brief))
        elif self._show:
            self._print(f"{kind} step {step}  {_text(fields)}")

    def tell(self, text: str) -> None:
        """A line for who watches; in no file, and not shown without progress."""
        if self._show:
            self._print(text)

    def notice(self, text: str) -> None:
        """Something a person should read; shown even without progress."""
        self._print(f"notice: {f'rank {self._rank}: ' if self._rank else ''}{text}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class Clock:
    """Images per second since the last log line, and the share of the time spent waiting for data."""

    def __init__(self, step: int) -> None:
        self._start, self._waited, self._step = time.monotonic(), 0.0, step

    def waiting(self, batches: Iterator[Batch]) -> Batch:
        """The next batch; the time it takes is counted as waiting."""
        before = time.monotonic()
        batch = next(batches)
        self._waited += time.monotonic() - before
        return batch

    def speed(self, step: int, images: int) -> dict[str, float]:
        """images_per_s and the share `wait` since the last call, for `images` a step."""
        now, elapsed = time.monotonic(), max(time.monotonic() - self._start, 1e-9)
        out = {"images_per_s": round((step - self._step) * images / elapsed, 2), "wait": round(self._waited / elapsed, 3)}
        self._start, self._waited, self._step = now, 0.0, step
        return out


def board(folder: Path, start: int) -> Any:
    """A writer of TensorBoard's files that takes off what comes after `start`. UsageError without the library."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError("TrainConfig.tensorboard needs the library. Fix: pip install 'vitruvian[train]'") from error
    return SummaryWriter(str(folder), purge_step=start + 1)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The records of a run; a last line that a kill cut short is left out. InputError for any other that is damaged."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[
        :-1
    ]  # after the last newline: nothing, or a torn one
    return [_record(line, f"{path}: line {number}") for number, line in enumerate(lines, 1)]


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} is damaged ({error}). Fix: delete that line.") from error
    return record


def _keep_until(path: Path, step: int) -> None:
    records = read_log(path)
    kept = [record for record in records if record["step"] <= step]
    if path.exists():
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
        temporary.replace(path)


def _finite(fields: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN: a figure that is none is null."""
    return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in fields.items()}


def _text(fields: Mapping[str, Any]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in fields.items() if isinstance(value, float))

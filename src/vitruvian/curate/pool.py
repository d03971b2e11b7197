"""Processes that do tasks and may die of them: an image that kills its worker twice is named, and everything else goes on."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import cv2

from vitruvian.curate.record import Row, write_rows
from vitruvian.curate.settings import Settings
from vitruvian.curate.work import BATCH, embed, look, pack, score
from vitruvian.data.loader import one_thread_for_children
from vitruvian.errors import VitruvianError

DEATHS = 2  # of an image before it is given up; one alone may be the machine's doing
STARTS = 3  # deaths of workers before they have touched an image


@dataclass(frozen=True)
class Task:
    """kind: look, embed, score or pack. target: the file of rows that it writes last, by which it is known to be done."""

    kind: str
    target: Path
    inputs: Sequence[Row]
    settings: Settings
    schema: Any
    shard: Path | None = None
    poisoned: frozenset[int] = frozenset()
    careful: bool = False  # one image at a time

    def run(self, tell: Callable[[Sequence[int]], None]) -> None:
        """Do it. VitruvianError where the output cannot be written."""
        rows: list[Row]
        if self.kind == "look":
            rows = look(self.inputs, self.poisoned, tell)
        elif self.kind == "embed":
            rows = self._spared() + embed(self._sound(), self.settings, tell)
        elif self.kind == "score":
            rows = self._spared() + score(self._sound(), self.settings, 1 if self.careful else BATCH, tell)
        else:
            assert self.shard is not None
            rows = self._spared() + pack(self._sound(), self.shard, self.settings, tell)
        write_rows(self.target, sorted(rows, key=lambda row: row["index"]), self.schema)

    def _sound(self) -> list[Row]:
        return [one for one in self.inputs if one["index"] not in self.poisoned]

    def _spared(self) -> list[Row]:
        stage = {} if self.kind == "pack" else {"stage": "decode"}
        told = {"reason": "crash: the worker died of it, or did not come to an end, twice"} | stage
        return [{"index": one["index"], **told} for one in self.inputs if one["index"] in self.poisoned]


@dataclass
class _Worker:
    process: Any
    line: Connection
    task: Task | None = None
    touching: tuple[int, ...] = ()
    since: float = field(default_factory=time.monotonic)


def perform(tasks: Iterable[Task], workers: int, patience: float) -> Iterator[Task]:
    """Do all tasks, in this process (workers = 0) or in others; each as it is done.

    patience: seconds that a worker may spend on one image, or a batch. VitruvianError: nothing can be written, or workers die
    before they have touched anything.
    """
    if workers == 0:
        for task in tasks:
            task.run(lambda _: None)
            yield task
        return
    pool = _Pool(workers, patience)
    try:
        yield from pool.perform(deque(tasks))
    finally:
        pool.close()


class _Pool:
    def __init__(self, workers: int, patience: float) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._count, self._patience = workers, patience
        self._workers: list[_Worker] = []
        self._deaths: dict[int, int] = defaultdict(int)
        self._false_starts = 0

    def perform(self, waiting: deque[Task]) -> Iterator[Task]:
        while waiting or any(worker.task for worker in self._workers):
            self._hand_out(waiting)
            for worker in self._ready():
                done = self._listen(worker, waiting)
                if done is not None:
                    yield done
            self._lose_patience()

    def close(self) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.line.close()

    def _hand_out(self, waiting: deque[Task]) -> None:
        idle = sum(worker.task is None for worker in self._workers)
        while len(self._workers) < self._count and idle < len(waiting):
            self._workers.append(self._start())
            idle += 1
        for worker in self._workers:
            if worker.task is None and waiting:
                worker.task, worker.touching, worker.since = waiting.popleft(), (), time.monotonic()
                with contextlib.suppress(OSError):  # it has died idle, as is seen when it is listened to
                    worker.line.send(worker.task)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        with one_thread_for_children():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _ready(self) -> list[_Worker]:
        lines = wait([worker.line for worker in self._workers], timeout=1.0)
        return [worker for worker in self._workers if worker.line in lines]

    def _listen(self, worker: _Worker, waiting: deque[Task]) -> Task | None:
        try:
            kind, told = worker.line.recv()
        except (EOFError, OSError):
            self._bury(worker, waiting)
            return None
        if kind == "fault":
            raise VitruvianError(told)
        if kind == "touch":
            worker.touching, worker.since = told, time.monotonic()
            return None
        done, worker.task, worker.touching = worker.task, None, ()
        return done

    def _bury(self, worker: _Worker, waiting: deque[Task]) -> None:
        """Give a dead worker's task to the next, which goes image by image, without those that have killed twice."""
        self._workers.remove(worker)
        worker.process.join()
        worker.line.close()
        task = worker.task
        if task is None:
            return
        if not worker.touching:
            self._false_starts += 1
            if self._false_starts >= STARTS:
                raise VitruvianError(
                    f"{STARTS} workers died before they had touched an image (exit code {worker.process.exitcode}), often for"
                    " lack of memory. Fix: fewer --workers; what is done is kept."
                )
        elif len(worker.touching) == 1:
            self._deaths[worker.touching[0]] += 1
        guilty = {index for index in worker.touching if self._deaths[index] >= DEATHS}
        waiting.appendleft(replace(task, poisoned=task.poisoned | guilty, careful=True))

    def _lose_patience(self) -> None:
        for worker in self._workers:
            if worker.task and worker.touching and time.monotonic() - worker.since > self._patience:
                worker.process.kill()  # its line breaks, and it is buried like any other


def _serve(line: Connection) -> None:
    """A worker: tasks in, tidings out, until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()
    while True:
        try:
            task: Task = line.recv()
        except EOFError:
            return
        try:
            task.run(lambda indices: line.send(("touch", tuple(indices))))
            line.send(("done", None))
        except VitruvianError as error:
            line.send(("fault", str(error)))


def _leave_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)

"""Batches that depend on the seed alone: order and randomness are functions of (seed, position), never of the workers.

Batch n of size B holds the positions n * B .. n * B + B - 1 of `data.order`, so a run resumes by its step and any number of
workers gives equal batches. Of several ranks each reads its own stretch of the same batch: one after the other they hold what
a single process would, so a run may go on with another number of ranks.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vitruvian.data.order import Order, order_of, share
from vitruvian.errors import InputError, UsageError
from vitruvian.types import Array, Batch

Target: TypeAlias = Mapping[str, Mapping[str, "Tensor | Array"]]
# image (H, W, 3) uint8 RGB; task -> its tensors, no batch dimension; a key that names the example to a reader
Example: TypeAlias = "tuple[Tensor | Array, Target, str]"
Report: TypeAlias = Callable[[str], None]

ATTEMPTS = 8  # neighbours tried in place of a bad example before the run stops
BAD_ALLOWANCE = 8  # bad examples that never stop a run, however short it is
EXAMPLE_STREAM = 1  # keeps the randomness of examples apart from that of their order, whose stream is 0


class Examples(Protocol):
    """A source of training examples. It travels to worker processes, so it must pickle (paths, not open files)."""

    def __len__(self) -> int:
        """How many examples one epoch has."""

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """The example at `index`; every random choice is drawn from `rng`. Raises for one that cannot be used."""


class _Raw(NamedTuple):
    """One batch before the device: image (B, H, W, 3) uint8. `image` is None where no usable example was found."""

    image: Tensor | None
    target: dict[str, dict[str, Tensor]]
    keys: tuple[str, ...]
    bad: tuple[str, ...]


@dataclass(frozen=True)
class _RawBatches(Dataset[_Raw]):
    """Batch number -> this rank's share of the raw batch; this is what a worker runs."""

    examples: Examples
    order: Order
    size: int
    places: range

    def __getitem__(self, number: int) -> _Raw:
        first, bad = number * self.size, list[str]()
        drawn = [self._draw(first + i, bad) for i in self.places]
        good = [example for example in drawn if example is not None]
        if len(good) < len(drawn):
            return _Raw(None, {}, (), tuple(bad))
        images, targets, keys = zip(*good, strict=True)
        image = torch.stack([_pixels(image, key) for image, key in zip(images, keys, strict=True)])
        return _Raw(image, _stack_targets(targets, keys), keys, tuple(bad))

    def _draw(self, position: int, bad: list[str]) -> Example | None:
        """The example at a position or, where it fails, that of the next index; failures are added to `bad`."""
        wanted = self.order.index(position)
        for attempt in range(ATTEMPTS):
            index = (wanted + attempt) % self.order.length
            rng = np.random.default_rng([self.order.seed, EXAMPLE_STREAM, position, attempt])
            try:
                return self.examples.example(index, rng)
            except Exception as error:  # whatever a source raises is one bad example, counted and shown by the loader
                bad.append(f"example {index}: {type(error).__name__}: {error}")
        return None


def _pixels(image: Tensor | Array, key: str) -> Tensor:
    tensor = torch.as_tensor(image)
    if tensor.dtype != torch.uint8 or tensor.ndim != 3 or tensor.shape[2] != 3:
        raise UsageError(f"example {key}: the image must be (H, W, 3) uint8 RGB, not {tuple(tensor.shape)} {tensor.dtype}")
    return tensor


def _stack_targets(targets: tuple[Target, ...], keys: tuple[str, ...]) -> dict[str, dict[str, Tensor]]:
    names = {task: tuple(parts) for task, parts in targets[0].items()}
    for target, key in zip(targets, keys, strict=True):
        if {task: tuple(parts) for task, parts in target.items()} != names:
            raise UsageError(f"example {key}: its targets differ from those of {keys[0]}; a batch needs the same for all")
    return {
        task: {part: torch.stack([torch.as_tensor(t[task][part]) for t in targets]) for part in parts}
        for task, parts in names.items()
    }


def to_stderr(text: str) -> None:
    """A report that is read while the run goes on."""
    print(text, file=sys.stderr, flush=True)


def check_bad(bad: int, seen: int, max_bad: float, what: str = "examples", last: str = "") -> None:
    """InputError where more than the share `max_bad` of what was seen is bad; `BAD_ALLOWANCE` of them always may be.

    last: what is wrong with the last one.
    """
    if bad > max(BAD_ALLOWANCE, max_bad * seen):
        told = f"; the last: {last}" if last else ""
        raise InputError(f"{bad} of {seen} {what} are bad, more than the {max_bad:.1%} allowed{told}")


@dataclass
class Loader:
    """Batches of `examples`, normalised on `device` from uint8 so that little is moved.

    mean and std on the 0..255 scale; `workers` 0 reads in this process; `bad` counts the examples that were replaced, and a
    run stops when they are more than the share `max_bad`. Floating targets arrive as float32 whatever they travel as.
    batch: of all ranks together; this loader yields the share of `rank`, and counts its `bad` alone. Shares differ by one where
    the batch cannot be divided. What `examples.problems` tells, if they have it, is reported once, before the first batch.
    """

    examples: Examples
    batch: int
    seed: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    workers: int = 0
    prefetch: int = 2
    shuffle: bool = True
    max_bad: float = 0.01
    start_method: str = "forkserver"
    report: Report = to_stderr
    bad: int = 0
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        if len(self.examples) == 0:
            raise UsageError("the source has no examples; check its folder and its filters")
        if self.batch < 1 or self.workers < 0 or self.prefetch < 1 or self.seed < 0:
            raise UsageError("a loader needs batch >= 1, workers >= 0, prefetch >= 1 and seed >= 0")
        self._places = share(self.batch, self.rank, self.ranks)
        self._mean = torch.tensor(self.mean, device=self.device).view(3, 1, 1)
        self._std = torch.tensor(self.std, device=self.device).view(3, 1, 1)

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches number `start` to `stop - 1` of the endless stream of epochs."""
        for text in getattr(self.examples, "problems", ()):
            self.report(f"problem of the source: {text}")
        order = order_of(self.examples, self.seed, self.shuffle)
        return self._run(_RawBatches(self.examples, order, self.batch, self._places), range(start, stop))

    def _run(self, raw: _RawBatches, numbers: range) -> Iterator[Batch]:
        for number, item in zip(numbers, self._read(raw, numbers), strict=True):
            self._count_bad(item, (number + 1) * len(self._places))
            yield self._to_batch(item)

    def _read(self, raw: _RawBatches, numbers: range) -> Iterator[_Raw]:
        if self.workers == 0:
            yield from (raw[number] for number in numbers)
            return
        loader = DataLoader(
            raw,
            batch_size=None,
            sampler=cast(Iterable[int], numbers),
            num_workers=self.workers,
            prefetch_factor=self.prefetch,
            multiprocessing_context=self.start_method,
            worker_init_fn=_start_worker,
            collate_fn=_as_it_is,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # else the loader would draw from the global one, and a resumed run would differ
        )
        with one_thread_for_children():
            iterator = iter(loader)
        yield from iterator

    def _count_bad(self, raw: _Raw, seen: int) -> None:
        self.bad += len(raw.bad)
        for text in raw.bad:
            self.report(f"bad example replaced by the next: {text}")
        if raw.image is None:
            raise InputError(f"{ATTEMPTS} examples in a row cannot be used; the last: {raw.bad[-1]}")
        check_bad(self.bad, seen, self.max_bad, last=raw.bad[-1] if raw.bad else "")

    def _to_batch(self, raw: _Raw) -> Batch:
        image = cast(Tensor, raw.image).to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        target = {task: {part: self._move(value) for part, value in parts.items()} for task, parts in raw.target.items()}
        image = image.float().sub_(self._mean).div_(self._std)
        return Batch(image, target, torch.ones(len(image), dtype=torch.bool), keys=raw.keys)

    def _move(self, value: Tensor) -> Tensor:
        value = value.to(self.device, non_blocking=True)
        return value.float() if value.is_floating_point() else value


def _as_it_is(raw: Any) -> Any:
    return raw


def _start_worker(_: int) -> None:
    """One thread each, and Ctrl-C is the main process's affair: it stops at a step and closes its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@contextmanager
def one_thread_for_children() -> Iterator[None]:
    """Numpy's matrix library reads its thread count once, at import: it must stand in the environment of the child."""
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

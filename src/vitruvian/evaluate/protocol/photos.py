"""The photos of a source, a few at a time; one that cannot be used is counted, named, and stops nothing."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from vitruvian.data.check import spread
from vitruvian.data.sources import Source
from vitruvian.errors import InputError
from vitruvian.types import Array, ImageRecord


@dataclass(frozen=True)
class Shot:
    """One photo (H, W, 3) uint8 RGB, its number in the source, and its labels."""

    index: int
    image: Array
    record: ImageRecord


@dataclass
class Walk:
    """`limit` photos of a source, evenly apart, or all. faults: a line for each that could not be used, and for what the reader
    knows to be wrong; skipped: what was left out for a reason that is no fault -> how many; photos: how many were judged."""

    source: Source
    limit: int | None = None
    faults: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    photos: int = 0

    def __post_init__(self) -> None:
        self.faults += getattr(self.source, "problems", ())

    def batches(self, at_once: int) -> Iterator[list[Shot]]:
        """Photos that can be read, `at_once` together; a bar on stderr where it is a terminal."""
        batch: list[Shot] = []
        for index in _watched(spread(len(self.source), self.limit)):
            with self.counting_faults():
                batch.append(self._read(index))
            if len(batch) == at_once:
                yield batch
                batch = []
        if batch:
            yield batch

    @contextmanager
    def counting_faults(self) -> Iterator[None]:
        """What is raised within of one input is kept in `faults`, and the run goes on."""
        try:
            yield
        except InputError as error:
            self.faults.append(" ".join(str(error).split()))

    def check(self, judged: int, what: str) -> None:
        """InputError where nothing was left to judge."""
        if judged == 0:
            reasons = [*self.faults[:1], *(f"{reason} ({count})" for reason, count in self.skipped.items())]
            raise InputError(f"no {what} could be judged: {'; '.join(reasons) or 'the source is empty'}")

    def _read(self, index: int) -> Shot:
        record = self.source[index]
        image = record.people[0].image if record.people else self.source.photo(index)[0]
        return Shot(index, image, record)


def _watched(indices: list[int]) -> Iterable[int]:
    if not sys.stderr.isatty():
        return indices
    from rich.console import Console
    from rich.progress import track

    return track(indices, "photos", console=Console(stderr=True), transient=True)

"""What can be seen frame by frame: a video file, a sequence of pictures, a camera."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from vitruvian.types import Array


@dataclass(frozen=True)
class Still:
    """One frame. index from 0; ticks: its time in units of the reader's `tick`; pixels (H, W, 3) uint8 RGB, upright.

    fault: why there are no pixels, of a frame that exists and cannot be read.
    """

    index: int
    ticks: int
    pixels: Array | None
    fault: str = ""


class Reader(Protocol):
    """An open clip."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of its upright frames."""

    @property
    def tick(self) -> Fraction:
        """Seconds: the unit of its frames' times."""

    @property
    def rate(self) -> Fraction:
        """Frames a second, nominal."""

    @property
    def count(self) -> int | None:
        """Frames, as far as is known before the last."""

    @property
    def notes(self) -> list[str]:
        """What was done to the frames that their owner may want to know; complete after the last."""

    @property
    def problem(self) -> str:
        """Why it ended before its end, known after the last frame; empty if it did not."""

    def stills(self, start: int = 0) -> Iterator[Still]:
        """The frames from number `start` on; once for each reader."""


class Clip(Protocol):
    """A clip not yet open."""

    @property
    def path(self) -> Path:
        """Its file or folder."""

    @property
    def name(self) -> str:
        """What records call it."""

    @property
    def stem(self) -> str:
        """Of its results, below the output folder."""

    @property
    def live(self) -> bool:
        """It happens now: it can be neither resumed nor looked at twice."""

    def digest(self) -> str:
        """A hash of all its bytes. InputError where they cannot be read."""

    def open(self) -> AbstractContextManager[Reader]:
        """InputError where there is nothing to see."""

"""A camera through OpenCV, until it is stopped."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vitruvian.errors import InputError, UsageError
from vitruvian.predict.video.clip import Still
from vitruvian.predict.video.names import CAMERA

TICK = Fraction(1, 90_000)
RATE = Fraction(30)  # of cameras that do not tell theirs
PATIENCE = 30  # reads without a picture after which a camera counts as gone


@dataclass(frozen=True)
class Camera:
    """The camera of this number. Times are those at which its pictures arrived, from 0 on."""

    number: int
    stem: str
    live: bool = True
    now: Callable[[], float] = time.monotonic

    @property
    def name(self) -> str:
        """As it was asked for."""
        return f"{CAMERA}{self.number}"

    @property
    def path(self) -> Path:
        """No file, only what messages call it."""
        return Path(self.name)

    def digest(self) -> str:
        """What happens now has no second time: the results' name tells one recording from another."""
        return self.stem

    @contextmanager
    def open(self) -> Iterator[CameraReader]:
        """Ctrl-C ends the recording, not the run. InputError where no camera answers."""
        with _silent_opencv():
            capture = cv2.VideoCapture(self.number)
        reader = CameraReader(self, capture)
        try:
            with _until_interrupted(reader):
                yield reader
        finally:
            capture.release()


class CameraReader:
    """See `clip.Reader`."""

    def __init__(self, camera: Camera, capture: Any) -> None:
        self._name, self._capture, self._now = camera.name, capture, camera.now
        self.stopped = False
        self.notes: list[str] = []
        self.problem = ""
        self.count: int | None = None
        self.tick = TICK
        self._first = self._read() if capture.isOpened() else None
        if self._first is None:
            raise InputError(
                f"{self._name}: no camera answers. Fix: connect it, close what else uses it, or give another number."
            )
        told = capture.get(cv2.CAP_PROP_FPS)
        self.rate = Fraction(round(told)) if told and told >= 1 else RATE
        self.size = self._first.shape[0], self._first.shape[1]

    def stills(self, start: int = 0) -> Iterator[Still]:
        """Pictures as they come, until the camera or its user stops. start: a recording has no earlier part; must be 0."""
        if start:
            raise UsageError("a recording of a camera cannot be resumed.")
        pixels, self._first = self._first, None
        begin, last, index = self._now(), -1, 0
        while pixels is not None and not self.stopped:
            if pixels.shape[:2] != self.size:
                self.problem = f"its picture changed its size at frame {index}"
                return
            last = max(round((self._now() - begin) / float(TICK)), last + 1)
            yield Still(index, last, pixels)
            index, pixels = index + 1, self._read()
        if pixels is None:
            self.problem = "the camera has stopped answering"

    def _read(self) -> Any:
        for _ in range(PATIENCE):
            found, picture = self._capture.read()
            if found:
                return np.ascontiguousarray(picture[..., ::-1])
            if self.stopped:
                return None
        return None


@contextmanager
def _silent_opencv() -> Iterator[None]:
    """OpenCV's own lines about a camera that is not there would stand before ours, which says how to mend it."""
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


@contextmanager
def _until_interrupted(reader: CameraReader) -> Iterator[None]:
    """The first Ctrl-C lets the reader end; a second one is as ever."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(*_: object) -> None:
        reader.stopped = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

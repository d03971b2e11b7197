"""A video file through PyAV: true times, upright frames, damage told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitruvian.errors import InputError
from vitruvian.predict.outcome import file_hash
from vitruvian.predict.video.clip import Still
from vitruvian.predict.video.names import EXTENSIONS

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

FIX = "Fix: copy it again, or repair it: ffmpeg -i IN -c copy OUT.mp4."
RATE = Fraction(30)  # of a file that tells neither times nor a rate
GAP = Fraction(1, 2)  # seconds without a frame that are worth a note
MISSING = 0.1, 1.0  # share and seconds that a clip may end before the end it announces


def need_extra(what: str) -> None:
    """InputError where a library of the extra `video` is missing: PyAV reads and writes, SciPy assigns people to tracks."""
    for name, module in (("PyAV", "av"), ("SciPy", "scipy")):
        if find_spec(module) is None:
            raise InputError(f'{what}: {name} is not installed. Fix: pip install "vitruvian[video]"')


@dataclass(frozen=True)
class VideoFile:
    """A file of any container and codec that FFmpeg knows."""

    path: Path
    name: str
    stem: str
    live: bool = False

    def digest(self) -> str:
        """SHA-256 of the file."""
        return file_hash(self.path, "a video, a photo")

    @contextmanager
    def open(self) -> Iterator[FileReader]:
        """InputError for what is empty, no video, without a picture, or broken before the first frame."""
        import av

        if self.path.stat().st_size == 0:
            raise InputError(f"{self.path}: the file is empty. Allowed: a video with at least one frame.")
        try:
            container = av.open(str(self.path))
        except (av.error.FFmpegError, ValueError) as error:
            known = ", ".join(sorted(extension[1:] for extension in EXTENSIONS))
            raise InputError(
                f"{self.path}: not a video that can be read, or cut off before its index ({_reason(error)}). Allowed: {known}."
            ) from error
        with container:
            yield FileReader(container, self.path)


class FileReader:
    """The first video stream of a container, decoded once from its beginning. See `clip.Reader`."""

    def __init__(self, container: InputContainer, path: Path) -> None:
        if not container.streams.video:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
            raise InputError(f"{path}: no picture in this file, only {kinds}. Allowed: a video with at least one frame.")
        self._container, self._path = container, path
        self._stream = container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.rate = Fraction(self._stream.average_rate or self._stream.guessed_rate or RATE)
        self.tick = Fraction(self._stream.time_base or Fraction(1, 90_000))
        self._untimed = self._late = self._damaged = self._gaps = self._gap = 0
        self._last: int | None = None
        self._stopped = ""
        self._frames = self._decoded()
        self._first = next(self._frames, None)
        if self._first is None:
            reason = f" ({self._stopped})" if self._stopped else ""
            raise InputError(f"{path}: not one frame can be read{reason}. Allowed: a video with at least one frame. {FIX}")
        first = _upright(self._first)
        self.size = first.shape[0], first.shape[1]
        self.count = self._expected()
        self.turned = int(self._first.rotation)

    @property
    def notes(self) -> list[str]:
        """What was done to the frames; complete after the last."""
        untimed = f"{_many(self._untimed, 'frame')} without a time, taken as {float(self.rate):g} frames a second"
        told = {
            f"turned by {-self.turned} degrees, as the file says": self.turned,
            untimed: self._untimed,
            f"{_many(self._late, 'frame')} moved behind the frame before them": self._late,
            f"{_many(self._gaps, 'gap')} without a frame, the longest {float(self._gap * self.tick):.2f} s": self._gaps,
        }
        return [note for note, is_so in told.items() if is_so]

    @property
    def problem(self) -> str:
        """Damage, or an end before the announced one; known after the last frame."""
        if self._stopped:
            return self._stopped
        if self._damaged:
            return f"damaged in {_many(self._damaged, 'place')}"
        end, seen = self._announced(), float((self._last or 0) * self.tick + 1 / self.rate)
        if end is not None and end - seen > max(MISSING[0] * end, MISSING[1]):
            return f"it ends at {seen:.2f} s of {end:.2f} s"
        return ""

    def stills(self, start: int = 0) -> Iterator[Still]:
        """Frames from number `start` on; those before are decoded, for what they say about the times, and dropped."""
        index, frame, self._first = 0, self._first, None
        while frame is not None:
            ticks = self._ticks(frame, index)
            if index >= start:
                pixels = _upright(frame)
                if pixels.shape[:2] != self.size:
                    now, before = (f"{width}x{height} px" for height, width in (pixels.shape[:2], self.size))
                    self._stopped = f"frame {index} is {now}, those before it {before}"
                    return
                yield Still(index, ticks, pixels)
                del pixels
            index, frame = index + 1, next(self._frames, None)

    def _decoded(self) -> Iterator[VideoFrame]:
        """Every frame that can be decoded; damaged packets are counted, a damaged container ends it."""
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.error.EOFError):
                return
            except av.error.FFmpegError as error:
                self._stopped = f"the file is damaged or cut off ({_reason(error)})"
                return
            sound = not packet.is_corrupt
            try:
                for frame in packet.decode():
                    sound = sound and not frame.is_corrupt
                    yield frame
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                sound = False
            self._damaged += not sound

    def _ticks(self, frame: VideoFrame, index: int) -> int:
        """The frame's own time; made up where it has none, moved where it is not behind the one before."""
        ticks = frame.pts if frame.pts is not None else frame.dts
        if ticks is None:
            self._untimed += 1
            step = max(round(1 / self.rate / self.tick), 1)
            ticks = index * step if self._last is None else self._last + step
        elif self._last is not None and ticks <= self._last:
            self._late += 1
            ticks = self._last + 1
        self._measure(ticks - self._last if self._last is not None else 0)
        self._last = ticks
        return ticks

    def _measure(self, step: int) -> None:
        """Containers step over what is damaged without a word; a gap may come of that, or of a camera that paused."""
        if step * self.tick > max(GAP, 5 / self.rate):
            self._gaps, self._gap = self._gaps + 1, max(self._gap, step)

    def _announced(self) -> float | None:
        """Seconds at which the file says its pictures end."""
        stream = self._stream
        start = float((stream.start_time or 0) * self.tick)
        if stream.duration:
            return start + float(stream.duration * self.tick)
        tag = stream.metadata.get("DURATION") or stream.metadata.get("DURATION-eng")
        if tag:
            return _clock(tag)
        whole = self._container.duration
        return None if whole is None or self._container.streams.audio else whole / 1e6 + start

    def _expected(self) -> int | None:
        if self._stream.frames:
            return int(self._stream.frames)
        end = self._announced() or (self._container.duration or 0) / 1e6
        return max(round(end * self.rate), 1) if end else None


def _upright(frame: VideoFrame) -> Any:
    """(H, W, 3) uint8 RGB, turned as the file says."""
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))


def _many(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")


def _clock(text: str) -> float | None:
    """Seconds of 00:01:02.5; None of anything else."""
    try:
        hours, minutes, seconds = map(float, text.split(":"))
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)

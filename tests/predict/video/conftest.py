"""Clips made on the spot: a grey scene with red rectangles that stand for people, and a detector that finds just these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import pytest

from vitruvian.cli import main
from vitruvian.predict import pipeline
from vitruvian.types import Array, Person

SIZE = (96, 128)
Told: TypeAlias = tuple[int, str, str]


def scene(boxes: Sequence[tuple[int, int, int, int]], size: tuple[int, int] = SIZE, seed: int = 0) -> Array:
    """(H, W, 3) uint8 RGB with a red rectangle x1, y1, x2, y2 for everybody."""
    picture = np.full((*size, 3), 90, np.uint8)
    picture[:, :: 8 + seed] = 60
    for x1, y1, x2, y2 in boxes:
        picture[y1:y2, x1:x2] = (230, 20, 20)
    return picture


def walk(index: float) -> list[tuple[int, int, int, int]]:
    """One who goes to the right by 4 px a frame, and one who stands."""
    x = int(4 * index) % 60
    return [(4 + x, 20, 24 + x, 80), (100, 30, 120, 90)]


class RedPeople:
    """The red rectangles of a frame, surest first."""

    name = "red"
    weights: str | None = None
    alive: Callable[[], None] | None = None

    def detect(self, image: Array) -> list[Person]:
        red = (image[..., 0] > 160) & (image[..., 1] < 90)
        count, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        rows = [stats[i] for i in range(1, count) if stats[i][cv2.CC_STAT_AREA] > 100]
        return [Person(np.float32([x, y, x + w, y + h]), 0.9, origin="detector") for x, y, w, h, _ in rows]


@pytest.fixture
def red(monkeypatch: pytest.MonkeyPatch) -> RedPeople:
    """Every predictor finds the red rectangles."""
    detector = RedPeople()
    monkeypatch.setattr(pipeline, "choose_detector", lambda *_: detector)
    return detector


@pytest.fixture
def predict(tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], red: RedPeople) -> Callable[..., Told]:
    """predict("clip.mp4", "--smooth") -> exit code, stdout, stderr; pose only unless told otherwise."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        tasks = [] if "--tasks" in words else ["--tasks", "pose"]
        out = [] if "--out" in words else ["--out", tmp_path / "out"]
        fixed = ["--model", tiny, *out, "--device", "cpu", "--dtype", "fp32", *tasks]
        code = main([str(word) for word in ["predict", *words, *fixed]])
        told = capfd.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """clip("a.mp4", count=10, ms=[0, 100, 250]) writes a video below tmp_path/clips."""

    def write(
        name: str = "a.mp4",
        count: int = 10,
        *,
        ms: Sequence[int] | None = None,
        size: tuple[int, int] = SIZE,
        picture: Callable[[int], Array] | None = None,
        codec: str = "mpeg4",
        pix_fmt: str = "yuv420p",
        sound: str = "",
        options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        times = list(ms) if ms is not None else [100 * i for i in range(count)]
        shown = picture or (lambda index: scene(walk(index), size))
        write_video(path, [shown(i) for i in range(len(times))], times, codec, pix_fmt, sound, options or {})
        return path

    return write


def write_video(
    path: Path, pictures: Sequence[Array], ms: Sequence[int], codec: str, pix_fmt: str, sound: str, options: dict[str, str]
) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'vitruvian[video]'")
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=10, options={"bf": "0", **options})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        voice = out.add_stream(sound, rate=48000, layout="mono") if sound else None
        for picture, time in zip(pictures, ms, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if voice is not None:
            _write_sound(av, out, voice, ms[-1] + 100)


def _write_sound(av: Any, out: Any, voice: Any, ms: int) -> None:
    samples = (8000 * np.sin(np.arange(48 * ms) / 20)).astype(np.int16)
    for start in range(0, len(samples), 1024):
        part = samples[None, start : start + 1024]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        out.mux(voice.encode(frame))
    out.mux(voice.encode())


def frames_of(path: Path) -> tuple[list[float], list[Array]]:
    """Seconds and RGB pixels of every frame."""
    import av

    with av.open(str(path)) as source:
        found = [(float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24")) for frame in source.decode(video=0)]
    return [time for time, _ in found], [pixels for _, pixels in found]


def sound_of(path: Path) -> list[tuple[float, bytes]]:
    """Seconds and bytes of every packet of sound."""
    import av

    with av.open(str(path)) as source:
        packets = [packet for packet in source.demux(source.streams.audio[0]) if packet.size]
        return [(float(packet.pts * packet.time_base), bytes(packet)) for packet in packets]

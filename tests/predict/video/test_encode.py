from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vitruvian.errors import InputError
from vitruvian.predict.video import encode
from vitruvian.predict.video.encode import PIECE, Piece, encoder_name, join
from vitruvian.types import Array

from .conftest import frames_of, scene, sound_of, walk

Clip = Callable[..., Path]
TICK = Fraction(1, 1000)
END = Fraction(10**6)


def pieces(folder: Path, ms: list[int], split: tuple[int, ...], size: tuple[int, int] = (96, 128)) -> list[Path]:
    paths = []
    for number, part in enumerate(np.split(np.arange(len(ms)), split)):
        path = folder / f"{number}.{PIECE}"
        piece = Piece(path, size, TICK, Fraction(10))
        for i in part:
            piece.add(shown(int(i), size), ms[i])
        piece.close()
        piece.close()
        paths.append(path)
    return paths


def shown(index: int, size: tuple[int, int] = (96, 128)) -> Array:
    return scene(walk(index), size)


@pytest.mark.parametrize("split", [(), (1,), (3, 6, 8)])
def test_pieces_become_one_video_with_the_true_times(tmp_path: Path, split: tuple[int, ...]) -> None:
    ms = [0, 40, 50, 51, 400, 1000, 1033, 1066, 2000, 2001]
    target = tmp_path / "a.mp4"
    assert join(pieces(tmp_path, ms, split), target, None, END) == "none"
    times, pictures = frames_of(target)
    assert times == pytest.approx([t / 1000 for t in ms], abs=1e-6)
    assert all(np.abs(p.astype(int) - shown(i)).mean() < 6 for i, p in enumerate(pictures)), "colours come back as they were"


@pytest.mark.parametrize(("name", "codec"), [("b.mp4", "aac"), ("b.mkv", "libmp3lame"), ("b.webm", "libopus")])
def test_sound_is_kept_bit_for_bit(clip: Clip, tmp_path: Path, name: str, codec: str) -> None:
    picture = "libvpx-vp9" if name.endswith("webm") else "mpeg4"
    source, target = clip(name, 10, sound=codec, codec=picture), tmp_path / "a.mp4"
    told = join(pieces(tmp_path, [100 * i for i in range(10)], (4,)), target, source, END)
    assert told.startswith("kept (")
    kept, before = sound_of(target), sound_of(source)
    assert [data for _, data in kept] == [data for _, data in before]
    assert [time for time, _ in kept] == pytest.approx([time for time, _ in before], abs=2e-3)


def test_sound_ends_with_the_part_that_is_wanted(clip: Clip, tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    join(pieces(tmp_path, [0, 100, 200], ()), target, clip("b.mp4", 20, sound="aac"), Fraction(3, 10))
    times = [time for time, _ in sound_of(target)]
    assert 0.25 < max(times) < 0.3


def test_sound_that_mp4_cannot_hold_is_told(clip: Clip, tmp_path: Path) -> None:
    source = clip("b.avi", 5, sound="adpcm_ms")
    told = join(pieces(tmp_path, [0, 100, 200, 300, 400], ()), tmp_path / "a.mp4", source, END)
    assert told == "left out (adpcm_ms: MP4 cannot hold it)"


def test_an_odd_source_makes_an_even_overlay(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    join(pieces(tmp_path, [0, 100], (), (98, 130)), target, None, END)
    assert frames_of(target)[1][0].shape == (98, 130, 3)


def test_the_encoder_is_the_first_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert encoder_name() in encode.ENCODERS
    monkeypatch.setattr(encode, "ENCODERS", {"no-such-encoder": {}, "mpeg4": {}})
    assert encoder_name() == "mpeg4"
    monkeypatch.setattr(encode, "ENCODERS", {"no-such-encoder": {}})
    with pytest.raises(InputError, match=r"no video encoder in PyAV\. Allowed: no-such-encoder"):
        encoder_name()

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitruvian.errors import InputError
from vitruvian.predict.video import file
from vitruvian.predict.video.file import VideoFile

from .conftest import frames_of, scene, walk

Clip = Callable[..., Path]


def read(path: Path, start: int = 0) -> tuple[Any, list[Any]]:
    with VideoFile(path, path.name, path.stem).open() as reader:
        return reader, list(reader.stills(start))


def seconds(reader: Any, stills: list[Any]) -> list[float]:
    return [float(still.ticks * reader.tick) for still in stills]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
def test_times_are_the_true_ones_of_uneven_frames(clip: Clip, name: str) -> None:
    ms = [0, 33, 50, 250, 600, 617]
    reader, stills = read(clip(name, ms=ms))
    assert seconds(reader, stills) == pytest.approx([t / 1000 for t in ms], abs=6e-4)
    assert [still.index for still in stills] == list(range(6))
    assert (reader.problem, reader.notes) == ("", [])
    assert reader.count is None or reader.count > 0


def test_a_later_start_gives_the_same_frames_and_times(clip: Clip) -> None:
    path = clip(count=9)
    whole, late = read(path), read(path, 5)
    assert seconds(*late) == seconds(*whole)[5:]
    assert all((a.pixels == b.pixels).all() and a.index == b.index for a, b in zip(late[1], whole[1][5:], strict=True))


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "off"),
    [
        ("ffv1", "bgr0", 0),
        ("ffv1", "yuv444p10le", 1),
        ("ffv1", "yuv422p16le", 20),
        ("ffv1", "yuva420p", 20),
        ("mpeg4", "yuv420p", 20),
    ],
)
def test_any_pixel_format_becomes_rgb(clip: Clip, codec: str, pix_fmt: str, off: int) -> None:
    picture = scene(walk(0))
    _, (still, *_) = read(clip("a.mkv", 2, codec=codec, pix_fmt=pix_fmt, picture=lambda _: picture))
    assert still.pixels.dtype == np.uint8 and still.pixels.flags.c_contiguous
    assert np.abs(still.pixels[40:60, 10:20].astype(int) - picture[40:60, 10:20]).max() <= off


def test_grey_video_is_rgb_too(clip: Clip) -> None:
    _, (still, *_) = read(clip("a.mkv", 2, codec="ffv1", pix_fmt="gray"))
    assert still.pixels.shape == (96, 128, 3) and (still.pixels == still.pixels[..., :1]).all()


def turned(path: Path, matrix: tuple[int, ...]) -> Path:
    """The display matrix in the track header of an MP4, which says how a phone was held."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(data)
    return path


def test_frames_stand_upright_as_the_file_says(clip: Clip) -> None:
    one = 1 << 16
    path = clip(count=3, picture=lambda _: scene([(0, 0, 60, 30)]))
    reader, (still, *_) = read(turned(path, (0, one, 0, -one, 0, 0, 96 * one, 0, 1 << 30)))
    assert reader.size == still.pixels.shape[:2] == (128, 96)
    red = still.pixels[..., 0] > 160
    assert red[5:50, 70:90].all() and not red[:, :60].any(), "the upper left corner is the upper right one now"
    assert reader.notes == ["turned by 90 degrees, as the file says"]


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "the file is empty"), (b"no video at all" * 99, "not a video that can be read"), (None, "no such file")],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    source = VideoFile(path, "a.mp4", "a")
    with pytest.raises(InputError, match=told) as caught:
        source.digest()
        with source.open():
            pass
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_sound_alone_is_refused(clip: Clip, tmp_path: Path) -> None:
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(clip("b.mp4", sound="aac"))) as source, av.open(str(path), "w") as out:
        copy = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    with pytest.raises(InputError, match="no picture in this file, only audio"):
        read(path)


def test_a_video_without_one_frame_is_refused(tmp_path: Path) -> None:
    import av

    path = tmp_path / "none.mov"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        stream.codec_context.open()
        out.start_encoding()
    with pytest.raises(InputError, match=r"no picture in this file|not one frame can be read|not a video that can be read"):
        read(path)


def test_a_truncated_video_gives_what_is_there_and_says_so(clip: Clip) -> None:
    path = clip("a.mkv", 60, options={"g": "5"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader, stills = read(path)
    assert 5 < len(stills) < 60
    assert reader.problem, "an end before the announced one is told"


def test_a_truncated_mp4_without_its_index_is_refused(clip: Clip) -> None:
    path = clip("a.mp4", 30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="cut off before its index"):
        read(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv"])
def test_damage_in_the_middle_is_told_and_the_rest_is_read(clip: Clip, name: str) -> None:
    path = clip(name, 40, codec="libx264", options={"g": "5"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = b"\xff" * 300
    path.write_bytes(data)
    reader, stills = read(path)
    assert len(stills) > 10 and stills[-1].index == len(stills) - 1
    if name == "a.mkv":  # this container is skipped over in silence
        assert reader.notes == ["1 gap without a frame, the longest 1.00 s"]
    else:
        assert reader.problem.startswith("damaged in ")


def test_frames_without_times_get_those_of_the_rate(tmp_path: Path, clip: Clip) -> None:
    import av

    raw, path = tmp_path / "a.264", clip("a.mp4", 5, codec="libx264")
    with av.open(str(path)) as source, av.open(str(raw), "w", format="h264") as out:
        copy = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    reader, stills = read(raw)
    times = seconds(reader, stills)
    assert len(times) == 5 and all(later > before for before, later in pairwise(times))


def test_without_pyav_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for missing, name in (("av", "PyAV"), ("scipy", "SciPy")):
        monkeypatch.setattr(file, "find_spec", lambda module, missing=missing: None if module == missing else 1)
        with pytest.raises(InputError, match=rf'{name} is not installed. Fix: pip install "vitruvian\[video\]"'):
            file.need_extra("a.mp4")


def test_frames_of_agrees(clip: Clip) -> None:
    path = clip(count=4)
    assert all((still.pixels == pixels).all() for still, pixels in zip(read(path)[1], frames_of(path)[1], strict=True))

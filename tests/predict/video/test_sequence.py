from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitruvian.errors import InputError
from vitruvian.predict.video.sequence import PictureSequence, in_order


def pictures(folder: Path, *names: str, size: tuple[int, int] = (40, 60)) -> tuple[Path, ...]:
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(names):
        Image.fromarray(np.full((*size, 3), 10 * i, np.uint8)).save(folder / name)
    return tuple(folder / name for name in names)


def sequence(files: tuple[Path, ...], fps: Fraction = Fraction(24)) -> PictureSequence:
    return PictureSequence(files[0].parent, "shot", "shot", files, fps)


def test_pictures_are_frames_with_even_times(tmp_path: Path) -> None:
    with sequence(pictures(tmp_path / "s", "a.png", "b.png", "c.png")).open() as reader:
        stills = list(reader.stills())
    assert (reader.size, reader.count, reader.rate) == ((40, 60), 3, 24)
    assert [float(still.ticks * reader.tick) for still in stills] == [0, 1 / 24, 2 / 24]
    assert [int(still.pixels[0, 0, 0]) for still in stills if still.pixels is not None] == [0, 10, 20]
    with sequence(pictures(tmp_path / "s", "a.png", "b.png", "c.png")).open() as reader:
        assert [still.index for still in reader.stills(2)] == [2]


def test_order_is_as_people_count() -> None:
    files = [Path(name) for name in ("f10.png", "f9.png", "F1.png", "b.png", "f009.png")]
    assert [file.name for file in in_order(files)] == ["b.png", "F1.png", "f009.png", "f9.png", "f10.png"]


def test_a_picture_that_cannot_be_read_is_a_frame_with_a_fault(tmp_path: Path) -> None:
    files = pictures(tmp_path / "s", "1.png", "2.png", "3.png")
    files[1].write_bytes(b"broken")
    pictures(tmp_path / "s", "4.png", size=(40, 64))
    with sequence((*files, tmp_path / "s" / "4.png")).open() as reader:
        stills = list(reader.stills())
    assert [still.pixels is None for still in stills] == [False, True, False, True]
    assert "2.png" in stills[1].fault and "64x40 px, not 60x40 px as the first" in stills[3].fault


def test_the_size_is_that_of_the_first_that_can_be_read(tmp_path: Path) -> None:
    files = pictures(tmp_path / "s", "1.png", "2.png")
    files[0].write_bytes(b"broken")
    with sequence(files).open() as reader:
        assert reader.size == (40, 60)
    files[1].unlink()
    with pytest.raises(InputError, match="none of its 2 pictures can be read"), sequence(files).open():
        pass


def test_the_digest_is_of_names_contents_and_rate(tmp_path: Path) -> None:
    files = pictures(tmp_path / "s", "1.png", "2.png")
    made = {sequence(files).digest(), sequence(files, Fraction(25)).digest(), sequence(files[:1]).digest()}
    files[1].unlink()
    assert len(made | {sequence(files).digest()}) == 4

"""Pictures and masks that are no such thing, and masks of one bit."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitruvian.data.images import decode_image, read_first_channel, read_ids, read_image
from vitruvian.data.maps import read_vectors
from vitruvian.errors import InputError


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.fixture
def huge(tmp_path: Path) -> Path:
    """A few bytes that say they are a picture of 60000x60000 pixels."""
    head, rows = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0), zlib.compress(bytes(100))
    path = tmp_path / "huge.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def decode(path: Path) -> Any:
    return decode_image(path.read_bytes(), str(path))


@pytest.mark.parametrize("read", [read_image, decode, read_ids, read_first_channel, read_vectors])
def test_a_picture_that_says_it_is_huge_is_named(huge: Path, read: Callable[[Path], Any]) -> None:
    with pytest.raises(InputError, match=r"huge\.png: .*Fix"):
        read(huge)


def test_a_mask_of_one_bit_has_the_numbers_0_and_1(tmp_path: Path) -> None:
    mask = np.zeros((5, 9), bool)
    mask[1:3, 2:7] = True
    Image.fromarray(mask).save(tmp_path / "mask.png")
    ids = read_ids(tmp_path / "mask.png")
    assert ids.dtype == np.uint8 and np.array_equal(ids, mask)

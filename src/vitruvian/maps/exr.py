"""OpenEXR files with named channels, which OpenCV cannot write: one part, scan lines, ZIP compression, half or float.

Source: "OpenEXR File Layout" of the Academy Software Foundation.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

import numpy as np

from vitruvian.types import Array

MAGIC, VERSION = 20000630, 2
ZIP, LINES = 3, 16  # the code of zlib over blocks of 16 lines
EFFORT = 4
PIXEL_TYPES = {np.dtype(np.float16): 1, np.dtype(np.float32): 2}


def exr_bytes(channels: Mapping[str, Array], comments: str) -> bytes:
    """Channel name -> (H, W) float16 or float32, all of one size, as a file; comments: what the values mean."""
    planes = {name: np.ascontiguousarray(channels[name]) for name in sorted(channels)}  # the order the format asks for
    height, width = next(iter(planes.values())).shape
    head = _header(planes, comments, height, width)
    blocks = list(_blocks(planes, height))
    start = len(head) + 8 * len(blocks)
    offsets = np.cumsum([start, *(len(block) for block in blocks[:-1])], dtype="<u8")
    return b"".join([head, offsets.tobytes(), *blocks])


def _header(planes: Mapping[str, Array], comments: str, height: int, width: int) -> bytes:
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    rows = [_text(name) + struct.pack("<iB3xii", PIXEL_TYPES[plane.dtype], 0, 1, 1) for name, plane in planes.items()]
    fields = [
        ("channels", "chlist", b"".join(rows) + b"\0"),
        ("comments", "string", comments.encode()),
        ("compression", "compression", bytes([ZIP])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ]
    body = [_text(name) + _text(kind) + struct.pack("<i", len(data)) + data for name, kind, data in fields]
    return struct.pack("<2i", MAGIC, VERSION) + b"".join(body) + b"\0"


def _blocks(planes: Mapping[str, Array], height: int) -> Iterator[bytes]:
    """Each block of lines: its first line, its length and its packed bytes; of each line one channel after the other."""
    for y in range(0, height, LINES):
        lines = [plane[y : y + LINES] for plane in planes.values()]
        lines = [rows.astype(rows.dtype.newbyteorder("<"), copy=False).view(np.uint8) for rows in lines]
        raw = np.concatenate(lines, 1).ravel()
        packed = zlib.compress(_predicted(raw).tobytes(), EFFORT)
        data = packed if len(packed) < raw.size else raw.tobytes()  # as the format wants it: never longer than plain
        yield struct.pack("<2i", y, len(data)) + data


def _predicted(raw: Array) -> Array:
    """Bytes of even places, then of odd ones, each as its difference to the one before, around 128."""
    apart = np.concatenate([raw[0::2], raw[1::2]])
    out = apart.copy()
    out[1:] -= apart[:-1]
    out[1:] += np.uint8(128)
    return out


def _text(word: str) -> bytes:
    return word.encode() + b"\0"

"""OpenEXR files of one part and scan lines: without compression, RLE, ZIPS and ZIP; others through the library OpenEXR.

OpenCV reads them only where an environment variable was set before it started, and takes no channels but those of colours.
Source: "OpenEXR File Layout" of the Academy Software Foundation.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.errors import InputError
from vitruvian.types import Array

MAGIC = 20000630
OTHER_PARTS = 0x1A00  # bits of the version: tiles, deep data, several parts
TYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
LINES = {0: 1, 1: 1, 2: 1, 3: 16}  # code of the compression (none, RLE, ZIPS, ZIP) -> lines in a block


def read_exr(path: Path, choices: Sequence[Sequence[str]]) -> Array:
    """(H, W, C) float32 of the first of `choices` (names of channels) that the file has all of, whatever stands before a dot.

    Raises InputError for a file that is absent, damaged, or has other channels.
    """
    try:
        planes = _planes(path.read_bytes(), path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except (struct.error, ValueError, KeyError, IndexError, zlib.error) as error:
        raise InputError(f"{path}: not an OpenEXR file, or cut short ({error}). Fix: write it again.") from error
    for names in choices:
        if all(name in planes for name in names):
            return np.stack([planes[name] for name in names], -1).astype(np.float32)
    wanted = " or ".join(", ".join(names) for names in choices)
    raise InputError(f"{path}: channels {', '.join(sorted(planes))}. Allowed: {wanted}.")


def _planes(content: bytes, path: Path) -> dict[str, Array]:
    magic, version = struct.unpack_from("<2i", content)
    if magic != MAGIC:
        raise ValueError("it does not begin as one")
    fields, at = _header(content)
    code = fields["compression"][0]
    if version & OTHER_PARTS or code not in LINES:
        return _by_library(path)
    channels = _channels(fields["channels"])
    left, top, right, bottom = struct.unpack("<4i", fields["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    blocks = -(-height // LINES[code])
    out = {name: np.empty((height, width), kind) for name, kind in channels}
    for (offset,) in struct.iter_unpack("<Q", content[at : at + 8 * blocks]):
        line, size = struct.unpack_from("<2i", content, offset)
        rows = min(LINES[code], height - (line - top))
        length = rows * width * sum(kind.itemsize for _, kind in channels)
        raw = content[offset + 8 : offset + 8 + size]
        if len(raw) != size:
            raise ValueError(f"its line {line} is not whole")
        _spread(raw if size == length else _unpacked(raw, code, length), out, channels, line - top, rows)
    return {name.rpartition(".")[2]: plane for name, plane in out.items()}


def _spread(raw: bytes, out: dict[str, Array], channels: list[tuple[str, Any]], first: int, rows: int) -> None:
    """Lines lie one after the other, in each of them the channels."""
    at = 0
    for row in range(first, first + rows):
        for name, kind in channels:
            plane = out[name]
            plane[row] = np.frombuffer(raw, kind, plane.shape[1], at)
            at += plane.shape[1] * kind.itemsize


def _unpacked(raw: bytes, code: int, length: int) -> bytes:
    """Undo the compression, then the differences, then the parting of even and odd places."""
    plain = _run_lengths(raw) if code == 1 else zlib.decompress(raw)
    if len(plain) != length:
        raise ValueError(f"a block of {len(plain)} bytes instead of {length}")
    steps = np.frombuffer(plain, np.uint8).astype(np.int64)
    steps[1:] -= 128
    whole = np.cumsum(steps).astype(np.uint8)
    out = np.empty(length, np.uint8)
    out[0::2], out[1::2] = whole[: (length + 1) // 2], whole[(length + 1) // 2 :]
    return out.tobytes()


def _run_lengths(raw: bytes) -> bytes:
    """A count below 0: so many bytes as they are; else the next byte, once more than the count says."""
    out, at = bytearray(), 0
    while at < len(raw):
        count = raw[at] - 256 if raw[at] > 127 else raw[at]
        if count < 0:
            out += raw[at + 1 : at + 1 - count]
            at += 1 - count
        else:
            out += raw[at + 1 : at + 2] * (count + 1)
            at += 2
    return bytes(out)


def _header(content: bytes) -> tuple[dict[str, bytes], int]:
    """Attributes by name, and where the table of blocks begins."""
    fields, at = {}, 8
    while content[at]:
        name, at = _text(content, at)
        _, at = _text(content, at)
        (size,) = struct.unpack_from("<i", content, at)
        fields[name] = content[at + 4 : at + 4 + size]
        at += 4 + size
    return fields, at + 1


def _channels(raw: bytes) -> list[tuple[str, Any]]:
    found, at = [], 0
    while raw[at]:
        name, at = _text(raw, at)
        kind, _, x, y = struct.unpack_from("<iB3xii", raw, at)
        if (x, y) != (1, 1):
            raise ValueError(f"channel {name} is subsampled")
        found.append((name, TYPES[kind]))
        at += 16
    return found


def _text(content: bytes, at: int) -> tuple[str, int]:
    end = content.index(0, at)
    return content[at:end].decode("latin-1"), end + 1


def _by_library(path: Path) -> dict[str, Array]:
    try:
        import OpenEXR
    except ImportError as error:
        told = "tiles, several parts, or a compression other than none, RLE, ZIPS and ZIP"
        raise InputError(f"{path}: {told}. Fix: pip install OpenEXR, or write it with ZIP.") from error
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name.rpartition(".")[2]: np.asarray(channel.pixels) for name, channel in file.channels().items()}

"""COCO's two ways to write a mask: polygons, measured from the corner of the first pixel, and run lengths down the columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vitruvian.types import Array


def mask_of(segmentation: Any, size: tuple[int, ...]) -> Array | None:
    """(H, W) bool of COCO polygons or of a run-length code; None without a segmentation. ValueError for another size."""
    if not segmentation:
        return None
    if isinstance(segmentation, Mapping):
        if list(segmentation["size"]) != list(size[:2]):
            raise ValueError(f"its mask has the size {segmentation['size']}, the photo {list(size[:2])}")
        return decode_rle(segmentation)
    out = np.zeros(size[:2], bool)
    for polygon in segmentation:
        out |= fill_polygon(np.asarray(polygon, np.float64).reshape(-1, 2) - 0.5, (size[0], size[1]))
    return out


def fill_polygon(points: Array, size: tuple[int, int]) -> Array:
    """(H, W) bool: pixels whose centres lie inside the polygon (N, 2), by the even-odd rule."""
    height, width = size
    after = np.roll(points, -1, 0)
    y = np.arange(height)[:, None]
    crosses = (points[None, :, 1] <= y) != (after[None, :, 1] <= y)
    rows, edges = np.nonzero(crosses)
    a, b = points[edges], after[edges]
    x = a[:, 0] + (rows - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    flips = np.zeros((height, width + 1), np.int64)
    np.add.at(flips, (rows, np.clip(np.ceil(x), 0, width).astype(int)), 1)
    inside: Array = np.cumsum(flips, 1)[:, :width] % 2 == 1
    return inside


def decode_rle(code: Mapping[str, Any]) -> Array:
    """COCO's run-length code, as a list of counts or as its text, -> (H, W) bool. Runs go down the columns, empty first."""
    height, width = (int(v) for v in code["size"])
    counts = code["counts"]
    runs = _counts(counts) if isinstance(counts, str | bytes) else [int(c) for c in counts]
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise ValueError(f"a run-length code of {sum(runs)} pixels for {height}x{width}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T.copy()


def _counts(text: str | bytes) -> list[int]:
    """Six bits a letter from '0' on: five of value, low ones first, and one for "goes on"; from the fourth run on differences
    to the run two before."""
    runs: list[int] = []
    value = shift = 0
    for letter in text.encode() if isinstance(text, str) else text:
        bits = letter - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs


def encode_rle(mask: Array) -> dict[str, Any]:
    """(H, W) bool -> COCO's run-length code as text: {"size": [H, W], "counts": "..."}."""
    flat = np.concatenate([[False], np.asarray(mask, bool).ravel(order="F"), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(edges, prepend=0, append=flat.size - 2)
    runs = runs[:-1] if runs.size > 1 and runs[-1] == 0 else runs
    deltas = runs.copy()
    deltas[3:] -= runs[1:-2]
    return {"size": [int(side) for side in mask.shape], "counts": "".join(map(_letters, deltas.tolist()))}


def _letters(value: int) -> str:
    """One number as the letters that `_counts` reads: as few as hold it with its sign."""
    out = ""
    while True:
        bits, value = value & 31, value >> 5
        done = value == (-1 if bits & 16 else 0)
        out += chr(48 + bits + (0 if done else 32))
        if done:
            return out


def filled_box(box: Array, size: tuple[int, int]) -> Array:
    """(H, W) bool: pixels whose middles lie in the box xyxy (4,), measured as COCO does."""
    x0, y0, x1, y1 = box
    y, x = np.ogrid[: size[0], : size[1]]
    out: Array = (x >= x0 - 0.5) & (x <= x1 - 0.5) & (y >= y0 - 0.5) & (y <= y1 - 0.5)
    return out

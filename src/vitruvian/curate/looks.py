"""What an image says of itself without any model: a hash of what it shows, colour, contrast, sharpness."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import cv2
import numpy as np

from vitruvian.geometry import shrink
from vitruvian.types import Array

SIDE = 512  # px of the longer side at which sharpness is told, so that it does not depend on the size of the file
COLOR_SIDE = 128  # so many pixels of the longer side are enough for the colour
HASH_SIDE = 32


def looks_of(pixels: Array) -> dict[str, Any]:
    """(h, w, 3) uint8 RGB -> phash, and colour, contrast and sharpness as in `Limits`."""
    grey = shrink(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), SIDE)
    step = max(1, max(pixels.shape[:2]) // COLOR_SIDE)
    _, spread = cv2.meanStdDev(grey)
    _, edges = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return {
        "phash": perceptual_hash(grey),
        "colour": _colourfulness(pixels[::step, ::step]),
        "contrast": float(spread[0, 0]),
        "sharpness": math.log(max(float(edges[0, 0]) ** 2, 1e-3)),
    }


def perceptual_hash(grey: Array) -> str:
    """(h, w) uint8 -> 16 hexadecimal digits: which of the 64 lowest frequencies lie above their median.

    After Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010). The constant is left out, so
    that brightness does not matter.
    """
    small = cv2.resize(grey, (HASH_SIDE, HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    waves = cv2.dct(small).ravel()[_lowest()]
    return np.packbits(waves > np.median(waves)).tobytes().hex()


@cache
def _lowest() -> Array:
    """Places of the 64 lowest frequencies but the constant, along the diagonals."""
    v, u = np.mgrid[:HASH_SIDE, :HASH_SIDE]
    return np.lexsort((u.ravel(), (u + v).ravel()))[1:65]


def _colourfulness(pixels: Array) -> float:
    """Hasler and Süsstrunk, Measuring colourfulness in natural images (2003)."""
    opponent = cv2.transform(pixels.astype(np.float32), np.array([[1, -1, 0], [0.5, 0.5, -1]], np.float32))
    mean, spread = cv2.meanStdDev(opponent)
    return float(np.hypot(*spread.ravel()) + 0.3 * np.hypot(*mean.ravel()))

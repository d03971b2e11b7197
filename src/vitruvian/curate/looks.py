"""What an image says of itself without any model: hashes, colour, contrast, sharpness."""

from __future__ import annotations

import math

import cv2
import numpy as np

from vitruvian.types import Array

SIDE = 512  # px of the longer side at which sharpness is told, so that it does not depend on the size of the file
HASH_SIDE = 32


def perceptual_hash(pixels: Array) -> str:
    """(h, w, 3) uint8 -> 16 hexadecimal digits: the signs of the 64 lowest frequencies of the luminance, about their median.

    After Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010). The constant is left out, so
    that brightness does not matter.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (HASH_SIDE, HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    waves = cv2.dct(small).ravel()[_order()]
    bits = waves > np.median(waves)
    return np.packbits(bits).tobytes().hex()


def _order() -> Array:
    """Places of the 64 lowest frequencies but the constant, along the diagonals."""
    v, u = np.mgrid[:HASH_SIDE, :HASH_SIDE]
    return np.lexsort((u.ravel(), (u + v).ravel()))[1:65]


def looks_of(pixels: Array) -> dict[str, float]:
    """colour, contrast and sharpness as in `Limits`."""
    scale = min(1.0, SIDE / max(pixels.shape[:2]))
    if scale < 1:
        target = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = cv2.resize(pixels, target, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    _, spread = cv2.meanStdDev(grey)
    _, edges = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return {
        "colour": _colourfulness(pixels),
        "contrast": float(spread[0, 0]),
        "sharpness": math.log(max(float(edges[0, 0]) ** 2, 1e-3)),
    }


def _colourfulness(pixels: Array) -> float:
    """Hasler and Süsstrunk, Measuring colourfulness in natural images (2003)."""
    opponent = cv2.transform(pixels.astype(np.int16), np.array([[1, -1, 0], [0.5, 0.5, -1]], np.float32))
    mean, spread = cv2.meanStdDev(opponent)
    return float(np.hypot(*spread.ravel()) + 0.3 * np.hypot(*mean.ravel()))

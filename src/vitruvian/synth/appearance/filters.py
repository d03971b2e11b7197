"""Random filters: the same picture in other textures, so that a model cannot go by them (RandConv, arXiv 2007.13003)."""

from __future__ import annotations

import cv2
import numpy as np

from vitruvian.types import Array

WIDTHS = (1, 3, 5, 7)  # px of the kernel


def random_filter(image: Array, rng: np.random.Generator) -> Array:
    """(H, W, 3) uint8 -> the same through a random convolution of its three channels, mixed with itself.

    Shapes stay, texture and colour do not; brightness and contrast are those of the given picture. Black borders stay black
    and count for neither.
    """
    width = int(rng.choice(WIDTHS))
    pixels = image.astype(np.float32)
    out = np.zeros_like(pixels)
    for channel in range(3):
        for source in range(3):
            kernel = rng.normal(0, 1, (width, width)).astype(np.float32)
            out[..., channel] += cv2.filter2D(pixels[..., source], -1, kernel, borderType=cv2.BORDER_REFLECT)
    inside = (image != 0).any(-1).astype(np.uint8)
    mean, spread = cv2.meanStdDev(out, mask=inside)
    wanted, contrast = cv2.meanStdDev(pixels, mask=inside)
    out = (out - mean[:, 0]) * (contrast[:, 0] / np.maximum(spread[:, 0], 1e-3)) + wanted[:, 0]
    share = float(rng.uniform(0, 1))
    mixed = (1 - share) * pixels + share * out
    mixed[inside == 0] = 0
    filtered: Array = np.rint(mixed.clip(0, 255)).astype(np.uint8)
    return filtered

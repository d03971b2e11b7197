"""Colours, blur and holes of an input picture (H, W, 3) uint8 RGB, as in Sapiens v1's training."""

from __future__ import annotations

import cv2
import numpy as np

from vitruvian.data.augment.settings import Augment
from vitruvian.types import Array

KERNELS = (3, 5, 7)


def photometric(image: Array, how: Augment, rng: np.random.Generator) -> Array:
    """Brightness, contrast, saturation and hue, each half of the time, and perhaps swapped channels.

    Contrast comes before or after the colours. (Officially, for poses, it is applied twice or not at all: both places ask for
    the same one of two cases.)
    """
    out = image.astype(np.float32)
    if rng.random() < how.light:
        out += rng.uniform(-how.brightness, how.brightness)
    contrast = rng.uniform(1 - how.contrast, 1 + how.contrast) if rng.random() < how.light else 1.0
    early = rng.random() < 0.5
    out = np.clip(out * (contrast if early else 1.0), 0, 255)
    out = _colours(out, how, rng)
    out = np.clip(out * (1.0 if early else contrast), 0, 255)
    if rng.random() < how.channels:
        out = out[..., rng.permutation(3)]
    return np.ascontiguousarray(np.round(out).astype(np.uint8))


def _colours(image: Array, how: Augment, rng: np.random.Generator) -> Array:
    saturation = rng.uniform(1 - how.saturation, 1 + how.saturation) if rng.random() < how.light else 1.0
    hue = rng.uniform(-how.hue, how.hue) if rng.random() < how.light else 0.0
    if saturation == 1.0 and hue == 0.0:
        return image
    hsv: Array = cv2.cvtColor(image / np.float32(255), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 2 * hue) % 360  # levels of 180
    hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 1)
    out: Array = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * np.float32(255)
    return out


def soften(image: Array, how: Augment, rng: np.random.Generator) -> Array:
    """Perhaps a box blur, perhaps a median filter, of 3, 5 or 7 pixels."""
    if rng.random() < how.blur:
        side = int(rng.choice(KERNELS))
        image = cv2.blur(image, (side, side))
    if rng.random() < how.median:
        image = cv2.medianBlur(image, int(rng.choice(KERNELS)))
    return image


def cover(image: Array, how: Augment, rng: np.random.Generator) -> Array:
    """Perhaps a black rectangle; points below it stay labelled, to be guessed."""
    if rng.random() >= how.hole:
        return image
    height, width = image.shape[:2]
    low, high = how.hole_side
    rows, columns = max(round(height * rng.uniform(low, high)), 1), max(round(width * rng.uniform(low, high)), 1)
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    out = image.copy()
    out[top : top + rows, left : left + columns] = 0
    return out

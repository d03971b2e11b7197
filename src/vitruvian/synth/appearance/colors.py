"""Colours of people and their things, in linear light. Written as sRGB 0..255, as one reads them off a photo."""

from __future__ import annotations

import cv2
import numpy as np

from vitruvian.types import Array

# From the lightest to the darkest skin, evenly used, so that no tone is rare.
SKIN = (
    (250, 222, 200),
    (240, 200, 172),
    (224, 176, 141),
    (203, 148, 110),
    (174, 118, 82),
    (138, 90, 61),
    (100, 64, 45),
    (66, 43, 32),
)
HAIR = (
    (18, 15, 14), (30, 23, 19), (46, 32, 23), (66, 45, 29), (92, 64, 40), (126, 90, 55), (165, 126, 80), (205, 172, 120),
    (120, 55, 28), (150, 75, 35), (128, 126, 124), (190, 188, 185), (225, 222, 216),
)  # fmt: skip
HAIR_WEIGHTS = (4, 4, 4, 3, 3, 2, 1.5, 1.2, 0.6, 0.4, 1, 0.9, 0.6)
IRIS = ((58, 36, 22), (80, 52, 30), (104, 74, 42), (94, 106, 66), (96, 124, 140), (82, 112, 150), (120, 128, 130))
CLOTH = (
    (18, 18, 20), (35, 36, 40), (70, 72, 75), (128, 128, 128), (190, 190, 188), (240, 240, 238), (26, 34, 62), (40, 58, 104),
    (70, 98, 140), (205, 190, 165), (150, 125, 95), (88, 70, 52), (110, 24, 32), (180, 36, 40), (60, 84, 56), (96, 98, 66),
)  # fmt: skip
CLOTH_WEIGHTS = (3, 2, 1.5, 1.5, 1.5, 3, 2, 1.5, 1.5, 1.2, 1, 1, 0.7, 0.8, 0.7, 0.7)
SHOE = ((16, 16, 17), (45, 33, 26), (92, 62, 40), (230, 230, 228), (120, 120, 122), (30, 40, 70), (170, 40, 40))


def weighted(rng: np.random.Generator, weights: tuple[float, ...]) -> int:
    """Index drawn with chances proportional to weights; Generator.choice takes fifty times as long."""
    left = rng.random() * sum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return len(weights) - 1


def linear(rgb: object) -> Array:
    """Display sRGB 0..255 -> linear light 0..1, float32 (gamma 2.2)."""
    return (np.asarray(rgb, np.float32) / 255) ** np.float32(2.2)


def pick(rng: np.random.Generator, table: tuple[tuple[int, int, int], ...], weights: tuple[float, ...] = ()) -> Array:
    """(3,) linear colour of a table, shaken a little."""
    place = weighted(rng, weights) if weights else int(rng.integers(len(table)))
    base = np.array(table[place], np.float32)
    return linear(np.clip(base * rng.uniform(0.85, 1.15) + rng.normal(0, 4, 3), 4, 250))


def vivid(rng: np.random.Generator) -> Array:
    """(3,) linear colour of any hue, from pastel to saturated."""
    hsv = np.array([[[rng.uniform(0, 180), 255 * rng.beta(2.2, 1.6), 255 * rng.uniform(0.25, 0.97)]]])
    return linear(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)[0, 0])


def cloth(rng: np.random.Generator) -> Array:
    """(3,) linear colour of a garment: two thirds from what people mostly wear, the rest any hue."""
    return pick(rng, CLOTH, CLOTH_WEIGHTS) if rng.random() < 0.65 else vivid(rng)


def skin(rng: np.random.Generator, tone: float | None = None) -> Array:
    """(3,) linear skin colour: an even draw along the melanin ramp and an undertone from rosy to olive.

    tone: 0 lightest to 1 darkest instead of the draw, which is made all the same: what `rng` gives next does not depend on it.
    """
    place = rng.uniform(0, len(SKIN) - 1.001)
    if tone is not None:
        place = tone * (len(SKIN) - 1.001)
    low = int(place)
    table = np.array(SKIN, np.float32)
    base = table[low] + (table[low + 1] - table[low]) * (place - low)
    warm, rosy = rng.normal(0, 0.035), rng.normal(0, 0.025)
    return linear(np.clip(base * np.array([1 + rosy + warm / 2, 1 - rosy / 2, 1 - warm]) * rng.uniform(0.93, 1.05), 8, 252))


def hair(rng: np.random.Generator) -> Array:
    """(3,) linear hair colour: natural, one in twenty dyed."""
    return vivid(rng) * 0.7 if rng.random() < 0.05 else pick(rng, HAIR, HAIR_WEIGHTS)

"""What stands behind people: real photos, and made-up rooms, streets, greenery and clutter with natural statistics."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np

from vitruvian.synth.appearance import colors, shapes
from vitruvian.synth.appearance.backgrounds import Backgrounds
from vitruvian.synth.appearance.noise import field
from vitruvian.types import Array

Scene = Callable[[np.random.Generator, tuple[int, int], Backgrounds], Array]


def _photos(rng: np.random.Generator, size: tuple[int, int], photos: Backgrounds) -> Array:
    """One photo, or a mosaic of several as shelves, walls and street fronts are, with pieces of others as things in it.

    Photos are shown whole, so that the scene is as sharp and as crowded as the person before it: where only people are sharp,
    a model learns to look for sharpness.
    """
    image = np.empty((*size, 3), np.uint8)
    count = int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
    rows, columns = (np.sort(np.r_[0, n, rng.integers(0, n, count - 1)]) for n in size)
    for top, low in pairwise(rows.tolist()):
        for left, right in pairwise(columns.tolist()):
            if low > top and right > left:
                image[top:low, left:right] = photos.window(rng, (low - top, right - left), (1.0, 1.5))
    for _ in range(int(rng.integers(0, 8))):
        height, width = (max(2, int(n * rng.uniform(0.08, 0.4))) for n in size)
        top, left = int(rng.integers(0, size[0] - height + 1)), int(rng.integers(0, size[1] - width + 1))
        image[top : top + height, left : left + width] = photos.window(rng, (height, width), (1.0, 1.5))
    if rng.random() < 0.5:
        image = cv2.addWeighted(image, 2.0, cv2.GaussianBlur(image, (0, 0), 1.0), -1.0, 0)
    return image


def _toned(rng: np.random.Generator, size: tuple[int, int], photos: Backgrounds, kind: str, strength: float) -> Array:
    """(H, W, 3) float32: noise run through a palette that occurs in a photo, ordered from dark to light."""
    palette = photos.palette(rng, 5).astype(np.float32)
    palette = palette[np.argsort(palette.sum(1))]
    middle = palette.mean(0)
    ramp = cv2.resize((middle + (palette - middle) * strength)[None], (256, 1), interpolation=cv2.INTER_LINEAR)[0]
    value = field(rng, kind, size, rng.uniform(0.1, 0.9))
    toned: Array = ramp[np.clip(value * 55 + 128, 0, 255).astype(np.uint8)]
    return toned


def _noise(rng: np.random.Generator, size: tuple[int, int], photos: Backgrounds) -> Array:
    kind = str(rng.choice(["fbm", "soft", "rough", "cells", "strand"]))
    return _toned(rng, size, photos, kind, rng.uniform(0.4, 1.3))


def _ground(rng: np.random.Generator, size: tuple[int, int], photos: Backgrounds, horizon: int) -> Array:
    """(H, W, 3) float32 floor below row `horizon` in perspective: a photo's texture, at times tiled or planked."""
    height, width = size[0] // 2, size[1] // 2
    rows = np.arange(height, dtype=np.float32) - horizon / 2 + np.float32(rng.uniform(1, 6))
    far = (height / np.maximum(rows, 0.5))[:, None]
    u = (np.arange(width, dtype=np.float32) / width - np.float32(rng.uniform(0.2, 0.8))) * far
    v = np.broadcast_to(far, u.shape).astype(np.float32)
    texture = photos.tile(rng)
    repeat = 256 * rng.uniform(0.15, 0.7)
    flat = cv2.remap(texture, u * repeat % 256, v * repeat % 256, cv2.INTER_LINEAR).astype(np.float32)
    if rng.random() < 0.5:
        flat = 0.35 * flat + 0.65 * flat.mean((0, 1))
    if rng.random() < 0.5:
        lines, thin = rng.uniform(2, 8), rng.uniform(0.03, 0.1)
        joint = (u * lines % 1 < thin) | (v * lines * rng.choice([0, 1]) % 1 > 1 - thin)
        flat[joint] *= np.float32(rng.uniform(0.5, 1.4))
    full: Array = cv2.resize(flat, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return full


def _room(rng: np.random.Generator, size: tuple[int, int], photos: Backgrounds) -> Array:
    height, width = size
    horizon = int(height * rng.uniform(0.45, 0.95))
    wall = _toned(rng, size, photos, str(rng.choice(["soft", "fbm", "rough"])), rng.uniform(0.05, 0.35))
    wall *= np.linspace(rng.uniform(0.7, 1.2), rng.uniform(0.7, 1.2), width, dtype=np.float32)[:, None]
    if rng.random() < 0.4:
        period = rng.uniform(6, 40)
        wall[:, np.sin(np.arange(width) * 6.3 / period) > rng.uniform(-0.5, 0.9)] *= np.float32(rng.uniform(0.75, 1.15))
    image = np.where(np.arange(height)[:, None, None] > horizon, _ground(rng, size, photos, horizon), wall)
    image[horizon - int(rng.integers(0, 8)) : horizon] *= np.float32(rng.uniform(0.4, 1.4))
    return _furnish(np.clip(image, 0, 255).astype(np.uint8), rng, photos, int(rng.integers(1, 8)))


def _outdoors(rng: np.random.Generator, size: tuple[int, int], photos: Backgrounds) -> Array:
    height, _ = size
    horizon = int(height * rng.uniform(0.2, 0.75))
    top, low = np.array([rng.uniform(60, 190), rng.uniform(110, 210), 235]), np.array([235, 235, 235]) * rng.uniform(0.7, 1)
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    clouds = np.clip(field(rng, "soft", size, rng.uniform(0.2, 0.8)) * rng.uniform(0, 0.5), 0, 1)[..., None]
    sky = (top * (1 - share) + low * share) * (1 - clouds) + 240 * clouds
    image = np.where(np.arange(height)[:, None, None] > horizon, _ground(rng, size, photos, horizon), sky)
    canvas = np.clip(image * rng.uniform(0.5, 1.05), 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(2, 9))):  # houses, trees and cars along the horizon
        center = np.array([rng.uniform(0, size[1]), horizon - rng.uniform(-0.05, 0.12) * height])
        shapes.paint(canvas, rng, photos, center, height * rng.uniform(0.04, 0.25))
    return canvas


def _foliage(rng: np.random.Generator, size: tuple[int, int], photos: Backgrounds) -> Array:
    image = _toned(rng, size, photos, "rough", rng.uniform(0.6, 1.4))
    for share in rng.uniform(0.15, 0.5, 3):
        chosen = shapes.leaf_mask(rng, size, share)
        image[chosen] = image[chosen] * 0.3 + np.array([rng.uniform(20, 150), rng.uniform(60, 190), rng.uniform(10, 90)]) * 0.7
    tone = 1 + 0.35 * field(rng, "fbm", size, rng.uniform(0.3, 1.0))
    return np.clip(image * tone[..., None], 0, 255).astype(np.uint8)


def _dead_leaves(rng: np.random.Generator, size: tuple[int, int], photos: Backgrounds) -> Array:
    """Shapes of power-law sizes that hide one another: the simplest picture with the edges and spectrum of nature."""
    image = _toned(rng, size, photos, "fbm", 0.8).clip(0, 255).astype(np.uint8)
    count = int(rng.integers(40, 110))
    reach = np.minimum(size[0] * 0.02 * rng.pareto(1.3, count) + 2, size[0] * 0.5)
    palette, angles = photos.palette(rng, count).tolist(), rng.uniform(0, 180, count)
    place = rng.uniform(0, 1, (count, 2)) * (size[1], size[0])
    for k in np.argsort(-reach):
        x, y, r = int(place[k, 0]), int(place[k, 1]), max(1, int(reach[k]))
        if k % 3 == 0:
            cv2.ellipse(image, (x, y), (r, max(1, r // 2)), float(angles[k]), 0, 360, palette[k], -1, cv2.LINE_AA)
        else:
            corners = cv2.boxPoints(((x, y), (2.0 * r, r * (0.4 + angles[k] / 90)), float(angles[k]) if k % 3 == 1 else 0.0))
            cv2.fillConvexPoly(image, corners.astype(np.int32), palette[k], cv2.LINE_AA)
    tone = 1 + 0.12 * field(rng, "fbm", size, rng.uniform(0.3, 1.0))
    return np.clip(image * tone[..., None], 0, 255).astype(np.uint8)


# (scene, how often)
SCENES: tuple[tuple[Scene, float], ...] = (
    (_photos, 0.72), (_room, 0.1), (_outdoors, 0.06), (_dead_leaves, 0.06), (_foliage, 0.03), (_noise, 0.03),
)  # fmt: skip


def _furnish(image: Array, rng: np.random.Generator, photos: Backgrounds, count: int) -> Array:
    height, width = image.shape[:2]
    for _ in range(count):
        shapes.paint(image, rng, photos, rng.uniform(-0.05, 1.05, 2) * (width, height), height * rng.uniform(0.03, 0.3))
    return image


def backdrop(rng: np.random.Generator, size: tuple[int, int], photos: Backgrounds) -> Array:
    """(H, W, 3) uint8 picture without people: scene, decoys and lettering, colour and focus drawn at random."""
    scene = SCENES[colors.weighted(rng, tuple(weight for _, weight in SCENES))][0]
    image = np.clip(scene(rng, size, photos), 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        _furnish(image, rng, photos, int(rng.integers(1, 5)))
    if rng.random() < 0.12:
        shapes.write_text(image, rng)
    image = _grade(image, rng)
    if rng.random() < 0.2:  # shallow focus
        image = cv2.GaussianBlur(image, (0, 0), float(np.exp(rng.uniform(-0.7, 1.6)) * size[0] / 256))
    return image


def _grade(image: Array, rng: np.random.Generator) -> Array:
    """Light, contrast and colour of another hour."""
    value = np.arange(256, dtype=np.float32)[:, None] / 255
    middle = float(cv2.mean(image)[1]) / 255
    value = np.clip((value - middle) * np.exp(rng.normal(0.45, 0.25)) + middle, 0, 1)
    gain = rng.uniform(0.65, 1.2) * (1 + rng.normal(0, 0.06, 3))
    table = np.clip(255 * gain * value ** np.exp(rng.normal(0, 0.2)) + rng.normal(0, 5), 0, 255).astype(np.uint8)
    pale = float(rng.uniform(0.0, 0.4))  # contrast alone would leave colours too vivid
    mix = np.full((3, 3), pale / 3, np.float32) + (1 - pale) * np.eye(3, dtype=np.float32)
    out: Array = cv2.transform(cv2.LUT(image, table[None]), mix)
    return out

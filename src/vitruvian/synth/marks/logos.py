"""Emblems as masks: what stands on photos instead of a name or beside it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from vitruvian.types import Array

Outline = Callable[[np.random.Generator], Array]  # -> (N, 2) float, corners within -1 to 1
SIDE = 100
AROUND = np.linspace(0, 2 * np.pi, 60, endpoint=False)


def logo(kind: str, rng: np.random.Generator) -> Array:
    """(100, 100) uint8 coverage of an emblem of a kind, filled or in lines."""
    mask, thick = np.zeros((SIDE, SIDE), np.uint8), int(rng.choice([-1, 3, 6, 9]))
    if kind == "ring":
        cv2.circle(mask, (50, 50), 44, 255, thick, cv2.LINE_AA)
        cv2.circle(mask, (50, 50), int(rng.integers(8, 32)), 0 if thick < 0 else 255, max(thick, 4), cv2.LINE_AA)
    elif kind == "group":
        for _ in range(int(rng.integers(2, 6))):
            _draw(mask, 0.45 * _any(rng) + rng.uniform(-0.5, 0.5, 2), thick)
    elif kind == "nested":
        points = _any(rng)
        for number in range(int(rng.integers(2, 4))):
            _draw(mask, points * 0.66**number, thick, 0 if thick < 0 and number % 2 else 255)
    else:
        _draw(mask, _OUTLINES[kind](rng), thick)
    return mask


def _draw(mask: Array, points: Array, thick: int, value: int = 255) -> None:
    corners = [(SIDE / 2 + SIDE / 2 * points).astype(np.int32)]
    if thick < 0:
        cv2.fillPoly(mask, corners, value, cv2.LINE_AA)
    else:
        cv2.polylines(mask, corners, True, value, thick, cv2.LINE_AA)


def _any(rng: np.random.Generator) -> Array:
    return _OUTLINES[str(rng.choice(_SIMPLE))](rng)


def _polar(angles: Array, radius: Array) -> Array:
    return np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None]


def _star(rng: np.random.Generator) -> Array:
    angles = np.linspace(0, 2 * np.pi, 2 * int(rng.integers(4, 9)), endpoint=False)
    return _polar(angles, np.where(np.arange(len(angles)) % 2, rng.uniform(0.28, 0.6), 0.9))


def _polygon(rng: np.random.Generator) -> Array:
    """Even or uneven, of 3 to 8 corners but not of six."""
    count = int(rng.choice([3, 4, 5, 7, 8]))
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.5:
        return _polar(angles, np.full(count, 0.9))
    return _polar(angles + rng.uniform(-0.3, 0.3, count), rng.uniform(0.4, 0.92, count))


def _blob(rng: np.random.Generator) -> Array:
    """Round, swaying in and out a few times, each time otherwise."""
    radius = 0.68 + sum(rng.normal(0, 0.28 / k) * np.cos(k * AROUND + rng.uniform(0, 2 * np.pi)) for k in range(1, 6))
    return _polar(AROUND, np.clip(radius, 0.12, 0.95))


def _heart(_rng: np.random.Generator) -> Array:
    x, y = (
        np.sin(AROUND) ** 3,
        -(13 * np.cos(AROUND) - 5 * np.cos(2 * AROUND) - 2 * np.cos(3 * AROUND) - np.cos(4 * AROUND)) / 17,
    )
    return np.stack([0.9 * x, 0.9 * y], 1)


def _crescent(rng: np.random.Generator) -> Array:
    half = np.linspace(-2.2, 2.2, 30)
    inner = rng.uniform(0.3, 0.7)
    return np.concatenate([_polar(half, np.full(30, 0.9)), _polar(half[::-1], np.full(30, 0.9)) * [inner, 0.85]])


def _arrow(rng: np.random.Generator) -> Array:
    thin, head = rng.uniform(0.12, 0.35), rng.uniform(0.4, 0.9)
    points = np.array([[-0.9, -thin], [0.1, -thin], [0.1, -head], [0.9, 0], [0.1, head], [0.1, thin], [-0.9, thin]])
    return np.asarray(points @ _turn(float(rng.choice([0, 0.5, 1, 1.5])) * np.pi))


def _cross(rng: np.random.Generator) -> Array:
    t = rng.uniform(0.12, 0.4)
    points = [
        [t, -t],
        [0.9, -t],
        [0.9, t],
        [t, t],
        [t, 0.9],
        [-t, 0.9],
        [-t, t],
        [-0.9, t],
        [-0.9, -t],
        [-t, -t],
        [-t, -0.9],
        [t, -0.9],
    ]
    return np.asarray(np.array(points) @ _turn(float(rng.choice([0, 0.25])) * np.pi))


def _drop(rng: np.random.Generator) -> Array:
    x = np.sin(AROUND) * np.sin(AROUND / 2) ** rng.uniform(1, 3)
    return np.asarray(np.stack([0.9 * x, -0.9 * np.cos(AROUND)], 1) @ _turn(float(rng.uniform(-1, 1))))


def _house(rng: np.random.Generator) -> Array:
    """Peaks, roofs, zigzags above a straight line."""
    count = int(rng.integers(3, 8))
    x, y = np.linspace(-0.9, 0.9, count), rng.uniform(-0.9, 0.3, count)
    return np.concatenate([[[-0.9, 0.8]], np.stack([x, y], 1), [[0.9, 0.8]]])


def _slab(rng: np.random.Generator) -> Array:
    """A rectangle, upright or slanting, with round corners or square ones."""
    power, wide, high = rng.uniform(2, 9), rng.uniform(0.4, 0.9), rng.uniform(0.25, 0.9)
    radius = (np.abs(np.cos(AROUND) / wide) ** power + np.abs(np.sin(AROUND) / high) ** power) ** (-1 / power)
    points = _polar(AROUND, radius)
    points[:, 0] += rng.uniform(-0.3, 0.3) * points[:, 1]
    return points.clip(-0.95, 0.95)


def _turn(angle: float) -> Array:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


_OUTLINES: dict[str, Outline] = {
    "star": _star, "polygon": _polygon, "blob": _blob, "heart": _heart, "crescent": _crescent, "arrow": _arrow, "cross": _cross,
    "drop": _drop, "house": _house, "slab": _slab,
    "shield": lambda rng: _polar(AROUND, 0.68 + 0.2 * np.cos(2 * AROUND) + rng.uniform(0, 0.12) * np.sin(AROUND)),
    "blades": lambda rng: _polar(AROUND, 0.9 * np.abs(np.sin(int(rng.integers(2, 5)) * AROUND)) + 0.04),
    "hexagon": lambda _rng: _polar(AROUND[::10], np.full(6, 0.9)),
    "wave": lambda _rng: _polar(AROUND, 0.72 + 0.16 * np.sin(8 * AROUND)),
}  # fmt: skip
JUDGED = ("hexagon", "wave")  # never learned from, nor anything with six even corners or eight waves
_SIMPLE = tuple(name for name in _OUTLINES if name not in JUDGED)
LEARNED = ("ring", "group", "nested", *_SIMPLE)

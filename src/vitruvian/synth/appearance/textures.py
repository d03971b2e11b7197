"""Patterns of cloth as functions of the rest position, so that they move with the body.

Each pattern takes flat coordinates u, v in metres and returns linear colours (N, 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vitruvian.synth.appearance import colors
from vitruvian.synth.appearance.backgrounds import Backgrounds
from vitruvian.synth.appearance.noise import atlas, lookup
from vitruvian.types import Array


@dataclass(frozen=True)
class Cut:
    """One garment to be coloured: u, v (N,) metres over the cloth, rest (N, 3), pixel metres across one pixel."""

    u: Array
    v: Array
    rest: Array
    pixel: float


Pattern = Callable[[np.random.Generator, Cut, Backgrounds], Array]


def unfold(rng: np.random.Generator, rest: Array, pixel: float) -> Cut:
    """Lay the rest surface flat: a sheared projection turned by any angle, so that neither sides nor sleeves smear."""
    angle = rng.choice([0.0, 0.0, np.pi / 2, rng.uniform(0, np.pi)])
    cos, sin = np.cos(angle), np.sin(angle)
    shear = rng.choice([-1, 1]) * rng.uniform(0.5, 1.0)
    x, z = rest[:, 0] + shear * rest[:, 1], rest[:, 2] + 0.25 * rest[:, 1]
    shift = rng.uniform(0, 10, 2)
    return Cut(
        (cos * x + sin * z + shift[0]).astype(np.float32), (cos * z - sin * x + shift[1]).astype(np.float32), rest, pixel
    )


def _frequency(rng: np.random.Generator, cut: Cut, low: float, high: float) -> float:
    """Repeats per metre, log-uniform, never finer than about three pixels."""
    return float(min(np.exp(rng.uniform(np.log(low), np.log(high))), 0.3 / cut.pixel))


def _speckle(cut: Cut, kind: str, repeats: float) -> Array:
    return lookup(atlas(kind), cut.u * repeats, cut.v * repeats)


def _bands(rng: np.random.Generator, count: int) -> Array:
    """(64, 3) colours of one repeat of a striped cloth."""
    edges = np.sort(rng.uniform(0, 64, count - 1))
    palette = np.stack([colors.cloth(rng) for _ in range(count)])
    return palette[np.searchsorted(edges, np.arange(64))]


def solid(rng: np.random.Generator, cut: Cut, _photos: Backgrounds) -> Array:
    """One colour, at times mottled like jersey."""
    strength = rng.choice([0.0, 0.04, 0.15])
    tone = 1 + strength * _speckle(cut, "rough", rng.uniform(2, 6))
    out: Array = np.maximum(tone, 0.2)[:, None] * colors.cloth(rng)
    return out


def stripes(rng: np.random.Generator, cut: Cut, _photos: Backgrounds) -> Array:
    """Two to five bands that repeat."""
    place = cut.v * _frequency(rng, cut, 6, 60)
    bands = _bands(rng, int(rng.integers(2, 6)))
    return bands[((place - np.floor(place)) * 64).astype(np.intp)]


def plaid(rng: np.random.Generator, cut: Cut, _photos: Backgrounds) -> Array:
    """Warp and weft bands, mixed half and half."""
    repeats = _frequency(rng, cut, 5, 25)
    bands = _bands(rng, int(rng.integers(2, 5)))
    warp, weft = cut.u * repeats, cut.v * repeats
    first = bands[((warp - np.floor(warp)) * 64).astype(np.intp)]
    return 0.5 * (first + bands[((weft - np.floor(weft)) * 64).astype(np.intp)])


def dots(rng: np.random.Generator, cut: Cut, _photos: Backgrounds) -> Array:
    """Dots in staggered rows."""
    repeats = _frequency(rng, cut, 8, 40)
    row = cut.v * repeats
    column = cut.u * repeats + 0.5 * (np.floor(row) % 2)
    distance = np.hypot(column - np.floor(column) - 0.5, row - np.floor(row) - 0.5)
    inside = np.clip((rng.uniform(0.15, 0.38) - distance) * 12 + 0.5, 0, 1)[:, None]
    return colors.cloth(rng) * (1 - inside) + colors.cloth(rng) * inside


def camouflage(rng: np.random.Generator, cut: Cut, _photos: Backgrounds) -> Array:
    """Blots of three to five colours: camouflage, batik, large flowers."""
    kind = rng.choice(["soft", "fbm", "cells"])
    value = _speckle(cut, kind, rng.uniform(0.8, 3.0)) + 0.3 * _speckle(cut, "fbm", rng.uniform(2, 5))
    count = int(rng.integers(3, 6))
    palette = np.stack([colors.cloth(rng) for _ in range(count)])
    return palette[np.clip(((value + 1.4) / 2.8 * count), 0, count - 1).astype(np.intp)]


def print_(rng: np.random.Generator, cut: Cut, photos: Backgrounds) -> Array:
    """A piece of a photo, repeated."""
    size = rng.uniform(0.15, 0.9)
    return colors.linear(lookup(photos.tile(rng), cut.u / size, cut.v / size)) * rng.uniform(0.6, 1.0)


def duotone(rng: np.random.Generator, cut: Cut, photos: Backgrounds) -> Array:
    """The light and dark of a photo in two cloth colours."""
    size = rng.uniform(0.15, 0.7)
    grey = lookup(photos.tile(rng), cut.u / size, cut.v / size).mean(1, dtype=np.float32)
    share = np.clip((grey - grey.mean()) / (2.5 * grey.std() + 1) + 0.5, 0, 1)[:, None]
    out: Array = colors.cloth(rng) * (1 - share) + colors.cloth(rng) * share
    return out


def denim(rng: np.random.Generator, cut: Cut, _photos: Backgrounds) -> Array:
    """Blue, grey or black twill, faded in patches."""
    base = colors.linear([(44, 62, 98), (70, 96, 134), (108, 136, 170), (40, 42, 48), (96, 98, 102)][int(rng.integers(5))])
    fade = np.clip(0.5 + 0.35 * _speckle(cut, "soft", rng.uniform(0.8, 2)), 0, 1) * rng.uniform(0, 0.6)
    twill = 1 + 0.18 * _speckle(cut, "rough", 5)
    return (base * (1 - fade[:, None]) + colors.linear((178, 192, 208)) * fade[:, None]) * np.maximum(twill, 0.3)[:, None]


def blocks(rng: np.random.Generator, cut: Cut, photos: Backgrounds) -> Array:
    """Parts of other stuff: a chest band, sleeves, a yoke, the front strip of a jacket."""
    below = solid(rng, cut, photos)
    above = stripes(rng, cut, photos) if rng.random() < 0.3 else solid(rng, cut, photos)
    x, z = np.abs(cut.rest[:, 0]), cut.rest[:, 2]
    low, high = np.quantile(z, rng.uniform(0.1, 0.9)), rng.uniform(0.04, 0.3)
    kind = rng.integers(4)
    if kind == 0:
        chosen = (z > low) & (z < low + high)
    elif kind == 1:
        chosen = x > rng.uniform(0.14, 0.24)
    elif kind == 2:
        chosen = z > low
    else:
        chosen = x < rng.uniform(0.01, 0.06)
    return np.where(chosen[:, None], above, below)


def emblem(rng: np.random.Generator, cut: Cut, photos: Backgrounds) -> Array:
    """A picture or lettering on the chest of a plain garment."""
    base = solid(rng, cut, photos)
    width, height = rng.uniform(0.08, 0.3), rng.uniform(0.05, 0.3)
    x = (cut.rest[:, 0] - rng.normal(0, 0.03)) / width + 0.5
    z = (np.quantile(cut.rest[:, 2], rng.uniform(0.5, 0.85)) - cut.rest[:, 2]) / height + 0.5
    chosen = (x > 0) & (x < 1) & (z > 0) & (z < 1) & ((cut.rest[:, 1] < 0) | (rng.random() < 0.3))
    if not chosen.any():
        return base
    if rng.random() < 0.5:
        base[chosen] = colors.linear(lookup(photos.tile(rng), x[chosen] * 0.5, z[chosen] * 0.5))
        return base
    letters = (lookup(atlas("rough"), x[chosen] * rng.uniform(0.05, 0.2), z[chosen] * 0.04 + rng.random()) > 0.2)[:, None]
    base[chosen] = np.where(letters, colors.cloth(rng), base[chosen])
    return base


# (pattern, how often)
PATTERNS: tuple[tuple[Pattern, float], ...] = (
    (solid, 0.34), (stripes, 0.1), (plaid, 0.07), (dots, 0.03), (camouflage, 0.06), (print_, 0.09), (duotone, 0.06),
    (denim, 0.08), (blocks, 0.09), (emblem, 0.08),
)  # fmt: skip


def garment(rng: np.random.Generator, rest: Array, pixel: float, photos: Backgrounds, plain: float = 0.0) -> Array:
    """(N, 3) linear colours of a random cloth at rest positions (N, 3); with chance `plain` it is denim or solid."""
    cut = unfold(rng, rest, pixel)
    if rng.random() < plain:
        return (denim if rng.random() < 0.5 else solid)(rng, cut, photos)
    return PATTERNS[colors.weighted(rng, tuple(weight for _, weight in PATTERNS))][0](rng, cut, photos)

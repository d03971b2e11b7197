"""Plain furniture that stands in front of people: it hides them and is labelled background (person -1)."""

from __future__ import annotations

import numpy as np

from vitruvian.synth.meshes import box, tube
from vitruvian.synth.surface import Surface
from vitruvian.types import Array

Rng = np.random.Generator
LABELS = ((0, 0),)
Solid = tuple[Array, Array]


def _at(solid: Solid, place: tuple[float, float, float]) -> Solid:
    return solid[0] + np.array(place, np.float32), solid[1]


def table(rng: Rng, reach: float) -> list[Solid]:
    """A table whose near edge is `reach` metres before the person; person axes (-y is its front)."""
    height, depth, width = float(rng.uniform(0.66, 0.8)), float(rng.uniform(0.4, 0.9)), float(rng.uniform(0.7, 2.2))
    top = _at(box((width, depth, 0.04)), (float(rng.normal(0, 0.15)), -reach - depth / 2, height))
    legs = [
        _at(box((0.05, 0.05, height)), (sx * (width / 2 - 0.06), -reach - depth / 2 + sy * (depth / 2 - 0.06), height / 2))
        for sx in (-1, 1) for sy in (-1, 1)
    ]  # fmt: skip
    return [top, *legs]


def chair(rng: Rng, seat: float, back: float) -> list[Solid]:
    """A seat at height `seat` and a back `back` metres behind the root."""
    width = float(rng.uniform(0.42, 0.55))
    out = [_at(box((width, 0.42, 0.05)), (0.0, back - 0.24, seat - 0.03))]
    if rng.random() < 0.75:
        out.append(_at(box((width, 0.04, float(rng.uniform(0.25, 0.55)))), (0.0, back, seat + 0.3)))
    legs = [
        _at(box((0.04, 0.04, seat)), (sx * (width / 2 - 0.03), back - 0.24 + sy * 0.19, seat / 2))
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    return [*out, *legs]


def pole(rng: Rng, ahead: float) -> list[Solid]:
    """A vertical post `ahead` metres before the person, a little to one side."""
    x = float(rng.uniform(-0.35, 0.35))
    path = np.array([[x, -ahead, -1.0], [x, -ahead, 1.0], [x, -ahead, 4.0]])
    return [tube(path, float(rng.uniform(0.02, 0.09)))]


def railing(rng: Rng, ahead: float) -> list[Solid]:
    """Horizontal bars and posts."""
    top, radius = float(rng.uniform(0.8, 1.1)), float(rng.uniform(0.012, 0.03))
    bars = [
        tube(np.array([[-2.5, -ahead, z], [0.0, -ahead, z], [2.5, -ahead, z]]), radius) for z in np.linspace(0.3, 1, 3) * top
    ]
    posts = [
        tube(np.array([[x, -ahead, 0.0], [x, -ahead, top / 2], [x, -ahead, top]]), radius) for x in np.arange(-2.4, 2.5, 0.8)
    ]
    return [*bars, *posts]


def counter(rng: Rng, ahead: float) -> list[Solid]:
    """A wall, counter or hedge that hides the lower body."""
    height = float(rng.uniform(0.4, 1.0))
    return [_at(box((float(rng.uniform(1.2, 4.0)), 0.3, height)), (float(rng.normal(0, 0.5)), -ahead - 0.15, height / 2))]


def box_ahead(rng: Rng, ahead: float) -> list[Solid]:
    """A parcel, a sign, another's back: a box at any height at one side."""
    size = (float(rng.uniform(0.15, 0.6)), 0.1, float(rng.uniform(0.15, 0.9)))
    return [_at(box(size), (float(rng.uniform(-0.5, 0.5)), -ahead, float(rng.uniform(0.2, 1.6))))]


def occluder(solids: list[Solid]) -> Surface:
    """All solids as one background surface, still in world axes."""
    vertices = np.concatenate([s[0] for s in solids]).astype(np.float32)
    starts = np.cumsum([0, *(len(s[0]) for s in solids)])
    faces = np.concatenate([s[1] + start for s, start in zip(solids, starts, strict=False)]).astype(np.int32)
    return Surface("occluder", vertices, faces, vertices, np.zeros((len(vertices), 1), np.float32), LABELS, -1)

"""Relative depth -> metres: metres = shift + scale x relative, for each person apart, from anchors or from a known height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitruvian.errors import InputError
from vitruvian.geometry import scale_and_shift
from vitruvian.types import Array

SPREAD = 0.02  # of relative depth that anchors must span, or their errors decide the scale
STEEP = 0.2  # cosine to the line of sight below which a normal says nothing reliable of the slope
STEP = 0.08  # of the person's height: over this length depth and normals are compared
BAND = 0.02  # of the person's height: rows that are the crown and the soles
PAIRS = 200  # comparisons of depth and normals that a scale needs
AGREEMENT = 0.3  # their weighted correlation that it needs
ROUNDS = 20


@dataclass(frozen=True)
class Anchor:
    """A pixel whose distance along the viewing axis is known, in metres."""

    x: float
    y: float
    metres: float


@dataclass(frozen=True)
class Alignment:
    """metres = shift + scale x relative. by: how it was found; notes: figures that say how far to trust it."""

    scale: float
    shift: float
    by: str
    notes: dict[str, object]


def by_anchors(depth: Array, anchors: Sequence[Anchor], who: str) -> Alignment:
    """Least squares over the anchors of one person (two or more). depth (H, W) relative, NaN elsewhere.

    InputError where they are too few, span too little, or say that near is far or lies behind the camera. Two anchors are met
    exactly: only a third one can show an error.
    """
    if len(anchors) < 2:
        raise InputError(f"{who} has {len(anchors)} anchor. Allowed: two or more, at different depths.")
    relative = np.array([depth[round(a.y), round(a.x)] for a in anchors], np.float64)
    metres = np.array([a.metres for a in anchors])
    if np.ptp(relative) < SPREAD:
        told = f"{relative.min():.3f} to {relative.max():.3f}"
        raise InputError(f"{who}: all anchors lie at one relative depth ({told}). Fix: add one nearer or farther.")
    scale, shift = scale_and_shift(relative, metres)
    residual = shift + scale * relative - metres
    rows = [
        {"x": a.x, "y": a.y, "metres": a.metres, "relative": round(float(r), 4), "residual": round(float(e), 4)}
        for a, r, e in zip(anchors, relative, residual, strict=True)
    ]
    notes = {"rms": round(float(np.sqrt((residual**2).mean())), 4), "largest": round(float(abs(residual).max()), 4)}
    return _checked(Alignment(scale, shift, "anchors", {**notes, "anchors": rows}), who)


def by_height(depth: Array, normal: Array | None, camera: Array, height: float, span: float | None, who: str) -> Alignment:
    """From the stature (metres) of one person who stands straight and is seen from crown to soles.

    Model: a pinhole camera K (3, 3); the topmost pixels of the person are the crown, the lowest the soles, and the distance
    between these two points in space is the height. That fixes the shift once the scale is known as a multiple k of it: from
    `span`, metres from the person's nearest to the farthest pixel, or else from the surface normals (H, W, 3), whose slopes say
    how steeply depth must change (`relief`). depth (H, W) relative, NaN elsewhere. InputError where the person is cut off by
    the picture's edge, or depth and normals do not agree.
    """
    rows = np.flatnonzero(np.isfinite(depth).any(1))
    if rows[0] == 0 or rows[-1] == depth.shape[0] - 1:
        raise InputError(f"{who} is cut off by the edge of the picture: the height is not seen. Fix: use --anchors.")
    (crown, high), (soles, low) = (_end(depth, camera, rows, top) for top in (True, False))
    if span is not None:
        notes: dict[str, object] = {"span": span, "span_from": "--span"}
        gap, base = crown * high - soles * low, crown - soles  # |shift * base + span * gap| = height
        shift = _positive_root(float(base @ base), float(2 * span * (base @ gap)), float(span**2 * (gap @ gap)) - height**2)
        return _checked(Alignment(span, shift, "height", notes), who)
    if normal is None:
        raise InputError(f"{who}: no normals to take the scale from. Fix: --span METRES, or predict --tasks depth normal.")
    k, agreement = relief(depth, normal, camera, max(1, round(STEP * (rows[-1] - rows[0]))), who)
    shift = height / float(np.linalg.norm((1 + k * high) * crown - (1 + k * low) * soles))
    notes = {"span": round(k * shift, 4), "span_from": "normals", "agreement": round(agreement, 3)}
    return _checked(Alignment(k * shift, shift, "height", notes), who)


def relief(depth: Array, normal: Array, camera: Array, step: int, who: str) -> tuple[float, float]:
    """The k of z ~ 1 + k x relative that makes depth as steep as the normals say, and how well they agree (correlation).

    On a surface seen by a pinhole, d(log z) per pixel along x is -n_x / (f n.q) for the viewing ray q. Its sum over `step`
    pixels is the logarithm of (1 + k r1) / (1 + k r0): linear in 1 / k, solved for the least absolute error of depth, the
    noisier of the two, in which steps across an edge are outliers.
    """
    slope, known = _slopes(normal, camera)
    pairs = [_pairs(depth, slope[..., axis], known, step, axis) for axis in (0, 1)]
    a, b = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    flatness, agreement = _least_absolute(a, b) if len(a) >= PAIRS else (0.0, 0.0)
    if agreement < AGREEMENT:
        told = f"{agreement:.2f} over {len(a)} places"
        raise InputError(f"{who}: normals do not tell the scale of depth (they agree by {told}). Fix: --span METRES.")
    return 1 / flatness, agreement


def _least_absolute(a: Array, b: Array) -> tuple[float, float]:
    """The factor of the least sum of |a - factor b|, by reweighting, and the correlation of a and b with these weights."""
    weight, small = np.ones_like(a), max(0.05 * float(np.median(np.abs(a))), 1e-9)  # no pair outweighs all others
    for _ in range(ROUNDS):
        factor = float((weight * a * b).sum() / max((weight * b * b).sum(), 1e-12))
        weight = 1 / np.maximum(np.abs(a - factor * b), small)
    norm = float(np.sqrt((weight * a * a).sum() * (weight * b * b).sum()))
    return factor, float((weight * a * b).sum()) / max(norm, 1e-12)


def _slopes(normal: Array, camera: Array) -> tuple[Array, Array]:
    """d(log z) a pixel along x and y, (H, W, 2), 0 where unknown; and where it is known."""
    height, width = normal.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack([(x - camera[0, 2]) / camera[0, 0], (y - camera[1, 2]) / camera[1, 1], np.ones_like(x)], -1)
    facing = (normal.astype(np.float64) * rays).sum(-1)
    known = np.isfinite(facing) & (-facing > STEEP * np.linalg.norm(rays, axis=-1))
    steep = -normal[..., :2] / (np.where(known, facing, 1)[..., None] * np.array([camera[0, 0], camera[1, 1]]))
    return np.where(known[..., None], steep, 0), known


def _pairs(depth: Array, slope: Array, known: Array, step: int, axis: int) -> tuple[Array, Array]:
    """a, b of a k = b for all pixels `step` apart along x (axis 0) or y (1) with known slopes all the way."""
    if axis == 1:
        depth, slope, known = depth.T, slope.T, known.T
    if depth.shape[1] <= step:
        return np.empty(0), np.empty(0)
    zero = np.zeros((len(depth), 1))
    total, gaps = (np.cumsum(np.concatenate([zero, v], 1), 1) for v in (slope, ~known))
    way = total[:, step:-1] - total[:, : -step - 1] + (slope[:, step:] - slope[:, :-step]) / 2  # half of both end pixels
    whole = gaps[:, step + 1 :] == gaps[:, : -step - 1]
    growth, near, far = np.exp(way), depth[:, :-step], depth[:, step:]
    a, b = far - growth * near, growth - 1
    used = whole & np.isfinite(a)
    return a[used], b[used]


def _end(depth: Array, camera: Array, rows: Array, top: bool) -> tuple[Array, float]:
    """The viewing ray (3,) and the relative depth of the crown or the soles."""
    thick = max(1, round(BAND * (rows[-1] - rows[0])))
    row = rows[0] if top else rows[-1]
    band = slice(row, row + thick) if top else slice(row - thick + 1, row + 1)
    inside = np.isfinite(depth[band])
    x, y = np.nonzero(inside)[1].mean(), row + (-0.5 if top else 0.5)
    ray = np.array([(x - camera[0, 2]) / camera[0, 0], (y - camera[1, 2]) / camera[1, 1], 1.0])
    return ray, float(np.median(depth[band][inside]))


def _positive_root(a: float, b: float, c: float) -> float:
    """The larger root of a x^2 + b x + c; NaN where there is none."""
    inside = b * b - 4 * a * c
    return float((-b + np.sqrt(inside)) / (2 * a)) if inside >= 0 else float("nan")


def _checked(found: Alignment, who: str) -> Alignment:
    if not (np.isfinite(found.scale) and found.scale > 0):
        raise InputError(
            f"{who}: the {found.by} say that what is seen as near is far (scale {found.scale:.3g}). Fix: check them."
        )
    if not (np.isfinite(found.shift) and found.shift > 0):
        raise InputError(
            f"{who}: by the {found.by} the nearest point lies {found.shift:.2f} m from the camera. Fix: check them."
        )
    return found

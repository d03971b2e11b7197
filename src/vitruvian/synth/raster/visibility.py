"""Which keypoints the camera sees.

A point on the skin is seen when its skin faces the camera and nothing nearer stands at its pixel, so a nose seen from behind
is hidden however thin the head. A joint is seen when the first surface before it belongs to the same person and lies no
farther in front of it than its limb is thick.
"""

from __future__ import annotations

import numpy as np

from vitruvian.geometry import project
from vitruvian.synth.raster.projection import NEAR
from vitruvian.synth.surface import Points
from vitruvian.types import Array

ABSENT, HIDDEN, SEEN = 0, 1, 2
SKIN = 0.015  # metres: what may cover a point on the skin, at least
STEEPEST = 4.0  # a surface's slope beyond which a pixel's neighbourhood tells no more
NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


def look(points: Points, shown: Array, depth: Array, intrinsics: Array) -> Array:
    """(K, 3) float32: x, y in pixels and visibility 0/1/2 of one person's points in a frame.

    shown (H, W) bool: where this person is the first surface; depth (H, W) metres of the first surface, NaN where none.
    0 (and x = y = 0): not defined, behind the camera or out of the frame; 1: hidden by others or by the person; 2: seen.
    """
    position = np.where(points.defined[:, None], points.position, 0.0).astype(np.float64)
    ahead = points.defined & (position[:, 2] > NEAR)
    position[~ahead] = (0.0, 0.0, 1.0)
    pixel = project(position, intrinsics)
    nearest = np.rint(pixel)
    height, width = depth.shape
    inside = ahead & (nearest >= 0).all(axis=1) & (nearest[:, 0] < width) & (nearest[:, 1] < height)
    column, row = np.where(inside[:, None], nearest, 0).astype(np.intp).T
    allowed = _allowance(points, position, intrinsics)
    seen = inside & _faces_camera(points, position) & _first(position[:, 2], allowed, row, column, shown, depth)
    visibility = np.where(inside, np.where(seen, SEEN, HIDDEN), ABSENT)
    return np.column_stack([np.where(inside[:, None], pixel, 0.0), visibility]).astype(np.float32)


def _faces_camera(points: Points, position: Array) -> Array:
    """(K,) bool; a joint has no side."""
    towards = np.einsum("ij,ij->i", np.nan_to_num(points.normal), position) < 0
    return np.asarray(~points.surface | towards)


def _allowance(points: Points, position: Array, intrinsics: Array) -> Array:
    """(K,) metres that the first surface may lie before a point.

    On steep skin the pixel's centre sees another depth than the point half a pixel beside it: one pixel of slope is added.
    """
    distance = np.linalg.norm(position, axis=1)
    cosine = np.abs(np.einsum("ij,ij->i", np.nan_to_num(points.normal), position)) / distance
    slope = np.minimum(np.sqrt(np.maximum(1 - cosine**2, 0)) / np.maximum(cosine, 1e-6), STEEPEST)
    pixel = position[:, 2] / float(intrinsics[0][0])
    skin = np.maximum(points.radius, SKIN) + pixel * slope
    out: Array = np.where(points.surface, skin, np.maximum(points.radius, SKIN))
    return out


def _first(z: Array, allowed: Array, row: Array, column: Array, shown: Array, depth: Array) -> Array:
    """(K,) bool: nothing stands before the point, and its person is what is seen there.

    Where the pixel shows what lies behind the point (it sits on the outline, or its limb is thinner than a pixel), one of
    the eight pixels around may show the person instead, at the point's depth.
    """
    at, own = depth[row, column], shown[row, column]
    blocked = at < z - np.where(own, allowed, 0)  # False for NaN: an empty pixel blocks nothing
    direct = own & (np.abs(at - z) <= allowed)
    beside = np.zeros(len(z), bool)
    height, width = depth.shape
    for dy, dx in NEIGHBOURS:
        y, x = np.clip(row + dy, 0, height - 1), np.clip(column + dx, 0, width - 1)
        beside |= shown[y, x] & (np.abs(depth[y, x] - z) <= allowed)
    return np.asarray(~blocked & (direct | beside))

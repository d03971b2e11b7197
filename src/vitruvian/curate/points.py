"""Points of a picture that are known again in a copy of it, and how many of them two pictures share.

ORB (Rublee et al., ICCV 2011), taken from all over the picture so that words laid over it do not get them all; what two have in
common is counted after one shift, turn and scale that fits most of them (RANSAC), and must lie all over the part that both
show: else a logo or a frame that two pictures bear would make them one. A mirror image shares none.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vitruvian.geometry import shrink
from vitruvian.types import Array

LONGEST = 320  # px of the picture in which points are sought
MOST = 128  # points of a picture
CELLS = 8  # along each side, from which points are taken in turn
FINE = 128  # steps of a pixel in which places are kept
PLACE, WORDS = 4, 32  # bytes of one point: where it lies, how it looks
FARTHEST = 64  # bits of 256 in which the looks of one point may differ
OFF = 4.0  # px that a point may lie from where the movement puts it
LARGEST = 3.0  # times that one picture may be larger than the other
LEAST = 4  # points that a movement is sought for
SMALLEST = 32  # px of the shorter side, below which no points are sought
PARTS = 5  # along each side of what both pictures show
EVERYWHERE = 0.5  # of these parts, where both have points, must hold some that are shared

_FOUND = cv2.ORB.create(nfeatures=1500, scaleFactor=1.3, nlevels=5, edgeThreshold=15, patchSize=25, fastThreshold=8)
_PAIRED = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)


def points_of(image: Array) -> bytes:
    """(H, W, 3) uint8 RGB -> up to `MOST` points, 36 bytes each."""
    grey = cv2.cvtColor(shrink(image, LONGEST), cv2.COLOR_RGB2GRAY)
    if min(grey.shape) < SMALLEST:
        return b""
    found, looks = _FOUND.compute(grey, _spread(_FOUND.detect(grey, None), grey.shape))
    if not found:
        return b""
    places = np.round(np.array([point.pt for point in found]) * FINE).astype("<u2")
    return np.concatenate([places.view(np.uint8).reshape(-1, PLACE), looks], 1).tobytes()


def _spread(points: Sequence[cv2.KeyPoint], size: tuple[int, ...]) -> list[cv2.KeyPoint]:
    """The clearest of every cell, then the second of every cell, and so on."""
    cells: dict[tuple[int, int], int] = {}
    ranked = []
    for point in sorted(points, key=lambda one: -one.response):
        cell = int(point.pt[0] * CELLS / size[1]), int(point.pt[1] * CELLS / size[0])
        cells[cell] = cells.get(cell, 0) + 1
        ranked.append((cells[cell], point))
    return [point for _, point in sorted(ranked, key=lambda one: one[0])[:MOST]]


def shared(first: bytes, second: bytes) -> int:
    """How many points of two pictures lie as one shift, turn and scale would put them; 0 if they do so in few places alone."""
    (places, looks), (others, other_looks) = _read(first), _read(second)
    if min(len(places), len(others)) < LEAST:
        return 0
    pairs = [pair for pair in _PAIRED.match(looks, other_looks) if pair.distance <= FARTHEST]
    if len(pairs) < LEAST:
        return 0
    cv2.setRNGSeed(0)  # the same pictures share the same number, whatever was compared before
    ends = others[[pair.trainIdx for pair in pairs]]
    movement, fitting = cv2.estimateAffinePartial2D(
        places[[pair.queryIdx for pair in pairs]], ends, ransacReprojThreshold=OFF, maxIters=500
    )
    if movement is None or not 1 / LARGEST < float(np.hypot(movement[0, 0], movement[1, 0])) < LARGEST:
        return 0
    fits = ends[fitting.ravel() > 0]
    return len(fits) if _spread_out(fits, places @ movement[:, :2].T + movement[:, 2], others) else 0


def _spread_out(fits: Array, moved: Array, others: Array) -> bool:
    """Whether `fits` lie all over where the points of both pictures, (n, 2) in px of the second, lie."""
    low, high = np.maximum(moved.min(0), others.min(0)), np.minimum(moved.max(0), others.max(0))
    if (high <= low).any():
        return False

    def parts(points: Array) -> set[tuple[int, int]]:
        inside = points[((points >= low) & (points <= high)).all(1)]
        return {(int(x), int(y)) for x, y in (inside - low) / (high - low + 1e-3) * PARTS}

    both = parts(moved) & parts(others)
    return len(parts(fits) & both) >= EVERYWHERE * max(len(both), 1)


def _read(points: bytes) -> tuple[Array, Array]:
    rows = np.frombuffer(points, np.uint8).reshape(-1, PLACE + WORDS)
    places = np.ascontiguousarray(rows[:, :PLACE]).view("<u2").astype(np.float32) / FINE
    return places, np.ascontiguousarray(rows[:, PLACE:])

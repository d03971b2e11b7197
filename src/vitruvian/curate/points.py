"""Points of a picture that are known again in a copy of it, and how many of them two pictures share.

ORB (Rublee et al., ICCV 2011), taken from all over the picture so that words laid over it do not get them all; what two have in
common is counted after one shift, turn and scale that fits most of them (RANSAC). A mirror image shares none.
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

_FOUND = cv2.ORB.create(nfeatures=1500, scaleFactor=1.3, nlevels=5, edgeThreshold=15, patchSize=25, fastThreshold=8)
_PAIRED = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)


def points_of(image: Array) -> bytes:
    """(H, W, 3) uint8 RGB -> up to `MOST` points, 36 bytes each."""
    grey = cv2.cvtColor(shrink(image, LONGEST), cv2.COLOR_RGB2GRAY)
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
    """How many points of two pictures lie as one shift, turn and scale would put them."""
    (places, looks), (others, other_looks) = _read(first), _read(second)
    if min(len(places), len(others)) < LEAST:
        return 0
    pairs = [pair for pair in _PAIRED.match(looks, other_looks) if pair.distance <= FARTHEST]
    if len(pairs) < LEAST:
        return 0
    cv2.setRNGSeed(0)  # the same pictures share the same number, whatever was compared before
    movement, fitting = cv2.estimateAffinePartial2D(
        places[[pair.queryIdx for pair in pairs]], others[[pair.trainIdx for pair in pairs]],
        ransacReprojThreshold=OFF, maxIters=500,
    )  # fmt: skip
    if movement is None or not 1 / LARGEST < float(np.hypot(movement[0, 0], movement[1, 0])) < LARGEST:
        return 0
    return int(fitting.sum())


def _read(points: bytes) -> tuple[Array, Array]:
    rows = np.frombuffer(points, np.uint8).reshape(-1, PLACE + WORDS)
    places = np.ascontiguousarray(rows[:, :PLACE]).view("<u2").astype(np.float32) / FINE
    return places, np.ascontiguousarray(rows[:, PLACE:])

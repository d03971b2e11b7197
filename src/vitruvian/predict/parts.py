"""Body parts of a crop -> the photo's pixels, with smooth edges.

Every class's probability is resampled bilinearly and the greatest wins. Between four neighbours of one class that is this class
with the resampled probability, so all classes take one warp together; only pixels next to a boundary are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from vitruvian.types import Array, Classes, Crop, Value

EDGE, OUTSIDE = 1 << 8, 1 << 9  # marks beside the id in the low byte
AT_ONCE = 1 << 16  # boundary pixels: what is known of them stays in the cache, and memory bounded


def parts_on_photo(parts: Value, crop: Crop) -> tuple[Array, Array]:
    """Ids uint8 and their probabilities float32, both (H, W) of the crop's source; 0 outside the crop."""
    if not isinstance(parts, Classes):
        raise TypeError(f"parts must be Classes, not {type(parts).__name__}")
    ids, score = (np.ascontiguousarray(map_[:, ::-1] if crop.flipped else map_) for map_ in (parts.ids, parts.score))
    edge = cv2.dilate(ids, np.ones((3, 3), np.uint8)) != cv2.erode(ids, np.ones((3, 3), np.uint8))
    marked = _warped(ids + np.uint16(EDGE) * edge, crop, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, OUTSIDE)
    best = _warped(np.asarray(score, np.float32), crop)
    best[marked == OUTSIDE] = 0
    out = marked.astype(np.uint8)  # the low byte
    for at, x, y in _places(crop, np.flatnonzero((marked & EDGE) > 0)):
        out.ravel()[at], best.ravel()[at] = _best_between(ids, score, x, y)
    out[best <= 0] = 0
    return out, best


def _best_between(ids: Array, score: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """The class whose neighbours weigh most at these places (N,) px, the lowest id of several, and its weight."""
    left, top = x.astype(np.intp), y.astype(np.intp)
    x, y = x - left.astype(np.float32), y - top.astype(np.float32)
    right, down = left < ids.shape[1] - 1, (top < ids.shape[0] - 1) * ids.shape[1]
    corner = top * ids.shape[1] + left
    corners = np.stack([corner, corner + right, corner + down, corner + down + right])
    names = ids.ravel()[corners]
    shares = np.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x]) * score.ravel()[corners]
    weights = np.stack([(shares * (names == name)).sum(0) for name in names])
    best = weights.max(0)
    return np.where(weights == best, names, 255).min(0), best


def _places(crop: Crop, at: Array) -> Iterator[tuple[Array, Array, Array]]:
    """These photo pixels (flat indices), a few at a time, and their x and y on the crop.

    The places are warped like any map, so they are rounded as OpenCV rounds them.
    """
    upright = crop.matrix[0, 1] == crop.matrix[1, 0] == 0  # x is that of the column, y that of the row
    (height, width), (tall, wide) = crop.size, crop.source_size
    columns, rows = np.arange(width, dtype=np.float32)[None], np.arange(height, dtype=np.float32)[:, None]
    if not upright:
        columns, rows = (np.ascontiguousarray(np.broadcast_to(values, crop.size)) for values in (columns, rows))
    x = _warped(columns, replace(crop, source_size=(1 if upright else tall, wide)))
    y = _warped(rows, replace(crop, source_size=(tall, 1 if upright else wide)))
    for start in range(0, len(at), AT_ONCE):
        some = at[start : start + AT_ONCE]
        row, column = np.divmod(some, wide)
        yield some, x[0 if upright else row, column], y[row, 0 if upright else column]


def _warped(
    values: Array, crop: Crop, how: int = cv2.INTER_LINEAR, beyond: int = cv2.BORDER_REPLICATE, border: int = 0
) -> Array:
    """An unmirrored map of the crop on the photo."""
    out: Array = cv2.warpAffine(
        values, crop.matrix, crop.source_size[::-1], flags=how | cv2.WARP_INVERSE_MAP, borderMode=beyond, borderValue=border
    )
    return out

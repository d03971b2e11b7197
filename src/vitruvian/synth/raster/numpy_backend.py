"""A z-buffer in plain numpy: always there, no compiled code.

Most triangles of a body are smaller than a pixel and cover no pixel centre: integer bounds throw them out early. What is left
is expanded to (triangle, pixel) pairs, tested all at once, and reduced by one minimum over (depth, triangle) packed in 64 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vitruvian.synth.raster.projection import in_front
from vitruvian.types import Array

# Corners are snapped to 1/256 px, so edge functions are exact integers and neighbours leave no crack between them.
SUBPIXEL = 256.0
PAIRS_AT_ONCE = 4_000_000
EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)


class NumpyRasteriser:
    """The rasteriser that every machine has."""

    name = "numpy"

    def triangle_ids(self, vertices: Array, faces: Array, intrinsics: Array, size: tuple[int, int]) -> Array:
        """See `Rasteriser.triangle_ids`."""
        height, width = size
        nearest = np.full(height * width, EMPTY)
        front = in_front(vertices, faces)
        corners = _project(vertices, np.asarray(intrinsics, np.float64), behind=front is not None)
        triangles = _candidates(corners, faces, size, front)
        for block in _blocks(triangles):
            _reduce(nearest, block, width)
        hit = nearest != EMPTY
        ids = np.where(hit, nearest & np.uint64(0xFFFFFFFF), 0).astype(np.int64)
        return np.where(hit, ids, -1).astype(np.int32).reshape(size)


@dataclass(frozen=True)
class _Triangles:
    """Triangles whose bounds hold a pixel centre. id (T,); left, top, width, height (T,) px;
    edge (3, 3, T) float64: a x + b y + c of the three sides in 1/256 px, positive inside; inverse (3, T): 1 / z / area."""

    id: Array
    left: Array
    top: Array
    width: Array
    height: Array
    edge: Array
    inverse: Array

    def take(self, where: slice | Array) -> _Triangles:
        """A part of them."""
        return _Triangles(
            self.id[where], self.left[where], self.top[where], self.width[where], self.height[where],
            self.edge[..., where], self.inverse[:, where],
        )  # fmt: skip


def _project(vertices: Array, k: Array, behind: bool) -> Array:
    """(3, V) float64: x, y in 1/256 px rounded to integers, and 1 / z."""
    x, y, z = vertices.T.astype(np.float64)
    if behind:
        z = np.where(z > 0, z, 1.0)
    inverse = 1.0 / z
    u = np.rint(((k[0, 0] * x + k[0, 1] * y) * inverse + k[0, 2]) * SUBPIXEL)
    v = np.rint((k[1, 1] * y * inverse + k[1, 2]) * SUBPIXEL)
    return np.stack([u, v, inverse])


def _bounds(values: Array, sides: tuple[Array, Array, Array], limit: int) -> tuple[Array, Array]:
    """First and last pixel centre (F,) int32 between the three corners along one axis, kept inside 0..limit - 1."""
    low = np.clip(np.ceil(values / SUBPIXEL), 0, limit).astype(np.int32)
    high = np.clip(np.floor(values / SUBPIXEL), -1, limit - 1).astype(np.int32)
    a, b, c = sides
    first: Array = np.minimum(np.minimum(low[a], low[b]), low[c])
    last: Array = np.maximum(np.maximum(high[a], high[b]), high[c])
    return first, last


def _candidates(corners: Array, faces: Array, size: tuple[int, int], front: Array | None) -> _Triangles:
    a, b, c = np.ascontiguousarray(faces.T)
    left, right = _bounds(corners[0], (a, b, c), size[1])
    top, bottom = _bounds(corners[1], (a, b, c), size[0])
    covers = (left <= right) & (top <= bottom)
    if front is not None:
        covers &= front
    ids = np.flatnonzero(covers)
    edge, inverse, area = _sides(corners, (a[ids], b[ids], c[ids]))
    width, height = right[ids] - left[ids] + 1, bottom[ids] - top[ids] + 1
    found = _Triangles(ids, left[ids], top[ids], width, height, edge, inverse)
    return found if area.all() else found.take(np.flatnonzero(area))


def _sides(corners: Array, sides: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    """Edge functions (3, 3, T), 1 / z / area at the opposite corner (3, T), and the area's sign (T,), 0 if degenerate."""
    x, y, z = (np.stack([values[side] for side in sides]) for values in corners)
    after, last = [1, 2, 0], [2, 0, 1]
    a, b = y[after] - y[last], x[last] - x[after]
    edge = np.stack([a, b, -(a * x[after] + b * y[after])], axis=1)
    area = (edge[0, 0] * x[0] + edge[0, 1] * y[0]) + edge[0, 2]
    sign = np.sign(area)
    return edge * sign, z / np.where(area == 0, 1.0, np.abs(area)), sign


def _blocks(triangles: _Triangles) -> Iterator[_Triangles]:
    """Cut so that no block makes many more than PAIRS_AT_ONCE pairs: bounds the memory of large frames."""
    pairs = np.cumsum(triangles.width.astype(np.int64) * triangles.height)
    if not len(pairs) or pairs[-1] <= PAIRS_AT_ONCE:
        yield triangles
        return
    cuts = np.searchsorted(pairs, np.arange(PAIRS_AT_ONCE, pairs[-1], PAIRS_AT_ONCE))
    for start, stop in zip([0, *cuts], [*cuts, len(pairs)], strict=True):
        if stop > start:
            yield triangles.take(slice(start, stop))


def _reduce(nearest: Array, t: _Triangles, frame_width: int) -> None:
    """Put the nearest of these triangles into the packed buffer (H * W,) uint64."""
    counts = t.width * t.height
    which = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    step = np.arange(len(which), dtype=np.int32) - np.repeat((np.cumsum(counts) - counts).astype(np.int32), counts)
    row, column = np.divmod(step, t.width[which])
    x, y = t.left[which] + column, t.top[which] + row
    px, py = x * SUBPIXEL, y * SUBPIXEL
    sides = [edge[0][which] * px + edge[1][which] * py + edge[2][which] for edge in t.edge]
    inside = np.flatnonzero((sides[0] >= 0) & (sides[1] >= 0) & (sides[2] >= 0))
    which = which[inside]
    inverse = sum(side[inside] * scale[which] for side, scale in zip(sides, t.inverse, strict=True))
    # Positive floats sort like their bits: depth above, triangle below, so that ties fall to the smaller id.
    depth = (1.0 / np.asarray(inverse)).astype(np.float32).view(np.uint32).astype(np.uint64)
    np.minimum.at(nearest, y[inside] * frame_width + x[inside], (depth << np.uint64(32)) | t.id[which].astype(np.uint64))

"""The part of a G-buffer that one crop sees: channels fetched by nearest pixel, only where people are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitruvian.data.gbuffer import MATERIAL, MATERIALS, GBuffer
from vitruvian.tasks.dense import crop_rotation
from vitruvian.types import Array, Crop

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class Layers:
    """A G-buffer on a crop's frame. Full maps (H, W): person uint8, inside bool (within the picture's border), furniture
    bool (things that stand before people, as rendered).

    The N foreground pixels, sorted by person and material: at (N,) flat index into the crop; source (N,) flat index into
    the frame; depth (N,) metres; normal (N, 3) in the crop's camera axes (turned and mirrored with it); rest (N, 3) metres.
    runs: (person 1-based, material id, slice) of each run of equal person and material.
    metres_per_pixel: at the median foreground depth.
    """

    size: tuple[int, int]
    person: Array
    inside: Array
    furniture: Array
    at: Array
    source: Array
    depth: Array
    normal: Array
    rest: Array
    runs: tuple[tuple[int, int, slice], ...]
    metres_per_pixel: float

    def image(self, values: Array, fill: float = 0.0) -> Array:
        """Foreground values (N[, C]) as a map (H, W[, C])."""
        out = np.full((self.size[0] * self.size[1], *values.shape[1:]), fill, values.dtype)
        out[self.at] = values
        return out.reshape(*self.size, *values.shape[1:])


def whole_frame(size: tuple[int, int]) -> Crop:
    """The crop that shows a frame of `size` (H, W) as it is."""
    return Crop(np.array([[1.0, 0, 0], [0, 1, 0]]), size, size)


def turn(crop: Crop) -> Array:
    """(3, 3) float64 proper or mirrored rotation of camera axes that the crop stands for: image turn, then mirror in x."""
    out = np.eye(3)
    out[:2, :2] = crop_rotation(crop)
    return out


def gather(frame: GBuffer, crop: Crop, border: Rectangle | None = None) -> Layers:
    """Fetch what the crop sees. border: x0, y0, x1, y1 of the picture in frame pixels; outside lies nothing."""
    height, width = frame.size
    inside, near = _inside(crop, border or (-0.5, -0.5, width - 0.5, height - 0.5))
    x, y = np.rint(near[0]).astype(np.int32), np.rint(near[1]).astype(np.int32)
    known = inside & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    source = np.where(known, y * np.int32(width) + x, 0)
    person = np.where(known, frame.person.ravel()[source], 0).astype(np.uint8)
    furniture = known & (frame.material.ravel()[source] == MATERIAL["furniture"])
    at = np.flatnonzero(person)
    source = source.ravel()[at]
    key = person.ravel()[at].astype(np.uint16) * len(MATERIALS) + frame.material.ravel()[source]
    order = np.argsort(key, kind="stable")
    at, source, key = at[order], source[order], key[order]
    depth = frame.depth.ravel()[source]
    normal = np.take(frame.normal.reshape(-1, 3), source, axis=0) @ turn(crop).T.astype(np.float32)
    scale = np.sqrt(abs(np.linalg.det(crop.matrix[:, :2]))) * frame.intrinsics[0, 0]
    metres = float(np.median(depth[::5]) / scale) if len(depth) else 0.01
    rest = np.take(frame.rest.reshape(-1, 3), source, axis=0)
    return Layers(crop.size, person, inside, furniture, at, source, depth, normal, rest, _runs(key), metres)


def _inside(crop: Crop, border: Rectangle) -> tuple[Array, tuple[Array, Array]]:
    """(H, W) mask of the picture, and the frame coordinates of every crop pixel."""
    height, width = crop.size
    inverse = crop.inverse.astype(np.float32)
    column = np.arange(width, dtype=np.float32)[:: -1 if crop.flipped else 1]
    row = np.arange(height, dtype=np.float32)[:, None]
    x = inverse[0, 0] * column + inverse[0, 1] * row + inverse[0, 2]
    y = inverse[1, 0] * column + inverse[1, 1] * row + inverse[1, 2]
    x0, y0, x1, y1 = border
    return (x >= x0) & (x < x1) & (y >= y0) & (y < y1), (x, y)


def _runs(key: Array) -> tuple[tuple[int, int, slice], ...]:
    codes, starts, counts = np.unique(key, return_index=True, return_counts=True)
    triples = zip(codes.tolist(), starts.tolist(), counts.tolist(), strict=True)
    return tuple((*divmod(code, len(MATERIALS)), slice(start, start + count)) for code, start, count in triples)

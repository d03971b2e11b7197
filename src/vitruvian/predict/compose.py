"""Maps of several people -> one map of the frame. Every pixel belongs to one person or to nobody.

The owner is the person whose parts are surest of the pixel; a claim outside one's own box counts half, because a crop shows
the neighbours too. Depth and normals are taken from the owner only. Relative depth has no scale that two people share, so
each person's runs from 0 (nearest) to 1 (farthest pixel) on their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from vitruvian.geometry import map_to_source
from vitruvian.types import Array, Classes, Crop, Depth, Normals, Person, Prediction

OUTSIDE_BOX = 0.5
Predictions: TypeAlias = Mapping[str, Prediction]


@dataclass(frozen=True)
class Frame:
    """Maps (H, W) of the photo. owner: uint16, 0 = nobody, i = the i-th person counted from 1.

    depth and normals are NaN where nobody is; ranges: per person the raw (near, far) that became 0 and 1, None if unseen;
    mask: whether parts or mere boxes say where people are.
    """

    owner: Array
    mask: Literal["parts", "boxes"]
    parts: Classes | None = None
    depth: Depth | None = None
    normals: Normals | None = None
    ranges: tuple[tuple[float, float] | None, ...] = ()


@dataclass(frozen=True)
class _Claim:
    """What one person says about the pixels of a window of the frame."""

    window: tuple[slice, slice]
    crop: Crop  # of the window alone
    ids: Array
    score: Array
    strength: Array
    foreground: Array  # on the crop's frame


def compose(people: Sequence[Predictions], size: tuple[int, int]) -> Frame:
    """Per-person predictions of one photo of `size` (H, W) -> its frame. No people: nobody anywhere."""
    claims = [_claim(predictions, size) for predictions in people]
    owner, strength = np.zeros(size, np.uint16), np.zeros(size, np.float32)
    ids, score = np.zeros(size, np.uint8), np.zeros(size, np.float32)
    for number, claim in enumerate(claims, 1):
        won = claim.strength > strength[claim.window]
        for target, values in ((strength, claim.strength), (ids, claim.ids), (score, claim.score)):
            target[claim.window][won] = values[won]
        owner[claim.window][won] = number
    said = [prediction.value for predictions in people for prediction in predictions.values()]
    class_set = next((value.class_set for value in said if isinstance(value, Classes)), None)
    depth, ranges = _depth(people, claims, owner)
    return Frame(
        owner=owner,
        mask="parts" if class_set or not people else "boxes",
        parts=Classes(ids, score, class_set) if class_set else None,
        depth=depth,
        normals=_normals(people, claims, owner),
        ranges=ranges,
    )


def _claim(predictions: Predictions, size: tuple[int, int]) -> _Claim:
    first = next(iter(predictions.values()))
    window, crop = _window(first.crop, size)
    own = _in_box(first.person, window)
    classes = next((p.value for p in predictions.values() if isinstance(p.value, Classes)), None)
    if classes is None:
        claimed = np.where(own, np.float32(max(first.person.score, 1e-3)), 0).astype(np.float32)
        return _Claim(window, crop, own.astype(np.uint8), claimed, claimed, np.ones(first.crop.size, np.float32))
    ids, score = _smooth_classes(classes, crop)
    strength = np.where(ids > 0, score, 0) * np.where(own, 1, OUTSIDE_BOX)
    return _Claim(window, crop, ids, score, strength.astype(np.float32), (classes.ids > 0).astype(np.float32))


def _window(crop: Crop, size: tuple[int, int]) -> tuple[tuple[slice, slice], Crop]:
    """The part of the photo that a crop shows, and the crop as seen from there."""
    height, width = crop.size
    corners = crop.points_to_source(np.array([[-1, -1], [width, -1], [-1, height], [width, height]]))
    low = np.clip(np.floor(corners.min(0)).astype(int), 0, (size[1] - 1, size[0] - 1))
    high = np.clip(np.ceil(corners.max(0)).astype(int) + 1, low + 1, (size[1], size[0]))
    matrix = crop.matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ low
    (x0, y0), (x1, y1) = low, high
    return (slice(y0, y1), slice(x0, x1)), Crop(matrix, crop.size, (y1 - y0, x1 - x0), crop.flipped)


def _in_box(person: Person, window: tuple[slice, slice]) -> Array:
    rows, columns = window
    y, x = np.ogrid[rows, columns]
    x0, y0, x1, y1 = np.asarray(person.box, np.float64)
    inside: Array = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    return inside


def _smooth_classes(value: Classes, crop: Crop) -> tuple[Array, Array]:
    """Ids and probabilities on the window: each class's probability is resampled, so that edges come out smooth."""
    best, ids = np.zeros(crop.source_size, np.float32), np.zeros(crop.source_size, np.uint8)
    for i in np.unique(value.ids):
        score = map_to_source(np.where(value.ids == i, value.score, 0).astype(np.float32), crop, border=0)
        better = score > best
        best[better], ids[better] = score[better], i
    return ids, best


def _inside(values: Array, claim: _Claim) -> Array:
    """A map (h, w[, C]) on the window, of foreground pixels only: what lies behind a silhouette does not bleed into it."""
    shape = (1,) * (values.ndim - 2)
    known = claim.foreground * np.isfinite(values).reshape(*values.shape[:2], -1).all(-1)
    weight = map_to_source(known, claim.crop, border=0)
    filled = np.where(known.reshape(*known.shape, *shape) > 0, values, 0).astype(np.float32)
    total = map_to_source(filled, claim.crop, border=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        out: Array = total / weight.reshape(*weight.shape, *shape)
    out[weight <= 0] = np.nan
    return out


def _depth(
    people: Sequence[Predictions], claims: Sequence[_Claim], owner: Array
) -> tuple[Depth | None, tuple[tuple[float, float] | None, ...]]:
    out = np.full(owner.shape, np.nan, np.float32)
    ranges: list[tuple[float, float] | None] = []
    kind: Depth | None = None
    for number, (predictions, claim) in enumerate(zip(people, claims, strict=True), 1):
        value = next((p.value for p in predictions.values() if isinstance(p.value, Depth)), None)
        if value is None:
            continue
        kind = value
        z = _inside(value.z, claim)
        mine = (owner[claim.window] == number) & np.isfinite(z)
        near, far = (float(z[mine].min()), float(z[mine].max())) if mine.any() else (0.0, 0.0)
        ranges.append((near, far) if mine.any() else None)
        if value.kind == "relative":
            z = (z - near) / (far - near) if far > near else np.zeros_like(z)
        out[claim.window][mine] = z[mine]
    return (Depth(out, kind.kind, kind.unit) if kind else None), tuple(ranges)


def _normals(people: Sequence[Predictions], claims: Sequence[_Claim], owner: Array) -> Normals | None:
    out = np.full((*owner.shape, 3), np.nan, np.float32)
    found: Normals | None = None
    for number, (predictions, claim) in enumerate(zip(people, claims, strict=True), 1):
        value = next((p.value for p in predictions.values() if isinstance(p.value, Normals)), None)
        if value is None:
            continue
        found = value
        n = _inside(value.n, claim)
        mine = (owner[claim.window] == number) & np.isfinite(n).all(-1)
        length = np.linalg.norm(n[mine], axis=-1, keepdims=True)
        out[claim.window][mine] = n[mine] / np.maximum(length, 1e-6)
    return Normals(out, found.frame) if found else None

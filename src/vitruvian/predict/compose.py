"""Maps of several people, or of the whole photo -> one map of the frame. Every pixel belongs to one person or to nobody.

The owner is the person whose parts are surest of the pixel; a claim outside one's own box counts half, because a crop shows
the neighbours too. Where one model saw the whole frame, boxes say whose its parts are. Depth and normals are taken from the
owner only. Relative depth has no scale that two crops share, so each one's runs from 0 (nearest) to 1 (farthest pixel).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from vitruvian.geometry import map_to_source, warp
from vitruvian.predict.parts import parts_on_photo
from vitruvian.types import Array, Classes, Crop, Depth, Normals, Person, Prediction

OUTSIDE_BOX = 0.5
Predictions: TypeAlias = Mapping[str, Prediction]
Mask: TypeAlias = Literal["parts", "boxes", "frame"]
Window: TypeAlias = tuple[slice, slice]


@dataclass(frozen=True)
class Frame:
    """Maps (H, W) of the photo. owner: uint16, 0 = nobody, i = the i-th person counted from 1.

    depth and normals are NaN where nobody is; ranges: per person the raw (near, far) that became 0 and 1, None if unseen, or
    one such range of the whole frame if one model saw all of it; mask: what says where people are, parts or boxes, or nothing
    (`frame`: maps of the whole frame without parts).
    """

    owner: Array
    mask: Mask
    parts: Classes | None = None
    depth: Depth | None = None
    normals: Normals | None = None
    ranges: tuple[tuple[float, float] | None, ...] = ()
    whole_depth: bool = False


@dataclass(frozen=True)
class _Map:
    """A map of one person, or of all, on its way to the frame. window: the part of the photo that its crop shows; crop: as seen
    from there; foreground: on the crop's frame; mine: pixels of the window that it may fill."""

    prediction: Prediction
    window: Window
    crop: Crop
    foreground: Array
    mine: Array


def compose(people: Sequence[tuple[Person, Predictions]], size: tuple[int, int], whole: Predictions | None = None) -> Frame:
    """People and what is said of each, and of the `whole` frame -> the frame of `size` (H, W)."""
    whole = whole or {}
    parts = whole.get("seg") or next((said["seg"] for _, said in people if "seg" in said), None)
    class_set = parts.value.class_set if parts and isinstance(parts.value, Classes) else None
    if "seg" in whole:
        owner, ids, score = _owners_of_whole(people, whole["seg"], size)
        inside = ids > 0
    else:
        owner, ids, score = _owners(people, size)
        inside = owner > 0
    mask: Mask = "parts" if class_set or not (people or whole) else "boxes"
    if whole.keys() & {"depth", "normal"} and class_set is None:
        inside, mask = np.ones(size, bool), "frame"
    depth, ranges = _depth(_maps("depth", people, whole, owner, inside), size)
    return Frame(
        owner=owner,
        mask=mask,
        parts=Classes(ids, score, class_set) if class_set else None,
        depth=depth,
        normals=_normals(_maps("normal", people, whole, owner, inside), size),
        ranges=ranges,
        whole_depth="depth" in whole,
    )


def _owners(people: Sequence[tuple[Person, Predictions]], size: tuple[int, int]) -> tuple[Array, Array, Array]:
    """Whose each pixel is, its part and that part's probability, where everybody has parts of their own, or a box."""
    owner, strength = np.zeros(size, np.uint16), np.zeros(size, np.float32)
    ids, score = np.zeros(size, np.uint8), np.zeros(size, np.float32)
    for number, (person, said) in enumerate(people, 1):
        if not said:
            continue
        seg = said.get("seg")
        window, crop = _window((seg or next(iter(said.values()))).crop, size)
        own = _in_box(person, window)
        if seg is not None:
            part, sure = parts_on_photo(seg.value, crop)
            claim = np.where(part > 0, sure, 0) * np.where(own, 1, OUTSIDE_BOX)
        else:
            part = own.astype(np.uint8)
            claim = sure = np.where(own, np.float32(max(person.score, 1e-3)), 0)
        won = claim > strength[window]
        for target, values in ((strength, claim), (ids, part), (score, sure)):
            target[window][won] = values[won]
        owner[window][won] = number
    return owner, ids, score


def _owners_of_whole(
    people: Sequence[tuple[Person, Predictions]], seg: Prediction, size: tuple[int, int]
) -> tuple[Array, Array, Array]:
    """The same where one model saw the whole frame: a part's pixel is the first person's in whose box it lies."""
    everywhere, crop = _window(seg.crop, size)
    ids, score = np.zeros(size, np.uint8), np.zeros(size, np.float32)
    ids[everywhere], score[everywhere] = parts_on_photo(seg.value, crop)
    owner = np.zeros(size, np.uint16)
    for number, (person, _) in reversed(list(enumerate(people, 1))):
        owner[(ids > 0) & _in_box(person, np.s_[0 : size[0], 0 : size[1]])] = number
    return owner, ids, score


def _maps(
    task: str, people: Sequence[tuple[Person, Predictions]], whole: Predictions, owner: Array, inside: Array
) -> list[_Map | None]:
    """The maps of one task: of the whole frame alone, or one for each person (None where it is not asked for)."""
    if task in whole:
        return [_map(whole[task], inside, whole.get("seg"))]
    return [
        _map(said[task], owner == number, said.get("seg")) if task in said else None
        for number, (_, said) in enumerate(people, 1)
    ]


def _map(prediction: Prediction, mine: Array, seg: Prediction | None) -> _Map:
    window, crop = _window(prediction.crop, (mine.shape[0], mine.shape[1]))
    if seg is None:
        foreground = np.ones(prediction.crop.size, np.float32)
    elif seg.crop is prediction.crop and isinstance(seg.value, Classes):
        foreground = (seg.value.ids > 0).astype(np.float32)
    else:  # another model's parts, on another crop
        foreground = warp(mine[window].astype(np.float32), crop)
    return _Map(prediction, window, crop, foreground, mine[window])


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
    """Pixels whose centre lies in the box: a box counts edges of pixels, the first centre is at half a pixel."""
    rows, columns = window
    y, x = np.ogrid[rows, columns]
    x0, y0, x1, y1 = np.asarray(person.box, np.float64) - 0.5
    inside: Array = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    return inside


def _inside(values: Array, at: _Map) -> tuple[Array, Array]:
    """The pixels of the window that a map (h, w[, C]) fills (bool), and its values (N[, C]) there.

    Only foreground pixels of the crop count: what lies behind a silhouette does not bleed into it.
    """
    shape = (1,) * (values.ndim - 2)
    known = at.foreground * np.isfinite(values).reshape(*values.shape[:2], -1).all(-1)
    weight = map_to_source(known, at.crop, border=0)
    share = known.reshape(*known.shape, *shape)
    total = map_to_source(np.where(share > 0, values * share, 0).astype(np.float32), at.crop, border=0)
    filled = at.mine & (weight > 0)
    return filled, total[filled] / weight[filled].reshape(-1, *shape)


def _depth(maps: Sequence[_Map | None], size: tuple[int, int]) -> tuple[Depth | None, tuple[tuple[float, float] | None, ...]]:
    out = np.full(size, np.nan, np.float32)
    ranges: list[tuple[float, float] | None] = []
    found: Depth | None = None
    for at in maps:
        if at is None or not isinstance(at.prediction.value, Depth):
            continue
        found = at.prediction.value
        filled, z = _inside(found.z, at)
        near, far = (float(z.min()), float(z.max())) if len(z) else (0.0, 0.0)
        ranges.append((near, far) if len(z) else None)
        if found.kind == "relative":
            z = (z - near) / (far - near) if far > near else np.zeros_like(z)
        out[at.window][filled] = z
    return (Depth(out, found.kind, found.unit) if found else None), tuple(ranges)


def _normals(maps: Sequence[_Map | None], size: tuple[int, int]) -> Normals | None:
    out = np.full((*size, 3), np.nan, np.float32)
    found: Normals | None = None
    for at in maps:
        if at is None or not isinstance(at.prediction.value, Normals):
            continue
        found = at.prediction.value
        filled, n = _inside(found.n, at)
        out[at.window][filled] = n / np.maximum(np.linalg.norm(n, axis=-1, keepdims=True), 1e-6)
    return Normals(out, found.frame) if found else None

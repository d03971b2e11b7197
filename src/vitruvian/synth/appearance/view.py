"""Training views: one person of a frame, cropped as a detector's box would have it, in a fresh appearance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from vitruvian.data.gbuffer import GBuffer, SynthPerson
from vitruvian.geometry import box_center_scale, fix_aspect, udp_matrix
from vitruvian.synth.appearance import shapes
from vitruvian.synth.appearance.backgrounds import Backgrounds
from vitruvian.synth.appearance.compose import photograph, render
from vitruvian.synth.appearance.layers import Layers, Rectangle, gather, turn, whole_frame
from vitruvian.types import Array, Crop, Sample
from vitruvian.vocab import class_set, skeleton


@dataclass(frozen=True)
class ViewParams:
    """How views vary. scale, shift, aspect: of the box, as factors and shares of its sides; chances in 0..1.

    padding: of the box, as the model's ModelSpec.box_padding. half_body, face, hand: chances of a closer framing; loose: of one
    as bad as a detector's faint find, up to half as large or twice as large as the box and shifted by up to a third.
    most_hidden: share of the person that occluders may hide; least_filled: share of the view that is to be picture, not
    black border.
    """

    padding: float = 1.25
    scale: tuple[float, float] = (0.75, 1.35)
    shift: float = 0.07
    aspect: float = 0.12
    rotate: float = 0.4
    degrees: float = 30.0
    flip: float = 0.5
    half_body: float = 0.18
    face: float = 0.08
    hand: float = 0.04
    loose: float = 0.0
    occlude: float = 0.25
    truncate: float = 0.15
    most_hidden: float = 0.5
    least_filled: float = 0.65


DEFAULT = ViewParams()
LOOSE_SCALE, LOOSE_SHIFT, LOOSE_FARTHEST = (0.5, 2.0), 0.17, 0.33  # of a side; the shift as a deviation and at most
SMALLEST = 12.0  # px of the visible box's longer side, below which a person cannot be looked at
_CLASSES = class_set("body28")
_SKELETON = skeleton("wholebody133")
PART_FLIP = np.array(_CLASSES.flip, np.uint8)
_POINT_FLIP = np.array(_SKELETON.flip)


def people_in_sight(frame: GBuffer) -> list[int]:
    """Indices (0-based) of the people worth a view: at least `SMALLEST` pixels of their box's longer side are seen."""
    return [i for i, who in enumerate(frame.people) if _extent(who.box) >= SMALLEST]


def view(
    frame: GBuffer,
    index: int,
    rng: np.random.Generator,
    size: tuple[int, int] = (256, 192),
    params: ViewParams = DEFAULT,
    backgrounds: Backgrounds | None = None,
) -> tuple[Sample, Crop]:
    """A training view of person `index` (0-based) at `size` (H, W): the sample on the crop's own frame, and its identity crop.

    All that the view does has already happened to the arrays: image, mask, classes, depth and normal have the crop's size;
    a mirrored view has left and right parts and keypoints swapped and normals' x negated; a turned view has the normals
    turned with it; intrinsics belong to the crop. The returned Crop is the identity and not flipped, so a task's
    `encode(sample, crop, spec)` resamples nothing. Parts, depth and normals are those of every person in sight, keypoints
    and mask of this one. Under an occluder, a thing (pixels numbered beyond the people) and beyond the picture's border
    (black): class 0, depth and normal NaN; keypoints there keep their place with visibility 1 (occluder, thing) or get 0
    (border, or outside the view).
    box: outline of the visible mask, the whole view when nothing is visible. A person that is hardly seen (see
    `people_in_sight`) gives a view of the whole frame with every keypoint at visibility 0. All randomness comes from `rng`.
    """
    photos = backgrounds or Backgrounds.load()
    who = frame.people[index]
    if _extent(who.box) < SMALLEST:
        who = _unseen(frame, who)
    crop, border = _draw_framing(frame, who, rng, size, params)
    layers = gather(frame, crop, border)
    image = render(frame, layers, crop, rng, photos, border)
    hidden = layers.person > len(frame.people)  # things
    if rng.random() < params.occlude:
        hidden |= _occlude(image, layers, index + 1, rng, photos, params.most_hidden)
    image = photograph(image, layers, rng)
    sample = _labels(frame, who, index, image, layers, crop, hidden)
    return sample, whole_frame(size)


def _extent(box: Array) -> float:
    return float(max(box[2] - box[0], box[3] - box[1]))


def _unseen(frame: GBuffer, who: SynthPerson) -> SynthPerson:
    height, width = frame.size
    points = who.wholebody133.copy()
    points[:, 2] = 0
    return replace(who, box=np.array([0, 0, width - 1, height - 1], np.float32), wholebody133=points)


def _draw_framing(
    frame: GBuffer, who: SynthPerson, rng: np.random.Generator, size: tuple[int, int], params: ViewParams
) -> tuple[Crop, Rectangle]:
    """Crop and border of the picture; a view that would be mostly black border is drawn anew, up to four times."""
    grid = np.stack(np.meshgrid(np.linspace(0, size[1] - 1, 9), np.linspace(0, size[0] - 1, 9)), -1).reshape(-1, 2)
    for _ in range(4):
        crop = _draw_crop(frame, who, rng, size, params)
        border = _draw_border(frame, crop, who, rng, params)
        x, y = crop.points_to_source(grid).T
        within = (x >= border[0]) & (x < border[2]) & (y >= border[1]) & (y < border[3])
        if within.mean() >= params.least_filled:
            break
    return crop, border


def _draw_crop(frame: GBuffer, who: SynthPerson, rng: np.random.Generator, size: tuple[int, int], params: ViewParams) -> Crop:
    box = _framing(who, rng, params)
    center, scale = box_center_scale(box, params.padding)
    scale = scale * np.exp(rng.normal(0, params.aspect, 2)).clip(0.7, 1.4)
    scale = fix_aspect(scale.astype(np.float64), size[1] / size[0])
    shift, farthest, factors = params.shift, 0.2, params.scale
    if params.loose > 0 and rng.random() < params.loose:  # a chance of 0 draws nothing
        shift, farthest, factors = LOOSE_SHIFT, LOOSE_FARTHEST, LOOSE_SCALE
    center = center + scale * rng.normal(0, shift, 2).clip(-farthest, farthest)
    scale = scale * np.exp(rng.uniform(*np.log(factors)))
    degrees = float(rng.normal(0, params.degrees / 2)) if rng.random() < params.rotate else 0.0
    matrix = udp_matrix(center, scale, size, float(np.clip(degrees, -params.degrees, params.degrees)))
    return Crop(matrix, size, frame.size, bool(rng.random() < params.flip))


def _framing(who: SynthPerson, rng: np.random.Generator, params: ViewParams) -> Array:
    """(4,) box to look at: the person's, or around half of the body, the face, a hand."""
    drawn, points = rng.random(), who.wholebody133
    options: list[tuple[float, tuple[int, ...], float]] = [
        (params.half_body, _SKELETON.upper[:11] if rng.random() < 0.75 else _SKELETON.lower, 0.12),
        (params.face, tuple(range(23, 91)), 0.35),
        (params.hand, tuple(range(91, 112)) if rng.random() < 0.5 else tuple(range(112, 133)), 0.3),
    ]
    for chance, rows, margin in options:
        if drawn < chance:
            near = _around(points[list(rows)], margin)
            return who.box if near is None else near
        drawn -= chance
    return who.box


def _around(points: Array, margin: float) -> Array | None:
    """Box around keypoints, widened; None when too few of them are seen or it would be too small to show anything."""
    seen = points[points[:, 2] > 0]
    if len(seen) < 0.5 * len(points) or (seen[:, 2] == 2).mean() < 0.4:
        return None
    low, high = seen[:, :2].min(0), seen[:, :2].max(0)
    if (high - low).max() < 24:
        return None
    extra = margin * (high - low).max()
    return np.concatenate([low - extra, high + extra]).astype(np.float32)


def _draw_border(frame: GBuffer, crop: Crop, who: SynthPerson, rng: np.random.Generator, params: ViewParams) -> Rectangle:
    """Where the picture ends, in frame pixels: at the frame where people touch it, anywhere beyond where they do not, and
    at times through the person."""
    height, width = frame.size
    people = frame.person > 0
    touched = (people[:, 0].any(), people[0].any(), people[:, -1].any(), people[-1].any())
    frame_edge = (-0.5, -0.5, width - 0.5, height - 0.5)
    reach = np.hypot(*crop.size) / np.sqrt(abs(np.linalg.det(crop.matrix[:, :2])))
    edges = []
    for side, (edge, at_frame) in enumerate(zip(frame_edge, touched, strict=True)):
        outward = -1 if side < 2 else 1
        beyond = 0.0 if at_frame else (9.0 if rng.random() < 0.85 else rng.exponential(0.15)) * reach
        edges.append(edge + outward * beyond)
    if rng.random() < params.truncate:
        side = int(rng.choice(4, p=[0.2, 0.15, 0.2, 0.45]))
        span = who.box[side % 2 + 2] - who.box[side % 2]
        cut = who.box[side] + (1 if side < 2 else -1) * float(span) * rng.uniform(0, 0.45)
        edges[side] = max(edges[side], cut) if side < 2 else min(edges[side], cut)
    return edges[0], edges[1], edges[2], edges[3]


def _occlude(image: Array, layers: Layers, number: int, rng: np.random.Generator, photos: Backgrounds, most: float) -> Array:
    """Paint things before the person, in place; returns where, (H, W) bool. Never more than the share `most` of the person."""
    target = layers.person == number
    rows, columns = np.nonzero(target)
    hidden = np.zeros(layers.size, bool)
    if not len(rows):
        return hidden
    reach = max(np.ptp(rows), np.ptp(columns)) * rng.uniform(0.04, 0.22)
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        k = int(rng.integers(len(rows)))
        before = image.copy()
        here = shapes.paint(image, rng, photos, np.array([columns[k], rows[k]]), reach) > 127
        if (target & (hidden | here)).sum() > most * len(rows):
            image[:] = before
        else:
            hidden |= here
    return hidden


def _labels(frame: GBuffer, who: SynthPerson, index: int, image: Array, layers: Layers, crop: Crop, hidden: Array) -> Sample:
    classes = layers.image(frame.part.ravel()[layers.source])
    if crop.flipped:
        classes = PART_FLIP[classes]
    depth, normal = layers.image(layers.depth, np.nan), layers.image(layers.normal, np.nan)
    mask = (layers.person == index + 1) & ~hidden
    classes[hidden], depth[hidden], normal[hidden] = 0, np.nan, np.nan
    box = np.array([0, 0, crop.size[1] - 1, crop.size[0] - 1], np.float32)
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    if width:
        box = np.array([x, y, x + width - 1, y + height - 1], np.float32)
    return replace(
        frame.sample(index, image), box=box, mask=mask, area=float(mask.sum()), classes=classes, depth=depth, normal=normal,
        keypoints=_keypoints(who.wholebody133, layers, crop, hidden), intrinsics=_intrinsics(frame.intrinsics, crop),
    )  # fmt: skip


def _keypoints(points: Array, layers: Layers, crop: Crop, hidden: Array) -> Array:
    out = np.array(points, np.float32)
    out[:, :2] = crop.points_to_input(points[:, :2])
    if crop.flipped:
        out = out[_POINT_FLIP]
    height, width = layers.size
    x, y = np.rint(np.nan_to_num(out[:, 0], nan=-9)).astype(int), np.rint(np.nan_to_num(out[:, 1], nan=-9)).astype(int)
    within = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    seen = out[:, 2]
    seen[hidden[y, x] & (seen == 2)] = 1
    seen[~(within & layers.inside[y, x])] = 0
    return out


def _intrinsics(matrix: Array, crop: Crop) -> Array:
    """(3, 3) of the crop's camera, whose axes are turned and mirrored with the picture (exact where fx = fy)."""
    pixels = np.eye(3)
    pixels[:2] = crop.matrix
    if crop.flipped:
        pixels = np.array([[-1.0, 0, crop.size[1] - 1], [0, 1, 0], [0, 0, 1]]) @ pixels
    out: Array = pixels @ matrix @ turn(crop).T
    return out

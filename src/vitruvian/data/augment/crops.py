"""Where an example looks: jittered boxes of people, windows of whole photos. Each is one matrix: pixels are drawn only once."""

from __future__ import annotations

import numpy as np

from vitruvian.data.augment.settings import Augment
from vitruvian.geometry import box_center_scale, fix_aspect, pad_matrix, stretch_matrix, udp_matrix
from vitruvian.types import IGNORE, Array, Crop, ModelSpec, Sample
from vitruvian.vocab import skeleton

HALF_BODY_VISIBLE, UPPER_VISIBLE, LOWER_VISIBLE = 9, 2, 3  # so many points at least
UPPER_PREFERRED = 0.7
HALF_BODY_PADDING = 1.5
TRIES = 10  # windows drawn for one that shows more than one class
GRID = 32  # points a side at which a window's classes are looked up


def person_crop(sample: Sample, how: Augment, spec: ModelSpec, rng: np.random.Generator) -> Crop:
    """The sample's box, perhaps of half a body, shifted, scaled, turned and mirrored as in Sapiens v1's pose training."""
    center, scale = _half_body(sample, how, rng) or box_center_scale(sample.box, spec.box_padding)
    if rng.random() < how.shift_chance:
        center = center + how.shift * np.array([_bell(rng), _bell(rng)]) * scale
    scale = scale * (1 + how.scale * _bell(rng))
    rotation = how.rotate * _bell(rng) if rng.random() < how.rotate_chance else 0.0
    height, width = sample.image.shape[:2] if spec.fit == "lite" else spec.size
    matrix = udp_matrix(center, fix_aspect(scale, width / height), spec.size, rotation)
    return Crop(matrix, spec.size, _size(sample), bool(rng.random() < how.flip))


def _half_body(sample: Sample, how: Augment, rng: np.random.Generator) -> tuple[Array, Array] | None:
    """Centre and size of the visible points above or below the waist; None where there are too few, or chance says no."""
    if sample.keypoints is None or sample.skeleton is None or rng.random() >= how.half_body:
        return None
    names, visible = skeleton(sample.skeleton), sample.keypoints[:, 2] > 0
    if visible.sum() < HALF_BODY_VISIBLE:
        return None
    upper = [i for i in names.upper if visible[i]]
    lower = [i for i in names.lower if visible[i]]
    first, second = (upper, lower) if rng.random() < UPPER_PREFERRED else (lower, upper)
    least = {id(upper): UPPER_VISIBLE, id(lower): LOWER_VISIBLE}
    chosen = next((rows for rows in (first, second) if len(rows) >= least[id(rows)]), None)
    if chosen is None:
        return None
    points = sample.keypoints[chosen, :2].astype(np.float64)
    scale = HALF_BODY_PADDING * np.ptp(points, axis=0)
    return (points.mean(0), scale) if scale.max() >= 1 else None


def _bell(rng: np.random.Generator) -> float:
    """A standard normal number, drawn again until it lies in -1..1."""
    while True:
        value = float(rng.standard_normal())
        if abs(value) <= 1:
            return value


def frame_crop(sample: Sample, how: Augment, spec: ModelSpec, rng: np.random.Generator) -> Crop:
    """A window of the whole photo as in Sapiens v1's dense training: zoomed, moved, turned and mirrored.

    A window smaller than the input is stretched to it, as whole photos are at inference. Officially the picture is cut before
    it is turned, and its corners are black; here they show what the photo has.
    """
    for _ in range(TRIES):
        matrix = _window(sample, how, spec, rng)
        if _mixed(sample, matrix, spec.size, how):
            break
    if rng.random() < how.rotate_chance and how.rotate:
        matrix = _turned(matrix, spec.size, float(rng.uniform(-how.rotate, how.rotate)))
    return Crop(matrix, spec.size, _size(sample), bool(rng.random() < how.flip))


def _window(sample: Sample, how: Augment, spec: ModelSpec, rng: np.random.Generator) -> Array:
    """(2, 3) matrix: the photo's longer side to the input's longer, shorter to shorter, by the lesser factor times zoom."""
    (height, width), size = _size(sample), spec.size
    zoom = rng.uniform(*how.zoom)
    factor = zoom * min(max(size) / max(height, width), min(size) / min(height, width))
    scaled = max(round(height * factor), 1), max(round(width * factor), 1)
    cut = min(scaled[0], size[0]), min(scaled[1], size[1])
    top, left = (int(rng.integers(whole - part + 1)) for whole, part in zip(scaled, cut, strict=True))
    move = np.array([[1, 0, -left], [0, 1, -top]], np.float64)
    fit = pad_matrix if spec.fit == "pad" else stretch_matrix
    return _then(_then(stretch_matrix((height, width), scaled), move), fit(cut, size))


def _mixed(sample: Sample, matrix: Array, size: tuple[int, int], how: Augment) -> bool:
    """Whether no class has more than its share of the window, and there is more than one; True without classes."""
    if sample.classes is None:
        return True
    height, width = size
    y, x = np.meshgrid(np.linspace(0, height - 1, GRID), np.linspace(0, width - 1, GRID), indexing="ij")
    place = np.round(Crop(matrix, size, _size(sample)).points_to_source(np.stack([x, y], -1))).astype(int)
    rows, columns = (np.clip(place[..., 1 - i], 0, _size(sample)[i] - 1) for i in range(2))
    found = np.bincount(sample.classes[rows, columns].ravel(), minlength=IGNORE + 1)[:IGNORE]
    return bool(np.count_nonzero(found) > 1 and found.max() < how.most_of_one_class * found.sum())


def _turned(matrix: Array, size: tuple[int, int], degrees: float) -> Array:
    """The matrix and then a rotation about the middle of the input."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.array([[cos, -sin], [sin, cos]])
    middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    return _then(matrix, np.concatenate([turn, (middle - turn @ middle)[:, None]], 1))


def _then(first: Array, second: Array) -> Array:
    """(2, 3) matrix of one mapping after the other."""
    out: Array = second[:, :2] @ first + np.array([[0, 0, second[0, 2]], [0, 0, second[1, 2]]])
    return out


def _size(sample: Sample) -> tuple[int, int]:
    return sample.image.shape[0], sample.image.shape[1]

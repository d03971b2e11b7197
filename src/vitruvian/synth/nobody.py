"""Crops that show nobody, or only a piece of somebody: what a detector gives by mistake.

A model that has seen nothing but people answers every crop with one. Here things, surroundings and bits of people fill a crop
that is framed as a person's would be.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitruvian.data.gbuffer import GBuffer
from vitruvian.geometry import iou_matrix, make_crop
from vitruvian.synth.appearance import Backgrounds
from vitruvian.synth.appearance.compose import photograph, render
from vitruvian.synth.appearance.layers import Rectangle, gather, whole_frame
from vitruvian.synth.frames import DEFAULT, FrameParams, add_things, compose, visible_boxes
from vitruvian.types import IGNORE, Array, Crop, Sample

PICTURE = (360, 480)  # (H, W) of the picture that the crop is taken from
BORDER = 0.2  # chance of each side that the picture ends there, as it does around people
TRIES = 12
OVERLAP = 0.25  # IoU with somebody from which a crop is of that person
FILLED = 0.3  # share of the box that people's pixels may take
SIDES = (0.12, 1.0)  # longer side of a box, of the picture's
THING = 0.5  # chance that a box is drawn around a thing
NARROWEST = 8.0  # px of a box's shorter side in the picture


def nobody_view(
    groups: Sequence[GBuffer],
    rng: np.random.Generator,
    size: tuple[int, int],
    params: FrameParams = DEFAULT,
    backgrounds: Backgrounds | None = None,
) -> tuple[Sample, Crop]:
    """One crop at `size` (H, W) of a picture with the given groups and things in it, framed on nobody, and its identity crop.

    `classes` is 0, and 255 where a piece of somebody is seen; all other labels are absent. Where no such crop is found among
    the groups they are left out.
    """
    photos = backgrounds or Backgrounds.load()
    frame, whole = compose(groups, rng, PICTURE, params)
    things = add_things(frame, len(whole), rng, params)
    people = np.where(frame.person > len(whole), np.uint8(0), frame.person)
    box = _framing(frame, people, visible_boxes(people, whole, params), len(whole), things, rng)
    if box is None:
        return nobody_view((), rng, size, params, photos)
    crop = make_crop(box, size, PICTURE, rotation=float(rng.normal(0, 5)) if rng.random() < 0.3 else 0.0)
    crop = Crop(crop.matrix, crop.size, crop.source_size, bool(rng.random() < 0.5))
    border = _border(rng)
    layers = gather(frame, crop, border)
    image = photograph(render(frame, layers, crop, rng, photos, border), layers, rng)
    somebody = (layers.person > 0) & (layers.person <= len(whole))
    classes = np.where(somebody, np.uint8(IGNORE), np.uint8(0))
    key = "+".join(group.key for group in groups) or "nobody"
    edge = np.array([0, 0, size[1] - 1, size[0] - 1], np.float32)
    return Sample(image, edge, key=key, classes=classes, licence="CC0-1.0"), whole_frame(size)


def _framing(frame: GBuffer, people: Array, boxes: Array, count: int, things: int, rng: np.random.Generator) -> Array | None:
    """(4,) box that is nobody's; None where none was found. people (H, W): 0 but on the people; boxes (N, 4): theirs."""
    for _ in range(TRIES):
        box = _around_thing(frame, count + 1 + int(rng.integers(things)), rng) if things and rng.random() < THING else None
        box = _anywhere(rng) if box is None else box
        if (box[2:] - box[:2]).min() < NARROWEST:
            continue
        x0, y0, x1, y1 = box.astype(int)
        if iou_matrix(box[None], boxes).max(initial=0) < OVERLAP and (people[y0 : y1 + 1, x0 : x1 + 1] > 0).mean() <= FILLED:
            return box
    return None


def _around_thing(frame: GBuffer, number: int, rng: np.random.Generator) -> Array | None:
    """The outline of what is seen of a thing, as roughly as detectors give boxes; None where little is seen."""
    rows, columns = np.nonzero(frame.person == number)
    if not len(rows):
        return None
    box = np.array([columns.min(), rows.min(), columns.max(), rows.max()], np.float32)
    side = box[2:] - box[:2]
    box = _clipped(box + rng.normal(0, 0.12, 4) * np.tile(side, 2))
    return box if (box[2:] - box[:2]).min() >= NARROWEST else None


def _anywhere(rng: np.random.Generator) -> Array:
    limit = np.array(PICTURE[::-1])
    side = max(PICTURE) * np.exp(rng.uniform(*np.log(SIDES)))
    shape = np.exp(rng.normal(-0.45, 0.45))  # width over height
    extent = np.minimum(side * np.array([min(shape, 1), min(1 / shape, 1)]), limit - 1)
    corner = rng.uniform(-0.15, 1, 2) * (limit - 0.7 * extent)
    return _clipped(np.concatenate([corner, corner + np.maximum(extent, 16)]).astype(np.float32))


def _border(rng: np.random.Generator) -> Rectangle:
    """Where the picture ends; mostly nowhere near, its surroundings going on beyond what is modelled."""
    beyond = np.where(rng.random(4) < BORDER, 0.0, 4.0 * max(PICTURE))
    return -0.5 - beyond[0], -0.5 - beyond[1], PICTURE[1] - 0.5 + beyond[2], PICTURE[0] - 0.5 + beyond[3]


def _clipped(box: Array) -> Array:
    height, width = PICTURE
    out: Array = np.clip(box, 0, np.array([width - 1, height - 1] * 2)).astype(np.float32)
    return out

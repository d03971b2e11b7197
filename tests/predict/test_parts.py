"""Parts on the photo are those of the plain way: every class's probability resampled by itself, the greatest wins."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from vitruvian.geometry import make_crop, map_to_source
from vitruvian.predict import parts
from vitruvian.predict.parts import parts_on_photo
from vitruvian.types import Array, Classes, Crop, Depth

SIZE = (90, 130)
INPUT = (32, 24)
RNG = np.random.default_rng(0)


def plain(value: Classes, crop: Crop) -> tuple[Array, Array, Array]:
    """Ids, their probabilities, and how far the second class is behind."""
    shares = np.zeros((256, *crop.source_size), np.float32)
    for i in np.unique(value.ids):
        shares[i] = map_to_source(np.where(value.ids == i, value.score, 0).astype(np.float32), crop, border=0)
    best = np.sort(shares, axis=0)
    return shares.argmax(0).astype(np.uint8), best[-1], best[-1] - best[-2]


def areas() -> Array:
    """Smooth regions of many classes."""
    fields = [cv2.resize(RNG.normal(size=(5, 4)), INPUT[::-1], interpolation=cv2.INTER_CUBIC) for _ in range(28)]
    return np.argmax(fields, 0).astype(np.uint8)


def at(ids: Array, score: Array | float | None = None) -> Classes:
    if score is None:
        score = RNG.uniform(0.2, 1, ids.shape)
    return Classes(ids, np.broadcast_to(np.asarray(score, np.float32), ids.shape), "body28")


VALUES = {
    "smooth": lambda: at(areas()),
    "noise": lambda: at(RNG.integers(0, 28, INPUT).astype(np.uint8)),
    "one part": lambda: at(np.full(INPUT, 7, np.uint8)),
    "background": lambda: at(np.zeros(INPUT, np.uint8)),
    "as sure everywhere": lambda: at(areas(), 0.5),
    "unsure": lambda: at(areas(), 0.0),
    "one pixel": lambda: at(np.full((1, 1), 3, np.uint8)),
    "one row": lambda: at(RNG.integers(0, 28, (1, 9)).astype(np.uint8)),
    "two columns": lambda: at(RNG.integers(0, 28, (9, 2)).astype(np.uint8)),
}
BOXES = {"inside": (30, 20, 70, 80), "beyond the photo": (-40, 50, 60, 140), "small": (60, 40, 66, 49)}
CROPS = {
    "upright": lambda box, size: make_crop(np.array(box, np.float32), size, SIZE),
    "turned": lambda box, size: make_crop(np.array(box, np.float32), size, SIZE, rotation=33.0),
    "mirrored": lambda box, size: replace(make_crop(np.array(box, np.float32), size, SIZE, rotation=-12.0), flipped=True),
    "stretched": lambda box, size: make_crop(np.array(box, np.float32), size, SIZE, "stretch"),
    "padded": lambda box, size: make_crop(np.array(box, np.float32), size, SIZE, "pad"),
    "upright, mirrored": lambda box, size: replace(make_crop(np.array(box, np.float32), size, SIZE), flipped=True),
}


def crop_of(kind: str, box: str, value: Classes) -> Crop:
    """A crop of the value's size; make_crop needs two pixels a side to tell a scale."""
    height, width = value.ids.shape
    crop = CROPS[kind](BOXES[box], (max(height, 2), max(width, 2)))
    return replace(crop, size=(height, width))


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("kind", CROPS)
@pytest.mark.parametrize("name", VALUES)
def test_ids_and_probabilities_are_those_of_the_plain_way(name: str, kind: str, box: str) -> None:
    value = VALUES[name]()
    crop = crop_of(kind, box, value)
    ids, score = parts_on_photo(value, crop)
    slow, probability, lead = plain(value, crop)
    assert ids.dtype == np.uint8 and score.dtype == np.float32 and ids.shape == score.shape == SIZE
    np.testing.assert_allclose(score, probability, atol=3e-7)
    clear = lead > 1e-6
    assert (ids[clear] == slow[clear]).all()
    assert (ids[probability == 0] == 0).all()


def test_a_few_boundary_pixels_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    value, crop = at(areas()), CROPS["turned"](BOXES["inside"], INPUT)
    whole = parts_on_photo(value, crop)
    monkeypatch.setattr(parts, "AT_ONCE", 7)
    for one, other in zip(whole, parts_on_photo(value, crop), strict=True):
        assert (one == other).all()


def test_the_input_stays_as_it_was() -> None:
    value = at(areas())
    ids, score = value.ids.copy(), value.score.copy()
    parts_on_photo(value, CROPS["mirrored"](BOXES["inside"], INPUT))
    assert (value.ids == ids).all() and (value.score == score).all()


def test_other_values_are_refused() -> None:
    with pytest.raises(TypeError, match="Classes"):
        parts_on_photo(Depth(np.zeros(INPUT, np.float32)), CROPS["upright"](BOXES["inside"], INPUT))

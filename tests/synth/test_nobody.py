"""Crops of nobody: framed as people are, with no label but what is background and what is somebody's piece."""

from __future__ import annotations

import numpy as np
import pytest
from shapes import group

from vitruvian.synth import nobody
from vitruvian.synth.appearance.filters import random_filter
from vitruvian.synth.frames import FrameParams
from vitruvian.synth.nobody import nobody_view
from vitruvian.types import IGNORE

SIZE = (64, 48)
THINGS = FrameParams(things=(0.2, 0.4, 0.4), thing_px=64)


@pytest.mark.parametrize("seed", range(8))
def test_only_pieces_of_people_do_not_count_and_little_of_them_is_seen(seed: int) -> None:
    sample, crop = nobody_view([group(), group(depth=5)], np.random.default_rng(seed), SIZE, THINGS)
    assert sample.image.shape == (*SIZE, 3) and crop.size == crop.source_size == SIZE
    assert sample.classes is not None and set(np.unique(sample.classes)) <= {0, IGNORE}
    assert (sample.classes == IGNORE).mean() < 0.6  # of the padded crop; of the box itself at most `FILLED`
    assert sample.keypoints is None and sample.depth is None and sample.normal is None and sample.mask is None


def test_no_crop_is_a_sliver(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = []
    make = nobody.make_crop
    monkeypatch.setattr(nobody, "make_crop", lambda box, *rest, **more: boxes.append(box) or make(box, *rest, **more))
    monkeypatch.setattr(nobody, "_anywhere", lambda rng: np.array([5, 5, rng.choice([5, 9, 90]), 90], np.float32))
    for seed in range(8):
        nobody_view([], np.random.default_rng(seed), SIZE, FrameParams())
    assert min((box[2:] - box[:2]).min() for box in boxes) >= 8


def test_pieces_of_people_are_seen_at_times() -> None:
    seen = [
        (nobody_view([group()], np.random.default_rng(seed), SIZE, THINGS)[0].classes == IGNORE).any() for seed in range(24)
    ]
    assert 0 < sum(seen) < len(seen)


def test_where_everything_is_somebody_the_people_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nobody, "FILLED", -1.0)  # so that no box is nobody's
    monkeypatch.setattr(nobody, "TRIES", 1)
    drawn: list[int] = []
    compose = nobody.compose

    def counted(groups, rng, size, params):
        drawn.append(len(groups))
        if not groups:
            monkeypatch.setattr(nobody, "FILLED", 1.0)
        return compose(groups, rng, size, params)

    monkeypatch.setattr(nobody, "compose", counted)
    sample, _ = nobody_view([group()], np.random.default_rng(0), SIZE, THINGS)
    assert drawn == [1, 0]
    assert sample.classes is not None and not sample.classes.any()


def test_the_same_seed_makes_the_same_crop() -> None:
    first, again = (nobody_view([group()], np.random.default_rng(3), SIZE, THINGS)[0].image for _ in range(2))
    np.testing.assert_array_equal(first, again)


class TestFilter:
    IMAGE = np.random.default_rng(0).integers(1, 255, (40, 30, 3)).astype(np.uint8)

    def test_shapes_and_brightness_stay_and_colours_do_not(self) -> None:
        image = self.IMAGE // 8 + 60
        image[10:20, 10:20] += 120
        changed = 0
        for seed in range(10):
            out = random_filter(image, np.random.default_rng(seed))
            assert out.shape == image.shape and out.dtype == np.uint8
            assert abs(float(out.mean()) - float(image.mean())) < 12
            changed += bool(np.abs(out.astype(int) - image).mean() > 8)
        assert changed >= 5

    def test_a_black_border_makes_the_rest_no_darker(self) -> None:
        image = self.IMAGE // 4 + 90
        image[:16] = 0
        drawn = [random_filter(image, np.random.default_rng(seed))[16:].mean() for seed in range(10)]
        assert np.abs(np.array(drawn) - image[16:].mean()).max() < 6

    def test_borders_stay_black(self) -> None:
        image = self.IMAGE.copy()
        image[:10] = 0
        assert not random_filter(image, np.random.default_rng(1))[:10].any()

    def test_a_picture_of_one_colour_stays_one(self) -> None:
        out = random_filter(np.full((16, 16, 3), 90, np.uint8), np.random.default_rng(2))
        assert (out == 90).all()

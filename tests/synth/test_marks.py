from __future__ import annotations

import numpy as np
import pytest

from vitruvian.synth.marks import PACKAGED, STYLES, caption, draw_as, watermark
from vitruvian.synth.marks.fonts import line_mask
from vitruvian.synth.marks.logos import JUDGED as OTHER_LOGOS
from vitruvian.synth.marks.logos import LEARNED, logo
from vitruvian.types import Array


@pytest.fixture
def photo() -> Array:
    return np.full((120, 160, 3), 120, np.uint8)


@pytest.mark.parametrize("put", [watermark, caption, lambda *words: watermark(*words, OTHER_LOGOS)])
def test_marks_change_the_photo_where_they_say_and_nowhere_far(put, photo: Array) -> None:
    for seed in range(20):
        out, mask = put(photo, PACKAGED, np.random.default_rng(seed))
        changed = np.abs(out.astype(int) - photo).max(-1) > 4
        assert mask.max() > 0.2
        assert out.shape == photo.shape and out.dtype == np.uint8
        if put is watermark:
            assert not changed[mask == 0].mean() > 0.2


def test_the_same_seed_makes_the_same_mark(photo: Array) -> None:
    first, again = (watermark(photo, PACKAGED, np.random.default_rng(4))[0] for _ in range(2))
    assert (first == again).all()


@pytest.mark.parametrize("font", sorted(set(PACKAGED)))
def test_every_packaged_font_draws(font: str) -> None:
    mask = line_mask("Photo © 12", font, np.random.default_rng(0))
    assert mask.dtype == np.uint8
    assert 0.02 < (mask > 128).mean() <= 1


@pytest.mark.parametrize("style", STYLES)
def test_every_style_keeps_size_and_type_and_is_no_photo_any_more(style: str) -> None:
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 255, (90, 130, 3)).astype(np.uint8)
    out = draw_as(style, photo, rng)
    assert (out.shape, out.dtype) == (photo.shape, np.uint8)
    assert (out != photo).mean() > 0.5


@pytest.mark.parametrize("kind", [*LEARNED, *OTHER_LOGOS])
def test_every_logo_draws(kind: str) -> None:
    assert kind not in OTHER_LOGOS or kind not in LEARNED
    for seed in range(20):
        mask = logo(kind, np.random.default_rng(seed))
        assert (mask.shape, mask.dtype) == ((100, 100), np.uint8)
        assert 0.01 < (mask > 128).mean() < 0.95

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vitruvian.predict.images import from_array
from vitruvian.predict.marks import COLORS
from vitruvian.predict.pipeline import Predictor
from vitruvian.predict.result import ImageResult
from vitruvian.predict.video.draw import GAP, LONGEST, draw, plan, raw_depth
from vitruvian.types import Person

from .conftest import scene

ALL = ("pose", "seg", "depth", "normal")


@pytest.fixture
def result(predictor: Predictor) -> ImageResult:
    """Two tracked people of whom a random model says something."""
    people = [Person(np.float32([10, 20, 50, 90]), 0.9, 1), Person(np.float32([70, 20, 120, 90]), 0.9, 12)]
    return predictor.predict_photos([from_array(scene([]))], [people], ALL)[0]


@pytest.mark.parametrize("size", [(96, 128), (1081, 721), (720, 3840), (4320, 7680)])
@pytest.mark.parametrize("tasks", [ALL, ALL[:1], ALL[:3]])
def test_panels_fit_the_largest_overlay_and_keep_their_shape(tasks: tuple[str, ...], size: tuple[int, int]) -> None:
    layout = plan(tasks, size)
    assert max(layout.size) <= LONGEST + 1 and layout.size[0] % 2 == layout.size[1] % 2 == 0
    assert layout.panel[0] <= size[0] and layout.panel[1] / layout.panel[0] == pytest.approx(size[1] / size[0], rel=0.02)
    assert [task for task, _, _ in layout.spots()] == list(tasks)
    corners = {(top, left) for _, top, left in layout.spots()}
    assert len(corners) == len(tasks)


def test_one_panel_is_the_whole_picture_in_its_own_size(result: ImageResult) -> None:
    layout = plan(("pose",), (96, 128))
    assert (layout.size, layout.columns) == ((96, 128), 1)
    picture = draw(result, layout, (0, 1))
    assert picture.shape == (96, 128, 3) and picture.dtype == np.uint8
    assert (draw(replace(result, people=()), layout, (0, 1)) == result.image).all(), "nobody, nothing drawn"


def test_boxes_have_the_colour_of_their_track(result: ImageResult) -> None:
    picture = draw(result, plan(ALL, (96, 128)), (0, 1))[:96, :128]
    left, right = (np.abs(picture[35:85].astype(int) - COLORS[i]).sum(-1).max(0) == 0 for i in (0, 1))
    assert left[9:12].any() and not left[60:].any(), "a vertical edge of the box of track 1"
    assert right[68:72].any() and not right[:60].any(), "ten colours: track 12 has the second again"
    assert result.image.max() == 90, "the frame itself is left as it was"


def test_depth_colours_mean_the_same_in_every_frame(result: ImageResult) -> None:
    layout = plan(("pose", "depth"), (96, 128))
    raw = raw_depth(result)
    assert raw is not None and np.isfinite(raw).any()
    near, far = result.frame.ranges[0] or (0, 0)
    mine = result.frame.owner == 1
    assert raw[mine].min() == pytest.approx(near, abs=1e-5) and raw[mine].max() == pytest.approx(far, abs=1e-5)
    wide, narrow = draw(result, layout, (near - 10, far + 10)), draw(result, layout, (near, far))
    _, (_, top, left) = layout.spots()
    inner = mine.copy()
    inner[:30] = False  # free of the panel's title

    def spread(picture: Any) -> float:
        return float(picture[top : top + 96, left : left + 128][inner].astype(int).std(0).sum())

    assert spread(wide) < spread(narrow) / 3


def test_dense_panels_of_a_frame_without_people(result: ImageResult) -> None:
    nobody = replace(result, people=())
    layout = plan(ALL, (96, 128))
    picture = draw(nobody, layout, (0, 1))
    _, _, (_, top, left), _ = layout.spots()
    grey = picture[top + 30 : top + 90, left : left + 128].astype(int)
    assert grey.max() < 90 and (np.ptp(grey, axis=-1) == 0).all()


def test_gap_between_panels_is_dark(result: ImageResult) -> None:
    layout = plan(("pose", "seg"), (96, 128))
    picture = draw(result, layout, (0, 1))
    strip = picture[:, 128 : 128 + GAP] if layout.columns == 2 else picture[96 : 96 + GAP]
    assert strip.max() < 40

"""The stage of people with the detectors that need no weights of their own."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.curate.people import People
from vitruvian.curate.scorer import View
from vitruvian.curate.settings import Settings


@pytest.mark.parametrize("detector", ["whole-image", "hog"])
def test_any_detector_may_be_asked(detector: str) -> None:
    pixels = np.full((200, 160, 3), 90, np.uint8)
    (told,) = People(Settings(detector=detector)).score([View(pixels, (400, 320))])
    if detector == "whole-image":
        assert told["boxes"] == [{"x1": 0.0, "y1": 0.0, "x2": 320.0, "y2": 400.0, "score": 1.0}]
    else:
        assert told["boxes"] == []

"""The last stage: is there a person, surely and large enough? Boxes of all finds are kept, so that a threshold can be moved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitruvian.curate.limits import PERSON, Stage
from vitruvian.curate.scorer import Scores, View
from vitruvian.curate.settings import Settings
from vitruvian.device import choose_compute
from vitruvian.predict.detect import WholeImage, choose_detector, detect_many
from vitruvian.predict.selection import USUAL, Selection

LEAST = 0.05  # of the score; fainter finds are not recorded
MOST = 64  # people of one image that are recorded, the surest


class People:
    """Any detector of `vitruvian predict`. On a CPU every image passes alone: what is said of it hangs on no other."""

    cost = 940.0  # of the packaged detector; others are cheaper

    def __init__(self, settings: Settings) -> None:
        compute = choose_compute(settings.device, "fp32")
        alone = settings.detector == WholeImage.name  # one person with nothing to choose from
        selection = USUAL if alone else Selection(min_score=LEAST, max_people=MOST)
        self._detector = choose_detector(settings.detector, compute, selection)
        self._alone = compute.device.type == "cpu"
        self.model = f"{self._detector.name} {(self._detector.weights or '')[:12]}".strip()
        self.stages: tuple[Stage, ...] = (settings.limits.stage(PERSON),)

    def score(self, batch: Sequence[View]) -> list[Scores]:
        """boxes: dicts of x1, y1, x2, y2 (pixels of the image itself) and score, the surest first."""
        images = [view.pixels for view in batch]
        found = [self._detector.detect(one) for one in images] if self._alone else detect_many(self._detector, images)
        out: list[Scores] = []
        for view, people in zip(batch, found, strict=True):
            ends = np.array([view.size[1], view.size[0]] * 2, np.float32)
            boxes = [
                dict(zip(("x1", "y1", "x2", "y2"), np.round(np.minimum(p.box * view.scale, ends), 1).tolist(), strict=True))
                | {"score": round(p.score, 4)}
                for p in people
            ]
            out.append({"boxes": boxes})
        return out

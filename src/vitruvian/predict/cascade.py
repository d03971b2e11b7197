"""The packaged detector: faint finds of a network on the photo and pieces of it, judged by the packaged model.

Every find is cropped as a photo of one person (`looks`) and scored by a logistic regression of what the model says (`judge`);
where the parts agree with the box, the box moves towards them. The likely ones are looked at again at the moved box.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from vitruvian import weights
from vitruvian.device import Compute
from vitruvian.errors import WeightsError
from vitruvian.geometry import nms
from vitruvian.predict import detect
from vitruvian.predict.finder import Find, Finder
from vitruvian.predict.judge import FILE, FIX, Judge, read_judge
from vitruvian.predict.looks import both, look, moved
from vitruvian.predict.network import Network
from vitruvian.predict.selection import USUAL, Selection
from vitruvian.types import Array, Person

NAME = "cascade"
FINDER, MODEL = "person", "vitruvian-s"
ONCE = 0.5  # of its score keeps a find that is not looked at again


def worth_a_second_look(boxes: Array, scores: Array, judge: Judge) -> Array:
    """Indices of the likely ones among boxes (N, 4) and first scores (N,), the surest first, copies left out."""
    likely = np.flatnonzero(scores >= judge.likely)
    out: Array = likely[nms(boxes[likely], scores[likely], judge.copies)]
    return out


class Cascade:
    """The packaged detector, asked for faint finds too, and the packaged model that judges them."""

    name = NAME

    def __init__(self, compute: Compute, selection: Selection = USUAL, path: Path = FILE) -> None:
        self._judge = read_judge(path)
        self.weights: str | None = weights.file_hash(path)
        finder, model = weights.load(FINDER, kind="detector"), weights.load(MODEL, kind="people")
        for loaded, wanted in ((finder, self._judge.detector), (model, self._judge.model)):
            if loaded.hash != wanted:
                raise WeightsError(
                    f"{path} was fitted to other weights of {loaded.card.spec.name} ({wanted[:12]}, here {loaded.hash[:12]})."
                    f" Fix: --detector person, or fit it anew: {FIX}"
                )
        self._finder = Finder(FINDER, finder, compute, self._judge.most)
        self._network = Network(model, compute, flip_test=False)
        self._least = self._judge.threshold if selection.min_score is None else selection.min_score
        self._overlap = self._judge.overlap if selection.nms is None else selection.nms
        self._rest = replace(selection, min_score=None, nms=None)

    def detect(self, image: Array) -> list[Person]:
        """Passes over the photo and its pieces, and over the finds."""
        return self._judged(image, self._least)

    def detect_faint(self, image: Array) -> tuple[list[Person], float]:
        """As `detect`, down to half of the score that it asks for, and that score."""
        return self._judged(image, self._least / 2), self._least

    def _judged(self, image: Array, least: float) -> list[Person]:
        finds = self._finder.find(image)
        if not finds:
            return []
        boxes, scores = self._seen(image, finds)
        sure = np.flatnonzero(scores >= least)
        keep = sure[nms(boxes[sure], scores[sure], self._overlap)]
        return self._rest.of(detect.persons(boxes[keep], scores[keep], image.shape[:2]))

    def _seen(self, image: Array, finds: list[Find]) -> tuple[Array, Array]:
        """Moved boxes (N, 4) and scores (N,) of the finds, after one look at each and a second at the likely ones."""
        judge = self._judge
        looks = look(self._network, image, finds)
        scores = judge.first.score(np.stack([one.figures for one in looks]))
        boxes = np.stack([moved(find.box, one.extent, judge.agreement) for find, one in zip(finds, looks, strict=True)])
        again = worth_a_second_look(boxes, scores, judge)
        second = look(self._network, image, [Find(boxes[i], 0.5) for i in again])
        scores *= ONCE
        if len(again):
            pairs = [both(finds[i].box, looks[i], boxes[i], one) for i, one in zip(again, second, strict=True)]
            scores[again] = judge.second.score(np.stack(pairs))
            boxes[again] = [moved(boxes[i], one.extent, judge.agreement) for i, one in zip(again, second, strict=True)]
        return boxes, scores

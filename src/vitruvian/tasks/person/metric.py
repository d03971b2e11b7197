"""Which boxes are right: greedy matching as in COCO, then recall, precision and average precision."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vitruvian.errors import UsageError
from vitruvian.geometry import iou_matrix
from vitruvian.types import Array, Boxes, Prediction, Sample

IOU = 0.5
LARGE = 100.0  # source px, longer side
RECALLS = np.linspace(0, 1, 101)  # COCO's


def match(boxes: Array, truth: Array, ignored: Array | None = None, crowds: Array | None = None, least: float = IOU) -> Array:
    """Detections (N, 4), best first -> (N,) int8: 1 right, 0 wrong, -1 not counted.

    Each takes the free true person (M, 4) it overlaps most, if by `least`; else it is not counted where it overlaps an
    `ignored` person (IoU) or lies in a crowd (its own part inside) by as much. Ignored people may be taken once, crowds often.
    """
    overlap = iou_matrix(boxes, truth)
    others = iou_matrix(boxes, np.zeros((0, 4)) if ignored is None else ignored)
    inside = _part_inside(boxes, np.zeros((0, 4)) if crowds is None else crowds)
    out = np.zeros(len(boxes), np.int8)
    for i in range(len(boxes)):
        for table, verdict in ((overlap, 1), (others, -1)):
            if table.shape[1] and table[i].max() >= least:
                out[i] = verdict
                table[:, table[i].argmax()] = -1
                break
        else:
            out[i] = -1 if inside.shape[1] and inside[i].max() >= least else 0
    return out


def _part_inside(boxes: Array, regions: Array) -> Array:
    boxes, regions = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(regions, np.float64).reshape(-1, 4)
    low, high = np.maximum(boxes[:, None, :2], regions[None, :, :2]), np.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    area = np.prod(boxes[:, 2:] - boxes[:, :2], 1)[:, None]
    out: Array = np.prod(np.clip(high - low, 0, None), -1) / np.maximum(area, 1e-12)
    return out


@dataclass
class Tally:
    """Detections of many frames with their verdicts, and how many people there were."""

    scores: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    people: int = 0

    def add(self, scores: Array, verdicts: Array, people: int) -> None:
        """One frame's detections, as `match` judged them."""
        counted = verdicts >= 0
        self.scores += np.asarray(scores, float)[counted].tolist()
        self.right += (verdicts[counted] == 1).tolist()
        self.people += people

    def curve(self) -> tuple[Array, Array, Array]:
        """(N,) scores from high to low, recall and precision of all detections down to each. Equal scores count together."""
        order = np.argsort(-np.asarray(self.scores), kind="stable")
        scores, hits = np.asarray(self.scores)[order], np.cumsum(np.asarray(self.right, bool)[order])
        last = np.flatnonzero(np.diff(scores, append=-np.inf)) if len(scores) else np.zeros(0, int)
        return scores[last], hits[last] / max(self.people, 1), hits[last] / (last + 1)

    def at(self, threshold: float) -> tuple[float, float]:
        """Recall and precision of the boxes that score at least `threshold`; NaN where there is nothing to divide by."""
        taken = np.asarray(self.scores) >= threshold
        hits = int(np.asarray(self.right, bool)[taken].sum())
        recall = hits / self.people if self.people else float("nan")
        return recall, hits / int(taken.sum()) if taken.any() else float("nan")

    def recall_at(self, precision: float) -> float:
        """The highest recall of a threshold whose precision is at least this; 0 where there is none, NaN without people."""
        if not self.people:
            return float("nan")
        _, recall, precise = self.curve()
        return float(recall[precise >= precision].max(initial=0))

    def best(self) -> tuple[float, float, float]:
        """Threshold, recall and precision of the highest F1; NaN without detections."""
        scores, recall, precision = self.curve()
        if not len(scores):
            return float("nan"), float("nan"), float("nan")
        f1 = 2 * recall * precision / np.maximum(recall + precision, 1e-12)
        i = int(np.argmax(f1))
        return float(scores[i]), float(recall[i]), float(precision[i])

    def average_precision(self) -> float:
        """Mean over COCO's 101 recalls of the best precision at that recall or more; NaN without people."""
        if not self.people:
            return float("nan")
        order = np.argsort(-np.asarray(self.scores), kind="stable")
        hits = np.cumsum(np.asarray(self.right, bool)[order])
        recall, precision = hits / self.people, hits / np.arange(1, len(hits) + 1)
        envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0)
        return float(envelope[np.searchsorted(recall, RECALLS, side="left")].mean())


class PersonMetric:
    """`recall`, `precision` of the given boxes and `ap50`, at IoU 0.5; the same with `_large` for people of 100 px and more,
    where boxes on smaller people count neither way. Fractions; NaN where there was nobody or nothing."""

    def __init__(self) -> None:
        self.all, self.large = Tally(), Tally()

    def update(self, prediction: Prediction, sample: Sample) -> None:
        """Count one frame; one without `boxes` counts nothing."""
        value = prediction.value
        if not isinstance(value, Boxes):
            raise UsageError(f"the person metric cannot count a prediction of {type(value).__name__}")
        if sample.boxes is None:
            return
        truth = np.asarray(sample.boxes, np.float64).reshape(-1, 4)
        order = np.argsort(-value.score, kind="stable")
        boxes, scores = value.xyxy[order], value.score[order]
        self.all.add(scores, match(boxes, truth), len(truth))
        large = (truth[:, 2:] - truth[:, :2]).max(1) >= LARGE
        self.large.add(scores, match(boxes, truth[large], truth[~large]), int(large.sum()))

    def compute(self) -> dict[str, float]:
        """The six figures."""
        out: dict[str, float] = {}
        for tally, suffix in ((self.all, ""), (self.large, "_large")):
            recall, precision = tally.at(-np.inf)
            out |= {f"recall{suffix}": recall, f"precision{suffix}": precision, f"ap50{suffix}": tally.average_precision()}
        return out

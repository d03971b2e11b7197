"""What is said of one person, in the tasks' own figures, and which groups that person belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vitruvian.evaluate.foreground import foreground_iou
from vitruvian.evaluate.photos import Photo, Subject
from vitruvian.tasks import task
from vitruvian.tasks.base import Metric
from vitruvian.tasks.pose.metric import labelled_points
from vitruvian.types import Classes, Keypoints, Prediction, Sample
from vitruvian.vocab import skeleton

SIZES = (64, 128, 256)  # px of the longer side of a person's box, where the size groups part: the first names of ORDER
REACH = 1.5  # px: a box that ends so near to the picture's border is taken to be cut by it
ORDER = (
    "below 64 px", "64 to 128 px", "128 to 256 px", "256 px and more", "whole body", "upper body", "part of the body",
    "clear of the border", "cut at one side", "cut at two sides or more",
)  # fmt: skip
LABEL_GROUPS = ("size", "framing", "border")  # groupings that any labels tell
HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


@dataclass(frozen=True)
class Judged:
    """One person. photo: people of one photo are not independent; figures: task/figure -> value, NaN where the labels are
    missing; groups: grouping ("framing") -> group ("upper body")."""

    photo: str
    key: str
    figures: Mapping[str, float]
    groups: Mapping[str, str]


def metric_of(name: str, prediction: Prediction) -> Metric:
    """The task's metric for the words that the prediction is in."""
    value = prediction.value
    if isinstance(value, Keypoints):
        return task(name, skeleton=value.skeleton).metric()
    if isinstance(value, Classes):
        return task(name, class_set=value.class_set).metric()
    return task(name).metric()


def figures_of(answer: Mapping[str, Prediction], sample: Sample) -> dict[str, float]:
    """task/figure -> value of this person alone, box given."""
    out: dict[str, float] = {}
    for name, prediction in answer.items():
        metric = metric_of(name, prediction)
        metric.update(prediction, sample)
        out |= {f"{name}/{figure}": value for figure, value in metric.compute().items()}
    return out


def photo_figures(subject: Subject) -> dict[str, float]:
    """The same for somebody on a labelled photo, where masks of everybody stand in for parts."""
    out = figures_of(subject.predictions, subject.truth)
    if "seg" in subject.predictions and subject.truth.classes is None:
        out["seg/foreground_iou"] = foreground_iou(subject)
    return out


def label_groups(sample: Sample) -> dict[str, str]:
    """The groups that any labels tell: `size` of the person, `framing`, `border` of the picture."""
    side = float(np.max(sample.box[2:] - sample.box[:2]))
    return {"size": size_group(side), "framing": framing_group(sample), "border": border_group(sample)}


def size_group(side: float) -> str:
    """The group of a longer side in px."""
    return ORDER[int(np.searchsorted(SIZES, side, side="right"))]


def framing_group(sample: Sample) -> str:
    """What of the person the picture holds, by the labelled points: a point out of the picture has no label.

    `whole body`: some of the head and an ankle; `upper body`: some of the head and a shoulder, no ankle; `part of the body`:
    the rest, as a face alone or legs alone; `unknown`: no points.
    """
    truth = labelled_points(sample, "coco17")
    if truth is None or not (truth[:, 2] > 0).any():
        return "unknown"
    there = {name for name, row in zip(skeleton("coco17").names, truth, strict=True) if row[2] > 0}
    if there.isdisjoint(HEAD):
        return "part of the body"
    if there & {"left_ankle", "right_ankle"}:
        return "whole body"
    return "upper body" if there & {"left_shoulder", "right_shoulder"} else "part of the body"


def border_group(sample: Sample) -> str:
    """How many sides of the picture the person's box touches."""
    height, width = sample.image.shape[:2]
    x0, y0, x1, y1 = (float(v) for v in sample.box)
    touched = sum((x0 < REACH, y0 < REACH, x1 > width - 1 - REACH, y1 > height - 1 - REACH))
    return ("clear of the border", "cut at one side", "cut at two sides or more")[min(touched, 2)]


def on_photo(photo: Photo, subject: Subject, further: Mapping[str, str]) -> Judged:
    """Somebody on a labelled photo, in the groups of the labels and in `further` ones."""
    return Judged(photo.file, subject.truth.key, photo_figures(subject), label_groups(subject.truth) | dict(further))

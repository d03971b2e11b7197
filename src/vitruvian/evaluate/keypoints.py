"""How near predicted points are to the labelled ones, beside a prediction that never looks at the picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from vitruvian.data.sources import Coco, Synthetic
from vitruvian.evaluate.photos import Predictor, Subject
from vitruvian.evaluate.results.average_precision import Found, Labelled, average_precision
from vitruvian.tasks.pose.metric import PoseMetric
from vitruvian.types import Array, Keypoints
from vitruvian.vocab import keypoint_map, skeleton

FRACTION = 0.1  # of the box's longer side
Points: TypeAlias = "tuple[Array, Array]"  # xy (17, 2) source px, score (17,)


def pck(subjects: Sequence[Subject], answers: Sequence[Points], fraction: float = FRACTION) -> dict[str, Any]:
    """The part of labelled points nearer than `fraction` x the box's longer side: overall, per point, and their number."""
    near, labelled = np.zeros(17), np.zeros(17)
    for subject, (xy, _) in zip(subjects, answers, strict=True):
        hit, counted = hits(subject, xy, fraction)
        near, labelled = near + hit, labelled + counted
    names = skeleton("coco17").names
    each = {name: _ratio(near[i], labelled[i]) for i, name in enumerate(names)}
    return {"pck": _ratio(near.sum(), labelled.sum()), "points": int(labelled.sum()), "per_point": each}


def hits(subject: Subject, xy: Array, fraction: float = FRACTION) -> tuple[Array, Array]:
    """(17,) bool points that are near, and (17,) bool points that are labelled. A predicted NaN is not near."""
    truth = subject.truth.keypoints
    if truth is None:
        return np.zeros(17, bool), np.zeros(17, bool)
    distance = np.linalg.norm(xy - truth[:, :2], axis=1)
    near = np.nan_to_num(distance, nan=np.inf) < fraction * subject.side
    return near & subject.labelled, subject.labelled


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def oks_ap(subjects: Sequence[Subject], answers: Sequence[Points]) -> dict[str, float] | None:
    """COCO's ten key point figures (pycocotools), boxes given; a person's score is the mean of the points'.

    Only people with labelled points count, as officially. None where a set has no areas. UsageError without the extra.
    """
    counted = [(s, a) for s, a in zip(subjects, answers, strict=True) if s.labelled.any()]
    if not counted or any(s.truth.area is None for s, _ in counted):
        return None
    photos = {s.photo.file: i + 1 for i, s in enumerate({s.photo.file: s for s, _ in counted}.values())}
    truth, found = [], []
    for subject, (xy, score) in counted:
        image, points = photos[subject.photo.file], np.asarray(subject.truth.keypoints, np.float64)
        x0, y0, x1, y1 = (float(v) for v in subject.truth.box)
        truth.append(Labelled(image, points, (x0, y0, x1 - x0, y1 - y0), subject.truth.area))
        flat = np.concatenate([np.nan_to_num(xy, nan=-1e4), np.ones((17, 1))], 1)
        found.append(Found(image, flat, float(np.mean(score))))
    return average_precision(truth, found, sorted(photos.values()), range(17), skeleton("coco17").sigmas)


def in_box(subject: Subject) -> Array:
    """(17, 2) labelled points as parts of the box's width and height, NaN where there is no label."""
    return _relative(np.asarray(subject.truth.keypoints, np.float64), np.asarray(subject.truth.box, np.float64))


def _relative(points: Array, box: Array) -> Array:
    out: Array = np.where(points[:, 2:] > 0, (points[:, :2] - box[:2]) / (box[2:] - box[:2]), np.nan)
    return out


def mean_pose(poses: Sequence[Array]) -> Array:
    """Mean (17, 2) of poses in their boxes over those that have the point; NaN where none has it."""
    stack = np.stack(poses) if poses else np.full((1, 17, 2), np.nan)
    count = np.isfinite(stack).sum(0)
    out: Array = np.where(count > 0, np.nansum(stack, 0) / np.maximum(count, 1), np.nan)
    return out


def synthetic_mean_pose(folder: Path) -> Array:
    """The mean pose in its box of the framed people of a synthetic set, (17, 2)."""
    source, rows = Synthetic(folder), keypoint_map("wholebody133", "coco17")
    people = (source.frame(i).people[0] for i in range(len(source)))
    sized = [p for p in people if (p.box[2:] - p.box[:2]).min() > 0]
    return mean_pose([_relative(np.asarray(p.wholebody133, np.float64)[rows], np.asarray(p.box, np.float64)) for p in sized])


def placed(pose: Array, subject: Subject) -> Points:
    """A pose in its box put into the subject's box, every score 1."""
    box = np.asarray(subject.truth.box, np.float64)
    return box[:2] + pose * (box[2:] - box[:2]), np.ones(17)


def other_photos_pose(subjects: Sequence[Subject]) -> list[Points]:
    """For each subject the mean pose of those on all other photos, put into its box: leave one photo out."""
    poses = {id(s): in_box(s) for s in subjects}
    out = []
    for subject in subjects:
        others = [poses[id(s)] for s in subjects if s.photo.file != subject.photo.file]
        out.append(placed(mean_pose(others), subject))
    return out


def wholebody_figures(shared_data: Path, predictor: Predictor) -> dict[str, float]:
    """PCK, NME and PCK of body, feet, face and hands over the few photos with 133 labelled points; `people`: how many.

    Empty for a model without those points.
    """
    metric, people = PoseMetric("wholebody133"), 0
    folder = shared_data / "mmpose_coco"
    for record in Coco(folder / "annotations" / "test_coco_wholebody.json", folder, "wholebody133"):
        boxes = np.stack([sample.box for sample in record.people])
        for sample, answer in zip(record.people, predictor.people(record.people[0].image, boxes), strict=True):
            value = answer["pose"].value
            if not isinstance(value, Keypoints) or value.skeleton != "wholebody133":
                return {}
            metric.update(answer["pose"], sample)
            people += 1
    return {"people": people, **metric.compute()}

"""COCO's average precision of poses, by pycocotools, for any points and any part of them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitruvian.errors import UsageError
from vitruvian.types import Array

STATS = ("AP", "AP50", "AP75", "AP_medium", "AP_large", "AR", "AR50", "AR75", "AR_medium", "AR_large")
SIZELESS = ("AP", "AP50", "AP75", "AR", "AR50", "AR75")
BOX_SHARE = 0.53  # of a box is taken for a person's area where no area is labelled, as CrowdPose's protocol does


@dataclass(frozen=True)
class Labelled:
    """A person of the truth. points (K, 3) x, y, visibility; area: None where only the box says how large; box xywh."""

    image: int
    points: Array
    box: tuple[float, float, float, float]
    area: float | None = None
    crowd: bool = False


@dataclass(frozen=True)
class Found:
    """A pose of the predictions. points (K, 3) x, y, score."""

    image: int
    points: Array
    score: float


def average_precision(
    truth: Sequence[Labelled], found: Sequence[Found], images: Sequence[int], rows: Sequence[int], sigmas: Sequence[float]
) -> dict[str, float]:
    """COCO's figures (fractions; -1 where nobody of a size is labelled) over some images and the points `rows` of the poses.

    A pose without any of these points (all scores 0 or less) is no prediction of them, as in the part-wise figures of
    COCO-WholeBody: it neither matches nor costs. Where a labelled person has no area, sizes are left out of the figures.
    UsageError without pycocotools.
    """
    kept = list(rows)
    sized = all(person.area is not None for person in truth)
    people = [_annotation(number, person, kept) for number, person in enumerate(truth, 1)]
    poses = [_result(pose, kept) for pose in found if (pose.points[kept, 2] > 0).any()]
    stats = _stats(people, poses, images, np.asarray(sigmas, np.float64)[kept])
    return {name: value for name, value in zip(STATS, stats, strict=True) if sized or name in SIZELESS}


def _annotation(number: int, person: Labelled, rows: list[int]) -> dict[str, Any]:
    points = person.points[rows].astype(np.float64)
    area = BOX_SHARE * person.box[2] * person.box[3] if person.area is None else person.area
    place = {"id": number, "image_id": person.image, "category_id": 1, "bbox": list(person.box), "area": area}
    return {
        **place, "iscrowd": int(person.crowd), "keypoints": points.ravel().tolist(),
        "num_keypoints": int((points[:, 2] > 0).sum()),
    }  # fmt: skip


def _result(pose: Found, rows: list[int]) -> dict[str, Any]:
    points = pose.points[rows].astype(np.float64).ravel().tolist()
    return {"image_id": pose.image, "category_id": 1, "keypoints": points, "score": pose.score}


def _stats(
    people: Sequence[Mapping[str, Any]], poses: list[dict[str, Any]], images: Sequence[int], sigmas: Array
) -> Sequence[float]:
    COCO, COCOeval = pycocotools()
    wanted = set(images)
    poses = [pose for pose in poses if pose["image_id"] in wanted]
    if not poses:
        nobody = not any(person["num_keypoints"] and not person["iscrowd"] for person in people)
        return [-1.0 if nobody else 0.0] * len(STATS)
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in sorted(wanted)], "categories": [{"id": 1, "name": "person"}], "info": {},
        "annotations": [dict(person) for person in people if person["image_id"] in wanted],
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(poses), "keypoints")
        evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def pycocotools() -> tuple[Any, Any]:
    """Its classes COCO and COCOeval. UsageError without it."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise UsageError("COCO's AP needs pycocotools. Fix: pip install 'vitruvian[evaluate]'") from error
    return COCO, COCOeval

"""Poses by the protocol of COCO's and the paper's tables (sapiens1, sections 5 and 8): from boxes to AP.

A pose is scored by its box's score times the mean of its points' scores above 0.2; of two poses of a photo with an OKS above
0.9 the lower-scored goes. Areas are those of the padded crops. Truth and results are made as the two files that
`vitruvian evaluate keypoints` reads, and judged by the same code, from the same rounded numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.coco import Coco
from vitruvian.errors import InputError
from vitruvian.evaluate.protocol.labels import PointSets
from vitruvian.evaluate.protocol.people import Boxes
from vitruvian.evaluate.protocol.photos import Shot, Walk
from vitruvian.evaluate.results.keypoints import figures_of, taken_over
from vitruvian.geometry import oks_matrix, suppress
from vitruvian.predict.detect import PHOTOS_AT_ONCE
from vitruvian.predict.network import Network
from vitruvian.predict.write import write_all
from vitruvian.types import Array, Keypoints, Person, Prediction, Sample
from vitruvian.vocab import skeleton

LEAST_SCORE = 0.2  # of a point, to have a say in the score of its pose
OKS_NMS = 0.9
TRUTH, PREDICTIONS = "truth.json", "predictions.json"
PIXEL, SCORE = 3, 6  # digits of the files


class Poses:
    """Gathers labels and poses photo by photo, in the points of the judged skeleton; `figures` judges them all."""

    def __init__(self, network: Network, boxes: Boxes, walk: Walk, sets: PointSets) -> None:
        self._network, self._boxes, self._walk, self._sets = network, boxes, walk, sets
        self._truth: dict[str, list[Any]] = {"images": [], "annotations": []}
        self._results: list[dict[str, Any]] = []
        self.twins = 0

    def run(self) -> None:
        """All photos of the walk; people of several photos share a pass."""
        for shots in self._walk.batches(PHOTOS_AT_ONCE[self._network.compute.device.type]):
            people = self._boxes.of(shots)
            answers = self._network.run_people([shot.image for shot in shots], people, ("pose",))
            for shot, found, said in zip(shots, people, answers, strict=True):
                with self._walk.counting_faults():
                    self._count(shot, found, [each["pose"] for each in said])

    def figures(self, data: Path) -> dict[str, Any]:
        """As `vitruvian evaluate keypoints`. data: for messages. InputError where no photo could be used."""
        self._walk.check(len(self._truth["images"]), "photo")
        return figures_of(self._truth, self._results, self._sets.name, data, Path("the model's answers"))

    def write(self, out: Path) -> None:
        """truth.json and predictions.json, for `vitruvian evaluate keypoints --skeleton` of the judged one."""
        category = {"id": 1, "name": "person", "keypoints": list(skeleton(self._sets.judged).names)}
        truth = {"info": {"skeleton": self._sets.name}, "categories": [category], **self._truth}
        files = {TRUTH: truth, PREDICTIONS: self._results}
        write_all(out, {name: json.dumps(what, allow_nan=False).encode for name, what in files.items()})

    def _count(self, shot: Shot, people: Sequence[Person], said: Sequence[Prediction]) -> None:
        """Labels and poses of one photo, both or neither."""
        poses = [self._judged_points(each, shot) for each in said]
        labels = self._labels(shot)
        scores = np.array([person.score for person in people]) * [self._sureness(points) for points in poses]
        kept = self._without_twins(poses, scores, said)
        self.twins += len(poses) - len(kept)
        self._results += [_result(shot.record.image_id, poses[i], float(scores[i])) for i in kept]
        height, width = shot.image.shape[:2]
        place = {"id": shot.record.image_id, "file_name": Path(shot.record.path).name, "width": width, "height": height}
        self._truth["images"].append(place)
        for label in labels:
            self._truth["annotations"].append({"id": len(self._truth["annotations"]) + 1, **label})
        self._walk.photos += 1

    def _judged_points(self, said: Prediction, shot: Shot) -> Array:
        """(K, 3) of the judged skeleton, x, y, score."""
        if not isinstance(said.value, Keypoints):
            raise InputError(f"{shot.record.path}: the answer is a {type(said.value).__name__}, no pose")
        points = np.concatenate([said.value.xy, said.value.score[:, None]], 1).astype(np.float64)
        if not np.isfinite(points).all():
            raise InputError(f"{shot.record.path}: the model's answer is not finite (NaN). Fix: check the weights.")
        return taken_over(points, self._sets.model, self._sets.judged)

    def _sureness(self, points: Array) -> float:
        scores = points[list(self._sets.rows), 2]
        return float(scores[scores > LEAST_SCORE].mean()) if (scores > LEAST_SCORE).any() else 0.0

    def _without_twins(self, poses: Sequence[Array], scores: Array, said: Sequence[Prediction]) -> list[int]:
        """Which poses stay, in the given order."""
        if len(poses) < 2:
            return list(range(len(poses)))
        rows = list(self._sets.rows)
        sigmas = np.array(skeleton(self._sets.judged).sigmas)[rows]
        alike = oks_matrix(np.stack(poses)[:, rows, :2], np.array([_area(each) for each in said]), sigmas)
        return sorted(suppress(alike, scores, OKS_NMS).tolist())

    def _labels(self, shot: Shot) -> list[dict[str, Any]]:
        """Annotations of everybody, with points or not, and of crowds, which COCO's figures pass over."""
        image, source = shot.record.image_id, self._walk.source
        labels = [self._label(image, each) for each in shot.record.people if each.keypoints is not None]
        nothing = np.zeros((len(skeleton(self._sets.judged)), 3))
        crowds = source.crowds(shot.index) if isinstance(source, Coco) else ()
        return labels + [_annotation(image, nothing, box, area, 1) for box, area in crowds]

    def _label(self, image: int, sample: Sample) -> dict[str, Any]:
        points = np.asarray(sample.keypoints, np.float64)
        return _annotation(image, taken_over(points, self._sets.labels, self._sets.judged), sample.box, sample.area, 0)


def _area(said: Prediction) -> float:
    """Px² of the padded crop on the photo."""
    height, width = said.crop.size
    return (height - 1) * (width - 1) / abs(float(np.linalg.det(said.crop.matrix[:, :2])))


def _annotation(image: int, points: Array, box: Array, area: float | None, crowd: int) -> dict[str, Any]:
    x0, y0, x1, y1 = np.asarray(box, np.float64)
    place = {"image_id": image, "category_id": 1, "iscrowd": crowd, "bbox": _rounded([x0, y0, x1 - x0, y1 - y0])}
    labelled = int((points[:, 2] > 0).sum())
    sized = {} if area is None else {"area": area}
    return {**place, **sized, "num_keypoints": labelled, "keypoints": _rounded(points)}


def _result(image: int, points: Array, score: float) -> dict[str, Any]:
    flat = np.concatenate([np.round(points[:, :2], PIXEL), np.round(points[:, 2:], SCORE)], 1)
    return {"image_id": image, "category_id": 1, "keypoints": flat.ravel().tolist(), "score": round(score, SCORE)}


def _rounded(values: Any) -> list[float]:
    return [float(v) for v in np.round(np.asarray(values, np.float64).ravel(), PIXEL)]

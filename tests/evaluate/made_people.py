"""Photos and people made here, and a predictor that knows the truth: the figures of the evaluation are then known."""

from __future__ import annotations

import cv2
import numpy as np

from vitruvian.evaluate.photos import Photo, Subject
from vitruvian.geometry import make_crop
from vitruvian.types import Classes, Crop, Depth, ImageRecord, Keypoints, Normals, Person, Prediction, Sample
from vitruvian.vocab import keypoint_map

SIZE = (240, 200)


def person(seed: int = 0, box=(30, 20, 130, 220), labelled: int = 17) -> Sample:
    rng = np.random.default_rng(seed)
    box = np.array(box, np.float32)
    points = np.zeros((17, 3), np.float32)
    points[:labelled, :2] = rng.uniform(box[:2], box[2:], (labelled, 2))
    points[:labelled, 2] = 2
    mask = np.zeros(SIZE, bool)
    mask[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = True
    image = np.full((*SIZE, 3), 90, np.uint8)
    return Sample(image, box, f"p{seed}", mask=mask, area=float(mask.sum()), skeleton="coco17", keypoints=points)


def photo(people, name="a.jpg", group="coco", shown=True, ignore=()) -> Photo:
    return Photo(group, ImageRecord(1, SIZE, name, tuple(people), tuple(ignore)), name, "CC0", "here", shown)


def answer(sample: Sample, xy=None, mask=None) -> dict[str, Prediction]:
    """Predictions that are the truth, unless told otherwise; points as rows of the 133."""
    size = sample.image.shape[:2]
    crop = make_crop(sample.box, (256, 192), size)
    frame = Crop(np.eye(2, 3), size, size)
    points = np.zeros((133, 2), np.float32)
    points[keypoint_map("wholebody133", "coco17")] = sample.keypoints[:, :2] if xy is None else xy
    seen = sample.mask if mask is None else mask
    ids = cv2.warpAffine(seen.astype(np.uint8), crop.matrix, (192, 256), flags=cv2.INTER_NEAREST) * 22
    z = np.tile(np.arange(size[1], dtype=np.float32), (size[0], 1))
    normals = np.broadcast_to(np.array([0, 0, -1], np.float32), (*size, 3))
    values = {
        "pose": (frame, Keypoints(points, np.ones(133, np.float32), "wholebody133")),
        "seg": (crop, Classes(ids, np.ones(ids.shape, np.float32), "body28")),
        "depth": (frame, Depth(z)),
        "normal": (frame, Normals(normals)),
    }
    return {n: Prediction(Person(sample.box), c, n, "0" * 64, value) for n, (c, value) in values.items()}


def subject(sample: Sample, name="a.jpg", group="coco", people=None, xy=None, mask=None, shown=True, ignore=()) -> Subject:
    return Subject(photo(people or [sample], name, group, shown, ignore), sample, answer(sample, xy, mask))


class BoxPredictor:
    """Sees nothing: points in the middle of the box, everything a person, depth from left to right."""

    name, weights, flip_test = "box", "0" * 64, False

    def people(self, image, boxes):
        return [self.one(image, box) for box in boxes]

    @staticmethod
    def one(image, box):
        middle = np.tile((box[:2] + box[2:]) / 2, (17, 1))
        points = np.concatenate([middle, np.full((17, 1), 2)], 1).astype(np.float32)
        mask = np.ones(image.shape[:2], bool)
        return answer(Sample(image, box, mask=mask, skeleton="coco17", keypoints=points))

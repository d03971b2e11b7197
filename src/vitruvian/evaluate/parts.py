"""Which part: our 28 classes and CIHP's 20, merged into those that both have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from vitruvian.data.masks import filled_box
from vitruvian.data.sources import read_image
from vitruvian.errors import InputError
from vitruvian.evaluate.foreground import part_ids
from vitruvian.evaluate.photos import Predictor
from vitruvian.types import IGNORE, Array
from vitruvian.vocab import class_set

# Common classes of the 28 and of CIHP's 20. Left and right are one; bare trunk and neck go with the face, as no label of CIHP
# parts them; shoes and socks are one; things worn (hat, gloves, glasses, scarf) are not counted where they are true, and wrong
# where they are only predicted.
COMMON = ("background", "hair", "skin of face and trunk", "upper clothes", "lower clothes", "arms", "legs", "shoes and socks")
CIHP = (
    "background", None, "hair", None, None, "upper clothes", "upper clothes", "upper clothes", "shoes and socks",
    "lower clothes", "skin of face and trunk", None, "lower clothes", "skin of face and trunk", "arms", "arms", "legs", "legs",
    "shoes and socks", "shoes and socks",
)  # fmt: skip
BODY28 = {
    "Background": "background", "Apparel": None, "Face_Neck": "skin of face and trunk", "Hair": "hair",
    "Left_Foot": "legs", "Right_Foot": "legs", "Left_Hand": "arms", "Right_Hand": "arms", "Left_Lower_Arm": "arms",
    "Right_Lower_Arm": "arms", "Left_Upper_Arm": "arms", "Right_Upper_Arm": "arms", "Left_Lower_Leg": "legs",
    "Right_Lower_Leg": "legs", "Left_Upper_Leg": "legs", "Right_Upper_Leg": "legs", "Left_Shoe": "shoes and socks",
    "Right_Shoe": "shoes and socks", "Left_Sock": "shoes and socks", "Right_Sock": "shoes and socks",
    "Lower_Clothing": "lower clothes", "Upper_Clothing": "upper clothes", "Torso": "skin of face and trunk",
    "Lower_Lip": "skin of face and trunk", "Upper_Lip": "skin of face and trunk", "Lower_Teeth": "skin of face and trunk",
    "Upper_Teeth": "skin of face and trunk", "Tongue": "skin of face and trunk",
}  # fmt: skip
CIHP_FACE, LEAST_FACE = 13, 150  # id, px: smaller patches of face start no person


@dataclass
class MergedParts:
    """A confusion table (truth, prediction) over the common classes; the last column is what has no common class."""

    table: Array = field(default_factory=lambda: np.zeros((len(COMMON), len(COMMON) + 1), np.int64))

    def update(self, predicted: Array, truth: Array, counted: Array) -> None:
        """Body28 ids and CIHP ids of equal shape; pixels where `counted` is False, 255 or a true thing worn are left out."""
        common = common_of_cihp()[truth[counted]]
        given = common_of_body28()[predicted[counted]]
        known = (common < len(COMMON)) & (predicted[counted] != IGNORE)
        pairs = common[known] * (len(COMMON) + 1) + given[known]
        self.table += np.bincount(pairs, minlength=self.table.size).reshape(self.table.shape)

    def compute(self) -> dict[str, float]:
        """IoU of each class that occurs in the truth, and their mean `miou`."""
        inside = self.table[:, : len(COMMON)]
        hit, truth, given = np.diag(inside), self.table.sum(1), inside.sum(0)
        there = np.flatnonzero(truth)
        iou = {COMMON[i]: float(hit[i] / (truth[i] + given[i] - hit[i])) for i in there}
        return {"miou": float(np.mean(list(iou.values()))) if iou else float("nan"), **iou}


def common_of_cihp() -> Array:
    """(256,) CIHP id -> place in COMMON, len(COMMON) where there is none."""
    return _table(CIHP)


def common_of_body28() -> Array:
    """(256,) body28 id -> place in COMMON, len(COMMON) where there is none."""
    return _table([BODY28[name] for name in class_set("body28").names])


def _table(names: Sequence[str | None]) -> Array:
    out = np.full(256, len(COMMON), np.int64)
    out[: len(names)] = [len(COMMON) if name is None else COMMON.index(name) for name in names]
    return out


def cihp_people(truth: Array) -> list[Array]:
    """Boxes xyxy (4,) from a part mask without instances: every patch of face takes the person pixels of its connected region
    that lie nearest to it sideways."""
    _, regions = cv2.connectedComponents((truth > 0).astype(np.uint8))
    count, _, stats, centers = cv2.connectedComponentsWithStats((truth == CIHP_FACE).astype(np.uint8))
    faces = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= LEAST_FACE]
    by_region = defaultdict(list)
    for i in faces:
        x, y, width, height = stats[i, :4]
        seen = regions[y : y + height, x : x + width]
        by_region[int(np.bincount(seen[seen > 0]).argmax())].append(centers[i, 0])
    boxes = []
    for region, middles in by_region.items():
        rows, columns = np.nonzero(regions == region)
        owner = np.abs(columns[:, None] - np.array(middles)[None]).argmin(1)
        for i in range(len(middles)):
            x, y = columns[owner == i], rows[owner == i]
            boxes.append(np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float32))
    return boxes


def cihp_figures(folder: Path, predictor: Predictor) -> dict[str, float]:
    """Merged-part IoU over the pixels within each person's box, all boxes of all photos in one table; `people`: how many."""
    parts, people = MergedParts(), 0
    for image, truth in _pairs(folder):
        boxes = cihp_people(truth)
        for box, answer in zip(boxes, predictor.people(image, np.stack(boxes)), strict=True):
            parts.update(part_ids(answer["seg"]), truth, filled_box(box, truth.shape[:2]))
            people += 1
    return {"people": people, **parts.compute()}


def _pairs(folder: Path) -> Iterator[tuple[Array, Array]]:
    for path in sorted(folder.glob("*_parts.png")):
        truth = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if truth is None:
            raise InputError(f"{path}: not an image, or damaged. Fix: fetch it again.")
        yield read_image(path.with_name(path.name.replace("_parts.png", ".jpg"))), truth

"""Faces made unknowable: where the packaged model sees the head of a person that the detector has found.

It covers what is found. Whom the detector misses, and faces of which the points lie astray, it does not: the shares are in
docs/results/curation.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from vitruvian.curate.edit import Edited
from vitruvian.predict.pipeline import DEFAULT_MODEL, load
from vitruvian.types import Array, Person
from vitruvian.vocab import skeleton

WIDER = 1.6  # times as wide as the points are spread
OF_PERSON = 0.04  # of the longer side of the box, at least
COARSE = 6  # cells across a face that are left to see
SOFT = 1.2  # times the radius, where the picture is itself again
STRIP = 256  # rows that are blended at once


class Faces:
    """The blur of a face leaves about `COARSE` x `COARSE` cells of it; a rim fades it out."""

    cost = 32.0  # for each person

    def __init__(self, device: str = "auto") -> None:
        self._predictor = load(DEFAULT_MODEL, device=device, dtype="fp32", flip_test=False)
        self._rows = face_rows(self._predictor.cards[0].spec.head("pose").vocabulary or "")
        self.model = f"{self._predictor.name} {self._predictor.weights[:12]}"

    def edit(self, image: Array, row: Mapping[str, Any]) -> Edited | None:
        """told: circles as [x, y, radius] in pixels. None where there is nobody; ValueError where people were not sought."""
        if row.get("boxes") is None:
            raise ValueError("people were not sought in it")
        people = _people(row["boxes"], image.shape[:2])
        if not people:
            return None
        found = self._predictor.predict(image, boxes=people, tasks=["pose"]).people
        circles = [face_circle(one.keypoints.xy[self._rows], one.person.box) for one in found if one.keypoints is not None]
        return Edited(blurred(image, circles), [[round(float(value), 1) for value in circle] for circle in circles])


def _people(boxes: Sequence[Mapping[str, float]], size: tuple[int, int]) -> list[Person]:
    """All that were recorded, however faint: rather a blurred tree than a face. Cut to an image of `size` (H, W), as boxes were
    measured on a smaller one."""
    people = []
    for box in boxes:
        corners = np.array([box[name] for name in ("x1", "y1", "x2", "y2")], np.float32)
        corners = corners.clip(0, np.array([size[1], size[0]] * 2, np.float32))
        if (corners[2:] > corners[:2]).all():
            people.append(Person(corners, float(box["score"])))
    return people


def face_rows(name: str) -> Array:
    """Rows of a skeleton that lie on a face: nose, eyes and landmarks."""
    names = skeleton(name).names
    return np.array([i for i, one in enumerate(names) if one in ("nose", "left_eye", "right_eye") or one.startswith("face")])


def face_circle(points: Array, box: Array) -> tuple[float, float, float]:
    """x, y and radius of a circle around points (n, 2) of a face of the person in `box`; single points may lie astray."""
    x, y = np.median(points, axis=0)
    spread = float((points.max(0) - points.min(0)).max())
    return float(x), float(y), max(WIDER * spread / 2, OF_PERSON * float(max(box[2:] - box[:2])))


def blurred(image: Array, circles: Sequence[tuple[float, float, float]]) -> Array:
    """A copy of (H, W, 3) uint8 without what lies in circles (x, y, radius)."""
    out = image.copy()
    for x, y, radius in circles:
        reach = SOFT * radius
        x0, y0 = (max(0, int(value - reach)) for value in (x, y))
        x1, y1 = (min(side, int(np.ceil(value + reach))) for side, value in ((image.shape[1], x), (image.shape[0], y)))
        if x1 > x0 and y1 > y0:
            _blur(out[y0:y1, x0:x1], (x - x0, y - y0), radius)
    return out


def _blur(part: Array, middle: tuple[float, float], radius: float) -> None:
    """In place; by strips of rows, since a face may fill a picture of 89 megapixels."""
    height, width = part.shape[:2]
    cell = max(1.0, 2 * radius / COARSE)
    small = cv2.resize(part, (max(1, round(width / cell)), max(1, round(height / cell))), interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    across = np.arange(width, dtype=np.float32)[None] + 0.5 - middle[0]
    for begin in range(0, height, STRIP):
        rows = slice(begin, begin + STRIP)
        down = np.arange(*rows.indices(height), dtype=np.float32)[:, None] + 0.5 - middle[1]
        share = ((SOFT * radius - np.hypot(across, down)) / ((SOFT - 1) * radius)).clip(0, 1)[..., None]
        part[rows] = np.round(share * smooth[rows] + (1 - share) * part[rows]).astype(np.uint8)

"""Skeletons over pictures."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vitruvian.types import Array, Keypoints, Prediction
from vitruvian.vocab import skeleton

SHIFT = 4  # OpenCV's fixed-point bits: points are drawn between pixels
FINE = ("face", "hand")


def draw_skeletons(image: Array, predictions: Sequence[Prediction], threshold: float) -> Array:
    """Links and points whose score reaches `threshold`; line widths follow the person's size. Returns a new image."""
    out = np.ascontiguousarray(image).copy()
    for prediction in predictions:
        value = prediction.value
        if isinstance(value, Keypoints):
            _draw_person(out, value, _stroke(prediction.person.box, image.shape[:2]), threshold)
    return out


def _stroke(box: Array, size: tuple[int, int]) -> float:
    longer = float(np.max(np.asarray(box)[2:] - np.asarray(box)[:2]))
    return float(np.clip(longer, 1, max(size)) / 130)


def _draw_person(out: Array, value: Keypoints, stroke: float, threshold: float) -> None:
    names = skeleton(value.skeleton)
    shown = (value.score >= threshold) & np.isfinite(value.xy).all(1)
    fine = {i for group, rows in names.groups.items() if any(word in group for word in FINE) for i in rows}
    fixed = np.round(np.where(shown[:, None], value.xy, 0).clip(-1e5, 1e5) * (1 << SHIFT)).astype(int)
    for link in names.links:
        if shown[link.start] and shown[link.end]:
            width = stroke * (0.45 if link.start in fine and link.end in fine else 1.0)
            a, b = tuple(map(int, fixed[link.start])), tuple(map(int, fixed[link.end]))
            cv2.line(out, a, b, link.color, max(1, round(width)), cv2.LINE_AA, SHIFT)
    for i in np.flatnonzero(shown):
        radius = max(0.8, stroke * (0.4 if i in fine else 1.1))
        spot = tuple(map(int, fixed[i]))
        if i not in fine:
            cv2.circle(
                out, spot, round((radius + max(0.6, stroke * 0.3)) * (1 << SHIFT)), (255, 255, 255), -1, cv2.LINE_AA, SHIFT
            )
        cv2.circle(out, spot, round(radius * (1 << SHIFT)), names.colors[i], -1, cv2.LINE_AA, SHIFT)

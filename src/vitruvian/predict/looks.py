"""What the packaged model says of a detector's finds, each cropped as a photo of one person.

Where it sees a person, points are sure, parts fill the crop, and both end where the box ends. Looked at again at the box
that its parts give, it says nearly the same of a person, and anything of what is nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from vitruvian.predict.finder import Find
from vitruvian.predict.network import Network
from vitruvian.tasks.pose.codec import decode_logits
from vitruvian.types import Array, Crop, Person

TASKS = ("pose", "seg")
BODY = 17  # the first points of the model's skeleton
FITTED = 512  # px, longer side of the pictures that widths and heights are told for
SURE = 0.3  # score of a point that counts as seen
FIGURES = (
    "logit of the find's score", "share of the crop that is a person", "mean score of the body's points", "of the best five",
    "share of the points that are seen", "share of the points in the box", "mean score of the parts", "parts against box (IoU)",
    "points against box (IoU)", "log of the width", "log of the height", "found in a piece", "logit of the score in a piece",
)  # fmt: skip
OF_CROP = slice(1, 9)  # those that a second look can answer otherwise
AGREEMENT = (
    "median distance of the points of both looks", "mean distance", "mean distance, by score", "share of the points that stay",
    "second parts against the box looked at (IoU)",
)  # fmt: skip
BOTH = (*FIGURES, *(f"again: {name}" for name in FIGURES[OF_CROP]), *AGREEMENT)
FARTHEST, STAYS = 0.5, 0.1  # distances of points, of the find's longer side


@dataclass(frozen=True)
class Look:
    """What the model says of one find: `figures` (len(FIGURES),), the outline of the parts as a box, None without parts, and
    the body's points (BODY, 2) in source px with their scores (BODY,)."""

    figures: Array
    extent: Array | None
    points: Array
    scores: Array


@torch.inference_mode()
def look(network: Network, image: Array, finds: Sequence[Find]) -> list[Look]:
    """At every find, in the given order. Only the body's points are placed, and the parts stay at their head's resolution."""
    spec, looks = network.spec, list[Look]()
    for part, crops, outputs in network.outputs([(image, find) for find in finds], TASKS):
        points, scores = decode_logits(outputs["pose"][:, :BODY], spec.size, spec.sigma, spec.codec)
        chances = outputs["seg"].softmax(1)
        sure, part_ids = chances.max(1)
        for k, ((_, find), crop) in enumerate(zip(part, crops, strict=True)):
            person = cv2.resize(1 - chances[k, 0].cpu().numpy(), crop.size[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
            parts = sure[k][part_ids[k] > 0]
            told = float(parts.mean()) if len(parts) else 0.0
            looks.append(_look(find, crop, crop.points_to_source(points[k]), scores[k], person, told))
    return looks


def _look(find: Person, crop: Crop, xy: Array, score: Array, person: Array, parts: float) -> Look:
    """`xy` (BODY, 2) in source px, `score` (BODY,); `person` (H, W) bool on the crop; `parts`: their mean score."""
    box, piece = find.box, isinstance(find, Find) and find.piece
    inside = ((xy >= box[:2]) & (xy <= box[2:])).all(1)
    seen = xy[score > SURE]
    around = np.concatenate([seen.min(0), seen.max(0)]) if len(seen) > 1 else None
    extent = _extent(person, crop)
    chance = np.clip(find.score, 1e-4, 1 - 1e-4)
    logit = np.log(chance / (1 - chance))
    scale = FITTED / max(crop.source_size)
    figures = [
        logit, person.mean(), score.mean(), np.sort(score)[-5:].mean(), len(seen) / BODY, inside.mean(), parts,
        _iou(box, extent), _iou(box, around), *np.log(np.maximum(scale * (box[2:] - box[:2]), 1)), piece, piece * logit,
    ]  # fmt: skip
    return Look(np.array(figures, np.float64), extent, xy, score)


def both(box: Array, first: Look, place: Array, again: Look) -> Array:
    """Figures (len(BOTH),) of a find at `box` that was looked at again at `place`, both (4,)."""
    side = max(float((box[2:] - box[:2]).max()), 4.0)
    distance = np.minimum(np.linalg.norm(first.points - again.points, axis=1) / side, FARTHEST)
    weight = np.minimum(first.scores, again.scores)
    agreement = [
        np.median(distance), distance.mean(), (distance * weight).sum() / (weight.sum() + 1e-6), (distance < STAYS).mean(),
        _iou(place, again.extent),
    ]  # fmt: skip
    return np.concatenate([first.figures, again.figures[OF_CROP], agreement])


def _extent(person: Array, crop: Crop) -> Array | None:
    """Box of the largest connected part of `person` (H, W), in source px."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(person.astype(np.uint8))
    if count < 2:
        return None
    left, top, width, height, _ = stats[1 + stats[1:, cv2.CC_STAT_AREA].argmax()]
    corners = np.array([[left, top], [left + width, top], [left, top + height], [left + width, top + height]])
    xy = crop.points_to_source(corners - 0.5)
    return np.concatenate([xy.min(0), xy.max(0)])


def _iou(box: Array, other: Array | None) -> float:
    if other is None:
        return 0.0
    both = np.prod(np.clip(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0, None))
    union = np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2]) - both
    return float(both / union) if union > 0 else 0.0


def moved(box: Array, extent: Array | None, agreement: float) -> Array:
    """Halfway to the outline of the parts where the two agree by that IoU; else the box itself."""
    if extent is None or _iou(box, extent) <= agreement:
        return box
    out: Array = ((box + extent) / 2).astype(np.float32)
    return out

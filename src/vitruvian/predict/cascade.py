"""A second look: every find of the packaged detector, on the photo or a piece of it, is cropped as a photo of one person, and
the packaged model judges it.

Where it sees a person, points are sure, parts fill the crop, and both end where the box ends. A logistic regression weighs
these figures; where the parts agree with the box, the box moves towards them. `recipes.cascade` fits it on synthetic pictures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from vitruvian import weights
from vitruvian.device import Compute
from vitruvian.errors import WeightsError
from vitruvian.geometry import iou_matrix, nms
from vitruvian.installed import reinstall
from vitruvian.predict import detect
from vitruvian.predict.finder import Find, Finder
from vitruvian.predict.network import Network
from vitruvian.predict.selection import USUAL, Selection
from vitruvian.tasks.pose.codec import decode_logits
from vitruvian.types import Array, Crop, Person
from vitruvian.weights.load import EMBEDDED

NAME = "cascade"
FILE = EMBEDDED / f"{NAME}.json"
FINDER, MODEL, TASKS = "person", "vitruvian-s", ("pose", "seg")
BODY = 17  # the first points of the model's skeleton
FITTED = 512  # px, longer side of the pictures that widths and heights are told for
SURE = 0.3  # score of a point that counts as seen
FIGURES = (
    "logit of the find's score", "share of the crop that is a person", "mean score of the body's points", "of the best five",
    "share of the points that are seen", "share of the points in the box", "mean score of the parts", "parts against box (IoU)",
    "points against box (IoU)", "log of the width", "log of the height", "found in a piece", "logit of the score in a piece",
)  # fmt: skip


@dataclass(frozen=True)
class Judge:
    """The chance that a find is right, from its figures (N, len(FIGURES)).

    detector, model: hashes of the weights it was fitted to, and it fits no others. mean, spread: of the figures; linear,
    square, constant: of the logit, of the normalised figures and their squares. most: finds of a photo that are looked at, the
    surest; threshold: score of a person; overlap: IoU beyond which the less sure of two people goes; agreement: IoU of parts
    and box from which the box moves.
    """

    detector: str
    model: str
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    linear: tuple[float, ...]
    square: tuple[float, ...]
    constant: float
    threshold: float
    most: int = 16
    overlap: float = 0.45
    agreement: float = 0.3

    def score(self, figures: Array) -> Array:
        """(N,) float32."""
        normal = (figures - np.array(self.mean)) / np.array(self.spread)
        logit = normal @ np.array(self.linear) + normal**2 @ np.array(self.square) + self.constant
        out: Array = (1 / (1 + np.exp(-logit))).astype(np.float32)
        return out

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(asdict(self), indent=1) + "\n")
        temporary.replace(path)


def read_judge(path: Path = FILE) -> Judge:
    """WeightsError where it is not there or not one of these."""
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        tupled: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        judge = Judge(**tupled)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is no judge of finds: {error}. Fix: {reinstall()}") from error
    if not (isinstance(judge.threshold, (int, float)) and 0 <= judge.threshold <= 1):
        raise WeightsError(f"{path}: threshold {judge.threshold}. Allowed: 0 to 1. Fix: python -m vitruvian.recipes.cascade")
    wrong = [name for name in ("mean", "spread", "linear", "square") if len(getattr(judge, name)) != len(FIGURES)]
    if wrong:
        raise WeightsError(f"{path}: {wrong[0]} must have {len(FIGURES)} numbers. Fix: python -m vitruvian.recipes.cascade")
    return judge


@dataclass(frozen=True)
class Look:
    """What the model says of one find: `figures` (len(FIGURES),), and the outline of the parts as a box, None without parts."""

    figures: Array
    extent: Array | None


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
    return Look(np.array(figures, np.float64), extent)


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
    return 0.0 if other is None else float(iou_matrix(box, other)[0, 0])


def moved(box: Array, extent: Array | None, agreement: float) -> Array:
    """Halfway to the outline of the parts where the two agree by that IoU; else the box itself."""
    if extent is None or _iou(box, extent) <= agreement:
        return box
    out: Array = ((box + extent) / 2).astype(np.float32)
    return out


class Cascade:
    """The packaged detector, asked for faint finds too, and the packaged model that judges them."""

    name = NAME

    def __init__(self, compute: Compute, selection: Selection = USUAL, path: Path = FILE) -> None:
        self._judge = read_judge(path)
        self.weights: str | None = weights.file_hash(path)
        finder, model = weights.load(FINDER, kind="detector"), weights.load(MODEL, kind="people")
        for loaded, wanted in ((finder, self._judge.detector), (model, self._judge.model)):
            if loaded.hash != wanted:
                raise WeightsError(
                    f"{path} was fitted to other weights of {loaded.card.spec.name} ({wanted[:12]}, here {loaded.hash[:12]})."
                    " Fix: --detector person, or fit it anew: python -m vitruvian.recipes.cascade"
                )
        self._finder = Finder(FINDER, finder, compute, self._judge.most)
        self._network = Network(model, compute, flip_test=False)
        self._least = self._judge.threshold if selection.min_score is None else selection.min_score
        self._overlap = self._judge.overlap if selection.nms is None else selection.nms
        self._rest = replace(selection, min_score=None, nms=None)

    def detect(self, image: Array) -> list[Person]:
        """Passes over the photo and its pieces, and over the finds."""
        return self._judged(image, self._least)

    def detect_faint(self, image: Array) -> tuple[list[Person], float]:
        """As `detect`, down to half of the score that it asks for, and that score."""
        return self._judged(image, self._least / 2), self._least

    def _judged(self, image: Array, least: float) -> list[Person]:
        finds = self._finder.find(image)
        if not finds:
            return []
        looks = look(self._network, image, finds)
        scores = self._judge.score(np.stack([one.figures for one in looks]))
        boxes = np.stack([moved(find.box, one.extent, self._judge.agreement) for find, one in zip(finds, looks, strict=True)])
        sure = np.flatnonzero(scores >= least)
        keep = sure[nms(boxes[sure], scores[sure], self._overlap)]
        return self._rest.of(detect.persons(boxes[keep], scores[keep], image.shape[:2]))

"""Body parts: one class per pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vitruvian.errors import InputError, UsageError
from vitruvian.geometry import map_to_source, warp
from vitruvian.tasks.base import Metric, Task
from vitruvian.tasks.dense import label_crop, resize_map
from vitruvian.tasks.labels import classes_at
from vitruvian.tasks.reduce import mean
from vitruvian.types import IGNORE, Array, Classes, Crop, HeadSpec, ModelSpec, Prediction, Sample, Value
from vitruvian.vocab import class_set


@dataclass(frozen=True)
class Seg(Task):
    """label_stride > 1 supervises at a fraction of the input's resolution, cheaply.

    balance: exponent on the official class weights; 1 is official, 0 weighs all classes alike.
    """

    class_set: str = "body28"
    label_stride: int = 1
    balance: float = 1.0
    alpha: float = 0.6
    name: ClassVar[str] = "seg"

    def __post_init__(self) -> None:
        class_set(self.class_set)  # an unknown name speaks up here, not in a worker

    def head_spec(self, spec: ModelSpec) -> HeadSpec:
        """Three deconvolutions and three 1x1 stages of 768: logits at half the input."""
        options = {"dropout": 0.1, "final_std": 0.01}
        names = class_set(self.class_set)
        return HeadSpec(self.name, (768,) * 3, (768,) * 3, len(names), names.name, options=options)

    def encode(self, sample: Sample, crop: Crop, spec: ModelSpec) -> dict[str, Tensor]:
        """{"label": (H, W) int64}; 255 = not counted, pixels outside the picture are background."""
        small = label_crop(crop, self.label_stride)
        if sample.classes is None:
            return {"label": torch.full(small.size, IGNORE, dtype=torch.int64)}
        label = warp(sample.classes, small, nearest=True)
        if label[label != IGNORE].max(initial=0) >= len(class_set(self.class_set)):
            told = (
                f"ids up to {label[label != IGNORE].max()}, but {self.class_set} has {len(class_set(self.class_set))} classes"
            )
            raise InputError(f"sample {sample.key}: {told}. Fix: read it with a class map.")
        if crop.flipped:
            label = _swap(label, self.class_set)
        return {"label": torch.from_numpy(label.astype(np.int64))}

    def usable(self, target: Mapping[str, Tensor]) -> bool:
        """Whether anything is labelled."""
        return bool((target["label"] != IGNORE).any())

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{"ce": weighted cross-entropy}."""
        weights = torch.tensor(class_set(self.class_set).loss_weights, device=output.device) ** self.balance
        return {"ce": mean(pixel_cross_entropy(output, target["label"], weights))}

    def decode(self, output: Tensor, crops: Sequence[Crop], spec: ModelSpec) -> list[Value]:
        """Logits -> ids and their probability at the crop's size."""
        if len(output) != len(crops):
            raise UsageError(f"{len(output)} outputs for {len(crops)} crops")
        values: list[Value] = []
        for logits, crop in zip(output.detach(), crops, strict=True):
            ids, score = (map_.cpu().numpy() for map_ in classes_at(logits, crop.size))
            ids = _swap(ids, self.class_set) if crop.flipped else ids
            values.append(Classes(ids, score, class_set(self.class_set).name))
        return values

    def flip(self, output: Tensor) -> Tensor:
        """Mirrored logits back, left and right classes swapped."""
        return output.flip(-1)[:, list(class_set(self.class_set).flip)]

    def metric(self) -> Metric:
        """mIoU, mAcc, aAcc and foreground IoU."""
        return SegMetric(class_set(self.class_set).name)

    def draw(self, image: Array, predictions: Sequence[Prediction]) -> Array:
        """The palette over the picture, background left as it is; later people lie on top."""
        out = image.astype(np.float32)
        for prediction in predictions:
            if isinstance(value := prediction.value, Classes):
                ids = map_to_source(value.ids, prediction.crop, border=0, nearest=True)
                person = ids > 0
                out[person] += self.alpha * (part_colors(ids[person], value.class_set) - out[person])
        return np.round(out).astype(np.uint8)


def pixel_cross_entropy(logits: Tensor, label: Tensor, weights: Tensor | None = None) -> Tensor:
    """Logits (B, C, h, w), label (B, H, W) -> loss (B, H, W), 0 at ignored pixels.

    Logits are resized to the label. The trainer takes the plain mean over all pixels: ignored ones count as zeros, and it is
    not divided by the weights' sum (Sapiens v1).
    """
    resized = resize_map(logits, label.shape[-2:])
    return F.cross_entropy(resized, label, weights, ignore_index=IGNORE, reduction="none")


def part_colors(ids: Array, name: str) -> Array:
    """Class ids (...) -> palette RGB (..., 3) uint8; ignored pixels are black."""
    palette = np.zeros((256, 3), np.uint8)
    colors = class_set(name).colors
    palette[: len(colors)] = colors
    out: Array = palette[ids]
    return out


def _swap(ids: Array, name: str) -> Array:
    table = np.arange(256, dtype=np.uint8)
    flip = class_set(name).flip
    table[: len(flip)] = flip
    out: Array = table[ids]
    return out


class SegMetric:
    """One confusion table over all pixels of all crops, in source pixels; pixels labelled 255 or outside the crop are left out.

    `miou` over the classes that occur in truth or prediction, `macc` over those in the truth, background among them;
    `aacc` over pixels; `foreground_iou` person against background. Fractions; NaN where nothing was labelled.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = len(class_set(name))
        self.confusion = np.zeros((self.count, self.count), np.int64)

    def update(self, prediction: Prediction, sample: Sample) -> None:
        """Count one crop; a sample without classes counts nothing."""
        value = prediction.value
        if not isinstance(value, Classes) or value.class_set != self.name:
            raise UsageError(f"the {self.name} metric cannot count a prediction of {type(value).__name__}")
        if sample.classes is None:
            return
        ids = map_to_source(value.ids, prediction.crop, border=IGNORE, nearest=True)
        self.add(ids, sample.classes)

    def add(self, ids: Array, truth: Array) -> None:
        """Count pixels of equal shape; ids beyond the set (255) on either side leave a pixel out."""
        counted = (ids < self.count) & (truth < self.count)
        pairs = truth[counted].astype(np.int64) * self.count + ids[counted]
        self.confusion += np.bincount(pairs, minlength=self.count**2).reshape(self.count, self.count)

    def compute(self) -> dict[str, float]:
        """`miou`, `macc`, `aacc`, `foreground_iou` and `iou/<class>` of the classes that occur."""
        table, names = self.confusion, class_set(self.name).names
        hit, truth, given = np.diag(table), table.sum(1), table.sum(0)
        union = truth + given - hit
        iou = {names[i]: hit[i] / union[i] for i in np.flatnonzero(union)}
        person = table[1:, 1:].sum()
        out = {
            "miou": _mean(list(iou.values())),
            "macc": _mean(list(hit[truth > 0] / truth[truth > 0])),
            "aacc": _mean([hit.sum() / table.sum()] if table.sum() else []),
            "foreground_iou": _mean([person / (table.sum() - table[0, 0])] if table.sum() > table[0, 0] else []),
        }
        return out | {f"iou/{name}": float(value) for name, value in iou.items()}


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")

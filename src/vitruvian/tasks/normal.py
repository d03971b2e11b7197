"""Surface normals: unit vectors in camera axes, or in those of weights whose makers do not say which they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vitruvian.errors import UsageError, unknown_name
from vitruvian.geometry import AXES, map_to_source, warp
from vitruvian.tasks.base import Metric, Task
from vitruvian.tasks.dense import crop_rotation, label_crop, maps_on_crops, resize_map, turn_vectors
from vitruvian.tasks.reduce import share
from vitruvian.types import (
    CAMERA_AXES,
    UNSTATED,
    UNSTATED_AXES,
    Array,
    Crop,
    HeadSpec,
    ModelSpec,
    Normals,
    Prediction,
    Sample,
    Value,
)

NOTHING = -1000.0  # target of a pixel without a normal, in all three channels
UNIT_EPS = 1e-5
LIMITS = (5, 7.5, 11.25, 22.5, 30)  # degrees
BINS_PER_DEGREE = 20


@dataclass(frozen=True)
class Normal(Task):
    """label_stride as in Seg. axes: of the head's answers, a name of `geometry.AXES`, which `decode` turns into the camera's,
    or `unstated`, which it leaves as they are; what is trained here is in camera axes."""

    label_stride: int = 1
    axes: str = "camera"
    name: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        if self.axes not in (*AXES, UNSTATED):
            raise unknown_name("axes of normals", self.axes, (*AXES, UNSTATED))

    def head_spec(self, spec: ModelSpec) -> HeadSpec:
        """Three deconvolutions and three 1x1 stages of 768: normals at half the input."""
        return HeadSpec(self.name, (768,) * 3, (768,) * 3, 3, options={"dropout": 0.1, "final_std": 0.01})

    def encode(self, sample: Sample, crop: Crop, spec: ModelSpec) -> dict[str, Tensor]:
        """{"normal": (3, H, W)} unit vectors turned with the crop, x negated where it is mirrored; -1000 = none."""
        small = label_crop(crop, self.label_stride)
        if sample.normal is None:
            return {"normal": torch.full((3, *small.size), NOTHING)}
        vectors = warp(sample.normal.astype(np.float32), small, border=np.nan, nearest=True)
        return {"normal": torch.from_numpy(normal_target(turn_vectors(vectors, crop_rotation(crop))).transpose(2, 0, 1).copy())}

    def usable(self, target: Mapping[str, Tensor]) -> bool:
        """Whether any pixel has a normal."""
        return bool((target["normal"] > NOTHING / 2).any())

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{"cosine": ..., "l1": ...}, both of weight 1."""
        pred = resize_map(output, target["normal"].shape[-2:])
        return {"cosine": cosine_loss(pred, target["normal"]), "l1": l1_loss(pred, target["normal"])}

    def counts(self, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Labelled pixels, for both parts."""
        return dict.fromkeys(("cosine", "l1"), _labelled(target["normal"]).sum())

    def decode(self, output: Tensor, crops: Sequence[Crop], spec: ModelSpec) -> list[Value]:
        """Unit normals at the crop's size, in the camera axes of the photo even where the crop is turned or mirrored; unstated
        axes are known of upright crops only."""
        signs = np.array(AXES.get(self.axes, (1, 1, 1)), np.float32)
        frame = UNSTATED_AXES if self.axes == UNSTATED else CAMERA_AXES
        values: list[Value] = []
        for vectors, crop in zip(maps_on_crops(output, crops), crops, strict=True):
            unit = unit_vectors(vectors.transpose(1, 2, 0)) * signs
            values.append(Normals(turn_vectors(unit, crop_rotation(crop).T).astype(np.float32), frame))
        return values

    def flip(self, output: Tensor) -> Tensor:
        """Mirrored maps back, x negated."""
        back = output.flip(-1)
        return torch.cat([-back[:, :1], back[:, 1:]], 1)

    def metric(self) -> Metric:
        """Mean and median angle, and the part below 11.25, 22.5 and 30 degrees."""
        return NormalMetric()

    def draw(self, image: Array, predictions: Sequence[Prediction]) -> Array:
        """Each person's finite normals as colours; set the background to NaN before."""
        out = image.copy()
        for prediction in predictions:
            if isinstance(value := prediction.value, Normals):
                vectors = map_to_source(value.n.astype(np.float32), prediction.crop)
                person = np.isfinite(vectors).all(-1)
                out[person] = normal_colors(vectors, value.frame)[person]
        return out


def normal_target(vectors: Array) -> Array:
    """(H, W, 3) vectors -> unit vectors, -1000 in all channels where any is not finite or the length is 0."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    known = np.isfinite(length) & (length > UNIT_EPS)
    return np.where(known, vectors / np.where(known, length, 1.0), NOTHING).astype(np.float32)


def cosine_loss(pred: Tensor, target: Tensor) -> Tensor:
    """Mean over labelled pixels of 1 - cos of the angle; (B, 3, H, W), no pixel gives 0."""
    valid = _labelled(target)
    cosine = (F.normalize(pred.float(), dim=1, eps=1e-6) * F.normalize(target, dim=1, eps=1e-6)).sum(1)
    return share(torch.where(valid, 1 - cosine, 0.0).sum(), valid.sum())


def l1_loss(pred: Tensor, target: Tensor) -> Tensor:
    """Absolute error of the raw output, summed over the three channels, mean over labelled pixels."""
    valid = _labelled(target)
    error = (pred.float() - target).abs().sum(1)
    return share(torch.where(valid, error, 0.0).sum(), valid.sum())


def _labelled(target: Tensor) -> Tensor:
    return target[:, 0] > -100


def unit_vectors(vectors: Array) -> Array:
    """Vectors over their length + 1e-5 along the last axis, as officially."""
    out: Array = vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + UNIT_EPS)
    return out


def normal_colors(vectors: Array, frame: str = CAMERA_AXES) -> Array:
    """(H, W, 3) normals -> RGB uint8 by (n + 1) / 2, black where not finite.

    Those in camera axes are shown with y up and z towards the viewer, the customary picture: what faces the camera is light
    blue. Of unstated axes the channels are shown as they are, as officially.
    """
    shown = np.isfinite(vectors).all(-1, keepdims=True)
    signs = np.array([1, -1, -1] if frame == CAMERA_AXES else [1, 1, 1])
    color = (unit_vectors(np.where(shown, vectors, 0.0)) * signs + 1) / 2
    return np.where(shown, np.round(color * 255), 0).astype(np.uint8)


class Angles:
    """Angles in degrees, counted in bins of 0.05, so that sums of several workers can be added and memory stays as it is."""

    def __init__(self) -> None:
        self.histogram = np.zeros(180 * BINS_PER_DEGREE, np.int64)
        self.total = 0.0

    def add(self, given: Array, truth: Array) -> None:
        """Count pairs of vectors (N, 3) of any length."""
        given, truth = given.astype(np.float64), truth.astype(np.float64)
        across = np.linalg.norm(np.cross(given, truth), axis=-1)
        angle = np.rad2deg(np.arctan2(across, (given * truth).sum(-1)))
        bins = np.minimum((angle * BINS_PER_DEGREE).astype(np.int64), len(self.histogram) - 1)
        self.histogram += np.bincount(bins, minlength=len(self.histogram))
        self.total += float(angle.sum())

    def compute(self) -> dict[str, float]:
        """`mean` and `median` in degrees, `within_<limit>` as fractions; NaN where nothing was counted."""
        count = int(self.histogram.sum())
        names = ("mean", "median", *(f"within_{limit:g}" for limit in LIMITS))
        if not count:
            return dict.fromkeys(names, float("nan"))
        reached = np.cumsum(self.histogram)
        median = (int(np.searchsorted(reached, count / 2)) + 0.5) / BINS_PER_DEGREE
        within = [float(reached[round(limit * BINS_PER_DEGREE) - 1] / count) for limit in LIMITS]
        return dict(zip(names, (self.total / count, median, *within), strict=True))


class NormalMetric:
    """Angles in degrees over all labelled pixels of all people: `mean`, `median`, `within_5` ... `within_30`, see `Angles`.

    Pixels: the sample's mask where it has one, with a finite truth, inside the crop.
    """

    def __init__(self) -> None:
        self.angles = Angles()

    def update(self, prediction: Prediction, sample: Sample) -> None:
        """Count one person; one without normals counts nothing. UsageError for axes that are not the camera's."""
        value = prediction.value
        if not isinstance(value, Normals):
            raise UsageError(f"the normal metric cannot count a prediction of {type(value).__name__}")
        if value.frame != CAMERA_AXES:
            raise UsageError(f"the axes of these normals are {value.frame}. Fix: vitruvian evaluate --task normal --axes AXES.")
        if sample.normal is None:
            return
        vectors = map_to_source(value.n.astype(np.float32), prediction.crop)
        counted = np.isfinite(vectors).all(-1) & np.isfinite(sample.normal).all(-1)
        if sample.mask is not None:
            counted &= sample.mask
        self.angles.add(vectors[counted], sample.normal[counted])

    def compute(self) -> dict[str, float]:
        """See `Angles.compute`."""
        return self.angles.compute()

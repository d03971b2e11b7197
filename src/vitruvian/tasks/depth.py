"""Relative depth: 0 is the nearest labelled pixel of the crop, 1 the farthest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

import cv2
import numpy as np
import torch
from torch import Tensor

from vitruvian.errors import UsageError, unknown_name
from vitruvian.geometry import map_to_source, warp
from vitruvian.tasks.base import Metric, Task
from vitruvian.tasks.dense import label_crop, maps_on_crops, resize_map
from vitruvian.tasks.reduce import mean, share
from vitruvian.types import Array, Crop, HeadSpec, ModelSpec, Prediction, Sample, Value
from vitruvian.types import Depth as DepthValue

Alignment: TypeAlias = Literal["scale_shift", "scale", "minmax", "none"]

SILOG_EPS = 1e-6
NOTHING = -1.0  # target of a pixel without depth
RELATIVE = ("abs_rel", "sq_rel", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3")
SILOG_SHARE = 0.5  # of the squared mean, as in the loss
ORDER_PAIRS = 2000
ORDER_GAP = 0.02  # of the true range: nearer pairs have no order worth asking


@dataclass(frozen=True)
class Depth(Task):
    """label_stride as in Seg. l1_weight adds an absolute error: the official loss has no gradient where output <= 0."""

    label_stride: int = 1
    l1_weight: float = 0.0
    alignment: Alignment = "scale_shift"
    name: ClassVar[str] = "depth"

    def __post_init__(self) -> None:
        if self.alignment not in get_args(Alignment):
            raise unknown_name("depth alignment", self.alignment, get_args(Alignment))

    def head_spec(self, spec: ModelSpec) -> HeadSpec:
        """Four deconvolutions and two 1x1 stages of 384: depth at the input's size."""
        return HeadSpec(self.name, (384,) * 4, (384,) * 2, 1, options={"dropout": 0.1, "final_std": 0.01})

    def encode(self, sample: Sample, crop: Crop, spec: ModelSpec) -> dict[str, Tensor]:
        """{"depth": (1, H, W)}: 0..1 over the pixels of the crop that have a depth, -1 elsewhere."""
        small = label_crop(crop, self.label_stride)
        if sample.depth is None:
            return {"depth": torch.full((1, *small.size), NOTHING)}
        metres = warp(sample.depth.astype(np.float32), small, border=np.nan, nearest=True)
        return {"depth": torch.from_numpy(relative_depth(metres, np.isfinite(metres)))[None]}

    def usable(self, target: Mapping[str, Tensor]) -> bool:
        """Whether any pixel has a depth."""
        return bool((target["depth"] > NOTHING / 2).any())

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{"silog": ...} and, where it has a weight, {"l1": ...}."""
        truth = target["depth"][:, 0]
        pred = resize_map(output, truth.shape[-2:])[:, 0]
        parts = {"silog": silog(pred, truth)}
        if self.l1_weight:
            valid = truth > NOTHING / 2
            error = torch.where(valid, (pred - truth).abs(), 0.0)
            parts["l1"] = self.l1_weight * share(error.sum(), valid.sum())
        return parts

    def counts(self, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Pixels with a depth, for l1; the other part is a mean over people."""
        return {"l1": (target["depth"] > NOTHING / 2).sum()} if self.l1_weight else {}

    def decode(self, output: Tensor, crops: Sequence[Crop], spec: ModelSpec) -> list[Value]:
        """Relative depth at the crop's size, every pixel; what is no person is for the parts to say."""
        return [DepthValue(z[0]) for z in maps_on_crops(output, crops)]

    def flip(self, output: Tensor) -> Tensor:
        """Mirrored maps back."""
        return output.flip(-1)

    def metric(self) -> Metric:
        """Errors after alignment, and order."""
        return DepthMetric(self.alignment)

    def draw(self, image: Array, predictions: Sequence[Prediction]) -> Array:
        """Each person's finite depths in colours of their own range, near = bright; set the background to NaN before."""
        out = image.copy()
        for prediction in predictions:
            if isinstance(value := prediction.value, DepthValue):
                z = map_to_source(value.z.astype(np.float32), prediction.crop)
                person = np.isfinite(z)
                out[person] = depth_colors(z)[person]
        return out


def relative_depth(metres: Array, mask: Array) -> Array:
    """(H, W) depths to 0 (nearest) .. 1 (farthest) over `mask`, -1 outside; a flat surface is 0, an empty mask all -1.

    Officially a flat surface keeps its raw values, which the loss would take for far beyond the farthest.
    """
    out = np.full(metres.shape, NOTHING, np.float32)
    if mask.any():
        near, far = metres[mask].min(), metres[mask].max()
        out[mask] = (metres[mask] - near) / (far - near if far > near else 1.0)
    return out


def silog(pred: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant log error (arXiv 1406.2283, lambda 0.5): pred, target (B, H, W); mean over the batch.

    Pixels count where target > 1e-6; a sample without any gives 0 but stays in the mean. The official value has a NaN
    gradient at a perfect prediction; here it is 0.
    """
    pred, target = pred.float().flatten(1), target.flatten(1)
    valid = target > SILOG_EPS
    difference = target.clamp(min=SILOG_EPS).log() - pred.clamp(min=SILOG_EPS).log()
    difference = torch.where(valid, difference, 0.0)
    count = valid.sum(1).clamp(min=1)
    spread = difference.square().sum(1) / count - 0.5 * (difference.sum(1) / count).square()
    positive = spread > 1e-12
    return mean(torch.where(positive, spread.where(positive, 1.0).sqrt(), 0.0))


def depth_colors(z: Array, ends: tuple[float, float] | None = None) -> Array:
    """(H, W) depths -> (H, W, 3) uint8 RGB, nearest of the finite ones brightest; black where not finite.

    ends: the depths that get the brightest and the darkest colour, so that several pictures can be compared; else its own.
    """
    shown = np.isfinite(z)
    out = np.zeros((*z.shape, 3), np.uint8)
    if not shown.any():
        return out
    near, far = np.percentile(z[shown], [0.5, 99.5]) if ends is None else ends
    level = np.clip((far - z[shown]) / max(far - near, 1e-9), 0, 1)
    grey = np.round(40 + 215 * level).astype(np.uint8)[:, None]  # the darkest colours would vanish in the background
    out[shown] = cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    return out


def align_depth(z: Array, truth: Array, how: Alignment) -> tuple[Array, Array]:
    """Two (N,) arrays made comparable: least-squares scale (and shift) of z, both to 0..1, or as they are."""
    if how == "none":
        return z, truth
    if how == "scale":
        return z * (float(z @ truth) / max(float(z @ z), 1e-12)), truth
    if how == "minmax":
        return _unit(z), _unit(truth)
    design = np.stack([z, np.ones_like(z)], 1)
    scale, shift = np.linalg.lstsq(design, truth, rcond=None)[0]
    return z * scale + shift, truth


def _unit(values: Array) -> Array:
    low, high = values.min(), values.max()
    out: Array = (values - low) / max(high - low, 1e-12)
    return out


class DepthMetric:
    """Per person, then the mean over people: `rmse`, `abs_rel`, `delta1..3` (ratio below 1.25^k) and `order`.

    Relative depth is first aligned to each person's true metres by the least-squares scale and shift (`scale_shift`: rmse
    in metres), or both to 0..1 (`minmax`), or not (`none`: a metric prediction). Pixels: the sample's mask where it has one,
    with a finite truth, inside the crop. `order`: of random pixel pairs at least 2 % of the true range apart, the part that is
    ordered rightly; it needs no alignment.
    """

    def __init__(self, alignment: Alignment) -> None:
        self.alignment = alignment
        self.figures: dict[str, list[float]] = {name: [] for name in ("rmse", "abs_rel", "delta1", "delta2", "delta3", "order")}

    def update(self, prediction: Prediction, sample: Sample) -> None:
        """Count one person; one without depth, or with fewer than 16 pixels, counts nothing."""
        value = prediction.value
        if not isinstance(value, DepthValue):
            raise UsageError(f"the depth metric cannot count a prediction of {type(value).__name__}")
        if sample.depth is None:
            return
        z = map_to_source(value.z.astype(np.float32), prediction.crop)
        counted = np.isfinite(z) & np.isfinite(sample.depth)
        if sample.mask is not None:
            counted &= sample.mask
        if counted.sum() < 16:
            return
        raw, truth = z[counted].astype(np.float64), sample.depth[counted].astype(np.float64)
        for name, figure in (depth_errors(*align_depth(raw, truth, self.alignment)) | {"order": _order(raw, truth)}).items():
            if name in self.figures:
                self.figures[name].append(figure)

    def compute(self) -> dict[str, float]:
        """Means over the people counted, NaN where there was none."""
        finite = {name: [v for v in values if np.isfinite(v)] for name, values in self.figures.items()}
        return {name: float(np.mean(values)) if values else float("nan") for name, values in finite.items()}


def depth_errors(z: Array, truth: Array) -> dict[str, float]:
    """Figures of aligned depths (N,) of one person or photo (Eigen et al., 2014, and the official metric class); the relative
    ones over positive truths, NaN where there are none: `rmse`, `abs_rel`, `sq_rel`, `rmse_log`, `log10`, `silog`, `delta1..3`.
    """
    out = {"rmse": float(np.sqrt(np.mean((z - truth) ** 2)))}
    positive = truth > SILOG_EPS
    if not positive.any():
        return out | dict.fromkeys(RELATIVE, float("nan"))
    z, truth = np.maximum(z[positive], SILOG_EPS), truth[positive]
    ratio, gap, logs = np.maximum(z / truth, truth / z), z - truth, np.log(z) - np.log(truth)
    relative = (
        np.mean(np.abs(gap) / truth), np.mean(gap**2 / truth), np.sqrt(np.mean(logs**2)), np.mean(np.abs(logs)) / np.log(10),
        np.sqrt(max(float(np.mean(logs**2) - SILOG_SHARE * np.mean(logs) ** 2), 0.0)),
        *(np.mean(ratio < 1.25**k) for k in (1, 2, 3)),
    )  # fmt: skip
    return out | {name: float(value) for name, value in zip(RELATIVE, relative, strict=True)}


def _order(z: Array, truth: Array) -> float:
    first, second = np.random.default_rng(0).integers(0, len(truth), (2, ORDER_PAIRS))
    gap = truth[first] - truth[second]
    asked = np.abs(gap) > ORDER_GAP * max(np.ptp(truth), 1e-12)
    right = np.sign(gap[asked]) == np.sign(z[first][asked] - z[second][asked])
    return float(right.mean()) if asked.any() else float("nan")

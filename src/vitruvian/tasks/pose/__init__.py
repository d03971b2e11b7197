"""Keypoints of one person, as heatmaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from vitruvian.errors import UsageError, unknown_name
from vitruvian.tasks.base import Metric, Task
from vitruvian.tasks.pose.codec import decode_heatmaps, decode_logits, encode_heatmaps
from vitruvian.tasks.pose.draw import draw_skeletons
from vitruvian.tasks.pose.loss import keypoint_cross_entropy, keypoint_mse, keypoint_ohkm
from vitruvian.tasks.pose.metric import PoseMetric, labelled_points
from vitruvian.types import Array, Crop, HeadSpec, Keypoints, ModelSpec, Prediction, Sample, Value
from vitruvian.vocab import skeleton

PoseLoss: TypeAlias = Literal["mse", "ohkm", "cross_entropy"]


@dataclass(frozen=True)
class Pose(Task):
    """group_weights: named group of the skeleton -> factor on its points' loss (1 elsewhere). topk: for `ohkm` only.

    A head trained with `cross_entropy` has the option {"activation": "softmax"} in its HeadSpec, so that its maps are read
    as probabilities; the official heads have none.
    """

    skeleton: str = "wholebody133"
    loss_kind: PoseLoss = "mse"
    topk: int = 128
    group_weights: Mapping[str, float] = field(default_factory=dict)
    draw_threshold: float = 0.3
    name: ClassVar[str] = "pose"

    def __post_init__(self) -> None:
        if self.loss_kind not in get_args(PoseLoss):
            raise unknown_name("pose loss", self.loss_kind, get_args(PoseLoss))
        groups = skeleton(self.skeleton).groups
        for group in self.group_weights:
            if group not in groups:
                raise unknown_name(f"group of {self.skeleton}", group, groups)

    def head_spec(self, spec: ModelSpec) -> HeadSpec:
        """Two deconvolutions and two 1x1 stages of 768: heatmaps at a quarter of the input."""
        names = skeleton(self.skeleton)
        return HeadSpec(self.name, (768, 768), (768, 768), len(names), names.name, options={"std": 0.001})

    def encode(self, sample: Sample, crop: Crop, spec: ModelSpec) -> dict[str, Tensor]:
        """{"heatmap": (K, h, w) at the head's resolution, "weight": (K,) 0 = not counted}."""
        names, heatmap = skeleton(self.skeleton), heatmap_size(spec, crop.size)
        labelled = labelled_points(sample, self.skeleton)
        if labelled is None:
            return {"heatmap": torch.zeros(len(names), *heatmap), "weight": torch.zeros(len(names))}
        points = crop.points_to_input(labelled[:, :2])
        visible = labelled[:, 2] > 0
        if crop.flipped:
            points, visible = points[list(names.flip)], visible[list(names.flip)]
        maps, weight = encode_heatmaps(points, visible, crop.size, heatmap, spec.sigma)
        return {"heatmap": torch.from_numpy(maps), "weight": torch.from_numpy(weight * self._factors())}

    def usable(self, target: Mapping[str, Tensor]) -> bool:
        """Whether as many points lie within reach of the maps as the skeleton asks for (of 133 and 308 officially 8)."""
        return int((target["weight"] > 0).sum()) >= skeleton(self.skeleton).min_visible

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{"heatmap": mean squared error, that of the worst points, or cross-entropy}."""
        pred, maps, weight = output, target["heatmap"], target["weight"]
        if pred.shape != maps.shape:
            raise UsageError(f"the pose head gives {tuple(pred.shape)}, the target is {tuple(maps.shape)}")
        if self.loss_kind == "ohkm":
            return {"heatmap": keypoint_ohkm(pred, maps, weight, self.topk)}
        if self.loss_kind == "cross_entropy":
            return {"heatmap": keypoint_cross_entropy(pred, maps, weight)}
        return {"heatmap": keypoint_mse(pred, maps, weight)}

    def decode(self, output: Tensor, crops: Sequence[Crop], spec: ModelSpec) -> list[Value]:
        """Heatmaps (B, K, h, w) -> keypoints in source px; score = the map's peak or, of probabilities, the mass around it."""
        if len(output) != len(crops):
            raise UsageError(f"{len(output)} outputs for {len(crops)} crops")
        if not crops:
            return []
        if spec.head(self.name).options.get("activation") == "softmax":
            points, scores = decode_logits(output, crops[0].size, spec.sigma, spec.codec)
        else:
            points, scores = decode_heatmaps(output, crops[0].size, spec.codec)
        return [self._keypoints(xy, score, crop, spec) for xy, score, crop in zip(points, scores, crops, strict=True)]

    def flip(self, output: Tensor) -> Tensor:
        """Mirrored maps back, left and right swapped; no shift, as officially."""
        return output.flip(-1)[:, list(skeleton(self.skeleton).flip)]

    def metric(self) -> Metric:
        """PCK and NME against the box's longer side."""
        return PoseMetric(self.skeleton)

    def draw(self, image: Array, predictions: Sequence[Prediction]) -> Array:
        """Links and points that reach `draw_threshold`."""
        return draw_skeletons(image, predictions, self.draw_threshold)

    def _keypoints(self, points: Array, scores: Array, crop: Crop, spec: ModelSpec) -> Keypoints:
        if spec.codec == "official":
            points = points * official_to_exact(crop.size)
        xy = crop.points_to_source(points).astype(np.float32)
        if crop.flipped:
            back = list(skeleton(self.skeleton).flip)
            xy, scores = xy[back], scores[back]
        return Keypoints(xy, scores.astype(np.float32), skeleton(self.skeleton).name)

    def _factors(self) -> Array:
        names = skeleton(self.skeleton)
        out = np.ones(len(names), np.float32)
        for group, factor in self.group_weights.items():
            out[list(names.groups[group])] = factor
        return out


def heatmap_size(spec: ModelSpec, size: tuple[int, int]) -> tuple[int, int]:
    """(h, w) of the pose head's maps for an input (H, W): every upsampling stage doubles the patch grid."""
    factor = 2 ** len(spec.head("pose").upsample)
    return size[0] // spec.patch * factor, size[1] // spec.patch * factor


def official_to_exact(size: tuple[int, int]) -> Array:
    """(2,) factor that turns the `official` codec's input px into those of the crop's matrix.

    The official code goes back by xy / (W, H) * scale + centre - scale / 2, while its crop maps the box to size - 1: the two
    full sizes cancel, and the place in the photo is that of the `exact` codec.
    """
    height, width = size
    return np.array([(width - 1) / width, (height - 1) / height])

"""The people of a whole frame, as boxes: one map says where a middle is, four say how far the sides are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import torch
from torch import Tensor

from vitruvian.errors import UsageError
from vitruvian.geometry import nms
from vitruvian.tasks.base import Metric, Task
from vitruvian.tasks.person.codec import boxes_on_input, boxes_on_source, decode_boxes, encode_boxes
from vitruvian.tasks.person.loss import center_focal, sides_giou
from vitruvian.tasks.person.metric import PersonMetric
from vitruvian.types import Array, Boxes, Crop, HeadSpec, ModelSpec, Prediction, Sample, Value

DEFAULT_THRESHOLD = 0.3


@dataclass(frozen=True)
class Person(Task):
    """For a model that sees whole frames (`fit` "pad").

    threshold: least score of a box; None takes the head's option `threshold`, found on held-out frames, else 0.3.
    smallest: people whose longer side is less than this many input px count neither way in training. overlap: IoU beyond which
    the weaker of two boxes is dropped.
    """

    threshold: float | None = None
    smallest: float = 10.0
    overlap: float = 0.6
    sides_weight: float = 1.0
    name: ClassVar[str] = "person"

    def head_spec(self, spec: ModelSpec) -> HeadSpec:
        """One deconvolution of 256: maps at an eighth of the input."""
        return HeadSpec(self.name, (256,), (), 5, options={"final_std": 0.01})

    def encode(self, sample: Sample, crop: Crop, spec: ModelSpec) -> dict[str, Tensor]:
        """Four maps at the head's resolution (h, w), no batch dimension.

        "center" (1, h, w) Gaussians, 1 in the middle cell of a person; "counted" (1, h, w) 0 where the centre loss looks away;
        "sides" (4, h, w) left, top, right, bottom in cells; "near" (1, h, w) their weight, 1 in sum for each person.
        """
        stride = stride_of(spec)
        size = (spec.size[0] // stride, spec.size[1] // stride)
        if sample.boxes is None:
            maps = encode_boxes(np.zeros((0, 4)), size, stride, self.smallest)
            maps["counted"][:] = 0
        else:
            maps = encode_boxes(boxes_on_input(sample.boxes, crop), size, stride, self.smallest)
        return {name: torch.from_numpy(values) for name, values in maps.items()}

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{"center": penalty-reduced focal loss, "sides": 1 - generalised IoU}, both per person of the batch."""
        center, sides = output[:, :1].float(), output[:, 1:].float()
        if center.shape != target["center"].shape:
            raise UsageError(f"the person head gives {tuple(output.shape)}, the target is {tuple(target['center'].shape)}")
        return {
            "center": center_focal(center, target["center"], target["counted"]),
            "sides": self.sides_weight * sides_giou(sides, target["sides"], target["near"]),
        }

    def decode(self, output: Tensor, crops: Sequence[Crop], spec: ModelSpec) -> list[Value]:
        """(B, 5, h, w) -> boxes in source px, clipped to the frame; of a rotated crop upright boxes around the turned ones."""
        if len(output) != len(crops):
            raise UsageError(f"{len(output)} outputs for {len(crops)} crops")
        threshold = self.least_score(spec)
        return [self._boxes(maps, crop, stride_of(spec), threshold) for maps, crop in zip(output, crops, strict=True)]

    def flip(self, output: Tensor) -> Tensor:
        """Mirrored maps back: left and right sides change places."""
        return output.flip(-1)[:, [0, 3, 2, 1, 4]]

    def metric(self) -> Metric:
        """Recall and precision of the given boxes and AP at IoU 0.5, for all people and for those of 100 px and more."""
        return PersonMetric()

    def draw(self, image: Array, predictions: Sequence[Prediction]) -> Array:
        """A frame around everybody, stronger for a higher score."""
        out = np.ascontiguousarray(image).copy()
        stroke = max(1, round(max(image.shape[:2]) / 300))
        for prediction in predictions:
            if isinstance(value := prediction.value, Boxes):
                for box, score in zip(np.round(value.xyxy).astype(int).tolist(), value.score, strict=True):
                    shade = 0.35 + 0.65 * float(np.clip(score, 0, 1))
                    color = (round(255 * shade), round(200 * shade), 0)
                    cv2.rectangle(out, (box[0], box[1]), (box[2], box[3]), color, stroke, cv2.LINE_AA)
        return out

    def least_score(self, spec: ModelSpec) -> float:
        """The score below which there is no box."""
        if self.threshold is not None:
            return self.threshold
        return float(spec.head(self.name).options.get("threshold", DEFAULT_THRESHOLD))

    def _boxes(self, maps: Tensor, crop: Crop, stride: int, threshold: float) -> Boxes:
        boxes, scores = decode_boxes(maps, stride, threshold)
        keep = nms(boxes, scores, self.overlap)
        return Boxes(boxes_on_source(boxes[keep], crop), scores[keep])


def stride_of(spec: ModelSpec) -> int:
    """Input px across one cell of the person head; every upsampling stage halves the patch."""
    stride: int = spec.patch // 2 ** len(spec.head("person").upsample)
    if stride < 1:
        raise UsageError(f"{spec.name}: the person head upsamples beyond the input's own size. Fix: fewer stages.")
    return stride

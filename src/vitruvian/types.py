"""The words of the house: frozen records that every room shares. No behaviour beyond what their fields imply.

Pixels: x right, y down; points are (x, y), sizes are (H, W); integer coordinates are pixel centres.
Camera: OpenCV axes (+x right, +y down, +z forward), metres. Images outside the model: RGB uint8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

Array: TypeAlias = npt.NDArray[Any]
Origin: TypeAlias = Literal["detector", "user", "whole-image"]
Fit: TypeAlias = Literal["affine", "lite", "pad", "stretch"]
DepthKind: TypeAlias = Literal["relative", "affine", "metric"]
Codec: TypeAlias = Literal["official", "exact"]

IGNORE = 255  # class id of a pixel that no loss and no metric counts
UNSTATED = "unstated"  # axes of normals that nobody has published
CAMERA_AXES = "camera: +x right, +y down, +z forward"
UNSTATED_AXES = f"{UNSTATED}: those that the weights were trained in, which are not published"


@dataclass(frozen=True)
class Person:
    """One person in a picture. box: (4,) float32 xyxy in source pixels; score in 0..1."""

    box: Array
    score: float = 1.0
    track: int | None = None
    origin: Origin = "user"


@dataclass(frozen=True)
class Crop:
    """How source pixels became input pixels: the affine `matrix` (2, 3) float64, then a mirror if `flipped`. Sizes (H, W)."""

    matrix: Array
    size: tuple[int, int]
    source_size: tuple[int, int]
    flipped: bool = False

    @property
    def inverse(self) -> Array:
        """(2, 3) float64 inverse of `matrix`, unmirrored input -> source pixels."""
        linear = np.linalg.inv(self.matrix[:, :2])
        out: Array = np.concatenate([linear, -linear @ self.matrix[:, 2:]], axis=1)
        return out

    def points_to_source(self, points: Array) -> Array:
        """(..., 2) input pixels -> source pixels, float64."""
        inverse = self.inverse
        return self._mirror(points) @ inverse[:, :2].T + inverse[:, 2]

    def points_to_input(self, points: Array) -> Array:
        """(..., 2) source pixels -> input pixels, float64."""
        return self._mirror(np.asarray(points, np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2])

    def _mirror(self, points: Array) -> Array:
        points = np.array(points, np.float64)
        if self.flipped:
            points[..., 0] = self.size[1] - 1 - points[..., 0]
        return points


@dataclass(frozen=True)
class Sample:
    """One person of one image with whatever labels exist. Absent labels are None.

    image (H, W, 3) uint8 RGB; box (4,) xyxy px; mask (H, W) bool, this person; area px;
    keypoints (K, 3): x, y, visibility 0 absent / 1 hidden / 2 seen; classes (H, W) uint8, 255 = ignore;
    depth (H, W) float32 metres, NaN unknown; normal (H, W, 3) float32 unit, camera axes, NaN unknown;
    intrinsics (3, 3). boxes (N, 4) xyxy px: every person of the frame, for detection; a single `box` does not say that.
    """

    image: Array
    box: Array
    key: str = ""
    mask: Array | None = None
    area: float | None = None
    image_id: int | None = None
    crowd: bool = False
    skeleton: str | None = None
    keypoints: Array | None = None
    classes: Array | None = None
    depth: Array | None = None
    normal: Array | None = None
    intrinsics: Array | None = None
    licence: str | None = None
    boxes: Array | None = None


@dataclass(frozen=True)
class Batch:
    """image (B, 3, H, W) normalised float; target: task -> its tensors; valid (B,) bool: padding never enters a mean."""

    image: Tensor
    target: Mapping[str, Mapping[str, Tensor]]
    valid: Tensor
    crops: tuple[Crop, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keypoints:
    """xy (K, 2) float32 source pixels, score (K,) float32; the skeleton names the rows."""

    xy: Array
    score: Array
    skeleton: str


@dataclass(frozen=True)
class Classes:
    """ids (H, W) uint8 and score (H, W) float32 (probability of the shown id) on the crop's frame."""

    ids: Array
    score: Array
    class_set: str


@dataclass(frozen=True)
class Depth:
    """z (H, W) float32 on the crop's frame, larger is farther; `relative` has no unit and no common scale between people."""

    z: Array
    kind: DepthKind = "relative"
    unit: str | None = None


@dataclass(frozen=True)
class Normals:
    """n (H, W, 3) float32 unit vectors on the crop's frame; `frame` names the axes, CAMERA_AXES or UNSTATED_AXES."""

    n: Array
    frame: str = CAMERA_AXES


@dataclass(frozen=True)
class Boxes:
    """People found in a whole frame: xyxy (N, 4) float32 source pixels, score (N,) float32 in 0..1."""

    xyxy: Array
    score: Array


Value: TypeAlias = Keypoints | Classes | Depth | Normals | Boxes


@dataclass(frozen=True)
class Prediction:
    """One task's answer for one person. `weights` is the hash of the file that gave it."""

    person: Person
    crop: Crop
    task: str
    weights: str
    value: Value


@dataclass(frozen=True)
class ImageRecord:
    """One image for evaluation: its people and the regions that count neither way."""

    image_id: int
    size: tuple[int, int]
    path: str
    people: tuple[Sample, ...] = ()
    ignore: tuple[Array, ...] = ()


@dataclass(frozen=True)
class HeadSpec:
    """One head: its task, the widths of its upsampling and 1x1 stages, and the vocabulary of its output.

    kind "deconv" is the official head (transposed convolutions, instance norm, SiLU);
    kind "shuffle" upsamples by a linear layer and pixel shuffle, several times cheaper on a CPU;
    kind "mae" is the pretraining decoder (alone in its model).
    """

    task: str
    upsample: tuple[int, ...]
    conv: tuple[int, ...] = ()
    out: int = 1
    vocabulary: str | None = None
    kind: Literal["deconv", "shuffle", "mae"] = "deconv"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSpec:
    """All that is needed to build a model and to feed it; saved with its weights.

    size (H, W) of the input; fit: how a photo becomes one (see `geometry.make_crop`); padding is that of the patch
    convolution (0 or 2); mean and std on the 0..255 scale, RGB;
    keypoint codec: `official` multiplies by the full size on the way back, `exact` is the true inverse. resample: how a photo
    is made smaller for the input: `bilinear`, as officially, skips pixels; `area` takes all of them into account. flip_test:
    whether `predict` takes the mean of the photo's answer and its mirror image's where it is not told.
    """

    name: str
    size: tuple[int, int]
    dim: int
    depth: int
    heads_attn: int
    mlp: int
    heads: tuple[HeadSpec, ...]
    backbone: str = "vit"
    patch: int = 16
    padding: int = 0
    class_token: bool = False
    stem: Literal["patch", "conv"] = "patch"
    fit: Fit = "affine"
    box_padding: float = 1.25
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    codec: Codec = "exact"
    resample: Literal["bilinear", "area"] = "bilinear"
    sigma: float = 2.0
    flip_test: bool = False
    licence: str = "unknown"

    @property
    def grid(self) -> tuple[int, int]:
        """Patch rows and columns of the native input size."""
        return self.size[0] // self.patch, self.size[1] // self.patch

    def head(self, task: str) -> HeadSpec:
        """The head of one task; KeyError names what the model has."""
        for head in self.heads:
            if head.task == task:
                return head
        raise KeyError(f"{self.name} has no head for {task!r}; it has {', '.join(h.task for h in self.heads)}")

    def with_heads(self, *heads: HeadSpec) -> ModelSpec:
        """The same backbone with other heads."""
        return replace(self, heads=heads)

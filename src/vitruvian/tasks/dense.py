"""What the tasks with a value per pixel share: label frames, the official resizing of logits, crop rotation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from vitruvian.errors import UsageError
from vitruvian.types import Array, Crop


def label_crop(crop: Crop, stride: int) -> Crop:
    """The same crop at 1 / stride of its resolution; every label pixel lies at the middle of its stride x stride cell."""
    if stride == 1:
        return crop
    height, width = crop.size
    if stride < 1 or height % stride or width % stride:
        raise UsageError(f"label_stride {stride} does not divide the input size {crop.size}")
    matrix = crop.matrix / stride
    matrix[:, 2] -= (stride - 1) / (2 * stride)
    return Crop(matrix, (height // stride, width // stride), crop.source_size, crop.flipped)


def resize_map(values: Tensor, size: tuple[int, int] | Sequence[int]) -> Tensor:
    """(B, C, h, w) -> float32 (B, C, H, W), bilinear, pixel areas kept (align_corners False), as officially."""
    values = values.float()
    if tuple(values.shape[-2:]) == tuple(size):
        return values
    return F.interpolate(values, size=tuple(size), mode="bilinear", align_corners=False)


def maps_on_crops(values: Tensor, crops: Sequence[Crop]) -> list[Array]:
    """(B, C, h, w) -> per crop (C, H, W) float32 at the crop's size."""
    if len(values) != len(crops):
        raise UsageError(f"{len(values)} outputs for {len(crops)} crops")
    return [resize_map(values[i : i + 1].detach(), crop.size)[0].cpu().numpy() for i, crop in enumerate(crops)]


def crop_rotation(crop: Crop) -> Array:
    """(2, 2) float64: turns image-plane vectors of the source into those of the crop; resizing is left out, a mirror not.

    The orthogonal part of the matrix (its polar factor): the turn itself, whether the picture was stretched before it, as a
    window of a photo is, or after it, as a person's box is.
    """
    left, _, right = np.linalg.svd(crop.matrix[:, :2])
    rotation: Array = left @ right
    return np.diag([-1.0, 1.0]) @ rotation if crop.flipped else rotation


def turn_vectors(vectors: Array, rotation: Array) -> Array:
    """Vectors (..., 3) with x and y multiplied by a (2, 2) matrix; z stays."""
    out = vectors.copy()
    out[..., :2] = vectors[..., :2] @ rotation.T
    return out

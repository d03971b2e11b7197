"""Masked pretraining as an objective of the same training loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vitruvian.model.mae import mae_head
from vitruvian.tasks.base import Objective
from vitruvian.tasks.reduce import share
from vitruvian.types import Crop, HeadSpec, ModelSpec, Sample


@dataclass(frozen=True)
class Mae(Objective):
    """norm_pix: every patch is guessed with its own mean and deviation taken out."""

    norm_pix: bool = True
    name: ClassVar[str] = "mae"

    def head_spec(self, spec: ModelSpec) -> HeadSpec:
        """The official decoder: width 512, depth 8, 16 heads, three quarters masked."""
        return mae_head(spec.patch)

    def encode(self, sample: Sample, crop: Crop, spec: ModelSpec) -> dict[str, Tensor]:
        """Nothing: the image is its own target."""
        return {}

    def inputs(self, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The noise that decides what is hidden, where the examples bring their own; else the model draws it."""
        return {"noise": target["noise"]} if "noise" in target else {}

    def loss(self, output: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{"mae": squared error per masked patch}. output: `pred`, `mask`, `patches` of the MaskedAutoencoder."""
        patches = output["patches"].float()
        truth = normalise_patches(patches) if self.norm_pix else patches
        return {"mae": masked_mse(output["pred"], truth, output["mask"])}


def normalise_patches(patches: Tensor) -> Tensor:
    """(B, N, P) -> zero mean and unit (unbiased) variance in every patch."""
    centred = patches - patches.mean(-1, keepdim=True)
    return centred / (patches.var(-1, keepdim=True) + 1e-6).sqrt()


def masked_mse(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean over P, then over the masked patches of the whole batch; pred, target (B, N, P), mask (B, N) 1 = masked."""
    per_patch = (pred.float() - target).square().mean(-1)
    return share((per_patch * mask).sum(), mask.sum())

"""From the backbone's map to a task's map. Keys: `up.{i}`, `conv.{i}`, `final` (the official names are in weights/keymaps)."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitruvian.errors import unknown_name
from vitruvian.types import HeadSpec

REFINEMENTS = ("none", "depthwise", "full")


class DeconvHead(nn.Module):
    """The official head: transposed convolutions, then 1x1 convolutions, each with instance norm and SiLU.

    Options: `dropout` (of whole channels before the last layer, training only), `std` (all convolutions N(0, std)),
    `final_std` (the last one only).
    """

    def __init__(self, dim: int, spec: HeadSpec) -> None:
        super().__init__()
        ups, convs = (dim, *spec.upsample), ((dim, *spec.upsample)[-1], *spec.conv)
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False) for a, b in pairwise(ups))
        self.conv = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(convs))
        self.final = nn.Conv2d(convs[-1], spec.out, 1)
        self.dropout = float(spec.options.get("dropout", 0.0))
        _initialise(self, spec)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, out, h * 2^n, w * 2^n) raw values."""
        for layer in (*self.up, *self.conv):
            features = F.silu(F.instance_norm(layer(features), eps=1e-5))
        if self.dropout:
            features = F.dropout2d(features, self.dropout, self.training)
        return cast(Tensor, self.final(features))


class _ShuffleStage(nn.Module):
    """(B, h, w, C) -> (B, 2h, 2w, width): a linear layer makes the four children of every pixel."""

    def __init__(self, dim: int, width: int, refine: str) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 4 * width)
        self.norm = nn.LayerNorm(width)
        self.refine = None
        if refine != "none":
            self.refine = nn.Conv2d(width, width, 3, padding=1, groups=width if refine == "depthwise" else 1)

    def forward(self, features: Tensor) -> Tensor:
        batch, height, width, _ = features.shape
        children = self.linear(features).reshape(batch, height, width, 2, 2, -1)
        features = children.transpose(2, 3).reshape(batch, 2 * height, 2 * width, -1)
        features = F.silu(self.norm(features))
        if self.refine is None:
            return features
        # seen as channels-first, this channels-last tensor is one that a convolution takes without a copy
        return features + F.silu(self.refine(features.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)


class ShuffleHead(nn.Module):
    """A head for CPUs: linear layers and pixel shuffle in channels-last, layer norm, SiLU, a light 3x3 refinement.

    Options: `refine` (`none`, `depthwise` (default) or `full` 3x3 convolution after each upsampling), `dropout`, `final_std`.
    """

    def __init__(self, dim: int, spec: HeadSpec) -> None:
        super().__init__()
        refine = str(spec.options.get("refine", "depthwise"))
        if refine not in REFINEMENTS:
            raise unknown_name("refinement", refine, REFINEMENTS)
        ups, convs = (dim, *spec.upsample), ((dim, *spec.upsample)[-1], *spec.conv)
        self.up = nn.ModuleList(_ShuffleStage(a, b, refine) for a, b in pairwise(ups))
        self.conv = nn.ModuleList(nn.Sequential(nn.Linear(a, b), nn.LayerNorm(b), nn.SiLU()) for a, b in pairwise(convs))
        self.final = nn.Linear(convs[-1], spec.out)
        self.dropout = float(spec.options.get("dropout", 0.0))
        _initialise(self, spec)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, out, h * 2^n, w * 2^n) raw values."""
        features = features.permute(0, 2, 3, 1)
        for layer in (*self.up, *self.conv):
            features = layer(features)
        if self.dropout:
            features = F.dropout(features, self.dropout, self.training)
        return cast(Tensor, self.final(features)).permute(0, 3, 1, 2)


HEADS: dict[str, type[DeconvHead] | type[ShuffleHead]] = {"deconv": DeconvHead, "shuffle": ShuffleHead}


@torch.no_grad()
def _initialise(head: DeconvHead | ShuffleHead, spec: HeadSpec) -> None:
    """Normal weights and zero biases as in the official heads; where no deviation is given PyTorch's own start stays."""
    std = spec.options.get("std")
    if std is not None:
        for module in head.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                _normal(module, float(std))
    final_std = spec.options.get("final_std", std)
    if final_std is not None:
        _normal(head.final, float(final_std))


def _normal(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, std: float) -> None:
    nn.init.normal_(layer.weight, std=std)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)

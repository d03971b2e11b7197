"""Low-rank adaptation (arXiv 2106.09685): frozen linear layers learn a product of two thin matrices beside their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitruvian.model.vit import Block, ViT

DOWN, UP = "lora_down", "lora_up"
ADAPTED = ("qkv", "proj")  # of a block's attention


class LowRank(nn.Linear):
    """x W' + b + x down' up': only `lora_down` (rank, in) and `lora_up` (out, rank) learn. At the start `lora_up` is zero, so
    nothing has changed."""

    def __init__(self, plain: nn.Linear, rank: int) -> None:
        super().__init__(plain.in_features, plain.out_features, plain.bias is not None, device="meta")
        self.weight, self.bias = plain.weight, plain.bias
        self.lora_down = nn.Parameter(torch.empty(rank, plain.in_features))
        self.lora_up = nn.Parameter(torch.zeros(plain.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_down, a=math.sqrt(5))

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return super().forward(tokens) + F.linear(F.linear(tokens, self.lora_down), self.lora_up)


def adapt(backbone: ViT, rank: int) -> None:
    """Freeze the backbone and give the attention layers of every block something to learn."""
    backbone.requires_grad_(False)
    for block in backbone.blocks:
        attention = cast(Block, block).attn
        for name in ADAPTED:
            setattr(attention, name, LowRank(getattr(attention, name), rank))


def merged(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a model with adapted layers as that of the plain model which computes the same."""
    out = {name: value for name, value in state.items() if not name.endswith((DOWN, UP))}
    for name in state:
        if name.endswith(UP):
            layer = name.removesuffix(UP)
            weight = out[f"{layer}weight"]
            change = state[name].float() @ state[layer + DOWN].float()
            out[f"{layer}weight"] = (weight.float() + change).to(weight.dtype)
    return out

"""What a model costs: operations, counted without computing anything."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from vitruvian.model.build import build
from vitruvian.types import ModelSpec


def operations(spec: ModelSpec) -> int:
    """Floating-point operations of one input through the whole model, attention included (2 a multiply-add).

    Of a pretraining model: the encoder on the patches it sees, and the decoder. Training takes three times as many.
    """
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        build(spec).eval()(torch.empty(1, 3, *spec.size))
    return int(counter.get_total_flops())


def parameters(spec: ModelSpec) -> int:
    """How many numbers are trained."""
    with torch.device("meta"):
        return sum(p.numel() for p in build(spec).parameters() if p.requires_grad)

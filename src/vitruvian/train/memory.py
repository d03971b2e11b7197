"""How much memory a step will take, told before the first one: a run that cannot fit is refused with what would."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from vitruvian.device import Compute
from vitruvian.errors import UsageError
from vitruvian.machine import free_memory
from vitruvian.model.cost import activations, heads_activations, parameters
from vitruvian.types import ModelSpec

WEIGHT, LEARNING = 4, 12  # bytes a number in float32: itself; and, where it is trained, its gradient and AdamW's two moments
GIB = 2**30


@dataclass(frozen=True)
class Estimate:
    """Bytes of one rank: `state` of weights, `activations` of one micro-batch."""

    state: int
    activations: int

    @property
    def total(self) -> int:
        """Both."""
        return self.state + self.activations

    def __str__(self) -> str:
        return f"{self.total / GIB:.1f} GiB ({self.state / GIB:.1f} of weights, {self.activations / GIB:.1f} of activations)"


def estimate(
    spec: ModelSpec,
    compute: Compute,
    batch: int,
    ranks: int = 1,
    ema: bool = False,
    checkpointing: bool = False,
    trained: int | None = None,
) -> Estimate:
    """What a step of `batch` examples on all ranks takes on one of them: weights, blocks, maps of heads; nothing smaller.

    trained: how many numbers learn, all if left out. No more than the heads have: the backbone is frozen, and keeps nothing for
    a backward pass.
    """
    numbers = parameters(spec)
    learning = numbers if trained is None else trained
    state = (numbers * WEIGHT * (1 + ema) + learning * LEARNING) // ranks
    wide = 2 if compute.dtype_name == "bf16" else 4
    frozen = learning <= numbers - parameters(spec.with_heads())
    kept = heads_activations(spec, wide) if frozen else activations(spec, wide, checkpointing)
    return Estimate(state, -(-batch // ranks) * kept)


def check_memory(
    spec: ModelSpec,
    compute: Compute,
    batch: int,
    ranks: int,
    ema: bool,
    checkpointing: bool,
    own: int = 0,
    trained: int | None = None,
) -> Estimate:
    """The estimate; UsageError where more than is free, with the largest batch that would fit. own: bytes already taken."""
    needed = estimate(spec, compute, batch, ranks, ema, checkpointing, trained)
    free = free_memory(compute)
    if free is None or needed.total <= free + own:
        return needed
    asked = f"a step of {batch} examples on {ranks} rank{'s' * (ranks > 1)} needs about {needed}"
    fix = _what_fits(spec, compute, batch, ranks, ema, checkpointing, free + own, trained)
    raise UsageError(f"{asked}, and {(free + own) / GIB:.1f} GiB are free. {fix}")


def _what_fits(
    spec: ModelSpec, compute: Compute, batch: int, ranks: int, ema: bool, checkpointing: bool, free: int, trained: int | None
) -> str:
    for saving in dict.fromkeys((checkpointing, True)):
        for fewer in range(batch, 0, -1):
            if estimate(spec, compute, fewer, ranks, ema, saving, trained).total <= free:
                with_it = " with checkpointing" if saving and not checkpointing else ""
                return f"Fix: a batch of {fewer}{with_it} would fit; accumulate the rest."
    state = estimate(spec, compute, 1, 1, ema, True, trained)
    return f"Fix: {-(-state.state // max(free // 2, 1))} ranks or more, or a smaller model."


def bytes_on(device: torch.device, model: nn.Module) -> int:
    """What the weights already take of the device's memory; elsewhere they are copied to it."""
    return sum(p.numel() * p.element_size() for p in model.parameters() if p.device.type == device.type)

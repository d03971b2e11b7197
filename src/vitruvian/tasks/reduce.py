"""Means over everything that all ranks hold, inside losses.

A mean of ranks' means is wrong where they count unequally many pixels. Here sums and counts are added over ranks first, so that
every rank has the loss of the whole batch; its gradient is scaled so that the usual averaging over ranks gives the gradient of
that loss. In a single process nothing is exchanged.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def ranks() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def total(value: Tensor) -> Tensor:
    """The sum of a tensor over all ranks; every rank must ask."""
    out: Tensor = _Total.apply(value) if ranks() > 1 else value  # type: ignore[no-untyped-call]
    return out


def mean(values: Tensor) -> Tensor:
    """The mean over all elements of all ranks."""
    if ranks() == 1:
        return values.mean()
    return total(values.sum()) / total(values.new_tensor(float(values.numel())))


def share(part: Tensor, count: Tensor, least: float = 1.0) -> Tensor:
    """A sum over all ranks divided by a count over all ranks (at least `least`, so that nothing counted gives 0)."""
    return total(part) / total(count.to(part.dtype)).clamp(min=least)


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, value: Tensor) -> Tensor:
        out = value.detach().clone()
        dist.all_reduce(out)
        return out

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return gradient * ranks()  # every rank's loss is the same one; the average over ranks takes this away

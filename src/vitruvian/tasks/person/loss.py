"""Losses of the person maps; all (B, C, h, w)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vitruvian.tasks.person.codec import LOG_RANGE
from vitruvian.tasks.reduce import share


def center_focal(logits: Tensor, center: Tensor, counted: Tensor) -> Tensor:
    """Penalty-reduced focal loss (CenterNet, arXiv 1904.07850; powers 2 and 4), summed, per middle cell of the batch."""
    middle = center == 1
    probability = logits.sigmoid()
    hit = -((1 - probability) ** 2) * F.logsigmoid(logits)
    miss = -((1 - center) ** 4) * probability**2 * F.logsigmoid(-logits)
    return share((counted * torch.where(middle, hit, miss)).sum(), middle.sum())


def sides_giou(raw: Tensor, sides: Tensor, near: Tensor) -> Tensor:
    """1 - generalised IoU (arXiv 1902.09630) of the boxes seen from each cell, weighted by `near`, per person of the batch.

    raw (B, 4, h, w): logarithms of the sides in cells; sides: the true ones.
    """
    pred = raw.clamp(*LOG_RANGE).exp()
    low, high = torch.minimum(pred, sides), torch.maximum(pred, sides)
    both, around, a, b = (_area(v) for v in (low, high, pred, sides))
    union = a + b - both
    giou = both / union - (around - union) / around
    return share((near[:, 0] * (1 - giou)).sum(), near.sum())


def _area(sides: Tensor) -> Tensor:
    return (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])

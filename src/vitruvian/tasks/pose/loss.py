"""Losses between heatmaps. pred, target (B, K, h, w); weight (B, K)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vitruvian.tasks.reduce import mean, share


def keypoint_mse(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over everything, points of weight 0 included, of w * (p - t)^2 (Sapiens v1: 17, 133, larger 308)."""
    return mean(weight[..., None, None] * (pred.float() - target) ** 2)


def keypoint_ohkm(pred: Tensor, target: Tensor, weight: Tensor, topk: int) -> Tensor:
    """Mean of each sample's `topk` worst points (arXiv 1711.07319); all of them where there are fewer."""
    per_point = ((pred.float() - target) * weight[..., None, None]).square().mean((2, 3))
    return mean(per_point.topk(min(topk, per_point.shape[1]), dim=1).values)


def keypoint_cross_entropy(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean over points of the cross-entropy between the map's softmax over all pixels and the target's share of each.

    Unlike squares over nearly empty maps it has no valley at zero, so a small model learns from the first step.
    """
    part = target.flatten(2) / target.flatten(2).sum(-1, keepdim=True).clamp(min=1e-6)
    entropy = -(part * F.log_softmax(pred.float().flatten(2), -1)).sum(-1)
    return share((weight * entropy).sum(), weight.sum(), 1e-6)

"""Losses between heatmaps. pred, target (B, K, h, w); weight (B, K)."""

from __future__ import annotations

from torch import Tensor


def keypoint_mse(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over everything, points of weight 0 included, of w * (p - t)^2 (Sapiens v1: 17, 133, larger 308)."""
    return (weight[..., None, None] * (pred.float() - target) ** 2).mean()


def keypoint_ohkm(pred: Tensor, target: Tensor, weight: Tensor, topk: int) -> Tensor:
    """Mean of each sample's `topk` worst points (arXiv 1711.07319); all of them where there are fewer."""
    per_point = ((pred.float() - target) * weight[..., None, None]).square().mean((2, 3))
    return per_point.topk(min(topk, per_point.shape[1]), dim=1).values.mean()

"""Keypoints <-> heatmaps: unbiased Gaussians (UDP, arXiv 1911.07524) and sub-pixel decoding (DARK, arXiv 1910.06278).

Heatmap coordinates relate to the input's by (w - 1) / (W - 1): the first and last pixel centres coincide.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vitruvian.types import Array, Codec

BLUR_RADIUS = 5
BLUR_SIGMA = 2.0
MAX_STEP = 3.0  # heatmap px; a nearly flat peak would otherwise throw the point anywhere
CLIP = (1e-3, 50.0)  # of the blurred map before its logarithm, as officially
RIDGE = 1.1920929e-07  # float32 epsilon on the Hessian's diagonal, as officially


def encode_heatmaps(
    points: Array, visible: Array, size: tuple[int, int], heatmap: tuple[int, int], sigma: float
) -> tuple[Array, Array]:
    """Points (K, 2) in input px and visible (K,) bool -> heatmaps (K, h, w) float32 and weights (K,) float32.

    Peaks of 1 at the sub-pixel place, cut off beyond 3 sigma around the rounded centre. A point whose square lies fully
    outside, or that is not visible, has a zero map and weight 0. size, heatmap: (H, W); sigma in heatmap px.
    """
    (height, width), (rows, cols) = size, heatmap
    scale = np.array([(width - 1) / (cols - 1), (height - 1) / (rows - 1)], np.float64)
    visible = np.asarray(visible, bool) & np.isfinite(points).all(-1)
    center = np.where(visible[:, None], points, 0.0) / scale
    along_x, hit_x = _bells(center[:, 0], cols, sigma)
    along_y, hit_y = _bells(center[:, 1], rows, sigma)
    weights = (visible & hit_x & hit_y).astype(np.float32)
    maps: Array = (along_y * weights[:, None])[:, :, None] * along_x[:, None, :]
    return maps, weights


def _bells(center: Array, length: int, sigma: float) -> tuple[Array, Array]:
    """(K, length) float32 one-dimensional Gaussians, and whether any of their support is inside, (K,) bool."""
    radius = round(3 * sigma)
    rounded = np.trunc(center + 0.5)[:, None]
    place = np.arange(length)
    support: Array = np.abs(place - rounded) <= radius
    bells = np.exp(-((place - center[:, None]) ** 2) / (2 * sigma**2)) * support
    inside = np.asarray(support.any(1))
    return bells.astype(np.float32), inside


def decode_heatmaps(heatmaps: Tensor, size: tuple[int, int], codec: Codec = "exact") -> tuple[Array, Array]:
    """Heatmaps (..., h, w) -> input px (..., 2) float64 and scores (...) float32, the maps' peaks.

    The peak is refined by one Newton step on the logarithm of the blurred map, of which only what lies around the peak is
    made: officially the whole map is blurred and brought to its former maximum, a factor that the step does not see unless
    the clipping of the logarithm is touched; such maps are blurred whole. What is float64 is little and on the CPU: Apple's
    devices have none. A map without a positive value gives the place before the first pixel, (-1, -1) in heatmap px, and its
    score as it is; the official code reads wrong memory there, and NaN from a map of zeros. `official` scales by the full
    input size (H, W), `exact` by size - 1.
    """
    maps = heatmaps.detach().float().flatten(0, -3)
    rows, cols = maps.shape[-2:]
    y = maps.amax(-1).argmax(-1)  # first the row, then the place in it: several times faster than an index into all
    score, x = maps[torch.arange(len(maps), device=maps.device), y].max(-1)
    around, peak, sure = _blurred_neighbourhood(maps, y, x), torch.stack([x, y], 1).cpu().double(), score.cpu()
    found = sure > 0
    clipped = found & ((around.amin((1, 2)) < CLIP[0]) | (sure > CLIP[1]))
    logarithm = around.clamp_min(CLIP[0]).log()
    if clipped.any():
        there = clipped.to(maps.device)
        logarithm[clipped] = _log_neighbourhood(maps[there], score[there], y[there], x[there])
    step = torch.where(found[:, None], _newton_step(logarithm), 0.0)
    peak = torch.where(found[:, None], peak, -1.0) + step
    ends = np.array([size[1], size[0]], np.float64) - (codec == "exact")
    points = peak.numpy() / np.array([cols - 1, rows - 1], np.float64) * ends
    shape = heatmaps.shape[:-2]
    return points.reshape(*shape, 2), sure.numpy().reshape(shape)


def decode_logits(logits: Tensor, size: tuple[int, int], sigma: float, codec: Codec = "exact") -> tuple[Array, Array]:
    """Maps (..., h, w) whose softmax is each pixel's probability -> input px (..., 2) and scores (...).

    The score is the probability that the point lies within two sigma (heatmap px) of the peak, along x and along y.
    """
    share = logits.detach().float().flatten(-2).softmax(-1).reshape(logits.shape)
    points, _ = decode_heatmaps(share * (2 * math.pi * sigma**2), size, codec)  # a map like its target peaks at 1
    score = _mass_around_peak(share.flatten(0, -3), math.ceil(2 * sigma))
    return points, score.cpu().numpy().reshape(logits.shape[:-2])


def _mass_around_peak(maps: Tensor, radius: int) -> Tensor:
    """(N,) sum of each map (N, h, w) over the places within `radius` of its maximum along either axis."""
    peak = maps.flatten(1).argmax(1)
    row, column = peak // maps.shape[2] + radius, peak % maps.shape[2] + radius  # of the padded map
    offset = torch.arange(-radius, radius + 1, device=maps.device)
    place = torch.arange(len(maps), device=maps.device)[:, None, None]
    padded = F.pad(maps, (radius, radius, radius, radius))
    return padded[place, (row[:, None] + offset)[:, :, None], (column[:, None] + offset)[:, None, :]].sum((1, 2))


def _blur_matrix(length: int, like: Tensor) -> Tensor:
    """(length, length) band matrix of the 11-tap Gaussian with zeros beyond the ends; symmetric."""
    place = torch.arange(length, device=like.device)
    return _taps(like)[(place[:, None] - place[None]).abs().clamp(max=BLUR_RADIUS + 1)]


def _taps(like: Tensor) -> Tensor:
    """(7,) weights of the 11-tap Gaussian by distance, and a zero for all that is farther."""
    taps = torch.tensor([math.exp(-(i**2) / (2 * BLUR_SIGMA**2)) for i in range(BLUR_RADIUS + 1)], dtype=torch.float64)
    return torch.cat([taps / (2 * taps.sum() - taps[0]), torch.zeros(1, dtype=torch.float64)]).to(like.dtype).to(like.device)


def _blurred_neighbourhood(maps: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """(N, 3, 3) float64, on the CPU, of the blurred maps around (y, x): edges repeated, zeros blurred in from beyond them."""
    rows, cols = maps.shape[-2:]
    offset = torch.arange(-1, 2, device=maps.device)
    reach = torch.arange(-BLUR_RADIUS - 1, BLUR_RADIUS + 2, device=maps.device)
    near_y, near_x = (y[:, None] + offset).clamp(0, rows - 1), (x[:, None] + offset).clamp(0, cols - 1)
    far_y, far_x = y[:, None] + reach, x[:, None] + reach
    inside = ((far_y >= 0) & (far_y < rows))[:, :, None] & ((far_x >= 0) & (far_x < cols))[:, None, :]
    place = torch.arange(len(maps), device=maps.device)[:, None, None]
    window = maps[place, far_y.clamp(0, rows - 1)[:, :, None], far_x.clamp(0, cols - 1)[:, None, :]] * inside
    window = window.cpu().double()
    taps = _taps(window)
    down, across = (
        taps[(near[:, :, None] - far[:, None, :]).abs().clamp(max=BLUR_RADIUS + 1).cpu()]
        for near, far in ((near_y, far_y), (near_x, far_x))
    )
    return down @ window @ across.transpose(1, 2)


def _log_neighbourhood(maps: Tensor, score: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """(N, 3, 3) float64 logarithms, on the CPU, of the blurred, rescaled maps around (y, x); edges repeat."""
    rows, cols = maps.shape[-2:]
    blurred = _blur_matrix(rows, maps) @ maps @ _blur_matrix(cols, maps)
    peak = blurred.flatten(1).amax(1)
    gain = torch.where((score > 0) & (peak > 0), score / peak.where(peak > 0, 1.0), 1.0)
    offset = torch.arange(-1, 2, device=maps.device)
    near_y = (y[:, None] + offset).clamp(0, rows - 1)[:, :, None]
    near_x = (x[:, None] + offset).clamp(0, cols - 1)[:, None, :]
    around = blurred[torch.arange(len(maps), device=maps.device)[:, None, None], near_y, near_x] * gain[:, None, None]
    return around.clamp(*CLIP).cpu().double().log()


def _newton_step(v: Tensor) -> Tensor:
    """(N, 3, 3) values -> (N, 2) step x, y to the maximum of their second-order expansion."""
    up, left, center, right, down = v[:, 0, 1], v[:, 1, 0], v[:, 1, 1], v[:, 1, 2], v[:, 2, 1]
    dx, dy = (right - left) / 2, (down - up) / 2
    dxx, dyy = right - 2 * center + left + RIDGE, down - 2 * center + up + RIDGE
    # the official mixed derivative: a two-cell form along the diagonal, not the four-corner one
    dxy = (v[:, 2, 2] - right - down + 2 * center - left - up + v[:, 0, 0]) / 2
    determinant = dxx * dyy - dxy * dxy
    safe = determinant.abs() > 1e-20
    step = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], 1) / determinant.where(safe, 1.0)[:, None]
    return step.where(safe[:, None], 0.0).clamp(-MAX_STEP, MAX_STEP)

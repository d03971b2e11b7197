"""Boxes <-> maps: a Gaussian at the middle of each person (CenterNet, arXiv 1904.07850), and around it the distances to the
four sides, weighted by the same Gaussian (TTFNet, arXiv 1909.00700)."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from vitruvian.types import Array, Crop

SPREAD = 0.54 / 6  # standard deviation of the Gaussian as a part of the box's side, as in TTFNet
LEAST_SPREAD = 0.5  # cells
NEAR = 0.2  # cells with at least this much of the Gaussian learn the sides
LEAST_SIDE = 0.5  # input px: the middle of a cell may lie outside a very narrow box
LOG_RANGE = (-4.0, 6.0)  # of a side over the stride; keeps exp finite
PEAKS = 100


def boxes_on_input(boxes: Array, crop: Crop) -> Array:
    """Source xyxy (N, 4) -> upright boxes around them on the input, clipped to it; those outside it are left out."""
    corners = crop.points_to_input(_corners(boxes))
    low, high = corners.min(1), corners.max(1)
    limit = np.array([crop.size[1], crop.size[0]]) - 0.5
    low, high = np.clip(low, -0.5, limit), np.clip(high, -0.5, limit)
    out: Array = np.concatenate([low, high], 1)[((high - low) > 0).all(1)]
    return out


def boxes_on_source(boxes: Array, crop: Crop) -> Array:
    """Input xyxy (N, 4) -> (N, 4) float32 source px, clipped to the frame."""
    corners = crop.points_to_source(_corners(boxes))
    limit = np.array([crop.source_size[1], crop.source_size[0]])
    out: Array = np.concatenate([np.clip(corners.min(1), 0, limit), np.clip(corners.max(1), 0, limit)], 1)
    return out.astype(np.float32)


def _corners(boxes: Array) -> Array:
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    return boxes[:, [[0, 1], [2, 1], [0, 3], [2, 3]]]


def encode_boxes(boxes: Array, size: tuple[int, int], stride: int, smallest: float) -> dict[str, Array]:
    """Input xyxy (N, 4) -> float32 maps `center`, `counted`, `near` (1, h, w) and `sides` (4, h, w) of `size` (h, w).

    Where two people share a cell the sides are those of the one whose Gaussian is higher there; larger people are laid down first.
    """
    maps = {"center": np.zeros((1, *size), np.float32), "counted": np.ones((1, *size), np.float32)}
    maps |= {"near": np.zeros((1, *size), np.float32), "sides": np.full((4, *size), stride, np.float32)}
    owner = np.full(size, -1)
    y, x = ((np.arange(n) + 0.5) * stride - 0.5 for n in size)
    order = np.argsort(-np.prod(boxes[:, 2:] - boxes[:, :2], 1), kind="stable")
    counted = [i for i in order if max(boxes[i, 2] - boxes[i, 0], boxes[i, 3] - boxes[i, 1]) >= smallest]
    for box in boxes[[i for i in order if i not in counted]]:
        maps["counted"][0, (y >= box[1] - stride)[:, None] & (y <= box[3] + stride)[:, None] & _between(x, box, stride)] = 0
    for i in counted:
        bell = _bell(boxes[i], size, stride)
        mine = (bell >= NEAR) & (bell >= maps["center"][0])
        owner[mine] = i
        maps["sides"][:, mine] = _sides(boxes[i], x, y)[:, mine]
        maps["center"][0] = np.maximum(maps["center"][0], bell)
        maps["near"][0] = np.where(mine, bell, maps["near"][0])
    maps["counted"][maps["center"] == 1] = 1
    for i in counted:
        mine = owner == i
        maps["near"][0, mine] /= max(maps["near"][0, mine].sum(), 1e-6)
    return maps


def _between(x: Array, box: Array, margin: float) -> Array:
    out: Array = ((x >= box[0] - margin) & (x <= box[2] + margin))[None]
    return out


def _bell(box: Array, size: tuple[int, int], stride: int) -> Array:
    """(h, w) float32 Gaussian, exactly 1 in the cell that holds the box's middle."""
    axes = []
    for axis, cells in ((1, size[0]), (0, size[1])):
        middle = (box[axis] + box[axis + 2]) / 2
        cell = np.clip(np.floor((middle + 0.5) / stride), 0, cells - 1)
        spread = max(SPREAD * (box[axis + 2] - box[axis]) / stride, LEAST_SPREAD)
        axes.append(np.exp(-((np.arange(cells) - cell) ** 2) / (2 * spread**2)))
    return (axes[0][:, None] * axes[1][None]).astype(np.float32)


def _sides(box: Array, x: Array, y: Array) -> Array:
    """(4, h, w) distances from the middle of every cell to left, top, right, bottom."""
    columns, rows = np.meshgrid(x, y)
    return np.maximum(np.stack([columns - box[0], rows - box[1], box[2] - columns, box[3] - rows]), LEAST_SIDE)


def decode_boxes(maps: Tensor, stride: int, threshold: float) -> tuple[Array, Array]:
    """(5, h, w) head output -> input xyxy (N, 4) float64 and score (N,) float32: the local peaks of the centre map."""
    score = maps[0].detach().float().sigmoid()
    peak = score == F.max_pool2d(score[None], 3, 1, 1)[0]
    values, places = (score * peak).flatten().topk(min(PEAKS, score.numel()))
    places = places[values > max(threshold, 0.0)]
    rows, columns = (places // score.shape[1]).cpu().numpy(), (places % score.shape[1]).cpu().numpy()
    sides = stride * maps[1:].detach().float().clamp(*LOG_RANGE).exp().flatten(1)[:, places].cpu().numpy().astype(np.float64)
    x, y = (columns + 0.5) * stride - 0.5, (rows + 0.5) * stride - 0.5
    boxes = np.stack([x - sides[0], y - sides[1], x + sides[2], y + sides[3]], 1)
    return boxes, values[: len(places)].cpu().numpy().astype(np.float32)

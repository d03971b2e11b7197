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
LEAST_SIDE = 0.05  # cells: the middle of a cell may lie outside a very narrow box
LOG_RANGE = (-4.0, 6.0)  # of a side in cells; keeps exp finite
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
    """Input xyxy (N, 4) -> float32 maps `center`, `counted`, `near` (1, h, w) and `sides` (4, h, w, in cells) of `size` (h, w).

    Where two people share a cell the sides are those of the one whose Gaussian is higher there; large people come first.
    """
    maps = {"center": np.zeros((1, *size), np.float32), "counted": np.ones((1, *size), np.float32)}
    maps |= {"near": np.zeros((1, *size), np.float32), "sides": np.ones((4, *size), np.float32)}
    owner = np.full(size, -1)
    cells = (np.asarray(boxes, np.float64).reshape(-1, 4) + 0.5) / stride
    longer = np.maximum(cells[:, 2] - cells[:, 0], cells[:, 3] - cells[:, 1]) * stride
    for box in cells[longer < smallest]:
        maps["counted"][0][_around(box)] = 0
    order = [i for i in np.argsort(-longer, kind="stable") if longer[i] >= smallest]
    for i in order:
        bell = _bell(cells[i], size)
        mine = (bell >= NEAR) & (bell >= maps["center"][0])
        owner[mine] = i
        maps["sides"][:, mine] = _sides(cells[i], size)[:, mine]
        maps["near"][0, mine] = bell[mine]
        maps["center"][0] = np.maximum(maps["center"][0], bell)
    maps["counted"][maps["center"] == 1] = 1
    for i in order:
        maps["near"][0, owner == i] /= max(maps["near"][0, owner == i].sum(), 1e-6)
    return maps


def _around(box: Array) -> tuple[slice, slice]:
    """The cells of a box and one more on every side."""
    x0, y0, x1, y1 = (int(v) for v in np.floor(box))
    return slice(max(y0 - 1, 0), y1 + 2), slice(max(x0 - 1, 0), x1 + 2)


def _bell(box: Array, size: tuple[int, int]) -> Array:
    """(h, w) float32 Gaussian, exactly 1 in the cell that holds the box's middle; box in cells."""
    axes = []
    for axis, count in ((1, size[0]), (0, size[1])):
        middle = np.clip(np.floor((box[axis] + box[axis + 2]) / 2), 0, count - 1)
        spread = max(SPREAD * (box[axis + 2] - box[axis]), LEAST_SPREAD)
        axes.append(np.exp(-((np.arange(count) - middle) ** 2) / (2 * spread**2)))
    bell: Array = axes[0][:, None] * axes[1][None]
    return bell.astype(np.float32)


def _sides(box: Array, size: tuple[int, int]) -> Array:
    """(4, h, w) distances in cells from the middle of every cell to left, top, right, bottom."""
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    sides: Array = np.stack([columns - box[0], rows - box[1], box[2] - columns, box[3] - rows])
    return sides.clip(LEAST_SIDE)


def decode_boxes(maps: Tensor, stride: int, threshold: float) -> tuple[Array, Array]:
    """(5, h, w) head output -> input xyxy (N, 4) float64 and score (N,) float32: the local peaks of the centre map."""
    score = maps[0].detach().float().sigmoid()
    peak = score == F.max_pool2d(score[None], 3, 1, 1)[0]
    values, places = (score * peak).flatten().topk(min(PEAKS, score.numel()))
    places = places[values > max(threshold, 0.0)]
    rows, columns = (places // score.shape[1]).cpu().numpy() + 0.5, (places % score.shape[1]).cpu().numpy() + 0.5
    left, top, right, bottom = maps[1:].detach().float().clamp(*LOG_RANGE).exp().flatten(1)[:, places].cpu().double().numpy()
    cells = np.stack([columns - left, rows - top, columns + right, rows + bottom], 1)
    return cells * stride - 0.5, values[: len(places)].cpu().numpy().astype(np.float32)

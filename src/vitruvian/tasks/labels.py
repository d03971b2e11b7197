"""Scores on a coarse grid -> the class of every pixel of a finer one, never holding full-size maps of all classes.

Work goes in strips of rows that fit a cache. Bilinear values mix four neighbours with the same shares for every class, so where
all four have the same best class it is the best of all between them too: only pixels at a boundary are compared. Everything
runs on the scores' device and equals `F.interpolate(..., mode="bilinear", align_corners=False)` up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vitruvian.types import IGNORE

STRIP = {"cpu": 1 << 18, "cuda": 1 << 22}  # float32 values of all classes at once: in the cache; enough to keep a GPU busy


@dataclass(frozen=True)
class _Axis:
    """Per pixel of the fine grid its two neighbours on the coarse one and the share of the second; all (n,)."""

    low: Tensor
    high: Tensor
    share: Tensor

    def __getitem__(self, span: slice) -> _Axis:
        return _Axis(self.low[span], self.high[span], self.share[span])


def classes_at(scores: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Logits (C, h, w) resized to `size` (H, W) -> the best class (H, W) uint8 and its probability (H, W) float32."""
    rows = _axis(scores.shape[1], size[0], scores.device)
    ids = torch.empty(size, dtype=torch.uint8, device=scores.device)
    probability = torch.empty(size, device=scores.device)
    with _one_thread(scores.device):
        for span in _spans(size[0], len(scores) * size[1], scores.device):
            strip = _resized(scores, rows[span], size[1])
            best = strip.amax(0)
            ids[span] = _first_of(strip == best)
            probability[span] = strip.sub_(best).exp_().sum(0).reciprocal_()
    return ids, probability


def labels_at(scores: Tensor, middle: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Scores (C, h, w) -> the best class of every pixel of a photo of `size` (H, W), uint8, as officially.

    The scores are resized bilinearly to the input's size `middle`, from there to the photo's, and only then compared.
    """
    rows, columns = _axis(middle[0], size[0], scores.device), _axis(middle[1], size[1], scores.device)
    coarse = _axis(scores.shape[1], middle[0], scores.device)
    out = torch.empty(size, dtype=torch.uint8, device=scores.device)
    per_row = len(scores) * middle[1] * middle[0] / size[0]
    with _one_thread(scores.device):
        for span in _spans(size[0], per_row, scores.device):
            first, end = int(rows.low[span][0]), int(rows.high[span][-1]) + 1
            strip = _resized(scores, coarse[first:end], middle[1])
            near = _Axis(rows.low[span] - first, rows.high[span] - first, rows.share[span])
            out[span] = _labels_between(strip, near, columns)
    return out


def _labels_between(strip: Tensor, rows: _Axis, columns: _Axis) -> Tensor:
    """Scores (C, m, w) -> best classes (n, W) uint8 at these rows and columns between them."""
    best = _cells(_first_of(strip == strip.amax(0)))
    out = best.index_select(1, columns.low).index_select(0, rows.low)
    at = (out.flatten() == IGNORE).nonzero()[:, 0]
    y = torch.div(at, out.shape[1], rounding_mode="floor")
    x = at - y * out.shape[1]
    flat, left, right = strip.flatten(1), columns.low[x], columns.high[x]
    upper, lower = (
        _mixed(flat.index_select(1, row + left), flat.index_select(1, row + right), columns.share[x])
        for row in (rows.low[y] * strip.shape[2], rows.high[y] * strip.shape[2])
    )
    value = _mixed(upper, lower, rows.share[y])
    out.view(-1)[at] = _first_of(value == value.amax(0))
    return out


def _cells(best: Tensor) -> Tensor:
    """(m, w) classes -> the class that each has in common with its right and lower neighbours; IGNORE where they differ."""
    below = torch.cat([best[1:], best[-1:]])
    alike = best == below
    right = torch.cat([best[:, 1:], best[:, -1:]], 1)
    alike &= (best == right) & torch.cat([alike[:, 1:], alike[:, -1:]], 1)
    return best.where(alike, best.new_tensor(IGNORE))


def _resized(scores: Tensor, rows: _Axis, width: int) -> Tensor:
    """(C, h, w) -> float32 (C, n, width) at these rows; a new tensor."""
    first, end = int(rows.low[0]), int(rows.high[-1]) + 1
    part = scores[:, first:end].float()
    wide = F.interpolate(part[None], (end - first, width), mode="bilinear", align_corners=False)[0]
    return _mixed(wide.index_select(1, rows.low - first), wide.index_select(1, rows.high - first), rows.share[:, None])


def _mixed(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """A share of the other and the rest of the one, in the order of `F.interpolate`; both are overwritten."""
    return one.mul_(1 - share).add_(other.mul_(share))


def _first_of(hit: Tensor) -> Tensor:
    """(C, ...) bool -> the first class that is true, uint8; 0 if none is. Far faster than argmax over the first axis."""
    count = len(hit)
    rank = torch.arange(count, 0, -1, dtype=torch.uint8, device=hit.device)
    return (count - (hit * rank.view(-1, *[1] * (hit.ndim - 1))).amax(0)) % count


def _axis(coarse: int, fine: int, device: torch.device) -> _Axis:
    """Pixel areas are kept: the centre of fine pixel i lies at (i + 0.5) * coarse / fine - 0.5, not before the first one."""
    at = ((torch.arange(fine, dtype=torch.float32, device=device) + 0.5) * (coarse / fine) - 0.5).clamp_min(0)
    low = at.long().clamp_max(coarse - 1)
    return _Axis(low, (low + 1).clamp_max(coarse - 1), at - low)


def _spans(rows: int, per_row: float, device: torch.device) -> Iterator[slice]:
    step = max(1, int(STRIP.get(device.type, STRIP["cuda"]) / per_row))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


@contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    """On a CPU: the threads of hundreds of small steps wait for each other, for seconds where the cores have other work too."""
    if device.type != "cpu":
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

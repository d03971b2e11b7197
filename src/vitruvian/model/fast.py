"""The official head on a CPU: the same numbers out of matrix products instead of transposed convolutions.

A transposed convolution of kernel 4 and stride 2 makes each of its four output phases (even or odd row, even or odd column)
from 2x2 input pixels: two matrix products a phase, one for each row of the window, of pairs of pixels that lie side by side.
The phases of the last stage stay apart through the 1x1 convolutions and are woven together only in the output, which has far
fewer channels. Norm and activation happen in blocks that the next product takes out of the cache.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitruvian.model.heads import DeconvHead

EPS = 1e-5
ROWS_AT_ONCE = 4096  # a block of rows that stays in the cache from its norm to the product that takes it
PAIRS_AT_ONCE = 8192  # pairs of pixels laid out side by side for one matrix product: bounds the memory
KERNEL = ((3, 1), (2, 0))  # kernel rows that an even and an odd output row takes from the input rows above and below it


class FastDeconvHead(nn.Module):
    """`DeconvHead` for inference on a CPU, equal to 1e-5 in float32; takes over its weights."""

    def __init__(self, head: DeconvHead) -> None:
        super().__init__()
        if not len(head.up) or head.final.bias is None:
            raise ValueError("an official head has transposed convolutions, and a bias in its last layer")
        self.up = nn.ParameterList(_taps(cast(nn.ConvTranspose2d, layer)) for layer in head.up)
        self.conv = nn.ParameterList(_matrix(cast(nn.Conv2d, layer)) for layer in head.conv)
        self.final = _matrix(head.final)
        self.bias = _fixed(head.final.bias)

    @torch.inference_mode()
    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, out, h * 2^n, w * 2^n) raw values."""
        return torch.stack([self._one(image) for image in features])

    def _one(self, image: Tensor) -> Tensor:
        grid = image.permute(1, 2, 0)
        rows = upsampled(grid, self.up[0])
        for taps in list(self.up)[1:]:
            grid = _woven(silu_normed_(rows), *grid.shape[:2])
            rows = upsampled(grid, taps)
        for weight in self.conv:  # what its bias would add, the norm after it takes away
            rows = silu_normed_times(rows, weight)
        rows = silu_normed_times(rows, self.final).add_(self.bias)
        return _woven(rows, *grid.shape[:2]).permute(2, 0, 1)


def upsampled(grid: Tensor, taps: Tensor) -> Tensor:
    """(h, w, C) -> (4 * h * w, D): phases even-even, even-odd, odd-even, odd-odd, each row by row. taps (4, 2, 2 * C, D)."""
    height, width = grid.shape[:2]
    phases = grid.new_empty((4, height * width, taps.shape[-1]))
    padded = F.pad(grid, (0, 0, 1, 1, 1, 1))
    band = max(1, PAIRS_AT_ONCE // width)
    for top in range(0, height, band):
        rows = min(band, height - top)
        near = padded[top : top + rows + 2]
        for right in range(2):
            pairs = torch.cat([near[:, right : right + width], near[:, right + 1 : right + 1 + width]], -1)
            for low in range(2):
                above, below = (pairs[first : first + rows].flatten(0, 1) for first in (low, low + 1))
                upper, lower = taps[2 * low + right]
                out = phases[2 * low + right, top * width : (top + rows) * width]
                torch.addmm(torch.mm(above, upper, out=out), below, lower, out=out)
    return phases.flatten(0, 1)


def silu_normed_(rows: Tensor) -> Tensor:
    """Instance norm (no affine) over all rows (N, C), then SiLU, in place."""
    mean, variance = _moments(rows)
    for block in torch.split(rows, ROWS_AT_ONCE):
        block.copy_(F.silu(_normed(block, mean, variance), inplace=True))
    return rows


def silu_normed_times(rows: Tensor, weight: Tensor) -> Tensor:
    """What `silu_normed_` gives, times weight (C, D): (N, D), in the place of the rows where C is D."""
    mean, variance = _moments(rows)
    out = rows if weight.shape[0] == weight.shape[1] else rows.new_empty((len(rows), weight.shape[1]))
    for block, result in zip(torch.split(rows, ROWS_AT_ONCE), torch.split(out, ROWS_AT_ONCE), strict=True):
        torch.mm(F.silu(_normed(block, mean, variance), inplace=True), weight, out=result)
    return out


def _moments(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of the columns, float32 whatever the rows are."""
    running = torch.zeros(2, rows.shape[1])
    mean, variance = torch.batch_norm_update_stats(_picture(rows), running[0], running[1], 0.0)
    return mean, variance


def _normed(block: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return F.batch_norm(_picture(block), mean, variance, eps=EPS)[0, :, :, 0].t()


def _picture(rows: Tensor) -> Tensor:
    """(N, C) -> (1, C, N, 1) whose channels come last in memory: norms of this form are vectorised and read bf16."""
    return rows[None, :, None].permute(0, 3, 1, 2)


def _woven(rows: Tensor, height: int, width: int) -> Tensor:
    """(4 * h * w, D) of four phases -> (2h, 2w, D)."""
    phases = rows.reshape(2, 2, height, width, -1)
    return phases.permute(2, 0, 3, 1, 4).reshape(2 * height, 2 * width, -1)


def _taps(layer: nn.ConvTranspose2d) -> nn.Parameter:
    """Weight (C, D, 4, 4) -> (4, 2, 2 * C, D): for each phase the upper and the lower row of its window."""
    weight = layer.weight.detach()
    phases = [
        torch.stack([torch.cat([weight[..., i, j] for j in KERNEL[column]]) for i in KERNEL[row]])
        for row in range(2)
        for column in range(2)
    ]
    return _fixed(torch.stack(phases))


def _matrix(layer: nn.Conv2d) -> nn.Parameter:
    """Weight (D, C, 1, 1) -> (C, D)."""
    return _fixed(layer.weight.detach().flatten(1).t().contiguous())


def _fixed(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach(), requires_grad=False)

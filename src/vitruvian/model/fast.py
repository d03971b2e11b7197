"""The official head on a CPU: the same numbers out of matrix products instead of transposed convolutions.

A transposed convolution of kernel 4 and stride 2 makes each of its four output phases (even or odd row, even or odd column)
from 2x2 input pixels: one matrix product a phase, of windows that all four share. The phases of the last stage stay apart
through the 1x1 convolutions and are woven together only in the output, which has far fewer channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitruvian.model.heads import DeconvHead

EPS = 1e-5
ROWS_AT_ONCE = 2048  # a block of rows that stays in the cache between its sums and its activation
WINDOWS_AT_ONCE = 8192  # 2x2 windows laid out side by side for one matrix product: bounds the memory
KERNEL = ((3, 1), (2, 0))  # kernel rows that an even and an odd output row takes from the input rows above and below it


class FastDeconvHead(nn.Module):
    """`DeconvHead` for inference on a CPU, equal to 1e-5 in float32; takes over its weights."""

    def __init__(self, head: DeconvHead) -> None:
        super().__init__()
        self.up = nn.ParameterList(_taps(cast(nn.ConvTranspose2d, layer)) for layer in head.up)
        self.conv = nn.ModuleList(_linear(cast(nn.Conv2d, layer)) for layer in head.conv)
        self.final = _linear(head.final)

    @torch.inference_mode()
    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, out, h * 2^n, w * 2^n) raw values."""
        return torch.stack([self._one(image) for image in features])

    def _one(self, image: Tensor) -> Tensor:
        grid = image.permute(1, 2, 0)
        phases = [grid.flatten(0, 1)]
        for number, taps in enumerate(self.up):
            if number > 0:
                grid = _woven(phases, grid.shape[0], grid.shape[1])
            phases = upsampled(grid, taps)
            norm_silu_(phases)
        for layer in self.conv:
            phases = [layer(phase) for phase in phases]
            norm_silu_(phases)
        phases = [self.final(phase) for phase in phases]
        if len(phases) == 1:
            return phases[0].reshape(*grid.shape[:2], -1).permute(2, 0, 1)
        return _woven(phases, grid.shape[0], grid.shape[1]).permute(2, 0, 1)


def upsampled(grid: Tensor, taps: Tensor) -> list[Tensor]:
    """(h, w, C) -> four phases (h * w, D), row by row: even-even, even-odd, odd-even, odd-odd. taps (4, 4 * C, D)."""
    height, width = grid.shape[:2]
    phases = [grid.new_empty((height, width, taps.shape[-1])) for _ in range(4)]
    padded = F.pad(grid, (0, 0, 1, 1, 1, 1))
    band = max(1, WINDOWS_AT_ONCE // (width + 1))
    for top in range(0, height, band):
        rows = min(band, height - top)
        near = padded[top : top + rows + 2]
        windows = torch.cat([near[:-1, :-1], near[:-1, 1:], near[1:, :-1], near[1:, 1:]], -1).flatten(0, 1)
        for number, phase in enumerate(phases):
            first = (number // 2) * (width + 1) + number % 2
            out = torch.mm(windows[first : first + rows * (width + 1) - number % 2], taps[number])
            if number % 2:
                out = F.pad(out, (0, 0, 0, 1))
            phase[top : top + rows] = out.reshape(rows, width + 1, -1)[:, :width]
    return [phase.flatten(0, 1) for phase in phases]


def norm_silu_(phases: Sequence[Tensor]) -> None:
    """Instance norm (no affine) over all rows of all phases together, then SiLU, in place; sums in float32."""
    rows = sum(len(phase) for phase in phases)
    blocks = [block for phase in phases for block in torch.split(phase, ROWS_AT_ONCE)]
    total = phases[0].new_zeros(phases[0].shape[1], dtype=torch.float32)
    squares = torch.zeros_like(total)
    shift = phases[0][: min(64, len(phases[0]))].float().mean(0)  # sums of squares about a nearby value lose no digits
    for block in blocks:
        near = block.float() - shift
        total += near.sum(0)
        squares += (near * near).sum(0)
    mean = total / rows
    scale = (squares / rows - mean * mean).clamp_min(0).add(EPS).rsqrt()
    offset = -(shift + mean) * scale
    for block in blocks:
        block.copy_(F.silu(torch.addcmul(offset, block.float(), scale)))


def _woven(phases: Sequence[Tensor], height: int, width: int) -> Tensor:
    """Four phases (h * w, D) -> (2h, 2w, D)."""
    channels = phases[0].shape[-1]
    out = phases[0].new_empty((height, 2, width, 2, channels))
    for number, phase in enumerate(phases):
        out[:, number // 2, :, number % 2] = phase.reshape(height, width, channels)
    return out.reshape(2 * height, 2 * width, channels)


def _taps(layer: nn.ConvTranspose2d) -> nn.Parameter:
    """Weight (C, D, 4, 4) -> (4, 4 * C, D): for each phase its 2x2 window, row by row."""
    weight = layer.weight.detach()
    phases = [
        torch.cat([weight[..., i, j] for i in KERNEL[row] for j in KERNEL[column]]) for row in range(2) for column in range(2)
    ]
    return nn.Parameter(torch.stack(phases), requires_grad=False)


def _linear(layer: nn.Conv2d) -> nn.Linear:
    out = nn.Linear(layer.in_channels, layer.out_channels, device="meta")
    out.weight = nn.Parameter(layer.weight.detach().flatten(1), requires_grad=False)
    if layer.bias is None:
        raise ValueError("an official 1x1 convolution has a bias")
    out.bias = nn.Parameter(layer.bias.detach(), requires_grad=False)
    return out

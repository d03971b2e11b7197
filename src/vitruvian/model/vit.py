"""The vision transformer of Sapiens v1 (arXiv 2408.12569): pre-norm blocks over 16x16 patches, absolute positions.

Key names are ours and stable: `patch.*` or `stem.*`, `position`, `class_token`, `norm.*` and, in each block i,
`blocks.{i}.{norm1,attn.qkv,attn.proj,norm2,mlp.fc1,mlp.fc2}.*`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vitruvian.errors import UsageError
from vitruvian.types import ModelSpec

NORM_EPS = 1e-6
PLAIN_TOKENS = 1024  # up to so many, attention in training on a CPU keeps its weights


@dataclass(frozen=True)
class Size:
    """Width and depth of a backbone; the field names are those of `ModelSpec`."""

    dim: int
    depth: int
    heads_attn: int
    mlp: int


SIZES: dict[str, Size] = {
    "0.3b": Size(1024, 24, 16, 4096),
    "0.6b": Size(1280, 32, 16, 5120),
    "1b": Size(1536, 40, 24, 6144),
    "2b": Size(1920, 48, 32, 7680),
}


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k' / sqrt(D)) v of (B, heads, N, D).

    The library's fused kernel, but not to train in bf16 on a CPU: its backward pass takes up to eight times that of three
    plain products (benchmarks/attention.py), whose only price is memory for N x N weights.
    """
    plain = q.device.type == "cpu" and q.dtype is torch.bfloat16 and q.requires_grad and q.shape[-2] <= PLAIN_TOKENS
    if not plain:
        return F.scaled_dot_product_attention(q, k, v)
    with torch.autocast("cpu", enabled=False):
        weights = torch.softmax(q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2), -1)
        return weights @ v


class Attention(nn.Module):
    """Multi-head self-attention; one linear layer makes q, k, v, each split into heads afterwards."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        batch, count, dim = tokens.shape
        q, k, v = self.qkv(tokens).reshape(batch, count, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = attend(q, k, v)
        return cast(Tensor, self.proj(mixed.transpose(1, 2).reshape(batch, count, dim)))


class Mlp(nn.Module):
    """Two linear layers with an exact (erf) GELU between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        for layer in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return cast(Tensor, self.fc2(F.gelu(self.fc1(tokens))))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)). drop_path: the chance that a branch is left out in training, for each
    picture apart; one that is not counts the more (stochastic depth, arXiv 1603.09382)."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = Mlp(dim, hidden)
        self.drop_path = 0.0

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        tokens = tokens + self._kept(self.attn(self.norm1(tokens)))
        return tokens + self._kept(self.mlp(self.norm2(tokens)))

    def _kept(self, branch: Tensor) -> Tensor:
        if not (self.training and self.drop_path):
            return branch
        keep = 1 - self.drop_path
        return branch * (branch.new_empty(len(branch), 1, 1).bernoulli_(keep) / keep)


class _GroupNorm(nn.GroupNorm):
    """Group norm that trains channels-last maps on a CPU by way of channels-first ones, since the library's backward pass
    of the former is slow: the stem takes three quarters of the time (benchmarks/group_norm.py)."""

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> the same, in the layout that came."""
        last = torch.channels_last
        if features.device.type != "cpu" or not features.requires_grad or not features.is_contiguous(memory_format=last):
            return super().forward(features)
        return super().forward(features.contiguous()).contiguous(memory_format=last)


class ConvStem(nn.Sequential):
    """Stride-2 3x3 convolutions down to the patch grid: learns faster than one patch convolution in small models."""

    def __init__(self, dim: int, patch: int) -> None:
        stages = int(math.log2(patch))
        widths = [3, *(dim >> (stages - 1 - i) for i in range(stages))]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths[:-1]):
            layers += [
                nn.Conv2d(before, after, 3, 2, 1, bias=False),
                _GroupNorm(math.gcd(8, after), after),
                nn.SiLU(),
            ]
        super().__init__(*layers, nn.Conv2d(widths[-2], widths[-1], 3, 2, 1))


def resize_position(table: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Position table (1, [1 +] old rows * cols, C) for another grid: bicubic in float32, a class row is kept as it is."""
    if old == new:
        return table
    extra = table.shape[1] - old[0] * old[1]
    grid = table[:, extra:].reshape(1, *old, -1).permute(0, 3, 1, 2).float()
    grid = F.interpolate(grid, size=new, mode="bicubic", align_corners=False)
    resized = grid.permute(0, 2, 3, 1).flatten(1, 2).to(table.dtype)
    return torch.cat([table[:, :extra], resized], 1) if extra else resized


def adapt_position(table: Tensor, grid: tuple[int, int], class_token: bool) -> Tensor:
    """A pretraining position table (1, [1 +] n * n, C) made to fit a model of `grid` with or without a class token.

    The class row is dropped when the model has none; the rest is taken as a square and resized (Sapiens v1 fine-tuning).
    """
    rows = grid[0] * grid[1]
    if not class_token and (table.shape[1] == rows + 1 or math.isqrt(table.shape[1]) ** 2 == table.shape[1] - 1):
        table = table[:, 1:]
    if table.shape[1] == rows + class_token:
        return table
    side = math.isqrt(table.shape[1] - class_token)
    if side * side != table.shape[1] - class_token:
        raise UsageError(f"a position table of {table.shape[1]} rows is neither {grid[0]}x{grid[1]} nor square")
    return resize_position(table, (side, side), grid)


class ViT(nn.Module):
    """The backbone. `checkpointing` trades compute for memory in training: activations of a block are recomputed."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        _check(spec)
        self.grid = spec.grid
        self.padding = spec.padding
        self.patch_size = spec.patch
        self.checkpointing = False
        if spec.stem == "conv":
            self.stem = ConvStem(spec.dim, spec.patch)
        else:
            self.patch = nn.Conv2d(3, spec.dim, spec.patch, spec.patch, padding=spec.padding)
        self.class_token = nn.Parameter(torch.zeros(1, 1, spec.dim)) if spec.class_token else None
        rows = self.grid[0] * self.grid[1] + spec.class_token
        self.position = nn.Parameter(torch.empty(1, rows, spec.dim))
        self.blocks = nn.ModuleList(Block(spec.dim, spec.heads_attn, spec.mlp) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.dim, eps=NORM_EPS)
        nn.init.trunc_normal_(self.position, std=0.02)

    def set_drop_path(self, last: float) -> None:
        """The chance to leave a branch out: 0 in the first block, rising evenly to `last` in the last one."""
        for i, block in enumerate(self.blocks):
            cast(Block, block).drop_path = last * i / max(len(self.blocks) - 1, 1)

    def patches(self, image: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(B, 3, H, W) -> tokens (B, rows * cols, C) without positions, and (rows, cols).

        Without padding, zeros fill the right and the bottom up to a multiple of the patch; with padding 2 a rest is cut.
        """
        if hasattr(self, "stem"):
            grid = self.stem(image)
        else:
            if self.padding == 0:
                height, width = image.shape[-2:]
                down, right = -height % self.patch_size, -width % self.patch_size
                if down or right:
                    image = F.pad(image, (0, right, 0, down))
            grid = self.patch(image)
        # rows in memory as they are read: sums keep the layout of their first part, so every later one would be a slow mix
        return grid.flatten(2).transpose(1, 2).contiguous(), (grid.shape[2], grid.shape[3])

    def embed(self, image: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(B, 3, H, W) -> tokens with positions (B, [1 +] rows * cols, C), and (rows, cols)."""
        tokens, grid = self.patches(image)
        if self.class_token is not None:
            tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], 1)
        return tokens + resize_position(self.position, self.grid, grid), grid

    def encode(self, tokens: Tensor) -> Tensor:
        """Tokens through all blocks and the final norm, (B, N, C) -> (B, N, C)."""
        for block in self.blocks:
            tokens = self._run(block, tokens)
        return cast(Tensor, self.norm(tokens))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) normalised -> (B, C, rows, cols); the class token, if any, is left out."""
        tokens, grid = self.embed(image)
        return self.as_map(self.encode(tokens), grid)

    def _run(self, block: nn.Module, tokens: Tensor) -> Tensor:
        if self.checkpointing and self.training and torch.is_grad_enabled():
            return cast(Tensor, checkpoint(block, tokens, use_reentrant=False))
        return cast(Tensor, block(tokens))

    def as_map(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Encoded tokens (B, [1 +] rows * cols, C) -> (B, C, rows, cols), without the class token."""
        if self.class_token is not None:
            tokens = tokens[:, 1:]
        return tokens.transpose(1, 2).reshape(len(tokens), -1, *grid)


def _check(spec: ModelSpec) -> None:
    if spec.size[0] % spec.patch or spec.size[1] % spec.patch:
        raise UsageError(f"{spec.name}: the input size {spec.size} must be a multiple of the patch size {spec.patch}")
    if spec.dim % spec.heads_attn:
        raise UsageError(f"{spec.name}: width {spec.dim} cannot be split into {spec.heads_attn} attention heads")
    if spec.stem == "conv" and (spec.patch & (spec.patch - 1) or spec.dim % spec.patch):
        raise UsageError(f"{spec.name}: a conv stem needs a power of two as patch ({spec.patch}) that divides dim ({spec.dim})")

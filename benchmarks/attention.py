"""Attention in training on a CPU: the library's fused kernel against plain products (`model.vit.attend`), paired rounds.

python benchmarks/attention.py [--rounds 7]

One layer, forward and backward, at the token counts of the packaged model and of official sizes. Prints the table that
docs/results/training-cpu.md holds; writes nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vitruvian.device import processor
from vitruvian.evaluate.report import table
from vitruvian.model import vit
from vitruvian.train.step import keep_freed_memory

SHAPES = ((32, 4, 108), (32, 4, 192), (8, 4, 576), (1, 16, 1024))  # pictures, heads, tokens; 64 values each
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


def seconds(attend: Attend, shape: tuple[int, int, int]) -> float:
    """Forward and backward of one layer."""
    batch, heads, tokens = shape
    qkv = torch.randn(batch, tokens, 3, heads, 64).bfloat16().requires_grad_()
    start = time.perf_counter()
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    out = attend(q, k, v).transpose(1, 2).reshape(batch, tokens, heads * 64)
    out.backward(torch.ones_like(out))
    return time.perf_counter() - start


def row(shape: tuple[int, int, int], rounds: int) -> tuple[str, ...]:
    """Medians over interleaved rounds, the first of which is not counted."""
    pairs = [(seconds(F.scaled_dot_product_attention, shape), seconds(vit.attend, shape)) for _ in range(rounds + 1)][1:]
    fused, plain = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
    gain = statistics.median(a / b for a, b in pairs)
    return ("{} x {} heads x {}".format(*shape), f"{fused:.1f}", f"{plain:.1f}", f"{gain:.1f}×")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args(arguments).rounds
    keep_freed_memory()
    print(f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}, bf16, {rounds} rounds\n")
    print(table(("pictures, heads, tokens", "fused, ms", "plain, ms", "faster"), [row(shape, rounds) for shape in SHAPES]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Group norm in training on a CPU: maps kept channels-last against a way through channels-first (`model.vit`), paired rounds.

python benchmarks/group_norm.py [--rounds 7]

The convolutional stem of the packaged model, forward and backward, 32 pictures. Prints the table; writes nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from unittest import mock

import torch
from torch import nn

from vitruvian.device import processor
from vitruvian.evaluate.report import table
from vitruvian.model import vit
from vitruvian.train.step import keep_freed_memory

SIZES = ((128, 96), (192, 144), (256, 192))


def seconds(stem: nn.Module, pictures: torch.Tensor) -> float:
    """Forward and backward."""
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16):
        out = stem(pictures)
    out.float().square().mean().backward()
    return time.perf_counter() - start


def row(size: tuple[int, int], rounds: int) -> tuple[str, ...]:
    """Medians over interleaved rounds, the first of which is not counted."""
    ours = vit.ConvStem(256, 16).to(memory_format=torch.channels_last)
    with mock.patch.object(vit, "_GroupNorm", nn.GroupNorm):
        plain = vit.ConvStem(256, 16).to(memory_format=torch.channels_last)
    pictures = torch.randn(32, 3, *size).to(memory_format=torch.channels_last)
    pairs = [(seconds(plain, pictures), seconds(ours, pictures)) for _ in range(rounds + 1)][1:]
    before, after = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
    return ("{}x{}".format(*size), f"{before:.0f}", f"{after:.0f}", f"{statistics.median(a / b for a, b in pairs):.2f}×")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args(arguments).rounds
    keep_freed_memory()
    print(f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}, bf16, {rounds} rounds\n")
    print(table(("picture", "channels last, ms", "by channels first, ms", "faster"), [row(size, rounds) for size in SIZES]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

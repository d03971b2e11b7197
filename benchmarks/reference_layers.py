"""Where the official pose head spends its time on a CPU, layer by layer, inside the whole model and alone.

python benchmarks/reference_layers.py [--rounds 3]
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from reference import official
from torch import Tensor, nn

LAYERS = (nn.ConvTranspose2d, nn.Conv2d, nn.InstanceNorm2d, nn.SiLU)


class Clock:
    """Seconds between the beginning and the end of each watched module, by name."""

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}
        self.took: dict[str, list[float]] = defaultdict(list)

    def watch(self, name: str, module: nn.Module) -> None:
        """From now on its calls are timed."""
        module.register_forward_pre_hook(lambda *_: self.begun.__setitem__(name, time.perf_counter()))
        module.register_forward_hook(lambda *_: self.took[name].append(time.perf_counter() - self.begun[name]))


def work(layer: nn.Module, given: Sequence[Tensor], made: Tensor) -> float:
    """Floating point operations of a convolution, 0 of another layer."""
    if isinstance(layer, nn.ConvTranspose2d):
        return 2.0 * layer.weight.numel() * given[0].shape[-2] * given[0].shape[-1]
    if isinstance(layer, nn.Conv2d):
        return 2.0 * layer.weight.numel() * made.shape[-2] * made.shape[-1]
    return 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args(arguments).rounds
    torch.manual_seed(0)
    model = official.Sapiens("pose", 308, official.ARCHITECTURES["0.3b"]).eval()
    backbone, head = model.backbone, next(child for name, child in model.named_children() if name != "backbone")
    operations: dict[str, float] = {}
    layers = [(f"{name} {type(layer).__name__}", layer) for name, layer in head.named_modules() if isinstance(layer, LAYERS)]
    clock = Clock()
    with torch.inference_mode():
        photo = torch.randn(1, 3, 1024, 768)
        for name, layer in layers:
            layer.register_forward_hook(_noting(operations, name))
        head(features := backbone(photo))  # warms up
        for name, module in [("backbone", backbone), ("head", head), *layers]:
            clock.watch(name, module)
        for _ in range(rounds):
            model(photo)
        _tell(f"inside the whole model, medians of {rounds}", clock, operations)
        for layout in (torch.contiguous_format, torch.channels_last):
            clock.took.clear()
            for _ in range(rounds):
                head(features.contiguous(memory_format=layout))
            _tell(f"alone, {layout}", clock, {})


def _noting(operations: dict[str, float], name: str) -> Callable[..., None]:
    def note(layer: nn.Module, given: Any, made: Any) -> None:
        operations[name] = work(layer, given, made)

    return note


def _tell(title: str, clock: Clock, operations: dict[str, float]) -> None:
    print(title)
    for name, took in clock.took.items():
        if name in ("backbone", "head") or operations:
            speed = f"  {operations[name] / median(took) / 1e12:.2f} TFLOP/s" if operations.get(name) else ""
            print(f"  {name:32} {median(took):6.2f} s{speed}")


if __name__ == "__main__":
    main()

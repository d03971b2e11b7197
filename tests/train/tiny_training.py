"""The smallest real training: two tasks on one small backbone. As a script it trains and kills itself at a step."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vitruvian.model import build
from vitruvian.tasks.base import Task
from vitruvian.train import TrainConfig, train
from vitruvian.types import HeadSpec, ModelSpec

BRIGHT_HEAD = HeadSpec("bright", (8,), out=1, kind="shuffle", options={"dropout": 0.1})
HUE_HEAD = HeadSpec("hue", (8,), out=3, kind="shuffle")
SPEC = ModelSpec("tiny", size=(32, 32), dim=16, depth=2, heads_attn=2, mlp=32, heads=(BRIGHT_HEAD, HUE_HEAD))


@dataclass(frozen=True)
class Regression(Task):
    """Guess an image at quarter size."""

    name: str = "bright"  # type: ignore[misc]

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"l2": (output - target["map"]).square().mean()}

    def head_spec(self, spec: ModelSpec) -> HeadSpec:
        raise NotImplementedError

    encode = decode = flip = metric = draw = head_spec  # type: ignore[assignment]


BRIGHT, HUE = Regression("bright"), Regression("hue")


@dataclass(frozen=True)
class Pictures:
    """Smooth random pictures, shifted at random: as an augmentation would."""

    count: int = 10
    bad: tuple[int, ...] = ()
    poison: int | None = None  # an index whose target is not finite

    def __len__(self) -> int:
        return self.count

    def example(self, index: int, rng: np.random.Generator) -> Any:
        if index in self.bad:
            raise OSError(f"picture {index} is truncated")
        grid = np.random.default_rng(index).uniform(0, 255, (4, 4, 3))
        image = np.kron(np.roll(grid, rng.integers(4), 1), np.ones((8, 8, 1))).astype(np.uint8)
        small = image[4::8, 4::8].astype(np.float32).transpose(2, 0, 1) / 255
        if index == self.poison:
            small = small * np.nan
        return image, {"bright": {"map": small.mean(0, keepdims=True)}, "hue": {"map": small}}, f"picture {index}"


def model(spec: ModelSpec = SPEC) -> nn.Module:
    torch.manual_seed(0)
    return build(spec)


def settings(folder: Path, **changes: Any) -> TrainConfig:
    plain = TrainConfig(
        folder=folder, steps=12, batch=4, lr=3e-3, warmup=3, ema=0.9, layer_decay=0.8, accumulate=2, threads=1,
        checkpoint_every=4, log_every=3, evaluate_every=6, best="score", progress=False,
    )  # fmt: skip
    return replace(plain, **changes)


def evaluate(network: nn.Module, step: int) -> dict[str, float]:
    torch.rand(3)
    out = network(torch.linspace(-1, 1, 32 * 32 * 3).reshape(1, 3, 32, 32))
    return {"score": out["bright"].detach().mean().item(), "step": float(step)}


def evaluate_then_die(network: nn.Module, step: int) -> dict[str, float]:
    if step == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return evaluate(network, step)


if __name__ == "__main__":
    train(settings(Path(sys.argv[1])), model(), [BRIGHT, HUE], Pictures(), evaluate_then_die)

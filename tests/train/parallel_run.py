"""A small run for `torchrun` or a single process.

FOLDER STEPS [KILLED_RANK KILLED_STEP [MAX_BAD] | --accumulate PARTS | --joined 1 | --nodes 2 | --judge FAILED_STEP]

--joined: the launcher has joined the processes and keeps them so, as Ray does; the first one reads the weights
meanwhile. Three examples of it are bad. MAX_BAD: two are, and so many are allowed. --nodes: as if they were on so many
machines, each of which holds all weights. --judge: step 3 is the best, and the evaluation of FAILED_STEP fails.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vitruvian.errors import InputError
from vitruvian.model import build
from vitruvian.tasks import task
from vitruvian.tasks.base import Task
from vitruvian.train import TrainConfig, read_weights, train
from vitruvian.train.parallel import joined
from vitruvian.types import HeadSpec, ModelSpec

HEADS = (
    HeadSpec("pose", (16,), (16,), 17, "coco17"),
    HeadSpec("seg", (16,), (16,), 28, "body28"),
    HeadSpec("normal", (16,), (16,), 3),
)
SPEC = ModelSpec("tiny", (64, 48), dim=32, depth=3, heads_attn=2, mlp=64, heads=HEADS)
TASKS: list[Task] = [task("pose"), task("seg"), task("normal")]


class Uneven:
    """Noise with labels, of which each example has another share of labelled pixels; `bad` ones cannot be read.

    last: after so many the process is killed, if it is not 0.
    """

    def __init__(self, bad: tuple[int, ...] = (), last: int = 0) -> None:
        self.bad, self.last, self.read = bad, last, 0

    def __len__(self) -> int:
        return 40

    def example(self, index: int, rng: np.random.Generator):
        if self.last and self.read == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.read += 1
        if index in self.bad:
            raise OSError("cut short")
        image = np.random.default_rng(index).integers(0, 255, (64, 48, 3)).astype(np.uint8)
        normal = rng.normal(size=(3, 64, 48)).astype(np.float32)
        normal /= np.linalg.norm(normal, axis=0)
        normal[:, :, : int(rng.integers(0, 47))] = -1000
        pose = {"heatmap": rng.random((17, 8, 6)).astype(np.float32), "weight": (rng.random(17) < 0.7).astype(np.float32)}
        target = {"pose": pose, "seg": {"label": rng.integers(0, 28, (64, 48))}, "normal": {"normal": normal}}
        return image, target, str(index)


def main(folder: str, steps: str, killed_rank: str = "-1", killed_step: str = "-1", max_bad: str = "") -> None:
    def judge(_: nn.Module, step: int) -> dict[str, float]:
        if step == int(killed_step):
            raise InputError("nobody is seen")
        return {"score": -abs(step - 3.0)}

    torch.set_num_threads(1)
    torch.manual_seed(0)
    if nodes := int(killed_step) if killed_rank == "--nodes" else 0:
        os.environ["LOCAL_WORLD_SIZE"] = str(int(os.environ["WORLD_SIZE"]) // nodes)
    rank, ranks = os.environ.get("RANK", "0"), int(os.environ.get("WORLD_SIZE", "1"))
    last = int(killed_step) * 12 // ranks if rank == killed_rank else 0
    parts = int(killed_step) if killed_rank == "--accumulate" else 1
    config = TrainConfig(
        folder=Path(folder), steps=int(steps), batch=12 // parts, accumulate=parts, lr=1e-3, warmup=5, layer_decay=0.85,
        ema=0.9, dtype="fp32", device="cpu", log_every=1, evaluate_every=1, checkpoint_every=5, progress=False,
        shard="node" if nodes else "all", max_bad=float(max_bad or 0.01),
        best="score" if killed_rank == "--judge" else None,
    )  # fmt: skip
    bad = (3, 4, 11) if killed_rank == "--joined" else (3, 11) if max_bad else ()
    with joined(torch.device("cpu")) if killed_rank == "--joined" else nullcontext():
        train(config, build(SPEC), TASKS, Uneven(bad, last), judge if killed_rank == "--judge" else None)
        if rank == "0":
            print(len(read_weights(config.folder)), "tensors")


if __name__ == "__main__":
    main(*sys.argv[1:])

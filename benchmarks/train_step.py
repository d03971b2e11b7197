"""One training step of official size on this machine: seconds, memory told before and taken, losses.

python benchmarks/train_step.py [--sizes 0.3b] [--steps 2] [--out docs/results]

Masked pretraining at 1024x1024 and poses of 308 points at 1024x768, batch 1, activations computed again, noise for photos.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tables import origin

from vitruvian.data.loader import Example
from vitruvian.device import choose_compute, processor
from vitruvian.evaluate.report import table, write_text
from vitruvian.model import SIZES, build, mae_head
from vitruvian.tasks.mae import Mae
from vitruvian.tasks.pose import Pose
from vitruvian.train import TrainConfig, read_log, train
from vitruvian.train.memory import GIB, estimate
from vitruvian.types import ModelSpec


class Noise:
    """Pictures that are noise, with heatmaps for poses."""

    def __init__(self, spec: ModelSpec, pose: bool) -> None:
        self.size, self.pose = spec.size, pose

    def __len__(self) -> int:
        return 8

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """One of them."""
        image = rng.integers(0, 256, (*self.size, 3)).astype(np.uint8)
        if not self.pose:
            return image, {"mae": {}}, str(index)
        maps = rng.random((308, self.size[0] // 4, self.size[1] // 4)).astype(np.float32)
        return image, {"pose": {"heatmap": maps, "weight": np.ones(308, np.float32)}}, str(index)


def spec_of(size: str, pose: bool) -> ModelSpec:
    """The official model of that size."""
    arch = SIZES[size]
    bare = ModelSpec(
        f"{size}-{'pose308' if pose else 'mae'}", (1024, 768) if pose else (1024, 1024), dim=arch.dim, depth=arch.depth,
        heads_attn=arch.heads_attn, mlp=arch.mlp, heads=(), padding=2 * pose, class_token=not pose, codec="official",
    )  # fmt: skip
    return bare.with_heads(Pose(skeleton="sapiens308").head_spec(bare) if pose else mae_head(bare.patch))


def measured(size: str, pose: bool, steps: int) -> tuple[str, ...]:
    """A row of the table."""
    spec = spec_of(size, pose)
    compute = choose_compute()
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(
            folder=Path(folder), steps=steps, batch=1, lr=1e-5, checkpointing=True, log_every=1, checkpoint_every=10**9,
            checkpoint_minutes=float("inf"), progress=False,
        )  # fmt: skip
        told = estimate(spec, compute, 1, checkpointing=True)
        train(config, build(spec), [Pose(skeleton="sapiens308") if pose else Mae()], Noise(spec, pose))
        last = [record for record in read_log(Path(folder) / "log.jsonl") if record["kind"] == "train"][-1]
    words = (f"{size}, {'poses of 308 points, 1024x768' if pose else 'masked pretraining, 1024x1024'}", compute.dtype_name)
    figures = (1 / last["images_per_s"], told.total / GIB, last["peak_gib"], 100 * last["mfu"])
    return (*words, *(f"{value:.1f}" for value in figures))


def alone(size: str, pose: bool, steps: int) -> tuple[str, ...]:
    """`measured` in a process of its own: freed memory is kept, so a second run would count that of the first."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, size, pose, steps).result()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["0.3b"])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args(arguments)
    rows = [alone(size, pose, given.steps) for size in given.sizes for pose in (False, True)]
    made = origin(given.steps)
    command = shlex.join(["python", "benchmarks/train_step.py", *(arguments or sys.argv[1:])])
    head = ("model and task", "precision", "s a step", "GiB told", "GiB taken", "MFU, %")
    text = f"""# A training step of official size

`{command}` · after commit {made["commit"]} · {made["date"]} · {processor()}

Batch 1, activations computed again, AdamW in float32; the last of {given.steps} steps. Told: the estimate before the
first; taken: the most the process held. MFU: of the best matrix product in that precision here, recomputation not counted.

{table(head, rows)}
"""
    print(text)
    if given.out:
        write_text(given.out / "train-step.md", text)


if __name__ == "__main__":
    main()

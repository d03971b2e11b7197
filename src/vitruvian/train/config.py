"""All that a training run is told, as one frozen record; saved with the run and readable back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

from vitruvian.checks import Rule, above, fault, finite, several, whole
from vitruvian.device import Device, Dtype
from vitruvian.errors import UsageError, unknown_name

Schedule: TypeAlias = Literal["constant", "linear", "cosine", "step"]

# Fields that may differ when a run is resumed: they change no weight.
FREE = frozenset(
    {
        "folder", "device", "threads", "workers", "prefetch", "start_method", "checkpoint_every", "checkpoint_minutes",
        "keep", "log_every", "evaluate_every", "best", "best_is", "resume", "progress", "checkpointing", "tensorboard",
        "shard", "sources", "recipe", "init",  # words of a command that builds a run
    }
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    (
        "steps batch accumulate schedule_unit prefetch max_skipped checkpoint_every keep log_every",
        "a whole number of at least 1",
        lambda v: whole(v, 1),
    ),
    ("threads evaluate_every", "a whole number of at least 1, or None", lambda v: v is None or whole(v, 1)),
    ("warmup workers seed", "a whole number of at least 0", lambda v: whole(v, 0)),
    ("lr eps gamma", "a finite number above 0", lambda v: above(v, 0)),
    ("clip", "a finite number above 0, or None for no clipping", lambda v: v is None or above(v, 0)),
    ("weight_decay", "a finite number of at least 0", lambda v: finite(v) and v >= 0),
    ("layer_decay", "a number above 0, at most 1", lambda v: above(v, 0) and v <= 1),
    ("warmup_factor max_bad", "a number from 0 to 1", lambda v: finite(v) and 0 <= v <= 1),
    ("floor", "a number of at least 0 and below 1", lambda v: finite(v) and 0 <= v < 1),
    (
        "betas",
        "a tuple of two numbers, each at least 0 and below 1",
        lambda v: several(v, lambda b: finite(b) and 0 <= b < 1, 2),
    ),
    ("ema", "a number between 0 and 1, such as 0.999, or None", lambda v: v is None or (above(v, 0) and v < 1)),
    ("checkpoint_minutes", "a number of at least 0, inf for never", lambda v: v == math.inf or (finite(v) and v >= 0)),
    (
        "milestones",
        "a tuple of rising whole numbers",
        lambda v: several(v, lambda m: whole(m, 0)) and all(a <= b for a, b in pairwise(v)),  # equal in a run of a few steps
    ),
    ("no_decay", "a tuple of parts of names", lambda v: several(v, lambda part: isinstance(part, str) and part != "")),
    (
        "loss_weights",
        "a mapping of task names to finite numbers of at least 0",
        lambda v: isinstance(v, Mapping) and all(finite(weight) and weight >= 0 for weight in v.values()),
    ),
    ("best", "the name of a figure, or None", lambda v: v is None or isinstance(v, str)),
    ("folder", "a path", lambda v: isinstance(v, Path)),
)


@dataclass(frozen=True)
class TrainConfig:
    """A run. Steps are optimiser steps; one step sees `batch * accumulate` examples.

    folder: where the run writes `config.json`, `log.jsonl` and `checkpoints/`.
    layer_decay: learning-rate factor from one block to the one before it; 1 turns it off.
    no_decay: parts of parameter names without weight decay, besides all biases and 1-D tensors.
    schedule: `linear` and `cosine` fall to `floor` (a share of lr), `step` multiplies by `gamma` at each of `milestones`.
    schedule_unit: steps per move of the schedule (an epoch's steps give the official per-epoch decay).
    decay_from: whether the decay's clock starts at step 0 (beside the warm-up) or at the warm-up's end.
    ema: decay of the averaged weights, None for none. loss_weights: per task name, 1 where absent.
    dtype: `bf16` is autocast, weights stay float32; `auto` takes bf16 where the device computes with it.
    shard: several processes share the weights out over `all` of them, or within each `node` (a copy a node).
    checkpointing: activations of a block are computed again instead of kept. tensorboard: figures also for that program.
    compile: torch.compile of the model. deterministic: only repeatable kernels (matters on CUDA).
    max_skipped: non-finite steps in a row before the run stops. max_bad: share of unusable examples before it stops.
    checkpoint_every (steps) and checkpoint_minutes: whichever comes first. best: the figure whose best checkpoint is kept.
    resume: `auto` goes on where checkpoints exist, `never` wants a fresh folder, `must` wants checkpoints.
    """

    folder: Path
    steps: int
    batch: int
    lr: float
    accumulate: int = 1
    layer_decay: float = 1.0
    weight_decay: float = 0.05
    no_decay: tuple[str, ...] = ("position",)
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    schedule: Schedule = "cosine"
    floor: float = 0.0
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    schedule_unit: int = 1
    decay_from: Literal["start", "warmup"] = "warmup"
    warmup: int = 0
    warmup_factor: float = 1e-3
    clip: float | None = 1.0
    ema: float | None = None
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    dtype: Dtype = "auto"
    compile: bool = False
    shard: Literal["all", "node"] = "all"
    checkpointing: bool = False
    tensorboard: bool = False
    deterministic: bool = False
    max_skipped: int = 10
    max_bad: float = 0.01
    shuffle: bool = True
    device: Device = "auto"
    threads: int | None = None
    workers: int = 0
    prefetch: int = 2
    start_method: Literal["fork", "forkserver", "spawn"] = "forkserver"
    checkpoint_every: int = 1000
    checkpoint_minutes: float = 10.0
    keep: int = 2
    log_every: int = 10
    evaluate_every: int | None = None
    best: str | None = None
    best_is: Literal["highest", "lowest"] = "highest"
    resume: Literal["auto", "never", "must"] = "auto"
    progress: bool = True

    def __post_init__(self) -> None:
        folder: Any = self.folder
        if isinstance(folder, str):
            object.__setattr__(self, "folder", Path(folder))
        found = fault(self, RULES)
        if found:
            raise UsageError(f"TrainConfig: {found}")
        if self.warmup > self.steps:
            raise UsageError(f"TrainConfig: warmup is {self.warmup}. Allowed: 0 to {self.steps}, the number of steps.")
        if self.schedule == "step" and not self.milestones:
            raise UsageError("TrainConfig.schedule 'step' needs milestones, the steps at which lr is multiplied by gamma")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "folder": str(self.folder), "loss_weights": dict(self.loss_weights)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The inverse of `to_dict`, also after JSON made lists of the tuples."""
        names = [f.name for f in fields(cls)]
        for name in values:
            if name not in names:
                raise unknown_name("field of TrainConfig", name, names)
        tupled: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return cls(**tupled)

    @classmethod
    def read(cls, path: Path) -> TrainConfig:
        """The config of a run, from its `config.json`."""
        try:
            return cls.from_dict(json.loads(path.read_text())["config"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} is no run's config.json ({error}); point to the file that training wrote") from error

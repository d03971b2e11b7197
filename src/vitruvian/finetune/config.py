"""The training loop's record of a fine-tuning run: its own settings, and those that say what is seen and by which model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from vitruvian.device import Device
from vitruvian.finetune.recipe import Recipe
from vitruvian.train import TrainConfig

# What says best how good a model of a task is, and whether more of it is better.
FIGURES: dict[str, tuple[str, Literal["highest", "lowest"]]] = {
    "pose": ("pose/pck", "highest"), "seg": ("seg/miou", "highest"), "depth": ("depth/rmse", "lowest"),
    "normal": ("normal/mean", "lowest"),
}  # fmt: skip


@dataclass(frozen=True)
class FinetuneConfig(TrainConfig):
    """A run as config.json tells it. batch is that of one pass, batch * accumulate = global_batch.

    sources, recipe and init are words of the command; data and init_hash say what was behind them, so a run whose data or
    beginning have changed is not resumed.
    """

    global_batch: int = 0
    train: str = "all"
    lora_rank: int = 0
    drop_path: float = 0.0
    augment: Mapping[str, Any] = field(default_factory=dict)
    backgrounds: str = ""
    data: str = ""
    init_hash: str = ""
    definitions: tuple[Mapping[str, Any], ...] = ()
    sources: tuple[str, ...] = ()
    recipe: str = ""
    init: str = ""


@dataclass(frozen=True)
class Words:
    """What the command says beside the recipe."""

    out: Path
    sources: tuple[str, ...]
    val: tuple[str, ...]
    recipe: str | None
    init: str
    backgrounds: Path | None
    device: Device
    workers: int
    resume: Literal["auto", "never", "must"]


@dataclass(frozen=True)
class Facts:
    """What was found behind the words: how many examples there are, what they are in one hash, the hash of the weights to begin
    with (or empty), the tasks, the first of which decides what is best, and the tables of users' own sets."""

    examples: int
    data: str
    init_hash: str
    tasks: tuple[str, ...]
    definitions: tuple[dict[str, Any], ...] = ()


def config_of(recipe: Recipe, words: Words, facts: Facts) -> FinetuneConfig:
    """The whole record. UsageError where nothing says how long the run is."""
    steps, epoch = recipe.total(facts.examples), recipe.per_epoch(facts.examples)
    best, best_is = FIGURES[facts.tasks[0]]
    by_epoch = recipe.schedule == "linear"
    return FinetuneConfig(
        folder=words.out, steps=steps, batch=recipe.batch // recipe.accumulate, accumulate=recipe.accumulate, lr=recipe.lr,
        layer_decay=recipe.layer_decay, weight_decay=recipe.weight_decay, schedule=recipe.schedule,
        milestones=tuple(round(share * steps) for share in recipe.milestones), schedule_unit=epoch if by_epoch and epoch < steps
        else 1, decay_from="start" if by_epoch else "warmup", warmup=recipe.warm(steps), warmup_factor=recipe.warmup_factor,
        clip=recipe.clip, ema=recipe.ema, loss_weights=recipe.loss_weights, seed=recipe.seed, dtype=recipe.dtype,
        compile=recipe.compile, checkpointing=recipe.checkpointing, max_bad=0.1, device=words.device, workers=words.workers,
        checkpoint_every=recipe.checkpoint_every, keep=recipe.keep, resume=words.resume,
        evaluate_every=max(1, min(max(epoch, steps // 20), steps)) if words.val else None, best=best if words.val else None,
        best_is=best_is, global_batch=recipe.batch, train=recipe.train,
        lora_rank=recipe.lora_rank if recipe.train == "lora" else 0, drop_path=recipe.drop_path, augment=asdict(recipe.augment),
        backgrounds=str(words.backgrounds.name) if words.backgrounds and recipe.augment.background else "", data=facts.data,
        init_hash=facts.init_hash, definitions=facts.definitions, sources=words.sources,
        recipe=words.recipe or "", shard=recipe.shard, init=words.init,
    )  # fmt: skip

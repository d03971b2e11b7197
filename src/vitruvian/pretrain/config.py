"""The training loop's record of a pretraining run: its own settings, and those that say what is seen and by which model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vitruvian.device import Device
from vitruvian.pretrain.recipe import Recipe
from vitruvian.train import TrainConfig

NO_DECAY = ("position", "class_token", "mask_token", "norm")  # beside biases and all that is 1-D (Sapiens v1)


@dataclass(frozen=True)
class PretrainConfig(TrainConfig):
    """A run as config.json tells it. batch is that of one pass, batch * accumulate = global_batch; lr is base_lr scaled.

    sources, recipe and init are words of the command; photos and init_hash say what was behind them, so a run whose photos or
    beginning have changed is not resumed.
    """

    global_batch: int = 0
    base_lr: float = 0.0
    tokens: int = 0
    area: tuple[float, float] = (0.2, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    photos: str = ""
    init_hash: str = ""
    sources: tuple[str, ...] = ()
    recipe: str = ""
    init: str = ""


@dataclass(frozen=True)
class Words:
    """What the command says beside the recipe."""

    out: Path
    sources: tuple[str, ...]
    recipe: str | None
    init: str | None
    device: Device
    workers: int
    resume: Literal["auto", "never", "must"]


def config_of(recipe: Recipe, words: Words, photos: str, init_hash: str) -> PretrainConfig:
    """The whole record. photos: what the photos are, in one hash; init_hash: of the weights to begin with, or empty."""
    batch, steps = recipe.batch or 0, recipe.steps or 0
    return PretrainConfig(
        folder=words.out, steps=steps, batch=batch // recipe.accumulate, lr=recipe.peak_lr, accumulate=recipe.accumulate,
        weight_decay=recipe.weight_decay, no_decay=NO_DECAY, betas=recipe.betas, schedule="cosine", warmup=recipe.warmup,
        warmup_factor=recipe.warmup_factor, clip=recipe.clip, seed=recipe.seed, dtype=recipe.dtype, compile=recipe.compile,
        max_bad=1.0,  # damaged photos are counted and named, and never end a run
        device=words.device, workers=words.workers, checkpoint_every=recipe.checkpoint_every, keep=recipe.keep,
        resume=words.resume, global_batch=batch, base_lr=recipe.lr, tokens=recipe.tokens, area=recipe.area,
        aspect=recipe.aspect, flip=recipe.flip, photos=photos, init_hash=init_hash, sources=words.sources,
        recipe=words.recipe or "", init=words.init or "", checkpointing=recipe.checkpointing, shard=recipe.shard,
    )  # fmt: skip

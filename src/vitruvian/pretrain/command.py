"""The verb `pretrain`: photos and a recipe -> a run of the training loop, and at its end the encoder as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from vitruvian import weights
from vitruvian.device import Device
from vitruvian.errors import counted
from vitruvian.pretrain.config import PretrainConfig, Words, config_of
from vitruvian.pretrain.examples import Crops
from vitruvian.pretrain.network import export, new_model, spec_of
from vitruvian.pretrain.recipe import LR_BATCH, read_recipe
from vitruvian.pretrain.sources import open_photos
from vitruvian.tasks.mae import Mae
from vitruvian.train import train
from vitruvian.train.parallel import world
from vitruvian.train.run import check_export, last_step, tell_bad
from vitruvian.types import ModelSpec

ENCODER = "encoder.safetensors"


def pretrain(
    sources: Sequence[str],
    out: Path,
    flags: Mapping[str, Any],
    recipe: str | None = None,
    init: str | None = None,
    device: Device = "auto",
    workers: int = 1,
    resume: Literal["auto", "never", "must"] = "auto",
    export_to: Path | None = None,
) -> int:
    """Train and write the encoder to `export_to`, or else into the run's folder. Returns 0, or 1 where the run was stopped.

    flags: fields of `Recipe` over those of the recipe, None where not given. Without sources nothing is trained: the encoder of
    the last checkpoint is written to `export_to`. UsageError for wrong words, also of a run folder that is another run's.
    """
    if export_to is not None:
        check_export(export_to)
        if not sources:
            return _export(out, export_to)
    told = read_recipe(recipe, flags).complete()
    photos = open_photos(sources, out)
    begin = weights.load(init) if init is not None else None
    spec = spec_of(told, begin)
    words = Words(out, tuple(sources), recipe, init, device, workers, resume)
    config = config_of(told, words, photos.digest(), begin.hash if begin else "")
    model, changes = new_model(spec, told.seed, begin)
    if world().first:
        for note in photos.notes:
            print(note)
        _tell(config, spec, len(photos), sum(p.numel() for p in model.parameters()), changes)
    crops = Crops(photos, told.resolution, told.area, told.aspect, told.flip)
    result = train(config, model, [Mae()], crops)
    if not world().first:
        return 0 if result.finished else 1
    tell_bad(out, "a photo")
    if not result.finished:
        return 1
    return _export(out, export_to or out / ENCODER)


def _tell(config: PretrainConfig, spec: ModelSpec, photos: int, parameters: int, changes: Sequence[str]) -> None:
    """What will be done, before it is."""
    hidden = float(spec.heads[0].options["mask_ratio"])
    print(f"{counted(photos, 'photo')}; {spec.name}: {parameters / 1e6:,.1f} M parameters with the decoder")
    for change in changes:
        print(f"{config.init}: {change}")
    print(f"{spec.size[0]}x{spec.size[1]} px, {spec.grid[0] * spec.grid[1]:,} patches a photo, {hidden:.0%} of them hidden")
    passes = f" in {config.accumulate} passes" if config.accumulate > 1 else ""
    print(f"{counted(config.steps, 'step')} of {counted(config.global_batch, 'photo')}{passes}: {config.tokens:.3g} tokens")
    warmup = f"{counted(config.warmup, 'step')} of warm-up, then a cosine to 0"
    print(f"learning rate {config.base_lr:g} x {config.global_batch:,} / {LR_BATCH} = {config.lr:.4g}, {warmup}", flush=True)


def _export(folder: Path, place: Path) -> int:
    step = last_step(folder)
    count = export(folder, place)
    print(f"encoder after {counted(step, 'step')}, {count / 1e6:,.1f} M parameters, float32 -> {place}")
    return 0

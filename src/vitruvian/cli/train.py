"""Data and what learns from it: `synth`, `data`, `pretrain`, `finetune`, `reconstruct`."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro

from vitruvian.cli.options import (
    Device,
    Dtype,
    File,
    Flag,
    Folder,
    MaybeFile,
    MaybeFolder,
    MaybeWhole,
    NameOrToml,
    Sources,
    Whole,
)


def synth(
    out: Folder,
    count: Whole,
    size: Annotated[str, tyro.conf.arg(metavar="HEIGHTxWIDTH")] = "256x192",
    seed: Whole = 0,
    workers: Whole = 1,
    backgrounds: MaybeFolder = None,
    preview: Flag = False,
) -> int:
    """Make a data set of synthetic people with exact labels. The same command resumes after a stop.

    Args:
        out: Folder for the data set.
        count: Number of samples.
        size: Height x width in pixels.
        seed: Sample i depends on the seed and on i alone.
        workers: Number of processes, at least 1.
        backgrounds: Folder of photos to put behind the people.
        preview: Also write a contact sheet, preview.png.
    """
    from vitruvian.synth.dataset.generate import run

    return run(out, count, size, seed, workers, backgrounds, preview=preview)


def data() -> int:
    """Data sets to train on: list (the layouts and label sets there are), check."""
    raise NotImplementedError  # a group: see GROUPS


def data_list() -> int:
    """List the layouts of data sets that can be read, with an example of each, and the names of skeletons and classes."""
    from vitruvian.survey import show_layouts

    return show_layouts()


def data_check(
    sources: Sources = (),
    train: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SOURCE...")] = (),
    val: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SOURCE...")] = (),
    skeleton: NameOrToml = None,
    out: MaybeFolder = None,
    limit: MaybeWhole = None,
) -> int:
    """Read data sets and name what is wrong: unusable files, impossible flip pairs, ids out of range, empty masks, degenerate
    boxes, sizes that differ, and pictures that training and validation share.

    Exit code: 0 nothing is wrong, 1 something is, 2 wrong usage.

    Args:
        sources: SOURCE.toml, COCO's FILE.json, folders or shards (see `vitruvian data list`).
        train: Sources to train on, whose pictures are compared with those of --val.
        val: Sources to validate on.
        skeleton: Keypoint set of COCO files: a name, or a TOML file of your own, which is checked too.
        out: Folder for sheet.jpg, which shows samples with their labels, and findings.json.
        limit: Read at most N pictures of each source, evenly spaced.
    """
    from vitruvian.survey import check

    return check(sources, train, val, skeleton, out, limit)


def pretrain(
    sources: Sources = (),
    *,
    out: Folder,
    recipe: Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE.toml")] = None,
    size: Literal["0.3b", "0.6b", "1b", "2b", "tiny"] | None = None,
    resolution: MaybeWhole = None,
    mask_ratio: float | None = None,
    steps: MaybeWhole = None,
    batch: MaybeWhole = None,
    accumulate: MaybeWhole = None,
    lr: float | None = None,
    warmup: MaybeWhole = None,
    weight_decay: float | None = None,
    init: Annotated[str | None, tyro.conf.arg(metavar="MODEL")] = None,
    export: MaybeFile = None,
    seed: MaybeWhole = None,
    device: Device = "auto",
    dtype: Dtype | None = None,
    workers: Whole = 1,
    shard: Literal["all", "node"] | None = None,
    checkpointing: Flag = False,
    compile: Flag = False,
    checkpoint_every: MaybeWhole = None,
    keep: MaybeWhole = None,
    resume: Literal["auto", "never", "must"] = "auto",
) -> int:
    """Photos without labels -> an encoder: a masked autoencoder learns to guess hidden patches, as Sapiens was pretrained.

    The same command resumes where it was stopped. Options override the recipe; all settings are written to OUT/config.json.

    Args:
        sources: Folders of photos (searched recursively), glob patterns, shards (*.tar, URLs) or data sets (see `vitruvian data
            list`). Without any, --export writes what OUT has learned so far.
        out: Folder of the run: config.json, log.jsonl, checkpoints and, at the end, encoder.safetensors.
        recipe: tiny (for a laptop), 0.3b, 0.6b, 1b, 2b (as in the paper), or FILE.toml with the same keys.
        size: Size of the encoder.
        resolution: Side of the square input in pixels, a multiple of 16; 1024 if the recipe does not say either.
        mask_ratio: Share of the patches that is hidden; 0.75 if the recipe does not say either.
        steps: Number of optimiser steps.
        batch: Photos per step, over all processes together.
        accumulate: Accumulate gradients over N passes, if a batch does not fit into memory; apart from which masks are drawn,
            nothing else changes.
        lr: Learning rate for a batch of 256; it is multiplied by batch / 256.
        warmup: Number of steps over which the learning rate rises.
        weight_decay: Weight decay of the optimiser (AdamW).
        init: Encoder to start from: name (see `vitruvian models`) or path of weights in any supported layout.
        export: Write the encoder to this .safetensors file instead.
        seed: Seed for everything random.
        device: Where to train; auto takes the fastest available.
        dtype: Precision of matrix products; auto is bf16 where the hardware has it.
        workers: Number of processes that read photos.
        shard: With several processes, split the weights over all of them (all), or only within each node (node), so that every
            node holds them whole.
        checkpointing: Use less memory and a third more time: activations are computed twice.
        compile: Use torch.compile.
        checkpoint_every: Steps between checkpoints.
        keep: Keep the last N checkpoints.
        resume: auto resumes if there are checkpoints, never insists on a new folder, must insists on checkpoints.
    """
    from vitruvian.pretrain.command import pretrain as run

    flags = {
        "size": size, "resolution": resolution, "mask_ratio": mask_ratio, "steps": steps, "batch": batch,
        "accumulate": accumulate, "lr": lr, "warmup": warmup, "weight_decay": weight_decay, "seed": seed, "dtype": dtype,
        "checkpointing": checkpointing or None, "compile": compile or None, "checkpoint_every": checkpoint_every, "keep": keep,
        "shard": shard,
    }  # fmt: skip
    return run(sources, out, flags, recipe, init, device, workers, resume, export)


def finetune(
    sources: Sources = (),
    *,
    out: Folder,
    tasks: Annotated[tuple[str, ...], tyro.conf.arg(metavar="TASK...")] = (),
    init: Annotated[str, tyro.conf.arg(metavar="MODEL")] = "vitruvian-s",
    recipe: Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE.toml")] = None,
    skeleton: NameOrToml = None,
    classes: NameOrToml = None,
    val: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SOURCE...")] = (),
    size: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="HEIGHT WIDTH")] = None,
    epochs: MaybeWhole = None,
    steps: MaybeWhole = None,
    batch: MaybeWhole = None,
    accumulate: MaybeWhole = None,
    lr: float | None = None,
    layer_decay: float | None = None,
    warmup: MaybeWhole = None,
    ema: float | None = None,
    drop_path: float | None = None,
    train: Literal["all", "heads", "lora"] | None = None,
    lora_rank: MaybeWhole = None,
    backgrounds: MaybeFolder = None,
    export: MaybeFile = None,
    seed: MaybeWhole = None,
    device: Device = "auto",
    dtype: Dtype | None = None,
    workers: Whole = 1,
    shard: Literal["all", "node"] | None = None,
    checkpointing: Flag = False,
    compile: Flag = False,
    checkpoint_every: MaybeWhole = None,
    keep: MaybeWhole = None,
    resume: Literal["auto", "never", "must"] = "auto",
) -> int:
    """Labelled people or photos -> a model for `predict`: an encoder or a whole model learns tasks, as Sapiens did.

    The same command resumes where it was stopped. Options override the recipe; all settings are written to OUT/config.json.

    Args:
        sources: Labelled data: COCO's FILE.json, SOURCE.toml, folders of maps or of `vitruvian synth` (see `vitruvian data
            list`). Without any, --export writes what OUT has learned so far.
        out: Folder of the run: config.json, log.jsonl, checkpoints and, at the end, model.safetensors.
        tasks: One or more of pose, seg, depth, normal, separated by spaces. If neither this nor the recipe says: those of
            --init for which the sources have labels.
        init: Weights to start from, an encoder or a whole model: name (see `vitruvian models`) or path; or random:SIZE.
        recipe: pose17, pose133, pose308, seg28, depth, normal (as for Sapiens), or FILE.toml with the same keys.
        skeleton: Keypoint set for poses: a name (see `vitruvian keypoints list`) or a TOML file.
        classes: Class set for body parts: a name or a TOML file.
        val: Labelled data to validate on; its figures are logged, and the best model is kept and written.
        size: Height and width of the input in pixels, multiples of the patch; if left out, those of --init, or 1024 768 for an
            encoder.
        epochs: Number of passes over all samples.
        steps: Number of optimiser steps, instead of --epochs.
        batch: Samples per step, over all processes together.
        accumulate: Accumulate gradients over N passes, if a batch does not fit into memory.
        lr: Learning rate of the heads after the warm-up.
        layer_decay: Factor on the learning rate from each block to the one before it.
        warmup: Number of steps over which the learning rate rises.
        ema: Also keep an average of the weights with this decay, such as 0.999, and write that.
        drop_path: Chance of skipping the branches of the last block; it falls evenly to 0 at the first.
        train: all, heads (the encoder stays as it is), or lora (heads, and small changes to the encoder's attention).
        lora_rank: Rank of these small changes.
        backgrounds: Folder of person-free photos to put behind people, if the recipe asks for it; packaged ones if left out.
        export: Write the model to this .safetensors file instead.
        seed: Seed for everything random.
        device: Where to train; auto takes the fastest available.
        dtype: Precision of matrix products; auto is bf16 where the hardware has it.
        workers: Number of processes that read photos.
        shard: With several processes, split the weights over all of them (all), or only within each node (node), so that every
            node holds them whole.
        checkpointing: Use less memory and a third more time: activations are computed twice.
        compile: Use torch.compile.
        checkpoint_every: Steps between checkpoints.
        keep: Keep the last N checkpoints.
        resume: auto resumes if there are checkpoints, never insists on a new folder, must insists on checkpoints.
    """
    from vitruvian.finetune.command import finetune as run

    flags = {
        "tasks": tasks or None, "skeleton": skeleton, "classes": classes, "size": size, "epochs": epochs, "steps": steps,
        "batch": batch, "accumulate": accumulate, "lr": lr, "layer_decay": layer_decay, "warmup": warmup, "ema": ema,
        "drop_path": drop_path, "train": train, "lora_rank": lora_rank, "seed": seed, "dtype": dtype,
        "checkpointing": checkpointing or None, "compile": compile or None, "checkpoint_every": checkpoint_every, "keep": keep,
        "shard": shard,
    }  # fmt: skip
    return run(sources, out, flags, recipe, init, val, backgrounds, device, workers, resume, export)


def reconstruct(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|WEIGHTS")],
    photos: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PHOTO...")],
    out: File,
    ratios: Annotated[tuple[float, ...], tyro.conf.arg(metavar="RATIO...")] = (0.5, 0.75, 0.95),
    seed: Whole = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Flag = False,
) -> int:
    """Draw what a masked autoencoder makes of photos that it sees only in part: one row per photo, two columns per ratio.

    Args:
        model: Folder of a run of `vitruvian pretrain`, or weights with a decoder.
        photos: Photos, folders (searched recursively) or glob patterns.
        out: The .png file.
        ratios: Shares of the patches that are hidden.
        seed: Seed for choosing the hidden patches.
        device: Where to run; auto takes the fastest available.
        dtype: Precision of matrix products; auto is bf16 where the hardware has it.
        overwrite: Replace a file that is already there.
    """
    from vitruvian.pretrain.reconstruct import run

    return run(model, photos, out, ratios, seed, device, dtype, overwrite)

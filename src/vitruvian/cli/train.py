"""Data and what learns from it: `synth`, `data`, `pretrain`, `finetune`, `reconstruct`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vitruvian.cli.options import Flag, Sources


def synth(
    out: Path,
    count: int,
    size: str = "256x192",
    seed: int = 0,
    workers: int = 1,
    backgrounds: Path | None = None,
    preview: Flag = False,
) -> int:
    """Make a data set of synthetic people with exact labels. The same command resumes after a stop.

    Args:
        out: Folder of the data set.
        count: Number of samples.
        size: Height x width in pixels.
        seed: Sample i is a function of the seed and i alone.
        workers: Processes, at least 1.
        backgrounds: Folder of photos to stand behind the people.
        preview: Also write a contact sheet.
    """
    from vitruvian.synth.dataset.generate import run

    return run(out, count, size, seed, workers, backgrounds, preview=preview)


def data() -> int:
    """Data sets to train on: list (the layouts and sets there are), check."""
    raise NotImplementedError  # a group: see GROUPS


def data_list() -> int:
    """List the layouts of data sets that can be read, with an example of each, and the names of skeletons and classes."""
    from vitruvian.survey import show_layouts

    return show_layouts()


def data_check(
    sources: Sources = (),
    train: tuple[str, ...] = (),
    val: tuple[str, ...] = (),
    skeleton: str | None = None,
    out: Path | None = None,
    limit: int | None = None,
) -> int:
    """Read data sets and name what is wrong: files that cannot be used, impossible flip pairs, ids out of range, empty masks,
    degenerate boxes, sizes that differ, and pictures that training and validation share.

    Exit code: 0 nothing is wrong, 1 something is, 2 wrong usage.

    Args:
        sources: SOURCE.toml, COCO's FILE.json, folders or shards (see `vitruvian data list`).
        train: Sources to train on, whose pictures are compared with those of --val.
        val: Sources to validate on.
        skeleton: Of COCO files: name, or a TOML file of your own, which is checked too.
        out: Folder of sheet.jpg, samples with their labels, and findings.json.
        limit: Read at most so many pictures of each source, evenly apart.
    """
    from vitruvian.survey import check

    return check(sources, train, val, skeleton, out, limit)


def pretrain(
    sources: Sources = (),
    *,
    out: Path,
    recipe: str | None = None,
    size: Literal["0.3b", "0.6b", "1b", "2b", "tiny"] | None = None,
    resolution: int | None = None,
    mask_ratio: float | None = None,
    steps: int | None = None,
    batch: int | None = None,
    accumulate: int | None = None,
    lr: float | None = None,
    warmup: int | None = None,
    weight_decay: float | None = None,
    init: str | None = None,
    export: Path | None = None,
    seed: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["auto", "fp32", "bf16"] | None = None,
    workers: int = 1,
    shard: Literal["all", "node"] | None = None,
    checkpointing: Flag = False,
    compile: Flag = False,
    checkpoint_every: int | None = None,
    keep: int | None = None,
    resume: Literal["auto", "never", "must"] = "auto",
) -> int:
    """Photos without labels -> an encoder: a masked autoencoder learns to guess hidden patches, as Sapiens was pretrained.

    The same command goes on where it was stopped. Flags go over the recipe; all that was settled is in OUT/config.json.

    Args:
        sources: Folders of photos (searched recursively), glob patterns, shards (*.tar, URLs) or data sets (see `vitruvian data
            list`). Without any, --export writes what OUT has learned so far.
        out: Folder of the run: config.json, log.jsonl, checkpoints and, at the end, encoder.safetensors.
        recipe: tiny (for a laptop), 0.3b, 0.6b, 1b, 2b (as the paper's), or FILE.toml with the same keys.
        size: Of the encoder.
        resolution: Side of the square input in pixels, a multiple of 16; 1024 if neither this nor the recipe says.
        mask_ratio: Share of the patches that is hidden; 0.75 likewise.
        steps: Steps of the optimiser.
        batch: Photos of one step, of all processes together.
        accumulate: In so many passes, where a batch does not fit into memory; but for the masks drawn, nothing else changes.
        lr: Learning rate for a batch of 256; it is multiplied by batch / 256.
        warmup: Steps in which the rate rises.
        weight_decay: Of the optimiser (AdamW).
        init: Begin with this encoder: name (see `vitruvian models`) or path of weights in whichever layout.
        export: Write the encoder to this .safetensors file instead.
        seed: Of everything that is drawn.
        device: Where to train; auto takes the fastest there is.
        dtype: Precision of matrix products; auto is bf16 where the hardware has it.
        workers: Processes that read photos.
        shard: Several processes share the weights out over all of them, or within each node, which then holds them whole.
        checkpointing: Less memory, a third more time: activations are computed twice.
        compile: With torch.compile.
        checkpoint_every: Steps.
        keep: So many of the last checkpoints.
        resume: auto goes on where there are checkpoints, never wants a new folder, must wants checkpoints.
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
    out: Path,
    tasks: tuple[str, ...] = (),
    init: str = "vitruvian-s",
    recipe: str | None = None,
    skeleton: str | None = None,
    classes: str | None = None,
    val: tuple[str, ...] = (),
    size: tuple[int, int] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    batch: int | None = None,
    accumulate: int | None = None,
    lr: float | None = None,
    layer_decay: float | None = None,
    warmup: int | None = None,
    ema: float | None = None,
    drop_path: float | None = None,
    train: Literal["all", "heads", "lora"] | None = None,
    lora_rank: int | None = None,
    backgrounds: Path | None = None,
    export: Path | None = None,
    seed: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["auto", "fp32", "bf16"] | None = None,
    workers: int = 1,
    shard: Literal["all", "node"] | None = None,
    checkpointing: Flag = False,
    compile: Flag = False,
    checkpoint_every: int | None = None,
    keep: int | None = None,
    resume: Literal["auto", "never", "must"] = "auto",
) -> int:
    """Labelled people or photos -> a model that `predict` takes: an encoder or a whole model learns tasks, as Sapiens was.

    The same command goes on where it was stopped. Flags go over the recipe; all that was settled is in OUT/config.json.

    Args:
        sources: Labelled data: COCO's FILE.json, SOURCE.toml, folders of maps or of `vitruvian synth` (see `vitruvian data
            list`). Without any, --export writes what OUT has learned so far.
        out: Folder of the run: config.json, log.jsonl, checkpoints and, at the end, model.safetensors.
        tasks: One or more of pose, seg, depth, normal; those of --init that the sources label if neither this nor the recipe
            says.
        init: Begin with these weights: name (see `vitruvian models`) or path, an encoder or a whole model; or random:SIZE.
        recipe: pose17, pose133, pose308, seg28, depth, normal (as Sapiens'), or FILE.toml with the same keys.
        skeleton: Of poses: a name (see `vitruvian keypoints list`), or a TOML file of your own.
        classes: Of body parts, likewise.
        val: Labelled data that is not learned from; its figures are logged, and the best model is kept and written.
        size: Height and width of the input in pixels, multiples of the patch; that of --init, of an encoder 1024 768.
        epochs: Passes over all samples.
        steps: Steps of the optimiser instead.
        batch: Samples of one step, of all processes together.
        accumulate: In so many passes, where a batch does not fit into memory.
        lr: Learning rate of the heads after the warm-up.
        layer_decay: What it is multiplied by from one block to the one before it.
        warmup: Steps in which the rate rises.
        ema: Train as usual, keep and write an average of the weights with this decay, such as 0.999.
        drop_path: Chance that the last block's branches are left out; it falls evenly to 0 at the first.
        train: all, heads (the encoder stays as it is), or lora (heads, and small changes to the encoder's attention).
        lora_rank: How large these are.
        backgrounds: Folder of person-free photos to put behind people, where the recipe asks for it; packaged ones if left out.
        export: Write the model to this .safetensors file instead.
        seed: Of everything that is drawn.
        device: Where to train; auto takes the fastest there is.
        dtype: Precision of matrix products; auto is bf16 where the hardware has it.
        workers: Processes that read photos.
        shard: Several processes share the weights out over all of them, or within each node, which then holds them whole.
        checkpointing: Less memory, a third more time: activations are computed twice.
        compile: With torch.compile.
        checkpoint_every: Steps.
        keep: So many of the last checkpoints.
        resume: auto goes on where there are checkpoints, never wants a new folder, must wants checkpoints.
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
    out: Path,
    ratios: tuple[float, ...] = (0.5, 0.75, 0.95),
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["auto", "fp32", "bf16"] = "auto",
    overwrite: Flag = False,
) -> int:
    """A picture of what a masked autoencoder makes of photos of which it sees a part: one row a photo, two columns a ratio.

    Args:
        model: Folder of a run of `vitruvian pretrain`, or weights with a decoder.
        photos: Photos, folders (searched recursively) or glob patterns.
        out: The .png file.
        ratios: Shares of the patches that are hidden.
        seed: Of which ones.
        device: Where to run.
        dtype: Precision of matrix products.
        overwrite: Replace a file that is already there.
    """
    from vitruvian.pretrain.reconstruct import run

    return run(model, photos, out, ratios, seed, device, dtype, overwrite)

"""The masked autoencoder of a recipe, new or begun with released weights; a run's folder as a model; its encoder as a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from vitruvian import weights
from vitruvian.errors import UsageError, WeightsError
from vitruvian.model import MaskedAutoencoder, Model, build, mae_head
from vitruvian.model.vit import Size
from vitruvian.pretrain.recipe import ARCHITECTURES, PATCH, Recipe
from vitruvian.train import read_weights
from vitruvian.train.run import Run, last_step, read_run
from vitruvian.types import ModelSpec

DECODER = "decoder."


def spec_of(recipe: Recipe, begin: weights.Loaded | None = None) -> ModelSpec:
    """What the recipe builds: class token, no patch padding, a square input. begin: weights whose shape decides where the
    recipe names no size. UsageError where both disagree, or nothing says."""
    size, licence, name = recipe.size, "unknown", f"pretrain-{recipe.size}"
    if begin is not None:
        theirs = begin.card.spec
        arch = Size(theirs.dim, theirs.depth, theirs.heads_attn, theirs.mlp)
        licence, name = begin.card.licence, f"{theirs.name}-continued"
        if (theirs.patch, theirs.stem) != (PATCH, "patch"):
            raise UsageError(
                f"{begin.path} has stem {theirs.stem!r}, patch {theirs.patch}. Allowed: stem 'patch', patch {PATCH}."
            )
        if size is not None and ARCHITECTURES[size] != arch:
            raise UsageError(
                f"{begin.path} is {arch.dim} wide and {arch.depth} deep, not of size {size}. Fix: leave --size out."
            )
    elif size is None:
        raise UsageError(f"no size given. Allowed: --size {' | '.join(ARCHITECTURES)}, or --recipe or --init, which say it.")
    else:
        arch = ARCHITECTURES[size]
    decoder = {"dim": recipe.decoder_dim, "depth": recipe.decoder_depth, "heads": recipe.decoder_heads,
               "mlp_ratio": recipe.decoder_mlp_ratio, "mask_ratio": recipe.mask_ratio}  # fmt: skip
    return autoencoder_spec(name, arch, recipe.resolution, decoder, licence)


def autoencoder_spec(
    name: str, arch: Size, resolution: int, decoder: Mapping[str, float], licence: str = "unknown"
) -> ModelSpec:
    """Sapiens v1's pretraining form of a backbone; `decoder`: options of `mae_head`."""
    return ModelSpec(
        name=name, size=(resolution, resolution), dim=arch.dim, depth=arch.depth, heads_attn=arch.heads_attn, mlp=arch.mlp,
        heads=(mae_head(PATCH, **decoder),), patch=PATCH, class_token=True, fit="stretch", resample="area", licence=licence,
    )  # fmt: skip


def new_model(spec: ModelSpec, seed: int, begin: weights.Loaded | None = None) -> tuple[MaskedAutoencoder, tuple[str, ...]]:
    """A model with weights drawn from the seed, or with the encoder of `begin`; and what was changed or left out of it.

    Positions of another grid are resized; a decoder of the same shape is taken too. WeightsError for what does not fit.
    """
    torch.manual_seed(seed)
    model = build(spec)
    if not isinstance(model, MaskedAutoencoder):
        raise TypeError("a pretraining spec builds a masked autoencoder")
    if begin is None:
        return model, ()
    state, told = weights.encoder_for(spec, begin.model)
    decoder = _decoder_of(begin.model, model)
    model.load_state_dict({**model.state_dict(), **state, **decoder})
    words = "decoder taken over" if decoder else "decoder new: there is none of this shape in the file"
    return model, (*(line for line in told if not (decoder and line.startswith("left out"))), words)


def _decoder_of(theirs: Model | MaskedAutoencoder, ours: MaskedAutoencoder) -> dict[str, Tensor]:
    """The decoder's tensors if all of them fit, without its positions, which belong to the grid."""
    wanted = {k: v.shape for k, v in ours.state_dict().items() if k.startswith(DECODER) and k != f"{DECODER}position"}
    found = {k: v.detach() for k, v in theirs.state_dict().items() if k in wanted and v.shape == wanted[k]}
    return found if len(found) == len(wanted) else {}


def trained(folder: Path) -> tuple[MaskedAutoencoder, Run]:
    """The model of a run's folder with the weights of its last checkpoint, in evaluation mode, and what the run was told.

    WeightsError for a folder that is no pretraining run, or has no checkpoint yet.
    """
    run = read_run(folder, "pretrain")
    if not any(head.kind == "mae" for head in run.spec.heads):
        tasks = ", ".join(head.task for head in run.spec.heads)
        raise WeightsError(f"{folder}: a run of {tasks}, not of pretraining. Fix: another folder.")
    with torch.device("meta"):
        model = build(run.spec)
    model.load_state_dict(read_weights(folder), assign=True)
    return model.eval(), run  # type: ignore[return-value]  # its head is mae


def export(folder: Path, place: Path, dtype: torch.dtype = torch.float32) -> int:
    """Write the encoder of a run's last checkpoint as safetensors: no decoder, no head. Returns how many parameters it has."""
    model, run = trained(folder)
    config = run.config
    encoder = Model(replace(model.spec, heads=()))
    encoder.backbone.load_state_dict(model.backbone.state_dict())
    names = ("steps", "global_batch", "base_lr", "photos", "init_hash", "seed")
    files = {
        name: Path(config[name]).name for name in ("recipe", "init") if config.get(name)
    }  # whose folders are nobody's affair
    told = {"made_by": "vitruvian pretrain", **files, **{name: config.get(name) for name in names}, "done": last_step(folder)}
    weights.save(place, encoder, provenance=told, run=run.digest, dtype=dtype, verify=True)
    return sum(p.numel() for p in encoder.parameters())

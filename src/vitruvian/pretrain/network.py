"""The masked autoencoder of a recipe, new or begun with released weights; a run's folder as a model; its encoder as a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vitruvian import weights
from vitruvian.errors import UsageError, WeightsError
from vitruvian.model import MaskedAutoencoder, Model, build, mae_head
from vitruvian.model.vit import Size
from vitruvian.pretrain.recipe import ARCHITECTURES, PATCH, Recipe
from vitruvian.train import read_weights
from vitruvian.train.checkpoint import Checkpoints
from vitruvian.train.sharded import sharded_steps
from vitruvian.types import ModelSpec
from vitruvian.weights.card import spec_from

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


def read_run(folder: Path) -> tuple[MaskedAutoencoder, Mapping[str, Any]]:
    """The model of a run's folder with the weights of its last checkpoint, in evaluation mode, and its config.json.

    WeightsError for a folder that is no pretraining run, or has no checkpoint yet.
    """
    try:
        record = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        spec = spec_from(record["run"]["model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{folder}: no run of `vitruvian pretrain` (its config.json: {error!r}). Fix: check --out."
        ) from error
    if not any(head.kind == "mae" for head in spec.heads):
        raise WeightsError(
            f"{folder}: a run of {', '.join(h.task for h in spec.heads)}, not of pretraining. Fix: another folder."
        )
    with torch.device("meta"):
        model = build(spec)
    model.load_state_dict(read_weights(folder), assign=True)
    return model.eval(), record  # type: ignore[return-value]  # its head is mae


def last_step(folder: Path) -> int:
    """Steps done at the last checkpoint of a run; 0 where there is none."""
    place = folder / "checkpoints"
    return max((*Checkpoints(place).steps(), *sharded_steps(place)), default=0)


def export(folder: Path, place: Path, dtype: torch.dtype = torch.float32) -> int:
    """Write the encoder of a run's last checkpoint as safetensors: no decoder, no head. Returns how many parameters it has."""
    model, record = read_run(folder)
    config = record["config"]
    encoder = Model(replace(model.spec, heads=()))
    encoder.backbone.load_state_dict(model.backbone.state_dict())
    names = ("steps", "global_batch", "base_lr", "photos", "init_hash", "seed")
    files = {
        name: Path(config[name]).name for name in ("recipe", "init") if config.get(name)
    }  # whose folders are nobody's affair
    told = {"made_by": "vitruvian pretrain", **files, **{name: config.get(name) for name in names}, "done": last_step(folder)}
    run = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    weights.save(place, encoder, provenance=told, run=run, dtype=dtype, verify=True)
    return sum(p.numel() for p in encoder.parameters())

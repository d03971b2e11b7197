"""A pretrained encoder as the start of another model: what is taken, what is changed, and in which words that is told."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vitruvian.model import MaskedAutoencoder, Model, build
from vitruvian.model.vit import adapt_position
from vitruvian.types import ModelSpec
from vitruvian.weights.check import check

BACKBONE = "backbone."


def encoder_for(spec: ModelSpec, encoder: Model | MaskedAutoencoder) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The `backbone.*` of `encoder` for a model of `spec`, and what was changed or left out on the way.

    The position table is resized to the model's grid and, like the class token, loses what the model has no place for
    (Sapiens v1 fine-tuning); heads and decoders are left out. WeightsError lists what else does not fit.
    """
    whole = {name: value.detach() for name, value in encoder.state_dict().items()}
    state = {name: value for name, value in whole.items() if name.startswith(BACKBONE)}
    told = [f"left out: {len(whole) - len(state)} tensors that are no backbone"] if len(whole) > len(state) else []
    if encoder.spec.class_token and not spec.class_token:
        del state["backbone.class_token"]
        told.append("class token left out")
    before = state["backbone.position"]
    state["backbone.position"] = adapt_position(before, spec.grid, spec.class_token)
    if (after := state["backbone.position"]).shape != before.shape:
        told.append(f"position table: {before.shape[1]} rows -> {after.shape[1]} for {spec.grid[0]}x{spec.grid[1]} patches")
    if encoder.spec.padding != spec.padding:
        told.append(f"patch padding {encoder.spec.padding} -> {spec.padding}: each patch sees the photo shifted")
    with torch.device("meta"):
        wanted = {name: tuple(value.shape) for name, value in build(spec).state_dict().items() if name.startswith(BACKBONE)}
    check(state, wanted, Path(encoder.spec.name), f"the backbone of {spec.name}")
    return state, tuple(told)

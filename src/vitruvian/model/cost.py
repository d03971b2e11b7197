"""What a model costs: operations, counted without computing anything."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from vitruvian.model.build import build
from vitruvian.model.mae import MAE_OPTIONS
from vitruvian.types import ModelSpec

KEPT = 22  # tensors of a block's width that a block keeps a token for its backward, of which the MLP's four-fold ones are eight


def operations(spec: ModelSpec) -> int:
    """Floating-point operations of one input through the whole model, attention included (2 a multiply-add).

    Of a pretraining model: the encoder on the patches it sees, and the decoder. Training takes three times as many.
    """
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        build(spec).eval()(torch.empty(1, 3, *spec.size))
    return int(counter.get_total_flops())


def parameters(spec: ModelSpec) -> int:
    """How many numbers are trained."""
    with torch.device("meta"):
        return sum(p.numel() for p in build(spec).parameters() if p.requires_grad)


def activations(spec: ModelSpec, wide: int, checkpointing: bool) -> int:
    """Bytes that one example's forward keeps for its backward, numbers being `wide` bytes: of blocks and of maps in heads.

    checkpointing: blocks keep their input alone, and one at a time computes the rest again.
    """
    return _trunk(spec, wide, checkpointing) + heads_activations(spec, wide)


def _trunk(spec: ModelSpec, wide: int, checkpointing: bool) -> int:
    tokens = spec.grid[0] * spec.grid[1]
    mae = next((head for head in spec.heads if head.kind == "mae"), None)
    if mae is None:
        return _blocks(tokens, spec.dim, spec.depth, wide, checkpointing)
    options = {**MAE_OPTIONS, **mae.options}
    seen = int(tokens * (1 - options["mask_ratio"]))
    decoder = _blocks(tokens, int(options["dim"]), int(options["depth"]), wide, False)
    return _blocks(seen, spec.dim, spec.depth, wide, checkpointing) + decoder


def _blocks(tokens: int, dim: int, depth: int, wide: int, checkpointing: bool) -> int:
    one = KEPT * tokens * dim * wide
    return (
        depth * tokens * dim * 4 + 2 * one if checkpointing else depth * one
    )  # inputs in float32; one block and its gradients


def heads_activations(spec: ModelSpec, wide: int) -> int:
    """As `activations`, of heads alone: three maps a stage (product, norm, activation), and the output with its gradient in
    float32."""
    rows, columns = spec.grid
    total = 0
    for head in (head for head in spec.heads if head.kind != "mae"):
        pixels = rows * columns
        for width in head.upsample:
            pixels *= 4
            total += 3 * pixels * width * wide
        total += sum(3 * pixels * width * wide for width in head.conv) + 3 * pixels * head.out * 4
    return total

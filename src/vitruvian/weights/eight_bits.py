"""Weights in 8 bits a number, for small files: whole numbers from -127 to 127, and a scale for every row of a table.

They are read back as floats, so a model computes as ever; only the file is smaller.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = ":scale"  # ends the name of the scales of a table
LEAST = 4096  # numbers; smaller tables, those of one row, and all vectors, stay bf16
STEPS = 127


def shrink(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Large tables as int8 with the float32 scale of each row (of the first axis) beside them, the rest in bf16."""
    out: dict[str, Tensor] = {}
    for name, value in state.items():
        if value.ndim < 2 or value.numel() < LEAST or len(value) == 1:
            out[name] = value.to(torch.bfloat16).contiguous()
            continue
        rows = value.float().flatten(1)
        scale = rows.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / STEPS
        out[name] = (rows / scale[:, None]).round().to(torch.int8).reshape(value.shape).contiguous()
        out[name + SCALE] = scale
    return out


def restore(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `shrink` made, as floats; any other tensor as it is."""
    return {name: _restored(value, state.get(name + SCALE)) for name, value in state.items() if not _is_scale(name, state)}


def _is_scale(name: str, state: Mapping[str, Tensor]) -> bool:
    return name.endswith(SCALE) and name.removesuffix(SCALE) in state


def _restored(value: Tensor, scale: Tensor | None) -> Tensor:
    if scale is None or value.dtype is not torch.int8 or scale.shape != value.shape[:1]:
        return value
    return value.float() * scale.float().reshape(-1, *[1] * (value.ndim - 1))

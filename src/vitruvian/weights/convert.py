"""Any weights that can be loaded as one file of ours, proven equal by reading it back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from vitruvian.errors import InputError, UsageError, unknown_name
from vitruvian.weights.load import Loaded, load, save

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Converted:
    """path: the file written; tensors: how many were read back and found equal, bit for bit."""

    path: Path
    source: Loaded
    tensors: int


def convert(
    source: str | Path,
    out: Path,
    name: str | None = None,
    dtype: str = "fp32",
    heads_attn: int | None = None,
    overwrite: bool = False,
) -> Converted:
    """Write a model of whichever layout as safetensors with its card; atomic, and only once it reads back equal, bit for bit.

    name: the official checkpoint that the source must be; dtype: `fp32` is exact, `bf16` half the size and rounded once;
    heads_attn: see `load`. UsageError for wrong arguments, InputError for a file that is already there, WeightsError where the
    weights do not fit, the place cannot be written, or the file does not read back equal.
    """
    if dtype not in DTYPES:
        raise unknown_name("dtype", dtype, DTYPES)
    if out.suffix != ".safetensors":
        raise UsageError(f"--out {out} must end in .safetensors. Fix: --out {out.with_suffix('.safetensors')}")
    if out.exists() and not overwrite:
        raise InputError(f"{out} is already there. Fix: --overwrite, or another --out.")
    loaded = load(source, expected=name, heads_attn=heads_attn)
    provenance = {**loaded.card.provenance, "converted": f"from {loaded.path.name} to {dtype}"}
    save(out, loaded.model, provenance=provenance, run=loaded.card.run, dtype=DTYPES[dtype], verify=True)
    return Converted(out, loaded, len(loaded.model.state_dict()))

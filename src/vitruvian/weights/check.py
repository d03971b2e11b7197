"""Whether tensors are exactly those of a model: what is missing, unexpected, misshapen or not finite is listed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from vitruvian.errors import WeightsError
from vitruvian.weights.card import FIX

LISTED = 5  # names of each kind in an error message
FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def check(state: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]], path: Path, what: str) -> None:
    """WeightsError unless `state` has just the names and shapes of `wanted`, and finite numbers. what: the model, in words."""
    shapes = {name: (tuple(value.shape), wanted[name]) for name, value in state.items() if name in wanted}
    fitting = {name: state[name] for name, (found, needed) in shapes.items() if found == needed}
    numbers = {name: value for name, value in fitting.items() if value.dtype in FLOATS}
    problems = {
        "missing": sorted(wanted.keys() - state.keys()),
        "unexpected": sorted(state.keys() - wanted.keys()),
        "of the wrong shape": [f"{n} {found}, wanted {needed}" for n, (found, needed) in shapes.items() if found != needed],
        "no floating-point numbers": [f"{name} ({fitting[name].dtype})" for name in fitting if name not in numbers],
        "not finite": [name for name, value in numbers.items() if not _finite(value)],
    }
    told = [f"{len(names)} {kind}: {some(names)}" for kind, names in problems.items() if names]
    if told:
        raise WeightsError(f"{path} does not fit {what}. {'; '.join(told)}. {FIX}")


def reads_back(path: Path, state: Mapping[str, Tensor]) -> bool:
    """Whether a safetensors file holds just these tensors, bit for bit."""
    with safe_open(path, framework="pt") as file:
        return set(file.keys()) == set(state) and all(_equal(file.get_tensor(name), state[name]) for name in state)


def _equal(a: Tensor, b: Tensor) -> bool:
    return (a.dtype, a.shape) == (b.dtype, b.shape) and torch.equal(*(x.reshape(-1).view(torch.uint8) for x in (a, b)))


def _finite(value: Tensor) -> bool:
    """One pass and no copy: billions of numbers are looked at."""
    return bool(torch.stack(torch.aminmax(value)).isfinite().all())


def some(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")

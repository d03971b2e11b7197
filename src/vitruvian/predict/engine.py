"""How a loaded model runs: one path for a device and a precision, chosen here and said aloud.

On a CPU the official heads become matrix products (`model.fast`). In bf16 the weights themselves are bf16, which spares a
conversion at every layer; norms and softmax still sum in float32. `compile` lets TorchInductor fuse the backbone and fold its
weights: half a minute at the first photo that only long jobs earn back. `openvino` hands the model to that library. `pruned`
leaves out what is far from people (`predict.prune`): the only one whose answers differ by more than rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias, cast, get_args

import torch
from torch import nn

from vitruvian.device import Compute
from vitruvian.errors import UsageError, unknown_name
from vitruvian.model import Model
from vitruvian.model.fast import FastDeconvHead
from vitruvian.model.heads import DeconvHead
from vitruvian.predict.openvino import OpenVINO, check_openvino
from vitruvian.predict.prune import Pruned
from vitruvian.types import ModelSpec

Engine: TypeAlias = Literal["eager", "compile", "openvino", "pruned"]
ENGINES = get_args(Engine)
# weights folded in; on CUDA recorded as a graph, whose features the heads read before the next pass writes them again
COMPILED: dict[str, Any] = {"cpu": {"options": {"freezing": True}}, "cuda": {"mode": "reduce-overhead"}}
TOKENS_AT_ONCE = {"cpu": 3072, "cuda": 8 * 3072, "mps": 2 * 3072}  # of one pass: bounds memory; a CPU gains nothing beyond


def check_engine(engine: str, compute: Compute) -> None:
    """UsageError for an unknown engine, or one that does not run there."""
    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES)
    if engine == "openvino":
        check_openvino(compute)


def prepare(model: nn.Module, compute: Compute, engine: str = "eager") -> nn.Module:
    """The model in the form that runs fastest there, called as a `Model`; the given one must not be used any more.

    Its input must be of `compute.dtype`.
    """
    check_engine(engine, compute)
    if not isinstance(model, Model):
        raise UsageError("a pretraining model has nothing to say about a photo. Fix: fine-tune it first.")
    if engine == "openvino":
        return OpenVINO(model, compute)
    if compute.device.type == "cpu":
        for name, head in model.heads.items():
            if isinstance(head, DeconvHead):
                model.heads[name] = FastDeconvHead(head)
    model = model.to(compute.device, compute.dtype).eval()
    if engine == "pruned":
        return Pruned(model, compute)
    if engine == "compile":
        how = COMPILED.get(compute.device.type, {})
        model.backbone = cast(nn.Module, torch.compile(model.backbone, dynamic=False, **how))
    return model


def views_at_once(spec: ModelSpec, compute: Compute) -> int:
    """How many inputs of the model's own size go through together."""
    rows, columns = spec.grid
    return max(1, TOKENS_AT_ONCE[compute.device.type] // (rows * columns))


def passes(count: int, most: int) -> Iterator[slice]:
    """The passes that so many views go through in: powers of two, none above `most`.

    Kernels and buffers are kept for every size of a batch that was ever seen; of a clip with people who come and go that would
    be all of them, hundreds of megabytes.
    """
    start = 0
    while start < count:
        size = 1 << (min(count - start, most).bit_length() - 1)
        yield slice(start, start + size)
        start += size

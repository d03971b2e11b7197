"""A model as one graph with a free batch size, the common start of every export."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from vitruvian.model import Model

INPUT = "image"
BATCH = {0: Dim("batch", min=1)}
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Graph:
    """program: `image` (B, 3, H, W) float32 -> one float32 output a head, named as `outputs`; metadata: the card, as JSON."""

    program: ExportedProgram
    outputs: tuple[str, ...]
    metadata: str


class _Heads(nn.Module):
    """The outputs as a tuple in the order of the heads; float32 on both sides, whatever precision lies between."""

    def __init__(self, model: Model, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model.to(dtype)
        self.tasks = tuple(model.heads)
        self.dtype = dtype

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        outputs = self.model(image.to(self.dtype))
        return tuple(outputs[task].float() for task in self.tasks)


def capture(model: Model, dtype: str, metadata: str) -> Graph:
    """The graph of a model in evaluation mode. The model itself is turned into `dtype`: large ones fit in memory only once."""
    heads = _Heads(model, DTYPES[dtype]).eval()
    example = torch.zeros(2, 3, *model.spec.size)
    with quiet(), torch.no_grad():
        # strict, because the other way takes the example's batch wherever the code says len(tensor)
        program = torch.export.export(heads, (example,), dynamic_shapes=(BATCH,), strict=True)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine, which every format would carry along
    return Graph(program, heads.tasks, metadata)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporters' remarks on their own code and on libraries that are not needed; errors still speak."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

"""ONNX: one file (and, beyond what the format can hold, a second one with the weights), run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from vitruvian.export.graph import BATCH, INPUT, Graph, quiet
from vitruvian.export.target import Run, Target
from vitruvian.types import Array
from vitruvian.weights.card import ENTRY

OPSET = 18  # read by every ONNX Runtime since 1.14 (2023)
LARGEST = 1_800_000_000  # bytes of weights inside the file; the format ends at 2 GiB


def write(graph: Graph, path: Path) -> None:
    """Weights larger than `LARGEST` go to `<file>.data` beside it."""
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            graph.program,
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(graph.outputs),
            dynamic_shapes=(BATCH,),
            verbose=False,
        )
        assert program is not None
        program.model.metadata_props[ENTRY] = graph.metadata
        size = sum(value.nbytes for value in graph.program.state_dict.values())
        program.save(path, external_data=size > LARGEST)


def open_onnx(path: Path) -> Run:
    """The file in ONNX Runtime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(image: Array) -> dict[str, Array]:
        values = session.run(names, {INPUT: np.ascontiguousarray(image)})
        return dict(zip(names, values, strict=True))

    return run


ONNX = Target(
    name="onnx",
    suffix=".onnx",
    dtypes=("fp32", "fp16"),
    write=write,
    open=open_onnx,
    companions=("+.data",),
    extra="export",
    modules=("onnx", "onnxscript", "onnxruntime"),
)

"""OpenVINO: an .xml file with its .bin of weights, made from the ONNX graph so that both say the same."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vitruvian.export import to_onnx
from vitruvian.export.graph import Graph
from vitruvian.export.target import Run, Target
from vitruvian.openvino import core, library
from vitruvian.types import Array
from vitruvian.weights.card import ENTRY

PRECISIONS = {"f32": "fp32", "bf16": "bf16", "f16": "fp16"}


def write(graph: Graph, path: Path) -> None:
    """Precision is how the weights are stored; what is calculated with is the runtime's choice."""
    with TemporaryDirectory(dir=path.parent) as folder:
        middle = Path(folder) / "graph.onnx"
        to_onnx.write(graph, middle)
        model = core().read_model(middle)
        model.set_rt_info(graph.metadata, [ENTRY])
        library().save_model(model, path, compress_to_fp16=False)
        del model  # it may have the files of the folder in its hands


def open_exactly(path: Path) -> Run:
    """The file on the CPU in float32."""
    return _runner(_compiled(path, {"INFERENCE_PRECISION_HINT": "f32"}))


def open_by_default(path: Path) -> tuple[str, Run] | None:
    """The file on the CPU as OpenVINO runs it unasked: bf16 on processors with AMX."""
    compiled = _compiled(path, {})
    name = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    return None if name == "f32" else (PRECISIONS.get(name, name), _runner(compiled))


def _compiled(path: Path, options: dict[str, Any]) -> Any:
    return core().compile_model(core().read_model(path), "CPU", options)


def _runner(compiled: Any) -> Run:
    def run(image: Array) -> dict[str, Array]:
        values = compiled([image])
        return {output.any_name: values[output] for output in compiled.outputs}

    return run


OPENVINO = Target(
    name="openvino",
    suffix=".xml",
    dtypes=("fp32", "fp16"),
    write=write,
    open=open_exactly,
    by_default=open_by_default,
    companions=(".bin",),
    extra="openvino",
    modules=("onnx", "onnxscript", "openvino"),
    copies=2,
)

"""A model in OpenVINO's hands: its backbone and every head a graph, compiled once for this processor (`openvino` extra).

On processors with AMX it is faster than PyTorch and rounds less, for it sums, norms and activates in wider registers between
its bf16 products. Preparing takes seconds, and for that while the memory of the weights twice.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from vitruvian.device import Compute
from vitruvian.errors import UsageError
from vitruvian.model import Model
from vitruvian.openvino import core, library
from vitruvian.types import ModelSpec

PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}


def check_openvino(compute: Compute) -> None:
    """UsageError where the library is absent, or the model is to run on something else than the CPU."""
    if find_spec("openvino") is None:
        raise UsageError('the engine openvino is not installed. Fix: pip install "vitruvian[openvino]"')
    if compute.device.type != "cpu":
        raise UsageError(f"the engine openvino runs on a CPU, not on {compute.device.type}. Fix: device cpu.")


class OpenVINO(nn.Module):
    """Called as the `Model` that it takes the weights of, which is empty afterwards. In: any float type; out: float32."""

    def __init__(self, model: Model, compute: Compute) -> None:
        super().__init__()
        check_openvino(compute)
        self.spec: ModelSpec = model.spec
        self._backbone = _compiled(model.backbone, torch.zeros(2, 3, *model.spec.size), compute)
        model.backbone = nn.Identity()
        features = torch.zeros(2, model.spec.dim, *model.spec.grid)
        self._heads: dict[str, Any] = {}
        for name, head in list(model.heads.items()):
            self._heads[name] = _compiled(head, features, compute)
            model.heads[name] = nn.Identity()

    def forward(self, image: Tensor, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """(B, 3, H, W) normalised RGB of the spec's size -> task name -> (B, out, h, w)."""
        features = self._backbone([image.float().numpy()])[0]
        names = tuple(self._heads) if tasks is None else tuple(tasks)
        return {name: torch.from_numpy(self._heads[name]([features])[0]) for name in names}


def _compiled(module: nn.Module, example: Tensor, compute: Compute) -> Any:
    """The module for inputs of the example's size and any number of them."""
    shapes = ({0: Dim("batch", min=1)},)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # both libraries' remarks on their own code
        # strict, because the other way takes the example's batch wherever the code says len(tensor)
        program = torch.export.export(module.float().eval(), (example,), dynamic_shapes=shapes, strict=True)
        graph = library().convert_model(program)
    graph.reshape({graph.inputs[0]: [-1, *example.shape[1:]]})
    options = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[compute.dtype],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    return core().compile_model(graph, "CPU", options)

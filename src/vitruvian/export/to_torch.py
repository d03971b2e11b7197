"""PyTorch's own format: the graph that `torch.export.load` reads, without this package's code."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from vitruvian.export.graph import Graph, quiet
from vitruvian.export.target import Run, Target
from vitruvian.types import Array
from vitruvian.weights.card import ENTRY

CARD_FILE = f"{ENTRY}.json"  # inside the archive; torch.export.load(path, extra_files={CARD_FILE: ""}) fills it in


def write(graph: Graph, path: Path) -> None:
    """One .pt2 archive."""
    with quiet():
        torch.export.save(graph.program, path, extra_files={CARD_FILE: graph.metadata})


def open_program(path: Path) -> Run:
    """The archive read back, run on the CPU."""
    card = {CARD_FILE: ""}
    with quiet():
        module = torch.export.load(path, extra_files=card).module()
    tasks = [head["task"] for head in json.loads(card[CARD_FILE])["spec"]["heads"]]

    def run(image: Array) -> dict[str, Array]:
        with torch.inference_mode():
            values = module(torch.from_numpy(image))
        return {task: value.numpy() for task, value in zip(tasks, values, strict=True)}

    return run


TORCH_EXPORT = Target(name="torch-export", suffix=".pt2", dtypes=("fp32", "bf16", "fp16"), write=write, open=open_program)

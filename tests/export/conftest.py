"""Small models of every build, with weights that leave nothing at its start, where many mistakes do not show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vitruvian import weights
from vitruvian.model import build
from vitruvian.types import HeadSpec, ModelSpec

POSE17 = HeadSpec("pose", (12, 8), (10, 8), 17, "coco17")
SEG = HeadSpec("seg", (8,), out=28, vocabulary="body28", kind="shuffle")
SIZES = {"dim": 32, "depth": 2, "heads_attn": 2, "mlp": 48}
SPECS = {
    "official": ModelSpec("official", (64, 48), heads=(POSE17,), padding=2, codec="official", **SIZES),
    "class_token": ModelSpec(
        "class_token",
        (48, 64),
        heads=(SEG, HeadSpec("depth", (16, 8), (8,), 1, options={"dropout": 0.1})),
        class_token=True,
        fit="stretch",
        **SIZES,
    ),
    "conv_stem": ModelSpec(
        "conv_stem",
        (32, 32),
        heads=(
            HeadSpec("pose", (8, 8), (8,), 17, "coco17", kind="shuffle", options={"refine": "full", "activation": "softmax"}),
            HeadSpec("normal", (8,), (), 3, kind="shuffle", options={"refine": "none", "dropout": 0.1, "axes": "unstated"}),
            HeadSpec("person", (8,), (8,), 5),
        ),
        stem="conv",
        resample="area",
        **SIZES,
    ),
    "one_patch": ModelSpec("one_patch", (16, 16), heads=(HeadSpec("depth", (), (), 1),), **SIZES),
}


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """model_file("official") -> weights of a random model of that spec, licence CC0-1.0."""
    folder = tmp_path_factory.mktemp("weights")

    def write(name: str) -> Path:
        path = folder / f"{name}.safetensors"
        if not path.exists():
            torch.manual_seed(len(name))
            model = build(SPECS[name])
            with torch.no_grad():
                for value in model.parameters():
                    value += 0.2 * torch.randn_like(value)
            weights.save(path, model, provenance={"data": "none"}, dtype=torch.float32)
        return path

    return write

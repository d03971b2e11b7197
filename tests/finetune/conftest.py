"""A verb, weights so small that a step takes a moment; makes `drawn_people` and `small_model` importable here."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from vitruvian import weights
from vitruvian.cli import main
from vitruvian.model import Model, build
from vitruvian.model.mae import mae_head
from vitruvian.types import ModelSpec

sys.path.insert(0, str(Path(__file__).parent))

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A whole model that knows four tasks by name, and nothing yet."""
    from small_model import SPEC

    torch.manual_seed(3)
    weights.save(tmp_path / "small.safetensors", Model(SPEC), provenance={}, dtype=torch.float32)
    return tmp_path / "small.safetensors"


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """A pretrained encoder with class token and decoder, for 64x64."""
    spec = ModelSpec("mae", (64, 64), 32, 2, 2, 64, (mae_head(16, dim=16, depth=1, heads=2),), class_token=True, fit="stretch")
    weights.save(tmp_path / "encoder.safetensors", build(spec), provenance={}, dtype=torch.float32)
    return tmp_path / "encoder.safetensors"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A COCO file of six drawn people."""
    from drawn_people import write_people

    return write_people(tmp_path / "people", 6)


@pytest.fixture
def finetune(small: Path, people: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """finetune("--steps", 4, out="a", sources=[...]) -> exit code, stdout, stderr of `vitruvian finetune`."""

    def call(*words: Any, out: str = "run", sources: list[Any] | None = None, init: Any = small) -> tuple[int, str, str]:
        given = [people] if sources is None else sources
        fixed = ["--out", tmp_path / out, "--device", "cpu", "--workers", 0, *(["--init", init] if init else [])]
        code = main(["finetune", *map(str, [*given, *words, *fixed])])
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Any]:
    """config("run") -> what config.json of that run says."""
    return lambda out="run": json.loads((tmp_path / out / "config.json").read_text())

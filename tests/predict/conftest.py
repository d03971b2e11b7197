"""A tiny random model with all four heads, and small photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vitruvian import weights
from vitruvian.model import build
from vitruvian.predict.pipeline import Predictor, load
from vitruvian.types import HeadSpec, ModelSpec

SPEC = ModelSpec(
    name="tiny",
    size=(64, 48),
    dim=32,
    depth=1,
    heads_attn=2,
    mlp=32,
    licence="CC0-1.0",
    heads=(
        HeadSpec("pose", (8,), out=133, vocabulary="wholebody133", kind="shuffle"),
        HeadSpec("seg", (8,), out=28, vocabulary="body28", kind="shuffle"),
        HeadSpec("depth", (8,), out=1, kind="shuffle"),
        HeadSpec("normal", (8,), out=3, kind="shuffle"),
    ),
)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a random model."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    weights.save(path, build(SPEC), provenance={"data": "none"}, run="0")
    return path


@pytest.fixture(scope="session")
def predictor(tiny: Path) -> Predictor:
    return load(tiny, detector="hog", device="cpu", dtype="fp32")


@pytest.fixture
def photo(tmp_path: Path) -> Callable[..., Path]:
    """photo("a/b.jpg", size=(H, W)) writes a picture below tmp_path/photos."""

    def write(name: str, size: tuple[int, int] = (60, 80), seed: int = 0) -> Path:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 255, (size[0] // 4 + 1, size[1] // 4 + 1, 3), np.uint8)
        Image.fromarray(pixels).resize(size[::-1]).save(path)
        return path

    return write

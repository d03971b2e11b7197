"""Photos, and a run so small that it takes a second or two; makes `made_photos` importable here."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vitruvian.cli import main

sys.path.insert(0, str(Path(__file__).parent))

TINY = """
size = "tiny"
resolution = 32
steps = 6
batch = 4
lr = 0.1
warmup = 2
decoder_dim = 16
decoder_depth = 1
decoder_heads = 2
checkpoint_every = 2
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    from made_photos import made_photo

    for i in range(10):
        made_photo(tmp_path / "photos" / f"sub{i % 2}" / f"{i}.png", i)
    return tmp_path / "photos"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TINY)
    return path


@pytest.fixture
def pretrain(photos: Path, recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """pretrain("--steps", 4, out="a", sources=[...]) -> exit code, stdout, stderr of `vitruvian pretrain`."""

    def call(*words: Any, out: str = "run", sources: list[Any] | None = None, by: Any = recipe) -> tuple[int, str, str]:
        given = [photos] if sources is None else sources
        fixed = ["--out", tmp_path / out, "--device", "cpu", "--workers", 0, *(["--recipe", by] if by else [])]
        code = main(["pretrain", *map(str, [*given, *words, *fixed])])
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Any]:
    """config("run") -> what config.json of that run says."""
    return lambda out="run": json.loads((tmp_path / out / "config.json").read_text())

"""Makes `official_files` and the yardstick of benchmarks/ importable here, and keeps every test away from the real hub."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "benchmarks")]


@pytest.fixture
def tiny_is_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny files are of an official size, as far as the package knows."""
    from official_files import TINY

    from vitruvian.model import SIZES
    from vitruvian.model.vit import Size

    monkeypatch.setitem(SIZES, "tiny", Size(*TINY))


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of huggingface_hub, and a hub where nobody answers."""
    from huggingface_hub import constants

    folder = tmp_path / "hub cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    for name, value in {"ENDPOINT": "http://127.0.0.1:9", "HF_HUB_DISABLE_XET": True, "HF_HUB_OFFLINE": False}.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}")
    return folder

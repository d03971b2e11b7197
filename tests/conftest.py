"""Where shared data lie; tests that need them skip, with the reason, where they are absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared photos, tables and goldens (VITRUVIAN_SHARED, default ../shared)."""
    folder = Path(os.environ.get("VITRUVIAN_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"shared data not found at {folder}; set VITRUVIAN_SHARED")
    return folder

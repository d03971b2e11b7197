"""Makes `made_people` importable here, and knows where the labelled photos lie."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def data(shared) -> Path:
    """The folder of labelled photos."""
    folder = shared / "data"
    if not (folder / "INDEX.json").is_file():
        pytest.skip(f"labelled photos not found at {folder}")
    return folder

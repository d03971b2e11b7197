"""A named folder of goldens must be whole: what is missing fails and is not skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def run(folder):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(HERE / "test_backbone.py"),
        "-k",
        "sincos or tables",
    ]
    environment = {**os.environ, "VITRUVIAN_GOLDEN": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, cwd=HERE.parents[1], capture_output=True, text=True, timeout=120)


@pytest.fixture
def copied(golden, tmp_path):
    folder = tmp_path / "golden"
    folder.mkdir()
    for name in ("sincos", "pos_embed"):
        shutil.copy(golden.folder / f"{name}.safetensors", folder)
    (folder / "golden.json").write_text(json.dumps(golden.index))
    return folder


def test_a_copied_folder_passes_and_a_removed_entry_fails(copied):
    whole = run(copied)
    assert whole.returncode == 0, whole.stdout
    assert "2 passed" in whole.stdout
    index = json.loads((copied / "golden.json").read_text())
    del index["entries"]["sincos"]
    (copied / "golden.json").write_text(json.dumps(index))
    (copied / "pos_embed.safetensors").unlink()
    broken = run(copied)
    assert broken.returncode == 1
    assert "no entry 'sincos'" in broken.stdout
    assert "pos_embed.safetensors is missing" in broken.stdout
    assert "skipped" not in broken.stdout


def test_a_named_folder_that_is_absent_fails(tmp_path):
    result = run(tmp_path / "nowhere")
    assert result.returncode == 1
    assert "there is no golden.json" in result.stdout
    assert "skipped" not in result.stdout

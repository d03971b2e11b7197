"""The examples of the guide run as they stand there, and the sets that they make are good ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vitruvian.cli import main

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/data.md"


def test_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(blocks) == 7
    exec("\n".join(blocks), {"__name__": "guide"})
    told = capfd.readouterr().out
    assert "2.345 [ 0. -0. -1.] [20. 10. 60. 50.]" in told and "[0 5]" in told and "people-001.tar/1" in told
    sources = ["coco.toml", "parts.toml", "maps.toml", "shards.toml", "images"]
    assert main(["data", "check", *sources, "--skeleton", "fork.toml", "--out", "out"]) == 0

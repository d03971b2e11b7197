"""The guide's first part as it stands there, with fewer people and one epoch: from labels to predictions of five own points."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from vitruvian.cli import main

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/finetune-your-own.md"
SMALLER = {"--count 120": "--count 12 --size 128x96", "--epochs 25": "--epochs 1 --workers 0 --device cpu"}


def test_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    part = GUIDE.read_text().split("## Other labels")[0].split("## 1. Labels")[1]
    blocks = re.findall(r"```(\w*)\n(.*?)```", part, re.DOTALL)
    assert [kind for kind, _ in blocks] == ["", "python", "toml", "", "", "text", ""]
    for kind, text in blocks:
        if kind == "python":
            exec(text, {"__name__": "guide"})
        elif kind == "toml":
            Path("five.toml").write_text(text)
        elif kind == "":
            for line in text.strip().splitlines():
                for whole, less in SMALLER.items():
                    line = line.replace(whole, less)
                words = [word.replace("00011", "00001") for word in shlex.split(line)]  # of twelve the last two
                assert words[0] == "vitruvian" and main(words[1:]) == 0, line
    told = capfd.readouterr().out
    assert "nothing is wrong" in told and "3 of 5 outputs by name, new: neck, pelvis" in told and "skeleton five" in told
    people = json.loads(Path("results/000011.json").read_text())["people"]
    assert list(people[0]["keypoints"]) == ["nose", "left_wrist", "right_wrist", "neck", "pelvis"]
    assert Path("results/000011.overlay.jpg").is_file()

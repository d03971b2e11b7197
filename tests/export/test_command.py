"""The verb: what it writes, what it refuses, and that a bad file is never taken for a good one."""

from __future__ import annotations

import dataclasses
import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitruvian import weights
from vitruvian.cli import main
from vitruvian.export import command, target
from vitruvian.export.command import TARGETS
from vitruvian.model import build, mae_head
from vitruvian.types import ModelSpec

ModelFile = Callable[[str], Path]


def told(capfd: pytest.CaptureFixture[str]) -> str:
    """What stderr got, but for the line that says what takes time."""
    lines = [line for line in capfd.readouterr().err.splitlines() if "then comparing with PyTorch" not in line]
    assert len(lines) == 1
    return str(lines[0])


def altered(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """`torch-export`, which needs no extra, with another way to write or to open."""
    monkeypatch.setitem(command.TARGETS, "torch-export", dataclasses.replace(TARGETS["torch-export"], **fields))


def test_file_report_and_line(model_file: ModelFile, tmp_path: Path, monkeypatch: Any, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(model_file("class_token")), "--to", "torch-export"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["class_token.pt2", "class_token.pt2.parity.json"]
    report = json.loads((tmp_path / "class_token.pt2.parity.json").read_text())
    assert report["passed"] and report["tolerance"]["relative"] == 1e-4
    assert report["weights"] == weights.file_hash(model_file("class_token"))
    assert report["sha256"] == weights.file_hash(tmp_path / "class_token.pt2")
    assert {batch: set(heads) for batch, heads in report["batches"].items()} == {"1": {"seg", "depth"}, "3": {"seg", "depth"}}
    line = capfd.readouterr().out
    assert line.count("\n") == 1 and line.startswith("class_token.pt2: ") and "seg 0.0e+00" in line and "allowed 0.0001" in line


@pytest.mark.parametrize("damage", ["swapped", "small", "nan", "shape"])
def test_a_file_that_says_something_else_exits_1(
    damage: str, model_file: ModelFile, tmp_path: Path, monkeypatch: Any, capfd: Any
) -> None:
    harm: dict[str, Callable[[Any], Any]] = {
        "swapped": lambda out: out[::-1],
        "small": lambda out: out * (1 + 3e-4),
        "nan": lambda out: np.full_like(out, np.nan),
        "shape": lambda out: out[:, :, :-1],
    }
    truth = weights.load(model_file("one_patch")).model

    def open_damaged(_: Path) -> Any:
        return lambda image: {"depth": harm[damage](command.answers(truth, [image])[0]["depth"])}

    altered(monkeypatch, write=lambda graph, path: path.write_bytes(b"file"), open=open_damaged)
    out = tmp_path / "bad.pt2"
    assert main(["export", str(model_file("one_patch")), "--to", "torch-export", "--out", str(out)]) == 1
    assert "differs from PyTorch by more than 0.0001" in told(capfd)
    assert json.loads((tmp_path / "bad.pt2.parity.json").read_text())["passed"] is False


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["person", "--to", "onxx"], 2, "unknown export target 'onxx'. Did you mean onnx?"),
        (["person", "--to", "torch-export", "--dtype", "fp8"], 2, "Allowed: fp32, bf16, fp16."),
        (["persona", "--to", "torch-export"], 2, "unknown model 'persona'"),
        (["no/file.safetensors", "--to", "torch-export"], 1, "no weights file at no/file.safetensors"),
        (["person", "--to", "torch-export", "--out", "a.onnx"], 2, "ends in .pt2. Fix: --out a.onnx.pt2"),
        (["person", "--to", "torch-export", "--out", "there.pt2"], 1, "there.pt2 is already there. Fix:"),
        (["person", "--to", "torch-export", "--out", "there.pt2/a.pt2"], 1, "there.pt2/a.pt2: cannot be written"),
    ],
)
def test_wrong_words(words: list[str], code: int, text: str, tmp_path: Path, monkeypatch: Any, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.pt2").write_text("mine")
    assert main(["export", *words]) == code
    assert text in told(capfd)
    assert [path.name for path in tmp_path.iterdir()] == ["there.pt2"] and (tmp_path / "there.pt2").read_text() == "mine"


@pytest.mark.parametrize(("name", "extra"), [("onnx", "export"), ("openvino", "openvino")])
def test_an_absent_library_names_its_extra(name: str, extra: str, monkeypatch: Any, capfd: Any) -> None:
    monkeypatch.setattr(target, "find_spec", lambda module: None)
    assert main(["export", "person", "--to", name]) == 2
    assert f'Fix: pip install "vitruvian[{extra}]"' in told(capfd)


def test_a_full_disk_leaves_what_was_there(model_file: ModelFile, tmp_path: Path, monkeypatch: Any, capfd: Any) -> None:
    def full(_: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    altered(monkeypatch, write=full)
    out = tmp_path / "a.pt2"
    out.write_text("earlier")
    words = ["export", str(model_file("one_patch")), "--to", "torch-export", "--out", str(out), "--overwrite"]
    assert main(words) == 1
    assert "cannot be written (No space left on device)" in told(capfd)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt2"] and out.read_text() == "earlier"
    monkeypatch.setattr("vitruvian.export.place.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    assert main(words) == 1
    assert "MB are needed" in told(capfd) and out.read_text() == "earlier"


def test_overwrite_replaces_the_file_and_its_old_companions(model_file: ModelFile, tmp_path: Path, monkeypatch: Any) -> None:
    altered(monkeypatch, companions=("+.data", ".bin"))
    out = tmp_path / "a.pt2"
    for name in ("a.pt2", "a.pt2.data", "a.bin"):
        (tmp_path / name).write_text("earlier")
    assert command.export(model_file("one_patch"), "torch-export", out, overwrite=True).passed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt2", "a.pt2.parity.json"]
    assert out.read_bytes() != b"earlier"


def test_a_pretraining_model_is_refused(tmp_path: Path, capfd: Any) -> None:
    head = mae_head(patch=16, dim=16, depth=1, heads=2)
    model = build(ModelSpec("mae", (32, 32), dim=16, depth=1, heads_attn=2, mlp=16, heads=(head,)))
    weights.save(tmp_path / "mae.safetensors", model, provenance={})
    assert main(["export", str(tmp_path / "mae.safetensors"), "--to", "torch-export"]) == 2
    assert "a pretraining model answers no task to export. Fix: fine-tune it first." in told(capfd)

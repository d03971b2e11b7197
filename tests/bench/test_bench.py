"""Measuring: every way beside the reference, figures that hang together, and what impossible wishes get."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vitruvian.bench import command, models
from vitruvian.bench.command import bench, measured
from vitruvian.bench.models import load_model
from vitruvian.errors import UsageError
from vitruvian.model import build
from vitruvian.model.cost import operations
from vitruvian.types import HeadSpec, ModelSpec
from vitruvian.weights import save

SPEC = ModelSpec(
    "tiny", (64, 48), dim=32, depth=1, heads_attn=2, mlp=64,
    heads=(
        HeadSpec("pose", (8, 8), out=17, vocabulary="coco17", kind="shuffle"),
        HeadSpec("seg", (8,), out=28, vocabulary="body28", kind="shuffle"),
        HeadSpec("depth", (8,), out=1, kind="shuffle"), HeadSpec("normal", (8,), out=3, kind="shuffle"),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save(path, build(SPEC), provenance={})
    return str(path)


def test_every_way_is_measured_beside_the_reference(model: str) -> None:
    told = measured(model, ["eager"], ["fp32", "bf16"], "cpu", batch=2, rounds=3)
    reference, rounded = told["ways"]
    assert (reference["name"], rounded["name"]) == ("eager fp32", "eager bf16")
    assert reference["faster"] == 1 and set(reference["errors"].values()) == {0.0, 100.0}
    for row in told["ways"]:
        assert row["p95_ms"] >= row["p50_ms"] > 0
        assert row["images_per_s"] == pytest.approx(2000 / row["p50_ms"])
        assert 0 < row["share_of_best_matmul"] < 1 and row["bytes_beyond_model"] >= 0
    assert 0 < rounded["errors"]["depth: output, relative L2"] < 0.05
    assert rounded["errors"]["seg: pixels of the same part, %"] > 90
    assert {name.split(":")[0] for name in rounded["errors"]} == {"pose", "seg", "depth", "normal"}


def test_a_photo_and_one_task(model: str, tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 30, 3), 128, np.uint8)).save(tmp_path / "grey.png")
    told = measured(model, ["eager"], ["fp32"], "cpu", ["normal"], rounds=1, photo=tmp_path / "grey.png")
    assert told["tasks"] == ["normal"] and len(told["ways"]) == 1
    assert set(told["ways"][0]["errors"]) == {"normal: output, relative L2", "normal: normals, median degrees"}


def test_the_command_prints_and_writes_the_same(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(model, ["eager"], ["bf16"], "cpu", rounds=1, out=tmp_path / "sub" / "speed.json") == 0
    told = json.loads((tmp_path / "sub" / "speed.json").read_text())
    shown = capsys.readouterr().out
    for row in told["ways"]:
        assert row["name"] in shown and f"{row['p50_ms']:.1f}" in shown
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["speed.json"]


def test_official_models_need_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(SPEC.with_heads(HeadSpec("pose", (8, 8), (8,), 308, "sapiens308")), padding=2)
    release = replace(models.zoo.release("sapiens-0.3b-pose308"), spec=small)
    monkeypatch.setattr(models.zoo, "release", lambda name: {"sapiens-0.3b-pose308": release}[name])
    loaded = load_model("random:0.3b-pose308")
    assert loaded.model.spec.name == "random-sapiens-0.3b-pose308"
    assert torch.equal(loaded.model.backbone.position, load_model("random:0.3b-pose308").model.backbone.position)


def test_operations_of_an_official_model_are_those_of_the_paper() -> None:
    backbone = operations(replace(models.zoo.release("sapiens-0.3b-pose308").spec, heads=()))
    assert backbone == pytest.approx(2.78e12, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("random:9b-pose17", ["eager"], ["fp32"]),
            r"Did you mean .*random:1b-pose17.*Allowed: random:SIZE-TASK, sizes 0.3b 0.6b",
        ),
        (("random:0.3b-pretrain", ["eager"], ["fp32"]), "tasks pose17 pose133 pose308 seg28 depth normal\\.$"),
        (("vitruvian-s", ["fast"], ["fp32"]), "unknown engine"),
        (("vitruvian-s", ["eager"], ["fp32"], "cpu", None, 0), "batch 0"),
    ],
)
def test_impossible_wishes_are_told(arguments: tuple[object, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        measured(*arguments)  # type: ignore[arg-type]


def test_an_output_that_cannot_be_written_is_told(model: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.json"):
        bench(model, ["eager"], ["fp32"], out=tmp_path / "a.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        command.write(tmp_path / "file" / "a.json", {})

"""Every build of model through every target: the same answers at any batch size, the card inside, nothing of this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from vitruvian import weights
from vitruvian.export.command import TARGETS, Export, export
from vitruvian.export.parity import answers, varied_inputs, worst
from vitruvian.openvino import core

SPECS = ("official", "class_token", "conv_stem", "one_patch")
ModelFile = Callable[[str], Path]


def need(target: str) -> None:
    absent = [module for module in TARGETS[target].modules if find_spec(module) is None]  # importing OpenVINO reports its use
    if absent:
        pytest.skip(f'{", ".join(absent)} not installed: pip install "vitruvian[{TARGETS[target].extra}]"')


@pytest.fixture(scope="module")
def exported(model_file: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Export]:
    done: dict[tuple[str, str], Export] = {}

    def get(name: str, target: str) -> Export:
        need(target)
        if (name, target) not in done:
            out = tmp_path_factory.mktemp("export") / f"model{TARGETS[target].suffix}"
            done[name, target] = export(model_file(name), target, out)
        return done[name, target]

    return get


CASES = [*((name, "onnx") for name in SPECS), ("official", "torch-export"), ("class_token", "torch-export"),
         ("official", "openvino"), ("conv_stem", "openvino")]  # fmt: skip


@pytest.mark.parametrize(("name", "target"), CASES)
def test_same_answers_at_any_batch_size(
    name: str, target: str, exported: Callable[[str, str], Export], model_file: ModelFile
) -> None:
    done = exported(name, target)
    assert done.passed and max(done.report["worst"].values()) < 1e-5
    loaded = weights.load(model_file(name))
    run = TARGETS[target].open(done.path)
    for image in varied_inputs(loaded.card.spec.size, (2, 5)):
        (truth,), given = answers(loaded.model, [image]), run(image)
        assert set(given) == set(truth)
        for task, wanted in truth.items():
            assert given[task].shape == wanted.shape and given[task].dtype == np.float32
            assert np.abs(given[task] - wanted).max() < 1e-5 * np.abs(wanted).max()
            assert wanted.std() > 1e-3  # a head that always says the same would prove nothing


@pytest.mark.parametrize("target", TARGETS)
def test_files_carry_the_card_and_nothing_of_this_machine(
    target: str, exported: Callable[[str, str], Export], model_file: ModelFile
) -> None:
    done = exported("official", target)
    text = b"".join(path.read_bytes() for path in done.path.parent.iterdir())
    assert str(Path(__file__).parents[2]).encode() not in text
    assert torch.__file__.removesuffix("__init__.py").encode() not in text
    card = json.loads(_card(done, target))
    loaded = weights.load(model_file("official"))
    assert card["weights"] == loaded.hash and card["licence"] == loaded.card.licence and card["dtype"] == "fp32"
    assert card["spec"]["codec"] == "official" and card["vocabularies"]["coco17"][0] == "nose"


def test_the_axes_of_normals_are_in_the_card(exported: Callable[[str, str], Export]) -> None:
    heads = json.loads(_card(exported("conv_stem", "openvino"), "openvino"))["spec"]["heads"]
    assert [head["options"].get("axes") for head in heads] == [None, "unstated", None]


def _card(done: Export, target: str) -> str:
    if target == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(done.path)
        assert [entry.shape for entry in session.get_inputs()] == [["batch", 3, 64, 48]]
        return str(session.get_modelmeta().custom_metadata_map["vitruvian"])
    if target == "openvino":
        return str(core().read_model(done.path).get_rt_info(["vitruvian"]).value)
    inside = {"vitruvian.json": ""}
    torch.export.load(done.path, extra_files=inside)
    return inside["vitruvian.json"]


def test_half_precision_is_smaller_and_still_takes_and_gives_float32(model_file: ModelFile, tmp_path: Path) -> None:
    need("onnx")
    done = export(model_file("class_token"), "onnx", tmp_path / "half.onnx", "fp16")
    assert done.passed and 1e-6 < max(done.report["worst"].values()) < 1e-2
    (image,) = varied_inputs((48, 64), (1,))
    assert {value.dtype for value in TARGETS["onnx"].open(done.path)(image).values()} == {np.dtype(np.float32)}


def test_weights_too_large_for_one_file_lie_beside_it(
    model_file: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("onnx")
    monkeypatch.setattr("vitruvian.export.to_onnx.LARGEST", 0)
    done = export(model_file("one_patch"), "onnx", tmp_path / "large.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.onnx", "large.onnx.data", "large.onnx.parity.json"]
    (image,) = varied_inputs((16, 16), (1,))
    truth = answers(weights.load(model_file("one_patch")).model, [image])[0]["depth"]
    assert np.allclose(TARGETS["onnx"].open(done.path)(image)["depth"], truth, atol=1e-5)


def test_openvino_is_asked_for_its_own_precision_too(exported: Callable[[str, str], Export]) -> None:
    report = exported("official", "openvino").report
    own = TARGETS["openvino"].by_default(exported("official", "openvino").path)
    assert (own is None) == ("by_default" not in report)
    if own is None:
        pytest.skip("OpenVINO calculates in fp32 on this processor")
    assert report["by_default"]["precision"] == own[0] != "fp32"
    assert max(report["by_default"]["worst"].values()) > max(report["worst"].values())


def test_inputs_are_all_different() -> None:
    pictures = np.concatenate(varied_inputs((32, 24)))
    flat = pictures.reshape(-1, 32 * 24)
    assert np.corrcoef(flat)[~np.eye(len(flat), dtype=bool)].max() < 0.99
    assert 0.5 < pictures.std() < 2 and pictures.dtype == np.float32


def test_worst_keeps_what_is_no_number() -> None:
    from vitruvian.export.parity import Error

    assert np.isnan(worst({"1": {"pose": Error(0, 0, 1)}, "3": {"pose": Error(float("nan"), float("nan"), 1)}})["pose"])

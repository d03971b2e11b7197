from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from vitruvian import weights
from vitruvian.errors import UsageError, VitruvianError, WeightsError
from vitruvian.model import Model, build
from vitruvian.types import HeadSpec, ModelSpec
from vitruvian.vocab import skeleton

HEADS = (
    HeadSpec("pose", (8,), out=17, vocabulary="coco17", kind="shuffle", options={"refine": "none"}),
    HeadSpec("depth", (8,), (4,), 1),
)
SPEC = ModelSpec("tiny", (64, 48), dim=32, depth=1, heads_attn=2, mlp=32, heads=HEADS, stem="conv", licence="CC0-1.0")


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    built = build(SPEC)
    assert isinstance(built, Model)
    return built


@pytest.fixture
def saved(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "tiny.safetensors"
    weights.save(path, model, provenance={"command": "test"}, run="abc")
    return path


def altered(path: Path, **change: object) -> Path:
    """The same file with other metadata fields."""
    with safe_open(path, "pt") as file:
        entry = json.loads(file.metadata()["vitruvian"])
    save_file(load_file(path), path, metadata={"vitruvian": json.dumps({**entry, **change})})
    return path


def spec_in(path: Path) -> Any:
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["vitruvian"])["spec"]


def test_round_trip_in_full_precision_is_exact(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    weights.save(path, model, provenance={}, dtype=torch.float32)
    image = torch.randn(1, 3, 64, 48)
    loaded = weights.load(path).model.eval()
    with torch.no_grad():
        want, got = model.eval()(image), loaded(image)
    assert {name: torch.equal(want[name], got[name]) for name in want} == {"pose": True, "depth": True}


def test_bf16_on_disk_float32_in_use(model: Model, saved: Path) -> None:
    assert all(value.dtype == torch.bfloat16 for value in load_file(saved).values())
    loaded = weights.load(saved)
    assert all(value.dtype == torch.float32 for value in loaded.model.state_dict().values())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[name], value.bfloat16().float(), rtol=0, atol=0)
    assert not loaded.model.training


def test_the_card_says_all(saved: Path) -> None:
    with safe_open(saved, "pt") as file:
        assert list(file.metadata()) == ["vitruvian"]
    card = weights.read_card(saved)
    assert card.spec == SPEC
    assert card.vocabularies == {"coco17": skeleton("coco17").names}
    assert (card.licence, card.provenance, card.run) == ("CC0-1.0", {"command": "test"}, "abc")


def test_hash_is_that_of_the_file_and_no_temporary_file_stays(saved: Path) -> None:
    assert weights.load(saved).hash == weights.file_hash(saved)
    assert len(weights.file_hash(saved)) == 64
    assert [p.name for p in saved.parent.iterdir()] == ["tiny.safetensors"]
    assert saved.stat().st_mode & 0o444 == 0o444, "everybody may read it: it goes into a package"


def test_every_misfit_is_listed_by_kind(saved: Path) -> None:
    with safe_open(saved, "pt") as file:
        metadata = file.metadata()
    state = load_file(saved)
    state["stranger"] = torch.zeros(1)
    state["heads.pose.final.bias"] = torch.zeros(5)
    state["backbone.norm.bias"] = state["backbone.norm.bias"].fill_(float("nan"))
    del state["backbone.norm.weight"]
    save_file(state, saved, metadata=metadata)
    with pytest.raises(WeightsError) as told:
        weights.load(saved)
    for text in (
        "1 missing: backbone.norm.weight",
        "1 unexpected: stranger",
        "heads.pose.final.bias (5,), wanted (17,)",
        "1 not finite: backbone.norm.bias",
    ):
        assert text in str(told.value)


def test_many_missing_names_are_counted(saved: Path) -> None:
    with safe_open(saved, "pt") as file:
        metadata = file.metadata()
    save_file({"heads.pose.final.bias": torch.zeros(17)}, saved, metadata=metadata)
    with pytest.raises(WeightsError, match=r"\d+ missing: .* and \d+ more"):
        weights.load(saved)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"format": 99}, "format 99; this version reads format 1"),
        ({"vocabularies": {"coco17": ["nose"] * 17}}, "other words"),
        ({"vocabularies": {"coco17": ["nose"]}}, "17 channels, coco17 has 1 words"),
        ({"vocabularies": {}}, "not in its metadata"),
        ({"spec": {"name": "x"}}, "damaged or of another version"),
        ({"stranger": 1}, "damaged or of another version"),
        ({"provenance": 3}, "provenance is 3"),
        ({"run": None}, "run is None"),
    ],
)
def test_a_bad_card_is_refused(saved: Path, change: dict[str, object], text: str) -> None:
    with pytest.raises(WeightsError, match=rf"tiny\.safetensors: .*{text}"):
        weights.load(altered(saved, **change))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"std": [58.0, 0.0, 57.0]}, "std is .*Allowed: three finite numbers above 0"),
        ({"std": [58.0, float("nan"), 57.0]}, "std is "),
        ({"mean": [1.0, 2.0]}, "mean is .*Allowed: three finite numbers"),
        ({"mean": [1.0, 2.0, float("inf")]}, "mean is "),
        ({"fit": "foo"}, "unknown fit 'foo'.*Allowed: affine, .*pad, stretch"),
        ({"stem": "foo"}, "unknown stem 'foo'"),
        ({"codec": "foo"}, "unknown codec 'foo'"),
        ({"resample": "cubic"}, "unknown resample 'cubic'.*Allowed: area, bilinear"),
        ({"backbone": "vitt"}, "unknown backbone 'vitt'.*Did you mean vit"),
        ({"size": [0, 48]}, "size is "),
        ({"size": [64]}, "size is "),
        ({"size": "64"}, "size is "),
        ({"dim": -32}, "dim is -32.*at least 1"),
        ({"depth": 1.5}, "depth is 1.5"),
        ({"patch": 0}, "patch is 0"),
        ({"sigma": 0}, "sigma is 0"),
        ({"box_padding": float("nan")}, "box_padding is nan"),
        ({"flip_test": "no"}, "flip_test is .no."),
        ({"class_token": "no"}, "class_token is 'no'"),
        ({"name": 5}, "name is 5"),
        ({"size": [60, 48]}, "cannot be built .*multiple of the patch"),
        ({"heads_attn": 5}, "cannot be built .*attention heads"),
    ],
)
def test_a_specification_that_no_model_can_have_is_refused(saved: Path, change: dict[str, object], text: str) -> None:
    bad = altered(saved, spec={**spec_in(saved), **change})
    with pytest.raises(WeightsError, match=rf"tiny\.safetensors: .*model specification.*{text}"):
        weights.load(bad)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kind": "foo"}, "unknown kind 'foo'.*Allowed: deconv, mae, shuffle"),
        ({"out": 0}, "out is 0"),
        ({"upsample": [0]}, "upsample is "),
        ({"options": []}, "options is "),
        ({"vocabulary": 3}, "vocabulary is 3"),
        ({"task": "depth"}, "a second head 'depth'"),
        ({"options": {"refine": "foo"}}, "cannot be built .*unknown refinement 'foo'"),
        ({"options": {"dropout": "much"}}, "cannot be built "),
    ],
)
def test_a_head_that_no_model_can_have_is_refused(saved: Path, change: dict[str, object], text: str) -> None:
    spec = spec_in(saved)
    spec["heads"][0].update(change)
    with pytest.raises(WeightsError, match=rf"tiny\.safetensors: .*{text}"):
        weights.load(altered(saved, spec=spec))


def test_an_encoder_that_holds_heads_is_refused(saved: Path) -> None:
    with pytest.raises(WeightsError, match=r"does not fit its own model specification\. \d+ unexpected: heads\."):
        weights.load(altered(saved, spec={**spec_in(saved), "heads": []}))


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    odd = build(replace(SPEC, std=(1.0, 0.0, 1.0)))
    with pytest.raises(UsageError, match=r"the model 'tiny' cannot be saved: .*std is"):
        weights.save(tmp_path / "x.safetensors", odd, provenance={})
    assert not list(tmp_path.iterdir())


def test_an_unknown_skeleton_in_a_file_names_those_there_are(saved: Path) -> None:
    spec = spec_in(saved)
    spec["heads"][0]["vocabulary"] = "coco18"
    bad = altered(saved, spec=spec, vocabularies={"coco18": list(skeleton("coco17").names)})
    there = r"coco17, .*sapiens308, wholebody133 \(skeletons\), body28, .*\(class sets\)"
    with pytest.raises(WeightsError, match=rf"tiny\.safetensors: .*coco18.*{there}"):
        weights.load(bad)


def test_an_unknown_skeleton_cannot_be_saved(tmp_path: Path) -> None:
    spec = replace(SPEC, heads=(replace(HEADS[0], vocabulary="coco18"),))
    with pytest.raises(UsageError, match="coco18"):
        weights.save(tmp_path / "x.safetensors", build(spec), provenance={})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\0" * 100])
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        weights.load(path)


def test_a_truncated_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.load(saved)


def test_foreign_safetensors_are_refused_with_what_is_allowed(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    allowed = r"Allowed: official Sapiens v1 files \(`vitruvian models` lists them\) and files saved by vitruvian\."
    with pytest.raises(WeightsError, match=rf"not a Sapiens v1 file: .*It holds 1 tensors, such as a\. {allowed}"):
        weights.load(tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match=r"Fix: vitruvian models convert .*x\.safetensors --out X\.safetensors"):
        weights.read_card(tmp_path / "x.safetensors")


def test_names_and_paths() -> None:
    with pytest.raises(UsageError, match=r"unknown model 'vitruvian-x'.*Did you mean vitruvian-s"):
        weights.resolve("vitruvian-x")
    with pytest.raises(WeightsError, match=r"no weights file at nowhere/x\.safetensors"):
        weights.resolve("nowhere/x.safetensors")


def test_a_name_of_the_wrong_kind_is_refused_with_those_of_the_right_one() -> None:
    official = r"or an official checkpoint \(`vitruvian models` lists them\)"
    with pytest.raises(UsageError, match=rf"unknown model 'nope'\. Allowed: person, vitruvian-s, {official}\."):
        weights.resolve("nope")
    with pytest.raises(UsageError, match=rf"unknown model 'nope'\. Allowed: vitruvian-s, {official}\."):
        weights.resolve("nope", "people")
    with pytest.raises(UsageError, match=r"unknown model 'nope'\. Allowed: person\."):
        weights.resolve("nope", "detector")
    with pytest.raises(UsageError, match=r"person is a detector, not a model of people\. Allowed: vitruvian-s"):
        weights.load("person", "people")
    with pytest.raises(UsageError, match=r"vitruvian-s is a model of people, not a detector\. Allowed: person"):
        weights.load("vitruvian-s", "detector")
    assert weights.packaged_names() == ("vitruvian-s", "person")


def test_a_file_of_the_wrong_kind_is_refused(saved: Path, tmp_path: Path) -> None:
    detector = tmp_path / "d.safetensors"
    head = HeadSpec("person", (8,), out=5, kind="shuffle")
    assert weights.save(detector, build(SPEC.with_heads(head)), provenance={}).is_detector
    assert weights.load(detector, "detector").card.is_detector
    assert not weights.load(saved, "people").card.is_detector
    with pytest.raises(WeightsError, match=r"d\.safetensors is a detector, not a model of people"):
        weights.load(detector, "people")
    with pytest.raises(WeightsError, match=r"tiny\.safetensors is a model of people, not a detector"):
        weights.load(saved, "detector")


def test_a_packaged_model_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys.modules[weights.load.__module__], "EMBEDDED", tmp_path)
    assert weights.packaged_path("vitruvian-s") is None
    with pytest.raises(VitruvianError, match="pip install"):
        weights.resolve("vitruvian-s")
    (tmp_path / "vitruvian-s.safetensors").write_bytes(b"x")
    assert weights.resolve("vitruvian-s") == tmp_path / "vitruvian-s.safetensors"


def test_a_full_disk_leaves_the_old_file(model: Model, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.modules[weights.save.__module__], "save_file", full)
    with pytest.raises(WeightsError, match=r"tiny\.safetensors cannot be written .*No space left.*Fix: make room"):
        weights.save(saved, model, provenance={})
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(WeightsError, match=r"No space left on device: 0 MB are needed, 0 MB are free\)\. Fix: make room"):
        weights.save(saved, model, provenance={})
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == ["tiny.safetensors"]

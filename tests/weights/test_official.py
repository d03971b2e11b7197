"""Official files in every layout: read strictly, taken for what they are, and giving what the yardstick gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from official_files import LAYOUTS, TASKS, TINY, as_checkpoint, made, tiny, tiny_encoder
from torch import Tensor

from vitruvian import weights
from vitruvian.errors import UsageError, WeightsError
from vitruvian.model import SIZES, MaskedAutoencoder, build, mae_head
from vitruvian.types import ModelSpec
from vitruvian.weights.keymaps import to_official

pytestmark = pytest.mark.usefixtures("tiny_is_a_size")
FACTS = {  # row -> padding, fit, vocabulary, output's share of the input
    "pose17": (2, "affine", "coco17", 4),
    "pose133": (2, "affine", "wholebody133", 4),
    "pose308": (2, "affine", "sapiens308", 4),
    "seg28": (0, "stretch", "body28", 2),
    "depth": (0, "stretch", None, 1),
    "normal": (2, "stretch", None, 2),
}


def asked_for(monkeypatch: pytest.MonkeyPatch, path: Path, name: str) -> str:
    """The short name of an official checkpoint, which this file lies in the cache as."""
    monkeypatch.setattr("vitruvian.weights.fetch.cached_releases", lambda: {name: path})
    return name


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("row", TASKS)
def test_every_layout_gives_the_model_and_its_weights(layout: str, row: str, tmp_path: Path) -> None:
    reference = tiny(row)
    loaded = weights.load(made(layout, reference.state_dict(), tmp_path), kind="people")
    spec, (padding, fit, vocabulary, share) = loaded.card.spec, FACTS[row]
    assert (spec.size, spec.dim, spec.depth, spec.heads_attn, spec.mlp) == ((64, 48), *TINY)
    assert (spec.padding, spec.fit, spec.heads[0].vocabulary, spec.codec) == (padding, fit, vocabulary, "official")
    assert spec.sigma == 6.0 or TASKS[row][0] != "pose"
    image = torch.randn(2, 3, 64, 48)
    with torch.no_grad():
        want, got = reference(image), loaded.model(image)[TASKS[row][0]]
    assert got.shape[2:] == (64 // share, 48 // share)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_encoder_is_read_flat_or_not_and_answers_no_task(layout: str, tmp_path: Path) -> None:
    state = tiny_encoder()
    path = made(layout, state, tmp_path)
    loaded = weights.load(path)
    assert (loaded.card.spec.size, loaded.card.spec.heads, loaded.card.spec.class_token) == ((64, 64), (), True)
    assert torch.equal(loaded.model.backbone.position, state["pos_embed"])
    assert loaded.model.backbone(torch.zeros(1, 3, 64, 64)).shape == (1, TINY[0], 4, 4)
    prefixed = weights.load(made(layout, {f"backbone.{name}": value for name, value in state.items()}, tmp_path, "prefixed"))
    assert torch.equal(prefixed.model.backbone.norm.weight, loaded.model.backbone.norm.weight)
    with pytest.raises(WeightsError, match=r"is an encoder .*answers no task"):
        weights.load(path, kind="people")


def test_what_wraps_the_weights_is_taken_off_and_what_lies_beside_them_is_told(tmp_path: Path) -> None:
    state = {f"module.{name}": value for name, value in tiny("pose17").state_dict().items()}
    state |= {"module.data_preprocessor.mean": torch.ones(3, 1, 1)}
    loaded = weights.load(as_checkpoint(state, tmp_path / "x.pth"))
    assert loaded.notes == ("beside the weights, left out: meta, module.data_preprocessor.mean",)


def test_lists_what_is_missing_unexpected_and_misshapen_in_official_names(tmp_path: Path) -> None:
    state = tiny("pose17").state_dict()
    del state["backbone.ln1.weight"]
    state["head.deconv_layers.0.weight"] = torch.zeros(32, 8, 2, 2)
    state |= {"head.stranger": torch.ones(1), "backbone.layers.1.ln2.bias": torch.full((32,), float("nan"))}
    with pytest.raises(WeightsError) as told:
        weights.load(as_checkpoint(state, tmp_path / "x.pth"))
    for text in ("1 missing: backbone.ln1.weight", "1 unexpected: head.stranger", "1 not finite: backbone.layers.1.ln2.bias",
                 "head.deconv_layers.0.weight (32, 8, 2, 2), wanted (32, 8, 4, 4)"):  # fmt: skip
        assert text in str(told.value)


@pytest.mark.parametrize(("row", "asked"), [("pose17", "seg28"), ("pose17", "pose133"), ("depth", "normal")])
def test_another_task_than_asked_for_stops(row: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_checkpoint(tiny(row).state_dict(), tmp_path / "x.pth")
    name = asked_for(monkeypatch, path, f"sapiens-0.3b-{asked}")
    with pytest.raises(WeightsError, match=rf"x\.pth is a tiny {row}, not {name}\. Fix: vitruvian models fetch {name}"):
        weights.load(name)
    with pytest.raises(WeightsError, match=f"not {name}"):
        weights.load(path, expected=name)


def test_a_misleading_name_is_told(tmp_path: Path) -> None:
    path = as_checkpoint(tiny("depth").state_dict(), tmp_path / "sapiens_0.3b_goliath_best_goliath_AP_573.pth")
    loaded = weights.load(path)
    assert loaded.card.spec.heads[0].task == "depth"
    assert "its name is that of sapiens-0.3b-pose308, but it is a tiny depth" in loaded.notes


@pytest.mark.parametrize("channels", [21, 20])
def test_a_head_that_was_never_released_says_which_were(channels: int, tmp_path: Path) -> None:
    row = "pose17" if channels == 21 else "seg28"
    state = {name: value[:1].expand(channels, *value.shape[1:]) if "final_layer" in name or "conv_seg" in name else value
             for name, value in tiny(row).state_dict().items()}  # fmt: skip
    poses, others = r"17 \(pose17\), 133 \(pose133\), 308 \(pose308\)", r"1 \(depth\), 3 \(normal\), 28 \(seg28\)"
    with pytest.raises(WeightsError, match=rf"has {channels} channels\. Allowed: {poses if channels == 21 else others}\."):
        weights.load(as_checkpoint(state, tmp_path / "x.pth"))


def test_attention_heads_of_other_sizes_must_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(SIZES, "tiny")
    path = as_checkpoint(tiny("seg28").state_dict(), tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"width 32, 2 blocks is no official size .*0\.3b 1024 x 24.*--heads N"):
        weights.load(path)
    with pytest.raises(UsageError, match="5 attention heads do not divide it"):
        weights.load(path, heads_attn=5)
    image = torch.randn(1, 3, 64, 48)
    with torch.no_grad():
        torch.testing.assert_close(weights.load(path, heads_attn=2).model(image)["seg"], tiny("seg28")(image))
    assert weights.load(path, heads_attn=2).card.licence.startswith("unknown; the official Sapiens v1 weights are CC-BY-NC-4.0")


def test_numbers_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    state = {name: (100 * value).to(torch.int8) for name, value in tiny("depth").state_dict().items()}
    with pytest.raises(WeightsError, match=r"does not fit a tiny depth\. \d+ no floating-point numbers: .*torch\.int8"):
        weights.load(made("safetensors", state, tmp_path))


def test_a_whole_pretraining_file_is_a_masked_autoencoder(tmp_path: Path) -> None:
    decoder = mae_head(dim=64, depth=1, heads=2, mlp_ratio=2)
    model = build(ModelSpec("x", (64, 64), *TINY, heads=(decoder,), class_token=True))
    path = as_checkpoint(to_official(model.state_dict(), "mae"), tmp_path / "x.pth")
    loaded = weights.load(path)
    assert isinstance(loaded.model, MaskedAutoencoder) and loaded.card.is_encoder
    image, noise = torch.randn(1, 3, 64, 64), torch.rand(1, 16)
    with torch.no_grad():
        want, got = model.eval()(image, noise)["mae"]["pred"], loaded.model(image, noise)["mae"]["pred"]
    torch.testing.assert_close(got, want)
    with pytest.raises(WeightsError, match=r"is an encoder .*answers no task"):
        weights.load(path, kind="people")


@pytest.mark.parametrize("state", [{"a": torch.zeros(2)}, {}, {"backbone.patch_embed.projection.weight": torch.zeros(2)}])
def test_other_weights_are_no_sapiens_file(state: dict[str, Tensor], tmp_path: Path) -> None:
    for layout in LAYOUTS:
        if state or layout != "safetensors":
            with pytest.raises(WeightsError, match="not a Sapiens v1 file"):
                weights.load(made(layout, state, tmp_path))


def test_names_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"-depth is not in the cache\. Fix: vitruvian models fetch sapiens-0\.3b-depth"):
        weights.load("sapiens-0.3b-depth")
    with pytest.raises(UsageError, match=r"is not at the hub\. Fix: .* models fetch sapiens-2b-pose308 --repo"):
        weights.load("sapiens-2b-pose308")
    with pytest.raises(UsageError, match=r"unknown model 'sapiens-1b-pose309'\. Did you mean sapiens-1b-pose308"):
        weights.load("sapiens-1b-pose309")
    with pytest.raises(UsageError, match="is a model of people, not a detector"):
        weights.load("sapiens-1b-depth", kind="detector")
    with pytest.raises(WeightsError, match="is a tiny"):
        weights.load(as_checkpoint(tiny("depth").state_dict(), tmp_path / "x.pth"), expected="sapiens-1b-depth")
    with pytest.raises(UsageError, match="unknown official checkpoint 'sapiens-1b'"):
        weights.load(tmp_path / "x.pth", expected="sapiens-1b")

"""A pretrained encoder as the start of a model of a task: nothing is changed or left out without a word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from official_files import made, tiny_encoder

from vitruvian import weights
from vitruvian.errors import WeightsError
from vitruvian.model import Model, build, mae_head
from vitruvian.model.vit import adapt_position
from vitruvian.types import HeadSpec, ModelSpec

SPEC = ModelSpec("task", (64, 48), 32, 2, 2, 64, heads=(HeadSpec("depth", (8,), (4,), 1),), padding=2)


@pytest.fixture
def encoder(tmp_path: Path, tiny_is_a_size: None) -> Model:
    loaded = weights.load(made("flat", tiny_encoder(), tmp_path)).model
    assert isinstance(loaded, Model)
    return loaded


def test_the_position_table_is_resized_and_the_class_token_left_out_aloud(encoder: Model) -> None:
    state, told = weights.encoder_for(SPEC, encoder)
    assert told == (
        "class token left out",
        "position table: 17 rows -> 12 for 4x3 patches",
        "patch padding 0 -> 2: each patch sees the photo shifted",
    )
    torch.testing.assert_close(state["backbone.position"], adapt_position(encoder.backbone.position.detach(), (4, 3), False))
    model = build(SPEC)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(name.startswith("heads.") for name in missing)
    assert torch.equal(model.state_dict()["backbone.blocks.1.mlp.fc2.weight"], encoder.backbone.blocks[1].mlp.fc2.weight)


def test_the_same_grid_and_class_token_change_nothing(encoder: Model) -> None:
    state, told = weights.encoder_for(replace(SPEC, size=(64, 64), class_token=True, padding=0), encoder)
    assert told == () and torch.equal(state["backbone.position"], encoder.backbone.position)


def test_a_decoder_is_left_out_aloud() -> None:
    spec = replace(SPEC, size=(64, 64), class_token=True, padding=0)
    pretraining = build(spec.with_heads(mae_head(dim=32, depth=1, heads=2)))
    state, told = weights.encoder_for(SPEC, pretraining)
    assert all(name.startswith("backbone.") for name in state)
    assert told[0].startswith("left out: ") and told[0].endswith(" tensors that are no backbone")


def test_an_encoder_of_another_size_is_listed(encoder: Model) -> None:
    with pytest.raises(WeightsError, match=r"does not fit the backbone of task\. 12 missing: .*wrong shape"):
        weights.encoder_for(replace(SPEC, depth=3, mlp=128), encoder)

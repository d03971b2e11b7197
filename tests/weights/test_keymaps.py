"""The official key names, both ways, and what a foreign file gets."""

from __future__ import annotations

import pytest
import torch

from vitruvian.errors import WeightsError
from vitruvian.weights.keymaps import from_official, to_official


def test_a_flat_encoder_and_its_extras():
    state = {
        "pos_embed": torch.zeros(1),
        "layers.11.ffn.layers.0.0.weight": torch.ones(1),
        "data_preprocessor.mean": torch.ones(3),
    }
    ours = from_official(state, None)
    assert set(ours) == {"backbone.position", "backbone.blocks.11.mlp.fc1.weight"}
    assert set(to_official(ours, None)) == {"backbone.pos_embed", "backbone.layers.11.ffn.layers.0.0.weight"}


@pytest.mark.parametrize("key", ["backbone.unknown", "head.deconv_layers.1.weight", "decode_head.conv_seg.weight"])
def test_an_unknown_key_is_named(key):
    with pytest.raises(WeightsError, match=key):
        from_official({"backbone.pos_embed": torch.zeros(1), key: torch.zeros(1)}, "pose")
    with pytest.raises(WeightsError, match="no official"):
        to_official({"heads.seg.final.weight": torch.zeros(1)}, "pose")

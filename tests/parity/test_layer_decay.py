"""Learning-rate scale and weight decay of every parameter of the official 0.3B pose model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from vitruvian.model import SIZES, Model
from vitruvian.tasks import task
from vitruvian.train.config import TrainConfig
from vitruvian.train.optim import layer_of, parameter_groups
from vitruvian.types import ModelSpec
from vitruvian.weights.keymaps import to_official


def test_layer_decay(golden):
    base = ModelSpec(name="0.3b", size=(1024, 768), heads=(), **asdict(SIZES["0.3b"]))
    spec = base.with_heads(task("pose", skeleton="coco17").head_spec(base))
    with torch.device("meta"):
        model = Model(spec)
    for rate, official in golden.json("layer_decay_0.3b.json").items():
        config = TrainConfig(Path("unused"), steps=1, batch=1, lr=1.0, layer_decay=float(rate), weight_decay=0.1)
        groups = parameter_groups(model, config)
        ours = {name: group for group in groups for name in to_official(dict.fromkeys(group["names"]), "pose")}
        layers = {next(iter(to_official({n: None}, "pose"))): layer_of(n, spec.depth) for n in model.state_dict()}
        assert ours.keys() == official.keys()
        for name, row in official.items():
            assert ours[name]["lr_scale"] == pytest.approx(row["lr_scale"], rel=1e-9), name
            assert ours[name]["weight_decay"] == row["weight_decay"], name
            assert layers[name] == row["layer"], name

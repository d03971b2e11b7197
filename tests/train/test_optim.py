from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from tiny_training import model, settings
from torch import nn

from vitruvian.errors import UsageError
from vitruvian.train.optim import Average, adamw, decays, layer_of, lr_factor, parameter_groups, set_learning_rate
from vitruvian.weights.keymaps import from_official


@pytest.mark.parametrize("rate", ["0.85", "0.95"])
def test_layer_decay_is_the_official_table(rate: str, shared: Path) -> None:
    table = json.loads((shared / "golden" / "layer_decay_0.3b.json").read_text())[rate]
    assert len(table) == 301
    ours = from_official(dict.fromkeys(table, torch.empty(1)), "pose")
    for name, (official, row) in zip(ours, table.items(), strict=True):
        layer = layer_of(name, blocks=24)
        assert layer == row["layer"], official
        assert float(rate) ** (25 - layer) == row["lr_scale"], official
        shaped = torch.empty(4) if ".ln" in official else torch.empty(4, 4)
        assert (0.1 if decays(name, shaped, ("position",)) else 0.0) == row["weight_decay"], official


def test_groups_hold_every_trained_parameter_once(tmp_path: Path) -> None:
    network = model()
    network.backbone.position.requires_grad_(False)  # type: ignore[union-attr]
    groups = parameter_groups(network, settings(tmp_path, layer_decay=0.5))
    names = [name for group in groups for name in group["names"]]
    assert sorted(names) == sorted(name for name, _ in network.named_parameters() if name != "backbone.position")
    scales = {name: (group["lr_scale"], group["weight_decay"]) for group in groups for name in group["names"]}
    assert scales["backbone.patch.weight"] == (0.5**3, 0.05)
    assert scales["backbone.blocks.1.mlp.fc1.bias"] == (0.5, 0.0)
    assert scales["heads.hue.final.weight"] == (1.0, 0.05)
    assert len(parameter_groups(network, settings(tmp_path, layer_decay=1.0))) == 2
    with pytest.raises(UsageError, match="no parameter to train"):
        parameter_groups(nn.Identity(), settings(tmp_path))


def test_pretraining_names_have_their_layers() -> None:
    layers = {
        "backbone.class_token": 0,
        "backbone.stem.0.weight": 0,
        "decoder.mask_token": 0,
        "decoder.blocks.0.norm1.weight": 9,
    }
    assert {name: layer_of(name, blocks=8) for name in layers} == layers
    token = torch.empty(1, 1, 4)
    assert decays("backbone.class_token", token, ("position",))
    assert not decays("backbone.class_token", token, ("position", "class_token", "mask_token"))


def test_warm_up_is_the_official_arithmetic(tmp_path: Path) -> None:
    config = settings(tmp_path, steps=1000, schedule="constant", warmup=500)
    assert lr_factor(0, config) == 1e-3
    assert lr_factor(100, config) == pytest.approx(1e-3 + (1 - 1e-3) * 100 / 499)
    assert lr_factor(499, config) == lr_factor(900, config) == 1.0
    assert lr_factor(0, settings(tmp_path, schedule="constant", warmup=0)) == 1.0


def test_linear_by_epochs_ends_with_an_epoch_at_zero(tmp_path: Path) -> None:
    config = settings(tmp_path, steps=2000, schedule="linear", schedule_unit=10, decay_from="start", warmup=0)
    assert [lr_factor(10 * e + 3, config) for e in (0, 1, 198, 199)] == [1.0, 198 / 199, 1 / 199, 0.0]


def test_linear_by_epochs_of_which_the_last_is_not_whole(tmp_path: Path) -> None:
    for steps, epochs in ((11, 2), (19, 2), (25, 3)):
        config = settings(tmp_path, steps=steps, schedule="linear", schedule_unit=10, decay_from="start", warmup=0)
        assert [lr_factor(10 * e, config) for e in range(epochs)] == [1 - e / (epochs - 1) for e in range(epochs)]
    config = settings(tmp_path, steps=9, schedule="linear", schedule_unit=10, decay_from="start", warmup=0)
    assert {lr_factor(step, config) for step in range(9)} == {1.0}


def test_cosine_begins_after_the_warm_up_and_ends_at_the_floor(tmp_path: Path) -> None:
    config = settings(tmp_path, steps=1600, schedule="cosine", warmup=40, warmup_factor=1e-4, floor=0.1)
    assert lr_factor(0, config) == pytest.approx(1e-4)
    assert lr_factor(40, config) == 1.0
    for step in (41, 820, 1599):
        expected = 0.1 + 0.9 * (1 + math.cos(math.pi * (step - 40) / 1560)) / 2
        assert lr_factor(step, config) == pytest.approx(expected, rel=1e-12)


def test_steps_multiply_at_their_milestones(tmp_path: Path) -> None:
    config = settings(tmp_path, steps=210, schedule="step", milestones=(170, 200), warmup=0)
    assert [lr_factor(s, config) for s in (169, 170, 199, 200)] == pytest.approx([1, 0.1, 0.1, 0.01])
    with pytest.raises(UsageError, match="needs milestones"):
        settings(tmp_path, schedule="step")


def test_rates_follow_the_layers(tmp_path: Path) -> None:
    config = settings(tmp_path, lr=2.0, layer_decay=0.5, schedule="constant", warmup=0)
    optimizer = adamw(model(), config)
    assert set_learning_rate(optimizer, 0, config) == 2.0
    assert {group["lr"] for group in optimizer.param_groups} == {2.0, 1.0, 0.5, 0.25}


def test_the_average_follows_and_swaps_back(tmp_path: Path) -> None:
    network = nn.BatchNorm1d(1)
    average = Average(network, decay=0.5)
    with torch.no_grad():
        network.weight.fill_(3.0)
    network.num_batches_tracked.fill_(7)  # type: ignore[union-attr, operator]
    average.update(network, step=0)  # decay (1 + 0) / (10 + 0)
    assert average.state["weight"].item() == pytest.approx(0.1 * 1 + 0.9 * 3)
    assert average.state["num_batches_tracked"].item() == 7
    average.swap(network)
    assert network.weight.item() == pytest.approx(2.8)
    average.swap(network)
    assert network.weight.item() == 3.0
    average.update(network, step=100)
    assert average.state["weight"].item() == pytest.approx(0.5 * 2.8 + 0.5 * 3)

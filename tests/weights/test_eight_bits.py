"""Weights in 8 bits: smaller files, floats again when read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from vitruvian.errors import WeightsError
from vitruvian.model import Model
from vitruvian.types import HeadSpec, ModelSpec
from vitruvian.weights.eight_bits import SCALE, restore, shrink
from vitruvian.weights.load import EMBEDDED, load, read_card, save

SPEC = ModelSpec("tiny", (32, 32), 64, 1, 2, 128, (HeadSpec("person", (8,), (), 5, None, "shuffle"),), fit="pad", stem="patch")


def test_every_row_is_within_half_a_step_of_its_largest_number():
    table = torch.randn(64, 80) * torch.logspace(-4, 3, 64)[:, None]
    table[5] = 0
    small = shrink({"table": table, "bias": torch.randn(9000), "little": torch.randn(4, 4), "row": torch.randn(1, 80, 80)})
    assert {name for name, value in small.items() if value.dtype == torch.int8} == {"table"}
    again = restore(small)
    assert set(again) == {"table", "bias", "little", "row"}
    assert ((again["table"] - table).abs() <= 0.5001 * table.abs().amax(1, keepdim=True) / 127).all()


def test_a_file_in_8_bits_is_half_as_large_and_loads_as_floats(tmp_path: Path):
    model = Model(SPEC)
    save(tmp_path / "half.safetensors", model, provenance={})
    save(tmp_path / "small.safetensors", model, provenance={}, dtype=torch.int8, verify=True)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("small", "half")]
    assert sizes[0] < 0.7 * sizes[1]
    assert read_card(tmp_path / "small.safetensors").spec == SPEC
    loaded = load(tmp_path / "small.safetensors")
    for name, value in loaded.model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.allclose(value, model.state_dict()[name], atol=0.01, rtol=0.01)


@pytest.mark.parametrize("fault", ["no scale", "wrong scale", "not finite"])
def test_a_damaged_file_is_refused(tmp_path: Path, fault: str):
    path = tmp_path / "small.safetensors"
    save(path, Model(SPEC), provenance={}, dtype=torch.int8)
    state = load_file(path)
    name = next(name for name in state if name.endswith(SCALE))
    if fault == "no scale":
        del state[name]
    else:
        state[name] = state[name][1:].clone() if fault == "wrong scale" else state[name] * float("nan")
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(state, path, metadata=metadata)
    with pytest.raises(WeightsError, match="does not fit"):
        load(path)


def test_all_packaged_weights_together_are_small():
    assert sum(path.stat().st_size for path in EMBEDDED.iterdir()) < 30e6

"""Where the recipe of the packaged model goes on from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vitruvian.model import Model
from vitruvian.recipes import embedded
from vitruvian.weights.load import save

FIRST, SECOND = (replace(stage, size=size) for stage, size in zip(embedded.STAGES, ((64, 48), (128, 96)), strict=False))
SMALL = replace(embedded.SPEC, dim=32, depth=1, heads_attn=1, mlp=32)


@pytest.mark.parametrize(("there", "wanted"), [((), [0, 1, 2, 3, 4]), ((1,), [1, 2, 3, 4]), ((4,), [4]), ((1, 2, 3, 4, 5), [])])
def test_stages_whose_weights_lie_there_are_done(tmp_path, monkeypatch, there, wanted):
    for number in there:
        embedded.weights_of(tmp_path, number - 1).touch()
    trained, exported = [], []
    monkeypatch.setattr(embedded, "generate", lambda *_, **__: None)
    monkeypatch.setattr(embedded, "run_stage", lambda work, stages, number, *_: trained.append(number) or True)
    monkeypatch.setattr(embedded, "export", lambda work, stages, number, path: exported.append(path.name))
    assert embedded.main(["--work", str(tmp_path)]) == 0
    assert trained == wanted
    assert exported == [f"stage-{number + 1}.safetensors" for number in wanted]


def test_a_stage_begins_with_the_weights_of_the_one_before(tmp_path):
    before, now = embedded.at_stage(SMALL, FIRST), embedded.at_stage(SMALL, SECOND)
    first = Model(before)
    save(embedded.weights_of(tmp_path, 0), first, provenance={}, dtype=torch.float32)
    state = embedded._initial(tmp_path, 1, now, None)
    Model(now).load_state_dict(state)
    same = {name for name, value in first.state_dict().items() if torch.equal(state[name], value)}
    assert set(state) - same == {"backbone.position"}

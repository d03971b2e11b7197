"""Where the recipe of the packaged model goes on from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitruvian.model import Model
from vitruvian.recipes import embedded
from vitruvian.synth.dataset.generate import generate
from vitruvian.weights.load import load, save

FIRST, SECOND = (replace(stage, size=size) for stage, size in zip(embedded.STAGES, ((64, 48), (128, 96)), strict=False))
LAST = len(embedded.STAGES)
SMALL = replace(embedded.SPEC, dim=32, depth=1, heads_attn=1, mlp=32)


@pytest.mark.parametrize(("there", "done"), [((), 0), ((1,), 1), ((LAST - 1,), LAST - 1), ((1, 2, LAST), LAST)])
def test_stages_whose_weights_lie_there_are_done(tmp_path, monkeypatch, there, done):
    wanted = list(range(done, LAST))
    for number in there:
        embedded.weights_of(tmp_path, number - 1).touch()
    trained, exported, averaged = [], [], []
    monkeypatch.setattr(embedded, "generate", lambda *_, **__: None)
    monkeypatch.setattr(embedded, "run_stage", lambda work, stages, number, *_: trained.append(number) or True)
    monkeypatch.setattr(embedded, "export", lambda work, stages, number, path: exported.append(path.name))
    monkeypatch.setattr(embedded, "mean_of_last", lambda work, stages, path: averaged.append(path.name))
    assert embedded.main(["--work", str(tmp_path)]) == 0
    assert trained == wanted
    assert exported == [f"stage-{number + 1}.safetensors" for number in wanted]
    assert averaged == ["vitruvian-s.safetensors"]


@pytest.mark.parametrize(("count", "averaged"), [(3, (2, 3)), (4, (2, 3, 4)), (6, (4, 5, 6))])
def test_the_weights_of_the_recipe_are_the_mean_of_the_last_stages_of_one_size(tmp_path, count, averaged):
    models = [Model(SMALL) for _ in range(count)]
    for number, model in enumerate(models):
        save(embedded.weights_of(tmp_path, number), model, provenance={"views": 10 * (number + 1)}, dtype=torch.float32)
    embedded.mean_of_last(tmp_path, embedded.STAGES[:count], tmp_path / "mean.safetensors")
    mean = load(tmp_path / "mean.safetensors")
    which = f"mean of {', '.join(map(str, averaged))}"
    assert mean.card.provenance == {"recipe": "embedded", "stage": which, "views": 10 * count}
    states = [models[number - 1].state_dict() for number in averaged]
    for name, value in mean.model.state_dict().items():
        wanted = sum(state[name] for state in states) / len(states)
        torch.testing.assert_close(value, wanted, rtol=0.01, atol=1e-3)  # bf16 in the file


def test_a_stage_begins_with_the_weights_of_the_one_before(tmp_path):
    before, now = embedded.at_stage(SMALL, FIRST), embedded.at_stage(SMALL, SECOND)
    first = Model(before)
    save(embedded.weights_of(tmp_path, 0), first, provenance={}, dtype=torch.float32)
    state = embedded._initial(tmp_path, 1, now, None)
    Model(now).load_state_dict(state)
    same = {name for name, value in first.state_dict().items() if torch.equal(state[name], value)}
    assert set(state) - same == {"backbone.position"}


def test_a_short_recipe_has_its_share_of_all_views_and_every_kind_of_stage():
    whole, short = embedded.STAGES, embedded.shortened(embedded.STAGES, 0.05)
    steps = 0.05 * sum(stage.steps for stage in whole)
    assert [stage.size for stage in short] == [whole[0].size, whole[1].size, whole[-1].size]
    views = [stage.steps * stage.batch for stage in short]
    assert views == pytest.approx([steps / 2 * whole[0].batch, steps / 6 * whole[1].batch, steps / 3 * whole[-1].batch], abs=16)
    last = short[-1]
    shares = ((stage.nobody, stage.filtered, stage.loose, stage.props) for stage in (last, whole[-1]))
    assert len(set(shares)) == 1
    assert len({stage.geometry for stage in short}) == len({stage.geometry[0] for stage in short})


def test_a_share_of_the_views_shows_nobody(tmp_path):
    generate(tmp_path, 2, embedded.GEOMETRY, seed=31, workers=1, images=False)
    spec = embedded.at_stage(SMALL, FIRST)
    somebody = embedded.SynthViews.of(tmp_path, spec, replace(FIRST, nobody=0.0))
    nobody = embedded.SynthViews.of(tmp_path, spec, replace(FIRST, nobody=1.0, filtered=1.0))
    for views, people in ((somebody, True), (nobody, False)):
        image, target, _ = views.example(0, np.random.default_rng(1))
        assert image.shape == (*spec.size, 3)
        label = target["seg"]["label"]
        assert bool(((label > 0) & (label != 255)).any()) is people
        assert bool((target["pose"]["weight"] > 0).any()) is people

"""The recipe of the packaged detector: it begins as the packaged model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vitruvian.errors import UsageError
from vitruvian.model import Model
from vitruvian.recipes.detector import SPEC, checked_threshold, kept, new_model
from vitruvian.tasks.person.metric import Tally
from vitruvian.types import HeadSpec

SMALL = replace(SPEC, dim=32, depth=2, heads_attn=2, mlp=64, size=(64, 64))
TRUNK = replace(SMALL, name="trunk", depth=4, size=(64, 48), heads=(HeadSpec("seg", out=28, upsample=(8,), kind="shuffle"),))


def test_a_detector_has_the_stem_and_first_blocks_of_its_start() -> None:
    trunk = Model(TRUNK)
    theirs, ours = trunk.backbone.state_dict(), new_model(SMALL, trunk).backbone.state_dict()
    shared = [k for k in ours if k.startswith(("stem.", "blocks."))]
    assert len(shared) > 20 and all(torch.equal(ours[k], theirs[k]) for k in shared)
    assert ours["position"].shape == (1, 16, 32)
    assert torch.allclose(ours["position"].mean(1), theirs["position"].mean(1), atol=0.01)


def test_the_parts_of_its_start_are_learned_on_and_not_kept() -> None:
    spec = SMALL.with_heads(*SMALL.heads, *TRUNK.heads)
    trunk = Model(replace(TRUNK, depth=2))
    started = new_model(spec, trunk)
    heads = started.heads["seg"].state_dict()
    assert all(torch.equal(heads[name], value) for name, value in trunk.heads["seg"].state_dict().items())
    assert torch.equal(started.backbone.norm.weight, trunk.backbone.norm.weight)
    assert {name.split(".")[1] for name in kept(started.state_dict()) if name.startswith("heads")} == {"person"}


def test_its_centre_map_starts_near_zero() -> None:
    with torch.inference_mode():
        maps = new_model(SMALL).eval()(torch.randn(2, 3, 64, 64))["person"]
    assert maps[:, 0].sigmoid().mean() < 0.05


def test_another_width_is_refused() -> None:
    with pytest.raises(UsageError, match="not of the shape"):
        new_model(SMALL, Model(replace(TRUNK, dim=48, heads_attn=3)))


def test_a_detector_goes_on_from_another_with_all_its_weights() -> None:
    head = replace(SMALL.heads[0], options={**SMALL.heads[0].options, "threshold": 0.4})
    before = Model(SMALL.with_heads(head))
    after = new_model(SMALL, before)
    assert all(torch.equal(a, b) for a, b in zip(before.state_dict().values(), after.state_dict().values(), strict=True))


def test_it_goes_on_beside_parts_that_the_other_has_not() -> None:
    before = Model(SMALL)
    after = new_model(SMALL.with_heads(*SMALL.heads, *TRUNK.heads), before).state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.state_dict().items())


def test_a_start_with_another_stem_is_refused() -> None:
    with pytest.raises(UsageError, match=r"not of the shape.*stem"):
        new_model(SMALL, Model(replace(TRUNK, stem="patch")))


def test_nobody_found_is_no_threshold() -> None:
    with pytest.raises(UsageError, match=r"nothing scores 0\.02 or more"):
        checked_threshold(Tally(people=3))
    assert checked_threshold(Tally([0.9, 0.1], [True, False], 1)) == 0.9

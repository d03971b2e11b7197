"""What is far from people is left out; what is computed stays what it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitruvian.device import choose_compute
from vitruvian.model import build
from vitruvian.predict.engine import prepare
from vitruvian.predict.pipeline import load
from vitruvian.predict.prune import Guide, Pruned, around, nearest, sparse

from .conftest import SPEC

COMPUTE = choose_compute("cpu", "fp32")
LARGE = replace(SPEC, size=(128, 96))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build(LARGE).eval()


def test_all_patches_kept_is_the_whole_model(model) -> None:
    image = torch.randn(1, 3, *LARGE.size)
    with torch.inference_mode():
        torch.testing.assert_close(sparse(model.backbone, image, np.ones(LARGE.grid, bool)), model.backbone(image))


def test_patches_far_away_get_the_nearest_features(model) -> None:
    kept = np.zeros(LARGE.grid, bool)
    kept[2:4, 1:3] = True
    with torch.inference_mode():
        features = sparse(model.backbone, torch.randn(1, 3, *LARGE.size), kept)[0]
    torch.testing.assert_close(features[:, 0, 0], features[:, 2, 1])
    torch.testing.assert_close(features[:, -1, -1], features[:, 3, 2])
    assert not torch.equal(features[:, 2, 1], features[:, 3, 2])


def test_the_nearest_of_a_patch_that_is_kept_is_itself() -> None:
    kept = np.random.default_rng(0).random((16, 12)) < 0.3
    places = np.flatnonzero(kept)
    found = places[nearest(kept)]
    assert (found[kept] == places).all()
    rows, columns = np.unravel_index(found, kept.shape)
    here = np.mgrid[:16, :12]
    distance = np.hypot(rows - here[0], columns - here[1])
    spots = np.argwhere(kept)
    least = np.linalg.norm(spots[:, None, None] - np.moveaxis(here, 0, -1)[None], axis=-1).min(0)
    assert (distance - least).max() < 0.5, "the nearest, to the accuracy of OpenCV's distances"


def test_more_is_kept_around_people_on_a_finer_grid() -> None:
    seen = np.zeros((64, 48), bool)
    seen[30, 20] = True
    assert around(seen).sum() == 49
    assert around(seen[:12, :9]).sum() == 0 and around(np.eye(12, 9) > 0).sum() < 60


def test_nobody_seen_keeps_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    guide = Guide(LARGE, COMPUTE)
    (kept,) = guide(torch.zeros(1, 3, *LARGE.size))
    assert kept.shape == LARGE.grid
    monkeypatch.setattr(guide.model, "forward", lambda image, tasks: {"seg": torch.zeros(len(image), 28, 48, 36)})
    assert all(one.all() for one in guide(torch.zeros(2, 3, *LARGE.size)))


def test_as_an_engine_it_answers_like_a_model(model) -> None:
    fast = prepare(model, COMPUTE, "pruned")
    assert isinstance(fast, Pruned) and fast.spec is LARGE
    first = LARGE.heads[0].task
    with torch.inference_mode():
        said = fast(torch.randn(2, 3, *LARGE.size))
        assert set(said) == {head.task for head in LARGE.heads} and len(said[first]) == 2
        assert set(fast(torch.randn(1, 3, *LARGE.size), [first])) == {first}


def test_results_say_that_they_are_pruned(photo) -> None:
    result = load(engine="pruned", device="cpu", detector="whole-image").predict(photo("one.jpg"))
    assert result.made_by.engine == "pruned"

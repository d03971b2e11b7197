"""Things among people: seen like them, and nobody."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from vitruvian.data.gbuffer import MATERIAL
from vitruvian.synth import things
from vitruvian.synth.frames import FrameParams, add_things, compose, frame_view
from vitruvian.synth.things import KINDS, thing
from vitruvian.types import Array


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_seen_whole_and_has_no_part_of_a_body(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(things, "KINDS", {kind: KINDS[kind]})
    for seed in range(12):
        frame = thing(np.random.default_rng(seed))
        seen = frame.person > 0
        assert frame.people[0].info == {"thing": kind}
        assert 0.005 < seen.mean() < 0.95
        assert not frame.part.any() and not frame.people[0].wholebody133.any()
        assert set(np.unique(frame.material[seen])) <= {MATERIAL[name] for name in things.COVERS}
        assert (frame.depth[seen] > 0).all() and np.isfinite(frame.rest[seen]).all()
        np.testing.assert_allclose(np.linalg.norm(frame.normal[seen], axis=1), 1, atol=1e-3)
        border = np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]])
        assert border.mean() < 0.2


def test_the_same_seed_makes_the_same_thing() -> None:
    first, again = (thing(np.random.default_rng(3)) for _ in range(2))
    for one in fields(first):
        if one.name not in ("people", "key"):
            np.testing.assert_array_equal(getattr(first, one.name), getattr(again, one.name))


ALWAYS = FrameParams(things=(0.0, 0.0, 1.0))


def picture(params: FrameParams) -> Array:
    return frame_view([], np.random.default_rng(5), (96, 96), params)[0].image


@pytest.mark.parametrize("seed", range(6))
def test_things_are_in_the_picture_and_not_to_be_found(seed: int) -> None:
    sample, _ = frame_view([], np.random.default_rng(seed), (128, 128), ALWAYS)
    assert sample.boxes is not None and sample.boxes.shape == (0, 4)
    assert sample.classes is not None and not sample.classes.any()


def test_things_at_the_lower_border_hide_who_is_behind_them() -> None:
    params, hidden = FrameParams(longer=(0.9, 0.9), things=(0.0, 0.0, 0.0, 1.0), low=1.0), []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        frame, whole = compose([thing(np.random.default_rng(8))], rng, (128, 128), params)  # its shape will do for somebody
        before = frame.person == 1
        add_things(frame, len(whole), rng, params)
        after, others = frame.person == 1, frame.person > 1
        assert not (after & ~before).any()
        assert (np.flatnonzero(others.any(1)).min(initial=128) >= 0.4 * 128) or not others.any()
        hidden.append((before & others).any())
    assert sum(hidden) >= 4


def test_without_things_pictures_are_as_they_were() -> None:
    assert np.array_equal(picture(FrameParams()), picture(FrameParams(things=(1.0,))))
    assert not np.array_equal(picture(FrameParams()), picture(ALWAYS))

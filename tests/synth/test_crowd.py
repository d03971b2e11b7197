"""People of another frame set around a person, out of hand-made geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitruvian.data.gbuffer import MATERIAL, GBuffer, SynthPerson
from vitruvian.synth.appearance import view
from vitruvian.synth.crowd import CrowdParams, crowd
from vitruvian.vocab import class_set

SIZE = (80, 60)
RIGHT_OF_9 = class_set("body28").flip[9]


def group(box=(20, 20, 39, 59), depth=3.0, part=22) -> GBuffer:
    """A flat rectangular person with a grid of points on it."""
    person = np.zeros(SIZE, np.uint8)
    person[box[1] : box[3] + 1, box[0] : box[2] + 1] = 1
    inside = person[..., None] > 0
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] / 50
    points = np.full((308, 3), 2, np.float32)
    points[:, 0], points[:, 1] = np.linspace(box[0], box[2], 308), np.linspace(box[1], box[3], 308)
    return GBuffer(
        person, person * MATERIAL["upper_cloth"], person * part, np.where(person, depth, np.nan).astype(np.float32),
        np.where(inside, np.array([0, 0, -1.0]), np.nan).astype(np.float32),
        np.where(inside, np.stack([x, y, -y], -1), np.nan).astype(np.float32),
        np.array([[90.0, 0, 29.5], [0, 90, 39.5], [0, 0, 1]]),
        (SynthPerson(np.array(box, np.float32), points[:133].copy(), points, {}),), "g",
    )  # fmt: skip


def crowded(seed: int, **params) -> GBuffer:
    return crowd(group(), 0, group(depth=2.0, part=9), np.random.default_rng(seed), CrowdParams(**params))


@pytest.mark.parametrize("seed", range(6))
def test_the_person_keeps_its_shape_where_others_stand_behind(seed):
    out = crowded(seed, before=0.0)
    assert len(out.people) == 2
    assert (out.person == 1).sum() == (group().person == 1).sum()
    assert (out.person == 2).any()
    np.testing.assert_array_equal(out.people[0].wholebody133[:, 2], 2)
    shift = out.people[0].box - group().people[0].box
    np.testing.assert_allclose(
        out.people[0].sapiens308[:, :2] - group().people[0].sapiens308[:, :2], np.tile(shift[:2], (308, 1)), atol=1e-4
    )


@pytest.mark.parametrize("seed", range(6))
def test_others_before_a_person_hide_its_points_and_no_more_than_allowed(seed):
    out = crowded(seed, before=1.0, apart=0.4, most_hidden=0.4)
    hidden = 1 - (out.person == 1).sum() / (group().person == 1).sum()
    assert hidden <= 0.4
    x, y = np.rint(out.people[0].sapiens308[:, :2]).astype(int).T
    np.testing.assert_array_equal(out.people[0].sapiens308[:, 2] == 2, out.person[y, x] == 1)
    rows, columns = np.nonzero(out.person == 1)
    np.testing.assert_array_equal(out.people[0].box, [columns.min(), rows.min(), columns.max(), rows.max()])


@pytest.mark.parametrize("seed", range(6))
def test_nearer_pixels_are_in_front_and_everybody_has_labels(seed):
    out = crowded(seed)
    one, two = out.person == 1, out.person == 2
    assert (out.part[one] == 22).all()
    assert (out.part[two] == 9).all() or (out.part[two] == RIGHT_OF_9).all()
    assert (np.isfinite(out.depth) == (out.person > 0)).all()
    ratio = np.median(out.depth[two]) / np.median(out.depth[one])
    assert ratio < 0.98 or ratio > 1.02


def test_a_person_cut_at_the_border_stays_there():
    out = crowd(group(box=(20, 20, 39, 79)), 0, group(), np.random.default_rng(1))
    assert (out.person[-1] == 1).any()
    assert not (out.person[0] == 1).any()


def test_the_frame_comes_back_where_nobody_can_be_added():
    frame = group()
    empty = replace(group(), person=np.zeros(SIZE, np.uint8))
    assert crowd(frame, 0, empty, np.random.default_rng(0)) is frame
    assert (
        crowd(frame, 0, group(), np.random.default_rng(0), CrowdParams(before=1.0, apart=0.0, lower=0.0, most_hidden=0.0))
        is frame
    )


def test_it_is_the_same_for_the_same_draws_and_leaves_what_came_alone():
    frame, other = group(), group(depth=2.0)
    kept = frame.person.copy()
    one, two = (crowd(frame, 0, other, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.person, two.person)
    np.testing.assert_array_equal(frame.person, kept)


def test_a_view_of_it_can_be_drawn():
    sample, _ = view(crowded(2), 0, np.random.default_rng(0), (64, 48))
    assert sample.image.shape == (64, 48, 3)
    assert sample.keypoints is not None and len(sample.keypoints) == 133


def test_mirrored_others_have_left_and_right_parts_swapped():
    seen = {int(np.unique(out.part[out.person == 2])[0]) for out in map(crowded, range(12)) if (out.person == 2).any()}
    assert seen == {9, RIGHT_OF_9} and RIGHT_OF_9 != 9

"""Things in hands, before and around a person, out of hand-made geometry."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from test_crowd import group

from vitruvian.synth.appearance import view
from vitruvian.synth.appearance.view import ViewParams
from vitruvian.synth.props import PropParams, props

HELD = PropParams(held=1.0, low=0.0, px=64)
LOW = PropParams(held=0.0, low=1.0, px=64)
NEAR = PropParams(held=0.0, low=0.0, px=64)
PLAIN = ViewParams(rotate=0, half_body=0, face=0, hand=0, occlude=0, truncate=0)


def hands_at(x: float, y: float):
    """A person whose hands are at one place."""
    frame = group()
    frame.people[0].wholebody133[91:133, :2] = x, y
    return frame


@pytest.mark.parametrize("params", [HELD, LOW, NEAR], ids=["held", "low", "near"])
@pytest.mark.parametrize("seed", range(6))
def test_things_hide_points_and_no_more_of_the_person_than_allowed(params: PropParams, seed: int) -> None:
    frame = group()
    out = props(frame, 0, np.random.default_rng(seed), params)
    assert len(out.people) == 1
    kept = (out.person == 1).sum() / (frame.person == 1).sum()
    assert 1 - params.most_hidden <= kept <= 1
    x, y = np.rint(out.people[0].sapiens308[:, :2]).astype(int).T
    np.testing.assert_array_equal(out.people[0].sapiens308[:, 2] == 2, out.person[y, x] == 1)
    np.testing.assert_array_equal(out.people[0].sapiens308[:, 2] == 1, out.person[y, x] != 1)
    left, top, width, height = cv2.boundingRect((out.person == 1).astype(np.uint8))
    np.testing.assert_array_equal(out.people[0].box, [left, top, left + width - 1, top + height - 1])


def things_of(params: PropParams, frame, seeds: int = 12) -> list:
    return [props(frame, 0, np.random.default_rng(seed), params) for seed in range(seeds)]


def test_what_is_held_is_at_a_hand() -> None:
    frames = things_of(HELD, hands_at(38, 40))
    shown = [frame for frame in frames if (frame.person > 1).any()]
    assert len(shown) >= 8
    for frame in shown:
        hand = frame.people[0].wholebody133[91, :2]
        rows, columns = np.nonzero(frame.person > 1)
        reach = max(np.ptp(rows), np.ptp(columns), 8)
        assert np.hypot(rows - hand[1], columns - hand[0]).min() <= 0.75 * reach


def test_what_stands_low_is_before_the_lower_half_alone() -> None:
    hidden = np.zeros(2)
    for frame in things_of(LOW, group()):
        box = group().people[0].box + np.tile(frame.people[0].wholebody133[0, :2] - group().people[0].wholebody133[0, :2], 2)
        x0, y0, x1, y1 = box.astype(int)
        person = frame.person[y0 : y1 + 1, x0 : x1 + 1] != 1
        hidden += person[: len(person) // 2].sum(), person[len(person) // 2 :].sum()
    assert hidden[1] > 50 * hidden[0]


def test_without_hands_in_the_frame_things_are_elsewhere() -> None:
    assert any((frame.person > 1).any() for frame in things_of(HELD, hands_at(-50, 40)))


def test_the_frame_given_stays_as_it_was() -> None:
    frame = group()
    person, depth = frame.person.copy(), frame.depth.copy()
    props(frame, 0, np.random.default_rng(1), LOW)
    np.testing.assert_array_equal(frame.person, person)
    np.testing.assert_array_equal(frame.depth, depth)


def test_a_person_without_pixels_gets_no_things() -> None:
    frame = group()
    frame.person[:] = 0
    assert props(frame, 0, np.random.default_rng(0), NEAR) is frame


@pytest.mark.parametrize("seed", range(6))
def test_in_a_view_things_have_no_labels(seed: int) -> None:
    frame = props(group(), 0, np.random.default_rng(seed), LOW)
    sample, _ = view(frame, 0, np.random.default_rng(seed), (96, 72), PLAIN)
    assert sample.classes is not None and sample.depth is not None and sample.normal is not None and sample.mask is not None
    somebody = np.isfinite(sample.depth)
    np.testing.assert_array_equal(sample.mask, somebody)  # nobody else is there
    np.testing.assert_array_equal(sample.classes > 0, somebody)
    np.testing.assert_array_equal(np.isfinite(sample.normal).all(-1), somebody)
    assert not somebody.all()
    points = sample.keypoints
    assert points is not None
    x, y = np.rint(points[:, :2]).astype(int).T
    seen = points[:, 2] == 2
    assert somebody[y[seen], x[seen]].mean() > 0.9  # an outline may lie half a pixel off

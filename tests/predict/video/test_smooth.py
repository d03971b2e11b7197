from __future__ import annotations

import json

import numpy as np
import pytest

from vitruvian.predict.video.smooth import FORGET, Jitter, Smoother

SIZE = 200.0
ONE = np.ones(1)


def smoothed(times: np.ndarray, xy: np.ndarray) -> np.ndarray:
    filter = Smoother()
    return np.stack([filter.step(1, float(t), points, SIZE) for t, points in zip(times, xy, strict=True)])


def jitter(times: np.ndarray, xy: np.ndarray) -> float:
    measured = Jitter()
    for i, (t, points) in enumerate(zip(times, xy, strict=True)):
        measured.add(1, i, float(t), points, np.ones(len(points)))
    assert measured.mean is not None
    return measured.mean


def test_a_trembling_point_at_rest_trembles_much_less() -> None:
    times = np.arange(90) / 30
    xy = 100 + np.random.default_rng(0).normal(0, 2, (90, 3, 2))
    after = smoothed(times, xy)
    assert jitter(times, after) < jitter(times, xy) / 3
    np.testing.assert_allclose(after[30:].mean(0), xy[30:].mean(0), atol=0.6)


@pytest.mark.parametrize("speed", [100, 400, 1000])
def test_a_fast_point_lags_by_less_than_a_frame(speed: float) -> None:
    times = np.arange(60) / 30
    xy = np.stack([speed * times, 0 * times], 1)[:, None]
    lag = (xy - smoothed(times, xy))[20:, 0, 0] / speed
    assert 0 <= lag.max() < 2.2 / 30 and (speed < 400 or lag.max() < 1 / 30)


def test_a_point_that_comes_back_after_a_while_begins_anew() -> None:
    filter = Smoother()
    filter.step(1, 0.0, np.zeros((1, 2)), SIZE)
    there = np.full((1, 2), 50.0)
    assert (filter.step(1, FORGET + 0.1, there, SIZE) == there).all()
    assert (filter.step(1, FORGET + 0.2, there + 9, SIZE) != there + 9).any()
    assert (filter.step(2, FORGET + 0.2, there, SIZE) == there).all(), "another track, another filter"


def test_uneven_times_are_smoothed_as_even_ones_of_the_same_motion() -> None:
    even, uneven = np.arange(60) / 30, np.sort(np.random.default_rng(1).uniform(0, 2, 60))
    at_rest = np.full((60, 1, 2), 7.0)
    np.testing.assert_allclose(smoothed(uneven, at_rest), at_rest)
    ramp = [np.stack([300 * t, 0 * t], 1)[:, None] for t in (even, uneven)]
    lags = [(xy - smoothed(t, xy))[30:].mean() for t, xy in zip((even, uneven), ramp, strict=True)]
    assert lags[0] == pytest.approx(lags[1], rel=0.5)


def test_jitter_is_the_mean_acceleration_whatever_the_times() -> None:
    times = np.array([0, 0.1, 0.15, 0.4, 0.5, 0.9])
    fall = np.stack([3 * times, 100 * times**2], 1)[:, None]
    assert jitter(times, fall) == pytest.approx(200)
    assert jitter(times, np.stack([3 * times, -times], 1)[:, None]) == pytest.approx(0, abs=1e-9)


def test_jitter_counts_only_what_is_sure_in_three_frames_running() -> None:
    measured = Jitter()
    for i, score in enumerate([1, 1, 0.1, 1, 1, 1]):
        measured.add(1, i, i / 10, np.full((1, 2), float(i**3)), score * ONE)
    assert measured.count == 1
    measured.add(1, 8, 0.8, np.zeros((1, 2)), ONE)
    measured.add(1, 9, 0.9, np.zeros((1, 2)), ONE)
    assert measured.count == 1, "a gap begins it anew"
    assert Jitter().mean is None


def test_both_go_on_exactly_from_json_and_forget_what_is_over() -> None:
    rng = np.random.default_rng(3)
    xy = rng.normal(0, 9, (12, 4, 2))
    whole, half = (Smoother(), Jitter()), (Smoother(), Jitter())
    for i in range(6):
        for filter, measured in (whole, half):
            measured.add(1, i, i / 30, filter.step(1, i / 30, xy[i], SIZE), np.ones(4))
    again = Smoother(), Jitter()
    for new, old in zip(again, half, strict=True):
        new.restore(json.loads(json.dumps(old.state())))
    for i in range(6, 12):
        for filter, measured in (whole, again):
            measured.add(1, i, i / 30, filter.step(1, i / 30, xy[i], SIZE), np.ones(4))
    assert [part.state() for part in whole] == [part.state() for part in again]
    again[0].forget(100.0)
    again[1].forget(100)
    assert again[0].tracks == {} and again[1].last == {}

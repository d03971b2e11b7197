from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from vitruvian.predict.video.track import Tracker, assign
from vitruvian.types import Person


def at(x: float, y: float = 0, score: float = 0.9) -> Person:
    return Person(np.float32([x, y, x + 40, y + 100]), score)


def ids(
    tracker: Tracker, frames: Sequence[Sequence[Person]], sure: float = 0.5, step: float = 1 / 30
) -> list[list[int | None]]:
    return [[person.track for person in tracker.update(i * step, people, sure)] for i, people in enumerate(frames)]


def test_numbers_begin_at_one_and_hold_for_people_who_move() -> None:
    assert ids(Tracker(), [[at(5 * i), at(300 - 5 * i)] for i in range(20)]) == [[1, 2]] * 20


def test_numbers_do_not_hang_on_the_order_of_detections() -> None:
    frames = [[at(5 * i), at(300)] if i % 2 else [at(300), at(5 * i)] for i in range(10)]
    assert ids(Tracker(), frames) == [[1, 2] if i % 2 == 0 else [2, 1] for i in range(10)]


def test_a_gap_is_tolerated_even_by_who_walks_on(tolerance: int = 20) -> None:
    walking = [[at(4 * i)] if not 15 <= i < 15 + tolerance else [] for i in range(50)]
    seen = ids(Tracker(), walking)
    assert {number for people in seen for number in people} == {1}
    assert [len(people) for people in seen] == [len(people) for people in walking]


def test_who_was_away_too_long_is_somebody_new() -> None:
    frames = [[at(0)]] * 5 + [[]] * 40 + [[at(0)]] * 5
    assert ids(Tracker(), frames)[-1] == [2]
    assert ids(Tracker(patience=(5.0, 5)), frames)[-1] == [1]


def test_patience_counts_seconds_not_only_frames() -> None:
    frames = [[at(0)]] * 5 + [[]] * 4 + [[at(0)]]
    assert ids(Tracker(), frames, step=1.0)[-1] == [1], "four missed frames of one a second"


def test_two_who_pass_each_other_keep_their_numbers() -> None:
    frames = [[at(10 * i, 0), at(300 - 10 * i, 30)] for i in range(31)]
    seen = ids(Tracker(), frames)
    assert seen == [[1, 2]] * 31


def test_a_faint_box_continues_a_track_and_never_begins_one() -> None:
    frames = [[at(0, score=0.3)], [at(0)], [at(2, score=0.3)], [at(3, score=0.3), at(500, score=0.3)]]
    assert ids(Tracker(), frames) == [[], [1], [1], [1]]


def test_a_faint_box_ends_a_short_gap_and_not_a_long_one() -> None:
    frames = [[at(0)], [], [at(0, score=0.3)], *[[]] * 6, [at(0, score=0.3)], [at(0)]]
    assert ids(Tracker(), frames) == [[1], [], [1], *[[]] * 6, [], [1]]


def test_uneven_times_are_the_times_of_motion() -> None:
    times = np.cumsum([0.0, *np.tile([1 / 60, 1 / 12], 12)])
    tracker = Tracker()
    seen = [tracker.update(float(t), [at(200 * t)], 0.5)[0].track for t in times]
    assert set(seen) == {1}, "17 px in a long step, 3 in a short one"


@pytest.mark.parametrize("stop", [1, 7, 16])
def test_a_tracker_restored_from_json_goes_on_exactly(stop: int) -> None:
    rng = np.random.default_rng(0)
    frames = [[at(4 * i + rng.normal(), score=rng.uniform(0.3, 1)), at(200 + rng.normal())] for i in range(25)]
    frames[8] = frames[9] = []
    whole = Tracker()
    ids(whole, frames)
    first, second = Tracker(), Tracker()
    ids(first, frames[:stop])
    second.restore(json.loads(json.dumps(first.state())))
    for i, people in enumerate(frames[stop:], stop):
        second.update(i * (1 / 30), people, 0.5)
    assert second.state() == whole.state()


def test_assignment_takes_the_greatest_sum() -> None:
    assert assign(np.array([[0.9, 0.8], [0.8, 0.1]])) == [(0, 1), (1, 0)]
    assert assign(np.zeros((0, 3))) == []

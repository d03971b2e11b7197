"""The same person from frame to frame: ids that hold over misses.

Two-stage association as in ByteTrack (Zhang et al., ECCV 2022): boxes the detector is sure of are given to tracks first, then
faint ones to the tracks that were seen a moment ago; a faint box never begins a track. Between frames each box moves at its own
steady speed (a Kalman filter); all times are seconds, so that frames may be uneven. Why this is our own: docs/decisions/003.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vitruvian.geometry import iou_matrix
from vitruvian.types import Array, Person

PATIENCE = 1.0, 5  # a track that is not seen lives on for so many seconds, and so many frames
OVERLAP, FAINT_OVERLAP = 0.1, 0.5  # IoU with where a track is expected, at least
PLACE, SPEED = 1 / 20, 1 / 80  # spread of a box's place and of its speed, in its own size; the speed's for each step
STEPS = 30.0  # steps a second that these are meant for


@dataclass(eq=False)
class Motion:
    """Where a box is and how it moves: place (4,) centre x, y, width, height px; speed (4,) px/s; spread (4, 2, 2), their
    covariance for each of the four."""

    place: Array
    speed: Array
    spread: Array

    @classmethod
    def begin(cls, box: Array) -> Motion:
        """At rest, with little known of the speed."""
        place = _place(box)
        size = _size(place)
        spread = np.zeros((4, 2, 2))
        spread[:, 0, 0], spread[:, 1, 1] = (2 * PLACE * size) ** 2, (10 * SPEED * STEPS * size) ** 2
        return cls(place, np.zeros(4), spread)

    def move(self, seconds: float) -> None:
        """To where it is expected so much later."""
        size = _size(self.place)
        self.place = np.concatenate(
            [self.place[:2] + seconds * self.speed[:2], np.maximum(self.place[2:] + seconds * self.speed[2:], 1)]
        )
        step = np.array([[1.0, seconds], [0.0, 1.0]])
        self.spread = step @ self.spread @ step.T
        self.spread[:, 0, 0] += (PLACE * size) ** 2 * seconds * STEPS
        self.spread[:, 1, 1] += (SPEED * STEPS * size) ** 2 * seconds * STEPS

    def see(self, box: Array) -> None:
        """Corrected by where it was found."""
        seen = _place(box)
        gain = self.spread[:, :, 0] / (self.spread[:, 0, 0] + (PLACE * _size(seen)) ** 2)[:, None]
        off = seen - self.place
        self.place, self.speed = self.place + gain[:, 0] * off, self.speed + gain[:, 1] * off
        self.spread = self.spread - gain[:, :, None] * self.spread[:, None, 0]

    def lose(self) -> None:
        """What is not seen goes on, but grows and shrinks no more."""
        self.speed[2:] = 0

    @property
    def box(self) -> Array:
        """(4,) xyxy px."""
        return np.concatenate([self.place[:2] - self.place[2:] / 2, self.place[:2] + self.place[2:] / 2])


@dataclass(eq=False)
class Track:
    """One person so far. missed: frames since it was seen; seen: when that was, seconds."""

    number: int
    motion: Motion
    seen: float
    missed: int = 0


@dataclass
class Tracker:
    """Gives numbers 1, 2, 3, … to people, frame by frame. patience: seconds and frames that a track outlives its last sight."""

    patience: tuple[float, int] = PATIENCE
    tracks: list[Track] = field(default_factory=list)
    given: int = 0
    time: float | None = None

    def update(self, time: float, people: Sequence[Person], sure: float = 0.0) -> list[Person]:
        """The people of the next frame, at `time` seconds, with their tracks, in the given order.

        sure: the score from which a person may begin a track or be found again after a long miss. Those below it that
        continue no track are left out.
        """
        for track in self.tracks:
            track.motion.move(0.0 if self.time is None else time - self.time)
        self.time = time
        strong = [i for i, person in enumerate(people) if person.score >= sure]
        faint = [i for i, person in enumerate(people) if person.score < sure]
        owner = self._match(people, strong, self.tracks, OVERLAP)
        free = [track for track in self.tracks if track.missed <= self.patience[1] and track not in owner.values()]
        owner |= self._match(people, faint, free, FAINT_OVERLAP)
        self._forget(time, [track for track in self.tracks if track not in owner.values()])
        for i, track in owner.items():
            track.motion.see(people[i].box)
            track.seen, track.missed = time, 0
        owner |= {i: self._begin(people[i], time) for i in strong if i not in owner}
        return [replace(person, track=owner[i].number) for i, person in enumerate(people) if i in owner]

    def state(self) -> dict[str, Any]:
        """All of it as JSON holds it, exactly."""
        tracks = [
            [t.number, t.seen, t.missed, t.motion.place.tolist(), t.motion.speed.tolist(), t.motion.spread.tolist()]
            for t in self.tracks
        ]
        return {"given": self.given, "time": self.time, "tracks": tracks}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Back to what `state` was."""
        self.given, self.time = state["given"], state["time"]
        self.tracks = [
            Track(number, Motion(np.array(place), np.array(speed), np.array(spread)), seen, missed)
            for number, seen, missed, place, speed, spread in state["tracks"]
        ]

    def _match(
        self, people: Sequence[Person], chosen: Sequence[int], tracks: Sequence[Track], least: float
    ) -> dict[int, Track]:
        """Index of a person -> its track: the pairs of the greatest overlap in sum, none below `least`."""
        if not chosen or not tracks:
            return {}
        overlap = iou_matrix(np.stack([people[i].box for i in chosen]), np.stack([track.motion.box for track in tracks]))
        return {
            chosen[row]: tracks[column]
            for row, column in assign(np.where(overlap >= least, overlap, 0))
            if overlap[row, column] >= least
        }

    def _begin(self, person: Person, time: float) -> Track:
        self.given += 1
        track = Track(self.given, Motion.begin(person.box), time)
        self.tracks.append(track)
        return track

    def _forget(self, time: float, unseen: Iterable[Track]) -> None:
        seconds, frames = self.patience
        for track in unseen:
            track.missed += 1
            track.motion.lose()
            if track.missed > frames and time - track.seen > seconds:
                self.tracks.remove(track)


def assign(gain: Array) -> list[tuple[int, int]]:
    """(N, M) gains -> the pairs (row, column) of the greatest sum, each row and column once."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(gain, maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _place(box: Array) -> Array:
    low, high = np.asarray(box, np.float64)[:2], np.asarray(box, np.float64)[2:]
    return np.concatenate([(low + high) / 2, high - low])


def _size(place: Array) -> Array:
    """(4,) the size that each of the four is measured by: width for x and width, height for y and height."""
    return np.maximum(place[[2, 3, 2, 3]], 1.0)

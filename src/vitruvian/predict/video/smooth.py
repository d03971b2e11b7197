"""Keypoints through time: the One-Euro filter (Casiez et al., CHI 2012), and how much they tremble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vitruvian.predict.record import SURE
from vitruvian.types import Array

SLOWEST = 1.2  # Hz: what a point at rest is smoothed with
GROWTH = 6.0  # Hz more for each body length a second that a point moves: fast points lag less
SPEED_CUTOFF = 1.0  # Hz: of the speed itself
FORGET = 0.5  # seconds without a sight after which a point begins anew


@dataclass
class _Point:
    """The points of one track. xy (K, 2) px as smoothed, speed (K, 2) body lengths a second, time in seconds."""

    time: float
    xy: Array
    speed: Array


@dataclass
class Smoother:
    """One filter a track, by the true times of its frames. Only the past counts, so that nothing has to wait."""

    tracks: dict[int, _Point] = field(default_factory=dict)

    def step(self, track: int, time: float, xy: Array, size: float) -> Array:
        """(K, 2) px at `time` -> smoothed, float64. size: px of a body length, so that near and far are treated alike."""
        xy = np.asarray(xy, np.float64)
        before = self.tracks.get(track)
        if before is None or before.xy.shape != xy.shape or not 0 < time - before.time <= FORGET:
            self.tracks[track] = _Point(time, xy, np.zeros_like(xy))
            return xy
        seconds = time - before.time
        speed = _blend(before.speed, (xy - before.xy) / seconds / max(size, 1.0), SPEED_CUTOFF, seconds)
        moved = np.linalg.norm(speed, axis=1, keepdims=True)
        smooth = _blend(before.xy, xy, SLOWEST + GROWTH * moved, seconds)
        self.tracks[track] = _Point(time, smooth, speed)
        return smooth

    def forget(self, time: float) -> None:
        """Tracks that would begin anew need no memory."""
        self.tracks = {number: point for number, point in self.tracks.items() if time - point.time <= FORGET}

    def state(self) -> dict[str, Any]:
        """All of it as JSON holds it, exactly."""
        return {str(n): [p.time, p.xy.tolist(), p.speed.tolist()] for n, p in self.tracks.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Back to what `state` was."""
        self.tracks = {int(n): _Point(time, np.array(xy), np.array(speed)) for n, (time, xy, speed) in state.items()}


@dataclass
class Jitter:
    """Mean acceleration of keypoints in px/s²: how much they tremble, true motion included.

    Of every keypoint whose score reaches 0.3 in three frames running of one track, at t0 < t1 < t2 seconds, the length of
    2 ((x2 - x1) / (t2 - t1) - (x1 - x0) / (t1 - t0)) / (t2 - t0). Compare it only between runs over the same clip and people.
    """

    total: float = 0.0
    count: int = 0
    last: dict[int, list[_Seen]] = field(default_factory=dict)

    def add(self, track: int, index: int, time: float, xy: Array, score: Array) -> None:
        """The keypoints (K, 2) px with scores (K,) of a track in frame `index`."""
        seen = [old for old in self.last.get(track, []) if old.index >= index - 2 and old.xy.shape == xy.shape][-2:]
        now = _Seen(index, time, np.asarray(xy, np.float64), np.asarray(score) >= SURE)
        if len(seen) == 2:
            first, middle = seen
            sure = first.sure & middle.sure & now.sure
            before = (middle.xy - first.xy) / (middle.time - first.time)
            after = (now.xy - middle.xy) / (now.time - middle.time)
            turn = np.linalg.norm(2 * (after - before) / (now.time - first.time), axis=1)
            self.total += float(turn[sure].sum())
            self.count += int(sure.sum())
        self.last[track] = [*seen, now][-2:]

    def forget(self, index: int) -> None:
        """What no later frame can follow needs no memory."""
        self.last = {number: seen for number, seen in self.last.items() if seen[-1].index >= index - 1}

    @property
    def mean(self) -> float | None:
        """Px/s²; None where no keypoint was sure three times running."""
        return self.total / self.count if self.count else None

    def state(self) -> dict[str, Any]:
        """All of it as JSON holds it, exactly."""
        last = {str(n): [[s.index, s.time, s.xy.tolist(), s.sure.tolist()] for s in seen] for n, seen in self.last.items()}
        return {"total": self.total, "count": self.count, "last": last}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Back to what `state` was."""
        self.total, self.count = state["total"], state["count"]
        self.last = {
            int(n): [_Seen(index, time, np.array(xy), np.array(sure, bool)) for index, time, xy, sure in seen]
            for n, seen in state["last"].items()
        }


@dataclass(frozen=True)
class _Seen:
    index: int
    time: float
    xy: Array
    sure: Array


def _blend(before: Array, now: Array, cutoff: Array | float, seconds: float) -> Array:
    """A first-order low pass of `cutoff` Hz over a step of so many seconds."""
    share = 1 / (1 + 1 / (2 * np.pi * np.asarray(cutoff) * seconds))
    out: Array = before + share * (now - before)
    return out

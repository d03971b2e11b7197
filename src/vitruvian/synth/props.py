"""Things around a person: held in a hand, before the lower body as tables are, or merely near.

Photos show people who hold, eat, ride and sit behind things; a frame of geometry shows them with empty hands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vitruvian.data.gbuffer import GBuffer
from vitruvian.synth.crowd import WIDEST, covered, widened
from vitruvian.synth.frames import paste, window_crop
from vitruvian.synth.things import HANDY, KINDS, thing
from vitruvian.types import Array


@dataclass(frozen=True)
class PropParams:
    """count: chances of 1, 2, ... things; held, low: shares that are held and that stand before the lower body, the rest being
    anywhere; held_metres: longer side of what is held; size: of the others, as factors of the person's longer side;
    most_hidden: share of the person's seen pixels that all of them may hide; px: side of the frame that a thing is drawn in.
    """

    count: tuple[float, ...] = (0.5, 0.35, 0.15)
    held: float = 0.45
    low: float = 0.2
    held_metres: tuple[float, float] = (0.08, 1.1)
    size: tuple[float, float] = (0.15, 1.3)
    most_hidden: float = 0.45
    px: int = 192


DEFAULT = PropParams()
HANDS = (range(91, 112), range(112, 133))  # left and right in wholebody133
ENLARGED = 2.5  # at most, of a drawn thing: beyond, its pixels show
Place = tuple[float, Array, float, float]  # scale; (2,) top left corner; metres away; metres deep


def props(frame: GBuffer, index: int, rng: np.random.Generator, params: PropParams = DEFAULT) -> GBuffer:
    """`frame` with things around person `index` (0-based), numbered in `person` beyond all people.

    The frame grows as by `crowd`. Nearer pixels hide farther ones; points under things get visibility 1, and boxes are outlines
    of what is left of people. A thing that would hide more of the person than allowed is left out.
    """
    out = widened(frame)
    target = out.person == index + 1
    count = 1 + int(rng.choice(len(params.count), p=np.array(params.count)))
    if not target.any() or len(out.people) + count >= WIDEST:
        return frame
    for number in range(count):
        trial = _with_one(out, index, len(out.people) + number, rng, params)
        if 1 - (trial.person[target] == index + 1).mean() <= params.most_hidden:
            out = trial
    return replace(out, people=tuple(covered(out)))


def _with_one(frame: GBuffer, index: int, before: int, rng: np.random.Generator, params: PropParams) -> GBuffer:
    """A copy of `frame` with one more thing in it, numbered `before` + 1."""
    kind = rng.random()
    hand = _hand(frame, index, rng) if kind < params.held else None
    other = thing(rng, params.px, HANDY if hand is not None else tuple(KINDS))
    box = other.people[0].box
    if hand is not None:
        scale, corner, away, deep = _held(frame, box, hand, rng, params)
    else:
        scale, corner, away, deep = _about(frame, index, box, rng, params, low=kind < params.held + params.low)
    low = np.maximum(np.floor(corner), 0).astype(int)
    high = np.minimum(np.ceil(corner + scale * np.array(other.size[::-1])), frame.size[::-1]).astype(int)
    if (high - low).min() < 2:
        return frame
    crop = window_crop(other, scale, corner, low, high, flipped=False)
    out = _copied(frame)
    paste(out, replace(other, depth=_as_deep(other.depth, away, deep)), crop, (int(low[0]), int(low[1])), 1.0, before)
    return out


def _hand(frame: GBuffer, index: int, rng: np.random.Generator) -> Array | None:
    """(3,) x, y and metres away of a hand that is in the frame; None where neither is."""
    points, (height, width) = frame.people[index].wholebody133, frame.size
    for rows in rng.permutation(2):
        hand = points[list(HANDS[rows])]
        hand = hand[hand[:, 2] > 0]
        if not len(hand):
            continue
        x, y = hand[:, :2].mean(0)
        if not (0 <= x < width and 0 <= y < height):
            continue
        depth = frame.depth[int(y), int(x)]
        away = float(depth) if np.isfinite(depth) else _away(frame, index)
        return np.array([x, y, away])
    return None


def _away(frame: GBuffer, index: int) -> float:
    return float(np.median(frame.depth[frame.person == index + 1]))


def _held(frame: GBuffer, box: Array, hand: Array, rng: np.random.Generator, params: PropParams) -> Place:
    """So that some point of the thing's outline `box` is at the hand, a little before or behind it."""
    metres = float(np.exp(rng.uniform(*np.log(params.held_metres))))
    away = float(hand[2]) * float(rng.uniform(0.95, 1.03))
    scale = min(metres * float(frame.intrinsics[0, 0]) / away / max(float((box[2:] - box[:2]).max()), 8.0), ENLARGED)
    grip = box[:2] + rng.uniform(0, 1, 2) * (box[2:] - box[:2])
    return scale, hand[:2] - scale * grip, away, min(metres, 0.3)


def _about(frame: GBuffer, index: int, box: Array, rng: np.random.Generator, params: PropParams, *, low: bool) -> Place:
    """Before the lower part of the person, or anywhere near, nearer or farther."""
    person = frame.people[index].box
    extent, middle, away = person[2:] - person[:2], (person[:2] + person[2:]) / 2, _away(frame, index)
    side = max(float((box[2:] - box[:2]).max()), 8.0)
    longer = max(float(extent.max()), 8.0)
    if low:
        scale = min(longer * float(rng.uniform(0.5, 1.6)) / side, ENLARGED)
        place = np.array([middle[0] + rng.normal(0, 0.5) * extent[0], person[1] + rng.uniform(0.45, 0.95) * extent[1]])
        return scale, place - scale * np.array([(box[0] + box[2]) / 2, box[1]]), away * float(rng.uniform(0.6, 0.9)), 0.1 * away
    scale = min(longer * float(np.exp(rng.uniform(*np.log(params.size)))) / side, ENLARGED)
    place = middle + rng.normal(0, 0.7, 2) * np.maximum(extent, 0.4 * longer)
    return scale, place - scale * (box[:2] + box[2:]) / 2, away * float(rng.uniform(0.6, 1.6)), 0.15 * away


def _as_deep(depth: Array, away: float, deep: float) -> Array:
    """The same surface `away` metres off in the middle and `deep` metres from front to back."""
    spread = float(np.nanmax(depth) - np.nanmin(depth)) or 1.0
    out: Array = np.maximum(away + (depth - np.nanmedian(depth)) * (deep / spread), 0.05).astype(np.float32)
    return out


def _copied(frame: GBuffer) -> GBuffer:
    arrays = ("person", "material", "part", "depth", "normal", "rest")
    return replace(frame, **{name: getattr(frame, name).copy() for name in arrays})

"""A library of plausible poses: parametrised families with jitter, mixed as everyday photographs mix them.

`sample_pose(rng, rig)` draws a family, its angles, a mirror image and the hands, and rejects gross self-contact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vitruvian.synth.posing import Arm, Bend, Hand, Leg, Pose, Reach, Rig, bone_rotations, mirrored, penetration
from vitruvian.types import Array

Rng = np.random.Generator
Family = Callable[[Rng], Pose]
Arms = tuple[Arm, Arm]
Reaches = tuple[Reach | None, Reach | None]

TRIES = 5
GRAZE = 0.03  # metres of capsule overlap that soft bodies and capsules that are too thick explain


def _n(rng: Rng, mean: float, spread: float) -> float:
    return float(rng.normal(mean, spread))


def _u(rng: Rng, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


# ---- hands -----------------------------------------------------------------------------------------------------------


def _even(curl: float) -> tuple[float, float, float, float, float]:
    return (curl * 0.6, curl, curl, curl, curl)


def sample_hand(rng: Rng, kind: str | None = None) -> Hand:
    """relaxed, open, flat, fist, grip, point, two (a V), thumb; drawn at random when not given."""
    kinds = ("relaxed", "open", "flat", "fist", "grip", "point", "two", "thumb")
    kind = kind or str(rng.choice(kinds, p=[0.46, 0.14, 0.1, 0.1, 0.1, 0.05, 0.025, 0.025]))
    if kind == "relaxed":
        base = _u(rng, 2, 28)
        return Hand(tuple(base * s + _n(rng, 0, 4) for s in (0.4, 0.7, 0.9, 1.1, 1.25)), _u(rng, -1, 3))
    if kind in ("open", "flat"):
        return Hand(_even(_u(rng, -14, -4)), _u(rng, 3, 9) if kind == "open" else 0.0)
    if kind == "fist":
        return Hand((45.0, *[_u(rng, 68, 78)] * 4), 0.0)
    if kind == "grip":
        return Hand((25.0, *[_u(rng, 38, 60)] * 4), 0.0)
    bent = _u(rng, 62, 75)
    straight = {"point": (1,), "two": (1, 2), "thumb": (0,)}[kind]
    curl = [40.0, bent, bent, bent, bent]
    for finger in straight:
        curl[finger] = -6.0
    return Hand(tuple(curl), 5.0 if kind == "two" else 0.0)  # type: ignore[arg-type]


# ---- arms of a standing or sitting person ----------------------------------------------------------------------------


def _hang(rng: Rng) -> Arm:
    return Arm(_u(rng, 4, 20), _n(rng, 20, 25), _n(rng, 25, 12), _u(rng, 5, 35), _n(rng, 15, 25), _n(rng, 0, 8))


def _bent(rng: Rng) -> Arm:
    """Forearm in front: holding something, a telephone, gesturing while talking."""
    return Arm(_u(rng, 8, 40), _n(rng, 60, 25), _n(rng, 25, 22), _u(rng, 60, 120), _n(rng, 10, 35), _n(rng, 0, 15))


def _wave(rng: Rng) -> Arm:
    return Arm(_u(rng, 60, 130), _n(rng, 25, 15), _n(rng, -65, 12), _u(rng, 50, 120), _n(rng, 40, 25), _n(rng, -5, 12))


def _point(rng: Rng) -> Arm:
    return Arm(_u(rng, 55, 115), _u(rng, 0, 110), _n(rng, 10, 20), _u(rng, 0, 30), _n(rng, 50, 20), _n(rng, 0, 8))


def _up(rng: Rng) -> Arm:
    return Arm(_u(rng, 135, 172), _u(rng, 20, 100), _n(rng, -40, 20), _u(rng, 3, 60), _n(rng, 10, 30))


def _spread_arm(rng: Rng) -> Arm:
    return Arm(_u(rng, 50, 100), _n(rng, 10, 18), _n(rng, -10, 25), _u(rng, 3, 45), _n(rng, 30, 30))


def _jittered(rng: Rng, reach: Reach, spread: float = 0.015) -> Reach:
    return replace(reach, offset=tuple(float(v + rng.normal(0, spread)) for v in reach.offset))


ON_HIP = Reach("upperleg01", (0.085, 0.0, 0.13), (0.9, 0.35, 0.0))
IN_POCKET = Reach("upperleg01", (0.085, -0.02, 0.02), (0.6, 0.75, 0.0))
ON_THIGH = Reach("lowerleg01", (0.0, -0.08, 0.14), (0.8, 0.5, -0.3))
ON_KNEE = Reach("lowerleg01", (0.01, -0.12, 0.05), (0.8, 0.4, -0.2))
AT_EAR = Reach("head", (0.12, 0.01, -0.03), (0.75, -0.2, -0.6))
AT_CHIN = Reach("head", (0.04, -0.17, -0.11), (0.6, -0.2, -0.8))
ON_HEAD = Reach("head", (0.10, 0.0, 0.20), (0.95, 0.0, 0.1))
AT_EYES = Reach("head", (0.05, -0.22, 0.03), (0.75, -0.3, -0.6))
BELLY = Reach("spine04", (0.05, -0.24, -0.02), (0.8, 0.5, -0.3))
CHEST = Reach("spine02", (0.07, -0.26, 0.0), (0.75, 0.4, -0.6))
CROSSED = Reach("spine03", (-0.07, -0.22, 0.04), (0.8, 0.15, -0.5))
BEHIND = Reach("root", (0.02, 0.17, 0.06), (0.7, 0.7, 0.0))
HOLD = Reach("spine03", (0.12, -0.34, 0.02), (0.8, 0.4, -0.5))
LAP = Reach("root", (0.05, -0.30, 0.02), (0.8, 0.5, -0.2))
SHADE = Reach("head", (0.13, -0.17, 0.10), (0.9, -0.1, -0.2))


def _standing_arms(rng: Rng) -> tuple[Arms, Reaches, tuple[Hand, Hand]]:
    hands = (sample_hand(rng), sample_hand(rng))
    kind = str(rng.choice(("hang", "one", "both", "free"), p=[0.34, 0.36, 0.18, 0.12]))
    left, right = _hang(rng), _hang(rng)
    if kind == "hang":
        return (left, right), (None, None), (sample_hand(rng, "relaxed"), sample_hand(rng, "relaxed"))
    if kind == "one":
        return _one_arm(rng, left, right, hands)
    if kind == "free":
        free = [_bent, _spread_arm, _point, _up]
        return (free[rng.integers(4)](rng), free[rng.integers(2)](rng)), (None, None), hands
    places = (ON_HIP, IN_POCKET, CHEST, BELLY, CROSSED, BEHIND, HOLD, ON_HEAD)
    place = places[rng.choice(len(places), p=[0.2, 0.17, 0.1, 0.13, 0.13, 0.07, 0.15, 0.05])]
    shift = (0.0, -0.045, 0.05) if place is CROSSED else (0.0, 0.0, 0.02) if place in (BELLY, BEHIND) else (0.0, 0.0, 0.0)
    second = replace(place, offset=tuple(a + b for a, b in zip(place.offset, shift, strict=True)))
    return (left, right), (_jittered(rng, place), _jittered(rng, second)), hands


def _one_arm(rng: Rng, left: Arm, right: Arm, hands: tuple[Hand, Hand]) -> tuple[Arms, Reaches, tuple[Hand, Hand]]:
    choices: tuple[tuple[Family | Callable[[Rng], Arm] | Reach, str | None], ...] = (
        (_bent, None), (_wave, "open"), (_point, "point"), (ON_HIP, None), (IN_POCKET, "relaxed"), (AT_EAR, "grip"),
        (AT_CHIN, "relaxed"), (HOLD, "grip"), (ON_HEAD, "relaxed"), (SHADE, "flat"), (BELLY, None),
    )  # fmt: skip
    chosen, kind = choices[rng.choice(len(choices), p=[0.26, 0.07, 0.06, 0.14, 0.14, 0.09, 0.06, 0.1, 0.03, 0.02, 0.03])]
    hand = sample_hand(rng, kind)
    if isinstance(chosen, Reach):
        return (left, right), (_jittered(rng, chosen), None), (hand, hands[1])
    return (chosen(rng), right), (None, None), (hand, hands[1])  # type: ignore[return-value]


def _look(rng: Rng, spread: float = 1.0) -> Bend:
    return Bend(_n(rng, 4, 9 * spread), _n(rng, 0, 5 * spread), _n(rng, 0, 20 * spread))


# ---- families --------------------------------------------------------------------------------------------------------


def standing(rng: Rng) -> Pose:
    """Upright, weight on both legs or on the left one with the right knee eased."""
    arms, reaches, hands = _standing_arms(rng)
    if rng.random() < 0.55:  # contrapposto
        sink = _u(rng, 1, 6)
        legs = (
            Leg(-1, _n(rng, 2, 2) - sink, _n(rng, 8, 5), _u(rng, 0, 3)),
            Leg(_u(rng, 6, 22), _n(rng, 9, 4) + sink, _n(rng, 16, 8), _u(rng, 12, 42)),
        )
        spine, roll = Bend(_n(rng, 0, 4), -1.6 * sink, _n(rng, 0, 6)), sink
    else:
        width = _u(rng, 0, 12)
        legs = (
            Leg(_n(rng, 0, 3), width, _n(rng, 8, 5), _u(rng, 0, 8)),
            Leg(_n(rng, 0, 3), width, _n(rng, 8, 5), _u(rng, 0, 8)),
        )
        spine, roll = Bend(_n(rng, 0, 5), _n(rng, 0, 3), _n(rng, 0, 7)), 0.0
    return Pose("standing", spine, _look(rng), arms, legs, hands, reaches, (_n(rng, 0, 2), roll))


def leaning(rng: Rng) -> Pose:
    """Standing, ankles crossed or one foot ahead, the trunk leaning on something."""
    pose = standing(rng)
    legs = (Leg(_n(rng, 4, 3), -7, 5, 4), Leg(_n(rng, 14, 4), -10, 14, _u(rng, 5, 20), 10))
    return replace(pose, family="standing", legs=legs, spine=Bend(_n(rng, 0, 5), _n(rng, 6, 5), _n(rng, 0, 6)))


def walking(rng: Rng) -> Pose:
    """One phase of a walk: legs and arms opposed."""
    phase, stride = _u(rng, 0, 2 * np.pi), _u(rng, 0.6, 1.15)
    legs, arms = [], []
    for shift in (0.0, np.pi):
        s, c = np.sin(phase + shift), np.cos(phase + shift)
        knee = 6 + 12 * stride + 45 * stride * max(c, 0.0) ** 2 * (0.6 + 0.4 * -s)
        legs.append(Leg(6 + 25 * stride * s, _n(rng, 1, 1.5), _n(rng, 7, 4), knee, None if c < 0.2 else 5.0, 0.0))
        swing = -s * 26 * stride
        arms.append(Arm(abs(swing) + 4, 85 if swing > 0 else -70, _n(rng, 15, 8), _u(rng, 8, 25) + max(swing, 0), _n(rng, 5, 15)))
    spine = Bend(_n(rng, 3, 3), 0, 5 * stride * np.sin(phase))
    reaches: Reaches = (None, None)
    hands = (sample_hand(rng, "relaxed"), sample_hand(rng))
    if rng.random() < 0.3:  # carries, phones or has a hand in a pocket
        _, reaches, _ = _one_arm(rng, arms[0], arms[1], hands)
    return Pose("walking", spine, _look(rng, 0.8), (arms[0], arms[1]), (legs[0], legs[1]), hands, reaches, (2, 0))


def running(rng: Rng) -> Pose:
    """One phase of a run: bent arms, high heel, trunk ahead."""
    phase, stride = _u(rng, 0, 2 * np.pi), _u(rng, 0.7, 1.2)
    legs, arms = [], []
    for shift in (0.0, np.pi):
        s, c = np.sin(phase + shift), np.cos(phase + shift)
        knee = 18 + 88 * stride * max(c * 0.8 - 0.45 * s, 0.0)
        legs.append(Leg(18 + 44 * stride * s, _n(rng, 0, 2), _n(rng, 4, 4), knee, 18.0 if s < 0 else -5.0))
        swing = -s * 45 * stride
        plane = 80.0 if swing > 0 else -62.0
        arms.append(Arm(abs(swing) * (1.0 if swing > 0 else 1.15) + 5, plane, _n(rng, 22, 8), _n(rng, 90, 10), _n(rng, 5, 12)))
    spine = Bend(_n(rng, 6, 4), 0, 10 * np.sin(phase))
    hands = (sample_hand(rng, str(rng.choice(["fist", "relaxed", "grip"]))),) * 2
    lift = 0.08 * abs(np.sin(phase))
    return Pose("running", spine, _look(rng, 0.6), (arms[0], arms[1]), (legs[0], legs[1]), hands, tilt=(_u(rng, 4, 14), 0), lift=lift)


def sitting(rng: Rng) -> Pose:
    """On a chair or bench: knees together, apart, one leg over the other, feet under or ahead."""
    knee, width = _u(rng, 65, 112), _u(rng, -1, 20)
    slump = _u(rng, -8, 25)
    hip = 88 + _n(rng, 0, 5)
    legs = [Leg(hip, width, _n(rng, 4, 6), knee), Leg(hip + _n(rng, 0, 4), width + _n(rng, 0, 3), _n(rng, 4, 6), knee + _n(rng, 0, 12))]
    style = rng.random()
    if style < 0.18:  # right knee over left
        legs = [Leg(hip, 3, 0, knee), Leg(hip + 17, -14, 10, _u(rng, 75, 105), _u(rng, 10, 30))]
    elif style < 0.28:  # right ankle on left knee
        legs = [Leg(hip, 8, 0, knee), Leg(hip - 2, 33, 50, _u(rng, 92, 108), 5)]
    arms, reaches, hands = _sitting_arms(rng)
    return Pose(
        "sitting", Bend(slump, _n(rng, 0, 4), _n(rng, 0, 8)), Bend(_n(rng, 4 - slump * 0.3, 9), _n(rng, 0, 5), _n(rng, 0, 20)),
        arms, (legs[0], legs[1]), hands, reaches, (_u(rng, -18, 8), 0),
    )  # fmt: skip


def _sitting_arms(rng: Rng) -> tuple[Arms, Reaches, tuple[Hand, Hand]]:
    hands = (sample_hand(rng, "relaxed"), sample_hand(rng))
    arms = (_bent(rng), _bent(rng))
    kind = str(rng.choice(("thighs", "lap", "table", "one", "standing"), p=[0.32, 0.16, 0.22, 0.18, 0.12]))
    if kind == "standing":
        return _standing_arms(rng)
    if kind == "one":
        place = (AT_CHIN, AT_EAR, HOLD, AT_EYES)[rng.integers(4)]
        return arms, (_jittered(rng, place), _jittered(rng, ON_THIGH)), (sample_hand(rng, "grip"), hands[0])
    place = {"thighs": ON_THIGH, "lap": LAP, "table": HOLD}[kind]
    return arms, (_jittered(rng, place, 0.02), _jittered(rng, place, 0.02)), hands


def floor_sitting(rng: Rng) -> Pose:
    """On the ground: cross-legged, knees up, legs stretched or legs to one side."""
    style = str(rng.choice(("crossed", "knees", "long", "side")))
    arms, reaches, hands = _sitting_arms(rng)
    legs = {
        "crossed": (Leg(88, 42, 50, 128, 25), Leg(96, 40, 48, 122, 25)),
        "knees": (Leg(118, 6, 0, _u(rng, 95, 125)), Leg(118, 8, 0, _u(rng, 95, 125))),
        "long": (Leg(_u(rng, 78, 90), _u(rng, 2, 18), 8, _u(rng, 0, 20), 10), Leg(_u(rng, 78, 90), _u(rng, 2, 18), 8, 5, 10)),
        "side": (Leg(84, 20, 48, 118, 30), Leg(82, 12, -34, 128, 35)),
    }[style]
    support = rng.random() < 0.35 and style != "crossed"
    if support:  # hands on the ground behind
        behind = Arm(42, -65, -20, 8, 70, -50)
        arms, reaches, hands = (behind, behind), (None, None), (Hand(_even(-8.0), 5), Hand(_even(-8.0), 5))
    elif style == "knees":
        reaches = (_jittered(rng, ON_KNEE), _jittered(rng, ON_KNEE))
    lean = -24.0 if support else _u(rng, -10, 6)
    spine = Bend(_u(rng, 5, 25) if support else _u(rng, 8, 32), _n(rng, 0, 4), _n(rng, 0, 8))
    return Pose("floor_sitting", spine, _look(rng), arms, legs, hands, reaches, (lean, 0))


def squatting(rng: Rng) -> Pose:
    """Deep squat or a crouch half way."""
    deep = _u(rng, 0.45, 1.0)
    legs = (Leg(118 * deep, _u(rng, 6, 28), _u(rng, 5, 25), 138 * deep), Leg(118 * deep, _u(rng, 6, 28), _u(rng, 5, 25), 138 * deep))
    reaches: Reaches = (_jittered(rng, ON_KNEE), _jittered(rng, ON_KNEE)) if rng.random() < 0.4 else (None, None)
    arms = (_bent(rng), _bent(rng))
    tilt = 32 * deep + _n(rng, 0, 4)
    return Pose(
        "squatting", Bend(_u(rng, 0, 25), 0, _n(rng, 0, 6)), Bend(-0.5 * tilt + _n(rng, 6, 8), 0, _n(rng, 0, 18)), arms, legs,
        (sample_hand(rng), sample_hand(rng)), reaches, (tilt, 0),
    )  # fmt: skip


def kneeling(rng: Rng) -> Pose:
    """On both knees, sitting on the heels, or on one knee."""
    arms, reaches, hands = _standing_arms(rng)
    style = rng.random()
    if style < 0.45:
        legs = (Leg(_u(rng, 85, 95), 8, 5, _u(rng, 85, 100)), Leg(_n(rng, 0, 4), 5, 3, _u(rng, 88, 102), 35, 35))
    elif style < 0.75:
        legs = (Leg(5, 8, 3, 95, 40), Leg(5, 8, 3, 95, 40))
    else:
        legs = (Leg(78, 10, 4, 148, 48), Leg(78, 10, 4, 148, 48))
    return Pose("kneeling", Bend(_u(rng, -2, 18), _n(rng, 0, 4), _n(rng, 0, 7)), _look(rng), arms, legs, hands, reaches)


def bending(rng: Rng) -> Pose:
    """Bowing to pick up, to tie a shoe, to look at something low."""
    bend = _u(rng, 25, 85)
    knee = _u(rng, 0, 35)
    low = Arm(_u(rng, 50, 85), _n(rng, 85, 12), _n(rng, 15, 12), _u(rng, 5, 50), _n(rng, 20, 30))
    other = low if rng.random() < 0.6 else _hang(rng)
    legs = (Leg(bend * 0.75 + knee * 0.5, _u(rng, 2, 10), 6, knee), Leg(bend * 0.75 + knee * 0.3, _u(rng, 2, 10), 6, knee * 0.8))
    reaches: Reaches = (_jittered(rng, ON_KNEE), _jittered(rng, ON_KNEE)) if rng.random() < 0.25 else (None, None)
    return Pose(
        "bending", Bend(bend * 0.5, _n(rng, 0, 5), _n(rng, 0, 8)), Bend(_n(rng, -5, 14), 0, _n(rng, 0, 15)), (low, other), legs,
        (sample_hand(rng), sample_hand(rng)), reaches, (bend * 0.72, 0),
    )  # fmt: skip


def reaching(rng: Rng) -> Pose:
    """Arms up: to a shelf, cheering, stretching."""
    pose = standing(rng)
    arms = (_up(rng), _up(rng) if rng.random() < 0.55 else _hang(rng))
    hands = (sample_hand(rng), sample_hand(rng))
    return replace(
        pose, family="reaching", arms=arms, reaches=(None, None), hands=hands, neck=Bend(_n(rng, -15, 10), 0, _n(rng, 0, 14))
    )


def jumping(rng: Rng) -> Pose:
    """In the air: tucked, star-like or a leap."""
    style = rng.random()
    arms = (_up(rng), _up(rng)) if rng.random() < 0.6 else (_spread_arm(rng), _spread_arm(rng))
    if style < 0.4:
        knee = _u(rng, 50, 110)
        legs = (Leg(_u(rng, 20, 60), 8, 5, knee, 30), Leg(_u(rng, 20, 60), 8, 5, knee, 30))
    elif style < 0.7:
        legs = (Leg(_n(rng, 0, 8), _u(rng, 20, 42), 8, _u(rng, 0, 30), 30), Leg(_n(rng, 0, 8), _u(rng, 20, 42), 8, _u(rng, 0, 30), 30))
    else:
        legs = (Leg(_u(rng, 50, 90), 5, 5, _u(rng, 5, 60), 25), Leg(_u(rng, -25, 0), 5, 12, _u(rng, 10, 80), 35))
    spine = Bend(_n(rng, -3, 8), _n(rng, 0, 5), _n(rng, 0, 9))
    hands = (sample_hand(rng), sample_hand(rng))
    return Pose("jumping", spine, _look(rng), arms, legs, hands, tilt=(_n(rng, 0, 8), _n(rng, 0, 5)), lift=_u(rng, 0.1, 0.5))


def lunging(rng: Rng) -> Pose:
    """Tennis, fencing, martial arts, yoga warrior: a long step with the left foot, arms at work."""
    depth = _u(rng, 0.4, 1.0)
    legs = (Leg(82 * depth, _u(rng, 2, 25), _u(rng, 0, 30), 78 * depth), Leg(-22 * depth, _u(rng, 8, 28), 12, _u(rng, 5, 50) * depth))
    makers = (_bent, _spread_arm, _point, _up, _wave)
    arms = (makers[rng.integers(5)](rng), makers[rng.integers(5)](rng))
    spine = Bend(_n(rng, 8, 9), _n(rng, 0, 8), _n(rng, 0, 18))
    hands = (sample_hand(rng), sample_hand(rng, "grip"))
    return Pose("lunging", spine, _look(rng), arms, legs, hands, tilt=(_u(rng, 0, 18), _n(rng, 0, 5)))


def swinging(rng: Rng) -> Pose:
    """Both hands on a bat, club or racket; the trunk turned."""
    turn = _u(rng, -40, 40)
    knee = _u(rng, 10, 45)
    arm = Arm(_u(rng, 30, 105), 95 + turn * 0.5, _n(rng, 15, 10), _u(rng, 15, 70), 30)
    legs = (Leg(knee * 0.7, _u(rng, 10, 24), _u(rng, 5, 25), knee), Leg(knee * 0.6, _u(rng, 10, 24), _u(rng, 0, 20), knee))
    place = Reach("spine02", (-0.02 + 0.006 * turn, -0.42, _u(rng, -0.25, 0.35)), (0.8, 0.3, -0.5))
    other = replace(place, offset=(0.04 - 0.006 * turn, place.offset[1] + 0.02, place.offset[2] - 0.08))
    spine = Bend(_u(rng, 5, 28), _n(rng, 0, 7), turn)
    hands = (sample_hand(rng, "grip"), sample_hand(rng, "grip"))
    return Pose("swinging", spine, Bend(_n(rng, 5, 8), 0, -turn * 0.8), (arm, arm), legs, hands, (place, other), (_u(rng, 5, 25), 0))


def throwing(rng: Rng) -> Pose:
    """The left arm cocked or following through, the right one balancing, a stride."""
    cocked = rng.random() < 0.55
    arm = (
        Arm(_n(rng, 95, 12), _n(rng, -8, 12), _n(rng, -65, 12), _n(rng, 85, 18), 30)
        if cocked
        else Arm(_n(rng, 100, 20), _n(rng, 85, 20), 10, _u(rng, 5, 45), 40)
    )
    turn = -_u(rng, -30, -5) if cocked else _u(rng, -35, -5)
    legs = (Leg(-12 if cocked else 15, 14, 20, _u(rng, 8, 40)), Leg(_u(rng, 10, 70), 8, 5, _u(rng, 5, 80)))
    hands = (sample_hand(rng, "grip"), sample_hand(rng))
    spine = Bend(_n(rng, 2, 8), _n(rng, -5, 7), turn)
    return Pose("throwing", spine, Bend(0, 0, -turn * 0.8), (arm, _spread_arm(rng)), legs, hands, tilt=(_n(rng, 4, 8), _n(rng, 0, 6)))


def boarding(rng: Rng) -> Pose:
    """On a skateboard, surfboard or snowboard: side-on, knees bent, arms out to balance."""
    knee = _u(rng, 25, 95)
    legs = (Leg(knee * 0.75, _u(rng, 12, 30), _u(rng, 5, 25), knee), Leg(knee * 0.7, _u(rng, 12, 30), _u(rng, 0, 20), knee * _u(rng, 0.7, 1.1)))
    arms = (_spread_arm(rng), _spread_arm(rng) if rng.random() < 0.6 else _bent(rng))
    spine = Bend(_u(rng, 5, 40), _n(rng, 0, 9), _u(rng, -5, 35))
    hands = (sample_hand(rng), sample_hand(rng))
    neck = Bend(_n(rng, -5, 8), 0, _u(rng, 20, 65))
    return Pose("boarding", spine, neck, arms, legs, hands, tilt=(_u(rng, 5, 28), _n(rng, 0, 10)), lift=_u(rng, 0, 0.3))


def skiing(rng: Rng) -> Pose:
    """Ski stance: parallel shins, hands ahead on poles, leaning into the turn."""
    knee = _u(rng, 25, 85)
    legs = (Leg(knee * 0.85, 6, 4, knee, -15), Leg(knee * 0.85 + _n(rng, 0, 6), 6, 4, knee + _n(rng, 0, 6), -15))
    arms = (
        Arm(_u(rng, 25, 60), _u(rng, 25, 75), 15, _u(rng, 45, 100), 20),
        Arm(_u(rng, 25, 60), _u(rng, 25, 75), 15, _u(rng, 45, 100), 20),
    )
    spine, lean = Bend(_u(rng, 10, 40), _n(rng, 0, 8), _n(rng, 0, 8)), _n(rng, 0, 14)
    hands = (sample_hand(rng, "grip"),) * 2
    return Pose("skiing", spine, Bend(_n(rng, -12, 8), 0, 0), arms, legs, hands, tilt=(_u(rng, 5, 25), lean))


def kicking(rng: Rng) -> Pose:
    """The left leg swings at a ball or up high; arms out."""
    high = _u(rng, -25, 95)
    legs = (Leg(high, _u(rng, 0, 20), 5, _u(rng, 5, 30) if high > 20 else _u(rng, 40, 95), 28), Leg(_n(rng, 4, 4), 6, 12, _u(rng, 5, 28)))
    spine = Bend(_n(rng, -4, 10), _n(rng, 0, 6), _n(rng, 0, 15))
    hands = (sample_hand(rng), sample_hand(rng))
    return Pose("kicking", spine, _look(rng), (_spread_arm(rng), _spread_arm(rng)), legs, hands, tilt=(_n(rng, -6, 7), _n(rng, 0, 7)))


def riding(rng: Rng) -> Pose:
    """On a bicycle, motorcycle or horse: hands on the bar or the reins."""
    bicycle = rng.random() < 0.6
    lean = _u(rng, 15, 48) if bicycle else _u(rng, 0, 12)
    phase = _u(rng, 0, 2 * np.pi)
    thigh = (lean + 58 + 22 * np.sin(phase), lean + 58 - 22 * np.sin(phase)) if bicycle else (72.0, 72.0)
    knee = (70 + 33 * np.sin(phase), 70 - 33 * np.sin(phase)) if bicycle else (72.0, 72.0)
    width = 4.0 if bicycle else 26.0
    legs = (Leg(thigh[0], width, 5, knee[0], 5), Leg(thigh[1], width, 5, knee[1], 5))
    place = Reach("spine03", (0.17, -0.45, _u(rng, -0.12, 0.05)), (0.8, 0.2, -0.6))
    neck = Bend(-lean * 0.7 + _n(rng, 5, 6), 0, _n(rng, 0, 12))
    hands = (sample_hand(rng, "grip"),) * 2
    return Pose("riding", Bend(_u(rng, 5, 25), 0, 0), neck, legs=legs, hands=hands, reaches=(place, place), tilt=(lean, 0), lift=0.4)


def lying(rng: Rng) -> Pose:
    """On the back, the belly or one side."""
    style = rng.random()
    pitch, roll = (-90.0, 0.0) if style < 0.5 else (90.0, 0.0) if style < 0.7 else (0.0, 90.0)
    bend = _u(rng, 0, 60)
    legs = (Leg(bend * 0.6, 6, 10, bend, 25), Leg(_u(rng, 0, 30), 8, 10, _u(rng, 0, 40), 25))
    makers = (_hang, _bent, _spread_arm, _up)
    arms = (makers[rng.integers(4)](rng), makers[rng.integers(4)](rng))
    reaches: Reaches = (_jittered(rng, ON_HEAD), None) if rng.random() < 0.3 and pitch < 0 else (None, None)
    hands = (sample_hand(rng, "relaxed"), sample_hand(rng))
    return Pose("lying", Bend(_n(rng, 0, 6), _n(rng, 0, 6), _n(rng, 0, 6)), _look(rng), arms, legs, hands, reaches, (pitch, roll))


def crawling(rng: Rng) -> Pose:
    """On hands and knees."""
    hip = _u(rng, 75, 100)
    legs = (Leg(hip, 6, 4, _u(rng, 80, 100), 40), Leg(hip + _n(rng, 0, 10), 6, 4, _u(rng, 80, 100), 40))
    arm = Arm(_u(rng, 80, 98), 88, 10, _u(rng, 0, 15), 80, -55)
    hands = (Hand(_even(-8.0), 4),) * 2
    return Pose("crawling", Bend(_n(rng, 0, 8), 0, 0), Bend(_u(rng, -40, 5), 0, _n(rng, 0, 15)), (arm, arm), legs, hands, tilt=(86, 0))


FAMILIES: dict[Family, float] = {
    standing: 0.33, leaning: 0.04, walking: 0.11, running: 0.05, sitting: 0.14, floor_sitting: 0.03, squatting: 0.025,
    kneeling: 0.02, bending: 0.03, reaching: 0.03, jumping: 0.02, lunging: 0.035, swinging: 0.03, throwing: 0.025,
    boarding: 0.03, skiing: 0.015, kicking: 0.02, riding: 0.02, lying: 0.02, crawling: 0.01,
}  # fmt: skip


def draw_pose(rng: Rng) -> Pose:
    """A family by its share, its angles, a gaze, a mirror image half of the time."""
    families = list(FAMILIES)
    share = np.array([FAMILIES[f] for f in families])
    pose = families[rng.choice(len(families), p=share / share.sum())](rng)
    pose = replace(pose, gaze=(_n(rng, 0, 9), _n(rng, -3, 6)))
    return mirrored(pose) if rng.random() < 0.5 else pose


def sample_pose(rng: Rng, rig: Rig) -> tuple[Array, Pose]:
    """Delta rotations (J, 3, 3) float32 and the pose taken: the first of a few draws without gross self-contact,
    else the one with the least."""
    best: tuple[float, Array, Pose] | None = None
    for _ in range(TRIES):
        rotations, pose = bone_rotations(draw_pose(rng), rig)
        depth = penetration(rig, rotations)
        if best is None or depth < best[0]:
            best = (depth, rotations, pose)
        if depth < GRAZE:
            break
    assert best is not None
    return best[1], best[2]

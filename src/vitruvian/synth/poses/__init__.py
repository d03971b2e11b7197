"""A library of plausible poses: parametrised families with jitter, mixed as everyday photographs mix them.

`sample_pose(rng, rig)` draws a family, its angles, a mirror image and the hands, and rejects gross self-contact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from vitruvian.synth.poses.athletics import boarding, jumping, kicking, lunging, reaching, riding, skiing, swinging, throwing
from vitruvian.synth.poses.contact import penetration
from vitruvian.synth.poses.gestures import (
    AT_CHIN,
    AT_EAR,
    AT_EYES,
    HOLD,
    LAP,
    ON_HEAD,
    ON_KNEE,
    ON_THIGH,
    Arms,
    Hands,
    Reaches,
    Rng,
    bent,
    between,
    even,
    hanging,
    jittered,
    look,
    normal,
    one_arm,
    outstretched,
    raised,
    sample_hand,
    standing_arms,
)
from vitruvian.synth.poses.posing import Rig, bone_rotations
from vitruvian.synth.poses.posture import Arm, Bend, Hand, Leg, Pose, mirrored
from vitruvian.types import Array

Family = Callable[[Rng], Pose]

TRIES = 5
GRAZE = 0.03  # metres of capsule overlap that soft bodies and capsules that are too thick explain


def standing(rng: Rng) -> Pose:
    """Upright, weight on both legs or on the left one with the right knee eased."""
    arms, reaches, hands = standing_arms(rng)
    if rng.random() < 0.55:  # contrapposto
        sink = between(rng, 1, 6)
        legs = (
            Leg(-1, normal(rng, 2, 2) - sink, normal(rng, 8, 5), between(rng, 0, 3)),
            Leg(between(rng, 6, 22), normal(rng, 9, 4) + sink, normal(rng, 16, 8), between(rng, 12, 42)),
        )
        spine, roll = Bend(normal(rng, 0, 4), -1.6 * sink, normal(rng, 0, 6)), sink
    else:
        width = between(rng, 0, 12)
        legs = (
            Leg(normal(rng, 0, 3), width, normal(rng, 8, 5), between(rng, 0, 8)),
            Leg(normal(rng, 0, 3), width, normal(rng, 8, 5), between(rng, 0, 8)),
        )
        spine, roll = Bend(normal(rng, 0, 5), normal(rng, 0, 3), normal(rng, 0, 7)), 0.0
    return Pose("standing", spine, look(rng), arms, legs, hands, reaches, (normal(rng, 0, 2), roll))


def leaning(rng: Rng) -> Pose:
    """Standing, ankles crossed or one foot ahead, the trunk leaning on something."""
    pose = standing(rng)
    legs = (Leg(normal(rng, 4, 3), -7, 5, 4), Leg(normal(rng, 14, 4), -10, 14, between(rng, 5, 20), 10))
    return replace(pose, family="standing", legs=legs, spine=Bend(normal(rng, 0, 5), normal(rng, 6, 5), normal(rng, 0, 6)))


def walking(rng: Rng) -> Pose:
    """One phase of a walk: legs and arms opposed."""
    phase, stride = between(rng, 0, 2 * np.pi), between(rng, 0.6, 1.15)
    legs, arms = [], []
    for shift in (0.0, np.pi):
        s, c = np.sin(phase + shift), np.cos(phase + shift)
        knee = 6 + 12 * stride + 45 * stride * max(c, 0.0) ** 2 * (0.6 + 0.4 * -s)
        legs.append(Leg(6 + 25 * stride * s, normal(rng, 1, 1.5), normal(rng, 7, 4), knee, None if c < 0.2 else 5.0, 0.0))
        swing = -s * 26 * stride
        arms.append(
            Arm(
                abs(swing) + 4,
                85 if swing > 0 else -70,
                normal(rng, 15, 8),
                between(rng, 8, 25) + max(swing, 0),
                normal(rng, 5, 15),
            )
        )
    spine = Bend(normal(rng, 3, 3), 0, 5 * stride * np.sin(phase))
    reaches: Reaches = (None, None)
    hands = (sample_hand(rng, "relaxed"), sample_hand(rng))
    if rng.random() < 0.3:  # carries, phones or has a hand in a pocket
        _, reaches, _ = one_arm(rng, arms[0], arms[1], hands)
    return Pose("walking", spine, look(rng, 0.8), (arms[0], arms[1]), (legs[0], legs[1]), hands, reaches, (2, 0))


def running(rng: Rng) -> Pose:
    """One phase of a run: bent arms, high heel, trunk ahead."""
    phase, stride = between(rng, 0, 2 * np.pi), between(rng, 0.7, 1.2)
    legs, arms = [], []
    for shift in (0.0, np.pi):
        s, c = np.sin(phase + shift), np.cos(phase + shift)
        knee = 18 + 88 * stride * max(c * 0.8 - 0.45 * s, 0.0)
        legs.append(Leg(18 + 44 * stride * s, normal(rng, 0, 2), normal(rng, 4, 4), knee, 18.0 if s < 0 else -5.0))
        swing = -s * 45 * stride
        plane = 80.0 if swing > 0 else -62.0
        arms.append(
            Arm(
                abs(swing) * (1.0 if swing > 0 else 1.15) + 5,
                plane,
                normal(rng, 22, 8),
                normal(rng, 90, 10),
                normal(rng, 5, 12),
            )
        )
    spine = Bend(normal(rng, 6, 4), 0, 10 * np.sin(phase))
    hands = (sample_hand(rng, str(rng.choice(["fist", "relaxed", "grip"]))),) * 2
    lift = 0.08 * abs(np.sin(phase))
    return Pose(
        "running",
        spine,
        look(rng, 0.6),
        (arms[0], arms[1]),
        (legs[0], legs[1]),
        hands,
        tilt=(between(rng, 4, 14), 0),
        lift=lift,
    )


def sitting(rng: Rng) -> Pose:
    """On a chair or bench: knees together, apart, one leg over the other, feet under or ahead."""
    knee, width = between(rng, 65, 112), between(rng, -1, 20)
    slump = between(rng, -8, 25)
    hip = 88 + normal(rng, 0, 5)
    legs = [
        Leg(hip, width, normal(rng, 4, 6), knee),
        Leg(hip + normal(rng, 0, 4), width + normal(rng, 0, 3), normal(rng, 4, 6), knee + normal(rng, 0, 12)),
    ]
    style = rng.random()
    if style < 0.18:  # right knee over left
        legs = [Leg(hip, 3, 0, knee), Leg(hip + 17, -14, 10, between(rng, 75, 105), between(rng, 10, 30))]
    elif style < 0.28:  # right ankle on left knee
        legs = [Leg(hip, 8, 0, knee), Leg(hip - 2, 33, 50, between(rng, 92, 108), 5)]
    arms, reaches, hands = _sitting_arms(rng)
    return Pose(
        "sitting",
        Bend(slump, normal(rng, 0, 4), normal(rng, 0, 8)),
        Bend(normal(rng, 4 - slump * 0.3, 9), normal(rng, 0, 5), normal(rng, 0, 20)),
        arms,
        (legs[0], legs[1]),
        hands,
        reaches,
        (between(rng, -18, 8), 0),
    )


def _sitting_arms(rng: Rng) -> tuple[Arms, Reaches, Hands]:
    hands = (sample_hand(rng, "relaxed"), sample_hand(rng))
    arms = (bent(rng), bent(rng))
    kind = str(rng.choice(("thighs", "lap", "table", "one", "standing"), p=[0.32, 0.16, 0.22, 0.18, 0.12]))
    if kind == "standing":
        return standing_arms(rng)
    if kind == "one":
        place = (AT_CHIN, AT_EAR, HOLD, AT_EYES)[rng.integers(4)]
        return arms, (jittered(rng, place), jittered(rng, ON_THIGH)), (sample_hand(rng, "grip"), hands[0])
    place = {"thighs": ON_THIGH, "lap": LAP, "table": HOLD}[kind]
    return arms, (jittered(rng, place, 0.02), jittered(rng, place, 0.02)), hands


def floor_sitting(rng: Rng) -> Pose:
    """On the ground: cross-legged, knees up, legs stretched or legs to one side."""
    style = str(rng.choice(("crossed", "knees", "long", "side")))
    arms, reaches, hands = _sitting_arms(rng)
    legs = {
        "crossed": (Leg(88, 42, 50, 128, 25), Leg(96, 40, 48, 122, 25)),
        "knees": (Leg(118, 6, 0, between(rng, 95, 125)), Leg(118, 8, 0, between(rng, 95, 125))),
        "long": (
            Leg(between(rng, 78, 90), between(rng, 2, 18), 8, between(rng, 0, 20), 10),
            Leg(between(rng, 78, 90), between(rng, 2, 18), 8, 5, 10),
        ),
        "side": (Leg(84, 20, 48, 118, 30), Leg(82, 12, -34, 128, 35)),
    }[style]
    support = rng.random() < 0.35 and style != "crossed"
    if support:  # hands on the ground behind
        behind = Arm(42, -65, -20, 8, 70, -50)
        arms, reaches, hands = (behind, behind), (None, None), (Hand(even(-8.0), 5), Hand(even(-8.0), 5))
    elif style == "knees":
        reaches = (jittered(rng, ON_KNEE), jittered(rng, ON_KNEE))
    lean = -24.0 if support else between(rng, -10, 6)
    spine = Bend(between(rng, 5, 25) if support else between(rng, 8, 32), normal(rng, 0, 4), normal(rng, 0, 8))
    return Pose("floor_sitting", spine, look(rng), arms, legs, hands, reaches, (lean, 0))


def squatting(rng: Rng) -> Pose:
    """Deep squat or a crouch half way."""
    deep = between(rng, 0.45, 1.0)
    legs = (
        Leg(118 * deep, between(rng, 6, 28), between(rng, 5, 25), 138 * deep),
        Leg(118 * deep, between(rng, 6, 28), between(rng, 5, 25), 138 * deep),
    )
    reaches: Reaches = (jittered(rng, ON_KNEE), jittered(rng, ON_KNEE)) if rng.random() < 0.4 else (None, None)
    arms = (bent(rng), bent(rng))
    tilt = 32 * deep + normal(rng, 0, 4)
    return Pose(
        "squatting",
        Bend(between(rng, 0, 25), 0, normal(rng, 0, 6)),
        Bend(-0.5 * tilt + normal(rng, 6, 8), 0, normal(rng, 0, 18)),
        arms,
        legs,
        (sample_hand(rng), sample_hand(rng)),
        reaches,
        (tilt, 0),
    )


def kneeling(rng: Rng) -> Pose:
    """On both knees, sitting on the heels, or on one knee."""
    arms, reaches, hands = standing_arms(rng)
    style = rng.random()
    if style < 0.45:
        legs = (
            Leg(between(rng, 85, 95), 8, 5, between(rng, 85, 100)),
            Leg(normal(rng, 0, 4), 5, 3, between(rng, 88, 102), 35, 35),
        )
    elif style < 0.75:
        legs = (Leg(5, 8, 3, 95, 40), Leg(5, 8, 3, 95, 40))
    else:
        legs = (Leg(78, 10, 4, 148, 48), Leg(78, 10, 4, 148, 48))
    return Pose(
        "kneeling", Bend(between(rng, -2, 18), normal(rng, 0, 4), normal(rng, 0, 7)), look(rng), arms, legs, hands, reaches
    )


def bending(rng: Rng) -> Pose:
    """Bowing to pick up, to tie a shoe, to look at something low."""
    bend = between(rng, 25, 85)
    knee = between(rng, 0, 35)
    low = Arm(between(rng, 50, 85), normal(rng, 85, 12), normal(rng, 15, 12), between(rng, 5, 50), normal(rng, 20, 30))
    other = low if rng.random() < 0.6 else hanging(rng)
    legs = (
        Leg(bend * 0.75 + knee * 0.5, between(rng, 2, 10), 6, knee),
        Leg(bend * 0.75 + knee * 0.3, between(rng, 2, 10), 6, knee * 0.8),
    )
    reaches: Reaches = (jittered(rng, ON_KNEE), jittered(rng, ON_KNEE)) if rng.random() < 0.25 else (None, None)
    return Pose(
        "bending",
        Bend(bend * 0.5, normal(rng, 0, 5), normal(rng, 0, 8)),
        Bend(normal(rng, -5, 14), 0, normal(rng, 0, 15)),
        (low, other),
        legs,
        (sample_hand(rng), sample_hand(rng)),
        reaches,
        (bend * 0.72, 0),
    )


def lying(rng: Rng) -> Pose:
    """On the back, the belly or one side."""
    style = rng.random()
    pitch, roll = (-90.0, 0.0) if style < 0.5 else (90.0, 0.0) if style < 0.7 else (0.0, 90.0)
    bend = between(rng, 0, 60)
    legs = (Leg(bend * 0.6, 6, 10, bend, 25), Leg(between(rng, 0, 30), 8, 10, between(rng, 0, 40), 25))
    makers = (hanging, bent, outstretched, raised)
    arms = (makers[rng.integers(4)](rng), makers[rng.integers(4)](rng))
    reaches: Reaches = (jittered(rng, ON_HEAD), None) if rng.random() < 0.3 and pitch < 0 else (None, None)
    hands = (sample_hand(rng, "relaxed"), sample_hand(rng))
    return Pose(
        "lying",
        Bend(normal(rng, 0, 6), normal(rng, 0, 6), normal(rng, 0, 6)),
        look(rng),
        arms,
        legs,
        hands,
        reaches,
        (pitch, roll),
    )


def crawling(rng: Rng) -> Pose:
    """On hands and knees."""
    hip = between(rng, 75, 100)
    legs = (Leg(hip, 6, 4, between(rng, 80, 100), 40), Leg(hip + normal(rng, 0, 10), 6, 4, between(rng, 80, 100), 40))
    arm = Arm(between(rng, 80, 98), 88, 10, between(rng, 0, 15), 80, -55)
    hands = (Hand(even(-8.0), 4),) * 2
    return Pose(
        "crawling",
        Bend(normal(rng, 0, 8), 0, 0),
        Bend(between(rng, -40, 5), 0, normal(rng, 0, 15)),
        (arm, arm),
        legs,
        hands,
        tilt=(86, 0),
    )


FAMILIES: dict[Family, float] = {
    standing: 0.33, leaning: 0.04, walking: 0.11, running: 0.05, sitting: 0.14, floor_sitting: 0.03, squatting: 0.025,
    kneeling: 0.02, bending: 0.03, reaching: 0.03, jumping: 0.02, lunging: 0.035, swinging: 0.03, throwing: 0.025,
    boarding: 0.03, skiing: 0.015, kicking: 0.02, riding: 0.02, lying: 0.02, crawling: 0.01,
}  # fmt: skip


INFANT: tuple[Family, ...] = (standing, sitting, floor_sitting, crawling, lying)


def draw_pose(rng: Rng, families: Sequence[Family] = tuple(FAMILIES)) -> Pose:
    """One of the families by its share, its angles, a mirror image half of the time."""
    share = np.array([FAMILIES[f] for f in families])
    pose = families[rng.choice(len(families), p=share / share.sum())](rng)
    return mirrored(pose) if rng.random() < 0.5 else pose


def sample_gaze(rng: Rng) -> tuple[float, float]:
    """Degrees that the eyes look to the left and up."""
    return normal(rng, 0, 9), normal(rng, -3, 6)


def sample_pose(
    rng: Rng, rig: Rig, gaze: tuple[float, float] = (0.0, 0.0), families: Sequence[Family] = tuple(FAMILIES)
) -> tuple[Array, Pose]:
    """Delta rotations (J, 3, 3) float32 and the pose taken, of one of the families: the first of a few draws without gross
    self-contact, else the one with the least."""
    best: tuple[float, Array, Pose] | None = None
    for _ in range(TRIES):
        rotations, pose = bone_rotations(replace(draw_pose(rng, families), gaze=gaze), rig)
        depth = penetration(rig, rotations)
        if best is None or depth < best[0]:
            best = (depth, rotations, pose)
        if depth < GRAZE:
            break
    assert best is not None
    return best[1], best[2]

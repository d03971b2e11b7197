"""Dynamic poses: reaching, jumping and sports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vitruvian.synth.poses.gestures import (
    Rng,
    bent,
    between,
    hanging,
    look,
    normal,
    outstretched,
    pointing,
    raised,
    sample_hand,
    waving,
)
from vitruvian.synth.poses.posture import Arm, Bend, Leg, Pose, Reach


def reaching(rng: Rng) -> Pose:
    """Arms up: to a shelf, cheering, stretching."""
    pose = Pose("reaching", Bend(normal(rng, 0, 5), normal(rng, 0, 3), normal(rng, 0, 7)))
    stance = [Leg(normal(rng, 0, 3), between(rng, 0, 12), normal(rng, 8, 5), between(rng, 0, 15)) for _ in range(2)]
    arms = (raised(rng), raised(rng) if rng.random() < 0.55 else hanging(rng))
    hands = (sample_hand(rng), sample_hand(rng))
    return replace(
        pose,
        arms=arms,
        legs=(stance[0], stance[1]),
        hands=hands,
        neck=Bend(normal(rng, -15, 10), 0, normal(rng, 0, 14)),
    )


def jumping(rng: Rng) -> Pose:
    """In the air: tucked, star-like or a leap."""
    style = rng.random()
    arms = (raised(rng), raised(rng)) if rng.random() < 0.6 else (outstretched(rng), outstretched(rng))
    if style < 0.4:
        knee = between(rng, 50, 110)
        legs = (Leg(between(rng, 20, 60), 8, 5, knee, 30), Leg(between(rng, 20, 60), 8, 5, knee, 30))
    elif style < 0.7:
        legs = (
            Leg(normal(rng, 0, 8), between(rng, 20, 42), 8, between(rng, 0, 30), 30),
            Leg(normal(rng, 0, 8), between(rng, 20, 42), 8, between(rng, 0, 30), 30),
        )
    else:
        legs = (
            Leg(between(rng, 50, 90), 5, 5, between(rng, 5, 60), 25),
            Leg(between(rng, -25, 0), 5, 12, between(rng, 10, 80), 35),
        )
    spine = Bend(normal(rng, -3, 8), normal(rng, 0, 5), normal(rng, 0, 9))
    hands = (sample_hand(rng), sample_hand(rng))
    return Pose(
        "jumping", spine, look(rng), arms, legs, hands, tilt=(normal(rng, 0, 8), normal(rng, 0, 5)), lift=between(rng, 0.1, 0.5)
    )


def lunging(rng: Rng) -> Pose:
    """Tennis, fencing, martial arts, yoga warrior: a long step with the left foot, arms at work."""
    depth = between(rng, 0.4, 1.0)
    legs = (
        Leg(82 * depth, between(rng, 2, 25), between(rng, 0, 30), 78 * depth),
        Leg(-22 * depth, between(rng, 8, 28), 12, between(rng, 5, 50) * depth),
    )
    makers = (bent, outstretched, pointing, raised, waving)
    arms = (makers[rng.integers(5)](rng), makers[rng.integers(5)](rng))
    spine = Bend(normal(rng, 8, 9), normal(rng, 0, 8), normal(rng, 0, 18))
    hands = (sample_hand(rng), sample_hand(rng, "grip"))
    return Pose("lunging", spine, look(rng), arms, legs, hands, tilt=(between(rng, 0, 18), normal(rng, 0, 5)))


def swinging(rng: Rng) -> Pose:
    """Both hands on a bat, club or racket; the trunk turned."""
    turn = between(rng, -40, 40)
    knee = between(rng, 10, 45)
    arm = Arm(between(rng, 30, 105), 95 + turn * 0.5, normal(rng, 15, 10), between(rng, 15, 70), 30)
    legs = (
        Leg(knee * 0.7, between(rng, 10, 24), between(rng, 5, 25), knee),
        Leg(knee * 0.6, between(rng, 10, 24), between(rng, 0, 20), knee),
    )
    place = Reach("spine02", (-0.02 + 0.006 * turn, -0.42, between(rng, -0.25, 0.35)), (0.8, 0.3, -0.5))
    other = replace(place, offset=(0.04 - 0.006 * turn, place.offset[1] + 0.02, place.offset[2] - 0.08))
    spine = Bend(between(rng, 5, 28), normal(rng, 0, 7), turn)
    hands = (sample_hand(rng, "grip"), sample_hand(rng, "grip"))
    return Pose(
        "swinging",
        spine,
        Bend(normal(rng, 5, 8), 0, -turn * 0.8),
        (arm, arm),
        legs,
        hands,
        (place, other),
        (between(rng, 5, 25), 0),
    )


def throwing(rng: Rng) -> Pose:
    """The left arm cocked or following through, the right one balancing, a stride."""
    cocked = rng.random() < 0.55
    arm = (
        Arm(normal(rng, 95, 12), normal(rng, -8, 12), normal(rng, -65, 12), normal(rng, 85, 18), 30)
        if cocked
        else Arm(normal(rng, 100, 20), normal(rng, 85, 20), 10, between(rng, 5, 45), 40)
    )
    turn = -between(rng, -30, -5) if cocked else between(rng, -35, -5)
    legs = (Leg(-12 if cocked else 15, 14, 20, between(rng, 8, 40)), Leg(between(rng, 10, 70), 8, 5, between(rng, 5, 80)))
    hands = (sample_hand(rng, "grip"), sample_hand(rng))
    spine = Bend(normal(rng, 2, 8), normal(rng, -5, 7), turn)
    return Pose(
        "throwing",
        spine,
        Bend(0, 0, -turn * 0.8),
        (arm, outstretched(rng)),
        legs,
        hands,
        tilt=(normal(rng, 4, 8), normal(rng, 0, 6)),
    )


def boarding(rng: Rng) -> Pose:
    """On a skateboard, surfboard or snowboard: side-on, knees bent, arms out to balance."""
    knee = between(rng, 25, 95)
    legs = (
        Leg(knee * 0.75, between(rng, 12, 30), between(rng, 5, 25), knee),
        Leg(knee * 0.7, between(rng, 12, 30), between(rng, 0, 20), knee * between(rng, 0.7, 1.1)),
    )
    arms = (outstretched(rng), outstretched(rng) if rng.random() < 0.6 else bent(rng))
    spine = Bend(between(rng, 5, 40), normal(rng, 0, 9), between(rng, -5, 35))
    hands = (sample_hand(rng), sample_hand(rng))
    neck = Bend(normal(rng, -5, 8), 0, between(rng, 20, 65))
    return Pose(
        "boarding", spine, neck, arms, legs, hands, tilt=(between(rng, 5, 28), normal(rng, 0, 10)), lift=between(rng, 0, 0.3)
    )


def skiing(rng: Rng) -> Pose:
    """Ski stance: parallel shins, hands ahead on poles, leaning into the turn."""
    knee = between(rng, 25, 85)
    legs = (Leg(knee * 0.85, 6, 4, knee, -15), Leg(knee * 0.85 + normal(rng, 0, 6), 6, 4, knee + normal(rng, 0, 6), -15))
    arms = (
        Arm(between(rng, 25, 60), between(rng, 25, 75), 15, between(rng, 45, 100), 20),
        Arm(between(rng, 25, 60), between(rng, 25, 75), 15, between(rng, 45, 100), 20),
    )
    spine, lean = Bend(between(rng, 10, 40), normal(rng, 0, 8), normal(rng, 0, 8)), normal(rng, 0, 14)
    hands = (sample_hand(rng, "grip"),) * 2
    return Pose("skiing", spine, Bend(normal(rng, -12, 8), 0, 0), arms, legs, hands, tilt=(between(rng, 5, 25), lean))


def kicking(rng: Rng) -> Pose:
    """The left leg swings at a ball or up high; arms out."""
    high = between(rng, -25, 95)
    legs = (
        Leg(high, between(rng, 0, 20), 5, between(rng, 5, 30) if high > 20 else between(rng, 40, 95), 28),
        Leg(normal(rng, 4, 4), 6, 12, between(rng, 5, 28)),
    )
    spine = Bend(normal(rng, -4, 10), normal(rng, 0, 6), normal(rng, 0, 15))
    hands = (sample_hand(rng), sample_hand(rng))
    return Pose(
        "kicking",
        spine,
        look(rng),
        (outstretched(rng), outstretched(rng)),
        legs,
        hands,
        tilt=(normal(rng, -6, 7), normal(rng, 0, 7)),
    )


def riding(rng: Rng) -> Pose:
    """On a bicycle, motorcycle or horse: hands on the bar or the reins."""
    bicycle = rng.random() < 0.6
    lean = between(rng, 15, 48) if bicycle else between(rng, 0, 12)
    phase = between(rng, 0, 2 * np.pi)
    thigh = (lean + 58 + 22 * np.sin(phase), lean + 58 - 22 * np.sin(phase)) if bicycle else (72.0, 72.0)
    knee = (70 + 33 * np.sin(phase), 70 - 33 * np.sin(phase)) if bicycle else (72.0, 72.0)
    width = 4.0 if bicycle else 26.0
    legs = (Leg(thigh[0], width, 5, knee[0], 5), Leg(thigh[1], width, 5, knee[1], 5))
    place = Reach("spine03", (0.17, -0.45, between(rng, -0.12, 0.05)), (0.8, 0.2, -0.6))
    neck = Bend(-lean * 0.7 + normal(rng, 5, 6), 0, normal(rng, 0, 12))
    hands = (sample_hand(rng, "grip"),) * 2
    return Pose(
        "riding",
        Bend(between(rng, 5, 25), 0, 0),
        neck,
        legs=legs,
        hands=hands,
        reaches=(place, place),
        tilt=(lean, 0),
        lift=0.4,
    )

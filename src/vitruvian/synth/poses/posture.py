"""A pose in the words of a physiotherapist: anatomical angles with joint limits, the same for both sides of the body.

Angles in degrees. Rest axes: +x subject's left, -y front, +z up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np


@dataclass(frozen=True)
class Bend:
    """Spine or neck: forward flexion, lean to the subject's left, turn to the subject's left."""

    flex: float = 0.0
    side: float = 0.0
    turn: float = 0.0


@dataclass(frozen=True)
class Arm:
    """lift 0 hanging .. 180 overhead, within the vertical plane 0 = sideways, 90 = forward, 180 = across;
    inward = upper-arm rotation that brings the bent forearm to the belly; prone = palm down; palmar wrist flexion."""

    lift: float = 8.0
    plane: float = 10.0
    inward: float = 25.0
    elbow: float = 15.0
    prone: float = 30.0
    wrist: float = 0.0
    shrug: float = 0.0


@dataclass(frozen=True)
class Leg:
    """Hip flexion (knee forward), abduction, outward rotation; knee flexion; ankle: toes down, None = sole on the ground."""

    hip: float = 0.0
    abduct: float = 4.0
    outward: float = 6.0
    knee: float = 3.0
    ankle: float | None = None
    toes: float = 0.0


@dataclass(frozen=True)
class Hand:
    """Flexion of the fingers from rest (thumb, index, middle, ring, little), degrees per joint, and their spread."""

    curl: tuple[float, float, float, float, float] = (5.0, 8.0, 10.0, 12.0, 14.0)
    spread: float = 0.0


@dataclass(frozen=True)
class Reach:
    """Put a wrist at a rest-space place: a bone's head plus `offset` metres (left side; mirrored for the right one),
    scaled with the person; it moves with that bone. `elbow` is where the elbow should point, in trunk axes."""

    bone: str
    offset: tuple[float, float, float]
    elbow: tuple[float, float, float] = (0.6, 0.7, -0.5)


@dataclass(frozen=True)
class Pose:
    """One whole-body pose. Tuples are (left, right). tilt (pitch forward, roll to the left) turns the whole body;
    lift metres above the ground; gaze (left, up) of the eyes; a Reach overrides the angles of its arm."""

    family: str
    spine: Bend = Bend()
    neck: Bend = Bend()
    arms: tuple[Arm, Arm] = (Arm(), Arm())
    legs: tuple[Leg, Leg] = (Leg(), Leg())
    hands: tuple[Hand, Hand] = (Hand(), Hand())
    reaches: tuple[Reach | None, Reach | None] = (None, None)
    tilt: tuple[float, float] = (0.0, 0.0)
    lift: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)


LIMITS: dict[type, dict[str, tuple[float, float]]] = {
    Arm: {
        "lift": (0, 175),
        "plane": (-75, 140),
        "inward": (-80, 95),
        "elbow": (0, 148),
        "prone": (-80, 85),
        "wrist": (-60, 65),
        "shrug": (-6, 25),
    },
    Leg: {
        "hip": (-28, 130),
        "abduct": (-22, 55),
        "outward": (-35, 50),
        "knee": (0, 150),
        "ankle": (-25, 50),
        "toes": (-30, 50),
    },
}
SPINE_LIMITS = {"flex": (-32.0, 75.0), "side": (-32.0, 32.0), "turn": (-45.0, 45.0)}
NECK_LIMITS = {"flex": (-45.0, 45.0), "side": (-35.0, 35.0), "turn": (-75.0, 75.0)}
EYE_LIMIT = 28.0
FINGER_LIMIT = (-22.0, 85.0)
BACKWARD_LIFT = 55.0  # how far an arm swings backwards
T = TypeVar("T", Arm, Leg, Bend)


def limited(part: T, limits: Mapping[str, tuple[float, float]]) -> T:
    """The same joint angles brought inside their limits; None stays."""
    changed: dict[str, Any] = {}
    for name, (low, high) in limits.items():
        value = getattr(part, name)
        if value is not None:
            changed[name] = float(min(max(value, low), high))
    return replace(part, **changed)


def limit_arm(arm: Arm) -> Arm:
    """An arm within its limits; swinging backwards it cannot be lifted far."""
    arm = limited(arm, LIMITS[Arm])
    backward = float(np.sin(np.deg2rad(-arm.plane)))
    highest = 175.0 if backward <= 0.2 else BACKWARD_LIFT / backward
    return replace(arm, lift=min(arm.lift, highest))


def within_limits(pose: Pose) -> Pose:
    """The pose with every joint inside its limits."""
    arms = (limit_arm(pose.arms[0]), limit_arm(pose.arms[1]))
    legs = (limited(pose.legs[0], LIMITS[Leg]), limited(pose.legs[1], LIMITS[Leg]))
    gaze = (float(np.clip(pose.gaze[0], -EYE_LIMIT, EYE_LIMIT)), float(np.clip(pose.gaze[1], -EYE_LIMIT, EYE_LIMIT)))
    spine, neck = limited(pose.spine, SPINE_LIMITS), limited(pose.neck, NECK_LIMITS)
    return replace(pose, spine=spine, neck=neck, arms=arms, legs=legs, gaze=gaze)


def mirrored(pose: Pose) -> Pose:
    """The mirror image: left and right swapped, leans and turns to the other side."""
    spine = replace(pose.spine, side=-pose.spine.side, turn=-pose.spine.turn)
    neck = replace(pose.neck, side=-pose.neck.side, turn=-pose.neck.turn)
    tilt, gaze = (pose.tilt[0], -pose.tilt[1]), (-pose.gaze[0], pose.gaze[1])
    return replace(
        pose, spine=spine, neck=neck, tilt=tilt, gaze=gaze, arms=pose.arms[::-1], legs=pose.legs[::-1], hands=pose.hands[::-1],
        reaches=pose.reaches[::-1],
    )  # fmt: skip

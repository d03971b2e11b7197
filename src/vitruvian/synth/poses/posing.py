"""From anatomical angles to bone rotations: limbs by their target directions, reaching with the hand.

The right side is computed as the mirror image of a left one. Rest axes: +x subject's left, -y front, +z up; degrees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vitruvian.synth.poses.posture import FINGER_LIMIT, Arm, Hand, Leg, Pose, Reach, limit_arm, within_limits
from vitruvian.types import Array

MIRROR = np.diag([-1.0, 1.0, 1.0])
SPINE = {"spine05": 0.15, "spine04": 0.2, "spine03": 0.25, "spine02": 0.25, "spine01": 0.15}
NECK = {"neck01": 0.15, "neck02": 0.2, "neck03": 0.25, "head": 0.4}


@dataclass(frozen=True)
class Rig:
    """The skeleton at rest. heads (J, 3) metres; parents (J,), a parent before its children."""

    names: tuple[str, ...]
    parents: Array
    heads: Array
    index: Mapping[str, int] = field(default_factory=dict)

    @staticmethod
    def of(names: Sequence[str], parents: Array, heads: Array) -> Rig:
        """A rig with its name table."""
        return Rig(tuple(names), parents, np.asarray(heads, np.float64), {name: i for i, name in enumerate(names)})

    def head(self, bone: str) -> Array:
        """(3,) rest position of a bone's head."""
        out: Array = self.heads[self.index[bone]]
        return out


def axis_rotation(axis: Array, degrees: float) -> Array:
    """(3, 3) rotation about an axis (3,) (Rodrigues)."""
    x, y, z = np.asarray(axis, np.float64) / max(float(np.linalg.norm(axis)), 1e-12)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    out: Array = np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)
    return out


def euler(x: float, y: float, z: float) -> Array:
    """(3, 3) Rz @ Ry @ Rx, degrees."""
    return axis_rotation(np.array([0, 0, 1]), z) @ axis_rotation(np.array([0, 1, 0]), y) @ axis_rotation(np.array([1, 0, 0]), x)


# ---- limbs, computed as left ones ------------------------------------------------------------------------------------


def _unit(v: Array) -> Array:
    out: Array = v / max(float(np.linalg.norm(v)), 1e-12)
    return out


def _frame(direction: Array, hinge: Array) -> Array:
    """Columns: limb direction, where it bends to, hinge axis."""
    u = _unit(direction)
    h = _unit(hinge - u * float(hinge @ u))
    return np.stack([u, np.cross(h, u), h], 1)


_ARM = _frame(np.array([0.0, 0, -1]), np.array([-1.0, 0, 0]))  # hanging; the forearm bends forward
_LEG = _frame(np.array([0.0, 0, -1]), np.array([1.0, 0, 0]))  # straight; the shank bends backward
_BEND = np.array([0.0, 0, 1])  # local axis of the hinge in a _frame


def _swing(lift: float, plane: float) -> Array:
    rad = np.deg2rad(plane)
    outward = np.array([np.cos(rad), -np.sin(rad), 0.0])
    return axis_rotation(np.cross([0.0, 0, -1], outward), lift)


@dataclass(frozen=True)
class ArmRest:
    """Rest measures of one (left-like) arm."""

    shoulder: Array
    lengths: tuple[float, float]
    upper: Array
    lower: Array
    forearm: Array
    palm: Array
    fingers: Array
    prone: float


def _arm_rest(point: dict[str, Array]) -> ArmRest:
    s, e, w = point["upperarm01"], point["lowerarm01"], point["wrist"]
    u, f = _unit(e - s), _unit(w - e)
    hinge = np.cross(u, f)
    knuckle = 0.5 * (point["finger2-1"] + point["finger5-1"])
    along = _unit(knuckle - w)
    across = point["finger2-1"] - point["finger5-1"]  # towards the thumb
    palm = _unit(np.cross(along, across))  # out of the palm of a left hand
    lower = _frame(f, hinge)
    local = lower.T @ palm  # a neutral palm looks along -x, which is the hinge of the hanging arm
    prone = float(np.rad2deg(np.arctan2(-local[1], local[2])))
    lengths = (float(np.linalg.norm(e - s)), float(np.linalg.norm(w - e)))
    return ArmRest(s, lengths, _frame(u, hinge), lower, f, palm, along, prone)


def _arm_target(arm: Arm) -> tuple[Array, Array]:
    """Frames of the upper arm and the forearm in trunk axes."""
    upper = _swing(arm.lift, arm.plane) @ axis_rotation(np.array([0.0, 0, 1]), -arm.inward) @ _ARM
    return upper, upper @ axis_rotation(_BEND, arm.elbow)


def _reach_angles(rest: ArmRest, target: Array, pole: Array, arm: Arm) -> Arm:
    """Arm angles that bring the wrist to `target` (3,), both in trunk axes at rest; the elbow points to `pole`."""
    a, b = rest.lengths
    to = target - rest.shoulder
    d = float(np.clip(np.linalg.norm(to), abs(a - b) + 0.03, (a + b) * 0.995))
    to = _unit(to)
    cos = (a * a + d * d - b * b) / (2 * a * d)
    side = _unit(pole - to * float(pole @ to))
    upper = _unit(to * cos + side * np.sqrt(max(1 - cos * cos, 0.0)))
    fore = _unit(to * d - upper * a)
    lift = float(np.rad2deg(np.arccos(np.clip(-upper[2], -1, 1))))
    plane = float(np.rad2deg(np.arctan2(-upper[1], upper[0])))
    bend = _swing(lift, plane).T @ (fore - upper * float(fore @ upper))
    inward = float(np.rad2deg(np.arctan2(-bend[0], -bend[1])))
    elbow = float(np.rad2deg(np.arccos(np.clip(upper @ fore, -1, 1))))
    return limit_arm(replace(arm, lift=lift, plane=plane, inward=inward, elbow=elbow))


def _arm_rotations(rest: ArmRest, point: dict[str, Array], arm: Arm, hand: Hand) -> dict[str, Array]:
    """Delta rotations of the bones of one left-like arm; the clavicle takes part of a high lift."""
    raised = max(arm.lift - 70.0, 0.0) * 0.22 + arm.shrug
    clavicle = axis_rotation(np.array([0.0, 1, 0]), -raised)
    target_upper, target_lower = _arm_target(arm)
    upper, lower = target_upper @ rest.upper.T, target_lower @ rest.lower.T
    twist = arm.prone - rest.prone
    across = np.cross(rest.fingers, rest.palm)
    out = {"clavicle": clavicle, "upperarm01": clavicle.T @ upper, "lowerarm01": upper.T @ lower}
    out["lowerarm02"] = axis_rotation(rest.forearm, 0.55 * twist)
    out["wrist"] = axis_rotation(rest.forearm, 0.45 * twist) @ axis_rotation(across, arm.wrist)
    return out | _finger_rotations(rest, point, hand)


def _finger_rotations(rest: ArmRest, point: dict[str, Array], hand: Hand) -> dict[str, Array]:
    out = {}
    for finger in range(1, 6):
        curl = float(np.clip(hand.curl[finger - 1], *FINGER_LIMIT))
        along = _unit(point[f"finger{finger}-3"] - point[f"finger{finger}-1"])
        towards = point["finger5-1"] - point["finger1-1"] if finger == 1 else rest.palm
        axis = np.cross(along, towards)
        for joint, share in enumerate((0.9, 1.0, 0.7) if finger > 1 else (0.5, 0.5, 0.8), 1):
            out[f"finger{finger}-{joint}"] = axis_rotation(axis, curl * share)
        if finger > 1:
            sideways = axis_rotation(rest.palm, hand.spread * (3.2 - finger))
            out[f"finger{finger}-1"] = out[f"finger{finger}-1"] @ sideways
    return out


def _leg_rotations(point: dict[str, Array], leg: Leg, tilt: Array) -> dict[str, Array]:
    """Delta rotations of the bones of one left-like leg; `tilt` is the turn of the whole body."""
    x = np.array([1.0, 0, 0])
    thigh, shank = point["lowerleg01"] - point["upperleg01"], point["foot"] - point["lowerleg01"]
    turn = axis_rotation(x, -leg.hip) @ axis_rotation(np.array([0.0, 1, 0]), -leg.abduct)
    target = turn @ axis_rotation(np.array([0.0, 0, 1]), leg.outward) @ _LEG
    upper = target @ _frame(thigh, x).T
    lower = target @ axis_rotation(_BEND, leg.knee) @ _frame(shank, x).T
    if leg.ankle is None:
        hinge = tilt @ target[:, 2]
        sole = axis_rotation(np.array([0.0, 0, 1]), float(np.rad2deg(np.arctan2(hinge[1], hinge[0]))))
        foot = _limit_rotation((tilt @ lower).T @ sole, 48.0)
    else:
        foot = axis_rotation(x, leg.ankle)
    out = {"upperleg01": upper, "lowerleg01": upper.T @ lower, "foot": foot}
    return out | {f"toe{i}-1": axis_rotation(x, -leg.toes) for i in range(1, 6)}


def _limit_rotation(rotation: Array, degrees: float) -> Array:
    """The rotation, shortened to at most `degrees`."""
    angle = float(np.rad2deg(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))
    if angle <= degrees:
        return rotation
    axis = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    return axis_rotation(axis, degrees)


# ---- whole body ------------------------------------------------------------------------------------------------------

_LIMB_BONES = (
    "clavicle",
    "upperarm01",
    "lowerarm01",
    "lowerarm02",
    "wrist",
    "upperleg01",
    "lowerleg01",
    "foot",
    *tuple(f"finger{f}-{j}" for f in range(1, 6) for j in (1, 2, 3)),
)


def _side_points(rig: Rig, side: str) -> dict[str, Array]:
    flip = np.array([1.0 if side == "L" else -1.0, 1.0, 1.0])
    return {bone: rig.head(f"{bone}.{side}") * flip for bone in _LIMB_BONES}


def _trunk(pose: Pose) -> dict[str, Array]:
    """Rotations of root, spine, neck, head and eyes."""
    out = {"root": euler(pose.tilt[0], pose.tilt[1], 0.0)}
    for chain, bend in ((SPINE, pose.spine), (NECK, pose.neck)):
        for bone, share in chain.items():
            out[bone] = euler(bend.flex * share, bend.side * share, bend.turn * share)
    eye = euler(-pose.gaze[1], 0.0, pose.gaze[0])
    return out | {"eye.L": eye, "eye.R": eye}


def _flip(rotation: Array, side: str) -> Array:
    return rotation if side == "L" else MIRROR @ rotation @ MIRROR


def bone_rotations(pose: Pose, rig: Rig) -> tuple[Array, Pose]:
    """Delta rotations (J, 3, 3) float32 in world-aligned rest axes, and the pose as it was really taken
    (inside the joint limits, reaching arms as angles)."""
    pose = within_limits(pose)
    rotations = np.tile(np.eye(3), (len(rig.names), 1, 1))

    def put(named: Mapping[str, Array], side: str | None = None) -> None:
        for bone, rotation in named.items():
            name = bone if side is None else f"{bone}.{side}"
            rotations[rig.index[name]] = rotation if side is None else _flip(rotation, side)

    put(_trunk(pose))
    points = {side: _side_points(rig, side) for side in "LR"}
    for i, side in enumerate("LR"):
        put(_leg_rotations(points[side], pose.legs[i], _flip(rotations[rig.index["root"]], side)), side)
    arms = list(pose.arms)
    for i, side in enumerate("LR"):
        rest = _arm_rest(points[side])
        reach = pose.reaches[i]
        if reach is not None:
            target = _trunk_target(reach, rig, rotations, side)
            arms[i] = _reach_angles(rest, target, np.array(reach.elbow), arms[i])
        put(_arm_rotations(rest, points[side], arms[i], pose.hands[i]), side)
    return rotations.astype(np.float32), replace(pose, arms=(arms[0], arms[1]))


def _trunk_target(reach: Reach, rig: Rig, rotations: Array, side: str) -> Array:
    """The reach's place in the rest axes of the upper trunk, for a left-like arm."""
    size = float(np.linalg.norm(rig.head("neck01") - rig.head("root"))) / 0.612
    bone = f"{reach.bone}.{side}" if f"{reach.bone}.{side}" in rig.index else reach.bone
    place = rig.head(bone) + np.array(reach.offset) * size * (np.array([1.0, 1, 1]) if side == "L" else np.array([-1.0, 1, 1]))
    turns, origins = forward(rig, rotations, (bone, "spine01"))
    moved = turns[bone] @ (place - rig.head(bone)) + origins[bone]
    back = turns["spine01"].T @ (moved - origins["spine01"]) + rig.head("spine01")
    target: Array = back * (np.array([1.0, 1, 1]) if side == "L" else np.array([-1.0, 1, 1]))
    return target


def forward(rig: Rig, rotations: Array, bones: Sequence[str]) -> tuple[dict[str, Array], dict[str, Array]]:
    """World rotation (3, 3) and head position (3,) of the named bones."""
    turn: dict[int, Array] = {}
    origin: dict[int, Array] = {}

    def visit(j: int) -> None:
        if j in turn:
            return
        parent = int(rig.parents[j])
        if parent < 0:
            turn[j], origin[j] = rotations[j].astype(np.float64), rig.heads[j]
            return
        visit(parent)
        turn[j] = turn[parent] @ rotations[j]
        origin[j] = origin[parent] + turn[parent] @ (rig.heads[j] - rig.heads[parent])

    for bone in bones:
        visit(rig.index[bone])
    return {b: turn[rig.index[b]] for b in bones}, {b: origin[rig.index[b]] for b in bones}

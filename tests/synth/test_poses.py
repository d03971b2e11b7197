"""Poses stay inside joint limits, mirror exactly, and put hands and knees where a body would."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.synth.body import Body
from vitruvian.synth.poses import FAMILIES, draw_pose, sample_pose
from vitruvian.synth.poses.contact import penetration
from vitruvian.synth.poses.posing import Rig, bone_rotations, forward
from vitruvian.synth.poses.posture import (
    EYE_LIMIT,
    LIMITS,
    NECK_LIMITS,
    SPINE_LIMITS,
    Arm,
    Bend,
    Hand,
    Leg,
    Pose,
    Reach,
    mirrored,
    within_limits,
)


@pytest.fixture(scope="module")
def rig() -> Rig:
    body = Body.load()
    rest = body.rest(body.bank[0])
    return Rig.of(body.bone_names, body.parents, rest.heads)


def assert_limited(part: Arm | Leg | Bend, limits: dict[str, tuple[float, float]]) -> None:
    for name, (low, high) in limits.items():
        value = getattr(part, name)
        assert value is None or low - 1e-6 <= value <= high + 1e-6, (name, value)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_every_family_stays_inside_the_joint_limits(family, rig):
    for seed in range(6):
        _, pose = bone_rotations(family(np.random.default_rng(seed)), rig)
        for arm, leg in zip(pose.arms, pose.legs, strict=True):
            assert_limited(arm, LIMITS[Arm])
            assert_limited(leg, LIMITS[Leg])
        assert_limited(pose.spine, SPINE_LIMITS)
        assert_limited(pose.neck, NECK_LIMITS)
        assert max(abs(v) for v in pose.gaze) <= EYE_LIMIT


def test_impossible_angles_are_brought_inside_the_limits():
    wild = Pose(
        "wild", Bend(200), arms=(Arm(lift=400, elbow=-50), Arm(lift=170, plane=-70)), legs=(Leg(knee=-90), Leg(hip=200))
    )
    pose = within_limits(wild)
    assert pose.arms[0].elbow == 0
    assert pose.arms[1].lift < 65, "an arm swung backwards cannot be lifted overhead"
    assert pose.legs[0].knee == 0
    assert pose.legs[1].hip == LIMITS[Leg]["hip"][1]


def test_rotations_are_proper_and_finite(rig):
    rotations, _ = sample_pose(np.random.default_rng(3), rig)
    assert rotations.dtype == np.float32
    np.testing.assert_allclose(rotations @ rotations.transpose(0, 2, 1), np.tile(np.eye(3), (len(rotations), 1, 1)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-5)


def test_measured_elbow_and_knee_follow_the_asked_angles(rig):
    pose = Pose("t", arms=(Arm(40, 30, 10, 90), Arm()), legs=(Leg(60, 5, 5, 70), Leg()))
    rotations, _ = bone_rotations(pose, rig)
    _, at = forward(rig, rotations, ("upperarm01.L", "lowerarm01.L", "wrist.L", "upperleg01.L", "lowerleg01.L", "foot.L"))
    assert angle(at["upperarm01.L"], at["lowerarm01.L"], at["wrist.L"]) == pytest.approx(90, abs=0.1)
    assert angle(at["upperleg01.L"], at["lowerleg01.L"], at["foot.L"]) == pytest.approx(70, abs=0.1)
    assert at["foot.L"][1] > at["lowerleg01.L"][1], "a bent knee brings the foot backwards"


def angle(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    u, v = b - a, c - b
    return float(np.rad2deg(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v))))


def test_the_left_arm_is_on_the_subjects_left_and_in_front_when_lifted_forward(rig):
    rotations, _ = bone_rotations(Pose("t", arms=(Arm(90, 90, 0, 0), Arm(5))), rig)
    _, at = forward(rig, rotations, ("wrist.L", "upperarm01.L", "wrist.R"))
    assert at["wrist.L"][0] > 0 > at["wrist.R"][0]
    assert at["wrist.L"][1] < at["upperarm01.L"][1] - 0.3


def test_palms_face_the_thighs_of_a_hanging_arm_and_down_when_prone(rig):
    def palm(arm: Arm) -> np.ndarray:
        names = ("wrist.L", "finger2-1.L", "finger5-1.L")
        _, at = forward(rig, bone_rotations(Pose("t", arms=(arm, arm)), rig)[0], names)
        along = 0.5 * (at["finger2-1.L"] + at["finger5-1.L"]) - at["wrist.L"]
        out = np.cross(along, at["finger2-1.L"] - at["finger5-1.L"])
        return out / np.linalg.norm(out)

    assert palm(Arm(3, 10, 0, 5, prone=0))[0] < -0.9
    assert palm(Arm(3, 10, 0, 90, prone=80))[2] < -0.9


def test_curled_fingers_come_towards_the_palm(rig):
    def tip_to_wrist(hand: Hand) -> float:
        _, at = forward(rig, bone_rotations(Pose("t", hands=(hand, hand)), rig)[0], ("wrist.L", "finger3-3.L"))
        return float(np.linalg.norm(at["wrist.L"] - at["finger3-3.L"]))

    assert tip_to_wrist(Hand((0, 70, 70, 70, 70))) < 0.75 * tip_to_wrist(Hand((0, 0, 0, 0, 0)))


def test_a_reach_brings_the_wrist_to_its_place(rig):
    reach = Reach("head", (0.12, -0.05, -0.03), (0.75, -0.2, -0.6))
    rotations, _ = bone_rotations(Pose("t", spine=Bend(20, 5, 10), reaches=(reach, None)), rig)
    turns, at = forward(rig, rotations, ("head", "wrist.L"))
    size = np.linalg.norm(rig.head("neck01") - rig.head("root")) / 0.612
    target = at["head"] + turns["head"] @ (np.array(reach.offset) * size)
    assert np.linalg.norm(at["wrist.L"] - target) < 0.06


def test_mirror_twice_is_the_same_and_swaps_sides(rig):
    pose = draw_pose(np.random.default_rng(5))
    assert mirrored(mirrored(pose)) == pose
    names = ("wrist.L", "wrist.R", "foot.L", "foot.R")
    _, one = forward(rig, bone_rotations(pose, rig)[0], names)
    _, two = forward(rig, bone_rotations(mirrored(pose), rig)[0], names)
    for left, right in (("wrist.L", "wrist.R"), ("foot.L", "foot.R")):
        np.testing.assert_allclose(one[left] * [-1, 1, 1], two[right], atol=0.02)


def test_an_arm_through_the_chest_counts_as_penetration(rig):
    through = Reach("spine03", (0.0, -0.02, 0.05), (0.8, 0.3, -0.5))
    bad, _ = bone_rotations(Pose("t", reaches=(through, None)), rig)
    good, _ = bone_rotations(Pose("t", arms=(Arm(30, 0, 0, 20), Arm(30, 0, 0, 20))), rig)
    assert penetration(rig, bad) > 0.05
    assert penetration(rig, good) < 0.01


def test_the_mix_resembles_everyday_photographs():
    rng = np.random.default_rng(0)
    drawn = [draw_pose(rng).family for _ in range(2000)]
    share = {name: drawn.count(name) / len(drawn) for name in set(drawn)}
    assert 0.3 < share["standing"] < 0.45
    assert 0.11 < share["walking"] + share["running"] < 0.2
    assert 0.1 < share["sitting"] < 0.2

from __future__ import annotations

import math

import numpy as np
import pytest

from vitruvian.keypoints.angles import angles_of, out_of_reach
from vitruvian.types import Keypoints
from vitruvian.vocab import skeleton

STANDING = {  # facing the camera: the person's left is on the right of the picture
    "left_ear": (55, 10), "right_ear": (45, 10), "left_shoulder": (60, 30), "right_shoulder": (40, 30),
    "left_elbow": (60, 50), "right_elbow": (20, 30), "left_wrist": (80, 50), "right_wrist": (0, 30),
    "left_hip": (60, 70), "right_hip": (40, 70), "left_knee": (60, 100), "right_knee": (40, 100),
    "left_ankle": (60, 130), "right_ankle": (40, 130), "left_big_toe": (75, 130), "right_big_toe": (25, 130),
}  # fmt: skip


def points(moved: dict[str, tuple[float, float]] | None = None, unsure: tuple[str, ...] = ()) -> Keypoints:
    names = skeleton("wholebody133").names
    places = STANDING | (moved or {})
    xy = np.array([places.get(name, (0, 0)) for name in names], float)
    return Keypoints(xy, np.array([0.1 if name in unsure else 0.9 for name in names]), "wholebody133")


def test_angles_of_a_standing_person() -> None:
    found = angles_of(points(), 0.3)
    expected = {
        "left_elbow": 90, "right_elbow": 180, "left_shoulder": 0, "right_shoulder": 90, "left_hip": 180, "right_hip": 180,
        "left_knee": 180, "right_knee": 180, "left_ankle": 90, "right_ankle": 90, "neck_inclination": 0,
        "trunk_inclination": 0,
    }  # fmt: skip
    assert found == pytest.approx(expected)


def test_leans_are_positive_to_the_right_of_the_picture() -> None:
    right = {"left_shoulder": (100.0, 30.0), "right_shoulder": (80.0, 30.0)}
    assert angles_of(points(right), 0.3)["trunk_inclination"] == pytest.approx(45)
    left = {"left_ear": (35.0, 10.0), "right_ear": (25.0, 10.0)}
    assert angles_of(points(left), 0.3)["neck_inclination"] == pytest.approx(-45)


def test_a_mirrored_person_has_the_mirrored_angles() -> None:
    given = points({"left_wrist": (90.0, 20.0), "right_knee": (30.0, 90.0), "left_ear": (70.0, 10.0)})
    flip = list(skeleton("wholebody133").flip)
    one = angles_of(given, 0.3)
    other = angles_of(Keypoints((given.xy * [-1, 1])[flip], given.score[flip], "wholebody133"), 0.3)
    for name, value in one.items():
        swapped = name.replace("left", "x").replace("right", "left").replace("x", "right")
        assert other[swapped] == pytest.approx(-value if "inclination" in name else value)


def test_what_is_not_seen_is_nan() -> None:
    found = angles_of(points(unsure=("left_elbow", "right_ear")), 0.3)
    assert {name for name, value in found.items() if math.isnan(value)} == {"left_elbow", "left_shoulder", "neck_inclination"}
    assert not any(math.isnan(value) for value in angles_of(points(unsure=("left_elbow",)), 0.05).values())
    together = angles_of(points({"left_wrist": (60.0, 50.0)}), 0.3)
    assert math.isnan(together["left_elbow"]), "two points at one place make no direction"


def test_what_a_set_never_tells() -> None:
    assert out_of_reach("coco17") == ["left_ankle", "right_ankle"]
    assert out_of_reach("sapiens308") == [] == out_of_reach("openpose25")
    assert "neck_inclination" in out_of_reach("h36m17")

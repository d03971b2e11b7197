"""People taken over from one set of points to another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vitruvian.errors import InputError
from vitruvian.keypoints.points import conversion, convert_person, convert_points, points_of
from vitruvian.predict.record import Record
from vitruvian.predict.stored import Stored
from vitruvian.types import Keypoints
from vitruvian.vocab import equivalents, skeleton, skeleton_names

SETS = skeleton_names()


def person(name: str, seed: int = 0) -> Record:
    rng = np.random.default_rng(seed)
    rows = rng.uniform(0, 640, (len(skeleton(name)), 2)).round(2)
    points = {n: {"x": x, "y": y, "score": 0.5} for n, (x, y) in zip(skeleton(name).names, rows.tolist(), strict=True)}
    return {"box": [0, 0, 640, 640], "skeleton": name, "keypoints": points}


def stored(*people: Record) -> Stored:
    return Stored({"people": list(people)}, Path("a.json"), "a")


@pytest.mark.parametrize("target", SETS)
@pytest.mark.parametrize("source", SETS)
def test_shared_points_come_back_exactly(source: str, target: str) -> None:
    given = person(source)
    there = convert_person(given, stored(given), 1, target)
    back = convert_person(there, stored(there), 1, source)
    shared = [e.name for e in equivalents(source, target) if e.kind == "same"]
    assert tuple(there["keypoints"]) == skeleton(target).names
    for name in shared:
        assert there["keypoints"][name] == back["keypoints"][name] == given["keypoints"][name]


@pytest.mark.parametrize("target", SETS)
def test_a_mirrored_person_converts_to_the_mirrored_answer(target: str) -> None:
    source = skeleton("wholebody133")
    rng = np.random.default_rng(1)
    xy, score = rng.uniform(0, 100, (133, 2)), rng.uniform(0, 1, 133)
    mirrored = Keypoints((xy * [-1, 1])[list(source.flip)], score[list(source.flip)], source.name)
    one, other = convert_points(Keypoints(xy, score, source.name), target), convert_points(mirrored, target)
    flip = list(skeleton(target).flip)
    np.testing.assert_allclose(other.xy, (one.xy * [-1, 1])[flip])
    np.testing.assert_array_equal(other.score, one.score[flip])


def test_a_midpoint_is_as_sure_as_its_worse_end_and_what_is_absent_scores_0() -> None:
    given = person("coco17")
    given["keypoints"]["left_hip"] = {"x": 10.0, "y": 20.0, "score": 0.9}
    given["keypoints"]["right_hip"] = {"x": 30.0, "y": 10.0, "score": 0.2}
    points = convert_person(given, stored(given), 1, "openpose25")["keypoints"]
    assert points["mid_hip"] == {"x": 20.0, "y": 15.0, "score": 0.2, "kind": "midpoint"}
    assert points["left_heel"] == {"x": 0.0, "y": 0.0, "score": 0.0, "kind": "none"}
    assert "kind" not in points["left_hip"]


def test_what_was_absent_once_stays_absent() -> None:
    given = person("coco17")
    once = convert_person(given, stored(given), 1, "openpose25")
    twice = convert_person(once, stored(once), 1, "halpe26")["keypoints"]
    assert twice["left_heel"]["kind"] == "none" and twice["left_heel"]["score"] == 0
    assert twice["neck"]["kind"] == "near", "a midpoint taken for a point that is not quite the same"


def test_a_conversion_says_what_it_does() -> None:
    told = conversion("wholebody133", "halpe26")
    assert told["same"] == 23 and told["midpoint"] == {} and told["none"] == ["head"]
    assert told["near"] == {"neck": ["left_shoulder", "right_shoulder"], "hip": ["left_hip", "right_hip"]}


def test_people_that_cannot_be_used_say_why() -> None:
    given = person("coco17")
    moved = {**given, "keypoints": dict(reversed(given["keypoints"].items()))}
    hollow = {**given, "keypoints": {**given["keypoints"], "nose": {"x": 1}}}
    for wrong, told in [
        ({"box": [0, 0, 1, 1]}, r"person 3 has no keypoints\. Fix: vitruvian predict with --tasks pose"),
        ({**given, "skeleton": "coco18"}, "skeleton 'coco18'. Allowed: coco17"),
        ({**given, "skeleton": "openpose18"}, "its keypoints are not those of openpose18"),
        (moved, "not those of coco17"),
        (hollow, "not x, y and score"),
    ]:
        with pytest.raises(InputError, match=told):
            points_of(wrong, stored(wrong), 3)

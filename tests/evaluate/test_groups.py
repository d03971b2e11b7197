"""Figures by group: the groups of labels, means with their intervals."""

from dataclasses import replace

import numpy as np
import pytest
from made_people import SIZE, person

from vitruvian.evaluate.groups import EVERYBODY, LEAST_PHOTOS, by_group, differences, estimate, estimates
from vitruvian.evaluate.people import Judged, border_group, framing_group, label_groups, size_group
from vitruvian.evaluate.report import group_table
from vitruvian.vocab import skeleton

NAMES = skeleton("coco17").names
POINTS = "pose/pck/body"


def holding(*names):
    """Somebody of whom the picture holds these points."""
    sample = person()
    points = sample.keypoints.copy()
    points[[name not in names for name in NAMES], 2] = 0
    return replace(sample, keypoints=points)


@pytest.mark.parametrize(
    ("names", "group"),
    [
        (("nose", "left_shoulder", "left_hip", "right_ankle"), "whole body"),
        (("left_ear", "left_shoulder", "left_knee"), "upper body"),
        (("nose", "left_eye"), "part of the body"),
        (("left_shoulder", "left_hip", "left_ankle"), "part of the body"),
    ],
)
def test_framing_is_what_the_picture_holds(names, group):
    assert framing_group(holding(*names)) == group


def test_who_has_no_points_has_no_framing():
    assert framing_group(replace(person(), keypoints=None, skeleton=None)) == "unknown"


@pytest.mark.parametrize(
    ("box", "group"),
    [
        ((30, 20, 130, 220), "clear of the border"),
        ((0, 20, 130, 220), "cut at one side"),
        ((30, 20, 130, SIZE[0] - 1), "cut at one side"),
        ((0, 0, 199, 239), "cut at two sides or more"),
    ],
)
def test_border(box, group):
    assert border_group(person(box=box)) == group


def test_sizes_part_at_their_limits():
    assert [size_group(side) for side in (10, 63.9, 64, 255, 256, 4000)] == [
        "below 64 px", "below 64 px", "64 to 128 px", "128 to 256 px", "256 px and more", "256 px and more",
    ]  # fmt: skip
    assert label_groups(person())["size"] == "128 to 256 px"


def test_the_interval_holds_the_mean_and_narrows_with_people():
    rng = np.random.default_rng(0)
    few, many = rng.random(10), rng.random(1000)
    small, large = (estimate(list(v), [str(i) for i in range(len(v))]) for v in (few, many))
    for found, values in ((small, few), (large, many)):
        assert found["low"] < found["mean"] < found["high"]
        assert found["mean"] == pytest.approx(values.mean())
    spread = 1.96 * many.std() / np.sqrt(1000)  # what theory says of many
    assert (large["high"] - large["low"]) / 2 == pytest.approx(spread, rel=0.1)
    assert small["high"] - small["low"] > 5 * spread


def test_people_of_one_photo_are_drawn_together():
    values = [0.0] * 50 + [1.0] * 50
    alone = estimate(values, [str(i) for i in range(100)])
    together = estimate(values, [str(i // 10) for i in range(100)])
    assert together["high"] - together["low"] > 2.5 * (alone["high"] - alone["low"])


def test_few_photos_have_a_mean_and_no_interval():
    values = [i / LEAST_PHOTOS for i in range(LEAST_PHOTOS)]
    assert np.isfinite(estimate(values, [str(v) for v in values])["low"])
    few = estimate(values, ["a", "a", *(str(v) for v in values[2:])])
    assert np.isnan(few["low"]) and few["mean"] == pytest.approx(np.mean(values))


def test_who_has_no_label_is_not_counted():
    found = estimate([0.5, float("nan"), 0.7], ["a", "b", "c"])
    assert found["people"] == 2 and found["mean"] == pytest.approx(0.6)
    assert np.isnan(estimate([float("nan")], ["a"])["mean"])


def judged(number, value, **groups):
    return Judged(f"{number}.jpg", f"{number}", {POINTS: value}, groups)


def test_groups_are_in_order_and_everybody_is_the_first():
    people = [
        judged(0, 0.2, size="256 px and more"),
        judged(1, 0.4, size="below 64 px"),
        judged(2, 0.9, size="b"),
        judged(3, 1.0),
    ]
    found = by_group(people)
    assert list(found) == [EVERYBODY, "size"]
    assert list(found["size"]) == ["below 64 px", "256 px and more", "b", "unknown"]
    assert found["size"]["below 64 px"][POINTS]["mean"] == 0.4
    assert found[EVERYBODY][EVERYBODY]["people"] == 4


def test_differences_are_between_the_same_people():
    values = [i / 20 for i in range(20)]
    before = [judged(i, v) for i, v in enumerate(values)]
    after = [judged(i, values[i] - 0.1) for i in reversed(range(5, 20))]
    found = differences(after, before)[POINTS]
    assert found["people"] == 15
    assert [found[name] for name in ("low", "mean", "high")] == pytest.approx([-0.1] * 3)


def test_the_table_shows_what_is_known():
    people = [Judged(str(i), str(i), {POINTS: 0.6, "normal/mean": 20.0 + i % 2, "other": 1.0}, {}) for i in range(20)]
    text = group_table("framing", by_group(people)[EVERYBODY]).splitlines()
    assert text[0] == "| framing | n | body points within 0.1 of the box, % | normals, ° |"
    assert text[2].startswith("| everybody | 20 | 60.0 (60.0 to 60.0) | 20.5 (20.")
    assert "| a\\|b | 1 | 60.0 | 20.0 |" in group_table("of one's own", {"a|b": estimates(people[:1])})
    assert "+60.0" in group_table("x", by_group(people)[EVERYBODY], signed=True)

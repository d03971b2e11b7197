"""Every keypoint set and class set is consistent, and equals the tables it was made from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vitruvian import vocab
from vitruvian.errors import UsageError
from vitruvian.synth.body import Body

FEET = {f"left_{word}": [0, 255, 0] for word in ("big_toe", "small_toe", "heel")}  # of the left; the table has the right's
TABLES = {"coco17": "keypoints17", "wholebody133": "keypoints133", "sapiens308": "keypoints308"}


@pytest.mark.parametrize("name", vocab.skeleton_names())
def test_skeleton_is_consistent(name: str) -> None:
    s = vocab.skeleton(name)
    count = len(s)
    assert len(set(s.names)) == count == len(s.sigmas) == len(s.colors) == len(s.weights)
    flip = np.array(s.flip)
    assert (flip[flip] == np.arange(count)).all()
    assert all(0 <= link.start < count and 0 <= link.end < count and link.start != link.end for link in s.links)
    assert all(left == right or "left" in s.names[left] + s.names[right] or name != "coco17" for left, right in enumerate(flip))
    assert min(s.sigmas) > 0
    assert sorted(i for group in s.groups.values() for i in group) == list(range(count))


@pytest.mark.parametrize("name", ["wholebody133", "halpe26", "openpose25", "mediapipe33"])
def test_feet_have_the_colour_of_their_side(name: str) -> None:
    s = vocab.skeleton(name)
    for side in ("left", "right"):
        foot = [i for i, word in enumerate(s.names) if word.startswith(side) and ("toe" in word or word.endswith("heel"))]
        assert foot and {s.colors[i] for i in foot} == {s.colors[s.index(f"{side}_ankle")]}
    assert s.colors[s.index("left_heel")] != s.colors[s.index("right_heel")]


@pytest.mark.parametrize("name", sorted(TABLES))
def test_skeleton_equals_its_table(name: str, shared: Path) -> None:
    table = json.loads((shared / "tables" / f"{TABLES[name]}.json").read_text())
    s = vocab.skeleton(name)
    assert list(s.names) == [k["name"] for k in table["keypoints"]]
    assert list(s.flip) == table["flip_indices"]
    assert list(s.sigmas) == table["sigmas"]
    assert [[link.start, link.end] for link in s.links] == [row["link_ids"] for row in table["skeleton"]]
    assert list(s.upper) == table["upper_body_ids"]
    assert list(s.lower) == table["lower_body_ids"]
    assert list(s.weights) == [k["weight"] for k in table["keypoints"]]
    other = {k["name"]: color for k, color in zip(table["keypoints"], map(list, s.colors), strict=True) if k["color"] != color}
    assert other == (FEET if name == "wholebody133" else {})
    assert [list(link.color) for link in s.links] == [row["color"] for row in table["skeleton"]]
    groups = {group: _rows(rows) for group, rows in table.get("groups", {"body": [0, len(s)]}).items()}
    assert {group: sorted(rows) for group, rows in s.groups.items()} == groups
    assert s.min_visible == (4 if name == "coco17" else 8), "sapiens1, section 7"


def _rows(told: dict[str, list[int]] | list[int]) -> list[int]:
    """Of a group in a table: its ids, or where it begins and ends."""
    return sorted(told["ids"]) if isinstance(told, dict) else list(range(*told))


def test_classes_equal_their_table(shared: Path) -> None:
    table = json.loads((shared / "tables" / "seg28.json").read_text())
    c = vocab.class_set("body28")
    assert list(c.names) == [row["name"] for row in table["classes"]]
    assert [list(color) for color in c.colors] == [row["color"] for row in table["classes"]]
    assert list(c.loss_weights) == [row["ce_weight"] for row in table["classes"]]
    assert list(c.flip) == [i if row["swap"] is None else row["swap"] for i, row in enumerate(table["classes"])]
    assert list(c.source34) == [row["to28"] for row in table["original34"]]
    assert c.ignore == table["ignore_index"]


def test_keypoint_maps_name_what_has_no_equivalent(shared: Path) -> None:
    pairs = json.loads((shared / "tables" / "keypoints_common_133_308.json").read_text())["wholebody133_to_308"]
    to308 = vocab.keypoint_map("wholebody133", "sapiens308")
    assert {(int(a), b) for a, b in pairs.items()} == {(int(a), b) for b, a in enumerate(to308) if a >= 0}
    back = vocab.keypoint_map("sapiens308", "wholebody133")
    assert (back >= 0).sum() == 53
    assert back[vocab.skeleton("wholebody133").index("face-0")] == -1


@pytest.mark.parametrize("source", vocab.skeleton_names())
@pytest.mark.parametrize("target", vocab.skeleton_names())
def test_every_map_joins_equal_names(source: str, target: str) -> None:
    a, b = vocab.skeleton(source), vocab.skeleton(target)
    for row, origin in enumerate(vocab.keypoint_map(source, target)):
        assert origin == -1 or a.names[origin] == b.names[row]


def test_unknown_names_list_the_near_ones() -> None:
    with pytest.raises(UsageError, match="coco17"):
        vocab.skeleton("coco-17")
    with pytest.raises(UsageError, match="left_elbow"):
        vocab.skeleton("coco17").index("left_elbo")
    with pytest.raises(UsageError, match="body28"):
        vocab.class_set("parts")


SETS = vocab.skeleton_names()


@pytest.mark.parametrize("target", SETS)
@pytest.mark.parametrize("source", SETS)
def test_equivalents_mirror_as_the_sets_do(source: str, target: str) -> None:
    a, b = vocab.skeleton(source), vocab.skeleton(target)
    found = vocab.equivalents(source, target)
    assert tuple(e.name for e in found) == b.names
    for i, e in enumerate(found):
        mirrored = found[b.flip[i]]
        assert mirrored.kind == e.kind
        assert sorted(mirrored.rows) == sorted(a.flip[row] for row in e.rows), "left stays left"
        assert (len(e.rows) == 1) if e.kind == "same" else (not e.rows) == (e.kind == "none")


@pytest.mark.parametrize("target", SETS)
@pytest.mark.parametrize("source", SETS)
def test_shared_points_survive_there_and_back(source: str, target: str) -> None:
    there, back = vocab.equivalents(source, target), vocab.equivalents(target, source)
    for i, e in enumerate(there):
        if e.kind == "same":
            assert back[e.rows[0]].kind == "same" and back[e.rows[0]].rows == (i,)


@pytest.mark.parametrize("name", [n for n in SETS if n not in TABLES])
def test_the_maps_of_a_set_name_points_that_exist(name: str) -> None:
    everywhere = {point for other in SETS for point in vocab.skeleton(other).names}
    for point, (_, choices) in vocab._definitions(name).items():
        assert point in vocab.skeleton(name).names
        assert {part for choice in choices for part in choice} <= everywhere


ORDERS = {  # a few rows of the published orders
    "openpose25": "0 nose, 1 neck, 2 right_shoulder, 5 left_shoulder, 8 mid_hip, 9 right_hip, 15 right_eye, 19 left_big_toe",
    "openpose18": "1 neck, 4 right_wrist, 7 left_wrist, 8 right_hip, 13 left_ankle, 14 right_eye, 17 left_ear",
    "halpe26": "16 right_ankle, 17 head, 18 neck, 19 hip, 20 left_big_toe, 21 right_big_toe, 23 right_small_toe, 25 right_heel",
    "mediapipe33": "1 left_eye_inner, 7 left_ear, 9 mouth_left, 11 left_shoulder, 19 left_index, 32 right_foot_index",
    "h36m17": "0 root, 1 right_hip, 4 left_hip, 7 spine, 10 head, 11 left_shoulder, 16 right_wrist",
}
COUNTS = {"openpose25": 25, "openpose18": 18, "halpe26": 26, "mediapipe33": 33, "h36m17": 17}


@pytest.mark.parametrize("name", ORDERS)
def test_orders_are_the_published_ones(name: str) -> None:
    names = vocab.skeleton(name).names
    assert len(names) == COUNTS[name]
    for row in ORDERS[name].split(", "):
        number, point = row.split()
        assert names[int(number)] == point


@pytest.mark.parametrize(
    ("source", "target", "kinds", "none"),
    [
        ("wholebody133", "openpose25", {"same": 23, "midpoint": 2}, ()),
        ("sapiens308", "openpose25", {"same": 23, "midpoint": 2}, ()),  # its own neck is another point than OpenPose's
        ("coco17", "openpose25", {"same": 17, "midpoint": 2}, ("left_big_toe", "left_small_toe", "left_heel")),
        ("wholebody133", "halpe26", {"same": 23, "near": 2}, ("head",)),
        ("wholebody133", "mediapipe33", {"same": 19, "near": 12}, ("left_thumb", "right_thumb")),
        ("sapiens308", "h36m17", {"same": 10, "near": 6}, ("head",)),
        ("sapiens308", "wholebody133", {"same": 53, "near": 64}, ("face-0", "face-16")),
        ("openpose25", "sapiens308", {"same": 23, "near": 1}, ("tip_of_nose",)),
    ],
)
def test_what_has_an_equivalent(source: str, target: str, kinds: dict[str, int], none: tuple[str, ...]) -> None:
    found = vocab.equivalents(source, target)
    assert {kind: sum(e.kind == kind for e in found) for kind in kinds} == kinds
    assert {*none} <= {e.name for e in found if e.kind == "none"}


def test_faces_of_two_sets_agree_on_a_body() -> None:
    """The 51 inner points of a face from 308 lie where the 133 have them, to a tenth of the distance of the eyes' corners."""
    body = Body.load()
    vertices = body.rest(body.sample_shape(np.random.default_rng(0))).vertices
    whole, fine = (body.landmarks[name].locate(vertices) for name in ("wholebody133", "sapiens308"))
    face = vocab.skeleton("wholebody133").groups["face"]
    found = [vocab.equivalents("sapiens308", "wholebody133")[row] for row in face]
    assert [e.kind for e in found] == ["none"] * 8 + ["near"] + ["none"] * 8 + ["near"] * 51
    made = np.array([fine[list(e.rows)].mean(0) for e in found[17:]])
    distance = np.linalg.norm(made - whole[list(face[17:])], axis=1) / np.linalg.norm(whole[face[36]] - whole[face[45]])
    known = np.isfinite(distance)  # nostrils have no place on this body
    assert known.sum() >= 47 and distance[known].max() < 0.1


def test_the_neck_of_openpose_lies_between_the_shoulders() -> None:
    names = vocab.skeleton("sapiens308").names
    (neck,) = (e for e in vocab.equivalents("sapiens308", "openpose18") if e.name == "neck")
    assert neck.kind == "midpoint" and {names[row] for row in neck.rows} == {"left_shoulder", "right_shoulder"}
    (same,) = (e for e in vocab.equivalents("openpose25", "openpose18") if e.name == "neck")
    assert same.kind == "same"


def test_angles_name_points_of_the_large_sets() -> None:
    for angle in vocab.angles():
        for name in ("wholebody133", "sapiens308"):
            assert {*angle.start, *angle.at, *angle.end} <= set(vocab.skeleton(name).names)
    assert len({angle.name for angle in vocab.angles()}) == 12

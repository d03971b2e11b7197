"""Every keypoint set and class set is consistent, and equals the tables it was made from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vitruvian import vocab
from vitruvian.errors import UsageError

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


def test_classes_equal_their_table(shared: Path) -> None:
    table = json.loads((shared / "tables" / "seg28.json").read_text())
    c = vocab.class_set("body28")
    assert list(c.names) == [row["name"] for row in table["classes"]]
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

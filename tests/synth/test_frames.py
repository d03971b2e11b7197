"""Whole pictures for the detector, out of hand-made geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from shapes import group

from vitruvian.data.gbuffer import write_gbuffer
from vitruvian.errors import InputError
from vitruvian.synth.frames import FrameParams, FrameViews, compose, frame_view, visible_boxes
from vitruvian.tasks.person import Person
from vitruvian.tasks.seg import Seg
from vitruvian.types import HeadSpec, ModelSpec
from vitruvian.vocab import class_set

SPEC = ModelSpec("d", (96, 96), 16, 1, 2, 16, (HeadSpec("person", (8,), (), 5, None, "shuffle"),), fit="pad")


@pytest.mark.parametrize("seed", range(6))
def test_boxes_outline_what_is_seen(seed):
    frame, whole = compose([group(), group(depth=5)], np.random.default_rng(seed), (90, 120))
    boxes = visible_boxes(frame.person, whole)
    assert len(whole) == len(frame.people) == 2
    assert 1 <= len(boxes) <= 2
    assert (boxes[:, :2] >= -0.5).all()
    assert (boxes[:, 2:] < (120, 90)).all()
    for x0, y0, x1, y1 in (boxes + np.array([0.5, 0.5, -0.5, -0.5])).astype(int):
        assert frame.person[y0 : y1 + 1, x0].any() and frame.person[y0 : y1 + 1, x1].any()
        assert frame.person[y0, x0 : x1 + 1].any() and frame.person[y1, x0 : x1 + 1].any()


def test_everybody_keeps_their_size_in_metres():
    sizes = []
    for seed in range(8):
        frame, _ = compose([group()], np.random.default_rng(seed), (400, 400), FrameParams(longer=(0.2, 0.5)))
        columns = np.nonzero(frame.person)[1]
        if columns.min() > 0 and columns.max() < 399:
            depth = np.nanmedian(frame.depth)
            sizes.append((columns.max() - columns.min() + 1) * depth / frame.intrinsics[0, 0])
    assert len(sizes) > 3
    np.testing.assert_allclose(sizes, 20 * 3 / 90, rtol=0.05)


def test_frames_made_for_crops_mostly_give_way(tmp_path):
    (tmp_path / "gbuffers").mkdir()
    for number, framing in enumerate(("bust", "full", "full", "full")):
        frame = group()
        who = replace(frame.people[0], info={"framing": framing})
        write_gbuffer(tmp_path / f"gbuffers/{number}.npz", replace(frame, people=(who,), key=framing))
    views = FrameViews(tmp_path, SPEC, FrameParams(groups=(0.0, 1.0)))
    keys = [views.example(0, np.random.default_rng(seed))[2] for seed in range(80)]
    assert 0.15 < keys.count("bust") / len(keys) < 0.55


@pytest.mark.parametrize("seed", range(8))
def test_who_was_cut_below_stands_at_the_lower_border(seed):
    cut = group(box=(20, 30, 39, 79))
    frame, _ = compose([cut], np.random.default_rng(seed), (90, 120), FrameParams(longer=(0.2, 0.6)))
    assert frame.person[-1].any()


def test_who_is_hidden_is_not_to_be_found():
    person = np.zeros((40, 40), np.uint8)
    person[:20], person[30, :3] = 1, 2
    assert visible_boxes(person, np.array([800, 600])).tolist() == [[-0.5, -0.5, 39.5, 19.5]]
    assert visible_boxes(person * 0, np.array([800])).shape == (0, 4)


def test_nobody_is_a_picture_too():
    sample, crop = frame_view([], np.random.default_rng(0), (96, 96))
    assert sample.boxes.shape == (0, 4)
    assert sample.image.dtype == np.uint8
    assert max(sample.image.shape[:2]) == 96
    assert crop.size == (96, 96)


def test_examples_repeat_and_fit_the_loader(tmp_path):
    (tmp_path / "gbuffers").mkdir()
    for i in range(3):
        write_gbuffer(tmp_path / f"gbuffers/{i:06d}.npz", group(depth=3 + i))
    views = FrameViews(tmp_path, SPEC)
    assert len(views) == 3
    for index in range(3):
        first, again = (views.example(index, np.random.default_rng(index)) for _ in range(2))
        assert first[0].shape == (96, 96, 3)
        assert np.array_equal(first[0], again[0])
        assert {name: tuple(t.shape) for name, t in first[1]["person"].items()} == {
            "center": (1, 12, 12), "counted": (1, 12, 12), "near": (1, 12, 12), "sides": (4, 12, 12),
        }  # fmt: skip
        assert all((first[1]["person"][name] == again[1]["person"][name]).all() for name in first[1]["person"])


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_parts_of_mirrored_people_change_sides(flip):
    frame, _ = compose([replace(group(), part=group().person * 9)], np.random.default_rng(0), (90, 120), FrameParams(flip=flip))
    assert set(np.unique(frame.part[frame.person > 0])) == {class_set("body28").flip[9] if flip else 9}


def test_examples_have_labels_of_the_tasks_asked_for(tmp_path):
    (tmp_path / "gbuffers").mkdir()
    write_gbuffer(tmp_path / "gbuffers/0.npz", group())
    views = FrameViews(tmp_path, SPEC, FrameParams(groups=(0.0, 1.0)), (Person(), Seg(label_stride=4)))
    target = views.example(0, np.random.default_rng(0))[1]
    assert list(target) == ["person", "seg"]
    assert target["seg"]["label"].shape == (24, 24)
    assert set(target["seg"]["label"].unique().tolist()) == {0, 22}


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no synthetic frames"):
        FrameViews(tmp_path, SPEC)


def test_a_share_of_the_pictures_goes_through_a_filter(tmp_path):
    (tmp_path / "gbuffers").mkdir()
    write_gbuffer(tmp_path / "gbuffers/0.npz", group())
    plain, filtered = (
        [FrameViews(tmp_path, SPEC, filtered=share).example(0, np.random.default_rng(seed)) for seed in range(6)]
        for share in (0.0, 1.0)
    )
    assert max(np.abs(a[0].astype(int) - b[0]).mean() for a, b in zip(plain, filtered, strict=True)) > 2
    for (_, labels, _), (_, others, _) in zip(plain, filtered, strict=True):
        assert all(value.equal(others["person"][name]) for name, value in labels["person"].items())

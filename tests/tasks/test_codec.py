"""Heatmaps and back: where the official decoder misbehaves, at borders, and in whole crops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from vitruvian.geometry import make_crop
from vitruvian.tasks.pose import Pose
from vitruvian.tasks.pose import codec as pose_codec
from vitruvian.tasks.pose.codec import _mass_around_peak, decode_heatmaps, decode_logits, encode_heatmaps
from vitruvian.tasks.pose.loss import keypoint_cross_entropy
from vitruvian.types import HeadSpec, ModelSpec, Sample

SIZE, HEATMAP = (128, 96), (32, 24)


@pytest.mark.parametrize("codec", ["exact", "official"])
def test_round_trip_is_exact_away_from_the_border(codec):
    rng = np.random.default_rng(0)
    points = rng.uniform([24, 24], [72, 104], (200, 2))
    maps, weights = encode_heatmaps(points, np.ones(200, bool), SIZE, HEATMAP, 2.0)
    xy, score = decode_heatmaps(torch.from_numpy(maps), SIZE, codec)
    if codec == "official":
        xy = xy * (np.array([95, 127]) / np.array([96, 128]))
    assert np.abs(xy - points).max() < 0.05
    assert weights.all()
    assert (score > 0.85).all()


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_maps_without_a_peak_are_outside_and_finite(value):
    xy, score = decode_heatmaps(torch.full((2, 3, *HEATMAP), value), SIZE)
    assert xy.shape == (2, 3, 2)
    np.testing.assert_allclose(xy, np.broadcast_to([-95 / 23, -127 / 31], xy.shape))
    np.testing.assert_array_equal(score, np.float32(value))


def test_a_flat_positive_map_and_a_spike_stay_near_their_peak():
    spike = torch.zeros(2, *HEATMAP)
    spike[0] = 0.5
    spike[1, 10, 20] = 1e-6
    xy, _ = decode_heatmaps(spike, SIZE)
    assert np.isfinite(xy).all()
    heatmap_px = xy / (np.array([95, 127]) / np.array([23, 31]))
    assert np.abs(heatmap_px[1] - [20, 10]).max() <= 3


def test_a_map_does_not_depend_on_its_neighbours():
    maps = torch.rand(5, *HEATMAP) - 0.9
    together, _ = decode_heatmaps(maps, SIZE)
    alone = np.concatenate([decode_heatmaps(maps[i : i + 1], SIZE)[0] for i in range(5)])
    np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-6)


def test_invisible_outside_and_unknown_points_have_no_weight():
    points = np.array([[40, 40], [-60, 40], [40, 300], [np.nan, 3], [-10, 40]], np.float32)
    maps, weights = encode_heatmaps(points, np.array([0, 1, 1, 1, 1]), SIZE, HEATMAP, 2.0)
    np.testing.assert_array_equal(weights, [0, 0, 0, 0, 1])
    assert not maps[:4].any()
    assert maps[4].any()


def model_spec(**more):
    head = HeadSpec("pose", (8, 8), (), 17, "coco17", "shuffle")
    return ModelSpec("tiny", SIZE, 16, 1, 2, 16, (head,), **more)


def test_both_codecs_give_one_place_in_the_photo():
    crop = make_crop(np.array([30, 20, 200, 260]), SIZE, (300, 240), rotation=0)
    output = torch.rand(1, 17, *HEATMAP)
    places = [Pose("coco17").decode(output, [crop], model_spec(codec=codec))[0].xy for codec in ("exact", "official")]
    np.testing.assert_allclose(*places, atol=1e-3)


def test_labels_of_a_larger_skeleton_serve_a_smaller_one_and_the_other_way():
    points = np.concatenate([np.full((133, 2), 50.0), np.full((133, 1), 2)], 1).astype(np.float32)
    crop = make_crop(np.array([0, 0, 100, 130]), SIZE, (140, 110))
    image = np.zeros((140, 110, 3), np.uint8)
    down = Pose("coco17").encode(Sample(image, crop, skeleton="wholebody133", keypoints=points), crop, model_spec())
    assert down["weight"].all()
    up = Pose("wholebody133").encode(Sample(image, crop, skeleton="coco17", keypoints=points[:17]), crop, model_spec())
    assert up["weight"][:17].all()
    assert not up["weight"][17:].any()


def test_group_weights_scale_their_points():
    points = np.concatenate([np.full((133, 2), 50.0), np.full((133, 1), 2)], 1).astype(np.float32)
    crop = make_crop(np.array([0, 0, 100, 130]), SIZE, (140, 110))
    sample = Sample(np.zeros((140, 110, 3), np.uint8), crop, skeleton="wholebody133", keypoints=points)
    weight = Pose(group_weights={"face": 0.25}).encode(sample, crop, model_spec())["weight"]
    assert sorted(set(weight.tolist())) == [0.25, 1.0]
    assert int((weight == 0.25).sum()) == 68


def test_ohkm_takes_what_there_is():
    target = {"heatmap": torch.rand(2, 17, *HEATMAP), "weight": torch.ones(2, 17)}
    output = torch.rand(2, 17, *HEATMAP)
    (every,) = Pose("coco17", loss_kind="ohkm").loss(output, target).values()
    (plain,) = Pose("coco17").loss(output, target).values()
    torch.testing.assert_close(every, plain)


def test_probability_maps_give_the_place_and_a_sure_score():
    points = np.array([[40.0, 61.0], [20.25, 33.5]])
    maps, _ = encode_heatmaps(points, np.ones(2, bool), (128, 96), (32, 24), 1.5)
    logits = torch.from_numpy(maps).clamp(min=1e-9).log() + 7.0  # a softmax forgets the constant
    found, score = decode_logits(logits, (128, 96), 1.5)
    np.testing.assert_allclose(found, points, atol=0.3)
    assert (score > 0.9).all()
    two = torch.stack([logits[0], torch.logaddexp(logits[0], logits[0].roll((12, 8), (0, 1)))])
    np.testing.assert_allclose(decode_logits(two, (128, 96), 1.5)[1], [score[0], score[0] / 2], atol=0.02)
    assert decode_logits(torch.zeros(1, 32, 24), (128, 96), 1.5)[1] < 0.07  # 49 of 768 pixels


def test_cross_entropy_is_least_at_the_target_and_counts_only_weighted_points():
    maps, _ = encode_heatmaps(np.array([[40.0, 61.0], [20.0, 33.0]]), np.ones(2, bool), (128, 96), (32, 24), 1.5)
    target = torch.from_numpy(maps)[None]
    perfect = target.clamp(min=1e-12).log()
    both, first = torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    least = keypoint_cross_entropy(perfect, target, both)
    for other in (torch.zeros_like(target), target, perfect.roll(1, -1)):
        assert keypoint_cross_entropy(other, target, both) > least
    spoiled = perfect.clone()
    spoiled[:, 1] = torch.randn(32, 24)
    assert keypoint_cross_entropy(spoiled, target, first) == keypoint_cross_entropy(perfect, target, first)
    assert keypoint_cross_entropy(spoiled, target, torch.zeros(1, 2)) == 0


@pytest.mark.parametrize("kind", ["smooth", "border", "noisy", "faint", "flat", "loud"])
def test_blurring_only_around_the_peak_is_blurring_the_whole_map(kind: str) -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform([0, 0], [95, 127], (40, 2))
    if kind == "border":
        points[:10, 0], points[10:20, 1], points[20:30] = 0, 127, [95, 0]
    maps, _ = encode_heatmaps(points, np.ones(40, bool), SIZE, HEATMAP, 2.0)
    change = {"noisy": lambda m: m + rng.normal(0, 0.05, m.shape), "faint": lambda m: m * 2e-3, "loud": lambda m: m * 90}
    change["flat"] = lambda m: 0.3 + 1e-2 * m
    heatmaps = torch.from_numpy(change.get(kind, lambda m: m)(maps)).double()
    score, index = heatmaps.flatten(1).max(1)
    y, x = index // 24, index % 24
    whole = pose_codec._newton_step(pose_codec._log_neighbourhood(heatmaps, score, y, x)) + torch.stack([x, y], 1)
    xy, _ = decode_heatmaps(heatmaps, SIZE)
    assert np.abs(xy - whole.numpy() / [23, 31] * [95, 127]).max() < 1e-3


@pytest.mark.parametrize("radius", [1, 3, 9])
def test_the_mass_around_a_peak_is_that_of_its_window(radius):
    maps = torch.rand(12, 16, 12, generator=torch.Generator().manual_seed(radius))
    maps[0, 0, 0], maps[1, 15, 11], maps[2, 0, 11] = 2.0, 2.0, 2.0
    for one, mass in zip(maps, _mass_around_peak(maps, radius), strict=True):
        y, x = divmod(int(one.argmax()), 12)
        window = one[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        assert float(mass) == pytest.approx(float(window.sum()), rel=1e-5)


class There(torch.Tensor):
    """A tensor on a device that knows no float64, as Apple's; its values are in `inner`, on the CPU."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, strides=inner.stride(), dtype=inner.dtype, device="meta")

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise AssertionError(f"{func} outside of the device")


class NoDoubles(TorchDispatchMode):
    """That device: float64 is refused there, and so is what mixes its tensors with the CPU's."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given: list[torch.Tensor] = []

        def inner(one: Any) -> Any:
            given.extend([one] if isinstance(one, torch.Tensor) else [])
            return one.inner if isinstance(one, There) else one

        def outer(one: Any) -> Any:
            assert not isinstance(one, torch.Tensor) or one.dtype != torch.float64, f"{func} makes a float64"
            return There(one) if isinstance(one, torch.Tensor) else one

        args, kwargs = tree_map(inner, args), tree_map(inner, dict(kwargs or {}))
        there = any(isinstance(one, There) for one in given)
        target = kwargs.get("device")
        assert not there or all(isinstance(one, There) or one.ndim == 0 for one in given), f"{func} mixes devices"
        if target is not None:
            kwargs["device"], there = torch.device("cpu"), target.type == "meta"
        out = func(*args, **kwargs)
        return tree_map(outer, out) if there else out


@pytest.mark.parametrize("loud", [1.0, 90.0], ids=["usual", "clipped"])
def test_a_device_without_float64_decodes_to_the_same_places(loud: float) -> None:
    maps = torch.rand(2, 5, *HEATMAP, generator=torch.Generator().manual_seed(0)) * loud
    for decode, more in ((decode_heatmaps, ()), (decode_logits, (1.5,))):
        here = decode(maps, SIZE, *more)
        with NoDoubles():
            there = decode(There(maps), SIZE, *more)
        for one, other in zip(here, there, strict=True):
            np.testing.assert_array_equal(one, other)

"""Parts, depth and normals: guards, label strides, crop rotation and the figures of their metrics."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from vitruvian.data.augment import Augment, frame_crop
from vitruvian.errors import UsageError
from vitruvian.tasks import objective, task
from vitruvian.tasks.dense import crop_rotation, label_crop
from vitruvian.tasks.depth import Depth, DepthMetric, depth_colors, relative_depth, silog
from vitruvian.tasks.mae import Mae
from vitruvian.tasks.normal import Normal, NormalMetric, cosine_loss, l1_loss, normal_colors, normal_target
from vitruvian.tasks.pose import Pose
from vitruvian.tasks.pose.metric import PoseMetric
from vitruvian.tasks.seg import Seg, SegMetric, part_colors
from vitruvian.types import Classes, Crop, Keypoints, ModelSpec, Normals, Person, Prediction, Sample
from vitruvian.types import Depth as DepthValue

SOURCE = (40, 30)
IDENTITY = Crop(np.eye(2, 3), SOURCE, SOURCE)
IMAGE = np.zeros((*SOURCE, 3), np.uint8)
BOX = np.array([0, 0, 20, 10], np.float32)


def predicted(value, crop=IDENTITY):
    return Prediction(Person(BOX), crop, "any", "none", value)


def figures(metric, value, sample):
    metric.update(predicted(value), sample)
    return metric.compute()


def test_perfect_depth_has_no_loss_and_finite_gradients():
    target = torch.rand(2, 8, 8) + 0.1
    pred = target.clone().requires_grad_()
    loss = silog(pred, target)
    loss.backward()
    assert loss.item() == 0
    assert not pred.grad.any()


def test_depth_without_any_label_is_zero_and_has_no_gradient():
    pred = torch.rand(2, 8, 8, requires_grad=True)
    silog(pred, torch.full((2, 8, 8), -1.0)).backward()
    assert not pred.grad.any()


def test_l1_reaches_where_the_official_depth_loss_does_not():
    target = {"depth": torch.rand(1, 1, 8, 8)}
    pred = torch.full((1, 1, 8, 8), -0.5, requires_grad=True)
    sum(Depth().loss(pred, target).values()).backward()
    assert not pred.grad.any()
    sum(Depth(l1_weight=1.0).loss(pred, target).values()).backward()
    assert pred.grad.all()


def test_relative_depth_of_flat_and_of_no_surface():
    flat = relative_depth(np.full((3, 3), 2.5, np.float32), np.eye(3, dtype=bool))
    np.testing.assert_array_equal(flat, np.where(np.eye(3), 0, -1))
    np.testing.assert_array_equal(relative_depth(np.full((3, 3), np.nan, np.float32), np.zeros((3, 3), bool)), -np.ones((3, 3)))


def test_normals_without_any_label_and_of_length_zero():
    target = torch.full((1, 3, 4, 4), -1000.0)
    pred = torch.zeros(1, 3, 4, 4, requires_grad=True)
    (cosine_loss(pred, target) + l1_loss(pred, target)).backward()
    assert not pred.grad.any()
    (cosine_loss(pred, torch.ones(1, 3, 4, 4))).backward()
    assert torch.isfinite(pred.grad).all()
    np.testing.assert_array_equal(normal_target(np.zeros((2, 2, 3))), np.full((2, 2, 3), -1000))


@pytest.mark.parametrize("flipped", [False, True])
def test_a_quarter_turn_turns_normals(flipped):
    turn = Crop(np.array([[0, -1, 39], [1, 0, 0]], np.float64), (30, 40), SOURCE, flipped)
    right = np.zeros((*SOURCE, 3), np.float32)
    right[..., 0] = 1
    target = Normal().encode(Sample(IMAGE, BOX, normal=right), turn, None)["normal"]
    np.testing.assert_allclose(target[:, 10, 10], [0, 1, 0], atol=1e-6)  # what pointed right now points down
    down = right[..., [1, 0, 2]]
    target = Normal().encode(Sample(IMAGE, BOX, normal=down), turn, None)["normal"]
    np.testing.assert_allclose(target[:, 10, 10], [1 if flipped else -1, 0, 0], atol=1e-6)


def test_anisotropic_resizing_turns_no_normal():
    squash = Crop(np.array([[0.5, 0, 0], [0, 2.0, 0]]), (80, 15), SOURCE)
    np.testing.assert_allclose(crop_rotation(squash), np.eye(2))


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("order", ["stretched, then turned", "turned, then stretched"])
def test_a_stretch_before_or_after_a_turn_leaves_the_turn(order, flipped):
    cos, sin = np.cos(np.deg2rad(35)), np.sin(np.deg2rad(35))
    turn, stretch = np.array([[cos, -sin], [sin, cos]]), np.diag([0.5, 1.6])
    linear = turn @ stretch if order.endswith("turned") else stretch @ turn
    middle = np.array([15.0, 20.0])
    crop = Crop(np.concatenate([linear, (middle - linear @ middle)[:, None]], 1), SOURCE, SOURCE, flipped)
    right = np.zeros((*SOURCE, 3), np.float32)
    right[..., 0] = 1
    target = Normal().encode(Sample(IMAGE, BOX, normal=right), crop, None)["normal"]
    np.testing.assert_allclose(target[:, 20, 15], [-cos if flipped else cos, sin, 0], atol=1e-6)
    (back,) = Normal().decode(target[None], [crop], None)
    np.testing.assert_allclose(back.n[20, 15], [1, 0, 0], atol=1e-4)


def test_the_normals_of_a_stretched_and_turned_window_are_turned_by_its_angle():
    spec = ModelSpec("tiny", (32, 24), dim=8, depth=1, heads_attn=2, mlp=8, heads=(), fit="stretch")
    sample = Sample(np.zeros((40, 120, 3), np.uint8), BOX)
    still = Augment(flip=0, rotate_chance=0)
    for seed in range(20):
        plain = frame_crop(sample, still, spec, np.random.default_rng(seed)).matrix[:, :2]
        crop = frame_crop(sample, replace(still, rotate_chance=1), spec, np.random.default_rng(seed))
        turn = crop.matrix[:, :2] @ np.linalg.inv(plain)
        np.testing.assert_allclose(crop_rotation(crop), turn, atol=1e-9)


@pytest.mark.parametrize("found", [Seg(), Depth(), Normal()])
def test_a_label_stride_takes_the_middle_of_each_cell(found):
    y, x = np.mgrid[: SOURCE[0], : SOURCE[1]]
    normal = np.stack([np.cos(x / 30), np.sin(x / 30), np.zeros(SOURCE)], -1)
    sample = Sample(IMAGE, BOX, classes=(x // 2 % 20).astype(np.uint8), depth=(x + y).astype(np.float32), normal=normal)
    (full,) = found.encode(sample, IDENTITY, None).values()
    (half,) = type(found)(label_stride=2).encode(sample, IDENTITY, None).values()
    assert half.shape[-2:] == (SOURCE[0] // 2, SOURCE[1] // 2)
    if isinstance(found, Seg):
        torch.testing.assert_close(half, full[::2, ::2])
    else:
        cells = torch.nn.functional.avg_pool2d(full[None], 2)[0]
        torch.testing.assert_close(half, cells, atol=0.04, rtol=0)


def test_a_label_stride_must_divide_the_input():
    with pytest.raises(UsageError, match=r"label_stride 7 does not divide .*40, 30"):
        label_crop(IDENTITY, 7)


def test_what_lies_outside_the_picture_is_background():
    aside = Crop(np.array([[1.0, 0, 100], [0, 1, 0]]), SOURCE, SOURCE)
    ones = np.ones(SOURCE, np.uint8)
    normal = np.ones((*SOURCE, 3), np.float32)
    sample = Sample(IMAGE, BOX, classes=ones, depth=ones.astype(np.float32), normal=normal)
    assert (Seg().encode(sample, aside, None)["label"] == 0).all()
    assert (Depth().encode(sample, aside, None)["depth"] == -1).all()
    assert (Normal().encode(sample, aside, None)["normal"] == -1000).all()


def test_pose_figures():
    truth = np.zeros((17, 3), np.float32)
    truth[:4] = [[5, 5, 2], [10, 5, 1], [15, 5, 2], [0, 0, 0]]
    xy = truth[:, :2].copy()
    xy[0] += [1.9, 0]  # within 0.1 x 20
    xy[1] += [2.1, 0]
    xy[3] += 50
    out = figures(
        PoseMetric("coco17"), Keypoints(xy, np.ones(17), "coco17"), Sample(IMAGE, BOX, skeleton="coco17", keypoints=truth)
    )
    assert out["pck"] == pytest.approx(2 / 3)
    assert out["nme"] == pytest.approx(4 / 20 / 3)


def test_part_figures():
    truth, given = np.zeros(SOURCE, np.uint8), np.zeros(SOURCE, np.uint8)
    truth[:10], given[:20] = 3, 3  # half of what is given is right
    truth[39] = 255
    out = figures(SegMetric("body28"), Classes(given, np.ones(SOURCE), "body28"), Sample(IMAGE, BOX, classes=truth))
    assert out["iou/Hair"] == pytest.approx(0.5)
    assert out["iou/Background"] == pytest.approx(19 / 29)
    assert out["miou"] == pytest.approx((0.5 + 19 / 29) / 2)
    assert out["macc"] == pytest.approx((1 + 19 / 29) / 2)
    assert out["aacc"] == pytest.approx(29 / 39)
    assert out["foreground_iou"] == pytest.approx(0.5)


def slope():
    y, x = np.mgrid[: SOURCE[0], : SOURCE[1]]
    return (2 + (x + y) / 50).astype(np.float32)


@pytest.mark.parametrize("alignment", ["scale_shift", "minmax"])
def test_depth_figures_ignore_scale_and_shift(alignment):
    sample = Sample(IMAGE, BOX, depth=slope(), mask=np.ones(SOURCE, bool))
    out = figures(DepthMetric(alignment), DepthValue(slope() * 0.1 - 7), sample)
    assert out["rmse"] == pytest.approx(0, abs=1e-5)
    assert out["delta1"] == out["order"] == 1
    reversed_out = figures(DepthMetric("minmax"), DepthValue(-slope()), sample)
    assert reversed_out["order"] == 0
    assert reversed_out["rmse"] > 0.3


def test_depth_figures_without_alignment():
    sample = Sample(IMAGE, BOX, depth=slope())
    out = figures(DepthMetric("none"), DepthValue(slope() * 1.3), sample)
    assert out["abs_rel"] == pytest.approx(0.3, abs=1e-4)
    assert (out["delta1"], out["delta2"]) == (0, 1)


def test_normal_figures():
    truth = np.zeros((*SOURCE, 3), np.float32)
    truth[..., 2] = -1
    angle = np.deg2rad(np.where(np.arange(SOURCE[0]) < 30, 10.0, 25.0))[:, None] * np.ones(SOURCE)
    given = np.stack([np.sin(angle), np.zeros(SOURCE), -np.cos(angle)], -1).astype(np.float32)
    out = figures(NormalMetric(), Normals(given), Sample(IMAGE, BOX, normal=truth))
    assert out["mean"] == pytest.approx(0.75 * 10 + 0.25 * 25, abs=1e-3)
    assert out["median"] == pytest.approx(10, abs=0.05)
    assert (out["within_11.25"], out["within_22.5"], out["within_30"]) == (0.75, 0.75, 1.0)


@pytest.mark.parametrize("metric", [PoseMetric("coco17"), SegMetric("body28"), DepthMetric("none"), NormalMetric()])
def test_metrics_pass_over_unlabelled_samples_and_refuse_foreign_values(metric):
    values = {
        PoseMetric: Keypoints(np.zeros((17, 2)), np.ones(17), "coco17"),
        SegMetric: Classes(np.zeros(SOURCE, np.uint8), np.ones(SOURCE), "body28"),
        DepthMetric: DepthValue(slope()),
        NormalMetric: Normals(np.ones((*SOURCE, 3))),
    }
    out = figures(metric, values[type(metric)], Sample(IMAGE, BOX))
    assert all(np.isnan(value) for value in out.values())
    foreign = values[DepthMetric if not isinstance(metric, DepthMetric) else SegMetric]
    with pytest.raises(UsageError, match="cannot count a prediction of"):
        metric.update(predicted(foreign), Sample(IMAGE, BOX))


def test_colours():
    assert part_colors(np.array([3, 255]), "body28").tolist() == [[255, 0, 109], [0, 0, 0]]
    z = slope()
    z[0] = np.nan
    colors = depth_colors(z)
    assert not colors[0].any()
    assert colors[1, 0].sum() > colors[-1, -1].sum()  # near is bright
    assert not depth_colors(np.full((2, 2), np.nan)).any()
    facing = normal_colors(np.array([[[0, 0, -1], [np.nan, 0, 0]]], np.float32))
    assert facing.tolist() == [[[128, 128, 255], [0, 0, 0]]]


def test_background_is_not_painted():
    photo = np.full((*SOURCE, 3), 77, np.uint8)
    z = slope()
    z[:20] = np.nan
    n = np.where(np.isfinite(z)[..., None], [0, 0, -1.0], np.nan)
    ids = np.where(np.isfinite(z), 3, 0).astype(np.uint8)
    for found, value in ((Depth(), DepthValue(z)), (Normal(), Normals(n)), (Seg(), Classes(ids, z, "body28"))):
        drawn = found.draw(photo, [predicted(value)])
        assert (drawn[:20] == 77).all()
        assert (drawn[21:] != 77).any(-1).all()


def test_a_person_outside_the_picture_can_be_drawn():
    xy = np.linspace(-1e7, 1e7, 34, dtype=np.float32).reshape(17, 2)
    xy[3] = np.nan
    drawn = Pose("coco17").draw(IMAGE, [predicted(Keypoints(xy, np.ones(17), "coco17"))])
    assert drawn.shape == IMAGE.shape


def test_tasks_by_name():
    assert task("pose", skeleton="coco17") == Pose("coco17")
    assert isinstance(objective("mae"), Mae)
    with pytest.raises(UsageError, match=r"unknown task 'pse'.*Did you mean pose"):
        task("pse")
    with pytest.raises(UsageError, match="unknown task 'mae'"):
        task("mae")
    with pytest.raises(UsageError, match="unknown objective"):
        objective("matting")
    with pytest.raises(UsageError, match=r"task 'seg'.*skeletn"):
        task("seg", skeletn="x")


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("pose", {"skeleton": "coco71"}, "unknown skeleton"),
        ("pose", {"loss_kind": "l2"}, "unknown pose loss"),
        ("pose", {"group_weights": {"fase": 1}}, "Did you mean face"),
        ("seg", {"class_set": "body82"}, "unknown class set"),
        ("depth", {"alignment": "median"}, "unknown depth alignment"),
    ],
)
def test_wrong_fields_speak_up_at_once(name, fields, words):
    with pytest.raises(UsageError, match=words):
        task(name, **fields)


def test_pose_refuses_targets_of_another_resolution():
    with pytest.raises(UsageError, match="the pose head gives"):
        Pose("coco17").loss(torch.rand(1, 17, 8, 6), {"heatmap": torch.rand(1, 17, 16, 12), "weight": torch.ones(1, 17)})


def test_outputs_and_crops_must_pair():
    for found, channels in ((Pose("coco17"), 17), (Seg(), 28)):
        with pytest.raises(UsageError, match="2 outputs for 1 crops"):
            found.decode(torch.rand(2, channels, 8, 6), [IDENTITY], None)


def test_masked_pretraining_counts_only_what_was_hidden():
    pred, patches = torch.zeros(1, 2, 12), torch.rand(1, 2, 12)
    output = {"pred": pred, "patches": patches, "mask": torch.tensor([[1.0, 0.0]])}
    (plain,) = Mae(norm_pix=False).loss(output, {}).values()
    torch.testing.assert_close(plain, patches[0, 0].square().mean())
    flat = {**output, "patches": torch.ones(1, 2, 12)}
    (loss,) = Mae().loss(flat, {}).values()
    assert loss.item() == 0
    assert Mae().encode(Sample(IMAGE, BOX), IDENTITY, None) == {}


def test_balance_weighs_classes_from_alike_to_official():
    label = torch.zeros(1, 4, 4, dtype=torch.int64)
    label[0, 0, 0] = 23  # a lower lip weighs a hundred times the background officially
    logits = torch.zeros(1, 28, 4, 4)
    losses = [float(Seg(balance=b).loss(logits, {"label": label})["ce"]) for b in (0.0, 0.5, 1.0)]
    pixel = math.log(28) / 16
    np.testing.assert_allclose(losses, [16 * pixel, (15 * 0.1**0.5 + 10**0.5) * pixel, (15 * 0.1 + 10) * pixel], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "widths", "convs", "out", "options"),
    [
        ("pose", (768,) * 2, (768,) * 2, 133, {"std": 0.001}),
        ("seg", (768,) * 3, (768,) * 3, 28, {"dropout": 0.1, "final_std": 0.01}),
        ("depth", (384,) * 4, (384,) * 2, 1, {"dropout": 0.1, "final_std": 0.01}),
        ("normal", (768,) * 3, (768,) * 3, 3, {"dropout": 0.1, "final_std": 0.01}),
    ],
)
def test_heads_are_those_of_the_specification(name, widths, convs, out, options):
    head = task(name).head_spec(ModelSpec("m", (64, 48), 8, 1, 1, 8, ()))
    assert (head.upsample, head.conv, head.out, head.kind, dict(head.options)) == (widths, convs, out, "deconv", options)


def test_points_are_drawn_from_a_score_of_0_3_on():
    score = np.zeros(17, np.float32)
    score[[0, 9, 10]] = 0.31, 0.3, 0.29
    xy = np.full((17, 2), -50, np.float32)
    xy[[0, 9, 10]] = (5, 5), (5, 20), (5, 35)
    drawn = Pose("coco17").draw(IMAGE, [predicted(Keypoints(xy, score, "coco17"))])
    assert [bool(drawn[y, 5].any()) for y in (5, 20, 35)] == [True, True, False]


@pytest.mark.parametrize(
    ("axes", "signs"), [("camera", (1, 1, 1)), ("opengl", (1, -1, -1)), ("directx", (1, 1, -1)), ("unstated", (1, 1, 1))]
)
def test_normals_come_in_camera_axes_or_say_that_theirs_are_not_stated(axes, signs):
    output = torch.nn.functional.normalize(torch.randn(1, 3, 8, 6), dim=1)
    (value,) = Normal(axes=axes).decode(output, [Crop(np.eye(2, 3), (8, 6), (8, 6))], None)
    np.testing.assert_allclose(value.n, output[0].permute(1, 2, 0).numpy() * signs, atol=1e-4)
    stated = axes != "unstated"
    assert value.frame.startswith("camera: +x right, +y down, +z forward" if stated else "unstated: ")
    plain = np.round((value.n * ((1, -1, -1) if stated else (1, 1, 1)) + 1) / 2 * 255)
    assert np.abs(normal_colors(value.n, value.frame) - plain).max() <= 1
    drawn = Normal().draw(np.zeros((8, 6, 3), np.uint8), [predicted(value, Crop(np.eye(2, 3), (8, 6), (8, 6)))])
    np.testing.assert_array_equal(drawn, normal_colors(value.n, value.frame))
    sample = Sample(np.zeros((8, 6, 3), np.uint8), BOX, normal=value.n)
    if stated:
        assert NormalMetric().update(predicted(value, Crop(np.eye(2, 3), (8, 6), (8, 6))), sample) is None
    else:
        with pytest.raises(UsageError, match=r"the axes of these normals are unstated.* Fix: .*--axes"):
            NormalMetric().update(predicted(value), sample)


def test_unknown_axes_of_normals_speak_up_at_once():
    with pytest.raises(UsageError, match=r"unknown axes of normals 'opengk'\. Did you mean opengl.*unstated"):
        Normal(axes="opengk")

"""What every task promises, run over every task and skeleton. A new task needs one line in PERFECT and none elsewhere."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from vitruvian.geometry import make_crop
from vitruvian.tasks import TASKS, task
from vitruvian.types import Crop, HeadSpec, Keypoints, ModelSpec, Person, Prediction, Sample
from vitruvian.vocab import class_set, skeleton, skeleton_names

SIZE, SOURCE = (128, 96), (200, 160)
BOX = np.array([40, 30, 120, 170], np.float32)

# task -> the head output that says exactly what a target says
PERFECT: dict[str, Callable[[dict[str, Tensor]], Tensor]] = {
    "pose": lambda target: target["heatmap"],
    "seg": lambda target: 40.0 * torch.nn.functional.one_hot(target["label"] % 255, 28).permute(2, 0, 1),
    "depth": lambda target: target["depth"],
    "normal": lambda target: target["normal"],
    "person": lambda target: torch.cat([torch.where(target["center"] == 1, 40.0, -40.0), target["sides"].log()]),
}

CASES = [(name, {}) for name in TASKS if name != "pose"] + [("pose", {"skeleton": name}) for name in skeleton_names()]
every_task = pytest.mark.parametrize(("name", "fields"), CASES, ids=["-".join([n, *f.values()]) for n, f in CASES])


def spec_of(found) -> ModelSpec:
    """A small model whose heads work at the target's resolution."""
    bare = ModelSpec("contract", SIZE, dim=16, depth=1, heads_attn=2, mlp=16, heads=())
    official = found.head_spec(bare)
    stages = 2 if found.name == "pose" else 4
    return bare.with_heads(HeadSpec(found.name, (8,) * stages, (), official.out, official.vocabulary, "shuffle"))


def sample(name: str, fields: dict[str, str]) -> Sample:
    """A person with every label: smooth surfaces on an ellipse, stripes of parts, points of the task's skeleton."""
    rng = np.random.default_rng(zlib.crc32(repr((name, fields)).encode()))
    y, x = np.mgrid[: SOURCE[0], : SOURCE[1]]
    mask = ((x - 80) / 38) ** 2 + ((y - 100) / 68) ** 2 < 1
    middle = ((x - 80) / 34) ** 2 + ((y - 100) / 62) ** 2 < 1  # its rim mixes with the background when crops are resampled
    names = fields.get("skeleton", "coco17")
    points = rng.uniform(BOX[:2] + 8, BOX[2:] - 8, (len(skeleton(names)), 2))
    normal = np.stack([(x - 80) / 60, (y - 100) / 110, -np.ones(SOURCE)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return Sample(
        image=rng.integers(0, 255, (*SOURCE, 3), np.uint8), box=BOX, mask=middle, skeleton=names,
        keypoints=np.concatenate([points, np.full((len(points), 1), 2.0)], 1).astype(np.float32),
        classes=np.where(mask, 1 + (x // 12 + y // 40) % 22, 0).astype(np.uint8),
        depth=np.where(mask, 2.5 + (x + 2 * y) / 400, np.nan).astype(np.float32),
        normal=np.where(mask[..., None], normal, np.nan).astype(np.float32), boxes=BOX[None],
    )  # fmt: skip


def crop_of(rotation=0.0, flipped=False) -> Crop:
    crop = make_crop(BOX, SIZE, SOURCE, rotation=rotation)
    return Crop(crop.matrix, crop.size, crop.source_size, flipped)


CROPS = [crop_of(), crop_of(flipped=True), crop_of(25.0), crop_of(-40.0, flipped=True)]
every_crop = pytest.mark.parametrize("crop", CROPS, ids=["upright", "flipped", "rotated", "rotated-flipped"])


def predict(found, spec, target, crop) -> Prediction:
    (value,) = found.decode(PERFECT[found.name](target)[None].float(), [crop], spec)
    return Prediction(Person(BOX), crop, found.name, "none", value)


def batched(target):
    return {name: tensor[None] for name, tensor in target.items()}


def test_no_task_is_left_out():
    assert set(PERFECT) == set(TASKS)
    assert all(found.name == name for name, found in TASKS.items())


@every_task
@every_crop
def test_what_is_encoded_is_decoded(name, fields, crop):
    found, truth = task(name, **fields), sample(name, fields)
    spec = spec_of(found)
    prediction = predict(found, spec, found.encode(truth, crop, spec), crop)
    metric = found.metric()
    metric.update(prediction, truth)
    figures = metric.compute()
    if isinstance(prediction.value, Keypoints):
        place = crop.points_to_input(truth.keypoints[:, :2])
        margin = 12  # input px; a Gaussian cut off by the border pulls the point inwards
        inside = ((place >= margin) & (place < np.array([SIZE[1], SIZE[0]]) - margin)).all(1)
        assert inside.sum() >= 10
        error = np.abs(prediction.value.xy - truth.keypoints[:, :2])[inside]
        assert error.max() < 0.35
        assert figures["pck"] >= inside.mean()
        assert (prediction.value.score[inside] > 0.7).all()
    elif name == "seg":
        assert figures["miou"] > 0.85
        assert figures["foreground_iou"] > 0.97
    elif name == "depth":
        assert figures["rmse"] < 0.01
        assert figures["order"] > 0.98
    elif name == "normal":
        assert figures["mean"] < 0.5
    else:
        (found_box,) = prediction.value.xyxy
        upright = crop.matrix[0, 1] == 0  # a turned box is found as the upright one around it, which holds its middle
        assert np.abs(found_box - BOX).max() < 0.1 if upright else (found_box[:2] < 85).all() and (found_box[2:] > 75).all()
        assert figures["recall"] == figures["precision"] == 1 or not upright


@every_task
def test_a_perfect_prediction_has_perfect_figures(name, fields):
    found, truth = task(name, **fields), sample(name, fields)
    spec = spec_of(found)
    size = (192, 160) if name == "pose" else SOURCE  # heatmaps need whole patches
    crop = Crop(np.eye(2, 3), size, SOURCE)
    prediction = predict(found, spec, found.encode(truth, crop, spec), crop)
    metric = found.metric()
    metric.update(prediction, truth)
    perfect = {
        "pose": {"pck": 1.0},
        "seg": {"miou": 1.0, "macc": 1.0, "aacc": 1.0, "foreground_iou": 1.0},
        "depth": {"rmse": 0.0, "abs_rel": 0.0, "delta1": 1.0, "order": 1.0},
        "normal": {"mean": 0.0, "within_11.25": 1.0},
        "person": {"recall": 1.0, "precision": 1.0, "ap50": 1.0, "recall_large": 1.0},
    }[name]
    figures = metric.compute()
    for figure, value in perfect.items():
        assert figures[figure] == pytest.approx(value, abs=1e-4), figure


@every_task
def test_nothing_counted_is_not_a_number(name, fields):
    figures = task(name, **fields).metric().compute()
    assert figures
    assert all(np.isnan(value) for value in figures.values())


@every_task
def test_flip_is_an_involution(name, fields):
    found = task(name, **fields)
    output = torch.randn(2, spec_of(found).heads[0].out, 16, 12)
    assert torch.equal(found.flip(found.flip(output)), output)
    assert not torch.equal(found.flip(output), output)


@every_task
def test_a_mirrored_crop_is_flip_of_the_crop(name, fields):
    """The target of the mirrored crop, flipped back, is the target of the crop: sides, ids and signs agree in all verbs."""
    found, truth = task(name, **fields), sample(name, fields)
    spec = spec_of(found)
    straight, mirrored = (PERFECT[name](found.encode(truth, crop_of(10.0, f), spec))[None].float() for f in (False, True))
    torch.testing.assert_close(found.flip(mirrored).abs(), straight.abs(), rtol=1e-4, atol=1e-4)
    labelled = straight > -900
    torch.testing.assert_close(found.flip(mirrored)[labelled], straight[labelled], rtol=1e-4, atol=1e-4)


@every_task
def test_loss_of_a_perfect_prediction_vanishes_with_finite_gradients(name, fields):
    found, truth = task(name, **fields), sample(name, fields)
    spec = spec_of(found)
    target = batched(found.encode(truth, crop_of(), spec))
    output = PERFECT[name]({k: v[0] for k, v in target.items()})[None].float().clone().requires_grad_()
    loss = sum(found.loss(output, target).values())
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-5)
    assert torch.isfinite(output.grad).all()


@every_task
def test_loss_falls_under_its_own_gradient(name, fields):
    found, truth = task(name, **fields), sample(name, fields)
    spec = spec_of(found)
    target = batched(found.encode(truth, crop_of(), spec))
    shape = PERFECT[name]({k: v[0] for k, v in target.items()}).shape
    output = (0.5 + 0.1 * torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))).requires_grad_()
    before = sum(found.loss(output, target).values())
    before.backward()
    step = 1e-2 * output.grad / output.grad.norm()
    assert float(sum(found.loss(output - step, target).values()).detach()) < float(before.detach())


@every_task
def test_a_sample_without_the_label_adds_nothing(name, fields):
    found, truth = task(name, **fields), sample(name, fields)
    spec = spec_of(found)
    bare = Sample(image=truth.image, box=truth.box)
    target = found.encode(truth, crop_of(), spec)
    missing = found.encode(bare, crop_of(), spec)
    assert {k: (v.shape, v.dtype) for k, v in missing.items()} == {k: (v.shape, v.dtype) for k, v in target.items()}
    output = torch.randn(1, *PERFECT[name](target).shape, requires_grad=True)
    loss = sum(found.loss(output, batched(missing)).values())
    loss.backward()
    assert float(loss.detach()) == 0
    assert not output.grad.any()
    both = {k: torch.stack([target[k], missing[k]]) for k in target}
    mixed = torch.randn(2, *PERFECT[name](target).shape, requires_grad=True)
    sum(found.loss(mixed, both).values()).backward()
    assert mixed.grad[0].any()
    assert not mixed.grad[1].any()


@every_task
def test_half_precision_outputs_are_accepted(name, fields):
    found, truth = task(name, **fields), sample(name, fields)
    spec = spec_of(found)
    target = batched(found.encode(truth, crop_of(), spec))
    output = torch.randn(PERFECT[name]({k: v[0] for k, v in target.items()})[None].shape).bfloat16()
    parts = found.loss(output, target)
    assert all(part.dtype == torch.float32 and part.ndim == 0 and torch.isfinite(part) for part in parts.values())
    assert len(found.decode(output, [crop_of()], spec)) == 1


@every_task
@every_crop
def test_drawing_gives_a_new_picture_of_the_same_size(name, fields, crop):
    found, truth = task(name, **fields), sample(name, fields)
    spec = spec_of(found)
    before = truth.image.copy()
    prediction = predict(found, spec, found.encode(truth, crop, spec), crop)
    drawn = found.draw(truth.image, [prediction])
    assert drawn.shape == truth.image.shape
    assert drawn.dtype == np.uint8
    assert np.array_equal(truth.image, before)
    assert (drawn != before).any()
    assert np.array_equal(found.draw(truth.image, []), before)


@every_task
def test_the_official_head_is_complete(name, fields):
    found = task(name, **fields)
    head = found.head_spec(spec_of(found))
    assert head.task == name
    assert head.kind == "deconv"
    if head.vocabulary:
        words = skeleton(head.vocabulary) if name == "pose" else class_set(head.vocabulary)
        assert head.out == len(words)

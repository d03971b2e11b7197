"""The person task: boxes to maps and back, matching and its figures, also beside pycocotools."""

import contextlib
import io

import numpy as np
import pytest
import torch

from vitruvian.geometry import make_crop
from vitruvian.tasks.person import Person, stride_of
from vitruvian.tasks.person.metric import PersonMetric, Tally, match
from vitruvian.types import Boxes, Crop, HeadSpec, ModelSpec, Prediction, Sample
from vitruvian.types import Person as Who

SPEC = ModelSpec("d", (320, 320), 16, 1, 2, 16, (HeadSpec("person", (8,), (), 5, None, "shuffle"),), fit="pad")
SOURCE = (426, 640)
FRAME = np.array([0, 0, 640, 426], np.float32)
BOXES = np.array([[20, 30, 120, 400], [300, 100, 380, 300], [350, 120, 420, 330], [500, 50, 640, 426]], np.float32)


def perfect(target):
    center = torch.where(target["center"] == 1, 40.0, -40.0)
    return torch.cat([center, target["sides"].log()])


def crop_of(flipped=False):
    crop = make_crop(FRAME, SPEC.size, SOURCE, "pad")
    return Crop(crop.matrix, crop.size, crop.source_size, flipped)


def sample(boxes=BOXES):
    return Sample(image=np.zeros((*SOURCE, 3), np.uint8), box=FRAME, boxes=boxes)


@pytest.mark.parametrize("flipped", [False, True])
def test_several_people_come_back(flipped):
    target = Person().encode(sample(), crop_of(flipped), SPEC)
    (value,) = Person().decode(perfect(target)[None], [crop_of(flipped)], SPEC)
    nearest = [np.abs(value.xyxy - box).max(1).min() for box in BOXES]
    assert max(nearest) <= 0.5  # the photo begins half a pixel before the first centre
    assert len(value.xyxy) == len(BOXES)
    assert torch.isclose(target["near"].sum(), torch.tensor(4.0), atol=1e-3)


def test_nobody_is_a_label_and_no_label_is_none():
    nobody = Person().encode(sample(np.zeros((0, 4))), crop_of(), SPEC)
    unknown = Person().encode(sample(None), crop_of(), SPEC)
    assert nobody["counted"].all()
    assert not unknown["counted"].any()
    output = torch.zeros(1, 5, 40, 40)
    assert Person().loss(output, {k: v[None] for k, v in nobody.items()})["center"] > 100
    assert Person().loss(output, {k: v[None] for k, v in unknown.items()})["center"] == 0


def test_tiny_people_count_neither_way():
    target = Person().encode(sample(np.array([[100, 100, 108, 116], *BOXES[3:]])), crop_of(), SPEC)
    assert (target["center"] == 1).sum() == 1
    cell = (crop_of().points_to_input(np.array([104.0, 108.0])) / 8).astype(int)
    assert target["counted"][0, cell[1], cell[0]] == 0
    assert target["counted"].mean() > 0.95


def test_the_threshold_is_the_callers_else_the_heads_else_the_tasks():
    output = torch.full((1, 5, 40, 40), -9.0)
    output[0, 0, 10, 10], output[0, 0, 30, 30] = 0.0, -1.4  # scores 0.5 and 0.2
    told = SPEC.with_heads(HeadSpec("person", (8,), (), 5, None, "shuffle", {"threshold": 0.1}))
    counts = [
        len(task.decode(output, [crop_of()], spec)[0].score)
        for task, spec in ((Person(), SPEC), (Person(), told), (Person(0.4), told))
    ]
    assert counts == [1, 2, 1]


def test_the_stride_follows_the_head():
    assert stride_of(SPEC) == 8
    assert stride_of(SPEC.with_heads(HeadSpec("person", (8, 8), (), 5))) == 4


def test_matching_by_hand():
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10.0]])
    found = np.array([[0, 0, 10, 9], [0, 1, 10, 10], [20, 0, 24, 10], [40, 0, 44, 4], [61, 0, 69, 5], [62, 0, 70, 6.0]])
    small, crowd = np.array([[40, 0, 44, 5.0]]), np.array([[60, 0, 80, 20.0]])
    assert match(found, truth, small, crowd).tolist() == [1, 0, 0, -1, -1, -1]
    assert match(found, truth).tolist() == [1, 0, 0, 0, 0, 0]
    assert match(np.zeros((0, 4)), truth).tolist() == []


def test_tally_by_hand():
    tally = Tally()
    tally.add(np.array([0.9, 0.8, 0.7]), np.array([1, 0, 1]), 3)
    tally.add(np.array([0.6, 0.5]), np.array([-1, 0]), 1)
    assert tally.people == 4
    assert tally.at(0.75) == (0.25, 0.5)
    assert tally.at(0.0) == (0.5, 0.5)
    assert tally.best() == (0.7, 0.5, pytest.approx(2 / 3))
    assert tally.average_precision() == pytest.approx((26 * 1 + 25 * 2 / 3) / 101)
    assert np.isnan(Tally().best()).all()


def test_average_precision_is_cocos():
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(3)
    metric, truths, results = PersonMetric(), [], []
    for image in range(12):
        corner = rng.uniform(0, 300, (int(rng.integers(1, 6)), 2))
        truth = np.concatenate([corner, corner + rng.uniform(20, 150, corner.shape)], 1)
        found = np.concatenate([truth + rng.normal(0, 12, truth.shape), np.array([[0, 0, 50, 60], [200, 200, 260, 330.0]])])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 2)
        score = rng.random(len(found))
        value = Boxes(found, score)
        metric.update(Prediction(Who(FRAME), crop_of(), "person", "", value), sample(truth))
        for box in truth:
            entry = {"id": len(truths) + 1, "image_id": image, "category_id": 1, "iscrowd": 0, "bbox": xywh(box), "area": 1e3}
            truths.append(entry)
        place = {"image_id": image, "category_id": 1}
        results += [{**place, "bbox": xywh(b), "score": float(v)} for b, v in zip(found, score, strict=True)]
    with contextlib.redirect_stdout(io.StringIO()):
        base = coco.COCO()
        base.dataset = {"images": [{"id": i} for i in range(12)], "annotations": truths, "categories": [{"id": 1}], "info": {}}
        base.createIndex()
        evaluation = COCOeval(base, base.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert metric.compute()["ap50"] == pytest.approx(evaluation.stats[1], abs=1e-9)


def xywh(box):
    return [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]


def test_a_head_of_another_size_is_refused():
    from vitruvian.errors import UsageError

    target = Person().encode(sample(), crop_of(), SPEC)
    with pytest.raises(UsageError, match="person head gives"):
        Person().loss(torch.zeros(1, 5, 20, 20), {k: v[None] for k, v in target.items()})

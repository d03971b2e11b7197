"""Foreground, merged parts and depth order against hand-made maps."""

from dataclasses import replace

import numpy as np
import pytest
from made_people import SIZE, BoxPredictor, person, subject

from vitruvian.evaluate.foreground import box_iou, foreground_iou
from vitruvian.evaluate.order import depth_order, rgbd_figures
from vitruvian.evaluate.parts import BODY28, CIHP, COMMON, MergedParts, cihp_figures, cihp_people
from vitruvian.vocab import class_set


def test_foreground_iou_counts_everybody_in_the_crop():
    sample, other = person(), person(1, box=(131, 20, 199, 220))
    both = sample.mask | other.mask
    assert foreground_iou(subject(sample)) > 0.98
    assert foreground_iou(subject(sample, people=[sample, other], mask=both)) > 0.97
    alone = foreground_iou(subject(sample, people=[sample, other]))
    crop = 200 * 1.25 * 0.75 / 2  # half the crop's width around the middle of the box, x = 80
    assert alone == pytest.approx(100 / (100 + 80 + crop - 131), abs=0.03)
    assert box_iou(subject(sample)) == 1


def test_crowds_count_neither_way():
    sample = person()
    crowd = np.zeros(SIZE, bool)
    crowd[:, 131:] = True
    everything = np.ones(SIZE, bool)
    inside = foreground_iou(subject(sample, mask=everything, ignore=[crowd]))
    assert foreground_iou(subject(sample, mask=everything)) < inside
    assert inside == pytest.approx(100 * 200 / (131 * 240), abs=0.03)


def test_a_photo_with_unmasked_people_has_no_foreground_figure():
    sample = person()
    assert np.isnan(foreground_iou(subject(sample, people=[sample, replace(sample, mask=None)])))


def test_every_class_has_its_place():
    assert set(BODY28) == set(class_set("body28").names)
    assert len(CIHP) == 20
    assert {c for c in CIHP if c} == set(COMMON)
    assert {c for c in BODY28.values() if c} == set(COMMON)


def test_merged_parts_by_hand():
    names = class_set("body28").names
    truth = np.array([[0, 0, 2, 2, 5, 5, 1, 13]])
    given = [names.index(n) for n in ("Background", "Hair", "Hair", "Hair", "Upper_Clothing", "Apparel", "Hair", "Tongue")]
    parts = MergedParts()
    parts.update(np.array([given], np.uint8), truth, np.ones(truth.shape, bool))
    figures = parts.compute()
    assert figures["background"] == 1 / 2
    assert figures["hair"] == 2 / 3
    assert figures["upper clothes"] == 1 / 2
    assert figures["skin of face and trunk"] == 1
    assert figures["miou"] == pytest.approx(np.mean([1 / 2, 2 / 3, 1 / 2, 1]))
    assert "arms" not in figures


def test_people_are_found_in_part_masks():
    truth = np.zeros((100, 120), np.uint8)
    truth[20:90, 10:60] = 5  # two people side by side in one region
    truth[5:20, 15:30], truth[5:20, 40:55] = 13, 13
    truth[30:80, 90:110] = 5
    truth[10:30, 92:108] = 13
    truth[95:97, 0:3] = 13  # too small to start a person
    boxes = sorted(box.tolist() for box in cihp_people(truth))
    assert boxes == [[10, 5, 35, 90], [35, 5, 60, 90], [90, 10, 110, 80]]


def test_depth_order_by_hand():
    truth = np.linspace(1, 2, 200)
    assert depth_order(truth, truth) == 1
    assert depth_order(-truth, truth) == 0
    assert depth_order(np.random.default_rng(0).random(200), truth) == pytest.approx(0.5, abs=0.1)
    assert np.isnan(depth_order(truth, np.ones(200)))


def test_the_shared_photos_of_parts_and_depth(data):
    parts = cihp_figures(data / "parsing_cihp", BoxPredictor())
    assert parts["people"] == 13
    assert 0.03 < parts["miou"] < 0.1  # one class for everything
    order = rgbd_figures(data / "rgbd", BoxPredictor())
    assert order["people"] == 2
    assert 0.2 < order["order"] < 0.8
    assert order["order_by_row"] > 0.5

"""Detector figures on photos made here."""

import numpy as np
import pytest
from made_people import SIZE, person, photo

from vitruvian.evaluate.detection import detection_figures, judge
from vitruvian.types import Person

IMAGE = np.zeros((*SIZE, 3), np.uint8)


def found(*boxes):
    return [Person(np.array(box, np.float32), score) for *box, score in boxes]


def test_small_people_and_crowds_count_neither_way():
    crowd = np.zeros(SIZE, bool)
    crowd[0:60, 140:200] = True
    record = photo([person(), person(1, box=(140, 100, 180, 170))], ignore=[crowd]).record
    scores, verdicts, people = judge(
        found((150, 10, 170, 50, 0.2), (30, 20, 130, 215, 0.9), (140, 100, 180, 165, 0.8), (0, 0, 20, 20, 0.5)), record
    )
    assert people == 1
    assert scores.tolist() == [0.9, 0.8, 0.5, 0.2]
    assert verdicts.tolist() == [1, -1, 0, -1]


def test_figures_by_hand():
    record = photo([person()]).record
    answers = iter([found((30, 20, 130, 220, 0.9), (0, 0, 20, 20, 0.4)), [], found((0, 0, 9, 9, 0.95)), []])
    figures = detection_figures([(IMAGE, record)] * 2, lambda _: next(answers), [IMAGE] * 2)
    assert figures["people_large"] == 2
    assert (figures["recall_large"], figures["precision_large"]) == (0.5, 0.5)
    assert (figures["best_recall_large"], figures["best_precision_large"]) == (0.5, 1.0)
    assert figures["best_threshold_large"] == pytest.approx(0.9)
    assert figures["recall_when_precise_large"] == 0.5
    assert figures["false_per_empty_photo"] == 0.5
    assert figures["false_per_empty_photo_best"] == 0.5


def test_nothing_found_is_a_figure_too():
    figures = detection_figures([(IMAGE, photo([person()]).record)], lambda _: [], [IMAGE])
    assert figures["recall_large"] == 0
    assert np.isnan(figures["precision_large"])
    assert figures["ap50_large"] == figures["recall_when_precise_large"] == 0
    assert figures["false_per_empty_photo"] == 0

"""How the judge of a detector's finds is fitted, on made-up finds."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.predict.cascade import FIGURES
from vitruvian.recipes.cascade import RIDGE, Finds, fit, logistic, tally

PERSON = np.array([[10.0, 10, 50, 90]])


def test_the_logistic_regression_is_where_the_slope_is_zero():
    rng = np.random.default_rng(0)
    inputs = np.concatenate([rng.normal(size=(400, 2)), np.ones((400, 1))], 1)
    right = (rng.random(400) < 1 / (1 + np.exp(-(2 * inputs[:, 0] - 0.5)))).astype(float)
    found = logistic(inputs, right)
    slope = inputs.T @ (1 / (1 + np.exp(-inputs @ found)) - right) + RIDGE * found
    assert np.abs(slope).max() < 1e-6
    assert found[0] > 1.2 and abs(found[1]) < 0.4


@pytest.fixture
def pictures() -> list[Finds]:
    """A right and a wrong find in each; the detector is surer of the wrong one, one figure tells them apart."""
    rng = np.random.default_rng(1)
    out = []
    for _ in range(60):
        figures = rng.normal(size=(2, len(FIGURES)))
        figures[:, 1] = (1.0, -1.0) + 0.1 * rng.normal(size=2)
        boxes = np.concatenate([PERSON + 2, PERSON + 200])
        out.append(Finds(np.array([0.2, 0.6]), boxes, boxes, figures, PERSON))
    return out


def test_the_judge_puts_right_finds_before_wrong_ones(pictures: list[Finds]):
    judge = fit(pictures)
    for one in pictures:
        right, wrong = judge.score(one.figures)
        assert right > 0.5 > wrong
    assert tally(pictures, judge).average_precision() > 0.99
    assert tally(pictures, None).average_precision() < 0.7

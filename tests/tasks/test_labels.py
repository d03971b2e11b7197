"""Resizing and comparing at once says what resizing everything and then comparing says."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vitruvian.tasks import labels
from vitruvian.tasks.labels import classes_at, labels_at

HEAD, INPUT = (24, 18), (48, 36)
SIZES = [(96, 150), (53, 101), (48, 36), (24, 18), (20, 31), (7, 300), (1, 1)]


def resized(scores: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(scores[None], size, mode="bilinear", align_corners=False)[0]


def smooth(classes: int = 28) -> Tensor:
    return resized(4 * torch.randn(classes, 5, 4), HEAD).contiguous()


MAPS = {
    "smooth": smooth,
    "noisy": lambda: smooth() + 0.3 * torch.randn(28, *HEAD),
    "noise": lambda: torch.randn(28, *HEAD),
    "flat": lambda: torch.randn(28, 1, 1).expand(28, *HEAD).contiguous(),
    "all alike": lambda: torch.zeros(28, *HEAD),
    "one class": lambda: smooth(1),
    "two classes": lambda: smooth(2),
    "one pixel": lambda: torch.randn(28, 1, 1),
    "one row": lambda: torch.randn(28, 1, 9),
    "halves": lambda: smooth().half(),
}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def same_but_for_ties(ids: Tensor, scores: Tensor) -> None:
    """The class found scores as much as the best one, up to rounding; and nearly everywhere it is that one."""
    assert ids.dtype == torch.uint8 and ids.shape == scores.shape[1:]
    found = scores.gather(0, ids.long()[None])[0]
    assert (scores.amax(0) - found).max() <= 2e-6
    assert (ids != scores.argmax(0)).float().mean() <= 1e-3


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", MAPS)
def test_labels_of_the_photo_are_those_of_two_bilinear_steps(name: str, size: tuple[int, int]) -> None:
    scores = MAPS[name]()
    same_but_for_ties(labels_at(scores, INPUT, size), resized(resized(scores.float(), INPUT), size))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", MAPS)
def test_classes_and_probabilities_are_those_of_resized_logits(name: str, size: tuple[int, int]) -> None:
    scores = MAPS[name]()
    ids, probability = classes_at(scores, size)
    slow = resized(scores.float(), size)
    same_but_for_ties(ids, slow)
    torch.testing.assert_close(probability, slow.softmax(0).amax(0), rtol=0, atol=2e-6)


@pytest.mark.parametrize("values", [1, 10_000, 1 << 30])
def test_the_height_of_strips_does_not_matter(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = smooth()
    photo, (ids, probability) = labels_at(scores, INPUT, (96, 150)), classes_at(scores, INPUT)
    monkeypatch.setitem(labels.STRIP, "cpu", values)
    assert torch.equal(photo, labels_at(scores, INPUT, (96, 150)))
    again, surely = classes_at(scores, INPUT)
    assert torch.equal(ids, again)
    torch.testing.assert_close(probability, surely, rtol=0, atol=1e-6)


def test_of_equal_classes_the_first_is_taken_and_the_scores_stay_as_they_were() -> None:
    scores = torch.zeros(28, *HEAD)
    scores[3:5] = 1
    before = scores.clone()
    assert (labels_at(scores, INPUT, (90, 70)) == 3).all() and (classes_at(scores, INPUT)[0] == 3).all()
    assert torch.equal(scores, before)


def test_a_class_that_wins_only_between_grid_points_is_found() -> None:
    scores = torch.tensor([[[4.0, 0.0]], [[0.0, 4.0]], [[3.0, 3.0]]])  # the third is never the best at a point of the grid
    ids = labels_at(scores, (1, 2), (1, 40))
    assert set(ids.unique().tolist()) == {0, 1, 2}


def test_only_boundaries_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full-size maps of all classes never exist: the largest tensor is far smaller."""
    scores, size, largest = smooth(), (480, 640), [0]
    true = labels._mixed

    def watched(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
        largest[0] = max(largest[0], one.numel())
        return true(one, other, share)

    monkeypatch.setattr(labels, "_mixed", watched)
    monkeypatch.setitem(labels.STRIP, "cpu", 1 << 13)
    labels_at(scores, INPUT, size)
    assert 0 < largest[0] < 28 * size[0] * size[1] / 16


def test_threads_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Tensor:
        raise MemoryError

    before = torch.get_num_threads()
    labels_at(smooth(), INPUT, (96, 150))
    monkeypatch.setattr(labels, "_resized", broken)
    with pytest.raises(MemoryError):
        classes_at(smooth(), INPUT)
    assert torch.get_num_threads() == before

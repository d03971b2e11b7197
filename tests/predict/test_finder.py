"""Faint finds of a photo and of its pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vitruvian import weights
from vitruvian.data.sources import read_image
from vitruvian.device import choose_compute
from vitruvian.predict.finder import COPIES, Find, Finder, pieces
from vitruvian.types import Person

PHOTO = np.zeros((300, 400, 3), np.uint8)


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (100, 900), (64, 64), (7, 5)])
def test_pieces_cover_the_photo_and_overlap(size: tuple[int, int]) -> None:
    seen = np.zeros(size, int)
    for x0, y0, x1, y1 in pieces(size):
        assert 0 <= x0 < x1 <= size[1] and 0 <= y0 < y1 <= size[0]
        assert max(x1 - x0, y1 - y0) <= round(0.6 * max(size))
        seen[y0:y1, x0:x1] += 1
    assert seen.min() >= 1
    middle = seen[size[0] // 2, size[1] // 2]
    assert middle >= 2 or max(size) < 64


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> Finder:
    """The packaged detector, silent until a test says what it finds."""
    out = Finder("person", weights.load("person", kind="detector"), choose_compute("cpu", "fp32"), most=3)
    monkeypatch.setattr(out._whole, "detect", lambda _: [])
    monkeypatch.setattr(out._piece, "detect_many", lambda crops: [[] for _ in crops])
    return out


def of_pieces(found: dict[int, list[Person]]):
    return lambda crops: [found.get(number, []) for number in range(len(crops))]


def box(*sides: float) -> np.ndarray:
    return np.array(sides, np.float32)


def test_finds_of_a_piece_are_told_in_px_of_the_photo(finder: Finder, monkeypatch: pytest.MonkeyPatch) -> None:
    x0, y0 = pieces((300, 400))[-1][:2]
    last = len(pieces((300, 400))) - 1
    monkeypatch.setattr(finder._piece, "detect_many", of_pieces({last: [Person(box(20, 30, 60, 90), 0.4)]}))
    (found,) = finder.find(PHOTO)
    assert isinstance(found, Find) and found.piece and found.score == 0.4
    np.testing.assert_array_equal(found.box, [x0 + 20, y0 + 30, x0 + 60, y0 + 90])


def test_who_is_cut_by_a_piece_is_left_to_another(finder: Finder, monkeypatch: pytest.MonkeyPatch) -> None:
    side = round(0.6 * 400)
    inner, outer = Person(box(50, 50, side - 1, 200), 0.9), Person(box(0, 0, 60, 120), 0.5)
    monkeypatch.setattr(finder._piece, "detect_many", of_pieces({0: [inner, outer]}))
    (found,) = finder.find(PHOTO)  # the first piece begins at the photo's own corner, where nobody is cut by it
    np.testing.assert_array_equal(found.box, outer.box)


def test_near_copies_go_and_the_surest_stay(finder: Finder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [Person(box(10, 10, 50, 110), 0.6), Person(box(200, 10, 240, 110), 0.2), Person(box(300, 50, 340, 150), 0.1)]
    monkeypatch.setattr(finder._whole, "detect", lambda _: whole)
    monkeypatch.setattr(
        finder._piece, "detect_many", of_pieces({0: [Person(box(11, 10, 51, 110), 0.9), Person(box(10, 30, 50, 60), 0.3)]})
    )
    found = finder.find(PHOTO)
    assert [find.score for find in found] == [0.9, 0.3, 0.2]  # at most three; 0.6 is a copy of 0.9
    assert [find.piece for find in found] == [True, True, False]
    assert COPIES < 100 / 104


def test_the_packaged_detector_finds_more_in_pieces() -> None:
    photo = read_image(Path(__file__).resolve().parents[2] / "examples" / "photos" / "skier.jpg")
    found = Finder("person", weights.load("person", kind="detector"), choose_compute("cpu", "fp32"), 30).find(photo)
    assert {find.piece for find in found} == {True, False} and len(found) <= 30
    scores = [find.score for find in found]
    assert scores == sorted(scores, reverse=True)
    boxes = np.array([find.box for find in found])
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= photo.shape[1::-1]).all()

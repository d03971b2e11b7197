from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitruvian.predict.marks import COLORS, DARK, Mark, draw_marks, mark_of
from vitruvian.predict.result import PersonResult
from vitruvian.types import Array, Person

BOX = np.array([20, 40, 60, 90], np.float32)
GIVEN = PersonResult(Person(BOX), {})
FOUND = PersonResult(Person(BOX, 0.876, origin="detector"), {})


def drawn(*marks: Mark, ground: int = 0, size: tuple[int, int] = (120, 160)) -> Array:
    picture = np.full((*size, 3), ground, np.uint8)
    draw_marks(picture, marks, 2, (12, 18))
    return picture


def where(picture: Array, color: tuple[int, int, int]) -> Array:
    close: Array = (np.abs(picture.astype(int) - color) < 10).all(-1)
    return close


def test_the_number_is_the_place_in_the_list_or_the_track() -> None:
    assert mark_of(GIVEN, 3, BOX).words == "3"
    tracked = replace(GIVEN, person=replace(GIVEN.person, track=12))
    assert mark_of(tracked, 3, BOX).words == "12"
    assert mark_of(tracked, 3, BOX).color == mark_of(GIVEN, 2, BOX).color == COLORS[1], "ten colours, then anew"


def test_only_what_was_detected_has_a_score() -> None:
    assert mark_of(FOUND, 1, BOX).words == "1  0.88"
    assert mark_of(GIVEN, 1, BOX).words == "1"


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_a_number_is_dark_on_its_own_plate_whatever_lies_below(ground: int) -> None:
    picture = drawn(mark_of(FOUND, 1, BOX), ground=ground)
    plate = picture[24:39, 20:50]
    assert where(plate, COLORS[0]).mean() > 0.5, "above the box, from its left edge on"
    assert where(plate, DARK).sum() > 10, "the words"


@pytest.mark.parametrize("box", [(-30, -30, 20, 20), (140, 100, 200, 200), (0, 0, 160, 120)])
def test_a_plate_stays_inside_the_picture(box: tuple[float, ...]) -> None:
    picture = drawn(mark_of(FOUND, 1, np.array(box)))
    columns = where(picture, COLORS[0]).sum(0)
    assert (columns >= 12).sum() > 25, "a whole plate"


def test_a_tiny_picture_has_no_room_for_words() -> None:
    picture = drawn(mark_of(FOUND, 1, np.array([1.0, 1, 6, 6])), size=(8, 8))
    assert picture.shape == (8, 8, 3)


def test_the_nearest_person_lies_on_top() -> None:
    far, near = Mark(np.array([20, 40, 60, 80]), 1, "1"), Mark(np.array([20, 40, 60, 95]), 2, "2")
    for order in ((far, near), (near, far)):
        plate = drawn(*order)[24:39, 20:30]
        assert where(plate, COLORS[1]).any() and not where(plate, COLORS[0]).any()

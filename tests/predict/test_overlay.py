from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from vitruvian.geometry import make_crop
from vitruvian.predict.marks import COLORS
from vitruvian.predict.overlay import GAP, STRIP, sheet
from vitruvian.predict.result import ImageResult, PersonResult, Provenance
from vitruvian.types import Array, Classes, Crop, Depth, Keypoints, Normals, Person, Prediction, Value

INPUT = (64, 48)
PHOTO = (0, 120, 60)
FRAME = COLORS[0]
ALL = ("pose", "seg", "depth", "normal")
MADE_BY = Provenance("tiny", "0123456789abcdef", "CC0-1.0", "user boxes", None, "cpu", "fp32")
SHAPES = [(60, 80), (1200, 300), (500, 4000), (30, 40), (3000, 16), (16, 3000), (64, 64)]


def values(box: Sequence[float]) -> dict[str, Value]:
    ids = np.zeros(INPUT, np.uint8)
    ids[16:48, 12:36] = 22
    normals: Array = np.broadcast_to(np.array([0, 0, -1], np.float32), (*INPUT, 3)).copy()
    depth = np.repeat(np.linspace(1, 2, INPUT[0], dtype=np.float32)[:, None], INPUT[1], 1)
    middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], np.float32)
    return {
        "pose": Keypoints(np.tile(middle, (17, 1)), np.ones(17, np.float32), "coco17"),
        "seg": Classes(ids, np.full(INPUT, 0.9, np.float32), "body28"),
        "depth": Depth(depth),
        "normal": Normals(normals),
    }


def result(size: tuple[int, int], *boxes: Sequence[float], tasks: tuple[str, ...] = ALL) -> ImageResult:
    """A photo of one colour and its people, everybody a block in the middle of their box."""
    people = []
    for box in boxes:
        person = Person(np.array(box, np.float32))
        crop = make_crop(person.box, INPUT, size)
        predictions = {task: Prediction(person, crop, task, "x", values(box)[task]) for task in (*tasks, "seg")}
        people.append(PersonResult(person, predictions))
    return ImageResult(np.full((*size, 3), PHOTO, np.uint8), tuple(people), tasks, MADE_BY)


def middle_box(size: tuple[int, int]) -> tuple[float, ...]:
    return size[1] / 4, size[0] / 4, size[1] * 3 / 4, size[0] * 3 / 4


def near(picture: Array, color: tuple[int, int, int], gap: int = 6) -> Array:
    close: Array = (np.abs(picture.astype(int) - color) <= gap).all(-1)
    return close


def first_panel(picture: Array) -> Array:
    """The panel of the photo, of one four to three."""
    return picture[GAP + STRIP :, GAP:][:480, :640]


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("tasks", [ALL, ("pose",), ("seg",), ("depth", "normal")])
def test_a_sheet_of_any_shape(size: tuple[int, int], tasks: tuple[str, ...]) -> None:
    picture = sheet(result(size, middle_box(size), tasks=tasks))
    assert picture.dtype == np.uint8 and picture.ndim == 3
    assert max(picture.shape) < 3000


@pytest.mark.parametrize("size", [(60, 80), (1200, 300), (500, 4000), (30, 40)])
def test_where_nobody_is_the_photo_stands_alone_and_keeps_its_shape(size: tuple[int, int]) -> None:
    picture = sheet(result(size))
    rows, columns = np.nonzero(near(picture, PHOTO))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert near(picture, PHOTO).sum() == height * width, "one panel"
    assert width / height == pytest.approx(size[1] / size[0], rel=0.02)
    assert width > picture.shape[1] - 60, "nothing beside it"


@pytest.mark.parametrize("size", [(60, 80), (1200, 300), (500, 4000)])
def test_pose_alone_leaves_no_place_empty(size: tuple[int, int]) -> None:
    picture = sheet(result(size, middle_box(size), tasks=("pose",)))
    paper = near(picture, (250, 250, 248))
    assert paper.mean() < 0.45
    assert not paper[: picture.shape[0] // 2, picture.shape[1] // 4 * 3].all(), "panels reach across the sheet"


def test_a_box_counts_edges_of_pixels() -> None:
    """One that leaves as much room left as right, and above as below, is drawn in the middle."""
    panel = first_panel(sheet(result((24, 32), (8, 6, 24, 18), tasks=())))
    frame = near(panel, FRAME, 40)
    rows, columns = np.flatnonzero(frame.sum(1) > 300), np.flatnonzero(frame.sum(0) > 200)  # the lines, not the number's plate
    assert (rows.mean(), columns.mean()) == pytest.approx((239.5, 319.5), abs=0.3)
    assert np.ptp(rows) == pytest.approx(240, abs=3) and np.ptp(columns) == pytest.approx(320, abs=3)


def test_a_box_around_the_whole_photo_is_seen_on_all_sides() -> None:
    panel = near(first_panel(sheet(result((60, 80), (0, 0, 80, 60), tasks=()))), FRAME, 60)
    for side in (panel[:6], panel[-6:], panel[:, :6], panel[:, -6:]):
        assert max(side.mean(0).max(), side.mean(1).max()) > 0.9


def test_small_maps_keep_their_area_when_they_are_enlarged() -> None:
    one = result((30, 40), (10, 5, 30, 25), tasks=("normal",))
    picture = sheet(one)
    share = near(picture, (128, 128, 255)).sum() / first_panel(picture)[..., 0].size
    assert share == pytest.approx((one.frame.owner > 0).mean(), rel=0.1)


def test_maps_of_the_whole_frame_are_shown_though_nobody_was_sought() -> None:
    size = (30, 40)
    person = Person(np.array([0, 0, 40, 30], np.float32))
    normals = Normals(np.broadcast_to(np.array([0, 0, -1], np.float32), (*size, 3)).copy())
    crop = Crop(np.eye(2, 3), size, size)
    whole = {"normal": Prediction(person, crop, "normal", "x", normals)}
    picture = sheet(replace(result(size, tasks=("normal",)), whole=whole))
    assert near(picture, (128, 128, 255)).sum() >= 0.99 * near(picture, PHOTO).sum() > 0, "two panels, the second all normals"


def test_a_task_that_one_person_lacks_is_drawn_for_the_others() -> None:
    two = result((60, 80), (5, 5, 35, 55), (45, 5, 75, 55), tasks=("pose",))
    lacking = PersonResult(two.people[0].person, {})
    picture = sheet(replace(two, people=(lacking, two.people[1])))
    assert picture.shape == sheet(two).shape

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vitruvian.predict.legend import Entry, credit_of, fitted, font, key_of, laid_out
from vitruvian.predict.result import ImageResult, PersonResult, Provenance
from vitruvian.types import UNSTATED_AXES, Classes, Crop, Depth, Keypoints, Normals, Person, Prediction, Value
from vitruvian.vocab import define

SIZE = (24, 32)
PERSON = Person(np.array([0, 0, 32, 24], np.float32))
CROP = Crop(np.eye(2, 3), SIZE, SIZE)
MADE_BY = Provenance("tiny", "0123456789abcdef", "CC0-1.0", "user boxes", None, "cpu", "fp32")
IDS = np.zeros(SIZE, np.uint8)
IDS[4:20], IDS[4:6] = 22, 3
DEPTH = np.repeat(np.linspace(2, 3, SIZE[1], dtype=np.float32)[None], SIZE[0], 0)
VALUES: dict[str, Value] = {
    "pose": Keypoints(np.zeros((17, 2), np.float32), np.ones(17, np.float32), "coco17"),
    "seg": Classes(IDS, np.ones(SIZE, np.float32), "body28"),
    "depth": Depth(DEPTH),
    "normal": Normals(np.broadcast_to(np.array([0, 0, -1], np.float32), (*SIZE, 3)).copy()),
}


def result(*tasks: str, people: int = 1, **other: Value) -> ImageResult:
    """People with all predictions, of whom some tasks were asked for."""
    predictions = {name: Prediction(PERSON, CROP, name, "x", value) for name, value in (VALUES | other).items()}
    return ImageResult(np.zeros((*SIZE, 3), np.uint8), (PersonResult(PERSON, predictions),) * people, tasks, MADE_BY)


def words(of: ImageResult) -> list[str]:
    return [entry.text for group in key_of(of) for entry in group]


def ink(image: Image.Image) -> np.ndarray:
    return (np.abs(np.asarray(image).astype(int) - (250, 250, 248)) > 8).any(-1)


def test_the_key_tells_what_was_asked_for_and_is_seen() -> None:
    assert words(result("seg")) == ["upper clothing", "hair"], "largest first, and not the background"
    assert words(result("pose")) == ["left side of the body", "right side of the body"]
    assert words(result("depth", "normal")) == ["near to far, in each person", "facing, as on this ball"]
    assert len(words(result("pose", "seg", "depth", "normal"))) == 6
    assert words(result("pose", "seg", people=0)) == []


def test_skeletons_without_elbows_or_sides_have_a_key_too() -> None:
    rows = [{"name": "nose"}, {"name": "left_toe", "swap": "right_toe"}, {"name": "right_toe", "swap": "left_toe"}]
    for name, points, told in (("toes", rows, ["left side of the body", "right side of the body"]), ("tip", rows[:1], [])):
        define({"name": name, "keypoints": points}, "here")
        shown = Keypoints(np.zeros((len(points), 2), np.float32), np.ones(len(points), np.float32), name)
        assert words(result("pose", pose=shown)) == told


def test_metric_depth_is_told_in_its_unit() -> None:
    metres = Depth(DEPTH, "metric", "m")
    near, to, far, unit = words(result("depth", depth=metres))[0].split()
    assert (to, unit) == ("to", "m") and 2 <= float(near) < float(far) <= 3
    nowhere = replace(metres, z=np.full(SIZE, np.nan, np.float32))
    assert words(result("depth", depth=nowhere)) == []


def test_the_colours_of_the_symbols_are_those_of_the_panels() -> None:
    (group,) = key_of(result("seg"))
    middles = [tuple(entry.symbol[8, 8]) for entry in group if entry.symbol is not None]
    from vitruvian.tasks.seg import part_colors

    assert middles == [tuple(color) for color in part_colors(np.array([22, 3]), "body28")]


@pytest.mark.parametrize("width", [60, 150, 261, 640, 2000])
def test_words_stay_within_the_width(width: int) -> None:
    groups = [*key_of(result("pose", "seg", "depth", "normal")), *credit_of(result(), width)]
    image = laid_out(groups, width)
    assert image.width == width
    assert not ink(image)[:, -1].any() or width < 100, "nothing is cut by the border"


def test_more_columns_make_it_lower() -> None:
    group = [Entry(f"part {i}") for i in range(12)]
    one, two, many = (laid_out([group], 800, most).height for most in (1, 2, 99))
    assert one == 2 * two and many < two
    assert (ink(laid_out([group], 800, 1)).sum() / ink(laid_out([group], 800)).sum()) == pytest.approx(1, abs=0.05)


def test_the_credit_is_one_line_where_there_is_room() -> None:
    assert [[len(group) for group in credit_of(result(), width)] for width in (600, 100)] == [[1], [3]]


def test_the_credit_names_every_model() -> None:
    team = replace(MADE_BY, model="a + b", weights="0123456789abcdef + fedcba9876543210")
    ((line,),) = credit_of(replace(result(), made_by=team), 900)
    assert "a 01234567" in line.text and "b fedcba98" in line.text


def test_a_text_too_long_ends_in_an_ellipsis() -> None:
    assert fitted("surface normals", 500, 18) == "surface normals"
    short = fitted("surface normals", 90, 18)
    assert short.endswith("…") and font(18).getlength(short) <= 90


def test_normals_of_unstated_axes_have_no_ball() -> None:
    (entry,) = key_of(result("normal", normal=replace(VALUES["normal"], frame=UNSTATED_AXES)))[0]
    assert entry.text == "facing, in axes that are not published" and entry.symbol is None

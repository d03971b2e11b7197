from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitruvian.errors import InputError
from vitruvian.predict.boxes import digest, people_of, read_boxes
from vitruvian.predict.sources import Source
from vitruvian.types import Person

SIZE = (60, 80)


def test_arrays_and_people_are_checked_and_clipped() -> None:
    people = people_of(np.array([[-0.5, 0, 80.5, 60], [1, 2, 3, 4]]), SIZE, "x")
    assert [person.box.tolist() for person in people] == [[0, 0, 80, 60], [1, 2, 3, 4]]
    assert [(person.origin, person.score) for person in people] == [("user", 1.0)] * 2
    (scored,) = people_of(np.array([1, 2, 3, 4, 0.25]), SIZE, "x")
    assert scored.score == 0.25
    (kept,) = people_of([Person(np.array([1, 2, 3, 4]), 0.5, track=7, origin="detector")], SIZE, "x")
    assert (kept.track, kept.origin, kept.score) == (7, "detector", 0.5)
    assert people_of([], SIZE, "x") == []
    assert people_of(np.zeros((0, 4)), SIZE, "x") == []


@pytest.mark.parametrize(
    ("box", "text"),
    [
        ((np.nan, 0, 5, 5), "is not finite"),
        ((0, 0, np.inf, 5), "is not finite"),
        ((-9, 0, 5, 5), "is negative"),
        ((5, 0, 1, 5), "is inverted or empty"),
        ((5, 5, 5, 5), "is inverted or empty"),
        ((0, 0, 200, 5), "ends outside the photo of 80x60 px"),
        ((0, 0, 5, 62), "ends outside"),
        ((0, 0, 5, 5, 1.5), r"score 1\.5, not in 0\.\.1"),
    ],
)
def test_bad_boxes_say_which_and_what_is_allowed(box: tuple[float, ...], text: str) -> None:
    with pytest.raises(InputError, match=rf"photo\.jpg: box 1 .*{text}.*Allowed: finite x1,y1,x2,y2"):
        people_of(np.array([box]), SIZE, "photo.jpg")


def test_boxes_of_another_shape() -> None:
    with pytest.raises(InputError, match=r"boxes of shape \(2, 3\)"):
        people_of(np.zeros((2, 3)), SIZE, "x")


GOOD = Person(np.array([1, 2, 3, 4]))


@pytest.mark.parametrize("given", [(1, 2, 3, 4), [1, 2, 3, 4], np.array([1, 2, 3, 4], np.uint8), [np.array([1, 2, 3, 4.0])]])
def test_one_box_may_stand_alone(given: Any) -> None:
    assert [person.box.tolist() for person in people_of(given, SIZE, "x")] == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (np.zeros(3), r"boxes of shape \(3,\)"),
        (np.zeros((0, 3)), r"boxes of shape \(0, 3\)"),
        ([[]], r"boxes of shape \(1, 0\)"),
        (np.zeros((1, 2, 4)), r"boxes of shape \(1, 2, 4\)"),
        (5, r"boxes of shape \(\)"),
        ("1,2,3,4", r"boxes given as '1,2,3,4' \(str\)"),
        (["1", "2", "3", "4"], r"boxes given as \['1', '2', '3', '4'\] \(list\)"),
        ([[1, 2, 3, 4], [1, 2, 3]], "boxes given as .*list"),
        ([[1, 2, 3, 4], None], "boxes given as .*None"),
        ({"a": 1}, "boxes given as .*dict"),
        (iter([GOOD]), "boxes given as .*iterator"),
        ([GOOD, None], r"entry 2 of the list of people is None"),
        ([np.array([1, 2, 3, 4]), GOOD], r"entry 1 of the list of people is array"),
        (GOOD, r"boxes given as Person"),
        ([Person(np.array([1, 2, 3]))], r"the box of person 1 is array\(\[1, 2, 3\]\)"),
        ([Person(None)], r"the box of person 1 is None"),  # type: ignore[arg-type]
        ([Person(GOOD.box, "high")], r"the score of person 1 is 'high'"),  # type: ignore[arg-type]
        ([Person(GOOD.box, np.nan)], r"box 1 .* has the score nan, not in 0\.\.1"),
        ([[1, 2, 3, 4, np.nan]], r"box 1 .* has the score nan"),
        ([[0, 0, 1e300, 5]], "is not finite"),
    ],
)
def test_whatever_else_is_given_is_refused_with_what_is_allowed(given: Any, text: str) -> None:
    with pytest.raises(InputError, match=rf"^photo\.jpg: .*{text}.*Allowed: "):
        people_of(given, SIZE, "photo.jpg")


def test_a_score_keeps_its_digits() -> None:
    (person,) = people_of([[1, 2, 3, 4, 0.9]], SIZE, "x")
    assert person.score == 0.9


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def boxes_in(path: Path) -> dict[str, list[tuple[list[float], float]]]:
    file = read_boxes(path)
    assert not file.wrong
    return {name: [(person.box.tolist(), person.score) for person in people] for name, people in file.people.items()}


EXPECTED = {"a.jpg": [([1, 2, 11, 22], 0.5), ([3, 4, 13, 24], 1.0)], "b.jpg": []}
OWN = [
    {"image": {"file": "a.jpg"}, "people": [{"box": [1, 2, 11, 22], "score": 0.5}, {"box": [3, 4, 13, 24]}]},
    {"image": {"file": "b.jpg"}, "people": []},
]
COCO = {
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
    "categories": [{"id": 1, "name": "dog"}, {"id": 3, "name": "person"}],
    "annotations": [
        {"image_id": 7, "category_id": 3, "bbox": [1, 2, 10, 20], "score": 0.5},
        {"image_id": 7, "category_id": 3, "bbox": [3, 4, 10, 20]},
        {"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]},
        {"image_id": 8, "category_id": 3, "bbox": [0, 0, 1, 1], "iscrowd": 1},
    ],
}


def test_all_formats_say_the_same(tmp_path: Path) -> None:
    assert boxes_in(write(tmp_path / "own.json", OWN)) == EXPECTED
    lines = "\n".join(json.dumps(entry) for entry in [*OWN, {"file": "c.jpg", "error": "empty"}])
    assert boxes_in(write(tmp_path / "own.jsonl", lines)) == EXPECTED
    assert boxes_in(write(tmp_path / "coco.json", COCO)) == EXPECTED
    rows = "a.jpg, 1,2,11,22,0.5\na.jpg,3,4,13,24\n"
    assert boxes_in(write(tmp_path / "x.csv", rows)) == {"a.jpg": EXPECTED["a.jpg"]}
    assert boxes_in(write(tmp_path / "h.csv", "image,x1,y1,x2,y2,score\n\n" + rows)) == {"a.jpg": EXPECTED["a.jpg"]}


def test_coco_detections_are_named_by_number(tmp_path: Path) -> None:
    rows = [{"image_id": 139, "category_id": 1, "bbox": [1, 2, 10, 20], "score": 0.5}]
    file = read_boxes(write(tmp_path / "d.json", rows))
    chosen, problems = file.match([Source(Path("coco/000000000139.jpg"), "000000000139.jpg", "000000000139")])
    assert (chosen, problems) == ({"000000000139": "139"}, [])


def test_wrong_boxes_are_kept_apart_with_their_line(tmp_path: Path) -> None:
    text = "a.jpg,1,2,3,4\na.jpg,nan,0,1,1\nb.jpg,5,5,1,9\nc.jpg,-5,5,10,9\nd.jpg,one,2,3,4\n"
    file = read_boxes(write(tmp_path / "x.csv", text))
    assert {name: len(people) for name, people in file.people.items()} == {"a.jpg": 1, "b.jpg": 0, "c.jpg": 0, "d.jpg": 0}
    assert {name: len(lines) for name, lines in file.wrong.items()} == {"a.jpg": 1, "b.jpg": 1, "c.jpg": 1, "d.jpg": 1}
    for name, words in {"a.jpg": "line 2 .*not finite", "b.jpg": "line 3 .*inverted", "c.jpg": "line 4 .*negative"}.items():
        with pytest.raises(InputError, match=words):
            raise InputError(file.wrong[name][0])
    assert file.wrong["d.jpg"][0].partition(": ")[2].startswith('line 5 (d.jpg): "one" is not a number. Allowed: finite')


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("x.csv", "a.jpg,1,2\n", "line 1 has 3 cells"),
        ("x.json", "{not json", "not understood"),
        ("x.json", '{"a": 1}', "not understood"),
        ("x.json", "3", "not understood"),
        ("x.json", '{"images": [], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}', "not understood"),
        ("x.json", "", "the file is no JSON"),
        ("x.json", "{}", "the file is an object with no fields, neither a result nor COCO.*Allowed: CSV"),
        ("x.json", "3", "the file is a number instead of a list.*Allowed: CSV"),
        ("x.json", "null", "the file is null"),
        ("x.json", '"a.jpg"', "the file is a string"),
        ("x.json", "[3]", "entry 1 is a number instead of an object"),
        ("x.json", '["image_id"]', "entry 1 is a string instead of an object"),
        ("x.json", '{"annotations": []}', "the COCO file has no 'images'; it has 'annotations'"),
        ("x.json", '{"images": []}', "the COCO file has no 'annotations'"),
        ("x.json", '{"images": 3, "annotations": []}', "images of the COCO file is a number instead of a list"),
        ("x.json", '{"images": [{"id": 1}], "annotations": []}', "an image has no 'file_name'"),
        ("x.json", '{"images": [], "annotations": [], "categories": [{"id": 1, "name": "dog"}]}', "none of its .*'person'"),
        ("x.json", '{"images": [], "annotations": [{"image_id": 1, "bbox": 3}]}', "annotation 1 is of image 1, which is not"),
        ("x.json", '[{"image": "a.jpg", "people": []}]', "image of entry 1 is a string instead of an object"),
        ("x.json", '[{"image": {"file": 5}, "people": []}]', "file of image of entry 1 is a number instead of a string"),
        ("x.json", '[{"image": {"file": "a"}, "people": 3}]', "people of entry 1 is a number instead of a list"),
        ("x.json", '[{"image": {"file": "a"}, "people": [{}]}]', "person 1 of entry 1 has no 'box'"),
        ("x.json", "[" * 100_000, "not understood"),
        ("x.jsonl", "3\n", "line 1 is a number instead of an object"),
        ("x.jsonl", '{"image": {"file": "a"}, "people": []}\n{', "line 2 is no JSON"),
        ("x.csv", "image,x,y,width,height\n", "its first line names the columns image,x,y,width,height"),
        ("x.txt", "a", r"unknown kind '\.txt'"),
    ],
)
def test_files_that_are_no_boxes(tmp_path: Path, name: str, content: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        read_boxes(write(tmp_path / name, content))


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.csv", "image,x1,y1,x2,y2\n"), ("x.json", "[]"), ("x.jsonl", ""), ("y.json", COCO | {"annotations": []})],
)
def test_a_file_may_say_that_nobody_is_there(tmp_path: Path, name: str, content: object) -> None:
    assert not any(boxes_in(write(tmp_path / name, content)).values())


def test_text_in_the_place_of_numbers_costs_its_own_photo_only(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(5)]
    boxes: list[Any] = [[1, 2, 10, 20], ["1", "2", "3", "4"], "1234", [1, 2, 3], None]
    annotations = [{"image_id": number, "bbox": box} for number, box in enumerate(boxes)]
    file = read_boxes(write(tmp_path / "x.json", {"images": images, "annotations": annotations}))
    assert {name: len(people) for name, people in file.people.items()} == {f"{n}.jpg": int(n == 0) for n in range(5)}
    assert sorted(file.wrong) == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert 'annotation 2 (1.jpg): "1" is not a number' in file.wrong["1.jpg"][0]
    assert "3 numbers instead of 4" in file.wrong["3.jpg"][0]
    own = [{"image": {"file": "a.jpg"}, "people": [{"box": "1234"}, {"box": [1, 2, 3, 4], "score": None}]}]
    assert len(read_boxes(write(tmp_path / "own.json", own)).wrong["a.jpg"]) == 2


def test_absent_and_binary_files(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\xd8")
    for name, text in {"none.csv": "cannot be read", "b.csv": "not text"}.items():
        with pytest.raises(InputError, match=text):
            read_boxes(tmp_path / name)


def test_names_are_matched_by_path_then_by_file_name(tmp_path: Path) -> None:
    sources = [Source(Path(n), n, n.removesuffix(".jpg")) for n in ("a.jpg", "s/a.jpg", "s/b.jpg", "t/c.jpg", "u/c.jpg")]
    text = "a.jpg,1,2,3,4\ns/a.jpg,1,2,3,4\nb,1,2,3,4\nc.jpg,1,2,3,4\nzebra.jpg,1,2,3,4\ns/b.jpg,1,2,3,4\n"
    chosen, problems = read_boxes(write(tmp_path / "x.csv", text)).match(sources)
    assert chosen == {"a": "a.jpg", "s/a": "s/a.jpg", "s/b": "b"}
    (problem,) = problems
    for words in ("c.jpg (several photos have this name)", "zebra.jpg", "s/b.jpg (the same photo as b)"):
        assert words in problem.message


def test_the_digest_tells_other_boxes_apart() -> None:
    one, two = Person(np.array([1, 2, 3, 4])), Person(np.array([1, 2, 3, 5]))
    assert digest([one]) == digest([Person(np.array([1.0, 2, 3, 4]))]) != digest([two])
    assert digest([one, two]) != digest([two, one])

"""Figures by group on the user's own labels."""

import json

import cv2
import numpy as np
import pytest
from made_people import BoxPredictor

from vitruvian.errors import InputError
from vitruvian.evaluate.command import Wanted, run
from vitruvian.evaluate.own import GivenGroups, OwnPhotos
from vitruvian.vocab import skeleton

MIDDLE = (80.0, 120.0)


@pytest.fixture
def labels(tmp_path):
    """Three photos of one person each; the third is not there."""
    names = list(skeleton("coco17").names)
    people = []
    for number in range(3):
        points = [(MIDDLE[0] + 60 * number, MIDDLE[1], 2)] * 17  # the first person's points are in the middle of the box
        people.append({
            "id": 10 + number, "image_id": number, "category_id": 1, "bbox": [30, 20, 100, 200], "area": 20000, "iscrowd": 0,
            "keypoints": [v for point in points for v in point], "segmentation": [[30, 20, 130, 20, 130, 220, 30, 220]],
        })  # fmt: skip
    images = [{"id": n, "file_name": f"{n}.jpg", "height": 240, "width": 200} for n in range(3)]
    path = tmp_path / "labels.json"
    category = {"id": 1, "name": "person", "keypoints": names}
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": [category]}))
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), np.full((240, 200, 3), 90, np.uint8))
    return path


def test_own_groups_have_their_figures(labels, tmp_path):
    groups = tmp_path / "groups.csv"
    groups.write_text("photo,place\n0.jpg,street\n1.jpg,shop\n")
    own = OwnPhotos(labels, tmp_path, groups)
    found = own.figures(BoxPredictor())
    assert found["place"]["street"]["pose/pck/body"]["mean"] == 1
    assert found["place"]["shop"]["pose/pck/body"]["mean"] == 0
    assert found["everybody"]["everybody"]["seg/foreground_iou"]["people"] == 2  # masks stand in for parts
    assert len(own.faults) == 1 and "2.jpg" in own.faults[0]


def test_a_row_that_fits_nobody_is_told(labels, tmp_path):
    groups = tmp_path / "groups.csv"
    groups.write_text("photo,place\n0.JPG,street\n")
    own = OwnPhotos(labels, tmp_path, groups)
    own.figures(BoxPredictor())
    assert "1 rows fit nobody, as 0.JPG" in own.faults[-1]


def test_photos_may_lie_anywhere(labels, tmp_path):
    raw = json.loads(labels.read_text())
    raw["images"] = [image | {"file_name": str(tmp_path / image["file_name"])} for image in raw["images"][:1]]
    labels.write_text(json.dumps(raw))
    groups = tmp_path / "groups.csv"
    groups.write_text(f"photo,place\n{tmp_path / '0.jpg'},street\n")
    found = OwnPhotos(labels, tmp_path / "elsewhere", groups).figures(BoxPredictor())
    assert found["place"]["street"]["people"] == 1


def test_nobody_is_an_error(labels, tmp_path):
    with pytest.raises(InputError, match="nobody could be judged"):
        OwnPhotos(labels, tmp_path / "elsewhere").figures(BoxPredictor())


def test_the_command_writes_tables_and_tells_of_the_missing_photo(labels, tmp_path, capsys):
    assert run(Wanted(tmp_path / "out", coco=labels), "vitruvian-s", "cpu") == 1
    written = json.loads((tmp_path / "out" / "people.json").read_text())
    assert written["groups"]["framing"]["whole body"]["people"] == 2
    assert "| framing | n |" in (tmp_path / "out" / "people.md").read_text()
    assert "2.jpg" in capsys.readouterr().err


def test_given_groups_by_person_and_by_photo(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("photo,person,place,light\na.jpg,,street,\na.jpg,7,shop,day\nz.jpg,,street,day\n")
    given = GivenGroups(path)
    assert given.of("a.jpg", "7") == {"place": "shop", "light": "day"}
    assert given.of("a.jpg", "8") == {"place": "street", "light": "not given"}
    assert given.of("b.jpg", "1") == {"place": "not given", "light": "not given"}
    assert given.unmet() == ["z.jpg"]


@pytest.mark.parametrize("text", ["", "photo,person\na,1\n", "file,place\na,b\n"])
def test_a_file_without_groups_is_named(tmp_path, text):
    path = tmp_path / "groups.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"groups\.csv: no groups"):
        GivenGroups(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("photo,size\na.jpg,big\n", "the labels themselves give size"),
        ("photo,person,place\na.jpg,7,shop\na.jpg,7,street\n", "has two rows"),
    ],
)
def test_groups_that_would_hide_others_are_refused(tmp_path, text, said):
    path = tmp_path / "groups.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        GivenGroups(path)


def test_an_absent_file_of_groups_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        GivenGroups(tmp_path / "absent.csv")

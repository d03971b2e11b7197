"""The whole evaluation on the shared photos, its files, and what may be shown."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from made_people import BoxPredictor, person, photo, subject

from vitruvian.errors import InputError
from vitruvian.evaluate import evaluate_photos
from vitruvian.evaluate.photos import Adapter, clip_box, may_be_shown, predict_subjects, read_index, read_photos
from vitruvian.evaluate.report import markdown, plain, provenance, table
from vitruvian.evaluate.sheet import GROUND, TALLEST, WIDTH, tile, write_sheet


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"redistribute": "yes"}, True),
        ({"redistribute": "yes-with-attribution", "image_licence": "CC-BY-2.0"}, True),
        ({"redistribute": "yes-with-attribution-sharealike", "image_licence": "CC-BY-SA-2.0"}, True),
        ({"redistribute": "yes-with-attribution-unmodified", "image_licence": "CC-BY-ND-2.0"}, False),
        ({"redistribute": "local-testing-only (non-commercial)"}, False),
        ({}, False),
    ],
)
def test_only_what_may_be_changed_and_shared_is_shown(entry, shown):
    assert may_be_shown(entry) is shown


def test_a_hidden_photo_leaves_no_pixel_on_its_tile():
    sample = person()
    sample.image[:] = (200, 30, 40)
    for shown in (True, False):
        one = subject(sample, shown=shown, mask=np.zeros(sample.mask.shape, bool))
        picture = tile(one.photo, [one])
        left = picture[:, : picture.shape[1] // 2]
        assert (left == (200, 30, 40)).all(-1).any() == shown
        assert (left == GROUND).all(-1).any() != shown


def test_the_sheet_and_its_licences(tmp_path):
    subjects = [subject(person(i), name=f"{i}.jpg", shown=i != 1) for i in range(6)]
    write_sheet(subjects, tmp_path / "sheet.jpg")
    height, width, _ = cv2.imread(str(tmp_path / "sheet.jpg")).shape
    assert width == WIDTH and 200 < height < 2 * TALLEST  # six narrow tiles fill one row
    lines = (tmp_path / "sheet.txt").read_text().splitlines()
    assert [line for line in lines if "not shown" in line] == [next(line for line in lines if line.startswith("1.jpg"))]
    assert not list(tmp_path.glob(".*"))


def test_boxes_are_cut_to_the_photo_and_empty_ones_left_out():
    class Checks(BoxPredictor):
        def people(self, image, boxes):
            assert (boxes >= 0).all() and (boxes[:, 2:] <= (200, 240)).all()
            return super().people(image, boxes)

    people = [person(0, box=(-5, -5, 90, 300)), person(1, box=(-50, 0, 0, 20))]
    assert len(predict_subjects(photo(people), Checks())) == 1
    assert clip_box(np.array([-1, 2, 500, 9]), (8, 10)).tolist() == [0, 2, 10, 8]


def test_the_products_predictor_is_adapted():
    calls = []

    def predict(image, boxes, tasks):
        calls.append((boxes.shape, tasks))
        return SimpleNamespace(people=[SimpleNamespace(predictions={"pose": 1}) for _ in boxes])

    inner = SimpleNamespace(name="m", weights="h", predict=predict)
    adapter = Adapter(inner, tasks=("pose",))
    assert (adapter.name, adapter.weights) == ("m", "h")
    assert adapter.people(np.zeros((4, 4, 3)), np.zeros((2, 4))) == [{"pose": 1}] * 2
    assert calls == [((2, 4), ("pose",))]


@pytest.mark.parametrize("program", ["/somewhere/bin/vitruvian", "/somewhere/vitruvian/__main__.py"])
def test_the_command_names_no_place_of_the_program(program, monkeypatch):
    monkeypatch.setattr("sys.argv", [program, "evaluate", "--out", "my figures"])
    assert provenance(BoxPredictor())["command"] == "vitruvian evaluate --out 'my figures'"


def test_an_absent_index_is_named(tmp_path):
    with pytest.raises(InputError, match=r"INDEX\.json"):
        read_index(tmp_path)


def test_tables_and_json_know_no_nan():
    assert plain({"a": float("nan"), "b": {"c": 0.5}}) == {"a": None, "b": {"c": 0.5}}
    text = table(("n", "x", "y"), [("a", 0.123, None), ("b", float("nan"), 7)])
    assert text.splitlines()[2:] == ["| a | 12.3 | – |", "| b | – | 7 |"]


def test_the_sets_are_those_of_the_readme(data):
    found = list(read_photos(data))
    count = {group: sum(len(p.record.people) for p in found if p.group == group) for group in {p.group for p in found}}
    assert count == {
        "coco": 133, "mmpose_coco": 4, "ochuman": 3, "crowdpose": 2, "aic": 6, "mhp": 2, "jhmdb": 2, "posetrack18": 3,
        "mpii": 3,
    }  # fmt: skip
    assert sum(p.shown for p in found if p.group == "coco") > 5


def test_the_whole_evaluation_runs_and_says_who_was_measured(data, tmp_path):
    pytest.importorskip("pycocotools")
    figures = evaluate_photos(data, BoxPredictor(), tmp_path, mean_pose=np.full((17, 2), 0.5), command="me")
    written = json.loads((tmp_path / "photos.json").read_text())
    row = written["keypoints"]["qualifying"]["coco"]
    assert row["people"] == 16
    # points in the middle of the box are the synthetic baseline that was given
    assert row["pck"] == pytest.approx(row["baselines"]["mean_synthetic"]["pck"])
    assert row["gain"] <= 0
    assert written["foreground"]["qualifying"]["people"] == 19
    assert written["provenance"]["weights"] == "0" * 64
    assert written["provenance"]["command"] == "me"
    assert (tmp_path / "photos.md").read_text() == markdown(figures)
    assert (tmp_path / "sheet.jpg").stat().st_size > 10_000

"""Poses in files: published and computed figures, conversions between sets, and what damaged files are told."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitruvian.cli import main
from vitruvian.errors import InputError, UsageError
from vitruvian.evaluate.results import keypoint_figures
from vitruvian.evaluate.results.keypoints import common_rows
from vitruvian.vocab import keypoint_map, skeleton

pytest.importorskip("pycocotools", reason="pycocotools is not installed: pip install 'vitruvian[evaluate]'")
Write = Callable[..., tuple[Path, Path]]


def near(figures: Any, expected: Any, tolerance: float) -> None:
    for name, value in expected.items():
        if isinstance(value, dict):
            near(figures[name], value, tolerance)
        else:
            assert figures[name] == pytest.approx(value, abs=tolerance), name


def test_coco_with_noise(data: Path) -> None:
    folder = data / "fixtures/coco_noised"
    expected = json.loads((folder / "expected.json").read_text())
    figures = keypoint_figures(data / "coco/annotations/person_keypoints.json", folder / "keypoints_results.json")
    near(figures, expected["expected"]["keypoints"], expected["tolerance"])
    assert figures["skeleton"] == "coco17" and "parts" not in figures


def test_whole_bodies_part_by_part(data: Path) -> None:
    folder = data / "fixtures/wholebody_partition"
    expected = json.loads((folder / "expected.json").read_text())
    figures = keypoint_figures(folder / "gt.json", folder / "dt.json")
    near(figures, expected["expected"].pop("all"), expected["tolerance"])
    near(figures["parts"], expected["expected"], expected["tolerance"])
    hands = [figures["parts"][side]["AP"] for side in ("left_hand", "right_hand")]
    assert figures["parts"]["hand"]["AP"] == pytest.approx(np.mean(hands))


def test_crowds(data: Path) -> None:
    folder = data / "fixtures/crowdpose"
    expected = json.loads((folder / "expected.json").read_text())
    figures = keypoint_figures(folder / "gt.json", folder / "dt.json")
    levels = {f"AP_{level}": value for level, value in figures["crowding"].items()}
    near(figures | levels, expected["expected"], expected["tolerance"])
    assert "AP_large" not in figures, "no area is labelled, so nobody has a size"


def body(count: int, image: int, seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).uniform(20, 380, (count, 3))
    points[:, 2] = 2
    return points


@pytest.fixture
def files(tmp_path: Path) -> Write:
    """files(truths, predictions): lists of (image, points (K, 3)) -> paths of a COCO file and of a results file."""

    def write(truths: list[tuple[int, Any]], found: list[tuple[int, Any]], **changes: Any) -> tuple[Path, Path]:
        annotations = [
            {"id": i, "image_id": image, "category_id": 1, "bbox": [0, 0, 400, 400], "area": 90000.0, "iscrowd": 0,
             "keypoints": np.ravel(points).tolist(), **changes} for i, (image, points) in enumerate(truths, 1)
        ]  # fmt: skip
        raw = {"images": [{"id": 1}, {"id": 2}], "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
        results = [{"image_id": i, "category_id": 1, "keypoints": np.ravel(p).tolist(), "score": 0.9} for i, p in found]
        truth, predictions = tmp_path / "truth.json", tmp_path / "found.json"
        truth.write_text(json.dumps(raw))
        predictions.write_text(json.dumps(results))
        return truth, predictions

    return write


def test_a_part_without_points_is_no_prediction_of_it(files: Write) -> None:
    """Two poses in a photo with one person: the one without feet must not cost the feet."""
    person = body(133, 1, 0)
    legless = person.copy()
    legless[list(skeleton("wholebody133").groups["foot"])] = 0
    legless[:, :2] += 300
    figures = keypoint_figures(*files([(1, person)], [(1, legless), (1, person)]))
    assert figures["parts"]["foot"]["AP"] == pytest.approx(1)
    assert figures["parts"]["body"]["AP"] < 0.6


def test_the_points_that_two_whole_bodies_share(files: Write) -> None:
    """A person of 133 points, predicted in 308: what both have is judged, and found right."""
    fine = body(308, 1, 1)
    rows = keypoint_map("sapiens308", "wholebody133")
    person = np.where(rows[:, None] >= 0, fine[rows], 0)
    figures = keypoint_figures(*files([(1, person)], [(1, fine)]), "common114")
    assert (figures["points"], figures["AP"]) == (114, pytest.approx(1))
    assert len(common_rows()) == 17 + 6 + 51 + 40
    names = {skeleton("wholebody133").names[row] for row in common_rows()}
    assert not {"left_hand_root", "face-0", "face-16"} & names and {"face-17", "face-67", "left_thumb1"} <= names


def test_a_larger_set_is_judged_as_a_smaller_one(files: Write) -> None:
    person = body(17, 1, 2)
    whole = np.concatenate([person, np.zeros((116, 3))])
    figures = keypoint_figures(*files([(1, person)], [(1, whole)]))
    assert (figures["skeleton"], figures["AP"]) == ("coco17", pytest.approx(1))


def test_nothing_predicted_is_zero(files: Write) -> None:
    truth, predictions = files([(1, body(17, 1, 0))], [])
    figures = keypoint_figures(truth, predictions)
    assert (figures["AP"], figures["AR"], figures["predictions"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda t, p: p.write_text("[{"), "found.json: not JSON, or cut short"),
        (lambda t, p: p.write_text('[{"image_id": 1, "keypoints": [1, 2]}]'), "found.json: result 0 is damaged"),
        (lambda t, p: p.write_text('[{"image_id": 7, "keypoints": [1,2,1], "score": 1}]'), "1 points, but coco17 has 17"),
        (lambda t, p: p.write_text(p.read_text().replace('"image_id": 1', '"image_id": 7')), "image_id 7 is not in"),
        (lambda t, p: p.write_text(p.read_text().replace("[", "[NaN, ", 2).replace("[NaN, ", "[", 1)), "result 0 is damaged"),
        (lambda t, p: t.write_text('{"images": []}'), "truth.json: not a COCO file"),
        (lambda t, p: t.write_text(t.read_text().replace('"bbox"', '"box"')), "annotation 1 is damaged (KeyError: 'bbox')"),
        (lambda t, p: t.write_text(t.read_text().replace('"image_id": 1', '"image_id": 9')), "image_id 9 of an annotation"),
        (lambda t, p: t.write_text(t.read_text().replace("keypoints", "points")), "no annotation has keypoints"),
    ],
)
def test_what_damaged_files_are_told(files: Write, spoil: Callable[[Path, Path], Any], told: str) -> None:
    truth, predictions = files([(1, body(17, 1, 0))], [(1, body(17, 1, 0))])
    spoil(truth, predictions)
    with pytest.raises(InputError) as error:
        keypoint_figures(truth, predictions)
    assert told in str(error.value)


def test_an_unknown_skeleton_lists_those_there_are(files: Write) -> None:
    with pytest.raises(UsageError, match="common114"):
        keypoint_figures(*files([], []), "coco18")


def test_the_verb_gives_one_object_or_tables(files: Write, capsys: pytest.CaptureFixture[str]) -> None:
    truth, predictions = files([(1, body(17, 1, 0))], [(1, body(17, 1, 0))])
    words = ["evaluate", "keypoints", "--truth", str(truth), "--predictions", str(predictions)]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["AP"] == pytest.approx(1)
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "100.0 %" in told and "Sapiens 2B" in told
    assert main([*words, "--skeleton", "nobody"]) == 2


def test_published_figures_are_those_of_the_specification(shared: Path) -> None:
    """Every number of the tables in section 8, and of the line below them."""
    text = (shared / "spec" / "sapiens1.md").read_text().partition("### Numbers in the docs")[2].partition("\n## ")[0]
    rows = [re.findall(r"[\d.]+", row.partition("B |")[2]) for row in re.findall(r"^\| [\d.]+B \|.*$", text, re.M)]
    tables = {"wholebody133": rows[:4], "coco17": rows[4:]}
    for name, words in (("sapiens308", r"308 AP ([\d. /]+)"), ("body28", r"mIoU ([\d./ ]+\d)")):
        tables[name] = [[number] for number in re.search(words, text)[1].split(" / ")]  # type: ignore[index]
    known = tomllib.loads((resources.files("vitruvian.evaluate.results") / "paper.toml").read_text())
    assert {name: len(rows) for name, rows in tables.items()} == {"wholebody133": 4, "coco17": 4, "sapiens308": 3, "body28": 3}
    for name, table in tables.items():
        assert known[name]["rows"] == {
            size: [float(number) for number in row] for size, row in zip(("0.3B", "0.6B", "1B", "2B"), table, strict=False)
        }

"""Which people stay: against slow second readings of the definitions, and in a made-up crowd."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitruvian.cli import main
from vitruvian.errors import UsageError
from vitruvian.geometry import iou_matrix
from vitruvian.predict.pipeline import load
from vitruvian.predict.result import PersonResult
from vitruvian.predict.selection import Selection
from vitruvian.types import Array, Keypoints, Person, Prediction
from vitruvian.vocab import keypoint_map, skeleton


def people_at(*rows: tuple[float, ...]) -> list[Person]:
    """x1, y1, x2, y2, score."""
    return [Person(np.array(row[:4], np.float32), row[4], origin="user") for row in rows]


def posed(person: Person, xy: Array, score: float = 0.8, name: str = "coco17") -> PersonResult:
    """A person with a pose; only the points of the body matter."""
    rows = keypoint_map(name, "coco17")
    places = np.zeros((len(skeleton(name).names), 2), np.float32)
    places[rows] = xy
    value = Keypoints(places, np.full(len(places), score, np.float32), name)
    crop: Any = None
    return PersonResult(person, {"pose": Prediction(person, crop, "pose", "", value)})


def oks(a: Array, b: Array, area_a: float, area_b: float) -> float:
    """COCO's similarity, point by point."""
    total = 0.0
    for (xa, ya), (xb, yb), sigma in zip(a, b, skeleton("coco17").sigmas, strict=True):
        distance, size, k = math.hypot(xa - xb, ya - yb), (area_a + area_b) / 2, 2 * sigma
        total += math.exp(-(distance**2) / (2 * size * k**2))
    return total / 17


STANDING = np.array([[50, 10], [52, 8], [48, 8], [55, 10], [45, 10], [62, 30], [38, 30], [66, 50], [34, 50], [68, 70],
                     [32, 70], [58, 72], [42, 72], [58, 100], [42, 100], [58, 128], [42, 128]], np.float32)  # fmt: skip
BOX = (28.0, 0.0, 72.0, 136.0)


class TestBoxes:
    def test_nothing_asked_for_keeps_everybody_in_order(self) -> None:
        people = people_at((0, 0, 5, 5, 0.1), (0, 0, 5, 5, 0.9))
        assert Selection().of(people) == people and Selection().of([]) == [] and Selection().given == {}

    def test_scores_and_numbers(self) -> None:
        people = people_at(*((i * 10, 0, i * 10 + 5, 5, score) for i, score in enumerate((0.2, 0.9, 0.5, 0.7))))
        scores = lambda selection: [person.score for person in selection.of(people)]  # noqa: E731
        assert scores(Selection(min_score=0.5)) == [0.9, 0.5, 0.7]
        assert scores(Selection(max_people=2)) == [0.9, 0.7]
        assert scores(Selection(min_score=0.95)) == scores(Selection(min_score=0.95, nms=0.5, max_people=1)) == []
        assert scores(Selection(max_people=9)) == [0.2, 0.9, 0.5, 0.7], "the given order stays"

    def test_overlap_against_a_slow_reading(self) -> None:
        rng = np.random.default_rng(0)
        for threshold in (0.0, 0.3, 0.7, 1.0):
            corners = rng.uniform(0, 40, (30, 2))
            rows = np.concatenate([corners, corners + rng.uniform(5, 40, (30, 2)), rng.uniform(0, 1, (30, 1))], 1)
            people = people_at(*map(tuple, rows.tolist()))
            left, want = sorted(people, key=lambda p: -p.score), []
            while left:
                best = left.pop(0)
                want.append(best)
                left = [p for p in left if iou_matrix(best.box, p.box)[0, 0] <= threshold]
            got = Selection(nms=threshold).of(people)
            assert sorted(p.score for p in got) == sorted(p.score for p in want)
            places = [[id(p) for p in people].index(id(q)) for q in got]
            assert places == sorted(places)

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            ({"min_score": 1.5}, r"min-score 1\.5\. Allowed: 0 to 1"),
            ({"nms": -0.1}, r"nms -0\.1\. Allowed: 0 to 1"),
            ({"oks_nms": float("nan")}, r"oks-nms nan\. Allowed"),
            ({"max_people": 0}, r"max-people 0\. Allowed: 1, 2, 3"),
        ],
    )
    def test_what_is_out_of_range_is_refused(self, words: dict[str, Any], text: str) -> None:
        with pytest.raises(UsageError, match=text):
            Selection(**words)


class TestPoses:
    def test_poses_against_a_slow_reading(self) -> None:
        rng = np.random.default_rng(1)
        found = []
        for score in rng.uniform(0.2, 1, 24):
            spread = rng.choice([2.0, 8.0, 30.0])
            box = np.array(BOX) + rng.normal(0, 3, 4)
            found.append(
                posed(*people_at((*box.tolist(), float(score))), STANDING + rng.normal(0, spread, (17, 2)), 0.5 + score / 3)
            )
        for threshold in (0.2, 0.5, 0.9):
            surest = sorted(found, key=lambda f: -f.person.score * f.keypoints.score.mean())  # type: ignore[union-attr]
            want: list[PersonResult] = []
            for one in surest:
                areas = [float(np.prod(f.person.box[2:] - f.person.box[:2])) for f in (one, *want)]
                places = [f.keypoints.xy for f in (one, *want)]  # type: ignore[union-attr]
                if all(oks(places[0], b, areas[0], area) <= threshold for b, area in zip(places[1:], areas[1:], strict=True)):
                    want.append(one)
            got = Selection(oks_nms=threshold).without_twins(found)
            assert {id(f) for f in got} == {id(f) for f in want} and 1 < len(got) < len(found)

    def test_in_a_crowd_poses_tell_apart_what_boxes_cannot(self) -> None:
        """Two people before each other, their boxes nearly the same, and one of them found twice."""
        first, again, behind = people_at((*BOX, 0.9), (29, 1, 73, 137, 0.8), (26, -2, 74, 134, 0.7))
        crouching = STANDING * [1, 0.45] + [0, 74]
        crowd = [posed(first, STANDING), posed(again, STANDING + 0.5), posed(behind, crouching)]
        assert iou_matrix(first.box, behind.box)[0, 0] > 0.85
        assert Selection(nms=0.7).of([one.person for one in crowd]) == [first], "boxes alone lose the one behind"
        assert Selection(oks_nms=0.9).without_twins(crowd) == [crowd[0], crowd[2]]
        assert Selection().without_twins(crowd) == crowd

    def test_the_surer_pose_stays_where_boxes_are_given(self) -> None:
        given = people_at((*BOX, 1.0), (*BOX, 1.0))
        twins = [posed(given[0], STANDING, 0.4), posed(given[1], STANDING, 0.9)]
        assert Selection(oks_nms=0.9).without_twins(twins) == [twins[1]]

    @pytest.mark.parametrize("name", ["wholebody133", "sapiens308"])
    def test_of_larger_sets_the_body_is_compared(self, name: str) -> None:
        twins = [posed(person, STANDING, name=name) for person in people_at((*BOX, 0.9), (*BOX, 0.8))]
        assert Selection(oks_nms=0.9).without_twins(twins) == twins[:1]


class TestPredict:
    def test_the_photo_says_how_many_were_left_out(
        self, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Image.new("RGB", (80, 60), (90, 120, 60)).save(tmp_path / "a.png")
        (tmp_path / "b.csv").write_text("a.png,10,5,50,55,0.9\na.png,10,5,50,55,0.8\na.png,60,5,79,30,0.7\na.png,2,2,9,9,0.1\n")
        fixed = ["--model", tiny, "--out", tmp_path / "out", "--boxes", tmp_path / "b.csv", "--device", "cpu", "--no-draw"]
        words = ["predict", tmp_path / "a.png", *fixed, "--tasks", "pose"]
        assert main([str(word) for word in [*words, "--min-score", "0.5", "--oks-nms", "0.95"]]) == 0
        told = capsys.readouterr().out
        assert "not all people: min-score 0.5, oks-nms 0.95" in told
        assert "a.png (1 of 3 left out, whose pose is another's): 2 people" in told

    def test_poses_are_needed_to_compare_them(self, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        predictor = load(tiny, device="cpu", oks_nms=0.9)
        with pytest.raises(UsageError, match=r"oks-nms compares poses, and the tasks are seg\. Fix: add pose"):
            predictor.predict(np.zeros((60, 80, 3), np.uint8), tasks=["seg"])
        Image.new("RGB", (80, 60)).save(tmp_path / "a.png")
        words = [
            "predict",
            tmp_path / "a.png",
            "--model",
            tiny,
            "--out",
            tmp_path / "out",
            "--tasks",
            "seg",
            "--oks-nms",
            "0.9",
        ]
        assert main([str(word) for word in words]) == 2
        assert "oks-nms compares poses" in capsys.readouterr().err

    def test_given_boxes_may_be_chosen_among(self, tiny: Path) -> None:
        boxes = np.array([[10, 5, 50, 55, 0.9], [11, 5, 50, 55, 0.8], [60, 5, 79, 30, 0.3]], np.float32)
        predictor = load(tiny, device="cpu", min_score=0.5, nms=0.6)
        result = predictor.predict(np.zeros((60, 80, 3), np.uint8), boxes=boxes, tasks=["pose"])
        assert [found.person.score for found in result.people] == [pytest.approx(0.9)]
        assert result.made_by.selection == {"min_score": 0.5, "nms": 0.6}

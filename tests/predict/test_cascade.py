"""The second look at a detector's finds: what it measures, how it is read, and that it refuses weights it was not fitted to."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vitruvian.device import choose_compute
from vitruvian.errors import WeightsError
from vitruvian.geometry import iou_matrix, make_crop
from vitruvian.predict import cascade
from vitruvian.predict.cascade import FIGURES, FILE, Cascade, look, moved, read_judge
from vitruvian.predict.finder import Find
from vitruvian.predict.selection import USUAL, Selection
from vitruvian.types import ModelSpec

FP32 = choose_compute("cpu", "fp32")
PHOTO = np.zeros((400, 300, 3), np.uint8)
BOX = np.array([50, 100, 150, 300], np.float32)


class Seer:
    """Answers as a model would that sees a person in `inside`, source px, whatever the box."""

    spec = ModelSpec("seer", (96, 72), 8, 1, 1, 8, (), sigma=1.0)

    def __init__(self, inside: tuple[float, float, float, float] | None) -> None:
        self.inside = inside

    def outputs(self, views, names):
        assert set(names) == {"pose", "seg"}
        crops = [make_crop(person.box, self.spec.size, image.shape[:2]) for image, person in views]
        pose, seg = zip(*(self._maps(crop) for crop in crops), strict=True)
        yield views, crops, {"pose": torch.stack(pose), "seg": torch.stack(seg)}

    def _maps(self, crop):
        """Points from corner to corner of the person, or everywhere and nowhere; parts within it."""
        rows, columns = np.mgrid[: crop.size[0], : crop.size[1]]
        places = crop.points_to_source(np.stack([columns, rows], -1).reshape(-1, 2)).reshape(*crop.size, 2)
        low, high = np.array((0, 0, -1, -1) if self.inside is None else self.inside).reshape(2, 2)
        there = torch.from_numpy(((places >= low) & (places <= high)).all(-1))
        seg = torch.stack([torch.where(there, -20.0, 20.0), torch.where(there, 20.0, -20.0)])
        if self.inside is None:
            return torch.zeros(133, *crop.size), seg
        points = crop.points_to_input(np.linspace(low, high, 133))
        far = (columns - points[:, 0, None, None]) ** 2 + (rows - points[:, 1, None, None]) ** 2
        return torch.from_numpy(-far / 2).float(), seg


def one_look(inside, box=BOX):
    return look(Seer(inside), PHOTO, [Find(box, 0.5)])[0]


def figure(looked, name):
    return looked.figures[FIGURES.index(name)]


class TestLook:
    def test_figures_are_the_same_whatever_the_size_of_the_photo(self):
        small, large = (
            look(Seer(None), np.zeros((400 * k, 300 * k, 3), np.uint8), [Find(BOX * k, 0.5)])[0].figures for k in (1, 8)
        )
        np.testing.assert_allclose(small, large, atol=1e-6)

    def test_the_extent_is_the_outline_of_the_parts_in_the_photo(self):
        assert one_look((60, 110, 140, 290)).extent == pytest.approx([60, 110, 140, 290], abs=3)

    def test_figures_of_a_person_who_fills_the_box(self):
        looked = one_look((50, 100, 150, 300))
        assert looked.figures.shape == (len(FIGURES),)
        assert figure(looked, "logit of the find's score") == 0
        assert figure(looked, "share of the points in the box") > 0.1
        assert figure(looked, "parts against box (IoU)") > 0.9
        assert figure(looked, "mean score of the parts") == 1
        assert figure(looked, "log of the height") == pytest.approx(np.log(200 * 512 / 400))

    def test_nobody_is_no_extent_and_small_figures(self):
        looked = one_look(None)
        assert looked.extent is None
        for name in FIGURES:
            if not name.startswith(("log", "share of the points in")):
                assert figure(looked, name) == pytest.approx(0, abs=0.02), name

    def test_what_a_piece_says_is_weighed_apart(self):
        whole, piece = (look(Seer(None), PHOTO, [Find(BOX, 0.9, piece=of)])[0] for of in (False, True))
        assert figure(whole, "found in a piece") == figure(whole, "logit of the score in a piece") == 0
        assert figure(piece, "found in a piece") == 1
        assert figure(piece, "logit of the score in a piece") == pytest.approx(np.log(9))

    def test_figures_do_not_change_where_the_photo_is_shifted(self):
        here, there = (
            one_look((60, 110, 140, 290)),
            one_look((100, 130, 180, 310), BOX + np.array([40, 20, 40, 20], np.float32)),
        )
        assert there.figures == pytest.approx(here.figures, abs=0.02)


@pytest.mark.parametrize(("extent", "wanted"), [
    (None, BOX), ([60, 120, 160, 320], BOX + np.array([5, 10, 5, 10])), ([140, 290, 240, 390], BOX),
])  # fmt: skip
def test_a_box_moves_halfway_to_an_outline_that_agrees(extent, wanted):
    assert moved(BOX, None if extent is None else np.array(extent, float), 0.3) == pytest.approx(wanted)


class TestFile:
    def test_it_reads_back_what_was_written(self, tmp_path: Path):
        judge = replace(read_judge(), constant=0.25)
        judge.write(tmp_path / "judge.json")
        assert read_judge(tmp_path / "judge.json") == judge

    def test_two_who_write_at_once_do_not_take_each_others_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        judge, real = read_judge(), Path.replace

        def late(place: Path, target: Path) -> Path:
            with monkeypatch.context() as other:
                other.setattr(Path, "replace", real)
                other.setattr(os, "getpid", lambda: 1)
                replace(judge, constant=0.5).write(tmp_path / "judge.json")
            return real(place, target)

        monkeypatch.setattr(Path, "replace", late)
        judge.write(tmp_path / "judge.json")
        assert read_judge(tmp_path / "judge.json") == judge
        assert [one.name for one in tmp_path.iterdir()] == ["judge.json"]

    @pytest.mark.parametrize("fault", ["{", "[]", '{"detector": "a"}', '{"unknown": 1}'])
    def test_a_file_of_another_kind_is_refused(self, tmp_path: Path, fault: str):
        (tmp_path / "judge.json").write_text(fault)
        with pytest.raises(WeightsError, match=r"judge\.json is no judge of finds"):
            read_judge(tmp_path / "judge.json")

    @pytest.mark.parametrize("threshold", ["NaN", '"high"', "2"])
    def test_a_threshold_that_finds_nobody_is_refused(self, tmp_path: Path, threshold: str):
        text = FILE.read_text().replace(f'"threshold": {read_judge().threshold}', f'"threshold": {threshold}')
        (tmp_path / "judge.json").write_text(text)
        with pytest.raises(WeightsError, match=r"threshold .* Allowed: 0 to 1"):
            read_judge(tmp_path / "judge.json")

    def test_too_few_numbers_are_refused(self, tmp_path: Path):
        values = json.loads(FILE.read_text())
        (tmp_path / "judge.json").write_text(json.dumps(values | {"square": values["square"][1:]}))
        with pytest.raises(WeightsError, match=f"square must have {len(FIGURES)} numbers"):
            read_judge(tmp_path / "judge.json")

    @pytest.mark.parametrize("which", ["detector", "model"])
    def test_it_fits_no_other_weights(self, tmp_path: Path, which: str):
        replace(read_judge(), **{which: "0" * 64}).write(tmp_path / "judge.json")
        with pytest.raises(WeightsError, match=r"fitted to other weights of .*--detector person, or fit it anew"):
            Cascade(FP32, path=tmp_path / "judge.json")


class TestDetector:
    """With the packaged weights, and a judge that believes the parts."""

    @pytest.fixture
    def finds(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        """Two finds of the same person, one that half agrees, one of nobody; the model sees one person."""
        found = [Find(BOX, 0.4), Find(BOX + 8, 0.5, piece=True), Find(np.array([200, 20, 260, 100], np.float32), 0.9),
                 Find(np.array([60, 100, 240, 320], np.float32), 0.8)]  # fmt: skip

        believes = np.where([name == "parts against box (IoU)" for name in FIGURES], 10.0, 0.0)
        nothing, one = (0.0,) * len(FIGURES), (1.0,) * len(FIGURES)
        judge = replace(read_judge(), mean=nothing, spread=one, linear=tuple(believes), square=nothing, constant=-5.0)
        replace(judge, threshold=0.5).write(tmp_path / "judge.json")

        def build(selection: Selection = USUAL) -> Cascade:
            out = Cascade(FP32, selection, tmp_path / "judge.json")
            monkeypatch.setattr(out._finder, "find", lambda _: found)
            monkeypatch.setattr(out, "_network", Seer((55, 105, 155, 305)))
            return out

        return build

    def test_the_judge_decides_and_twins_go(self, finds):
        (person,) = finds().detect(PHOTO)
        assert iou_matrix(person.box[None], np.array([[55, 105, 155, 305]]))[0, 0] > 0.9

    def test_faint_finds_are_told_with_the_score_that_is_sure(self, finds):
        detector = finds(Selection(nms=1.0))
        people, sure = detector.detect_faint(PHOTO)
        assert sure == 0.5
        surely, faintly = ({tuple(p.box) for p in some} for some in (detector.detect(PHOTO), people))
        assert surely < faintly
        assert any(0.25 <= p.score < 0.5 for p in people)

    def test_the_selection_is_kept_to(self, finds):
        everybody = finds(Selection(min_score=0.0, nms=1.0)).detect(PHOTO)
        assert len(everybody) == 4
        assert [p.score for p in everybody] == sorted((p.score for p in everybody), reverse=True)
        assert len(finds(Selection(min_score=0.0, nms=1.0, max_people=2)).detect(PHOTO)) == 2
        assert finds(Selection(min_score=1.0)).detect(PHOTO) == []

    def test_a_photo_without_finds_has_nobody(self, monkeypatch: pytest.MonkeyPatch):
        detector = Cascade(FP32)
        monkeypatch.setattr(detector._finder, "find", lambda _: [])
        assert detector.detect(PHOTO) == []

    def test_its_name_and_the_hash_of_the_judge_are_told(self):
        detector = Cascade(FP32)
        assert detector.name == cascade.NAME
        assert len(detector.weights) == 64

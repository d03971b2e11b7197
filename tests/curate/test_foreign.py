"""Scorers told in TOML: models of transformers that compare with words, name classes or find things."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason='transformers is not installed: pip install "vitruvian[detect]"')
sys.path.insert(0, str(Path(__file__).parents[1] / "predict"))

from foreign_models import write_classifier, write_comparer, write_segmenter
from tiny_detectors import write_detector

from vitruvian.curate.foreign import Foreign
from vitruvian.curate.limits import Bound, Stage
from vitruvian.curate.scorer import View
from vitruvian.curate.settings import Settings, make_scorers, stages_of
from vitruvian.curate.told import Told, is_told, read_told
from vitruvian.errors import UsageError, WeightsError

PHOTOS = [np.random.default_rng(k).integers(0, 256, (48 + 16 * k, 64, 3)).astype(np.uint8) for k in range(3)]
VIEWS = [View(photo, (photo.shape[0], photo.shape[1])) for photo in PHOTOS]
DRAWN, SEEN = ("a painting", "a cartoon"), ("a photo of a person", "a photo of a place")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "clip": write_comparer(folder / "clip", "clip"), "siglip": write_comparer(folder / "siglip", "siglip"),
        "classes": write_classifier(folder / "classes"), "several": write_classifier(folder / "several", several=True),
        "yolos": write_detector(folder / "yolos", "yolos"), "segmenter": write_segmenter(folder / "segmenter"),
    }  # fmt: skip


def scores(given: Told) -> list[float]:
    return [found[given.name] for found in Foreign(given, "cpu").score(VIEWS)]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
class TestWords:
    def test_what_is_kept_and_what_is_dropped_share_one(self, models: dict[str, Path], kind: str) -> None:
        drawn = scores(Told("drawn", str(models[kind]), DRAWN, SEEN))
        seen = scores(Told("drawn", str(models[kind]), SEEN, DRAWN))
        assert np.add(drawn, seen) == pytest.approx(1, abs=1e-5)
        assert len({round(score, 6) for score in drawn}) == len(PHOTOS)

    def test_it_is_the_answer_of_the_library(self, models: dict[str, Path], kind: str) -> None:
        import transformers as t

        folder = models[kind]
        model = t.AutoModel.from_pretrained(folder).eval()
        pixels = t.AutoImageProcessor.from_pretrained(folder, backend="pil")(images=PHOTOS[:1], return_tensors="pt")
        words = t.AutoTokenizer.from_pretrained(folder)(
            [*DRAWN, *SEEN], padding="max_length", max_length=8, return_tensors="pt"
        )
        asked = {"input_ids": words["input_ids"]} | ({"attention_mask": words["attention_mask"]} if kind == "clip" else {})
        with torch.inference_mode():
            said = model(**pixels, **asked).logits_per_image[0].softmax(0)
        assert scores(Told("drawn", str(folder), DRAWN, SEEN))[0] == pytest.approx(float(said[:2].sum()), abs=1e-5)

    def test_without_words_to_keep_nothing_can_be_compared(self, models: dict[str, Path], kind: str) -> None:
        with pytest.raises(UsageError, match=r"scorer drawn: .* compares pictures with words\. Fix: keep = "):
            Foreign(Told("drawn", str(models[kind]), DRAWN), "cpu")


class TestClasses:
    def test_chances_of_all_classes_are_one(self, models: dict[str, Path]) -> None:
        one, others = (scores(Told("x", str(models["classes"]), drop)) for drop in (("NSFW",), ("normal", "old")))
        assert np.add(one, others) == pytest.approx(1, abs=1e-5)

    def test_of_several_that_may_hold_the_likeliest_counts(self, models: dict[str, Path]) -> None:
        one, other, both = (scores(Told("x", str(models["several"]), drop)) for drop in (("nsfw",), ("old",), ("nsfw", "old")))
        assert both == pytest.approx(np.maximum(one, other))

    @pytest.mark.parametrize("kind", ["classes", "yolos"])
    def test_an_unknown_class_is_refused(self, models: dict[str, Path], kind: str) -> None:
        with pytest.raises(WeightsError, match=r"knows no class 'blood'; it knows .*\. Fix: drop of these"):
            Foreign(Told("x", str(models[kind]), ("blood",)), "cpu")


class TestThings:
    def test_the_share_that_boxes_cover_grows_with_fainter_ones(self, models: dict[str, Path]) -> None:
        none, some = (scores(Told("text", str(models["yolos"]), ("person", "cat", "bus"), sure=sure)) for sure in (1.0, 0.0))
        assert none == [0, 0, 0]
        assert all(0 < share <= 1 for share in some)

    def test_what_is_not_dropped_does_not_count(self, models: dict[str, Path]) -> None:
        every, one = (scores(Told("x", str(models["yolos"]), drop, sure=0.0)) for drop in (("person", "cat"), ("cat",)))
        assert all(a >= b for a, b in zip(every, one, strict=True)) and every != one


def test_what_is_said_of_an_image_hangs_on_no_other(models: dict[str, Path]) -> None:
    for kind, drop in (("clip", DRAWN), ("classes", ("nsfw",)), ("yolos", ("person",))):
        scorer = Foreign(Told("x", str(models[kind]), drop, SEEN, sure=0.3), "cpu")
        assert [scorer.score([view])[0] for view in VIEWS] == scorer.score(VIEWS)


def test_an_image_that_cannot_be_prepared_is_dropped_and_the_others_are_scored(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = Foreign(Told("x", str(models["classes"]), ("nsfw",)), "cpu")
    prepare = scorer._processor

    def refuses_tall(images: list[np.ndarray], **more: str) -> object:
        if images[0].shape[0] > 60:
            raise ValueError("height and width must be > 0")
        return prepare(images=images, **more)

    monkeypatch.setattr(scorer, "_processor", refuses_tall)
    said = [found["x"] for found in scorer.score(VIEWS)]
    assert not np.isnan(said[0]) and np.isnan(said[1:]).all()
    assert scorer.stages[0].failed({"x": said[1]}) is not None


def test_other_models_and_folders_are_refused(models: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is a segformer .*Allowed: models that compare pictures with words"):
        Foreign(Told("x", str(models["segmenter"]), ("a",)), "cpu")
    with pytest.raises(WeightsError, match=r"no folder at .*Allowed: folders, or hub:OWNER/NAME"):
        Foreign(Told("x", str(tmp_path / "none"), ("a",)), "cpu")
    with pytest.raises(WeightsError, match=r"hub:a/b is not in the cache\. Fix: vitruvian models fetch hub:a/b"):
        Foreign(Told("x", "hub:a/b", ("a",)), "cpu")
    with pytest.raises(WeightsError, match=r"config\.json is absent"):
        Foreign(Told("x", str(tmp_path), ("a",)), "cpu")


class TestFile:
    TEXT = '[nsfw]\nmodel = "FOLDER"\ndrop = ["nsfw"]\nmost = 0.3\ncost = 20\n'

    @pytest.fixture
    def file(self, tmp_path: Path, models: dict[str, Path]) -> Path:
        path = tmp_path / "scorers.toml"
        path.write_text(self.TEXT.replace("FOLDER", str(models["classes"])))
        return path

    def test_it_becomes_a_stage_and_a_scorer(self, file: Path) -> None:
        settings = Settings(scorers=(f"{file}:nsfw",), device="cpu")
        assert stages_of(settings) == (Stage("nsfw", (Bound("nsfw", "most", 0.3),)),)
        (scorer,) = make_scorers(settings)
        assert scorer.cost == 20 and scorer.stages == stages_of(settings)
        assert 0 <= scorer.score(VIEWS)[0]["nsfw"] <= 1

    def test_only_a_table_of_a_toml_file_is_one(self) -> None:
        assert is_told("a/b.toml:nsfw") and is_told("c:/b.toml:nsfw")
        assert not any(is_told(place) for place in ("a.toml", "package.module:Name", "marks", "toml:x"))

    @pytest.mark.parametrize(("old", "new", "match"), [
        ("[nsfw]", "[other]", "table.*nsfw.*other"), ("most", "least", r"key of \[nsfw\].*least.*most"),
        ('["nsfw"]', "[]", "Allowed: model = "), ('["nsfw"]', '"nsfw"', "Allowed: model = "),
        ("0.3", '"much"', "Allowed: model = "), ("0.3", "-1", "Allowed: model = "), ("model", "# model", "Allowed: model = "),
        ("[nsfw]", "[nsfw", "cannot be read"),
    ])  # fmt: skip
    def test_what_is_wrong_is_told(self, file: Path, old: str, new: str, match: str) -> None:
        file.write_text(file.read_text().replace(old, new, 1))
        with pytest.raises(UsageError, match=match):
            read_told(f"{file}:nsfw")

    def test_no_file_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="cannot be read"):
            read_told(f"{tmp_path}/none.toml:nsfw")

    def test_its_score_is_a_column_of_the_ledger_and_can_be_tuned(self, file: Path, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")
        from piles import make_pile

        from vitruvian.cli import main
        from vitruvian.curate.run import read_ledger

        pile, out = make_pile(tmp_path / "pile", 4), tmp_path / "out"
        asked = ["curate", str(pile), "--out", str(out), "--scorers", f"{file}:nsfw", "--workers", "1", "--all-scores"]
        assert main([*asked, "--device", "cpu"]) == 0
        rows = [row for row in read_ledger(out) if row["nsfw"] is not None]
        assert rows and all(0 <= row["nsfw"] <= 1 for row in rows)
        file.write_text(file.read_text().replace("0.3", "0"))
        assert main(["curate", "tune", str(out), "--out", str(tmp_path / "tuned")]) == 0
        stages = [row["stage"] for row in read_ledger(tmp_path / "tuned")]
        assert "nsfw" in stages and "" not in stages

"""What every detector keeps to, ours and those of transformers, and what is said where one cannot be used."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vitruvian import weights
from vitruvian.cli import main
from vitruvian.device import choose_compute
from vitruvian.errors import InputError, UsageError, WeightsError
from vitruvian.model import build
from vitruvian.predict.detect import FaintDetector, choose_detector, detect_many
from vitruvian.predict.pipeline import load
from vitruvian.predict.selection import USUAL, Selection
from vitruvian.types import Array, HeadSpec, Person

from .conftest import SPEC
from .tiny_detectors import KINDS, write_detector

FP32 = choose_compute("cpu", "fp32")
SIZES = [(60, 80), (90, 50), (60, 80), (150, 60)]
try:
    import transformers
except ImportError:
    transformers = None
NEEDED = 'transformers is not installed: pip install "vitruvian[detect]"'
needs_transformers = pytest.mark.skipif(transformers is None, reason=NEEDED)
Folder = Callable[..., Path]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every detector by name: a path or a name that --detector takes."""
    folder = tmp_path_factory.mktemp("detectors")
    torch.manual_seed(3)
    head = HeadSpec("person", (8,), out=5, kind="shuffle", options={"threshold": 0.0})
    spec = replace(SPEC, size=(64, 64), fit="pad", heads=(head,))
    weights.save(folder / "own.safetensors", build(spec), provenance={})
    out = {"own": folder / "own.safetensors", "hog": Path("hog"), "whole-image": Path("whole-image")}
    return out | ({kind: write_detector(folder / kind, kind) for kind in KINDS} if transformers else {})


@pytest.fixture
def folder(written: dict[str, Path], tmp_path: Path) -> Folder:
    """folder("detr") is a copy of a detector that may be spoilt."""
    return lambda kind="detr": Path(shutil.copytree(written[kind], tmp_path / f"my {kind}"))


@pytest.fixture
def photos() -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (*size, 3), np.uint8) for size in SIZES]


EVERY = ["own", "hog", "whole-image", *(pytest.param(kind, marks=needs_transformers) for kind in KINDS)]
FOREIGN = [pytest.param(kind, marks=needs_transformers) for kind in KINDS]


@pytest.mark.parametrize("name", EVERY)
class TestContract:
    def test_boxes_lie_within_their_photo_surest_first(self, written: dict[str, Path], photos: list[Array], name: str) -> None:
        low = USUAL if name == "whole-image" else Selection(min_score=0.0)
        detector = choose_detector(str(written[name]), FP32, low)
        found = detect_many(detector, photos)
        assert len(found) == len(photos) and (name == "hog" or all(found))
        for people, image in zip(found, photos, strict=True):
            scores = [person.score for person in people]
            assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)
            for person in people:
                x0, y0, x1, y1 = person.box
                assert person.box.dtype == np.float32 and person.box.shape == (4,)
                assert 0 <= x0 < x1 <= image.shape[1] and 0 <= y0 < y1 <= image.shape[0]
                assert person.origin == ("whole-image" if name == "whole-image" else "detector")
        assert detector.name and (detector.weights is None or len(detector.weights) == 64)

    def test_together_as_alone_and_the_same_again(self, written: dict[str, Path], photos: list[Array], name: str) -> None:
        low = USUAL if name == "whole-image" else Selection(min_score=0.05)
        detector = choose_detector(str(written[name]), FP32, low)
        together, again = detect_many(detector, photos), detect_many(detector, photos)
        alone = [detector.detect(image) for image in photos]
        for first, second, single in zip(together, again, alone, strict=True):
            assert [(p.box.tolist(), p.score) for p in first] == [(p.box.tolist(), p.score) for p in second]
            assert len(first) == len(single)
            for a, b in zip(first, single, strict=True):
                np.testing.assert_allclose(a.box, b.box, atol=0.01)
                assert a.score == pytest.approx(b.score, abs=1e-4)

    def test_the_choice_of_people_is_kept_to(self, written: dict[str, Path], photos: list[Array], name: str) -> None:
        if name == "whole-image":
            with pytest.raises(UsageError, match="whole-image finds one person, with nothing to choose from"):
                choose_detector(name, FP32, Selection(max_people=2))
            return
        everybody = choose_detector(str(written[name]), FP32, Selection(min_score=0.1, nms=1.0)).detect(photos[0])
        chosen = Selection(min_score=0.1, nms=0.3, max_people=2)
        few = choose_detector(str(written[name]), FP32, chosen).detect(photos[0])
        want = chosen.of(everybody)
        assert [p.box.tolist() for p in few] == [p.box.tolist() for p in want] and len(few) <= 2

    def test_the_faint_ones_go_down_to_half_the_score(self, written: dict[str, Path], photos: list[Array], name: str) -> None:
        low = USUAL if name == "whole-image" else Selection(min_score=0.4)
        detector = choose_detector(str(written[name]), FP32, low)
        if not isinstance(detector, FaintDetector):
            return  # hog and whole-image
        people, sure = detector.detect_faint(photos[0])
        assert sure == 0.4 and all(person.score >= 0.2 for person in people)
        boxes = [person.box.tolist() for person in people]
        assert all(person.box.tolist() in boxes for person in detector.detect(photos[0]) if person.score >= sure)


@needs_transformers
class TestForeign:
    @pytest.mark.parametrize("kind", FOREIGN)
    def test_it_finds_what_the_library_finds_of_the_class_person(
        self, written: dict[str, Path], photos: list[Array], kind: str
    ) -> None:
        """The library's own three steps, photo by photo."""
        model = transformers.AutoModelForObjectDetection.from_pretrained(written[kind]).eval()
        processor = transformers.AutoImageProcessor.from_pretrained(written[kind], backend="pil")
        detector = choose_detector(str(written[kind]), FP32, Selection(min_score=0.05))
        classes = set()
        for image, people in zip(photos, detect_many(detector, photos), strict=True):
            with torch.inference_mode():
                answer = model(**processor(images=[Image.fromarray(image)], return_tensors="pt"))
            (found,) = processor.post_process_object_detection(answer, 0.05, [image.shape[:2]])
            classes |= set(found["labels"].tolist())
            rows = (found["labels"] == 1).nonzero()[:, 0]
            rows = rows[found["scores"][rows].argsort(descending=True, stable=True)]
            limit = np.array([image.shape[1], image.shape[0]] * 2)
            want = np.clip(found["boxes"][rows].numpy(), 0, limit)
            large = (want[:, 2:] - want[:, :2] >= 2).all(1)
            assert len(people) == large.sum() > 0
            np.testing.assert_allclose([person.box for person in people], want[large], atol=0.01)
            np.testing.assert_allclose([person.score for person in people], found["scores"][rows][large], atol=1e-4)
        assert 1 in classes and (len(classes) > 1 or kind != "rt_detr_v2"), "other classes are there to be left out"

    @pytest.mark.parametrize("kind", FOREIGN)
    def test_pixels_are_prepared_as_the_file_says(self, written: dict[str, Path], photos: list[Array], kind: str) -> None:
        """Against a second reading of preprocessor_config.json: Pillow's resize, then scale, mean and deviation."""
        detector: Any = choose_detector(str(written[kind]), FP32)
        says = json.loads((written[kind] / "preprocessor_config.json").read_text())
        got = detector._processor(images=[photos[0]], return_tensors="pt")["pixel_values"][0].numpy()
        resized = Image.fromarray(photos[0]).resize(got.shape[:0:-1], Image.Resampling.BILINEAR)
        want = np.asarray(resized, np.float64) * says["rescale_factor"]
        if says["do_normalize"]:
            want = (want - says["image_mean"]) / says["image_std"]
        np.testing.assert_allclose(got, want.transpose(2, 0, 1), atol=1e-5)

    @pytest.mark.parametrize("kind", FOREIGN)
    def test_in_bf16_boxes_move_little(self, written: dict[str, Path], photos: list[Array], kind: str) -> None:
        exact, rough = (
            choose_detector(str(written[kind]), choose_compute("cpu", dtype), Selection(min_score=0.0)).detect(photos[0])
            for dtype in ("fp32", "bf16")
        )
        assert next(iter(exact)).score != next(iter(rough)).score, "bf16 is really used"
        if kind == "rt_detr_v2":
            return  # looks closer at the likeliest places, and to random weights all are alike
        for person in rough:
            assert min(np.abs(person.box - other.box).max() for other in exact) < 0.01 * 80

    def test_any_writing_of_person_counts_and_several_may(self, tmp_path: Path, photos: list[Array]) -> None:
        folder = write_detector(tmp_path / "two", "yolos", {0: "Person", 1: " person", 2: "bus"})
        both = choose_detector(str(folder), FP32, Selection(min_score=0.0)).detect(photos[0])
        one = choose_detector(str(write_detector(tmp_path / "one", "yolos")), FP32, Selection(min_score=0.0)).detect(photos[0])
        assert len(both) >= len(one) > 0

    def test_a_detector_that_knows_no_people_tells_what_it_knows(self, tmp_path: Path) -> None:
        folder = write_detector(tmp_path / "zoo", "yolos", {i: f"animal {i}" for i in range(20)})
        with pytest.raises(WeightsError, match=r"zoo knows no class 'person'; it knows animal 0, .*11 and 8 more\. Fix: "):
            choose_detector(str(folder), FP32)

    @pytest.mark.parametrize(
        ("file", "content", "text"),
        [
            ("config.json", None, r"config\.json is absent\. Allowed: folders with config\.json, preprocessor_config"),
            ("preprocessor_config.json", None, r"preprocessor_config\.json is absent"),
            ("model.safetensors", None, r"model\.safetensors is absent"),
            ("config.json", b"{", "cannot be read as a detector"),
            ("config.json", b'{"model_type": "owl"}', "cannot be read as a detector"),
            ("config.json", b'{"model_type": "bert"}', "is a bert, which detects nothing"),
            ("config.json", b'{"model_type": "owl", "auto_map": {"AutoConfig": "evil.Evil"}}', "cannot be read as a detector"),
            ("preprocessor_config.json", b"[", "cannot be read as a detector"),
            ("model.safetensors", b"x" * 100, "cannot be read as a detector"),
            ("preprocessor_config.json", b'{"image_processor_type": "ViTImageProcessor"}', "is for no detector"),
        ],
    )
    def test_a_folder_that_is_not_whole_is_told_in_one_line(
        self, folder: Folder, file: str, content: bytes | None, text: str
    ) -> None:
        place = folder() / file
        place.unlink() if content is None else place.write_bytes(content)
        (place.parent / "evil.py").write_text("raise SystemExit('code of a model was run')")
        with pytest.raises(WeightsError, match=text) as told:
            choose_detector(str(place.parent), FP32)
        assert "my detr" in str(told.value) and "\n" not in str(told.value)

    def test_weights_that_are_not_all_there_are_refused(self, folder: Folder) -> None:
        from safetensors.torch import load_file, save_file

        path = folder() / "model.safetensors"
        tensors = load_file(path)
        gone = sorted(name for name in tensors if "bbox" in name)[0]
        save_file({name: value for name, value in tensors.items() if name != gone}, path, metadata={"format": "pt"})
        with pytest.raises(WeightsError, match=r"does not fit config\.json: 1 missing, such as .*bbox"):
            choose_detector(str(path.parent), FP32)
        save_file(tensors | {gone: torch.zeros(7)}, path, metadata={"format": "pt"})
        with pytest.raises(WeightsError, match=r"my detr"):
            choose_detector(str(path.parent), FP32)

    def test_a_photo_that_its_processor_cannot_take_fails_alone(self, written: dict[str, Path]) -> None:
        with pytest.raises(InputError, match=r"a photo of 20x400 px cannot be prepared for yolos \(.*\)\. Fix: "):
            choose_detector(str(written["yolos"]), FP32).detect(np.zeros((400, 20, 3), np.uint8))

    def test_no_network_is_touched_and_nothing_is_printed(
        self, written: dict[str, Path], photos: list[Array], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("a network was asked for")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        for kind in KINDS:
            choose_detector(str(written[kind]), FP32).detect(photos[0])
        assert capfd.readouterr() == ("", "")

    def test_results_name_it_and_a_second_run_knows_it(
        self, written: dict[str, Path], tiny: Path, photos: list[Array], tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        Image.fromarray(photos[0]).save(tmp_path / "a.png")
        detector, fixed = str(written["rt_detr_v2"]), ["--model", str(tiny), "--out", str(tmp_path / "out"), "--device", "cpu"]
        words = ["predict", str(tmp_path / "a.png"), *fixed, "--tasks", "pose", "--no-draw", "--detector", detector]
        assert main([*words, "--max-people", "3"]) == 0
        told = capfd.readouterr().out
        assert "boxes from rt_detr_v2" in told and "not all people: max-people 3" in told
        record = json.loads((tmp_path / "out/a.json").read_text())
        made = record["made_by"]
        assert (made["detector"], made["selection"]) == ("rt_detr_v2", {"max_people": 3})
        assert made["detector_weights"] == weights.file_hash(written["rt_detr_v2"] / "model.safetensors")
        assert len(record["people"]) == 3
        assert main([*words, "--max-people", "3"]) == 0 and "already done" in capfd.readouterr().out
        assert main([*words, "--max-people", "2"]) == 1
        assert "other means (who stays max-people 3, now max-people 2)" in capfd.readouterr().err

    def test_a_list_of_photos_goes_through_together(
        self, written: dict[str, Path], tiny: Path, photos: list[Array], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        predictor = load(tiny, detector=str(written["rt_detr_v2"]), device="cpu", dtype="fp32", min_score=0.3)
        detector: Any = predictor.detector
        passes = []
        model = detector._model
        monkeypatch.setattr(detector, "_model", lambda **x: passes.append(len(x["pixel_values"])) or model(**x))
        many = predictor.predict(photos, tasks=["pose"])
        assert passes == [2, 2]
        for result, image in zip(many, photos, strict=True):
            one = predictor.predict(image, tasks=["pose"])
            assert len(one.people) == len(result.people) > 0
            for a, b in zip(one.people, result.people, strict=True):
                np.testing.assert_allclose(a.person.box, b.person.box, atol=0.01)


def test_of_photos_looked_at_together_a_bad_one_costs_no_other(
    tiny: Path, photos: list[Array], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []

    class Shy:
        """Fails at black photos, and with them all that are looked at together."""

        name, weights = "shy", None

        def detect(self, image: Array) -> list[Person]:
            return self.detect_many([image])[0]

        def detect_many(self, images: Sequence[Array]) -> list[list[Person]]:
            asked.append(len(images))
            if any((image == 0).all() for image in images):
                raise InputError("a black photo. Fix: light.")
            return [[Person(np.array([5, 5, 30, 40], np.float32), 0.9, origin="detector")] for _ in images]

    monkeypatch.setattr("vitruvian.predict.pipeline.choose_detector", lambda *_: Shy())
    for i, image in enumerate([photos[0], photos[1], photos[2], np.zeros((50, 50, 3), np.uint8), photos[3]]):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    (tmp_path / "1b.png").write_bytes(b"no picture")
    words = ["predict", str(tmp_path), "--model", str(tiny), "--out", str(tmp_path / "out"), "--tasks", "pose", "--no-draw"]
    assert main([*words, "--device", "cpu"]) == 1
    assert asked == [2, 1, 2, 1, 1][: len(asked)] and len(asked) >= 4
    told = capsys.readouterr()
    assert "4 done, 2 failed; 4 people" in told.out and "a black photo. Fix: light." in told.err
    record = json.loads((tmp_path / "out/0.json").read_text())
    assert record["made_by"]["detector"] == "shy" and record["people"][0]["origin"] == "detector"


def test_without_transformers_the_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny: Path
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    for name in (str(tmp_path), "hub:owner/name"):
        with pytest.raises(UsageError, match=r"which is not installed\. Fix: pip install \"vitruvian\[detect\]"):
            choose_detector(name, FP32)
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    words = ["predict", str(tmp_path / "a.png"), "--model", str(tiny), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*words, "--detector", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", ["hub:owner", "hub:owner/", "hub:owner/name@", "hf:../name"])
def test_a_place_at_the_hub_has_an_owner_and_a_name(name: str, tiny: Path) -> None:
    with pytest.raises(UsageError, match=r"is no repository at the hub\. Allowed: hub:OWNER/NAME"):
        load(tiny, detector=name)


@needs_transformers
def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no folder at .*absent\. Allowed: a \.safetensors file"):
        choose_detector(str(tmp_path / "absent"), FP32)


@needs_transformers
def test_a_detector_of_the_hub_is_used_from_the_cache_alone(
    written: dict[str, Path], photos: list[Array], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        WeightsError, match=r"hub:owner/name@v1 is not in the cache\. Fix: vitruvian models fetch hub:owner/name@"
    ):
        choose_detector("hf:owner/name@v1", FP32)
    commit = "0123456789abcdef" * 2 + "01234567"
    shutil.copytree(written["detr"], tmp_path / "models--owner--name" / "snapshots" / commit)
    refs = tmp_path / "models--owner--name" / "refs" / "main"
    refs.parent.mkdir()
    refs.write_text(commit)
    detector = choose_detector("hub:owner/name", FP32, Selection(min_score=0.1))
    assert detector.name == "hub:owner/name@0123456789ab" and detector.detect(photos[0])

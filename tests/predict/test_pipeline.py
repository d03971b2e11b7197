from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vitruvian
from vitruvian import device, weights
from vitruvian.cli import main
from vitruvian.errors import InputError, UsageError, VitruvianError, WeightsError
from vitruvian.model import build, mae_head
from vitruvian.predict import detect
from vitruvian.predict.network import outputs_of
from vitruvian.predict.pipeline import Predictor, load
from vitruvian.tasks import TASKS as TASKS_BY_NAME
from vitruvian.tasks.person import Person as PersonTask
from vitruvian.types import Array, Boxes, HeadSpec, Person

from .conftest import SPEC

BOX = np.array([[10, 5, 60, 55]], np.float32)
TASKS = ("pose", "seg", "depth", "normal")


@pytest.fixture
def pixels() -> Array:
    return np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)


def test_one_photo_gives_all_four_answers(predictor: Predictor, pixels: Array) -> None:
    result = predictor.predict(pixels, boxes=BOX)
    assert result.tasks == TASKS
    (person,) = result.people
    assert person.keypoints is not None and person.keypoints.xy.shape == (133, 2)
    assert person.parts is not None and person.parts.ids.shape == (64, 48)
    assert person.depth is not None and person.normals is not None
    assert person.person.origin == "user"
    assert result.made_by.detector == "user boxes" and result.made_by.detector_weights is None
    assert result.frame.owner.shape == result.size == (60, 80)


def test_every_kind_of_source_gives_the_same(predictor: Predictor, pixels: Array, tmp_path: Path) -> None:
    Image.fromarray(pixels).save(tmp_path / "x.png")
    want = predictor.predict(pixels, boxes=BOX).people[0].keypoints
    assert want is not None
    for source in (tmp_path / "x.png", str(tmp_path / "x.png"), Image.fromarray(pixels)):
        got = predictor.predict(source, boxes=BOX).people[0].keypoints
        assert got is not None
        np.testing.assert_array_equal(got.xy, want.xy)
    (listed,) = predictor.predict([pixels], boxes=[BOX])
    assert listed.people[0].keypoints is not None
    np.testing.assert_array_equal(listed.people[0].keypoints.xy, want.xy)


def test_the_flip_test_says_of_a_mirrored_input_what_it_says_of_the_input(predictor: Predictor) -> None:
    model, tasks = predictor.team.networks[0].model, list(predictor.team.networks[0].tasks.values())
    torch.manual_seed(1)
    pixels = torch.randn(2, 3, 64, 48)
    with torch.inference_mode():
        seen = outputs_of(model, pixels, tasks, flip_test=True)
        mirrored = outputs_of(model, pixels.flip(-1), tasks, flip_test=True)
        once = outputs_of(model, pixels, tasks)
    for task in tasks:
        torch.testing.assert_close(task.flip(mirrored[task.name]), seen[task.name], atol=1e-5, rtol=1e-5)
        assert not torch.allclose(once[task.name], seen[task.name], atol=1e-3)


def test_results_say_that_the_flip_test_was_made(tiny: Path, pixels: Array) -> None:
    made = [load(tiny, device="cpu", flip_test=flip).predict(pixels, boxes=BOX).made_by.flip_test for flip in (False, True)]
    assert made == [False, True]


def test_the_flip_test_is_made_unasked_where_the_model_wants_it(tiny: Path, pixels: Array) -> None:
    loaded = weights.load(tiny)
    card = replace(loaded.card, spec=replace(loaded.card.spec, flip_test=True))
    predictor = Predictor([replace(loaded, card=card)], "whole-image", device.choose_compute("cpu"))
    told, plain = (load(tiny, device="cpu", flip_test=flip).predict(pixels, boxes=BOX) for flip in (True, False))
    unasked = predictor.predict(pixels, boxes=BOX)
    assert unasked.made_by.flip_test
    xy = [result.people[0].keypoints.xy for result in (unasked, told, plain)]
    np.testing.assert_array_equal(xy[0], xy[1])
    assert not np.array_equal(xy[0], xy[2])


def test_tasks_in_one_string_are_refused(predictor: Predictor, pixels: Array) -> None:
    with pytest.raises(UsageError, match=r"Allowed: a list of names, as in tasks=\['pose'\]"):
        predictor.predict(pixels, tasks="pose")


def test_an_iterator_is_read_one_frame_at_a_time(predictor: Predictor, pixels: Array) -> None:
    read = []

    def frames() -> Iterator[Array]:
        for i in range(3):
            read.append(i)
            yield pixels

    results = predictor.predict(frames(), tasks=["pose"])
    assert read == []
    assert next(results).tasks == ("pose",)
    assert read == [0]
    assert len(list(results)) == 2


@pytest.mark.parametrize(("count", "text"), [(1, "fewer entries"), (3, "more entries")])
def test_boxes_and_photos_must_be_as_many(predictor: Predictor, pixels: Array, count: int, text: str) -> None:
    with pytest.raises(InputError, match=text):
        predictor.predict([pixels, pixels], boxes=[BOX] * count)


def test_one_backbone_pass_for_all_people_and_heads(predictor: Predictor, pixels: Array) -> None:
    passes: list[tuple[int, ...]] = []
    backbone = predictor.team.networks[0].model.backbone
    hook = backbone.register_forward_hook(lambda _, args, out: passes.append(tuple(args[0].shape)))
    predictor.predict(pixels, boxes=np.repeat(BOX, 4, 0))
    hook.remove()
    assert passes == [(4, 3, 64, 48)]


def test_a_crowd_is_done_in_parts_with_the_same_result(predictor: Predictor, pixels: Array) -> None:
    many = predictor.predict(pixels, boxes=np.repeat(BOX, 20, 0), tasks=["pose"]).people
    one = predictor.predict(pixels, boxes=BOX, tasks=["pose"]).people[0]
    assert len(many) == 20 and many[-1].keypoints is not None and one.keypoints is not None
    np.testing.assert_allclose(many[-1].keypoints.xy, one.keypoints.xy, atol=1e-3)


def test_chosen_tasks_in_their_own_order(predictor: Predictor, pixels: Array) -> None:
    result = predictor.predict(pixels, boxes=BOX, tasks=["depth", "pose"])
    assert result.tasks == ("pose", "depth")
    assert result.frame.mask == "parts", "parts run along to say where the person is"
    assert set(predictor.predict(pixels, boxes=BOX, tasks=["pose"]).people[0].predictions) == {"pose"}


def test_unknown_tasks_and_tasks_the_model_has_not(predictor: Predictor, pixels: Array, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown task 'dept'.*Did you mean depth"):
        predictor.predict(pixels, tasks=["dept"])
    weights.save(tmp_path / "p.safetensors", build(replace(SPEC, heads=SPEC.heads[:1])), provenance={})
    with pytest.raises(UsageError, match=r"has no head for seg\. Allowed: pose"):
        load(tmp_path / "p.safetensors").predict(pixels, tasks=["seg"])


def test_a_pretraining_model_cannot_predict(tmp_path: Path) -> None:
    spec = replace(SPEC, size=(64, 64), class_token=True).with_heads(mae_head())
    weights.save(tmp_path / "mae.safetensors", build(spec), provenance={})
    with pytest.raises(WeightsError, match=r"is an encoder \(tiny\): it answers no task\..* Fix: fine-tune it first"):
        load(tmp_path / "mae.safetensors")


def test_nobody_is_a_valid_result(predictor: Predictor, pixels: Array) -> None:
    result = predictor.predict(pixels, boxes=np.zeros((0, 4)))
    assert result.people == ()
    assert not result.frame.owner.any()


@pytest.mark.parametrize("source", [3, None, {"a": 1}])
def test_sources_that_are_none(predictor: Predictor, source: object) -> None:
    with pytest.raises(InputError, match="Allowed: a path, RGB array"):
        predictor.predict(source)  # type: ignore[call-overload]


def test_public_names() -> None:
    assert vitruvian.load is load
    assert vitruvian.Person is Person
    assert {name for name in vitruvian.__all__ if getattr(vitruvian, name, None) is None} == set()
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        vitruvian.lod  # noqa: B018


class TestDevice:
    def test_an_absent_device_is_never_replaced(self, monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(UsageError, match=r"device cuda is not available here\. Allowed: .*cpu"):
            load(tiny, device="cuda")

    @pytest.mark.parametrize(("fast", "name"), [(True, "bf16"), (False, "fp32")])
    def test_auto_precision_follows_the_processor(self, monkeypatch: pytest.MonkeyPatch, fast: bool, name: str) -> None:
        monkeypatch.setattr(device, "cpu_has_bf16", lambda: fast)
        assert device.choose_compute("cpu").dtype_name == name

    def test_unknown_names(self) -> None:
        for given in ({"device": "gpu"}, {"dtype": "fp8"}):
            with pytest.raises(UsageError, match="unknown d"):
                device.choose_compute(**given)

    def test_bf16_and_fp32_agree(self, tiny: Path, pixels: Array) -> None:
        depths = []
        for dtype in ("bf16", "fp32"):
            predictor = load(tiny, device="cpu", dtype=dtype)
            value = predictor.predict(pixels, boxes=BOX).people[0].depth
            assert value is not None and value.z.dtype == np.float32
            depths.append(value.z)
        scale = np.abs(depths[1]).max()
        assert 0 < np.abs(depths[0] - depths[1]).max() < 0.05 * scale, "bf16 is really used, and near"


class TestDetectors:
    def test_hog_finds_people_in_a_photo(self, tiny: Path) -> None:
        photo = Path(__file__).parents[2] / "examples" / "photos" / "frisbee.jpg"
        people = load(tiny, detector="hog").predict(photo, tasks=["pose"]).people
        assert people
        for found in people:
            x0, y0, x1, y1 = found.person.box
            assert 0 <= x0 < x1 <= 640 and 0 <= y0 < y1 <= 425 and 0 < found.person.score < 1
            assert found.person.origin == "detector"

    @pytest.mark.parametrize("size", [(16, 16), (20, 400), (2000, 30)])
    def test_hog_takes_any_shape(self, size: tuple[int, int]) -> None:
        assert detect.Hog().detect(np.zeros((*size, 3), np.uint8)) == []

    def test_the_whole_image_only_when_asked_for(self, tiny: Path, pixels: Array) -> None:
        (person,) = load(tiny, detector="whole-image").predict(pixels).people
        assert (person.person.origin, person.person.box.tolist()) == ("whole-image", [0, 0, 80, 60])

    def test_unknown_and_missing_detectors(self, tiny: Path, tmp_path: Path, pixels: Array) -> None:
        with pytest.raises(UsageError, match=r"unknown detector 'hgo'.*Did you mean hog"):
            load(tiny, detector="hgo").predict(pixels)
        with pytest.raises(WeightsError, match="a model of people, not a detector"):
            load(tiny, detector=str(tiny)).predict(pixels)

    def test_given_boxes_do_not_load_the_detector(self, tiny: Path, pixels: Array) -> None:
        assert len(load(tiny, detector="absent.safetensors").predict(pixels, boxes=BOX).people) == 1

    @pytest.mark.parametrize("packaged", [True, False])
    def test_auto_is_ours_where_it_is_installed(self, monkeypatch: pytest.MonkeyPatch, packaged: bool) -> None:
        monkeypatch.setattr(weights, "packaged_path", lambda name: Path(name) if packaged else None)
        assert detect.default_detector() == ("cascade" if packaged else "hog")
        monkeypatch.setattr(weights, "packaged_path", lambda name: Path(name) if name == "person" else None)
        assert detect.default_detector() == "person"

    def test_our_own_detector_sees_the_whole_frame_once(
        self, tiny: Path, pixels: Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(TASKS_BY_NAME, "person", PersonTask(threshold=0.0))
        spec = replace(SPEC, size=(64, 64), fit="pad", heads=(HeadSpec("person", (8,), out=5, kind="shuffle"),))
        weights.save(tmp_path / "person.safetensors", build(spec), provenance={})
        monkeypatch.setattr(sys.modules[weights.load.__module__], "EMBEDDED", tmp_path)
        result = load(tiny, detector="auto", dtype="fp32").predict(pixels, tasks=["pose"])
        assert result.made_by.detector == "person"
        assert result.made_by.detector_weights == weights.file_hash(tmp_path / "person.safetensors")
        scores = [found.person.score for found in result.people]
        assert scores and scores == sorted(scores, reverse=True)
        for found in result.people:
            x0, y0, x1, y1 = found.person.box
            assert found.person.origin == "detector" and 0 <= x0 < x1 <= 80 and 0 <= y0 < y1 <= 60

    @pytest.mark.parametrize("flip_test", [False, True])
    def test_a_mirrored_photo_has_mirrored_people_where_the_detector_asks_both(
        self, pixels: Array, tmp_path: Path, flip_test: bool
    ) -> None:
        head = HeadSpec("person", (8,), out=5, kind="shuffle", options={"threshold": 0.0})
        torch.manual_seed(0)
        spec = replace(SPEC, size=(64, 96), fit="pad", heads=(head,), flip_test=flip_test)
        weights.save(tmp_path / "mine.safetensors", build(spec), provenance={})
        photo = np.pad(pixels, ((2, 2), (8, 8), (0, 0)))  # as large as the input: nothing is resampled
        detector = detect.choose_detector(str(tmp_path / "mine.safetensors"), device.choose_compute("cpu", "fp32"))
        here, there = (detector.detect(np.ascontiguousarray(x))[0] for x in (photo, photo[:, ::-1]))
        back = np.array([95, 0, 95, 0]) - np.array([1, -1, 1, -1]) * there.box[[2, 1, 0, 3]]
        assert np.allclose([*here.box, here.score], [*back, there.score], atol=0.01) == flip_test

    def test_boxes_of_a_network_come_surest_first_and_within_the_photo(self) -> None:
        boxes = np.array([[0, 0, 5, 5], [-4, 2, 99, 9], [90, 2, 99, 9]], np.float32)
        value = Boxes(boxes, np.array([0.4, 0.9, 0.8], np.float32))
        people = detect._people(value, (60, 80))
        assert [round(person.score, 2) for person in people] == [0.9, 0.4]
        assert people[0].box.tolist() == [0, 2, 80, 9]


def test_damaged_weights_stop_before_any_photo(photo: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(VitruvianError, match="cannot be read as safetensors"):
        load(tmp_path / "bad.safetensors")


class TestSeveralModels:
    """A pose model of people beside dense models of the whole frame, as the official weights are."""

    @pytest.fixture
    def files(self, tmp_path: Path) -> dict[str, Path]:
        out = {}
        for task in TASKS:
            torch.manual_seed(len(out))
            name = f"tiny-{task}"
            spec = replace(SPEC.with_heads(SPEC.head(task)), name=name, fit="affine" if task == "pose" else "stretch")
            weights.save(tmp_path / f"{name}.safetensors", build(spec), provenance={}, run="0")
            out[task] = tmp_path / f"{name}.safetensors"
        return out

    def test_each_task_is_answered_by_its_model(self, files: dict[str, Path], pixels: Array) -> None:
        together = load(list(files.values()), detector="whole-image", device="cpu", dtype="fp32")
        result = together.predict(pixels, boxes=BOX)
        assert result.tasks == TASKS and result.made_by.model == "tiny-pose + tiny-seg + tiny-depth + tiny-normal"
        (person,) = result.people
        assert set(person.predictions) == {"pose"} and set(result.whole) == {"seg", "depth", "normal"}
        alone = load(files["pose"], device="cpu", dtype="fp32").predict(pixels, boxes=BOX).people[0].keypoints
        assert alone is not None and person.keypoints is not None
        np.testing.assert_array_equal(alone.xy, person.keypoints.xy)
        frame = result.frame
        assert frame.parts is not None and frame.depth is not None and frame.normals is not None
        assert (np.isfinite(frame.depth.z) == (frame.parts.ids > 0)).all(), "parts of one model mask the depth of another"

    def test_nobody_is_sought_for_models_of_the_whole_frame(self, files: dict[str, Path], pixels: Array) -> None:
        result = load(files["depth"], detector="absent.safetensors", device="cpu").predict(pixels)
        assert result.people == () and result.made_by.detector.startswith("none: the whole frame")
        assert result.frame.mask == "frame" and result.frame.depth is not None
        assert np.isfinite(result.frame.depth.z).all()

    def test_two_models_of_one_task_are_refused(self, files: dict[str, Path], tiny: Path) -> None:
        with pytest.raises(UsageError, match="tiny and tiny-seg both answer seg"):
            load([tiny, files["seg"]], device="cpu")

    def test_results_of_the_whole_frame_are_written(self, files: dict[str, Path], tmp_path: Path, pixels: Array) -> None:
        Image.fromarray(pixels).save(tmp_path / "a.png")
        models = [word for task in ("seg", "depth") for word in ("--model", str(files[task]))]
        words = ["predict", str(tmp_path / "a.png"), *models, "--out", str(tmp_path / "out"), "--device", "cpu"]
        assert main(words) == 0
        record = json.loads((tmp_path / "out/a.json").read_text())
        assert record["people"] == [] and record["owner"]["mask"] == "parts"
        assert set(record["depth"]["range"]) == {"near", "far"}
        assert (tmp_path / "out/a.overlay.jpg").is_file()

    def test_dense_models_may_see_crops_or_the_padded_frame(self, files: dict[str, Path], pixels: Array) -> None:
        models = [files["pose"], files["seg"]]
        crops = load(models, device="cpu", dtype="fp32", fit="affine").predict(pixels, boxes=BOX)
        assert set(crops.people[0].predictions) == {"pose", "seg"} and not crops.whole
        padded = load(models, device="cpu", dtype="fp32", fit="pad").predict(pixels, boxes=BOX)
        assert set(padded.people[0].predictions) == {"pose"}, "a pose always needs a crop"
        scale = padded.whole["seg"].crop.matrix
        assert scale[0, 0] == scale[1, 1] != load(models[1], device="cpu").predict(pixels).whole["seg"].crop.matrix[1, 1]
        assert padded.made_by.fit == "pad"

    def test_the_lite_way_takes_its_constants_and_stretches_the_box(self, files: dict[str, Path], pixels: Array) -> None:
        lite = load([files["pose"], files["seg"]], device="cpu", dtype="fp32", fit="lite")
        assert {network.spec.mean for network in lite.team.networks} == {(123.5, 116.5, 103.5)}
        crop = lite.predict(pixels, boxes=BOX).people[0].predictions["pose"].crop
        window = np.ptp(crop.points_to_source(np.array([[0, 0], [47, 63]])), axis=0)
        np.testing.assert_allclose(
            window, [50 * 1.25 * 80 / 60, 50 * 1.25], rtol=1e-6
        )  # as high as the box, of the photo's aspect
        with pytest.raises(UsageError, match="unknown fit"):
            load(files["seg"], device="cpu", fit="crop")


def test_normals_of_unstated_axes_say_so_in_record_and_picture(tmp_path: Path, pixels: Array) -> None:
    torch.manual_seed(0)
    head = replace(SPEC.head("normal"), options={"axes": "unstated"})
    weights.save(tmp_path / "tiny.safetensors", build(replace(SPEC.with_heads(head), fit="stretch")), provenance={}, run="0")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    words = ["predict", str(tmp_path / "a.png"), "--model", str(tmp_path / "tiny.safetensors"), "--out", str(tmp_path)]
    assert main([*words, "--device", "cpu"]) == 0
    said, n = json.loads((tmp_path / "a.json").read_text())["normal"], np.load(tmp_path / "a.normal.npy").astype(np.float32)
    assert said["frame"].startswith("unstated: ") and "which are not published" in said["frame"]
    assert said["png"].startswith("RGB = round(255 * (n + 1) / 2), the channels as they are")
    assert np.abs(np.asarray(Image.open(tmp_path / "a.normal.png")) - (n + 1) / 2 * 255).max() < 1

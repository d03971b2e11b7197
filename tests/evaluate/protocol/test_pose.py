"""Poses from boxes to AP: the same figures as of the written files, the flip test, suppression, and what cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from vitruvian import vocab, weights
from vitruvian.data.images import read_image
from vitruvian.device import choose_compute
from vitruvian.evaluate.protocol.labels import PointSets, open_labels
from vitruvian.evaluate.protocol.people import Labelled
from vitruvian.evaluate.protocol.photos import Walk
from vitruvian.evaluate.protocol.pose import Poses
from vitruvian.evaluate.results import keypoint_figures
from vitruvian.geometry import make_crop
from vitruvian.predict.network import input_of
from vitruvian.tasks.pose.codec import decode_heatmaps
from vitruvian.types import Keypoints, Person, Prediction
from vitruvian.vocab import skeleton

pytest.importorskip("pycocotools", reason="pycocotools is not installed: pip install 'vitruvian[evaluate]'")
Judge = Callable[..., Any]
FIGURES = ("AP", "AP50", "AP75", "AP_medium", "AP_large", "AR", "AR50", "AR75", "AR_medium", "AR_large")
HAND = """
name = "{name}"
keypoints = [
  {{ name = "wrist" }}, {{ name = "left_tip", swap = "right_tip" }}, {{ name = "right_tip", swap = "left_tip" }},
  {{ name = "palm" }}, {{ name = "thumb" }},
]
"""


def found(out: Path) -> dict[int, list[np.ndarray]]:
    """Image -> its poses (K, 3) in the written file."""
    poses: dict[int, list[np.ndarray]] = {}
    for entry in json.loads((out / "predictions.json").read_text()):
        poses.setdefault(entry["image_id"], []).append(np.array(entry["keypoints"]).reshape(-1, 3))
    return poses


def labelled_as_found(out: Path, away: float = 0.0) -> dict[tuple[int, int], np.ndarray]:
    """Labels that are the model's own answers, those of the first person moved by `away` px."""
    points = {
        (i, n): np.concatenate([p[:, :2], np.full((len(p), 1), 2)], 1) for i, ps in found(out).items() for n, p in enumerate(ps)
    }
    points[1, 0][:, 0] += away
    return points


@pytest.mark.parametrize("name", ["coco17", "wholebody133", "sapiens308"])
def test_the_files_give_the_same_figures(model, coco, judge: Judge, tmp_path: Path, name: str) -> None:
    first, out, tiny = tmp_path / "first", tmp_path / "out", model(pose=name)
    parts = name != "coco17"
    names = list(skeleton(name).names)
    assert judge("--task", "pose", "--model", tiny, "--data", coco(None, names, parts=parts), "--out", first).code == 0
    labels = coco(labelled_as_found(first, away=6), names, "own.json", parts)
    said = judge("--task", "pose", "--model", tiny, "--data", labels, "--out", out)
    assert said.code == 0 and said.figures["skeleton"] == name and 0 < said.figures["AP"] < 1
    written = keypoint_figures(out / "truth.json", out / "predictions.json")
    assert {key: said.figures[key] for key in written} == written
    original = keypoint_figures(labels, out / "predictions.json")
    assert {key: original[key] for key in FIGURES} == {key: pytest.approx(said.figures[key], abs=1e-9) for key in FIGURES}
    assert json.loads((out / "figures.json").read_text()) == said.figures
    groups = {"body", "foot", "face", "left_hand", "right_hand", "hand"} if parts else set()
    assert set(said.figures.get("parts", {})) - {"extra"} == groups


def test_real_photos(data: Path, judge: Judge, tmp_path: Path) -> None:
    labels = data / "coco/annotations/person_keypoints.json"
    said = judge("--task", "pose", "--data", labels, "--limit", 4, "--out", tmp_path)
    assert said.code == 0 and said.figures["protocol"]["photos"] == 4 and said.figures["people"] >= 4
    assert keypoint_figures(tmp_path / "truth.json", tmp_path / "predictions.json")["AP"] == said.figures["AP"]


def test_the_flip_test_is_the_mean_of_both_heatmaps(model, coco, photos: Path, judge: Judge, tmp_path: Path) -> None:
    tiny, labels = model(pose="coco17"), coco()
    for words in ((), ("--no-flip-test",)):
        said = judge("--task", "pose", "--model", tiny, "--data", labels, "--out", tmp_path / f"out{len(words)}", *words)
        assert said.code == 0 and said.figures["protocol"]["flip_test"] == (not words)
    loaded = weights.load(tiny)
    spec = loaded.card.spec
    image = read_image(photos / "b.png")
    crop = make_crop(np.array([10, 10, 70, 90], np.float32), spec.size, image.shape[:2])
    pixels = input_of(image, [crop], spec)
    with torch.inference_mode():
        maps = loaded.model(pixels)["pose"]
        mirrored = loaded.model(pixels.flip(-1))["pose"].flip(-1)
    swapped = torch.stack([mirrored[:, i] for i in skeleton("coco17").flip], 1)
    for heatmaps, out in (((maps + swapped) / 2, "out0"), (maps, "out1")):
        xy, score = decode_heatmaps(heatmaps[0], spec.size)
        (pose,) = found(tmp_path / out)[2]
        np.testing.assert_allclose(pose[:, :2], crop.points_to_source(xy), atol=2e-3)
        np.testing.assert_allclose(pose[:, 2], score, atol=1e-5)
    assert not np.allclose(found(tmp_path / "out0")[2][0], found(tmp_path / "out1")[2][0], atol=0.1)


def detections(path: Path, *rows: tuple[int, list[float], float], **changes: Any) -> Path:
    entries = [{"image_id": i, "category_id": 1, "bbox": box, "score": score, **changes} for i, box, score in rows]
    path.write_text(json.dumps(entries))
    return path


def test_a_pose_found_twice_counts_once(model, coco, judge: Judge, tmp_path: Path) -> None:
    tiny, box = model(pose="coco17"), [10.0, 10, 60, 80]
    file = detections(tmp_path / "dt.json", (2, box, 0.9), (2, box, 0.6), (2, [30.0, 50, 20, 30], 0.7))
    said = judge("--task", "pose", "--model", tiny, "--data", coco(), "--detections", file, "--out", tmp_path / "out")
    assert said.code == 0 and said.figures["predictions"] == 2
    assert said.figures["protocol"]["boxes"] == f"of {file}"
    assert said.figures["protocol"]["skipped"] == {"poses by OKS-NMS above 0.9": 1}
    entries = json.loads((tmp_path / "out" / "predictions.json").read_text())
    for entry, trust in zip(entries, (0.9, 0.7), strict=True):
        scores = np.array(entry["keypoints"]).reshape(-1, 3)[:, 2]
        assert entry["score"] == pytest.approx(trust * scores[scores > 0.2].mean(), abs=1e-5)


def test_boxes_of_files_are_neither_cut_nor_chosen_by_score(model, coco, judge: Judge, tmp_path: Path) -> None:
    file = detections(tmp_path / "dt.json", (1, [-20.0, -5, 60, 100], 0.001), (3, [60.0, 5, 300, 60], 0.01))
    said = judge("--task", "pose", "--model", model(pose="coco17"), "--data", coco(), "--detections", file)
    assert said.code == 0 and said.figures["predictions"] == 2


def test_detections_that_are_none(model, coco, judge: Judge, tmp_path: Path) -> None:
    tiny, labels = model(pose="coco17"), coco()
    file = detections(tmp_path / "dt.json", (1, [5.0, 5, 0, 80], 0.9), (1, [5.0, 5, 40, 80], 0.9))
    said = judge("--task", "pose", "--model", tiny, "--data", labels, "--detections", file)
    assert said.code == 1 and "detection 0: bbox" in said.errors and said.figures["predictions"] == 1
    assert len(said.figures["faults"]) == 1
    other = detections(tmp_path / "other.json", (77, [5.0, 5, 40, 80], 0.9))
    said = judge("--task", "pose", "--model", tiny, "--data", labels, "--detections", other)
    assert said.code == 2 and "no detection is of a photo of the data; image_id 77" in said.errors and said.figures is None


def test_a_detector_finds_the_people(model, coco, judge: Judge) -> None:
    said = judge("--task", "pose", "--model", model(pose="coco17"), "--data", coco(), "--detector", "whole-image")
    assert said.code == 0 and said.figures["predictions"] == 3
    assert said.figures["protocol"]["boxes"] == "from the detector whole-image"


def test_one_bad_photo_stops_nothing(model, coco, photos: Path, judge: Judge, tmp_path: Path) -> None:
    labels = coco()
    (photos / "b.png").write_bytes((photos / "b.png").read_bytes()[:40])
    said = judge("--task", "pose", "--model", model(pose="coco17"), "--data", labels, "--out", tmp_path / "out")
    assert said.code == 1 and "b.png: not an image, or damaged" in said.errors
    assert said.figures["images"] == 2 and said.figures["protocol"]["photos"] == 2 and len(said.figures["faults"]) == 1
    assert {image["id"] for image in json.loads((tmp_path / "out" / "truth.json").read_text())["images"]} == {1, 3}
    for name in "ac":
        (photos / f"{name}.png").write_bytes(b"no picture")
    said = judge("--task", "pose", "--model", model(pose="coco17"), "--data", labels)
    assert said.code == 1 and said.figures is None and "no photo could be judged" in said.errors


def test_labels_of_no_photo_are_told(model, coco, judge: Judge) -> None:
    labels = coco()
    raw = json.loads(labels.read_text())
    raw["annotations"].append({**raw["annotations"][0], "id": 50, "image_id": 44})
    labels.write_text(json.dumps(raw))
    said = judge("--task", "pose", "--model", model(pose="coco17"), "--data", labels)
    assert (
        said.code == 1 and "annotation 50: image_id 44 is not among its images" in said.errors and said.figures["images"] == 3
    )


def test_answers_that_are_no_numbers(model, coco, judge: Judge) -> None:
    said = judge("--task", "pose", "--model", model(pose="coco17", spoil=True), "--data", coco())
    assert said.code == 1 and said.figures is None and "not finite (NaN)" in said.errors


def test_skeletons_that_do_not_match(model, coco, judge: Judge) -> None:
    names = list(skeleton("wholebody133").names)
    whole, body = coco(None, names, "whole.json", parts=True), coco()
    said = judge("--task", "pose", "--model", model(pose="coco17"), "--data", whole)
    assert said.code == 2 and "tiny answers in coco17" in said.errors and "is labelled in wholebody133" in said.errors
    assert "Fix: --skeleton coco17" in said.errors
    assert judge("--task", "pose", "--model", model(pose="coco17"), "--data", whole, "--skeleton", "coco17").code == 0
    said = judge("--task", "pose", "--model", model(pose="wholebody133"), "--data", body, "--skeleton", "common114")
    assert said.code == 2 and "Fix: --skeleton coco17" in said.errors


def test_models_of_308_points_meet_133_in_what_they_share(model, coco, judge: Judge, tmp_path: Path) -> None:
    names, fine = list(skeleton("wholebody133").names), model(pose="sapiens308")
    whole = coco(None, names, parts=True)
    said = judge("--task", "pose", "--model", fine, "--data", whole)
    assert said.code == 2 and "face-0" in said.errors and "Fix: --skeleton common114" in said.errors
    said = judge("--task", "pose", "--model", fine, "--data", whole, "--skeleton", "common114", "--out", tmp_path)
    assert said.code == 0 and said.figures["points"] == 114 and said.figures["skeleton"] == "common114"
    labels = coco(labelled_as_found(tmp_path), names, "own.json", parts=True)
    said = judge("--task", "pose", "--model", fine, "--data", labels, "--skeleton", "common114", "--out", tmp_path)
    assert said.figures["AP"] == pytest.approx(1) and said.figures["parts"]["face"]["AP"] == pytest.approx(1)
    assert keypoint_figures(labels, tmp_path / "predictions.json", "common114")["AP"] == pytest.approx(1)


def test_a_skeleton_of_ones_own_travels_with_the_model(model, coco, judge: Judge, tmp_path: Path) -> None:
    own = tmp_path / "hand.toml"
    own.write_text(HAND.format(name="judged-hand5"))
    tiny = model(pose=vocab.skeleton(str(own)).name)
    names = ["wrist", "left_tip", "right_tip", "palm", "thumb"]
    labels = coco(None, names)
    for words in ((), ("--skeleton", own)):
        said = judge("--task", "pose", "--model", tiny, "--data", labels, "--out", tmp_path / "out", *words)
        assert said.code == 0 and (said.figures["skeleton"], said.figures["points"]) == ("judged-hand5", 5)
    assert keypoint_figures(labels, tmp_path / "out/predictions.json", str(own))["AP"] == said.figures["AP"]
    said = judge("--task", "pose", "--model", tiny, "--data", coco(None, None, "body.json"))
    assert said.code == 2 and "tiny answers in judged-hand5" in said.errors and "labelled in coco17" in said.errors


def test_a_crowd_costs_nothing(model, coco, judge: Judge, tmp_path: Path) -> None:
    """The second box lies in the crowd: a pose there is passed over, and so it is by the file's own labels."""
    tiny, boxes = model(pose="coco17"), [(2, [10.0, 10, 60, 80], 0.5), (2, [2.0, 2, 20, 20], 0.9)]
    out, file = tmp_path / "out", detections(tmp_path / "dt.json", *boxes)
    judge("--task", "pose", "--model", tiny, "--data", coco(), "--detections", file, "--out", out)
    right = found(out)[2][0]
    points = dict.fromkeys([(1, 0), (1, 1), (3, 0), (3, 1)], np.zeros((17, 3)))
    labels = coco({**points, (2, 0): np.concatenate([right[:, :2], np.full((17, 1), 2)], 1)}, file="own.json")
    said = judge("--task", "pose", "--model", tiny, "--data", labels, "--detections", file, "--out", out)
    assert said.figures["AP"] == pytest.approx(1) == keypoint_figures(labels, out / "predictions.json")["AP"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--task", "pose", "--boxes", "given", "--detector", "hog"), "--boxes and --detector: boxes come from one place"),
        (("--task", "depth", "--skeleton", "coco17"), "--skeleton belongs to --task pose"),
        (("--task", "seg", "--align", "scale"), "--align belongs to --task depth"),
        (("--task", "pose", "--crop", "frame"), "poses are read from crops of people"),
        (("--task", "pose", "--flip-test", "--no-flip-test"), "contradict"),
        (("--task", "pose", "--limit", "0"), "--limit 0: nothing is left"),
        (("--task", "pose"), "model tiny has no head for pose. Allowed: depth"),
        (("--task", "depth"), "no labels for --task depth; it has labels of pose"),
    ],
)
def test_what_does_not_go_together(model, coco, judge: Judge, words: tuple[str, ...], told: str) -> None:
    said = judge(*words, "--model", model(depth=None), "--data", coco())
    assert (said.code, said.figures) == (2, None) and told in said.errors


def test_the_table_tells_the_protocol_and_the_paper(model, coco, capsys: pytest.CaptureFixture[str]) -> None:
    from vitruvian.cli import main

    assert (
        main(["evaluate", "--task", "pose", "--model", str(model(pose="coco17")), "--data", str(coco()), "--device", "cpu"])
        == 0
    )
    shown = capsys.readouterr().out
    first = shown.splitlines()[0]
    for words in (
        "boxes as labelled",
        "flip test",
        "OKS-NMS 0.9",
        "64x48 px",
        "3 of 3 photos",
        "x mean of the points above 0.2",
    ):
        assert words in first
    assert "| AP " in shown and "Sapiens 1B" in shown
    assert (
        "3 of 3 photos, 5 people judged" in first and "beware: 5 people judged. Of fewer than 30 a figure says little" in shown
    )


def test_people_without_a_labelled_point_are_not_counted_as_judged(model, coco, judge: Judge) -> None:
    labels = coco()
    raw = json.loads(labels.read_text())
    nobody = next(entry for entry in raw["annotations"] if not entry.get("iscrowd"))
    nobody["keypoints"] = [0] * len(nobody["keypoints"])
    labels.write_text(json.dumps(raw))
    said = judge("--task", "pose", "--model", model(pose="coco17"), "--data", labels)
    assert said.figures["people"] == said.figures["protocol"]["people"] == 4
    assert said.figures["protocol"]["skipped"] == {"people without a labelled point": 1}


@pytest.mark.parametrize(("alike", "twins"), [(0.92, 1), (0.88, 0)])
def test_poses_are_alike_by_the_area_of_their_padded_boxes(coco, alike: float, twins: int) -> None:
    """Two poses of one photo whose OKS is known, on crops of 75 x 100 px of the photo: a box of 60 x 80 and a quarter more."""
    sigmas = np.array(skeleton("coco17").sigmas)

    def oks(away: float) -> float:
        return float(np.exp(-(away**2) / (2 * 75 * 100 * (2 * sigmas) ** 2)).mean())

    away = float(np.interp(-alike, [-oks(d) for d in np.linspace(0, 20, 2001)], np.linspace(0, 20, 2001)))
    person = Person(np.array([20, 5, 80, 85], np.float32))
    crop = make_crop(person.box, (64, 48), (90, 120))

    class Twice:
        """Says two poses of every photo, `away` px apart."""

        compute = choose_compute("cpu", "fp32")

        def run_people(self, images: Any, people: Any, names: Any) -> Any:
            at = [np.tile(np.array([x, 40], np.float32), (17, 1)) for x in (30, 30 + away)]
            poses = [Keypoints(xy, np.ones(17, np.float32), "coco17") for xy in at]
            return [[{"pose": Prediction(person, crop, "pose", "", pose)} for pose in poses] for _ in images]

    walk = Walk(open_labels(str(coco()), "pose", None, "coco17"), 1)
    boxes: Any = SimpleNamespace(of=lambda shots: [[person, person] for _ in shots])
    poses = Poses(Twice(), boxes, walk, PointSets("coco17", "coco17", "coco17", tuple(range(17)), "coco17"))  # type: ignore[arg-type]
    poses.run()
    assert poses.twins == twins


def test_labelled_boxes_are_cut_to_the_pixels_of_the_photo(coco) -> None:
    labels = coco()
    raw = json.loads(labels.read_text())
    raw["annotations"][0]["bbox"] = [-9, -8, 500, 400]
    labels.write_text(json.dumps(raw))
    walk = Walk(open_labels(str(labels), "pose", None, "coco17"))
    (first, *_), *_ = Labelled(walk).of(next(walk.batches(3)))
    assert first.box.tolist() == [0, 0, 119, 89]

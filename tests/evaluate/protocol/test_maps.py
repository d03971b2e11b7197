"""Parts, depth and normals: the official way to the photo's size, the same figures as of the written maps, masks, faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from vitruvian import weights
from vitruvian.data.images import read_ids, read_image
from vitruvian.device import choose_compute
from vitruvian.errors import UsageError
from vitruvian.evaluate.protocol import Wanted
from vitruvian.evaluate.protocol import judge as judge_model
from vitruvian.evaluate.protocol.command import in_words
from vitruvian.evaluate.protocol.judges import DepthJudge, judge_of
from vitruvian.evaluate.protocol.maps import MapRun
from vitruvian.evaluate.protocol.photos import Walk
from vitruvian.evaluate.results import Folders, depth_figures, normal_figures, part_figures
from vitruvian.geometry import make_crop
from vitruvian.predict.network import Network, input_of
from vitruvian.types import ImageRecord, Sample

Judge = Callable[..., Any]


@pytest.fixture
def maps(photos: Path) -> Callable[..., Path]:
    """maps("depths", masks=True) -> a folder of the photos with made-up maps, as a source."""

    def write(kind: str, masks: bool = False) -> Path:
        folder = photos.parent
        (folder / kind).mkdir(exist_ok=True)
        for seed, path in enumerate(sorted(photos.glob("*.png"))):
            size, rng = read_image(path).shape[:2], np.random.default_rng(seed)
            values = rng.uniform(1, 3, size) if kind == "depths" else rng.normal(size=(*size, 3))
            if kind == "normals":
                values /= np.linalg.norm(values, axis=-1, keepdims=True)
            values[:4] = np.nan if kind == "depths" else -1000
            np.save(folder / kind / f"{path.stem}.npy", values.astype(np.float32))
            if masks:
                (folder / "masks").mkdir(exist_ok=True)
                mask = np.zeros(size, np.uint8)
                mask[10:60, 20:60] = 255
                cv2.imwrite(str(folder / "masks" / path.name), mask)
        toml = folder.parent / f"{kind}.toml"
        toml.write_text('kind = "maps"\nfolder = "data"\n' + ('normal_frame = "camera"\n' if kind == "normals" else ""))
        return toml

    return write


@pytest.fixture
def parts(photos: Path) -> Callable[..., Path]:
    """parts('classes = "body28"', most=28) -> a source of masks with random ids, and 255 where they are of a class set."""

    def write(field: str = 'classes = "body28"', most: int = 28) -> Path:
        folder = photos.parent / "masks"
        folder.mkdir(exist_ok=True)
        for seed, path in enumerate(sorted(photos.glob("*.png"))):
            ids = np.random.default_rng(seed).integers(0, most, read_image(path).shape[:2]).astype(np.uint8)
            ids[:10] = 255 if "classes" in field else 0
            Image.fromarray(ids).save(folder / path.name)
        toml = photos.parent.parent / "parts.toml"
        toml.write_text(f'kind = "parts"\nimages = "data/images"\nmasks = "data/masks"\n{field}\n')
        return toml

    return write


def head_of(file: Path, image: Any, task: str) -> torch.Tensor:
    """The raw answer (1, C, h, w) to the photo squashed into the input."""
    loaded = weights.load(file)
    spec = loaded.card.spec
    crop = make_crop(np.zeros(4), spec.size, image.shape[:2], "stretch")
    with torch.inference_mode():
        return loaded.model(input_of(image, [crop], spec))[task]


def bilinear(values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(values, size=size, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("fit", ["stretch", "affine"])
def test_parts_go_back_to_the_photo_as_officially(model, parts, photos: Path, judge: Judge, tmp_path: Path, fit: str) -> None:
    """Whatever a model was trained on: the whole frame squashed, logits to the input's size, to the photo's, arg-max."""
    tiny, out = model(seg="body28", fit=fit), tmp_path / "out"
    said = judge("--task", "seg", "--model", tiny, "--data", parts(), "--out", out)
    assert said.code == 0 and said.figures["protocol"]["crop"] == "the whole frame, squashed"
    assert ("note" in said.figures["protocol"]) == (fit == "affine")
    for path in photos.glob("*.png"):
        image = read_image(path)
        logits = bilinear(bilinear(head_of(tiny, image, "seg"), (64, 48)), image.shape[:2])
        assert (read_ids(out / f"{path.stem}.parts.png") == logits[0].argmax(0).numpy()).mean() > 0.999
    expected = part_figures(Folders(photos.parent / "masks", out))
    assert {key: said.figures[key] for key in expected} == expected


def test_flipping_and_crops_change_the_answer(model, parts, judge: Judge) -> None:
    base = ("--task", "seg", "--model", model(seg="body28"), "--data", parts())
    runs = [judge(*base, *words) for words in ((), ("--flip-test",), ("--crop", "person"))]
    assert [said.code for said in runs] == [0, 0, 0] and len({said.figures["aAcc"] for said in runs}) == 3
    assert runs[1].figures["protocol"]["flip_test"] and runs[2].figures["protocol"]["people"] == 3


def test_class_sets_must_match_or_be_mapped(model, parts, judge: Judge) -> None:
    tiny = model(seg="body28")
    said = judge("--task", "seg", "--model", tiny, "--data", parts('classes = "cihp20"', 20))
    assert said.code == 2 and "tiny answers in body28" in said.errors and 'Fix: mapping = "cihp20"' in said.errors
    said = judge("--task", "seg", "--model", tiny, "--data", parts('mapping = "cihp20"', 20))
    assert said.code == 0 and said.figures["class_set"] == "body28"
    assert judge("--task", "seg", "--model", model(seg="cihp20"), "--data", parts('classes = "cihp20"', 20)).code == 0


@pytest.mark.parametrize("words", [(), ("--align", "scale"), ("--align", "none")])
def test_depth(model, maps, photos: Path, judge: Judge, tmp_path: Path, words: tuple[str, ...]) -> None:
    tiny, out = model(depth=None, fit="stretch"), tmp_path / "out"
    said = judge("--task", "depth", "--model", tiny, "--data", maps("depths"), "--out", out, *words)
    alignment: Any = words[1] if words else "scale_shift"
    assert said.code == 0 and said.figures["protocol"]["alignment"] == alignment
    expected = depth_figures(Folders(photos.parent / "depths", out), alignment)
    assert said.figures["RMSE"] == pytest.approx(expected["RMSE"]) and said.figures["delta1"] == pytest.approx(
        expected["delta1"]
    )
    image = read_image(photos / "a.png")
    wanted = bilinear(head_of(tiny, image, "depth"), image.shape[:2])
    np.testing.assert_allclose(np.load(out / "a.depth.npy"), wanted[0, 0], atol=1e-4)


def test_normals(model, maps, photos: Path, judge: Judge, tmp_path: Path) -> None:
    tiny, out = model(normal=None, fit="stretch"), tmp_path / "out"
    said = judge("--task", "normal", "--model", tiny, "--data", maps("normals"), "--out", out)
    expected = normal_figures(Folders(photos.parent / "normals", out))
    assert said.code == 0 and said.figures["pixels"] == expected["pixels"] == sum(
        (h - 4) * w for h, w in ((90, 120), (100, 80), (70, 140))
    )
    assert said.figures["mean"] == pytest.approx(expected["mean"], abs=1e-3)
    image = read_image(photos / "a.png")
    wanted = F.normalize(bilinear(head_of(tiny, image, "normal"), image.shape[:2]), dim=1)[0].permute(1, 2, 0)
    np.testing.assert_allclose(np.load(out / "a.normal.npy"), wanted, atol=1e-3)


def test_depth_counts_where_it_is_above_nothing() -> None:
    depth = np.random.default_rng(0).uniform(1, 3, (20, 20)).astype(np.float32)
    depth[:5], depth[5:7], depth[7] = 0, -1, np.inf
    given, image = np.random.default_rng(1).uniform(1, 3, (20, 20)), np.zeros((20, 20, 3), np.uint8)
    depths = (depth, np.where(np.isfinite(depth) & (depth > 0), depth, np.nan))
    judges = [DepthJudge("none") for _ in depths]
    for judge, truth in zip(judges, depths, strict=True):
        assert judge.add(given, Sample(image, np.zeros(4), depth=truth))
    assert judges[0].figures() == judges[1].figures() and np.isfinite(judges[0].figures()["RMSE"])


def test_the_axes_of_a_model_that_does_not_state_them_are_asked_for_and_told(model, maps, tmp_path: Path) -> None:
    known = model(normal=None, fit="stretch")
    net = weights.load(known).model
    net.spec = net.spec.with_heads(replace(net.spec.head("normal"), options={"axes": "unstated"}))
    unstated, data = tmp_path / "unstated.safetensors", str(maps("normals"))
    weights.save(unstated, net, provenance={}, dtype=torch.float32)
    with pytest.raises(UsageError, match=r"the axes of its normals are not stated, .* Fix: --axes camera, opengl, directx"):
        judge_model(Wanted("normal", data, str(unstated)), "cpu")
    with pytest.raises(UsageError, match="--axes opengl: model tiny answers in camera axes"):
        judge_model(Wanted("normal", data, str(known), axes="opengl"), "cpu")
    plain = judge_model(Wanted("normal", data, str(known), out=tmp_path / "camera"), "cpu")
    assert plain["protocol"]["axes"] == "camera"
    assert judge_model(Wanted("normal", data, str(unstated), axes="camera"), "cpu")["mean"] == plain["mean"]
    turned = judge_model(Wanted("normal", data, str(unstated), axes="opengl", out=tmp_path / "opengl"), "cpu")
    assert turned["protocol"]["axes"] == "opengl" and "axes of the model: opengl" in in_words(turned["protocol"])
    one, other = (np.load(tmp_path / axes / "a.normal.npy") for axes in ("camera", "opengl"))
    np.testing.assert_allclose(other, one * (1, -1, -1), atol=1e-6)
    assert turned["mean"] != plain["mean"]


@pytest.mark.parametrize(
    ("task", "axes", "told"),
    [("depth", "camera", "--axes belongs to --task normal"), ("normal", "unstated", "unknown axes 'unstated'")],
)
def test_axes_that_say_nothing(task: Any, axes: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Wanted(task, "x.toml", axes=axes)


@pytest.mark.parametrize("task", ["depth", "normal"])
def test_masks_say_where_it_counts(model, maps, judge: Judge, task: str) -> None:
    toml, tiny = maps(f"{task}s", masks=True), model(**{task: None})
    frame = judge("--task", task, "--model", tiny, "--data", toml)
    person = judge("--task", task, "--model", tiny, "--data", toml, "--crop", "person")
    assert frame.code == person.code == 0 and person.figures["protocol"]["people"] == 3
    assert frame.figures["protocol"]["mask"] == "labelled pixels"
    if task == "normal":
        assert frame.figures["pixels"] == person.figures["pixels"] == 3 * 50 * 40
    assert frame.figures != person.figures


def test_photos_of_one_name_in_two_folders_keep_both_maps(model, photos: Path, tmp_path: Path) -> None:
    class Both:
        """The first photo by four paths: in two folders, beside them, and the first one again."""

        samples, paths = 4, ("/x/1.jpg", "../y/1.jpg", "../1.jpg", "/x/1.jpg")

        def __len__(self) -> int:
            return 4

        def photo(self, index: int) -> Any:
            return read_image(photos / "a.png"), self.paths[index]

        def __getitem__(self, index: int) -> ImageRecord:
            image, path = self.photo(index)
            ids = np.full(image.shape[:2], 3, np.uint8)
            box = np.array([0, 0, 120, 90], np.float32)
            return ImageRecord(index, image.shape[:2], path, (Sample(image, box, path, classes=ids),))

    network = Network(weights.load(model(seg="body28", fit="stretch")), choose_compute("cpu", "fp32"), False)
    walk, out = Walk(Both()), tmp_path / "out"  # type: ignore[arg-type]
    out.mkdir()
    MapRun(network, "seg", judge_of(network.tasks["seg"], "none"), walk, "frame", out).run()
    assert walk.photos == 4
    (fault,) = walk.faults
    assert fault.startswith("../1.jpg: another photo has this name") and "Fix: rename it" in fault
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.parts.png"))
    assert written == ["out/1.parts.png", "out/y/1.parts.png"]


def test_bad_maps_are_counted_and_named(model, maps, photos: Path, judge: Judge) -> None:
    toml, tiny = maps("depths"), model(depth=None)
    np.save(photos.parent / "depths" / "a.npy", np.full((90, 120), np.nan, np.float32))
    (photos / "c.png").write_bytes(b"no picture")
    said = judge("--task", "depth", "--model", tiny, "--data", toml)
    assert said.code == 1 and said.figures["photos"] == 1 and len(said.figures["faults"]) == 2
    assert "a.npy: no depth is known" in said.errors and "c.png: not an image, or damaged" in said.errors
    (photos.parent / "depths" / "b.npy").unlink()
    said = judge("--task", "depth", "--model", tiny, "--data", toml)
    assert said.code == 1 and said.figures is None and "no photo could be judged" in said.errors


def test_answers_that_are_no_numbers(model, maps, judge: Judge) -> None:
    said = judge("--task", "depth", "--model", model(depth=None, spoil=True), "--data", maps("depths"))
    assert said.code == 1 and said.figures is None and "not finite (NaN) at" in said.errors


def test_photos_with_nobody_are_left_out_and_told(model, parts, photos: Path, judge: Judge) -> None:
    toml = parts()
    Image.fromarray(np.zeros((90, 120), np.uint8)).save(photos.parent / "masks" / "a.png")
    said = judge("--task", "seg", "--model", model(seg="body28"), "--data", toml)
    assert said.code == 0 and said.figures["photos"] == 2
    assert said.figures["protocol"]["skipped"] == {"photos with nobody labelled": 1}

"""The part that stands without PyTorch says what the package says, for every fit, codec and task, on awkward maps too."""

from __future__ import annotations

import ast
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vitruvian.export import runtime
from vitruvian.geometry import make_crop, map_to_source
from vitruvian.predict.detect import SMALLEST_BOX
from vitruvian.predict.network import input_of, task_of
from vitruvian.types import Array, Crop, HeadSpec, ModelSpec
from vitruvian.weights.card import ENTRY, card_of, to_metadata

PHOTO = np.random.default_rng(0).integers(0, 255, (23, 31, 3), np.uint8).repeat(9, 0).repeat(7, 1)
BOXES = np.array([[20, 30, 120, 190], [-5, 10.5, 300, 80], [0, 0, 217, 207], [100, 100, 104, 106.25]], np.float32)
SPEC = ModelSpec("r", (64, 48), dim=16, depth=1, heads_attn=2, mlp=16, heads=(HeadSpec("pose", (8,), (), 17, "coco17"),))


def card(spec: ModelSpec) -> dict[str, Any]:
    return dict(json.loads(to_metadata(card_of(spec, {}, ""))[ENTRY]))


def both(spec: ModelSpec, boxes: Array = BOXES) -> tuple[list[Crop], list[runtime.Crop]]:
    ours = [make_crop(box, spec.size, PHOTO.shape[:2], spec.fit, spec.box_padding) for box in boxes]
    return ours, runtime.prepare(PHOTO, boxes, card(spec))[1]


@pytest.mark.parametrize("fit", ["affine", "lite", "pad", "stretch"])
@pytest.mark.parametrize("resample", ["bilinear", "area"])
def test_same_input(fit: Any, resample: Any) -> None:
    spec = dataclasses.replace(SPEC, fit=fit, resample=resample)
    crops, others = both(spec)
    for crop, other in zip(crops, others, strict=True):
        assert np.abs(crop.matrix - other.matrix).max() < 1e-9
    given = runtime.prepare(PHOTO, BOXES, card(spec))[0]
    wanted = torch.cat([input_of(PHOTO, [crop], spec) for crop in crops]).numpy()
    assert given.shape == wanted.shape and np.abs(given - wanted).max() < 1e-6


def maps(kind: str, shape: tuple[int, ...]) -> Array:
    """Output of a head, (4, C, h, w)."""
    rng = np.random.default_rng(1)
    count, channels, rows, cols = shape
    if kind == "noise":
        return rng.normal(0, 3, shape).astype(np.float32)
    if kind in ("flat", "nothing"):
        return np.full(shape, 0.25 if kind == "flat" else -1.0, np.float32)
    y, x = np.mgrid[:rows, :cols]
    at = rng.uniform(0, [cols - 1, rows - 1], (count, channels, 2)) * (1 if kind == "smooth" else 1.2)
    at = at if kind == "smooth" else np.round(at / [cols - 1, rows - 1]) * [cols - 1, rows - 1]  # "border": in the corners
    square = (x - at[..., 0, None, None]) ** 2 + (y - at[..., 1, None, None]) ** 2
    return np.exp(-square / 8).astype(np.float32) * rng.uniform(0.05, 1, (count, channels, 1, 1)).astype(np.float32)


@pytest.mark.parametrize("kind", ["smooth", "border", "flat", "nothing", "noise"])
@pytest.mark.parametrize("codec", ["official", "exact"])
@pytest.mark.parametrize("activation", [None, "softmax"])
def test_same_keypoints(kind: str, codec: Any, activation: str | None) -> None:
    head = HeadSpec("pose", (8, 8), (), 17, "coco17", options={"activation": activation} if activation else {})
    spec = dataclasses.replace(SPEC, codec=codec, heads=(head,), sigma=1.7)
    output = maps(kind, (4, 17, 16, 12)) * (20 if activation else 1)
    crops, others = both(spec)
    wanted = task_of(head).decode(torch.from_numpy(output), crops, spec)
    given = runtime.decode({"pose": output}, others)
    for value, other, crop in zip(wanted, given, crops, strict=True):
        scale = np.linalg.norm(crop.inverse[:, :2], axis=0).max()
        assert np.abs(value.xy - other["pose"]["xy"]).max() < 1e-3 * max(1.0, scale)  # type: ignore[union-attr]
        assert np.abs(value.score - other["pose"]["score"]).max() < 1e-5  # type: ignore[union-attr]
        assert other["pose"]["xy"].dtype == other["pose"]["score"].dtype == np.float32


@pytest.mark.parametrize("fit", ["affine", "stretch"])
@pytest.mark.parametrize("size", [(16, 12), (64, 48), (128, 96)])
def test_same_maps(fit: Any, size: tuple[int, int]) -> None:
    heads = (HeadSpec("seg", (), (), 28, "body28"), HeadSpec("depth", (), (), 1), HeadSpec("normal", (), (), 3))
    spec = dataclasses.replace(SPEC, heads=heads, fit=fit)
    outputs = {head.task: maps("noise", (4, head.out, *size)) for head in heads}
    crops, others = both(spec)
    given = runtime.decode(outputs, others)
    wanted = {head.task: task_of(head).decode(torch.from_numpy(outputs[head.task]), crops, spec) for head in heads}
    for i, other in enumerate(given):
        seg, depth, normal = (wanted[head.task][i] for head in heads)
        assert other["seg"]["ids"].dtype == np.uint8 and (other["seg"]["ids"] == seg.ids).mean() > 0.999  # type: ignore[union-attr]
        assert np.abs(other["seg"]["score"] - seg.score).max() < 1e-4  # type: ignore[union-attr]
        assert np.abs(other["depth"]["z"] - depth.z).max() < 1e-4  # type: ignore[union-attr]
        assert np.abs(other["normal"]["n"] - normal.n).max() < 1e-3  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["people", "nothing", "noise"])  # not flat: which of equal cells is first is open
def test_same_boxes(kind: str) -> None:
    head = HeadSpec("person", (8,), (), 5, options={"threshold": 0.2})
    spec = dataclasses.replace(SPEC, heads=(head,), fit="pad")
    output = maps("noise" if kind == "people" else kind, (1, 5, 8, 6)) * (5 if kind == "nothing" else 1)
    if kind == "people":
        output[0, 0] = maps("smooth", (1, 9, 8, 6))[0].max(0) * 8 - 2
        output[0, 1:] = output[0, 1:].clip(-0.5, 1)
    crops, others = both(spec, BOXES[:1])
    (wanted,) = task_of(head).decode(torch.from_numpy(output), crops, spec)
    (given,) = runtime.decode({"person": output}, others)
    large = (wanted.xyxy[:, 2:] - wanted.xyxy[:, :2] >= SMALLEST_BOX).all(1)  # type: ignore[union-attr]  # as detectors do
    assert large.any() == (kind != "nothing")
    assert np.allclose(given["person"]["xyxy"], wanted.xyxy[large], atol=1e-3)  # type: ignore[union-attr]
    assert np.allclose(given["person"]["score"], wanted.score[large], atol=1e-6)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_maps_back_on_the_photo(kind: type) -> None:
    (crop, *_), (other, *_) = both(SPEC)
    values = np.random.default_rng(2).integers(0, 28, SPEC.size).astype(kind)
    border = 0 if kind is np.uint8 else np.nan
    wanted = map_to_source(values, crop, border=border, nearest=kind is np.uint8)
    assert np.array_equal(runtime.map_to_photo(values, other, border), wanted, equal_nan=kind is np.float32)


def test_it_stands_alone() -> None:
    tree = ast.parse(Path(runtime.__file__).read_text())
    roots = set()
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        roots |= {name.split(".")[0] for name in names}
    assert roots - set(sys.stdlib_module_names) == {"numpy", "cv2", "onnxruntime"}
    code = "import sys; sys.modules['torch'] = None; import vitruvian.export.runtime"
    subprocess.run([sys.executable, "-c", code], check=True)

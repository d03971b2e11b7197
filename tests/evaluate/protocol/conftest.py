"""Tiny random models, tiny labelled photos, and the verb as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from vitruvian import weights
from vitruvian.cli import main
from vitruvian.model import build
from vitruvian.types import HeadSpec, ModelSpec
from vitruvian.vocab import skeleton

SIZES = ((90, 120), (100, 80), (70, 140))  # (H, W) of the photos


@dataclass(frozen=True)
class Said:
    """What a run gave back: exit code, the JSON on stdout (None without), and stderr."""

    code: int
    figures: Any
    errors: str


@pytest.fixture
def judge(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """judge("--task", "pose", ...) runs `vitruvian evaluate ... --json` on the CPU."""

    def run(*words: object) -> Said:
        code = main(["evaluate", *map(str, words), "--device", "cpu", "--json"])
        out, errors = capsys.readouterr()
        return Said(code, json.loads(out) if out else None, " ".join(errors.split()))

    return run


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """model(pose="coco17", seg="body28", depth=None, fit="affine") -> weights of a tiny random model with these heads."""
    made: dict[str, Path] = {}

    def write(fit: str = "affine", spoil: bool = False, **heads: str | None) -> Path:
        key = f"{fit}-{spoil}-{sorted(heads.items(), key=str)}"
        if key not in made:
            torch.manual_seed(1)
            spec = ModelSpec("tiny", (64, 48), 32, 1, 2, 32, tuple(_head(*each) for each in heads.items()), fit=fit)  # type: ignore[arg-type]
            net = build(spec)
            if spoil:
                next(iter(net.heads.values())).final.weight.data[:] = 3e38  # more than float32 holds, once multiplied
            made[key] = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
            weights.save(made[key], net, provenance={"data": "none"}, dtype=torch.float32)
        return made[key]

    return write


def _head(task: str, vocabulary: str | None) -> HeadSpec:
    own = {"seg": 28, "depth": 1, "normal": 3}
    out = len(skeleton(vocabulary)) if task == "pose" and vocabulary else 20 if vocabulary == "cihp20" else own[task]
    return HeadSpec(task, (8,), out=out, vocabulary=vocabulary, kind="shuffle")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos a.png, b.png, c.png of `SIZES`."""
    folder = tmp_path / "data" / "images"
    folder.mkdir(parents=True)
    for seed, (name, size) in enumerate(zip("abc", SIZES, strict=True)):
        small = np.random.default_rng(seed).integers(0, 255, (size[0] // 5, size[1] // 5, 3), np.uint8)
        cv2.imwrite(str(folder / f"{name}.png"), cv2.resize(small, size[::-1]))
    return folder


BOXES = {1: [(5, 5, 40, 80), (60, 10, 50, 75)], 2: [(10, 10, 60, 80)], 3: [(8, 4, 50, 60), (70, 5, 60, 60)]}  # xywh


@pytest.fixture
def coco(photos: Path) -> Callable[..., Path]:
    """coco(points={(image, person): (K, 3)}, names=...) -> a COCO file of five people and one crowd on the photos."""

    def write(
        points: Mapping[tuple[int, int], Any] | None = None, names: Any = None, file: str = "labels.json", parts: bool = False
    ) -> Path:
        names = list(skeleton("coco17").names) if names is None else names
        annotations = []
        for image, boxes in BOXES.items():
            for number, box in enumerate(boxes):
                rng = np.random.default_rng(10 * image + number)
                made = np.concatenate([rng.uniform(10, 60, (len(names), 2)), np.full((len(names), 1), 2)], 1)
                given = made if points is None else np.asarray(points[image, number])
                annotations.append(_person(len(annotations) + 1, image, box, given, parts))
        crowd = _person(99, 2, (0, 0, 30, 30), np.zeros((len(names), 3)), parts) | {"iscrowd": 1}
        entries = zip("abc", SIZES, strict=True)
        images = [{"id": i, "file_name": f"{n}.png", "height": s[0], "width": s[1]} for i, (n, s) in enumerate(entries, 1)]
        category = {"id": 1, "name": "person", "keypoints": names[:17] if parts else names}
        if parts and len(names) == 308:
            for entry in (*annotations, crowd):
                entry["goliath_wholebody_kpts"] = entry.pop("keypoints")
                entry["keypoints"] = entry["goliath_wholebody_kpts"][: 3 * 17]
        path = photos / file
        path.write_text(json.dumps({"images": images, "annotations": [*annotations, crowd], "categories": [category]}))
        return path

    return write


def _person(number: int, image: int, box: Any, points: Any, parts: bool) -> dict[str, Any]:
    place = {"id": number, "image_id": image, "category_id": 1, "bbox": list(box), "area": float(box[2] * box[3]), "iscrowd": 0}
    fields = {"keypoints": (0, len(points))}
    if parts and len(points) == 133:
        fields = {"keypoints": (0, 17), "foot_kpts": (17, 23), "face_kpts": (23, 91), "lefthand_kpts": (91, 112)}
        fields |= {"righthand_kpts": (112, 133)}
    return {**place, "num_keypoints": 1} | {k: np.asarray(points)[a:b].ravel().tolist() for k, (a, b) in fields.items()}

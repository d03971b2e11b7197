"""Where shared data lie; tests that need them skip, with the reason, where they are absent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitruvian.vocab import skeleton as skeleton_of

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared photos, tables and goldens (VITRUVIAN_SHARED, default ../shared)."""
    folder = Path(os.environ.get("VITRUVIAN_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"shared data not found at {folder}; set VITRUVIAN_SHARED")
    return folder


@pytest.fixture
def result(tmp_path: Path) -> Callable[..., Path]:
    """result("a/b", size=(H, W), points={...}, depth=...) writes what `predict` writes of a photo, below tmp_path/results.

    Person i stands in column i of the photo; points: name -> (x, y, score) of the first one; maps given as None are not made.
    """

    def write(stem: str = "photo", size: tuple[int, int] = (60, 80), people: int = 1, skeleton: str | None = "coco17",
              points: dict[str, Any] | None = None, mask: str = "parts", **maps: Any) -> Path:  # fmt: skip
        path = tmp_path / "results" / f"{stem}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        owner = np.zeros(size, np.uint8)
        step = size[1] // max(people, 1)
        for i in range(people):
            owner[5 : size[0] - 5, i * step + 2 : (i + 1) * step - 2] = i + 1
        seen = owner > 0
        y = np.mgrid[: size[0], : size[1]][0] / size[0]
        normal = np.where(seen[..., None], np.array([0.6, 0, -0.8]), np.nan).astype(np.float16)
        found = {"owner": owner, "parts": owner, "depth": np.where(seen, y, np.nan).astype(np.float32), "normal": normal} | maps
        files = {kind: f"{path.stem}.{kind}.{'npy' if kind in ('depth', 'normal') else 'png'}" for kind in found}
        for kind, values in found.items():
            if values is None:
                del files[kind]
            elif kind in ("depth", "normal"):
                np.save(path.with_name(files[kind]), values)
            else:
                Image.fromarray(values).save(path.with_name(files[kind]))
        record = {
            "format": 1,
            "image": {"file": f"{stem}.jpg", "width": size[1], "height": size[0], "notes": []},
            "people": [_made_person(i, step, size, skeleton, points if i == 0 else None) for i in range(people)],
            "files": files,
            "owner": {"mask": mask},
            "depth": {"kind": "relative", "unit": None, "values": "0 = nearest"},
        }
        path.write_text(json.dumps(record))
        return path

    return write


def _made_person(i: int, step: int, size: tuple[int, int], name: str | None, points: dict[str, Any] | None) -> dict[str, Any]:
    person: dict[str, Any] = {"box": [i * step, 0, (i + 1) * step, size[0]], "score": 0.9, "origin": "user"}
    if name is not None:
        rng = np.random.default_rng(i)
        rows = {n: (*(rng.uniform(0, size[::-1]).round(2)), 0.9) for n in skeleton_of(name).names} | (points or {})
        person["skeleton"] = name
        person["keypoints"] = {n: {"x": float(x), "y": float(y), "score": float(s)} for n, (x, y, s) in rows.items()}
    return person

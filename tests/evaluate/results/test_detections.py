"""Boxes and masks in files, against published figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitruvian.errors import InputError, UsageError
from vitruvian.evaluate.results import detection_stats

pytest.importorskip("pycocotools", reason="pycocotools is not installed: pip install 'vitruvian[evaluate]'")


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_published_figures(data: Path, kind: str) -> None:
    folder = data / "fixtures/cocoapi_det100"
    expected = json.loads((folder / "expected.json").read_text())
    stats = detection_stats(folder / "instances_val2014_100.json", folder / f"{kind}_results.json", kind, None)
    assert {name: stats[name] for name in expected["expected"][kind]} == pytest.approx(expected["expected"][kind], abs=1e-6)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_people_alone(data: Path, kind: str) -> None:
    folder = data / "fixtures/coco_noised"
    expected = json.loads((folder / "expected.json").read_text())["expected"][f"{kind}_person"]
    stats = detection_stats(data / "coco/annotations/instances.json", folder / f"{kind}_results.json", kind)
    assert {name: stats[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_what_cannot_be_judged_says_why(tmp_path: Path) -> None:
    truth, found = tmp_path / "truth.json", tmp_path / "found.json"
    box = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.5}
    label = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "area": 1200, "iscrowd": 0}
    raw = {"images": [{"id": 1}], "annotations": [label], "categories": [{"id": 1, "name": "person"}]}
    truth.write_text(json.dumps(raw))
    found.write_text(json.dumps([box]))
    assert detection_stats(truth, found)["AP"] == pytest.approx(1)
    with pytest.raises(UsageError, match=r"no category 'dog'\. Allowed: person"):
        detection_stats(truth, found, category="dog")
    found.write_text("[]")
    assert detection_stats(truth, found)["AR_100"] == 0
    found.write_text(json.dumps([box, {key: box[key] for key in ("image_id", "category_id", "score")}]))
    with pytest.raises(InputError, match="result 1 lacks one of"):
        detection_stats(truth, found)

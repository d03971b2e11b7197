"""Boxes or masks in COCO files: COCO's twelve detection figures, by pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any, Literal, TypeAlias

from vitruvian.data.coco import read_json
from vitruvian.errors import InputError, UsageError
from vitruvian.evaluate.results.average_precision import pycocotools

Kind: TypeAlias = Literal["bbox", "segm"]
STATS = (
    "AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large",
    "AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large",
)  # fmt: skip


def detection_stats(truth: Path, predictions: Path, kind: Kind = "bbox", category: str | None = "person") -> dict[str, Any]:
    """COCO's figures (fractions, -1 where there is nothing to find) of one category, or of all where it is None.

    truth: a COCO file; predictions: a list of results with `bbox` (xywh) or `segmentation`, and `score`. Only photos that the
    truth lists count. Raises InputError for files that do not fit, UsageError without pycocotools or for an unknown category.
    """
    raw, found = read_json(truth), read_json(predictions)
    found = found.get("annotations") if isinstance(found, dict) else found
    if not isinstance(raw, dict) or not isinstance(raw.get("annotations"), list) or not isinstance(found, list):
        raise InputError(f"{truth} and {predictions}: not a COCO file and a list of results.")
    wanted = _categories(raw, truth, category)
    field = "bbox" if kind == "bbox" else "segmentation"
    for number, entry in enumerate(found):
        if not {"image_id", "category_id", "score", field} <= set(entry):
            raise InputError(f"{predictions}: result {number} lacks one of image_id, category_id, score, {field}.")
    kept = [{key: entry[key] for key in ("image_id", "category_id", "score", field)} for entry in found]
    stats = _stats(raw, [entry for entry in kept if entry["category_id"] in wanted], kind, wanted)
    counts = {"images": len(raw["images"]), "predictions": len(kept), "category": category or "all"}
    return {**dict(zip(STATS, stats, strict=True)), **counts}


def _categories(raw: dict[str, Any], truth: Path, category: str | None) -> list[int]:
    names = {entry["name"]: int(entry["id"]) for entry in raw.get("categories", [])}
    if category is None:
        return sorted(names.values())
    if category not in names:
        raise UsageError(f"{truth} has no category {category!r}. Allowed: {', '.join(sorted(names))}, or all.")
    return [names[category]]


def _stats(raw: dict[str, Any], found: list[dict[str, Any]], kind: Kind, categories: list[int]) -> list[float]:
    COCO, COCOeval = pycocotools()
    coco = COCO()
    coco.dataset = {"info": {}, **json.loads(json.dumps(raw))}  # it writes into what it is given
    images = {int(image["id"]) for image in raw["images"]}
    found = [entry for entry in found if entry["image_id"] in images]
    if not found:
        return [0.0] * len(STATS)
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), kind)
        evaluation.params.catIds = categories
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]

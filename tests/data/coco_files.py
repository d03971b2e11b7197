"""A small COCO file to read, or to spoil."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vitruvian.data.sources import Coco
from vitruvian.vocab import skeleton

NAMES = list(skeleton("coco17").names)


def write_coco(folder: Path, change: Callable[[Any], object] | None = None, names: Sequence[str] = NAMES) -> Coco:
    """One photo of 20x10 px, one person, one crowd; `change` edits the document."""
    cv2.imwrite(str(folder / "a.png"), np.full((10, 20, 3), (10, 20, 30), np.uint8))
    points = np.zeros((len(names), 3))
    points[0], points[5] = (4, 3, 2), (6, 5, 1)
    person = {
        "id": 7, "image_id": 1, "category_id": 1, "bbox": [2, 1, 6, 8], "area": 40, "iscrowd": 0,
        "segmentation": [[2, 1, 8, 1, 8, 9, 2, 9]], "keypoints": points.ravel().tolist(), "num_keypoints": 2,
    }  # fmt: skip
    crowd = {"id": 8, "image_id": 1, "category_id": 1, "bbox": [10, 0, 4, 4], "area": 8, "iscrowd": 1}
    crowd |= {"segmentation": {"size": [10, 20], "counts": [100, 4, 96]}, "keypoints": [0] * 3 * len(names)}
    document: Any = {
        "images": [{"id": 1, "file_name": "a.png", "height": 10, "width": 20}],
        "categories": [{"id": 1, "name": "person", "keypoints": names}, {"id": 3, "name": "car"}],
        "annotations": [person, crowd, {"id": 9, "image_id": 1, "category_id": 3, "bbox": [0, 0, 1, 1]}],
    }
    if change:
        change(document)
    (folder / "a.json").write_text(json.dumps(document))
    return Coco(folder / "a.json", folder)

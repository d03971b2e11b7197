"""Part maps in folders: mIoU, mean accuracy, accuracy, and the IoU of each part."""

from __future__ import annotations

from typing import Any

import numpy as np

from vitruvian.data.images import read_ids
from vitruvian.errors import InputError
from vitruvian.evaluate.results.pairs import Folders, Pair
from vitruvian.tasks.seg import SegMetric
from vitruvian.types import IGNORE
from vitruvian.vocab import class_set


def part_figures(folders: Folders, name: str = "body28") -> dict[str, Any]:
    """One confusion table over all pixels of all photos at their own size (sapiens1 section 8); 255 in the truth is left out.

    Keys: `mIoU` over the classes that occur on either side, `mAcc` over those of the truth, `aAcc`, `foreground_IoU`
    (fractions, background among the classes), `parts` (IoU of each class that occurs) and `photos`.
    Raises InputError for ids that the class set has not, in the prediction 255 too: a pixel without answer is no right one.
    """
    metric, photos = SegMetric(name), 0
    for pair in folders.pairs("parts", (".png",), read_ids):
        _check(pair, name, folders)
        metric.add(pair.given, np.where(pair.mask, pair.truth, IGNORE))
        photos += 1
    return {**named(metric), "photos": photos, "class_set": name}


def named(metric: SegMetric) -> dict[str, Any]:
    """The figures of a confusion table by the names of `part_figures`."""
    said = metric.compute()
    parts = {key.removeprefix("iou/"): value for key, value in said.items() if key.startswith("iou/")}
    figures = {"mIoU": said["miou"], "mAcc": said["macc"], "aAcc": said["aacc"], "foreground_IoU": said["foreground_iou"]}
    return {**figures, "parts": parts}


def _check(pair: Pair, name: str, folders: Folders) -> None:
    count = len(class_set(name))
    strange = ((folders.truth, pair.truth[pair.truth != IGNORE], ", and 255 for what is not counted"),
               (folders.predictions, pair.given, ""))  # fmt: skip
    for folder, ids, more in strange:
        if ids.size and ids.max() >= count:
            told = f"{pair.name} of {folder} has the id {int(ids.max())}, but {name} has {count} classes"
            raise InputError(f"{told}. Allowed: 0 to {count - 1}{more}.")

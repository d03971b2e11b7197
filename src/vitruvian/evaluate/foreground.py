"""Who is a person: parts against the true masks of a photo."""

from __future__ import annotations

import numpy as np

from vitruvian.data.masks import filled_box
from vitruvian.errors import InputError
from vitruvian.evaluate.photos import Subject
from vitruvian.geometry import map_to_source
from vitruvian.types import IGNORE, Array, Classes, Prediction


def part_ids(prediction: Prediction) -> Array:
    """(H, W) uint8 predicted parts in the photo, 255 outside the crop."""
    value = prediction.value
    if not isinstance(value, Classes) or value.class_set != "body28":
        raise InputError(f"parts in body28 are wanted, not {type(value).__name__}")
    return map_to_source(value.ids, prediction.crop, border=IGNORE, nearest=True)


def foreground_iou(subject: Subject) -> float:
    """Person against background within the subject's crop: predicted parts > 0 and the union of all true masks of the photo.

    Over the photo's pixels that the padded crop shows, all people in it being foreground; crowd regions count neither way.
    NaN where the photo has people without a mask, or nobody is in the crop and none is predicted.
    """
    record, crop = subject.photo.record, subject.predictions["seg"]
    masks = [person.mask for person in record.people if person.mask is not None]
    if len(masks) < len(record.people):
        return float("nan")
    ids = part_ids(crop)
    counted = ids != IGNORE
    for region in record.ignore:
        counted &= ~region
    return _iou(ids[counted] > 0, np.any(masks, axis=0)[counted])


def box_iou(subject: Subject) -> float:
    """`foreground_iou` of a model that calls the whole given box a person."""
    record = subject.photo.record
    masks = [person.mask for person in record.people if person.mask is not None]
    if len(masks) < len(record.people):
        return float("nan")
    counted = part_ids(subject.predictions["seg"]) != IGNORE
    for region in record.ignore:
        counted &= ~region
    return _iou(filled_box(subject.truth.box, record.size)[counted], np.any(masks, axis=0)[counted])


def _iou(a: Array, b: Array) -> float:
    union = int((a | b).sum())
    return float((a & b).sum() / union) if union else float("nan")

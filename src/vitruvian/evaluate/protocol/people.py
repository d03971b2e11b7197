"""Where the people of a photo are: as labelled, as a file of detections says, or as a detector finds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vitruvian.data.coco import read_json
from vitruvian.device import Compute
from vitruvian.errors import InputError, UsageError
from vitruvian.evaluate.protocol.photos import Shot, Walk
from vitruvian.evaluate.protocol.wanted import Wanted
from vitruvian.predict.box_formats import box_of, brief, numbers_of
from vitruvian.predict.detect import Detector, choose_detector, detect_many
from vitruvian.types import Array, Person

PERSON = 1  # the category of people in files of detections


class Boxes(Protocol):
    """Finds the people of photos. `told`: in words, for the protocol."""

    told: str

    def of(self, shots: Sequence[Shot]) -> list[list[Person]]:
        """People of each photo, in the order of the photos."""


def choose_boxes(wanted: Wanted, walk: Walk, compute: Compute) -> Boxes:
    """As the user wants it; the labelled boxes if nothing is said."""
    if wanted.detections is not None:
        return Detections(wanted.detections, walk)
    if wanted.detector is not None:
        return Found(choose_detector(wanted.detector, compute))
    return Labelled(walk)


class Labelled:
    """The boxes of people with a labelled point, cut to the photo's pixels as officially; all of them sure."""

    def __init__(self, walk: Walk) -> None:
        self.told, self._walk = "as labelled", walk

    def of(self, shots: Sequence[Shot]) -> list[list[Person]]:
        """As `Boxes.of`."""
        return [self._people(shot) for shot in shots]

    def _people(self, shot: Shot) -> list[Person]:
        height, width = shot.image.shape[:2]
        last = np.array([width - 1, height - 1, width - 1, height - 1], np.float32)
        out = []
        for sample in shot.record.people:
            box = np.clip(sample.box, 0, last).astype(np.float32)
            if sample.keypoints is None or not (sample.keypoints[:, 2] > 0).any():
                self._walk.skipped["people without a labelled point"] += 1
            elif not (box[2:] > box[:2]).all():
                self._walk.skipped["labelled boxes of no size"] += 1
            else:
                out.append(Person(box))
        return out


class Found:
    """A detector of `vitruvian predict`."""

    def __init__(self, detector: Detector) -> None:
        self.told, self._detector = f"from the detector {detector.name}", detector

    def of(self, shots: Sequence[Shot]) -> list[list[Person]]:
        """As `Boxes.of`."""
        return detect_many(self._detector, [shot.image for shot in shots])


class Detections:
    """A list of COCO results with image_id, category_id, bbox (xywh) and score, such as the person boxes that the published
    figures were made with. Neither cut to the photo nor left out for their score; what is no box is a fault of the run."""

    def __init__(self, path: Path, walk: Walk) -> None:
        self.told, self._people = f"of {path}", defaultdict[int, list[Person]](list)
        raw = read_json(path)
        if not isinstance(raw, list):
            raise InputError(f"{path}: no list. Allowed: COCO results, a list of image_id, category_id, bbox and score.")
        for number, entry in enumerate(raw):
            with walk.counting_faults():
                image, person = _detection(entry, f"{path}: detection {number}")
                self._people[image] += [person] if person else []
        self._check(path, walk)

    def of(self, shots: Sequence[Shot]) -> list[list[Person]]:
        """As `Boxes.of`."""
        return [self._people.get(shot.record.image_id, []) for shot in shots]

    def _check(self, path: Path, walk: Walk) -> None:
        ids = getattr(walk.source, "image_ids", range(len(walk.source)))
        if not set(self._people) & set(ids):
            some = next(iter(self._people), None)
            told = f"image_id {some} of it is not there" if some is not None else "it has no people (category_id 1)"
            raise UsageError(f"{path}: no detection is of a photo of the data; {told}. Fix: give the file of the same set.")


def _detection(entry: Any, where: str) -> tuple[int, Person | None]:
    """The photo's number and the person; None for what is no person."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("image_id"), int):
        raise InputError(f"{where}: no image_id that is a number. Allowed: image_id, category_id, bbox, score.")
    if entry.get("category_id", PERSON) != PERSON:
        return entry["image_id"], None
    box, score = numbers_of(entry.get("bbox")), numbers_of(entry.get("score"))
    if box is None or box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= 0).any():
        raise InputError(f"{where}: bbox {brief(entry.get('bbox'))}. Allowed: x, y, width, height in px, finite, of some size.")
    if score is None or score.shape != () or not 0 <= score <= 1:
        raise InputError(f"{where}: score {brief(entry.get('score'))}. Allowed: a number in 0..1.")
    return entry["image_id"], Person(_xyxy(box), float(score))


def _xyxy(box: Array) -> Array:
    return box_of(np.concatenate([box[:2], box[:2] + box[2:]]))

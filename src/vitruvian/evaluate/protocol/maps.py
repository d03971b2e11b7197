"""Parts, depth and normals by the protocol of the paper's tables: each photo's map at the photo's own size.

Officially the whole frame is squashed into the model's input, whatever its aspect, and the answer stretched back bilinearly.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import torch
from torch import Tensor

from vitruvian.errors import InputError
from vitruvian.evaluate.photos import clip_box
from vitruvian.evaluate.protocol.judges import Judge
from vitruvian.evaluate.protocol.photos import Shot, Walk
from vitruvian.evaluate.protocol.wanted import View
from vitruvian.geometry import map_to_source
from vitruvian.predict.compose import compose
from vitruvian.predict.detect import PHOTOS_AT_ONCE
from vitruvian.predict.network import Network, whole_image
from vitruvian.predict.parts import parts_on_photo
from vitruvian.predict.write import write_all
from vitruvian.tasks.base import Task
from vitruvian.tasks.labels import labels_at
from vitruvian.types import Array, Classes, Crop, Depth, ModelSpec, Normals, Person, Sample, Value

Given: TypeAlias = tuple[Array, Sample, Array | None]  # a map, its truth, and where it counts
ENDINGS = {"seg": "parts.png", "depth": "depth.npy", "normal": "normal.npy"}  # as `predict` and `evaluate parts|...` have them


class MapRun:
    """All photos of a walk through one model and one judge. out: folder of the maps, None for none; people: how many were
    judged one by one, where each has a crop."""

    def __init__(self, network: Network, task: str, judge: Judge, walk: Walk, view: View, out: Path | None) -> None:
        self._network, self._task, self._judge, self._walk, self._view = network, task, judge, walk, view
        self._out, self.people = out, 0
        self._taken: dict[str, Path] = {}  # name of a map -> its photo

    def run(self) -> None:
        """Judge every photo that has labels."""
        for shots in self._walk.batches(PHOTOS_AT_ONCE[self._network.compute.device.type]):
            known = [shot for shot in shots if shot.record.people]
            if absent := len(shots) - len(known):
                self._walk.skipped["photos with nobody labelled"] += absent
            for shot, values in zip(known, self._answers(known), strict=True):
                self._count(shot, values)

    def _answers(self, shots: Sequence[Shot]) -> Iterator[list[Given]]:
        """Per photo its maps, each with its truth and with where it counts."""
        if self._view == "frame":
            maps = frame_maps(self._network, [shot.image for shot in shots], self._task)
            for given, shot in zip(maps, shots, strict=True):
                yield [(given, shot.record.people[0], None)]
            return
        labels = [self._boxed(shot) for shot in shots]
        people = [
            [Person(clip_box(each.box, shot.record.size)) for each in found] for shot, found in zip(shots, labels, strict=True)
        ]
        said = self._network.run_people([shot.image for shot in shots], people, (self._task,))
        for shot, truths, found, answers in zip(shots, labels, people, said, strict=True):
            self.people += len(found)
            if self._task == "seg":  # every pixel has one part, in whosever crop it was seen
                parts = compose(list(zip(found, answers, strict=True)), shot.record.size).parts
                ids = np.zeros(shot.record.size, np.uint8) if parts is None else parts.ids
                yield [(ids, shot.record.people[0], None)]
            else:
                values = [_on_photo(answer[self._task].value, answer[self._task].crop) for answer in answers]
                yield [(value, truth, truth.mask) for value, truth in zip(values, truths, strict=True)]

    def _boxed(self, shot: Shot) -> list[Sample]:
        """The labelled people whose boxes lie on the photo."""
        boxes = [clip_box(each.box, shot.record.size) for each in shot.record.people]
        kept = [each for each, box in zip(shot.record.people, boxes, strict=True) if (box[2:] - box[:2]).min() >= 1]
        if absent := len(boxes) - len(kept):
            self._walk.skipped["labelled boxes of no size"] += absent
        return kept

    def _count(self, shot: Shot, values: Sequence[Given]) -> None:
        counted = [self._judged(shot, *value) for value in values]
        if not any(counted):
            return
        self._walk.photos += 1
        if self._out is not None and (self._view == "frame" or self._task == "seg"):
            self._write(self._out, Path(shot.record.path), values[0][0])

    def _write(self, out: Path, photo: Path, values: Array) -> None:
        """A map under its photo's stem; where another photo has taken that, below as many of its folders as tell them apart."""
        parts = [part for part in photo.with_suffix("").parts if part not in (photo.anchor, "..")]  # never outside of `out`
        names = ("/".join(parts[-count:]) for count in range(1, len(parts) + 1))
        name = next((name for name in names if self._taken.setdefault(name.casefold(), photo) == photo), None)
        if name is None:
            self._walk.faults.append(f"{photo}: another photo has this name, so its map is not written. Fix: rename it.")
            return
        place = out / name
        place.parent.mkdir(parents=True, exist_ok=True)
        write_all(place.parent, {f"{place.name}.{ENDINGS[self._task]}": lambda: _encoded(values)})

    def _judged(self, shot: Shot, given: Array, truth: Sample, within: Array | None) -> bool:
        """Whether it went into the figures; what is wrong is a fault, too little to count is told."""
        counted = False
        with self._walk.counting_faults():
            try:
                counted = self._judge.add(given, truth, within)
            except InputError as error:
                raise InputError(f"{truth.key if self._view == 'person' else shot.record.path}: {error}") from error
            if not counted:
                self._walk.skipped["too few labelled pixels"] += 1
        return counted


@torch.inference_mode()
def frame_maps(network: Network, images: Sequence[Array], task: str) -> list[Array]:
    """What a model says of whole photos, at their own sizes: ids (H, W) uint8, depth (H, W), or normals (H, W, 3)."""
    views = [(image, whole_image(image)) for image in images]
    return [
        _frame_map(network.tasks[task], said[task][k : k + 1], crop, network.spec)
        for _, crops, said in network.outputs(views, (task,))
        for k, crop in enumerate(crops)
    ]


def _frame_map(task: Task, output: Tensor, crop: Crop, spec: ModelSpec) -> Array:
    """A stretched photo's answer (1, C, h, w) goes back in one bilinear step (parts in two, through the input's size), as
    officially; a padded one by way of its crop."""
    if spec.fit == "stretch" and task.name == "seg":
        ids: Array = labels_at(output[0], crop.size, crop.source_size).cpu().numpy()
        return ids
    if spec.fit == "stretch":
        crop = Crop(np.eye(2, 3), crop.source_size, crop.source_size)
    (value,) = task.decode(output, [crop], spec)
    return _on_photo(value, crop)


def _on_photo(value: Value, crop: Crop) -> Array:
    if isinstance(value, Classes):
        return parts_on_photo(value, crop)[0]
    if isinstance(value, Depth):
        return map_to_source(value.z, crop)
    if isinstance(value, Normals):
        return map_to_source(value.n, crop)
    raise InputError(f"the answer is a {type(value).__name__}, no map")


def _encoded(values: Array) -> bytes:
    if values.dtype == np.uint8:
        return bytes(cv2.imencode(".png", values)[1])
    buffer = io.BytesIO()
    np.save(buffer, values.astype(np.float32))
    return buffer.getvalue()

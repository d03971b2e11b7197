"""Where the people of a photo are. A detector has a name that every output repeats; none falls back to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
import torch

from vitruvian import weights
from vitruvian.device import Compute
from vitruvian.errors import UsageError, unknown_name
from vitruvian.geometry import make_crop, nms
from vitruvian.predict.engine import passes, prepare, views_at_once
from vitruvian.predict.network import input_of, outputs_of, task_of, whole_image
from vitruvian.predict.selection import USUAL, Selection
from vitruvian.tasks.person import Person as PersonTask
from vitruvian.types import Array, Boxes, Crop, Person, Value

HOG_WINDOW = (128, 64)  # (H, W) of the trained detector; smaller photos are enlarged to it
HOG_SHRINK = (0.5, 0.75)  # (width, height) of the person in a window: 16 of 64 and of 128 px are margin on every side
HOG_OVERLAP = 0.45
SMALLEST_BOX = 2.0  # px
PHOTOS_AT_ONCE = {"cpu": 2, "cuda": 8, "mps": 4}  # that people are looked for in together; bounds memory
LONGEST = 1280  # px; larger photos are reduced for the HOG detector


class Detector(Protocol):
    """Finds people. `weights` is the hash of the file that does it, None where there is no file."""

    name: str
    weights: str | None

    def detect(self, image: Array) -> list[Person]:
        """(H, W, 3) uint8 RGB -> people, best score first; boxes xyxy in source px within the photo."""


@runtime_checkable
class FaintDetector(Detector, Protocol):
    """One that can also tell of people it is less sure of: a tracker knows whether somebody was just there."""

    def detect_faint(self, image: Array) -> tuple[list[Person], float]:
        """As `detect`, down to half of the score that it asks for, and that score."""


@runtime_checkable
class BatchDetector(Detector, Protocol):
    """One that is faster with several photos at once."""

    def detect_many(self, images: Sequence[Array]) -> list[list[Person]]:
        """`detect` of each, whatever their sizes."""


class Hog:
    """OpenCV's HOG + linear SVM for standing people (Dalal and Triggs, CVPR 2005): weak, but in every installation."""

    name = "hog"
    weights: str | None = None

    def __init__(self, selection: Selection = USUAL) -> None:
        self._selection, self._overlap = selection, HOG_OVERLAP if selection.nms is None else selection.nms
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())

    def detect(self, image: Array) -> list[Person]:
        """Windows of a pyramid, shrunk to the person, after non-maximum suppression; score = logistic of the SVM's."""
        height, width = image.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        scale = max(scale, HOG_WINDOW[0] / height, HOG_WINDOW[1] / width)
        small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        found, margins = self._hog.detectMultiScale(grey, winStride=(8, 8), padding=(32, 32), scale=1.05)
        if len(found) == 0:
            return []
        windows = np.asarray(found, np.float64) / scale
        center = windows[:, :2] + windows[:, 2:] / 2
        half = windows[:, 2:] / 2 * np.array(HOG_SHRINK)
        boxes = np.concatenate([center - half, center + half], 1)
        scores = 1 / (1 + np.exp(-np.asarray(margins, np.float64).reshape(-1)))
        keep = nms(boxes, scores, self._overlap)
        return self._selection.of(persons(boxes[keep], scores[keep], (height, width)))


class WholeImage:
    """One box around the whole photo; only when it is asked for."""

    name = "whole-image"
    weights: str | None = None

    def detect(self, image: Array) -> list[Person]:
        """Always one person, of origin `whole-image`."""
        return [whole_image(image)]


class Network:
    """A model with a head `person` that sees the whole frame, and its mirror image where its card asks for the flip test.

    flip_test: False asks the frame alone, whatever the card says.
    """

    def __init__(
        self, name: str, loaded: weights.Loaded, compute: Compute, selection: Selection = USUAL, flip_test: bool = True
    ) -> None:
        spec = loaded.card.spec
        spec = replace(spec, flip_test=spec.flip_test and flip_test)
        self.name = name
        self.weights: str | None = loaded.hash
        self._model, self._spec, self._compute = prepare(loaded.model, compute), spec, compute
        task = task_of(spec.head("person"))
        if not isinstance(task, PersonTask):
            raise UsageError(f"{name}: the head `person` is not of the task `person`, and so is no detector.")
        least = selection.min_score if selection.min_score is not None else task.least_score(spec)
        overlap = selection.nms if selection.nms is not None else task.overlap
        self._task, self._least = replace(task, overlap=overlap), least
        self._rest = replace(selection, min_score=None, nms=None)

    def detect(self, image: Array) -> list[Person]:
        """People of one pass over the frame."""
        return self.detect_many([image])[0]

    def detect_many(self, images: Sequence[Array]) -> list[list[Person]]:
        """People of several frames, which share a pass as far as memory should go."""
        spans = passes(len(images), views_at_once(self._spec, self._compute))
        return [found for span in spans for found in self._detect(images[span], self._least)]

    def detect_faint(self, image: Array) -> tuple[list[Person], float]:
        """People of one pass over the frame, down to half of the score that `detect` asks for, and that score."""
        return self._detect([image], self._least / 2)[0], self._least

    @torch.inference_mode()
    def _detect(self, images: Sequence[Array], least: float) -> list[list[Person]]:
        crops = [self._crop(image) for image in images]
        pixels = torch.cat([input_of(image, [crop], self._spec) for image, crop in zip(images, crops, strict=True)])
        pixels = pixels.to(self._compute.device, self._compute.dtype)
        output = outputs_of(self._model, pixels, [self._task], self._spec.flip_test)["person"]
        values = replace(self._task, threshold=least).decode(output.float(), crops, self._spec)
        return [self._rest.of(_people(value, crop.source_size)) for value, crop in zip(values, crops, strict=True)]

    def _crop(self, image: Array) -> Crop:
        height, width = image.shape[:2]
        return make_crop(np.array([0, 0, width, height], np.float32), self._spec.size, (height, width), self._spec.fit)


def _cascade(compute: Compute, selection: Selection) -> Detector:
    from vitruvian.predict.cascade import Cascade  # needs what this module defines

    return Cascade(compute, selection)


DETECTORS: dict[str, Callable[[Compute, Selection], Detector]] = {
    "cascade": _cascade,
    "hog": lambda _, selection: Hog(selection),
    "person": lambda compute, selection: Network("person", weights.load("person", kind="detector"), compute, selection),
    "whole-image": lambda *_: WholeImage(),
}
CHOICE = {"cascade": ("person", "vitruvian-s"), "person": ("person",)}  # the best first, and the packaged weights it needs
OTHERS = "a .safetensors file of our own, hub:OWNER/NAME, or the folder of a detector of transformers"


def check_detector(name: str, selection: Selection = USUAL) -> None:
    """UsageError for a name that no detector has; whether a file fits is seen when it is loaded."""
    if name == WholeImage.name and selection.given.keys() - {"oks_nms"}:
        raise UsageError(f"{name} finds one person, with nothing to choose from. Fix: leave min-score, nms and max-people out.")
    if weights.is_folder_at_hub(name):
        weights.parse_folder(name)
    elif not (name == "auto" or name in DETECTORS or name.endswith(".safetensors") or _is_place(name)):
        raise unknown_name("detector", name, ["auto", *DETECTORS], f"{', '.join(['auto', *DETECTORS])}, {OTHERS}")


def choose_detector(name: str, compute: Compute, selection: Selection = USUAL) -> Detector:
    """`auto` is the best of our own whose weights are installed, else hog; a path loads other weights of the kind of `person`.

    hub:OWNER/NAME, or a folder, is any detector of transformers that knows people; never the network.
    """
    check_detector(name, selection)
    if name == "auto":
        name = default_detector()
    if name in DETECTORS:
        return DETECTORS[name](compute, selection)
    if not name.endswith(".safetensors"):
        from vitruvian.predict.foreign import choose_foreign  # needs what this module defines

        return choose_foreign(name, compute, selection)
    loaded = weights.load(name, kind="detector")
    return Network(loaded.card.spec.name, loaded, compute, selection)


def _is_place(name: str) -> bool:
    return len(Path(name).parts) > 1 or Path(name).is_dir()


def detect_many(detector: Detector, images: Sequence[Array]) -> list[list[Person]]:
    """People of several photos, at once where the detector can do that."""
    if isinstance(detector, BatchDetector):
        return detector.detect_many(images)
    return [detector.detect(image) for image in images]


def default_detector() -> str:
    """The name that `auto` stands for in this installation: see `CHOICE`."""
    return next((name for name, needs in CHOICE.items() if all(map(weights.packaged_path, needs))), "hog")


def _people(value: Value, size: tuple[int, int]) -> list[Person]:
    if not isinstance(value, Boxes):
        raise UsageError(f"a detector's head must decode to Boxes, not {type(value).__name__}")
    order = np.argsort(-value.score, kind="stable")
    return persons(value.xyxy[order], value.score[order], size)


def persons(boxes: Array, scores: Array, size: tuple[int, int]) -> list[Person]:
    """People in the given order, their boxes cut at the border of the photo; what is left of nothing is dropped."""
    height, width = size
    clipped = np.clip(np.asarray(boxes, np.float32), 0, np.array([width, height, width, height], np.float32))
    large = (clipped[:, 2:] - clipped[:, :2] >= SMALLEST_BOX).all(1)
    return [Person(box, float(score), origin="detector") for box, score in zip(clipped[large], scores[large], strict=True)]

"""Where the people of a photo are. A detector has a name that every output repeats; none falls back to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
import torch

from vitruvian import weights
from vitruvian.device import Compute
from vitruvian.errors import UsageError, unknown_name
from vitruvian.geometry import make_crop, nms
from vitruvian.predict.engine import prepare
from vitruvian.predict.network import input_of, task_of, whole_image
from vitruvian.types import Array, Boxes, Crop, Person, Value

HOG_WINDOW = (128, 64)  # (H, W) of the trained detector; smaller photos are enlarged to it
HOG_SHRINK = (0.5, 0.75)  # (width, height) of the person in a window: 16 of 64 and of 128 px are margin on every side
HOG_OVERLAP = 0.45
SMALLEST_BOX = 2.0  # px
LONGEST = 1280  # px; larger photos are reduced for the HOG detector


class Detector(Protocol):
    """Finds people. `weights` is the hash of the file that does it, None where there is no file."""

    name: str
    weights: str | None

    def detect(self, image: Array) -> list[Person]:
        """(H, W, 3) uint8 RGB -> people, best score first; boxes xyxy in source px within the photo."""


class Hog:
    """OpenCV's HOG + linear SVM for standing people (Dalal and Triggs, CVPR 2005): weak, but in every installation."""

    name = "hog"
    weights: str | None = None

    def __init__(self) -> None:
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
        keep = nms(boxes, scores, HOG_OVERLAP)
        return _persons(boxes[keep], scores[keep], (height, width))


class WholeImage:
    """One box around the whole photo; only when it is asked for."""

    name = "whole-image"
    weights: str | None = None

    def detect(self, image: Array) -> list[Person]:
        """Always one person, of origin `whole-image`."""
        return [whole_image(image)]


class Network:
    """A model with a head `person` that sees the whole frame."""

    def __init__(self, name: str, loaded: weights.Loaded, compute: Compute) -> None:
        spec = loaded.card.spec
        self.name = name
        self.weights: str | None = loaded.hash
        self._model, self._spec, self._compute = prepare(loaded.model, compute), spec, compute
        self._task = task_of(spec.head("person"))

    @torch.inference_mode()
    def detect(self, image: Array) -> list[Person]:
        """People of one pass over the frame."""
        size = image.shape[:2]
        crop: Crop = make_crop(
            np.array([0, 0, size[1], size[0]], np.float32), self._spec.size, (size[0], size[1]), self._spec.fit
        )
        output = self._model(input_of(image, [crop], self._spec).to(self._compute.device, self._compute.dtype))["person"]
        (value,) = self._task.decode(output.float(), [crop], self._spec)
        return _people(value, (size[0], size[1]))


DETECTORS: dict[str, Callable[[Compute], Detector]] = {
    "hog": lambda _: Hog(),
    "person": lambda compute: Network("person", weights.load("person", kind="detector"), compute),
    "whole-image": lambda _: WholeImage(),
}


def check_detector(name: str) -> None:
    """UsageError for a name that no detector has; whether a file fits is seen when it is loaded."""
    if name != "auto" and name not in DETECTORS and not name.endswith(".safetensors"):
        raise unknown_name("detector", name, ["auto", *DETECTORS])


def choose_detector(name: str, compute: Compute) -> Detector:
    """`auto` is our own detector where its weights are installed, else hog; a path loads other weights of the same kind."""
    check_detector(name)
    if name == "auto":
        name = default_detector()
    if name in DETECTORS:
        return DETECTORS[name](compute)
    loaded = weights.load(name, kind="detector")
    return Network(loaded.card.spec.name, loaded, compute)


def default_detector() -> str:
    """The name that `auto` stands for in this installation."""
    return "person" if weights.packaged_path("person") else "hog"


def _people(value: Value, size: tuple[int, int]) -> list[Person]:
    if not isinstance(value, Boxes):
        raise UsageError(f"a detector's head must decode to Boxes, not {type(value).__name__}")
    order = np.argsort(-value.score, kind="stable")
    return _persons(value.xyxy[order], value.score[order], size)


def _persons(boxes: Array, scores: Array, size: tuple[int, int]) -> list[Person]:
    """People in the given order, their boxes cut at the border of the photo; what is left of nothing is dropped."""
    height, width = size
    clipped = np.clip(np.asarray(boxes, np.float32), 0, np.array([width, height, width, height], np.float32))
    large = (clipped[:, 2:] - clipped[:, :2] >= SMALLEST_BOX).all(1)
    return [Person(box, float(score), origin="detector") for box, score in zip(clipped[large], scores[large], strict=True)]

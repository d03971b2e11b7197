"""Detectors of the library transformers (the `detect` extra): any that is trained to find the class `person`.

Its own image processor prepares photos and reads the answers, in the backend that needs Pillow alone. Nothing is fetched, and
no code that comes with a model is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from vitruvian import weights
from vitruvian.device import Compute
from vitruvian.errors import InputError, WeightsError
from vitruvian.predict.detect import OTHERS, PHOTOS_AT_ONCE, persons
from vitruvian.predict.engine import passes
from vitruvian.predict.selection import USUAL, Selection
from vitruvian.types import Array, Person
from vitruvian.weights.folder import PROCESSOR, TENSORS
from vitruvian.weights.library import SAFE, config_of, library, line, model_of, quiet, told

Found: TypeAlias = dict[str, Tensor]
PERSON = "person"
LEAST = 0.5  # score; the library's own
KNOWN = "hub:PekingU/rtdetr_v2_r18vd"  # one that needs nothing else
OTHER = f"another detector, such as {KNOWN}; of DETR, the revision no_timm"


class ForeignDetector:
    """A detector in a folder as transformers writes it: config.json, preprocessor_config.json, model.safetensors.

    In bf16 only matrix products are: the weights stay float32. WeightsError for a folder that is not whole, holds something
    else or knows no people; UsageError where transformers is not installed.
    """

    def __init__(self, folder: Path, name: str, compute: Compute, selection: Selection = USUAL) -> None:
        with quiet(library(f"the detector {name}")) as found, told(name, "detector", OTHER):
            config = _config(found, folder, name)
            self._people = _person_ids(config, name)
            self._processor = _processor(found, folder, name)
            self._model = model_of(found.AutoModelForObjectDetection, folder, name, config).to(compute.device).eval()
        self.name = name
        self.weights: str | None = weights.file_hash(folder / TENSORS)
        self._compute = compute
        self._least = LEAST if selection.min_score is None else selection.min_score
        self._rest = replace(selection, min_score=None)

    def detect(self, image: Array) -> list[Person]:
        """People of one pass over the photo."""
        return self.detect_many([image])[0]

    def detect_many(self, images: Sequence[Array]) -> list[list[Person]]:
        """People of several photos. Those that become inputs of one size share a pass, so that none is padded."""
        return self._detect(images, self._least)

    def detect_faint(self, image: Array) -> tuple[list[Person], float]:
        """People of one pass over the photo, down to half of the score that `detect` asks for, and that score."""
        return self._detect([image], self._least / 2)[0], self._least

    def _detect(self, images: Sequence[Array], least: float) -> list[list[Person]]:
        inputs = [self._prepared(image) for image in images]
        alike: dict[tuple[int, ...], list[int]] = {}
        for i, one in enumerate(inputs):
            alike.setdefault(tuple(one["pixel_values"].shape), []).append(i)
        out: list[list[Person]] = [[] for _ in images]
        most = PHOTOS_AT_ONCE[self._compute.device.type]
        for group in (places[span] for places in alike.values() for span in passes(len(places), most)):
            sizes = [(images[i].shape[0], images[i].shape[1]) for i in group]
            for i, size, found in zip(group, sizes, self._pass([inputs[i] for i in group], sizes), strict=True):
                out[i] = self._chosen(found, size, least)
        return out

    def _prepared(self, image: Array) -> Found:
        try:
            return dict(self._processor(images=[image], return_tensors="pt"))
        except (ValueError, ZeroDivisionError) as error:
            given = f"a photo of {image.shape[1]}x{image.shape[0]} px"
            raise InputError(f"{given} cannot be prepared for {self.name} ({line(error)}). Fix: a less narrow one.") from error

    @torch.inference_mode()
    def _pass(self, inputs: Sequence[Found], sizes: Sequence[tuple[int, int]]) -> list[Found]:
        """Inputs of one shape through the model: boxes of all classes in px of photos of `sizes` (H, W), scores and labels."""
        together = {name: torch.cat([one[name] for one in inputs]).to(self._compute.device) for name in inputs[0]}
        with self._compute.autocast():
            answer = self._model(**together)
        answer.logits, answer.pred_boxes = answer.logits.float(), answer.pred_boxes.float()
        found: list[Found] = self._processor.post_process_object_detection(answer, threshold=0.0, target_sizes=list(sizes))
        return found

    def _chosen(self, found: Found, size: tuple[int, int], least: float) -> list[Person]:
        """The people among what was found in a photo, surest first."""
        boxes, scores, labels = (found[name].cpu().numpy() for name in ("boxes", "scores", "labels"))
        rows = np.flatnonzero(np.isin(labels, self._people) & (scores >= least))
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        return self._rest.of(persons(boxes[rows], scores[rows], size))


def choose_foreign(name: str, compute: Compute, selection: Selection) -> ForeignDetector:
    """The detector of a folder, or of a repository at the hub that is in the local cache."""
    if weights.is_folder_at_hub(name):
        place = weights.parse_folder(name)
        library(f"the detector {place}")
        folder, commit = weights.cached_folder(place)
        return ForeignDetector(folder, f"{weights.HubFolder(place.repo)}@{commit[:12]}", compute, selection)
    folder = Path(name)
    if not folder.is_dir():
        raise WeightsError(f"no folder at {name}. Allowed: {OTHERS}.")
    return ForeignDetector(folder, folder.resolve().name, compute, selection)


def _config(library: Any, folder: Path, name: str) -> Any:
    config = config_of(library, folder, name)
    if type(config) not in library.MODEL_FOR_OBJECT_DETECTION_MAPPING:
        raise WeightsError(f"{name} is a {config.model_type}, which detects nothing. Allowed: object detectors, as {KNOWN}.")
    return config


def _person_ids(config: Any, name: str) -> list[int]:
    """The classes of the model that mean a person."""
    labels = {int(i): str(label) for i, label in config.id2label.items()}
    found = [i for i, label in labels.items() if label.strip().lower() == PERSON]
    if not found:
        words = list(labels.values())
        some = ", ".join(words[:12]) + (f" and {len(words) - 12} more" if len(words) > 12 else "")
        raise WeightsError(f"{name} knows no class {PERSON!r}; it knows {some}. Fix: a detector trained on people, as {KNOWN}.")
    return found


def _processor(library: Any, folder: Path, name: str) -> Any:
    processor = library.AutoImageProcessor.from_pretrained(folder, backend="pil", **SAFE)
    if not hasattr(processor, "post_process_object_detection"):
        raise WeightsError(f"{name}: its {PROCESSOR} is of a {type(processor).__name__}, which is for no detector.")
    return processor

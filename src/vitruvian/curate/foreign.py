"""Models of the library transformers as scorers, as a user tells them (`curate.told`).

The score is the chance of what is to be dropped: among all words given, or all classes of the model; of things found, the share
of the image that their boxes cover together, by which a text detector tells overlaid text. Nothing is fetched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from vitruvian import weights
from vitruvian.curate.limits import Stage
from vitruvian.curate.scorer import Scores, View
from vitruvian.curate.told import Told
from vitruvian.device import choose_compute
from vitruvian.errors import UsageError, WeightsError
from vitruvian.types import Array
from vitruvian.weights.folder import TENSORS
from vitruvian.weights.library import SAFE, config_of, library, model_of, quiet, told

Inputs: TypeAlias = dict[str, Tensor]
Answer: TypeAlias = Callable[[Inputs], float]
KNOWN = "hub:google/siglip-base-patch16-224"
GRID = 256  # places along each side, by which the share that boxes cover is measured
COMPARES = ("get_text_features", "get_image_features", "logit_scale")


class Foreign:
    """A model that answers for one table. Every image passes alone, so that what is said of it hangs on no other.

    WeightsError for a folder that is not whole, is of another kind of model, or does not know what is to be dropped;
    UsageError where transformers is not installed.
    """

    def __init__(self, given: Told, device: str = "auto") -> None:
        self.stages: tuple[Stage, ...] = given.stages
        self.cost, self._name, self._device = given.cost, given.name, choose_compute(device, "fp32").device
        found, folder = library(f"the scorer {given.name}"), weights.folder_of(given.model)
        with quiet(found), told(given.model, "model of pictures", f"another model, such as {KNOWN}"):
            loaded, answer = _load(found, folder, given)
            loaded.model.to(self._device)
            self._processor, self._answer = loaded.processor, answer(loaded, given)
        self.model = f"{given.model} {weights.file_hash(folder / TENSORS)[:12]}"

    @torch.inference_mode()
    def score(self, batch: Sequence[View]) -> list[Scores]:
        """0 to 1, by the name of the table; nan, with which it is dropped, of an image too narrow to be prepared."""
        return [{self._name: self._of(view.pixels)} for view in batch]

    def _of(self, image: Array) -> float:
        try:
            inputs = dict(self._processor(images=[image], return_tensors="pt"))
        except (ValueError, ZeroDivisionError):
            return math.nan
        return self._answer({name: value.to(self._device) for name, value in inputs.items()})


@dataclass(frozen=True)
class _Loaded:
    """A model of the library, what prepares its pictures, and the folder of both."""

    model: Any
    processor: Any
    folder: Path


def _load(found: Any, folder: Path, given: Told) -> tuple[_Loaded, Callable[[_Loaded, Told], Answer]]:
    """The model, and what makes answers of it."""
    config = config_of(found, folder, given.model)
    kinds = (
        (found.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING, found.AutoModelForZeroShotImageClassification, _by_words),
        (found.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING, found.AutoModelForImageClassification, _by_classes),
        (found.MODEL_FOR_OBJECT_DETECTION_MAPPING, found.AutoModelForObjectDetection, _by_things),
    )
    named = set(config.architectures or ())
    for known, kind, answer in kinds:
        if type(config) in known and (not named or named & _names(known[type(config)])):
            processor = found.AutoImageProcessor.from_pretrained(folder, backend="pil", **SAFE)
            return _Loaded(model_of(kind, folder, given.model, config).eval(), processor, folder), answer
    raise WeightsError(
        f"{given.model} is a {config.model_type} ({', '.join(sorted(named)) or 'of no known use'}). Allowed: models that"
        f" compare pictures with words, name what they show, or find things in them. Fix: another model, such as {KNOWN}."
    )


def _names(classes: Any) -> set[str]:
    return {one.__name__ for one in (classes if isinstance(classes, tuple) else (classes,))}


def _by_words(loaded: _Loaded, given: Told) -> Answer:
    """Softmax of how well the picture goes with each of the words (CLIP, arXiv 2103.00020, section 3.1)."""
    import transformers

    model, scorer = loaded.model, f"scorer {given.name}: {given.model}"
    if not given.keep:
        raise UsageError(f'{scorer} compares pictures with words. Fix: keep = ["a photo of a person", ...] beside drop.')
    if not all(hasattr(model, name) for name in COMPARES):
        raise WeightsError(f"{scorer} does not compare as CLIP and SigLIP do. Fix: another model, such as {KNOWN}.")
    tokenizer = transformers.AutoTokenizer.from_pretrained(loaded.folder, **SAFE)
    sides = {"padding": "max_length", "truncation": True, "max_length": model.config.text_config.max_position_embeddings}
    asked = tokenizer([*given.drop, *given.keep], return_tensors="pt", **sides)
    masked = ("attention_mask",) if model.config.model_type == "clip" else ()  # SigLIP was trained without
    with torch.inference_mode():
        words = _unit(model.get_text_features(**{name: asked[name].to(model.device) for name in ("input_ids", *masked)}))

    def answer(inputs: Inputs) -> float:
        picture = _unit(model.get_image_features(pixel_values=inputs["pixel_values"]))
        alike = (picture @ words.T)[0] * model.logit_scale.exp()
        return float(alike.softmax(0)[: len(given.drop)].sum())

    return answer


def _unit(features: Any) -> Tensor:
    values: Tensor = features if isinstance(features, Tensor) else features.pooler_output
    return torch.nn.functional.normalize(values, dim=-1)


def _by_classes(loaded: _Loaded, given: Told) -> Answer:
    """The chance of the classes to be dropped; where several may hold at once, of the likeliest of them."""
    model, ids = loaded.model, _ids(loaded.model.config, given)
    several = model.config.problem_type == "multi_label_classification"

    def answer(inputs: Inputs) -> float:
        logits = model(**inputs).logits[0]
        return float(logits.sigmoid()[ids].max()) if several else float(logits.softmax(0)[ids].sum())

    return answer


def _by_things(loaded: _Loaded, given: Told) -> Answer:
    """The share of the image that boxes of the things to be dropped cover together."""
    ids = _ids(loaded.model.config, given)

    def answer(inputs: Inputs) -> float:
        said = loaded.model(**inputs)
        sizes = [(GRID, GRID)]
        (found,) = loaded.processor.post_process_object_detection(said, threshold=given.sure, target_sizes=sizes)
        boxes, labels = found["boxes"].cpu().numpy(), found["labels"].cpu().numpy()
        covered = np.zeros((GRID, GRID), bool)
        for x0, y0, x1, y1 in boxes[np.isin(labels, ids)].round().clip(0, GRID).astype(int):
            covered[y0:y1, x0:x1] = True
        return float(covered.mean())

    return answer


def _ids(config: Any, given: Told) -> list[int]:
    """The classes of the model that are to be dropped."""
    known = {str(label).strip().lower(): int(i) for i, label in config.id2label.items()}
    if missing := [word for word in given.drop if word.strip().lower() not in known]:
        some = ", ".join(list(known)[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
        raise WeightsError(f"{given.model} knows no class {missing[0]!r}; it knows {some}. Fix: drop of these.")
    return [known[word.strip().lower()] for word in given.drop]

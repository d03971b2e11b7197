"""From crops to decoded values: one backbone pass for all the heads that are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn

from vitruvian.device import Compute
from vitruvian.errors import UsageError, unknown_name
from vitruvian.geometry import make_crop, warp, warp_area
from vitruvian.predict.engine import passes, prepare, views_at_once
from vitruvian.tasks import TASKS, task
from vitruvian.tasks.base import Task
from vitruvian.types import Array, Crop, Fit, HeadSpec, ModelSpec, Person, Prediction
from vitruvian.vocab import is_skeleton
from vitruvian.weights import Loaded

View: TypeAlias = tuple[Array, Person]
Outputs: TypeAlias = dict[str, Tensor]
FITS = ("auto", "affine", "pad", "stretch", "lite")
LITE_MEAN, LITE_STD = (123.5, 116.5, 103.5), (58.5, 57.0, 57.5)  # of the official lite release, sapiens1 section 4


def task_of(head: HeadSpec) -> Task:
    """The task of a head, speaking the head's vocabulary, in the head's axes."""
    fields = {"axes": head.options["axes"]} if "axes" in head.options else {}
    if head.vocabulary is not None:
        fields["skeleton" if is_skeleton(head.vocabulary) else "class_set"] = head.vocabulary
    return task(head.task, **fields)


def refit(spec: ModelSpec, fit: str) -> ModelSpec:
    """The same model with photos prepared in another way than it was trained with.

    fit: `auto` (as trained), `affine` (a crop for each person), `pad` or `stretch` (the whole frame), `lite` (the constants
    and the crop of the official lite release). A model of poses always takes crops.
    """
    if fit not in FITS:
        raise unknown_name("fit", fit, FITS)
    if fit == "lite":
        return replace(spec, mean=LITE_MEAN, std=LITE_STD, fit="lite" if spec.fit == "affine" else spec.fit)
    if fit == "auto" or "pose" in {head.task for head in spec.heads}:
        return spec
    return replace(spec, fit=cast(Fit, fit))


def input_of(image: Array, crops: Sequence[Crop], spec: ModelSpec) -> Tensor:
    """(H, W, 3) uint8 RGB -> (B, 3, h, w) normalised float32."""
    fetch = warp_area if spec.resample == "area" else warp
    pixels = np.stack([fetch(image, crop) for crop in crops]).astype(np.float32)
    pixels -= np.array(spec.mean, np.float32)
    pixels /= np.array(spec.std, np.float32)
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())


def outputs_of(model: nn.Module, pixels: Tensor, tasks: Sequence[Task], flip_test: bool = False) -> dict[str, Tensor]:
    """One backbone pass for the heads of these tasks, (B, 3, H, W) -> task name -> output.

    flip_test: a second pass over the mirrored input, turned back by each task, and the mean of both (for heatmaps as in the
    official pose evaluation, sapiens1 section 5).
    """
    names = tuple(task.name for task in tasks)
    outputs: dict[str, Tensor] = model(pixels, names)
    if not flip_test:
        return outputs
    mirrored = model(pixels.flip(-1), names)
    return {task.name: (outputs[task.name] + task.flip(mirrored[task.name])) / 2 for task in tasks}


class Network:
    """A loaded model on its device. flip_test: see `outputs_of`, None: as its spec says; fit: see `refit`; engine: see
    `engine.prepare`."""

    def __init__(
        self, loaded: Loaded, compute: Compute, flip_test: bool | None = None, fit: str = "auto", engine: str = "eager"
    ) -> None:
        self.spec, self.hash, self.compute = refit(loaded.card.spec, fit), loaded.hash, compute
        self.flip_test = self.spec.flip_test if flip_test is None else flip_test
        self.model = prepare(loaded.model, compute, engine)
        self.tasks = {head.task: task_of(head) for head in self.spec.heads}

    @property
    def whole_frame(self) -> bool:
        """True of a model that sees the photo as one, whoever is in it."""
        return self.spec.fit in ("pad", "stretch")

    def run_people(
        self, images: Sequence[Array], people: Sequence[Sequence[Person]], names: Sequence[str]
    ) -> list[list[dict[str, Prediction]]]:
        """Per image and person, task name -> prediction. People of several images share a pass."""
        views = [(image, person) for image, found in zip(images, people, strict=True) for person in found]
        flat = iter(self._run(views, names))
        return [[next(flat) for _ in found] for found in people]

    def run_frames(self, images: Sequence[Array], names: Sequence[str]) -> list[dict[str, Prediction]]:
        """Per image, task name -> prediction of the whole frame."""
        return self._run([(image, whole_image(image)) for image in images], names)

    @torch.inference_mode()
    def _run(self, views: Sequence[View], names: Sequence[str]) -> list[dict[str, Prediction]]:
        out: list[dict[str, Prediction]] = []
        tasks = [self.tasks[name] for name in names]
        for part, crops, outputs in self.outputs(views, names):
            values = {t.name: t.decode(outputs[t.name], crops, self.spec) for t in tasks}
            for k, ((_, person), crop) in enumerate(zip(part, crops, strict=True)):
                out.append({name: Prediction(person, crop, name, self.hash, values[name][k]) for name in names})
        return out

    @torch.inference_mode()
    def outputs(self, views: Sequence[View], names: Sequence[str]) -> Iterator[tuple[Sequence[View], list[Crop], Outputs]]:
        """What the heads say, undecoded, pass by pass: photos and people, their crops, task name -> float32 output."""
        tasks = [self.tasks[name] for name in names]
        for span in passes(len(views), views_at_once(self.spec, self.compute)):
            part = views[span]
            crops = [self._crop(person, image) for image, person in part]
            pixels = torch.cat([input_of(image, [c], self.spec) for (image, _), c in zip(part, crops, strict=True)])
            outputs = outputs_of(self.model, pixels.to(self.compute.device, self.compute.dtype), tasks, self.flip_test)
            yield part, crops, {name: value.float() for name, value in outputs.items()}

    def _crop(self, person: Person, image: Array) -> Crop:
        """What the model sees of a person, as it was trained."""
        return make_crop(person.box, self.spec.size, image.shape[:2], self.spec.fit, self.spec.box_padding)


class Team:
    """One or several models that answer together, each task by one of them."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self.networks = tuple(networks)
        self.by_task: dict[str, Network] = {}
        for network in self.networks:
            for name in network.tasks:
                if name in self.by_task:
                    both = f"{self.by_task[name].spec.name} and {network.spec.name}"
                    raise UsageError(f"{both} both answer {name}. Allowed: models of different tasks together.")
                self.by_task[name] = network

    def choose(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """The tasks asked for, in the order of `TASKS`; all that the models have where none is named."""
        for name in names or ():
            if "," in name:
                raise UsageError(f"tasks {name!r}. Fix: separate them by spaces, as in --tasks {' '.join(name.split(','))}")
            if name not in TASKS:
                raise unknown_name("task", name, self.by_task)
            if name not in self.by_task:
                models = " and ".join(network.spec.name for network in self.networks)
                raise UsageError(f"model {models} has no head for {name}. Allowed: {', '.join(self.by_task)}.")
        return tuple(name for name in TASKS if name in (names or self.by_task) and name in self.by_task)

    def sees_people(self, names: Sequence[str]) -> bool:
        """True if one of these tasks is answered person by person."""
        return any(not self.by_task[name].whole_frame for name in names)

    def run(
        self, images: Sequence[Array], people: Sequence[Sequence[Person]], names: Sequence[str]
    ) -> tuple[list[list[dict[str, Prediction]]], list[dict[str, Prediction]]]:
        """Per image and person, and per image as a whole: task name -> prediction."""
        persons: list[list[dict[str, Prediction]]] = [[{} for _ in found] for found in people]
        frames: list[dict[str, Prediction]] = [{} for _ in images]
        for network in self.networks:
            mine = [name for name in names if self.by_task[name] is network]
            if mine and network.whole_frame:
                for frame, values in zip(frames, network.run_frames(images, mine), strict=True):
                    frame |= values
            elif mine:
                for person, values in zip(_flat(persons), _flat(network.run_people(images, people, mine)), strict=True):
                    person |= values
        return persons, frames


def whole_image(image: Array) -> Person:
    """One person that fills the photo."""
    return Person(np.array([0, 0, image.shape[1], image.shape[0]], np.float32), 1.0, origin="whole-image")


def _flat(groups: Sequence[Sequence[dict[str, Prediction]]]) -> Iterator[dict[str, Prediction]]:
    return (values for group in groups for values in group)

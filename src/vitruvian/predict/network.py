"""From crops to decoded values: one backbone pass for all the heads that are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vitruvian.errors import UsageError, unknown_name
from vitruvian.geometry import make_crop, warp, warp_area
from vitruvian.model import Model
from vitruvian.predict.device import Compute
from vitruvian.tasks import TASKS, task
from vitruvian.tasks.base import Task
from vitruvian.types import Array, Crop, HeadSpec, ModelSpec, Person, Prediction
from vitruvian.vocab import skeleton_names
from vitruvian.weights import Loaded

CROPS_AT_ONCE = 16  # people of one pass; bounds the memory of a crowd


def task_of(head: HeadSpec) -> Task:
    """The task of a head, speaking the head's vocabulary."""
    if head.vocabulary is None:
        return task(head.task)
    field = "skeleton" if head.vocabulary in skeleton_names() else "class_set"
    return task(head.task, **{field: head.vocabulary})


def input_of(image: Array, crops: Sequence[Crop], spec: ModelSpec) -> Tensor:
    """(H, W, 3) uint8 RGB -> (B, 3, h, w) normalised float32."""
    fetch = warp_area if spec.resample == "area" else warp
    pixels = np.stack([fetch(image, crop) for crop in crops]).astype(np.float32)
    pixels -= np.array(spec.mean, np.float32)
    pixels /= np.array(spec.std, np.float32)
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())


def outputs_of(model: Model, pixels: Tensor, tasks: Sequence[Task], flip_test: bool = False) -> dict[str, Tensor]:
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
    """A loaded model on its device. flip_test: see `outputs_of`; twice the time."""

    def __init__(self, loaded: Loaded, compute: Compute, flip_test: bool = False) -> None:
        if not isinstance(loaded.model, Model):
            raise UsageError(f"{loaded.path}: a pretraining model has nothing to say about a photo. Fix: fine-tune it first.")
        self.spec, self.hash, self.compute, self.flip_test = loaded.card.spec, loaded.hash, compute, flip_test
        self.model = loaded.model.to(compute.device)
        self.tasks = {head.task: task_of(head) for head in self.spec.heads}

    def choose(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """The tasks asked for, in the order of `TASKS`; all that the model has where none is named."""
        for name in names or ():
            if name not in TASKS:
                raise unknown_name("task", name, TASKS)
            if name not in self.tasks:
                raise UsageError(f"model {self.spec.name} has no head for {name}. Allowed: {', '.join(self.tasks)}.")
        chosen = tuple(name for name in TASKS if name in (names or self.tasks) and name in self.tasks)
        return chosen

    def crops_of(self, people: Sequence[Person], size: tuple[int, int]) -> list[Crop]:
        """One crop a person, as the model was trained on them; size (H, W) of the photo."""
        return [make_crop(person.box, self.spec.size, size, self.spec.fit, self.spec.box_padding) for person in people]

    def run(self, image: Array, people: Sequence[Person], names: Sequence[str]) -> list[dict[str, Prediction]]:
        """Per person, task name -> prediction."""
        return self.run_many([image], [people], names)[0]

    @torch.inference_mode()
    def run_many(
        self, images: Sequence[Array], people: Sequence[Sequence[Person]], names: Sequence[str]
    ) -> list[list[dict[str, Prediction]]]:
        """Per image and person, task name -> prediction. People of several images share a pass."""
        every = [(i, person) for i, found in enumerate(people) for person in found]
        out: list[list[dict[str, Prediction]]] = [[] for _ in images]
        for start in range(0, len(every), CROPS_AT_ONCE):
            part = every[start : start + CROPS_AT_ONCE]
            crops = [self.crops_of([person], images[i].shape[:2])[0] for i, person in part]
            pixels = torch.cat([input_of(images[i], [c], self.spec) for (i, _), c in zip(part, crops, strict=True)])
            with self.compute.autocast():
                tasks = [self.tasks[name] for name in names]
                outputs = outputs_of(self.model, pixels.to(self.compute.device), tasks, self.flip_test)
            values = {name: self.tasks[name].decode(outputs[name].float(), crops, self.spec) for name in names}
            for k, ((i, person), crop) in enumerate(zip(part, crops, strict=True)):
                out[i].append({name: Prediction(person, crop, name, self.hash, values[name][k]) for name in names})
        return out

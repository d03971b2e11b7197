"""Figures of a model in the middle of its training, on labelled data that it does not learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from vitruvian.device import Compute
from vitruvian.finetune.views import Labelled
from vitruvian.geometry import make_crop
from vitruvian.predict.network import input_of, outputs_of
from vitruvian.tasks.base import Task
from vitruvian.types import ModelSpec, Person, Prediction

BATCH = 8


@dataclass(frozen=True)
class Validation:
    """`validation(model, step)` -> `task/figure`. Each sample is seen as `predict` would see it, given its box; no flip test.

    The figures of `vitruvian evaluate --task`, which has the paper's protocol, may differ a little.
    """

    labelled: Labelled
    tasks: Sequence[Task]
    spec: ModelSpec
    compute: Compute

    def __call__(self, model: nn.Module, _step: int) -> Mapping[str, float]:
        """All samples through the model; InputError for one that cannot be read."""
        metrics = {task.name: task.metric() for task in self.tasks}
        for start in range(0, self.labelled.samples, BATCH):
            samples = [self.labelled.sample(i) for i in range(start, min(start + BATCH, self.labelled.samples))]
            crops = [make_crop(s.box, self.spec.size, s.image.shape[:2], self.spec.fit, self.spec.box_padding) for s in samples]
            pixels = torch.cat([input_of(s.image, [c], self.spec) for s, c in zip(samples, crops, strict=True)])
            with self.compute.autocast():
                outputs = outputs_of(model, pixels.to(self.compute.device), self.tasks)
            for task in self.tasks:
                values = task.decode(outputs[task.name].float(), crops, self.spec)
                for sample, crop, value in zip(samples, crops, values, strict=True):
                    metrics[task.name].update(Prediction(Person(sample.box), crop, task.name, "", value), sample)
        return {f"{name}/{figure}": value for name, metric in metrics.items() for figure, value in metric.compute().items()}

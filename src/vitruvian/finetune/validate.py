"""Figures of a model in the middle of its training, on labelled data that it does not learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from vitruvian.data.loader import check_bad, to_stderr
from vitruvian.device import Compute
from vitruvian.errors import InputError
from vitruvian.finetune.views import Labelled
from vitruvian.geometry import make_crop
from vitruvian.predict.network import input_of, outputs_of
from vitruvian.tasks.base import Metric, Task
from vitruvian.types import ModelSpec, Person, Prediction, Sample

BATCH = 8


@dataclass(frozen=True)
class Validation:
    """`validation(model, step)` -> `task/figure`, and `bad_samples`. Each sample is seen as `predict` would see it, given its
    box; no flip test.

    Samples that cannot be read are left out, each is told to `report` the first time. max_bad: the share of them that is
    borne, as in training. The figures of `vitruvian evaluate --task`, which has the paper's protocol, may differ a little.
    """

    labelled: Labelled
    tasks: Sequence[Task]
    spec: ModelSpec
    compute: Compute
    max_bad: float = 0.01
    report: Callable[[str], None] = to_stderr
    _told: set[int] = field(default_factory=set, init=False, repr=False)

    def __call__(self, model: nn.Module, _step: int) -> Mapping[str, float]:
        """All samples through the model; InputError where too many cannot be read."""
        metrics = {task.name: task.metric() for task in self.tasks}
        bad: list[str] = []
        for samples in self._batches(bad):
            self._count(model, samples, metrics)
        figures = {f"{name}/{figure}": value for name, metric in metrics.items() for figure, value in metric.compute().items()}
        return {**figures, "bad_samples": len(bad)}

    def _batches(self, bad: list[str]) -> Iterator[list[Sample]]:
        """What can be read of every `BATCH` samples; what is wrong with the others is added to `bad`."""
        count = self.labelled.samples
        for start in range(0, count, BATCH):
            read = [self._read(number, bad) for number in range(start, min(start + BATCH, count))]
            if samples := [sample for sample in read if sample is not None]:
                yield samples
        if len(bad) == count:
            raise InputError(f"none of {count} validation samples can be read; the last: {bad[-1]}")

    def _read(self, number: int, bad: list[str]) -> Sample | None:
        try:
            return self.labelled.sample(number)
        except Exception as error:  # whatever a source raises is one bad sample, as in training
            bad.append(f"sample {number}: {type(error).__name__}: {error}")
        self._tell(number, bad[-1])
        check_bad(len(bad), self.labelled.samples, self.max_bad, "validation samples", bad[-1])
        return None

    def _tell(self, number: int, text: str) -> None:
        if number not in self._told:
            self._told.add(number)
            self.report(f"bad validation sample left out: {text}")

    def _count(self, model: nn.Module, samples: Sequence[Sample], metrics: Mapping[str, Metric]) -> None:
        crops = [make_crop(s.box, self.spec.size, s.image.shape[:2], self.spec.fit, self.spec.box_padding) for s in samples]
        pixels = torch.cat([input_of(s.image, [c], self.spec) for s, c in zip(samples, crops, strict=True)])
        with self.compute.autocast():
            outputs = outputs_of(model, pixels.to(self.compute.device), self.tasks)
        for task in self.tasks:
            values = task.decode(outputs[task.name].float(), crops, self.spec)
            for sample, crop, value in zip(samples, crops, values, strict=True):
                metrics[task.name].update(Prediction(Person(sample.box), crop, task.name, "", value), sample)

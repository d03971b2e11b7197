"""How good a model is on people of another seed, boxes given: the tasks' own figures, in the frame's pixels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from vitruvian.data.gbuffer import gbuffer_files, read_gbuffer
from vitruvian.device import choose_compute
from vitruvian.geometry import make_crop, warp_area
from vitruvian.recipes.claims.views import TASKS
from vitruvian.synth.appearance import draw
from vitruvian.types import Array, Crop, ModelSpec, Person, Prediction

BATCH = 25
# figure -> whether more is better; the first of each task is the one that its verdict goes by
FIGURES = {
    "pose/pck": True, "pose/pck/body": True, "seg/miou": True, "seg/foreground_iou": True, "depth/rmse": False,
    "depth/order": True, "normal/mean": False, "normal/within_30": True,
}  # fmt: skip


class _Seen(NamedTuple):
    """The framed person of one frame as the model sees it; labels are read again when they are asked for."""

    file: Path
    crop: Crop
    pixels: Array


class Constant(nn.Module):
    """Answers every picture alike."""

    def __init__(self, spec: ModelSpec, answer: dict[str, Tensor]) -> None:
        super().__init__()
        self.spec, self.answer = spec, answer

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Outputs as a `Model` gives them for (B, 3, H, W)."""
        return {name: value.expand(len(pixels), *value.shape) for name, value in self.answer.items()}


class HeldOut:
    """The first person of each frame of a set of `vitruvian synth` in one appearance, the same for every model."""

    def __init__(self, folder: Path, spec: ModelSpec, limit: int) -> None:
        self.files, self.spec = gbuffer_files(folder)[:limit], spec

    @cached_property
    def people(self) -> tuple[_Seen, ...]:
        """All who are in sight."""
        return tuple(self._people())

    def _people(self) -> Iterator[_Seen]:
        for index, file in enumerate(self.files):
            frame = read_gbuffer(file)
            if (frame.person == 1).any():
                crop = make_crop(frame.people[0].box, self.spec.size, frame.size, padding=self.spec.box_padding)
                yield _Seen(file, crop, warp_area(draw(frame, np.random.default_rng([0, index])), crop))

    @torch.no_grad()
    def figures(self, model: nn.Module) -> dict[str, float]:
        """FIGURES of a `Model` in evaluation mode; it may have any trunk, and takes this input's size."""
        metrics = {name: task.metric() for name, task in TASKS.items()}
        for start in range(0, len(self.people), BATCH):
            part = self.people[start : start + BATCH]
            outputs = self._outputs(model, part)
            spec = cast(Any, model).spec
            values = {name: TASKS[name].decode(outputs[name].float(), [p.crop for p in part], spec) for name in metrics}
            for k, one in enumerate(part):
                frame = read_gbuffer(one.file)
                sample = frame.sample(0, np.zeros((*frame.size, 3), np.uint8))
                for name, metric in metrics.items():
                    metric.update(Prediction(Person(sample.box), one.crop, name, "", values[name][k]), sample)
        found = {f"{name}/{figure}": v for name, metric in metrics.items() for figure, v in metric.compute().items()}
        return {name: found[name] for name in FIGURES}

    @torch.no_grad()
    def blind(self, model: nn.Module) -> dict[str, float]:
        """FIGURES of who does not look: of the mean of the model's outputs, given to everybody."""
        totals: dict[str, Tensor] = {}
        for start in range(0, len(self.people), BATCH):
            for name, value in self._outputs(model, self.people[start : start + BATCH]).items():
                totals[name] = totals.get(name, 0) + value.double().sum(0)
        mean = {name: (total / len(self.people)).float() for name, total in totals.items()}
        return self.figures(Constant(cast(Any, model).spec, mean))

    def _outputs(self, model: nn.Module, people: tuple[_Seen, ...]) -> dict[str, Tensor]:
        """In the precision of the training."""
        compute = choose_compute()
        pixels = torch.from_numpy(np.stack([one.pixels for one in people])).permute(0, 3, 1, 2).float().to(compute.device)
        mean, std = (torch.tensor(v, device=compute.device).view(3, 1, 1) for v in (self.spec.mean, self.spec.std))
        with compute.autocast():
            return cast(dict[str, Tensor], model((pixels - mean) / std))

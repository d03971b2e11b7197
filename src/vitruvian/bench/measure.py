"""Ways to run one model take turns on the same photo; what each took, held and said is kept apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitruvian.geometry import make_crop
from vitruvian.machine import Peak, now
from vitruvian.predict.network import Network, input_of, outputs_of
from vitruvian.types import Array, Classes, Depth, Keypoints, Normals, Person, Value

STAGES = ("prepare", "model", "decode")  # crop and normalise; backbone and heads; outputs to values


@dataclass
class Way:
    """One way to run a model, and what was measured. seconds: per stage, a value a round; bytes: held beyond the model."""

    name: str
    network: Network
    ready: float = 0.0
    seconds: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})
    bytes: int | None = None
    outputs: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, list[Value]] = field(default_factory=dict)

    @property
    def totals(self) -> list[float]:
        """Seconds of every round, all stages together."""
        return [sum(parts) for parts in zip(*self.seconds.values(), strict=True)]


@dataclass(frozen=True)
class Question:
    """What every way is asked: the people of a photo (H, W, 3) uint8 RGB, for these tasks."""

    image: Array
    people: Sequence[Person]
    tasks: Sequence[str]


@torch.inference_mode()
def ask(way: Way, question: Question, counted: bool = True) -> None:
    """One round of one way."""
    network, device = way.network, way.network.compute.device
    tasks = [network.tasks[name] for name in question.tasks]
    spec, size = network.spec, question.image.shape[:2]
    crops = [make_crop(person.box, spec.size, size, spec.fit, spec.box_padding) for person in question.people]
    peak = Peak(network.compute)
    times = [now(device)]
    pixels = input_of(question.image, crops, spec).to(device, network.compute.dtype)
    times.append(now(device))
    outputs = outputs_of(network.model, pixels, tasks, network.flip_test)
    times.append(now(device))
    values = {task.name: task.decode(outputs[task.name].float(), crops, spec) for task in tasks}
    times.append(now(device))
    way.values = values
    way.outputs = {name: output.float().cpu() for name, output in outputs.items()}
    if counted:
        way.bytes = max((held for held in (way.bytes, peak.bytes()) if held is not None), default=None)
        for stage, (begin, end) in zip(STAGES, pairwise(times), strict=True):
            way.seconds[stage].append(end - begin)


def warm_up(way: Way, question: Question) -> None:
    """The first round, which compiles and fills caches; its seconds are kept apart."""
    begin = time.perf_counter()
    ask(way, question, counted=False)
    way.ready += time.perf_counter() - begin


def errors(way: Way, reference: Way) -> dict[str, float]:
    """How far the answers of a way are from the reference's, per task: of the head's output, and in the task's own unit."""
    told: dict[str, float] = {}
    for task, exact in reference.outputs.items():
        told[f"{task}: output, relative L2"] = float((way.outputs[task] - exact).norm() / exact.norm())
        pairs = list(zip(way.values[task], reference.values[task], strict=True))
        unit, distance = DISTANCES[type(pairs[0][0])]
        told[f"{task}: {unit}"] = float(np.median([distance(*pair) for pair in pairs]))
    return told


def _moved(one: Any, other: Any) -> float:
    return float(np.median(np.linalg.norm(one.xy - other.xy, axis=-1)))


def _agree(one: Any, other: Any) -> float:
    return 100 * float((one.ids == other.ids).mean())


def _apart(one: Any, other: Any) -> float:
    return float(np.median(np.abs(one.z - other.z) / max(float(np.ptp(other.z)), 1e-9)))


def _turned(one: Any, other: Any) -> float:
    across = np.linalg.norm(np.cross(one.n, other.n), axis=-1)  # with this, small angles keep their digits
    return float(np.rad2deg(np.median(np.arctan2(across, (one.n * other.n).sum(-1)))))


DISTANCES: Mapping[type[Value], tuple[str, Callable[[Any, Any], float]]] = {
    Keypoints: ("points, median px", _moved),
    Classes: ("pixels of the same part, %", _agree),
    Depth: ("depth, median share of the range", _apart),
    Normals: ("normals, median degrees", _turned),
}

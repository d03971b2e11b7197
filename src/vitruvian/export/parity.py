"""Does the exported file say what the model says? Every head, two batch sizes, inputs that leave no part of the graph idle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vitruvian.export.target import Run
from vitruvian.model import Model
from vitruvian.types import Array

BATCHES = (1, 3)
TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 5e-2}  # largest error over the largest value of a head
MEANING = "largest absolute error of a head over the largest absolute value that PyTorch fp32 gives there"


@dataclass(frozen=True)
class Error:
    """Of one head at one batch size. largest: the greatest absolute value of the true output; relative: max_abs / largest."""

    max_abs: float
    relative: float
    largest: float


Errors = dict[str, dict[str, Error]]  # batch size -> task -> error


def varied_inputs(size: tuple[int, int], batches: Sequence[int] = BATCHES) -> list[Array]:
    """(B, 3, H, W) float32 for each batch size: slow and quick waves, an edge and noise, about as large as normalised photos.

    No two pictures and no two channels are alike, so that a mixed-up batch, axis or channel shows.
    """
    rng = np.random.default_rng(0)
    return [np.stack([_picture(size, rng) for _ in range(batch)]).astype(np.float32) for batch in batches]


def _picture(size: tuple[int, int], rng: np.random.Generator) -> Array:
    y, x = np.mgrid[: size[0], : size[1]] / max(size)
    waves = [
        np.sin(2 * np.pi * (rng.uniform(0.3, 12) * x + rng.uniform(0.3, 12) * y + rng.uniform())) * rng.uniform(0.3, 1)
        for _ in range(3)
    ]
    edge = np.where(x * rng.normal() + y * rng.normal() > rng.normal(0, 0.1), 0.8, -0.8)
    picture: Array = np.stack(waves) + edge + rng.normal(0, 0.3, (3, *size))
    return picture


@torch.inference_mode()
def answers(model: Model, inputs: Iterable[Array]) -> list[dict[str, Array]]:
    """What PyTorch says in float32 to each of the inputs."""
    return [{task: out.numpy() for task, out in model(torch.from_numpy(image)).items()} for image in inputs]


def compare(run: Run, inputs: Sequence[Array], truth: Sequence[Mapping[str, Array]]) -> Errors:
    """The errors of an exported file."""
    out: Errors = {}
    for image, wanted in zip(inputs, truth, strict=True):
        given = run(image)
        out[str(len(image))] = {task: _error(given[task], value) for task, value in wanted.items()}
    return out


def worst(errors: Errors) -> dict[str, float]:
    """Task -> the greatest relative error over all batch sizes; NaN if any is."""
    tasks = next(iter(errors.values()))
    return {task: float(np.max([heads[task].relative for heads in errors.values()])) for task in tasks}


def _error(given: Array, wanted: Array) -> Error:
    largest = float(np.abs(wanted).max())
    if given.shape != wanted.shape:
        return Error(float("nan"), float("nan"), largest)
    difference = float(np.abs(given.astype(np.float64) - wanted).max())
    return Error(difference, difference / largest if largest else difference, largest)

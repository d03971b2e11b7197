"""All figures on held-out synthetic people, by framing: the labels are exact, only the people are not real."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.gbuffer import GBuffer
from vitruvian.data.sources import Synthetic, read_image
from vitruvian.evaluate.people import metric_of
from vitruvian.evaluate.photos import Predictor
from vitruvian.synth.appearance import draw
from vitruvian.tasks.base import Metric
from vitruvian.types import Array, Prediction, Sample

ALL = "all"


def synthetic_figures(folder: Path, predictor: Predictor, limit: int | None = None) -> dict[str, dict[str, Any]]:
    """`all` and each framing -> figures named task/figure and `people`, of the framed person of each frame, boxes given.

    The picture is the drawn JPEG; where the set has none, one appearance is drawn, the same at every call.
    """
    metrics: dict[str, dict[str, Metric]] = defaultdict(dict)
    people: dict[str, int] = defaultdict(int)
    for framing, sample in framed_people(folder, limit):
        (answer,) = predictor.people(sample.image, np.asarray(sample.box)[None])
        for group in (ALL, framing):
            people[group] += 1
            _count(metrics[group], answer, sample)
    return {group: {"people": people[group], **_figures(found)} for group, found in sorted(metrics.items())}


def framed(source: Synthetic, limit: int | None = None) -> Iterator[tuple[int, GBuffer]]:
    """Index and geometry of the frames in which something of the first person, the framed one, is seen."""
    for index in range(min(len(source), limit or len(source))):
        frame = source.frame(index)
        if (frame.person == 1).any():
            yield index, frame


def framed_people(folder: Path, limit: int | None = None) -> Iterator[tuple[str, Sample]]:
    """Framing and sample of those people."""
    source = Synthetic(folder)
    for index, frame in framed(source, limit):
        yield str(frame.people[0].info.get("framing", "unknown")), frame.sample(0, picture(source, index, frame))


def picture(source: Synthetic, index: int, frame: GBuffer, tone: float | None = None) -> Array:
    """(H, W, 3) uint8: the drawn JPEG, or one appearance, the same at every call; with `tone` (0 lightest to 1 darkest) that
    one in another skin."""
    path = source.picture(index)
    if path is not None and tone is None:
        return read_image(path)
    return draw(frame, np.random.default_rng([0, index]), tone=tone)


def _count(metrics: dict[str, Metric], answer: Mapping[str, Prediction], sample: Sample) -> None:
    for name, prediction in answer.items():
        if name not in metrics:
            metrics[name] = metric_of(name, prediction)
        metrics[name].update(prediction, sample)


def _figures(metrics: Mapping[str, Metric]) -> dict[str, float]:
    return {f"{name}/{figure}": value for name, metric in metrics.items() for figure, value in metric.compute().items()}

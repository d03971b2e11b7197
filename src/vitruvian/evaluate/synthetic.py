"""All figures on held-out synthetic people, by framing: the labels are exact, only the people are not real."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.sources import Synthetic, read_image
from vitruvian.evaluate.photos import Predictor
from vitruvian.synth.appearance import draw
from vitruvian.tasks import task
from vitruvian.tasks.base import Metric
from vitruvian.types import Classes, Keypoints, Prediction, Sample

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


def framed_people(folder: Path, limit: int | None = None) -> Iterator[tuple[str, Sample]]:
    """Framing and sample of the first person of each frame; those of whom nothing is seen are left out."""
    source = Synthetic(folder)
    for index in range(min(len(source), limit or len(source))):
        frame, path = source.frame(index), source.picture(index)
        if not (frame.person == 1).any():
            continue
        image = read_image(path) if path else draw(frame, np.random.default_rng([0, index]))
        yield str(frame.people[0].info.get("framing", "unknown")), frame.sample(0, image)


def _count(metrics: dict[str, Metric], answer: Mapping[str, Prediction], sample: Sample) -> None:
    for name, prediction in answer.items():
        if name not in metrics:
            metrics[name] = _metric(name, prediction)
        metrics[name].update(prediction, sample)


def _metric(name: str, prediction: Prediction) -> Metric:
    value = prediction.value
    if isinstance(value, Keypoints):
        return task(name, skeleton=value.skeleton).metric()
    if isinstance(value, Classes):
        return task(name, class_set=value.class_set).metric()
    return task(name).metric()


def _figures(metrics: Mapping[str, Metric]) -> dict[str, float]:
    return {f"{name}/{figure}": value for name, metric in metrics.items() for figure, value in metric.compute().items()}

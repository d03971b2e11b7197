"""The packaged judge of the detector's finds (`predict.cascade`): a logistic regression, fitted on synthetic pictures.

python -m vitruvian.recipes.cascade --synth runs/embedded/synth-5 --held-out runs/embedded/held-out --out cascade.json

To be fitted anew whenever the packaged detector or the packaged model changes: it refuses other weights. Uses geometry that
`vitruvian synth` has written. The threshold is that of the best F1 on pictures of the held-out geometry, never on photos.
Expected figures and hardware: docs/results/detector.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from vitruvian import weights
from vitruvian.data.gbuffer import read_gbuffer
from vitruvian.device import choose_compute
from vitruvian.geometry import iou_matrix, nms
from vitruvian.predict.cascade import FIGURES, FINDER, FITTED, MODEL, Judge, look, moved
from vitruvian.predict.finder import Finder
from vitruvian.predict.network import Network
from vitruvian.recipes.detector import SCENES, SPEC, checked_threshold
from vitruvian.synth.frames import FrameViews, frame_view
from vitruvian.tasks.person.metric import IOU, Tally, match
from vitruvian.types import Array

SIZE = (FITTED, FITTED)  # of a picture; finer than the detector's input, as photos are
LEARNED, JUDGED = 55, 77  # seeds of the pictures to learn from and to judge by
RIDGE = 2.0  # on every coefficient
STEPS = 50  # of Newton's method; a dozen are enough
UNFITTED = Judge("", "", *(((0.0,) * len(FIGURES),) * 4), constant=0.0, threshold=0.5)


@dataclass(frozen=True)
class Finds:
    """Of one picture: scores (N,), boxes and moved boxes (N, 4), figures (N, F), and its true people (M, 4)."""

    score: Array
    box: Array
    moved: Array
    figures: Array
    people: Array


def gather(folder: Path, count: int, seed: int, dtype: str = "fp32") -> Iterator[Finds]:
    """The finds of the packaged detector on pictures 0 to `count` of a seed, as the packaged model sees them."""
    views, compute = FrameViews(folder, SPEC, SCENES), choose_compute("cpu", dtype)
    finder = Finder(FINDER, weights.load(FINDER, kind="detector"), compute, UNFITTED.most)
    network = Network(weights.load(MODEL, kind="people"), compute, flip_test=False)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        groups = [read_gbuffer(views.files[int(i)]) for i in rng.integers(len(views), size=int(rng.integers(0, 4)))]
        sample, _ = frame_view(groups, rng, SIZE, views.params)
        finds = finder.find(sample.image)
        looks = look(network, sample.image, finds)
        places = [moved(find.box, one.extent, UNFITTED.agreement) for find, one in zip(finds, looks, strict=True)]
        yield Finds(
            np.array([find.score for find in finds]),
            np.array([find.box for find in finds]).reshape(-1, 4),
            np.array(places).reshape(-1, 4),
            np.array([one.figures for one in looks]).reshape(-1, len(FIGURES)),
            np.zeros((0, 4)) if sample.boxes is None else sample.boxes,
        )


def fit(pictures: Sequence[Finds]) -> Judge:
    """Of the finds whose moved box overlaps a person by IOU or more; no threshold is chosen here."""
    figures = np.concatenate([one.figures for one in pictures])
    right = np.concatenate([iou_matrix(one.moved, one.people).max(1, initial=0) >= IOU for one in pictures])
    mean, spread = figures.mean(0), figures.std(0) + 1e-9
    normal = (figures - mean) / spread
    coefficients = logistic(np.concatenate([normal, normal**2, np.ones((len(normal), 1))], 1), right.astype(np.float64))
    linear, square = np.split(coefficients[:-1], 2)
    return Judge(
        weights.load(FINDER).hash, weights.load(MODEL).hash, _rounded(mean), _rounded(spread),
        _rounded(linear), _rounded(square), round(float(coefficients[-1]), 5), UNFITTED.threshold,
    )  # fmt: skip


def _rounded(values: Array) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)


def logistic(inputs: Array, right: Array) -> Array:
    """Coefficients (F,) of the likeliest logistic regression of (N,) 0 or 1 on (N, F), with the ridge."""
    out = np.zeros(inputs.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-inputs @ out))
        slope = inputs.T @ (chance - right) + RIDGE * out
        bend = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + RIDGE * np.eye(len(out))
        out -= np.linalg.solve(bend, slope)
    return out


def tally(pictures: Sequence[Finds], judge: Judge | None) -> Tally:
    """Everybody found, with the judge's scores and boxes, or the detector's own where there is none."""
    out = Tally()
    for one in pictures:
        boxes, scores = (one.box, one.score) if judge is None else (one.moved, judge.score(one.figures))
        keep = nms(boxes, scores, UNFITTED.overlap)
        out.add(scores[keep], match(boxes[keep], one.people), len(one.people))
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """The whole recipe; see the head of this file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--synth", type=Path, required=True, help="geometry to learn from")
    parser.add_argument("--held-out", type=Path, required=True, help="other geometry, for the threshold")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of the judge")
    parser.add_argument("--pictures", type=int, default=1200, help="to learn from")
    parser.add_argument("--judged", type=int, default=300, help="held-out pictures")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32", help="bf16 where the processor is fast at it")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    cv2.setNumThreads(1)
    judge = fit(list(gather(chosen.synth, chosen.pictures, LEARNED, chosen.dtype)))
    held_out = list(gather(chosen.held_out, chosen.judged, JUDGED, chosen.dtype))
    judge = replace(judge, threshold=checked_threshold(tally(held_out, judge)))
    judge.write(chosen.out)
    for name, one in (("detector alone", tally(held_out, None)), ("with the second look", tally(held_out, judge))):
        threshold, recall, precision = one.best()
        figures = {"ap50": one.average_precision(), "threshold": threshold, "recall": recall, "precision": precision}
        print(name, json.dumps({key: round(float(value), 4) for key, value in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

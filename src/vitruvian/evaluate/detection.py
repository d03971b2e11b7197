"""Boxes of a detector against the people of whole photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from vitruvian.tasks.person.metric import LARGE, Tally, match
from vitruvian.types import Array, ImageRecord, Person

PRECISE = 0.6

Detect: TypeAlias = Callable[[Array], Sequence[Person]]


def judge(found: Sequence[Person], record: ImageRecord, least: float = LARGE) -> tuple[Array, Array, int]:
    """Scores, verdicts (1 right, 0 wrong, -1 not counted) and the number of people to find, of one photo.

    To find: everybody whose longer side is `least` px or more. A box on somebody smaller (IoU 0.5) or half inside the bounds of
    a crowd region counts neither way.
    """
    found = sorted(found, key=lambda person: -person.score)
    boxes = np.array([person.box for person in found], np.float64).reshape(-1, 4)
    truth = np.array([sample.box for sample in record.people], np.float64).reshape(-1, 4)
    large = (truth[:, 2:] - truth[:, :2]).max(1, initial=0) >= least
    crowds = np.array([_bounds(mask) for mask in record.ignore if mask.any()], np.float64).reshape(-1, 4)
    scores = np.array([person.score for person in found])
    return scores, match(boxes, truth[large], truth[~large], crowds), int(large.sum())


def _bounds(mask: Array) -> Array:
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def detection_figures(
    photos: Iterable[tuple[Array, ImageRecord]], detect: Detect, empty: Iterable[Array] = (), threshold: float | None = None
) -> dict[str, float]:
    """Recall and precision at IoU 0.5 of everything found (or of scores >= threshold), and of the best F1; AP50; the recall
    that is to be had at a precision of PRECISE.

    For people of 100 px and more (`_large`) and of any size; false boxes for each of the `empty` photos, at both thresholds.

    The best F1's threshold is chosen on these very photos: it flatters, and says what the detector could do at most.
    """
    tallies = {"_large": Tally(), "": Tally()}
    for image, record in photos:
        found = list(detect(image))
        for suffix, least in (("_large", LARGE), ("", 0.0)):
            tallies[suffix].add(*judge(found, record, least))
    nobody = [np.array([person.score for person in detect(image)]) for image in empty]
    lowest = -np.inf if threshold is None else threshold
    out: dict[str, float] = {}
    for suffix, tally in tallies.items():
        recall, precision = tally.at(lowest)
        best, best_recall, best_precision = tally.best()
        out |= {f"people{suffix}": tally.people, f"recall{suffix}": recall, f"precision{suffix}": precision}
        out |= {f"ap50{suffix}": tally.average_precision(), f"best_threshold{suffix}": best}
        out |= {f"best_recall{suffix}": best_recall, f"best_precision{suffix}": best_precision}
        out[f"recall_when_precise{suffix}"] = tally.recall_at(PRECISE)
    if nobody:
        out["false_per_empty_photo"] = float(np.mean([(scores >= lowest).sum() for scores in nobody]))
        out["false_per_empty_photo_best"] = float(np.mean([(s >= out["best_threshold_large"]).sum() for s in nobody]))
    return out

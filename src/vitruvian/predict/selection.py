"""Which of the people found or given are kept: by score, by how far boxes or poses overlap, and by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from vitruvian.errors import UsageError
from vitruvian.geometry import nms, oks_matrix, suppress
from vitruvian.predict.result import PersonResult
from vitruvian.types import Array, Person
from vitruvian.vocab import keypoint_map, skeleton

BODY = "coco17"  # the points that poses are compared by; they have known spreads, and every set of ours has them


@dataclass(frozen=True)
class Selection:
    """None leaves it to the detector, and keeps everybody whose box is given.

    min_score: the least score of a box. nms: of two boxes whose intersection over union is above it, the surer one stays.
    max_people: so many of a photo, the surest. oks_nms: of two poses whose object keypoint similarity is above it, the surer
    one stays; this needs poses, and comes after them. UsageError for what is out of range.
    """

    min_score: float | None = None
    nms: float | None = None
    max_people: int | None = None
    oks_nms: float | None = None

    def __post_init__(self) -> None:
        for name in ("min_score", "nms", "oks_nms"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"{name.replace('_', '-')} {value:g}. Allowed: 0 to 1.")
        if self.max_people is not None and self.max_people < 1:
            raise UsageError(f"max-people {self.max_people}. Allowed: 1, 2, 3, ...")

    @property
    def given(self) -> dict[str, float]:
        """What was asked for, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def of(self, people: Sequence[Person]) -> list[Person]:
        """The people that stay, in the given order. Poses are not looked at."""
        kept = np.arange(len(people))
        scores = np.array([person.score for person in people], np.float64)
        if self.min_score is not None:
            kept = kept[scores >= self.min_score]
        if self.nms is not None:
            boxes = np.array([person.box for person in people], np.float64).reshape(-1, 4)
            kept = kept[nms(boxes[kept], scores[kept], self.nms)]
        if self.max_people is not None:
            kept = kept[np.argsort(-scores[kept], kind="stable")[: self.max_people]]
        return [people[i] for i in np.sort(kept)]

    def without_twins(self, people: Sequence[PersonResult]) -> list[PersonResult]:
        """The people whose poses stay, in the given order; all of them if that is not asked for."""
        if self.oks_nms is None or len(people) < 2:
            return list(people)
        body = [_body(person) for person in people]
        places = np.stack([xy for xy, _ in body])
        scores = np.array([person.person.score * score for person, (_, score) in zip(people, body, strict=True)])
        boxes = np.array([person.person.box for person in people], np.float64)
        alike = oks_matrix(places, np.prod(boxes[:, 2:] - boxes[:, :2], 1), np.array(skeleton(BODY).sigmas))
        return [people[i] for i in np.sort(suppress(alike, scores, self.oks_nms))]


USUAL = Selection()


def _body(person: PersonResult) -> tuple[Array, float]:
    """(17, 2) body points in px, and the mean of their scores."""
    value = person.keypoints
    if value is None:
        raise UsageError("oks-nms compares poses, and none was asked for. Fix: add pose to --tasks.")
    rows = keypoint_map(value.skeleton, BODY)
    if (rows < 0).any():
        raise UsageError(f"oks-nms compares the points of {BODY}, which {value.skeleton} lacks. Fix: leave it out.")
    return value.xy[rows], float(value.score[rows].mean())

"""The thresholds: which score decides at which stage, and on which side of which value an image stays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from vitruvian.errors import UsageError

FETCH, READ, DUPLICATE, PACK = "fetch", "decode", "duplicate", "pack"  # stages that no score of a single image decides
UNREAD = (FETCH, READ)
PERSON = "person"
SIGNS = {"least": ">=", "most": "<=", "above": ">"}
DIGITS = 4  # of scores: what the last bits say depends on the machine


class Bound(NamedTuple):
    """score: a column of the ledger. An image stays with `least` of it or more, `most` of it or less, or `above` it."""

    score: str
    kind: Literal["least", "most", "above"]
    limit: float

    def passes(self, value: float | None) -> bool:
        """Unknown does not pass."""
        number = math.nan if value is None else value
        if self.kind == "above":
            return number > self.limit
        return number >= self.limit if self.kind == "least" else number <= self.limit

    def __str__(self) -> str:
        return f"{self.score} {SIGNS[self.kind]} {self.limit:g}"


class Stage(NamedTuple):
    """One step of the funnel; an image stays with all its bounds."""

    name: str
    bounds: tuple[Bound, ...]

    def failed(self, row: Mapping[str, Any]) -> Bound | None:
        """The first bound that a row of the ledger does not keep."""
        return next((bound for bound in self.bounds if not bound.passes(row.get(bound.score))), None)

    def measured(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has all scores that decide here."""
        return all(row.get(bound.score) is not None for bound in self.bounds)


@dataclass(frozen=True)
class Limits:
    """What an image must have to be kept. Sides are pixels of the upright image; scores of marks and people are 0 to 1.

    colour: colourfulness (Hasler and Süsstrunk 2003; grey photos have 0). contrast: spread of the luminance in grey levels.
    sharpness: natural logarithm of the variance of the Laplacian. hash_distance: bits of 64 in which two perceptual hashes may
    differ and still be one picture; -1: exact copies alone are duplicates. likeness, points: cosine of two embeddings, and
    number of points found in both images, from which they are one picture too; 0 points: the embedding alone decides. person,
    box: a person counts with a score above the one, and a box whose sides are both above the other.
    """

    side: float = 300
    aspect: float = 4
    colour: float = 4
    contrast: float = 12
    sharpness: float = 2
    hash_distance: int = 4
    likeness: float = 0.93
    points: int = 12
    watermark: float = 0.5
    text: float = 0.5
    artistic: float = 0.5
    person: float = 0.9
    box: float = 300

    def __post_init__(self) -> None:
        for name in ("watermark", "text", "artistic", "person"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"limit of {name} {getattr(self, name):g}. Allowed: 0 to 1.")
        if not -1 <= self.hash_distance <= 16:
            raise UsageError(f"hash distance {self.hash_distance}. Allowed: -1 (exact copies alone) to 16 bits.")
        if not -1 <= self.likeness <= 1:
            raise UsageError(f"limit of likeness {self.likeness:g}. Allowed: -1 to 1 (a cosine).")
        if self.points < 0:
            raise UsageError(f"limit of points {self.points}. Allowed: 0 (the embedding alone) or more.")
        if self.aspect < 1:
            raise UsageError(f"limit of aspect {self.aspect:g}. Allowed: 1 or more (longer over shorter side).")

    def but(self, **given: float | None) -> Limits:
        """These, with what is given; None leaves it."""
        return Limits(**(asdict(self) | {name: value for name, value in given.items() if value is not None}))

    def looks(self) -> tuple[Stage, ...]:
        """The stages that need no model, in their order; duplicates come after them."""
        size = (Bound("side", "least", self.side), Bound("aspect", "most", self.aspect))
        quality = ("colour", "contrast", "sharpness")
        return Stage("size", size), Stage("quality", tuple(Bound(name, "least", getattr(self, name)) for name in quality))

    def stage(self, name: str) -> Stage:
        """Of a mark, or of people."""
        kind: Literal["most", "above"] = "above" if name == PERSON else "most"
        return Stage(name, (Bound(name, kind, float(getattr(self, name))),))


def count_people(row: dict[str, Any], limits: Limits) -> None:
    """From its boxes into a row: the best score of a large enough box (0 if none is), and how many people count.

    The ledger holds the scores of boxes as float32: rounded again, they decide as they did when they were measured.
    """
    boxes: Sequence[Mapping[str, float]] | None = row.get("boxes")
    if boxes is not None:
        large = [round(b["score"], DIGITS) for b in boxes if min(b["x2"] - b["x1"], b["y2"] - b["y1"]) > limits.box]
        row[PERSON] = max(large, default=0.0)
        row["people"] = sum(score > limits.person for score in large)

"""What a person says of a run's pictures: which of them to ask about, the answers as they are kept, and what follows from them.

Asked is of four groups: kept or dropped, and of each the quarter nearest to a threshold, which is asked about more often than
its size would have it. Shares are therefore weighted: each group counts by how many images it has, not by its answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from vitruvian.curate.limits import DUPLICATE, PACK, UNREAD, Bound, Stage
from vitruvian.curate.record import KEEP, Row, unwritable
from vitruvian.curate.settings import Settings, stages_of
from vitruvian.errors import InputError, UsageError, unknown_name

Answer = Literal["yes", "no", "skip", "undo"]
NEAR = 0.25  # of what is kept, and of what is dropped: nearest to a threshold
DRAWS = 4000  # of the posterior
UNASKED = (*UNREAD, DUPLICATE, PACK)  # stages whose decisions are no matter of taste


class Group(NamedTuple):
    """kept: whether the run keeps these; near: whether they lie near to a threshold."""

    kept: bool
    near: bool


@dataclass(frozen=True)
class Frame:
    """What may be asked about. rows: by their index in the ledger; groups: of each; stage: that it is about, "" for all."""

    rows: dict[int, Row]
    groups: dict[int, Group]
    stage: str

    def of(self, group: Group) -> list[int]:
        """Indices of a group, in the ledger's order."""
        return [index for index, one in self.groups.items() if one == group]


def frame_of(ledger: Sequence[Row], settings: Settings, stage: str = "") -> Frame:
    """Of a finished run. stage: only what it has dropped, and what is kept. UsageError for an unknown stage."""
    stages = {one.name: one for one in (*settings.limits.looks(), *stages_of(settings))}
    if stage and stage not in stages:
        raise unknown_name("stage", stage, stages)
    asked = [
        row for row in ledger if row["decision"] == KEEP or row["stage"] == stage or not (stage or row["stage"] in UNASKED)
    ]
    scales = _scales(ledger, [stages[stage]] if stage else list(stages.values()))
    distance = {row["index"]: _distance(row, stages, scales) for row in asked}
    groups: dict[int, Group] = {}
    for kept in (True, False):
        indices = sorted((row["index"] for row in asked if (row["decision"] == KEEP) == kept), key=lambda i: (distance[i], i))
        groups |= {index: Group(kept, place < NEAR * len(indices)) for place, index in enumerate(indices)}
    return Frame({row["index"]: row for row in asked}, dict(sorted(groups.items())), stage)


def _scales(ledger: Sequence[Row], stages: Sequence[Stage]) -> dict[Bound, Any]:
    """Of each threshold how far the scores of all images are from it, sorted."""
    gaps = {b: [_gap(row, b) for row in ledger if row.get(b.score) is not None] for stage in stages for b in stage.bounds}
    return {bound: np.sort(found) for bound, found in gaps.items() if found}


def _gap(row: Row, bound: Bound) -> float:
    return abs(float(row[bound.score]) - bound.limit)


def _distance(row: Row, stages: Mapping[str, Stage], scales: Mapping[Bound, Any]) -> float:
    """Share of the images that are as near to the nearest threshold: of one that is dropped, to those of its stage."""
    bounds = stages[row["stage"]].bounds if row["stage"] in stages else scales
    known = [bound for bound in bounds if bound in scales and row.get(bound.score) is not None]
    return min((float(np.searchsorted(scales[b], _gap(row, b), "right")) / len(scales[b]) for b in known), default=1.0)


def sample(frame: Frame, count: int, seed: int) -> list[int]:
    """Indices to ask about, `count` or all there are: as many of each group as it has, up to a quarter, in mixed order."""
    rng = np.random.default_rng(seed)
    groups = sorted({*frame.groups.values()}, key=lambda group: len(frame.of(group)))
    chosen: list[int] = []
    for number, group in enumerate(groups):
        there = frame.of(group)
        share = -(-(count - len(chosen)) // (len(groups) - number))  # what smaller groups did not have goes to larger ones
        chosen += [there[i] for i in rng.permutation(len(there))[:share]]
    return [chosen[i] for i in rng.permutation(len(chosen))]


class Answers:
    """A file of lines that only grows; the last line about an image counts."""

    def __init__(self, path: Path, frame: Frame) -> None:
        self.path, self._frame, self._order = path, frame, list[int]()
        self.given: dict[int, Answer] = {}
        self.damaged = 0
        for index, answer in self._read():
            self._take(index, answer)

    def _read(self) -> Iterator[tuple[int, Answer]]:
        try:
            lines = self.path.read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror or error}).") from error
        for line in lines:
            try:
                told = json.loads(line)
                index, answer, stage, source = int(told["index"]), told["answer"], told["stage"], told["source"]
            except (ValueError, KeyError, TypeError, RecursionError):
                self.damaged += 1  # as the last one of a process that was killed
                continue
            row = self._frame.rows.get(index)
            if stage != self._frame.stage or answer not in get_args(Answer):
                continue
            if row is None or row["source"] != source:
                raise UsageError(f"{self.path} is of another ledger: image {index} is not {source}. Fix: move the file away.")
            yield index, answer

    def _take(self, index: int, answer: Answer) -> None:
        if index in self._order:
            self._order.remove(index)
        if answer == "undo":
            self.given.pop(index, None)
        else:
            self.given[index] = answer
            self._order.append(index)

    def say(self, index: int, answer: Answer) -> None:
        """One more line, on the disk before this returns. VitruvianError where the disk will not have it."""
        told = {"index": index, "source": self._frame.rows[index]["source"], "stage": self._frame.stage, "answer": answer}
        try:
            with self.path.open("ab+") as file:
                if file.tell() and not _ends_with_line(file):
                    file.write(b"\n")
                file.write(json.dumps(told, ensure_ascii=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self.path, error) from error
        self._take(index, answer)

    def undo(self) -> int | None:
        """Take back the last answer; the image it was about, None where there is none."""
        if not self._order:
            return None
        index = self._order[-1]
        self.say(index, "undo")
        return index


def _ends_with_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


class Share(NamedTuple):
    """With its interval of 95 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


@dataclass(frozen=True)
class Figures:
    """precision: of what is kept, how much should be; recall: of what should be kept, how much is. None: a group has no answer.

    counts: of each group its images, its answers and how many of these are yes.
    """

    precision: Share | None
    recall: Share | None
    counts: dict[Group, tuple[int, int, int]]


def figures(frame: Frame, answers: Mapping[int, Answer], seed: int = 0) -> Figures:
    """Stratified estimates; intervals from every group's posterior under Jeffreys' prior, answers themselves being exact."""
    counts = {}
    for group in sorted({*frame.groups.values()}, reverse=True):
        said = [answers[index] == "yes" for index in frame.of(group) if answers.get(index) in ("yes", "no")]
        counts[group] = len(frame.of(group)), len(said), sum(said)
    rng, right = np.random.default_rng(seed), dict[Group, Any]()
    for group, (size, asked, yes) in counts.items():
        if asked:
            drawn = rng.beta(yes + 0.5, asked - yes + 0.5, DRAWS)
            right[group] = yes + (size - asked) * np.concatenate([[yes / asked], drawn])  # the estimate itself comes first
    return Figures(_share(counts, right, whole=False), _share(counts, right, whole=True), counts)


def _share(counts: Mapping[Group, tuple[int, int, int]], right: Mapping[Group, Any], whole: bool) -> Share | None:
    kept = [group for group in counts if group.kept]
    needed = list(counts) if whole else kept
    if not kept or any(group not in right for group in needed):
        return None
    above = sum(right[group] for group in kept)
    below = sum(right[group] if whole else counts[group][0] + 0 * right[group] for group in needed)
    shares = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    low, high = np.quantile(shares[1:], (0.025, 0.975))
    return Share(float(shares[0]), min(float(low), float(shares[0])), max(float(high), float(shares[0])))


class Advice(NamedTuple):
    """A threshold, and what it would reach on the answers that it was chosen by."""

    bound: Bound
    precision: float
    recall: float


def advise(frame: Frame, answers: Mapping[int, Answer], bound: Bound, precision: float) -> Advice | None:
    """The threshold of the most recall that reaches a precision; None where none does, or nothing is answered."""
    counts = figures(frame, answers).counts
    known = [index for index, said in answers.items() if said != "skip" and frame.rows[index].get(bound.score) is not None]
    weight = np.array([counts[frame.groups[i]][0] / counts[frame.groups[i]][1] for i in known])
    right = np.array([answers[i] == "yes" for i in known], bool)
    found: list[Advice] = []
    for limit in sorted({float(frame.rows[i][bound.score]) for i in known}):
        other = bound._replace(limit=limit)
        stays = np.array([other.passes(frame.rows[i][bound.score]) for i in known], bool)
        if stays.any() and right.any():
            told = weight[stays & right].sum()
            found.append(Advice(other, float(told / weight[stays].sum()), float(told / weight[right].sum())))
    return max((one for one in found if one.precision >= precision), key=lambda one: one.recall, default=None)

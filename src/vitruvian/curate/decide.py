"""Scores and thresholds -> what becomes of every input. Nothing is read or written here: `tune` decides again with this."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vitruvian.curate.duplicates import Fate, Pair, Twin, best_first, find_twins
from vitruvian.curate.limits import DUPLICATE, UNREAD, Bound, Limits, Stage
from vitruvian.curate.record import PEOPLE, Row


class Verdict(NamedTuple):
    """stage: that took the image, "" where it is kept. twin: index of the kept image that a duplicate shows."""

    stage: str
    reason: str = ""
    twin: int | None = None
    distance: int | None = None


KEPT = Verdict("")


@dataclass(frozen=True)
class Decided:
    """verdicts: one for each row, None where it is still open. open: places of rows whose scores must be known first."""

    verdicts: list[Verdict | None]
    open: list[int]


def decide(rows: Sequence[Row], limits: Limits, stages: Sequence[Stage], pairs: Sequence[Pair] = ()) -> Decided:
    """rows: what was measured of every input, by column. stages: those of models, in their order. pairs: places in
    the rows that show one picture, whatever their hashes say (`curate.alike`).

    Order of the funnel: decode, size, quality, duplicates, models. Of images that show one picture that one is kept which has
    the most pixels, then the most bytes, then comes first, among those that every other stage keeps.
    """
    verdicts: list[Verdict | None] = [by_looks(row, limits) for row in rows]
    there = [place for place, verdict in enumerate(verdicts) if verdict is None]
    there.sort(key=lambda p: (*best_first(rows[p]), p))
    measured = _scores_by_content(rows, there, stages)

    def fate(place: int) -> Fate:
        return _fate(_known(place), stages)

    def _known(place: int) -> Row:
        return measured.get(rows[place]["sha256"], rows[place])

    hashes = [rows[p]["sha256" if limits.hash_distance < 0 else "phash"] for p in there]
    number_of = {place: number for number, place in enumerate(there)}
    known_alike = [
        Pair(number_of[one.first], number_of[one.second], one.likeness)
        for one in pairs
        if one.first in number_of and one.second in number_of
    ]
    twins = find_twins(hashes, range(len(there)), limits.hash_distance, lambda p: fate(there[p]), known_alike)
    for number, place in enumerate(there):
        if number in twins.of:
            twin = twins.of[number]
            verdicts[place] = _twin(rows, place, there[twin.place], twin)
        elif fate(place) != "unknown":
            verdicts[place] = _by_models(_known(place), stages)
    return Decided(verdicts, [there[number] for number in twins.open])


def by_looks(row: Row, limits: Limits) -> Verdict | None:
    """What is said of an image before any model is asked: None if it stays."""
    if row["stage"] in UNREAD:
        return Verdict(row["stage"], row["reason"])
    return next((Verdict(s.name, _why(b, row)) for s in limits.looks() if (b := s.failed(row))), None)


def _why(bound: Bound, row: Row) -> str:
    value = row.get(bound.score)
    return f"{bound.score} {'unknown' if value is None else f'{value:g}'}, not {str(bound).removeprefix(bound.score).strip()}"


def _scores_by_content(rows: Sequence[Row], there: Sequence[int], stages: Sequence[Stage]) -> dict[str, Row]:
    """Exact copies share their scores: of each content the row that knows most."""
    best: dict[str, tuple[int, Row]] = defaultdict(lambda: (-1, {}))
    for place in there:
        known = sum(stage.measured(rows[place]) for stage in stages)
        if known > best[rows[place]["sha256"]][0]:
            best[rows[place]["sha256"]] = known, rows[place]
    return {content: row for content, (_, row) in best.items()}


def _fate(row: Row, stages: Sequence[Stage]) -> Fate:
    for stage in stages:
        if not stage.measured(row):
            return "unknown"
        if stage.failed(row):
            return "failed"
    return "kept"


def _by_models(row: Row, stages: Sequence[Stage]) -> Verdict:
    return next((Verdict(s.name, _why(b, row)) for s in stages if (b := s.failed(row))), KEPT)


def _twin(rows: Sequence[Row], place: int, first: int, twin: Twin) -> Verdict:
    same = rows[place]["sha256"] == rows[first]["sha256"]
    near = f"{twin.bits} of 64 bits differ" if twin.likeness is None else f"likeness {twin.likeness:g}"
    return Verdict(DUPLICATE, "exact copy" if same else f"same picture, {near}", rows[first]["index"], twin.bits)


def share_scores(rows: Sequence[Row], stages: Sequence[Stage]) -> None:
    """Give exact copies the scores of the one that was measured."""
    names = {"boxes", *PEOPLE, *(bound.score for stage in stages for bound in stage.bounds)}
    there = [place for place, row in enumerate(rows) if row["stage"] not in UNREAD]
    measured = _scores_by_content(rows, there, stages)
    for place in there:
        known = measured[rows[place]["sha256"]]
        rows[place].update({name: known.get(name) for name in names if rows[place].get(name) is None})

"""Many photos, one after the other: what is done is skipped, what fails is told, everything else is finished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vitruvian.errors import InputError, UsageError
from vitruvian.predict.boxes import BoxFile, digest, people_of, read_boxes
from vitruvian.predict.detect import PHOTOS_AT_ONCE
from vitruvian.predict.images import Photo, read_photo
from vitruvian.predict.outcome import (
    Options,
    Outcome,
    attempt,
    earlier,
    file_hash,
    fingerprint,
    spare,
    with_what_was_there,
)
from vitruvian.predict.pipeline import Predictor
from vitruvian.predict.record import Record
from vitruvian.predict.sources import Problem, Source
from vitruvian.predict.write import ENDINGS, is_done, is_same, write_result
from vitruvian.types import Person


def predict_files(predictor: Predictor, sources: Sequence[Source], options: Options) -> Iterator[Outcome]:
    """One outcome a photo, in order, and one for each problem of the boxes file.
    UsageError for tasks the model has not, and where a result would replace a photo.
    """
    names = predictor.choose(options.tasks)
    _protect(sources, options.out)
    given: BoxFile | None = None
    matched: dict[str, str] = {}
    problems: list[Problem] = []
    if options.boxes is not None:
        given = read_boxes(options.boxes)
        matched, problems = given.match(sources)
    yield from (Outcome(problem.name, "failed", problem.message) for problem in problems)
    job = _Job(predictor, options, names, given, matched)
    step = PHOTOS_AT_ONCE[predictor.compute.device.type]
    for start in range(0, len(sources), step):
        yield from job.do(sources[start : start + step])


def _protect(sources: Sequence[Source], out: Path) -> None:
    """Results may lie beside photos, but never in their place."""
    photos = {source.path.resolve() for source in sources}
    for source in sources:
        for ending in ENDINGS.values():
            if (place := (out / f"{source.stem}.{ending}").resolve()) in photos:
                raise UsageError(f"a result of {source.path} would replace the photo {place}. Fix: give --out another folder.")


@dataclass(frozen=True)
class _Opened:
    """A photo that is to be done. people: its given boxes; wanted: its fingerprint; before: the record of an earlier run."""

    source: Source
    photo: Photo
    people: list[Person] | None
    names: tuple[str, ...]
    draw: bool
    wanted: Record
    before: Record | None


@dataclass(frozen=True)
class _Job:
    predictor: Predictor
    options: Options
    names: tuple[str, ...]
    given: BoxFile | None
    matched: dict[str, str]

    def do(self, sources: Sequence[Source]) -> Iterator[Outcome]:
        """Some photos, whose people are looked for together."""
        opened = [attempt(partial(self._open, source), source.path, "photo", self.options.out) for source in sources]
        found = self._find([one for one in opened if isinstance(one, _Opened)])
        for source, one in zip(sources, opened, strict=True):
            if isinstance(one, _Opened):
                one = attempt(partial(self._finish, one, found.get(source.stem)), source.path, "photo", self.options.out)
            yield one

    def _find(self, opened: Sequence[_Opened]) -> dict[str, list[Person]]:
        """Stem of a photo -> its people; where something stands in the way, nothing: each then fails, or not, alone."""
        if self.given or len(opened) < 2 or self.predictor.boxes_from(self.names):
            return {}
        found = attempt(lambda: self.predictor.find([one.photo for one in opened]), Path(), "photo", self.options.out)
        if isinstance(found, Outcome):
            return {}
        return {one.source.stem: people for one, people in zip(opened, found, strict=True)}

    def _open(self, source: Source) -> _Opened | Outcome:
        path = self.options.out / f"{source.stem}.json"
        people = self._given_people(source)
        wanted = self._fingerprint(source.path, people)
        before = self._before(path, source, wanted)
        names, draw = self.names, self.options.draw
        if before is not None and is_same(before, wanted) and not self.options.overwrite:
            if is_done(before, path.parent, names, draw):
                return Outcome(str(source.path), "skipped", record=before, path=path)
            names, draw = with_what_was_there(before, names, draw)
        photo = read_photo(source.path)
        checked = None if people is None else people_of(people, photo.size, str(source.path))
        boxes = self.given.path.name if self.given else None
        if self.given and source.stem not in self.matched:
            photo = replace(photo, notes=(*photo.notes, f"no box in {boxes}"))
        return _Opened(source, photo, checked, names, draw, wanted, before)

    def _finish(self, one: _Opened, found: list[Person] | None) -> Outcome:
        source = one.source
        boxes = self.given.path.name if self.given else None
        result = self.predictor.predict_photo(one.photo, one.people, one.names, boxes, found)
        record = write_result(result, self.options.out, source.stem, source.name, one.wanted, one.draw, one.before)
        return Outcome(str(source.path), "done", record=record, path=self.options.out / f"{source.stem}.json")

    def _before(self, path: Path, source: Source, wanted: Record) -> Record | None:
        """The record of an earlier run; InputError where it is of another photo, or where files of others would be replaced."""
        before = earlier(path, source.path, wanted, "photo", self.options.overwrite)
        if path.parent.resolve() == source.path.parent.resolve():
            spare((path.with_name(f"{path.stem}.{ending}") for ending in ENDINGS.values()), path, before)
        return before

    def _given_people(self, source: Source) -> list[Person] | None:
        if self.given is None:
            return None
        name = self.matched.get(source.stem)
        if name is None:
            return []
        wrong = self.given.wrong.get(name)
        if wrong:
            more = f" (and {len(wrong) - 1} more boxes of this photo)" if len(wrong) > 1 else ""
            raise InputError(wrong[0] + more)
        return self.given.people[name]

    def _fingerprint(self, path: Path, people: list[Person] | None) -> Record:
        boxes = "" if people is None else digest(people)
        content = file_hash(path, "an image file")
        return fingerprint(self.predictor, self.names, "photo", content, str(path.resolve()), boxes)

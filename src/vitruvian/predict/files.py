"""Many photos, in order: what is done is skipped, what fails is told, everything else is finished.

Photos are read ahead and results written behind, in threads; the models run in the caller's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vitruvian.errors import InputError, UsageError
from vitruvian.predict.ahead import staged
from vitruvian.predict.boxes import BoxFile, digest, people_of, read_boxes
from vitruvian.predict.detect import PHOTOS_AT_ONCE
from vitruvian.predict.images import Photo, pixels_of, read_photo
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
from vitruvian.predict.result import ImageResult
from vitruvian.predict.sources import Problem, Source
from vitruvian.predict.write import ENDINGS, is_done, is_same, write_result
from vitruvian.types import Person

PIXELS_AT_ONCE = 32_000_000  # of photos between reading and having written, about 100 bytes each; a larger photo goes alone


def predict_files(predictor: Predictor, sources: Sequence[Source], options: Options) -> Generator[Outcome, None, None]:
    """One outcome a photo, in order, and one for each problem of the boxes file.
    UsageError for tasks the model has not, and where a result would replace a photo. Close it to stop: what has been computed
    is written, then its threads end.
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
    predictor.made_by(predictor.boxes_from(names, "given" if given else None))  # whose detector is loaded in this thread
    together = PHOTOS_AT_ONCE[predictor.compute.device.type]
    yield from staged(sources, _pixels, job.open, job.compute, job.write, PIXELS_AT_ONCE, together)


def _pixels(source: Source) -> int:
    return pixels_of(source.path)


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
class _Answered:
    """A photo that was predicted, and is to be written."""

    opened: _Opened
    result: ImageResult


@dataclass(frozen=True)
class _Job:
    predictor: Predictor
    options: Options
    names: tuple[str, ...]
    given: BoxFile | None
    matched: dict[str, str]

    def open(self, sources: Sequence[Source]) -> list[_Opened | Outcome]:
        """Some photos read, as far as they can be and are not yet done."""
        return [attempt(partial(self._open, source), source.path, "photo", self.options.out) for source in sources]

    def compute(self, opened: Sequence[_Opened | Outcome]) -> Iterator[_Answered | Outcome]:
        """Their people, who are looked for together and share the models' passes."""
        photos, left = [one for one in opened if isinstance(one, _Opened)], deque(opened)
        found = self._find(photos)
        answers = self._together(photos, found)
        del opened, photos  # what has been written makes room, so nothing here may hold it
        while left:
            yield self._answer(left.popleft(), found, answers)

    def _answer(
        self, one: _Opened | Outcome, found: Mapping[Path, list[Person]], answers: dict[Path, ImageResult]
    ) -> _Answered | Outcome:
        if isinstance(one, Outcome):
            return one
        result: ImageResult | Outcome | None = answers.pop(one.source.path, None)
        if result is None:
            result = attempt(partial(self._alone, one, found), one.source.path, "photo", self.options.out)
        return result if isinstance(result, Outcome) else _Answered(one, result)

    def write(self, answered: _Answered | Outcome) -> Outcome:
        """The files of one photo."""
        if isinstance(answered, Outcome):
            return answered
        return attempt(partial(self._write, answered), answered.opened.source.path, "photo", self.options.out)

    def _find(self, opened: Sequence[_Opened]) -> dict[Path, list[Person]]:
        """A photo's path -> its people; where something stands in the way, nothing: each then fails, or not, alone."""
        if self.given:
            return {one.source.path: self.predictor.selection.of(one.people or []) for one in opened}
        found = attempt(lambda: self.predictor.find([one.photo for one in opened], self._by), Path(), "photo", self.options.out)
        if isinstance(found, Outcome):
            return {}
        return {one.source.path: people for one, people in zip(opened, found, strict=True)}

    def _together(self, opened: Sequence[_Opened], found: Mapping[Path, list[Person]]) -> dict[Path, ImageResult]:
        """A photo's path -> its result; where something stands in the way, nothing, as above."""
        if len(opened) < 2 or not found or len({one.names for one in opened}) > 1:
            return {}
        photos, people = [one.photo for one in opened], [found[one.source.path] for one in opened]
        ask = partial(self.predictor.predict_photos, photos, people, opened[0].names, self._by)
        results = attempt(ask, Path(), "photo", self.options.out)
        if isinstance(results, Outcome):
            return {}
        return {one.source.path: result for one, result in zip(opened, results, strict=True)}

    def _alone(self, one: _Opened, found: Mapping[Path, list[Person]]) -> ImageResult:
        people = found.get(one.source.path)
        if people is None:
            (people,) = self.predictor.find([one.photo], self._by)
        return self.predictor.predict_photos([one.photo], [people], one.names, self._by)[0]

    def _write(self, answered: _Answered) -> Outcome:
        one, source = answered.opened, answered.opened.source
        record = write_result(answered.result, self.options.out, source.stem, source.name, one.wanted, one.draw, one.before)
        return Outcome(str(source.path), "done", record=record, path=self.options.out / f"{source.stem}.json")

    @property
    def _by(self) -> str | None:
        """Where the boxes come from, if not from the detector."""
        return self.predictor.boxes_from(self.names, self.given.path.name if self.given else None)

    def _open(self, source: Source) -> _Opened | Outcome:
        path = self.options.out / f"{source.stem}.json"
        people = self._given_people(source)
        wanted = self._fingerprint(source.path, people)
        before = self._before(path, source, wanted)
        names, draw = self.names, self.options.draw
        if before is not None and not self.options.overwrite:
            if is_same(before, wanted) and is_done(before, path.parent, names, draw):
                return Outcome(str(source.path), "skipped", record=before, path=path)
            names, draw = with_what_was_there(before, names, draw)
        photo = read_photo(source.path)
        checked = None if people is None else people_of(people, photo.size, str(source.path))
        boxes = self.given.path.name if self.given else None
        if self.given and source.stem not in self.matched:
            photo = replace(photo, notes=(*photo.notes, f"no box in {boxes}"))
        return _Opened(source, photo, checked, names, draw, wanted, before)

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

"""Many photos, one after the other: what is done is skipped, what fails is told, everything else is finished."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from vitruvian.errors import InputError, UsageError, VitruvianError
from vitruvian.predict.boxes import BoxFile, digest, people_of, read_boxes
from vitruvian.predict.images import read_photo
from vitruvian.predict.pipeline import Predictor
from vitruvian.predict.record import FORMAT, Record
from vitruvian.predict.sources import Problem, Source
from vitruvian.predict.write import ENDINGS, files_of, is_done, is_same, read_record, write_result
from vitruvian.tasks import TASKS
from vitruvian.types import Person


@dataclass(frozen=True)
class Options:
    """How photos are done. tasks: None is all of the model's; boxes: a boxes file instead of the detector."""

    out: Path
    tasks: Sequence[str] | None = None
    boxes: Path | None = None
    draw: bool = True
    overwrite: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one input: its record and where that lies, or the message of what went wrong."""

    name: str
    state: Literal["done", "skipped", "failed"]
    message: str = ""
    record: Record | None = None
    path: Path | None = None


def predict_files(predictor: Predictor, sources: Sequence[Source], options: Options) -> Iterator[Outcome]:
    """One outcome a photo, in order, and one for each problem of the boxes file.
    UsageError for tasks the model has not, and where a result would replace a photo.
    """
    names = predictor.team.choose(options.tasks)
    _protect(sources, options.out)
    given: BoxFile | None = None
    matched: dict[str, str] = {}
    problems: list[Problem] = []
    if options.boxes is not None:
        given = read_boxes(options.boxes)
        matched, problems = given.match(sources)
    yield from (Outcome(problem.name, "failed", problem.message) for problem in problems)
    job = _Job(predictor, options, names, given, matched)
    for source in sources:
        try:
            yield job.do(source)
        except InputError as error:
            yield Outcome(str(source.path), "failed", str(error))
        except VitruvianError:
            raise  # a wrong name or a wrong weights file is so for every photo
        except (MemoryError, torch.OutOfMemoryError):
            yield Outcome(str(source.path), "failed", f"{source.path}: not enough memory. Fix: make the photo smaller.")
        except OSError as error:
            reason = f"{source.path}: the result cannot be written to {options.out} ({error.strerror or error})"
            yield Outcome(str(source.path), "failed", f"{reason}. Fix: free space, or give --out another folder.")
        except Exception as error:  # a defect of ours must not cost the other photos
            told = f"{type(error).__name__}: {error}"
            yield Outcome(
                str(source.path), "failed", f"{source.path}: unexpected {told}. Fix: please report it with this photo."
            )


def _protect(sources: Sequence[Source], out: Path) -> None:
    """Results may lie beside photos, but never in their place."""
    photos = {source.path.resolve() for source in sources}
    for source in sources:
        for ending in ENDINGS.values():
            if (place := (out / f"{source.stem}.{ending}").resolve()) in photos:
                raise UsageError(f"a result of {source.path} would replace the photo {place}. Fix: give --out another folder.")


@dataclass(frozen=True)
class _Job:
    predictor: Predictor
    options: Options
    names: tuple[str, ...]
    given: BoxFile | None
    matched: dict[str, str]

    def do(self, source: Source) -> Outcome:
        path = self.options.out / f"{source.stem}.json"
        people = self._given_people(source)
        fingerprint = self._fingerprint(source.path, people)
        before = self._before(path, source, fingerprint)
        names, draw = self.names, self.options.draw
        if before is not None and is_same(before, fingerprint) and not self.options.overwrite:
            if is_done(before, path.parent, names, draw):
                return Outcome(str(source.path), "skipped", record=before, path=path)
            names, draw = _with_what_was_there(before, names, draw)
        photo = read_photo(source.path)
        checked = None if people is None else people_of(people, photo.size, str(source.path))
        boxes = self.given.path.name if self.given else None
        if self.given and source.stem not in self.matched:
            photo = replace(photo, notes=(*photo.notes, f"no box in {boxes}"))
        result = self.predictor.predict_photo(photo, checked, names, boxes)
        record = write_result(result, self.options.out, source.stem, source.name, fingerprint, draw, before)
        return Outcome(str(source.path), "done", record=record, path=path)

    def _before(self, path: Path, source: Source, fingerprint: dict[str, Any]) -> Record | None:
        """The record of an earlier run; InputError where it is of another photo, or where files of others would be replaced."""
        before = read_record(path)
        made = (before or {}).get("fingerprint")
        if path.exists() and not isinstance(made, dict):
            raise _not_ours(path)
        if made and not self.options.overwrite and all(made.get(k) != fingerprint[k] for k in ("photo", "place")):
            reason = f"{source.path}: {path} is the result of another photo of this name"
            raise InputError(f"{reason}. Fix: give --out another folder, or --overwrite.")
        if path.parent.resolve() == source.path.parent.resolve():
            ours = {path.name, *files_of(before).values()}
            for place in (path.with_name(f"{path.stem}.{ending}") for ending in ENDINGS.values()):
                if place.name not in ours and place.exists():
                    raise _not_ours(place)
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

    def _fingerprint(self, path: Path, people: list[Person] | None) -> dict[str, Any]:
        made = self.predictor.made_by(self.predictor.boxes_from(self.names, self.given.path.name if self.given else None))
        return {
            "format": FORMAT,
            "photo": _photo_hash(path),
            "weights": made.weights,
            "detector": made.detector if people is None else f"boxes {digest(people)}",
            "detector_weights": made.detector_weights,
            "dtype": made.dtype,
            "flip_test": made.flip_test,
            "fit": made.fit,
            "place": hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16],
        }


def _not_ours(path: Path) -> InputError:
    return InputError(f"{path} is not a result of vitruvian and would be replaced. Fix: give --out another folder.")


def _with_what_was_there(before: Record, names: tuple[str, ...], draw: bool) -> tuple[tuple[str, ...], bool]:
    """Tasks and picture asked for together with those of a record of the same photo by the same means: none gets lost."""
    wanted = {*names, *before.get("tasks", ())}
    return tuple(name for name in TASKS if name in wanted), draw or "overlay" in files_of(before)


def _photo_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Allowed: an image file, a folder or a glob pattern.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Fix: check the file and its permissions.") from error

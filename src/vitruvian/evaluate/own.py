"""The user's own labelled photos: a COCO file, boxes given, figures by group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitruvian.data.sources import Coco
from vitruvian.errors import InputError
from vitruvian.evaluate.groups import GivenGroups, by_group
from vitruvian.evaluate.people import Judged, on_photo
from vitruvian.evaluate.photos import Photo, Predictor, predict_subjects


@dataclass
class OwnPhotos:
    """annotations: COCO key points or instances; images: the folder of its file names; groups: a CSV, as in `GivenGroups`.

    `faults` holds a line for every photo that could not be used; the others go on.
    """

    annotations: Path
    images: Path
    groups: Path | None = None
    faults: list[str] = field(default_factory=list)

    def figures(self, predictor: Predictor, limit: int | None = None) -> dict[str, Any]:
        """Grouping -> group -> estimates of everybody labelled on `limit` photos. InputError where that is nobody."""
        given = GivenGroups(self.groups) if self.groups else None
        people = list(self._judged(predictor, given, limit))
        if not people:
            raise InputError(f"{self.annotations}: nobody could be judged. {' '.join(self.faults[:1])}".strip())
        unmet = given.unmet() if given and limit is None else []
        if unmet:
            self.faults.append(f"{self.groups}: {len(unmet)} rows fit nobody, as {unmet[0]}. Fix: names as in the COCO file.")
        return by_group(people)

    def _judged(self, predictor: Predictor, given: GivenGroups | None, limit: int | None) -> Iterator[Judged]:
        source = Coco(self.annotations, self.images)
        for number in range(min(len(source), limit or len(source))):
            try:
                record = source[number]
            except InputError as error:
                self.faults.append(str(error))
                continue
            name = Path(record.path).relative_to(self.images).as_posix()
            photo = Photo("own", record, name, "", "", False)
            for subject in predict_subjects(photo, predictor):
                person = subject.truth.key.rsplit("/", 1)[-1]
                yield on_photo(photo, subject, given.of(name, person) if given else {})

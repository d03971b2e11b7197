"""The user's own labelled photos: a COCO file, boxes given, figures by group."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitruvian.data.sources import Coco
from vitruvian.errors import InputError
from vitruvian.evaluate.groups import EVERYBODY, by_group
from vitruvian.evaluate.people import LABEL_GROUPS, Judged, on_photo
from vitruvian.evaluate.photos import Photo, Predictor, predict_subjects


class GivenGroups:
    """A CSV of the user's own groups: column `photo` (file name), perhaps `person` (annotation id), all others groupings."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: cannot be read ({error}). Fix: give a CSV file.") from error
        self.names = [n for n in (rows[0] if rows else ()) if n and n not in ("photo", "person")]
        if not self.names or "photo" not in rows[0]:
            raise InputError(f"{path}: no groups. Allowed: a CSV with the column photo, perhaps person, and groupings.")
        if taken := {EVERYBODY, *LABEL_GROUPS}.intersection(self.names):
            raise InputError(f"{path}: the labels themselves give {', '.join(sorted(taken))}. Fix: name the column otherwise.")
        self._rows = {(row["photo"] or "", row.get("person") or ""): row for row in rows}
        if len(self._rows) < len(rows):
            raise InputError(f"{path}: a photo or person has two rows. Fix: leave one of them.")
        self._met: set[tuple[str, str]] = set()

    def of(self, photo: str, person: str) -> dict[str, str]:
        """Grouping -> group of annotation `person` on `photo`; its photo's row where it has none of its own."""
        for key in ((photo, person), (photo, "")):
            if key in self._rows:
                self._met.add(key)
                return {n: (self._rows[key][n] or "").strip() or "not given" for n in self.names}
        return dict.fromkeys(self.names, "not given")

    def unmet(self) -> list[str]:
        """The photos (and people) of rows that nobody was found for."""
        return sorted("/".join(filter(None, key)) for key in self._rows.keys() - self._met)


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
            photo = Photo("own", record, record.path, "", "", False)
            for subject in predict_subjects(photo, predictor):
                name, _, person = subject.truth.key.rpartition("/")
                yield on_photo(photo, subject, given.of(name, person) if given else {})

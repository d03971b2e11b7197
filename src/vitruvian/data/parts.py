"""Masks of body parts, as in LIP and CIHP: pictures, and beside each a mask of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vitruvian.data.images import PICTURES, by_stem, check_size, read_ids, read_image
from vitruvian.errors import InputError, UsageError
from vitruvian.types import IGNORE, Array, ImageRecord, Sample
from vitruvian.vocab import class_map, class_set


@dataclass(frozen=True)
class Parts:
    """Pictures STEM.jpg of one folder and masks STEM{suffix}.png of one (perhaps the same), matched by their stems;
    pictures that share one are left out.

    The numbers of the masks are those of `classes` (a class set, by name or TOML file), or of `mapping` (a class map, by name
    or file), which says what each becomes; a number that neither knows makes the picture a bad one. people: folder of masks
    of the same names that number the people from 1 (CIHP's Human_ids); without them a picture is one sample, with the box of
    all its parts.
    """

    images: Path
    masks: Path
    classes: str = "body28"
    mapping: str | None = None
    suffix: str = ""
    people: Path | None = None
    files: tuple[Path, ...] = field(init=False, repr=False)
    problems: tuple[str, ...] = field(init=False, repr=False)
    _table: tuple[int, ...] = field(init=False, repr=False)
    class_set: str = field(init=False)

    def __post_init__(self) -> None:
        for folder in (self.images, self.masks, *([self.people] if self.people else [])):
            if not folder.is_dir():
                raise UsageError(f"{folder} is not a folder. Allowed: a folder of pictures, and one of masks.")
        apart = self.images != self.masks
        found = [p for p in self.images.iterdir() if p.suffix.lower() in PICTURES and (apart or p.suffix != ".png")]
        pictures, doubled = by_stem(found)
        masks = {p.name.removesuffix(f"{self.suffix}.png") for p in self.masks.glob(f"*{self.suffix}.png")}
        files = tuple(p for stem, p in pictures.items() if stem in masks)
        if not files:
            told = f"{self.masks} has no STEM{self.suffix}.png for a picture of {self.images}."
            raise InputError(doubled[0] if doubled else told)
        known, name = self._numbers()
        put = object.__setattr__
        put(self, "files", files)
        put(self, "problems", (*doubled, *self._unmatched({p.stem for p in found}, masks)))
        put(self, "_table", tuple(int(v) for v in known))
        put(self, "class_set", name)

    def __len__(self) -> int:
        return len(self.files)

    def photo(self, index: int) -> tuple[Array, str]:
        """One picture (H, W, 3) and its path, without its labels."""
        return read_image(self.files[index]), str(self.files[index])

    def __iter__(self) -> Iterator[ImageRecord]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> ImageRecord:
        path = self.files[index]
        image = read_image(path)
        classes = self._classes(path, image.shape)
        people = tuple(
            Sample(image, _outline(mask), f"{path.name}/{n}", mask, float(mask.sum()), classes=classes)
            for n, mask in self._masks(path, classes)
        )
        return ImageRecord(index, (image.shape[0], image.shape[1]), str(path), people)

    @property
    def samples(self) -> int:
        """How many pictures there are."""
        return len(self.files)

    def sample(self, number: int) -> Sample:
        """A picture with the parts of everybody in it; the box is that of all parts. InputError for an empty mask."""
        path = self.files[number]
        image = read_image(path)
        classes = self._classes(path, image.shape)
        mask = classes_of_people(classes)
        if not mask.any():
            raise InputError(f"{self._mask_file(self.masks, path)}: an empty mask: nothing but background.")
        return Sample(image, _outline(mask), path.name, mask, float(mask.sum()), classes=classes)

    def _numbers(self) -> tuple[Array, str]:
        if self.mapping is not None:
            found = class_map(self.mapping)
            return found.table(), found.target
        names = class_set(self.classes)
        table = np.full(256, -1)
        table[: len(names)] = np.arange(len(names))
        table[IGNORE] = IGNORE
        return table, names.name

    def _unmatched(self, pictures: set[str], masks: set[str]) -> Iterator[str]:
        yield from (
            f"{self.images / stem}: no mask {stem}{self.suffix}.png in {self.masks}" for stem in sorted(pictures - masks)
        )
        yield from (f"{self.masks / stem}{self.suffix}.png: no picture in {self.images}" for stem in sorted(masks - pictures))

    def _mask_file(self, folder: Path, picture: Path) -> Path:
        return folder / f"{picture.stem}{self.suffix}.png"

    def _classes(self, picture: Path, size: tuple[int, ...]) -> Array:
        """(H, W) uint8 ids of the class set. InputError for numbers that nothing stands for."""
        path = self._mask_file(self.masks, picture)
        ids = check_size(read_ids(path), size, path, picture)
        table = np.array(self._table)
        unknown = [int(i) for i in np.unique(ids) if table[i] < 0]
        if unknown:
            told = (
                f"the class map {self.mapping}"
                if self.mapping
                else f"{self.classes}, with {len(class_set(self.classes))} classes"
            )
            raise InputError(f"{path}: ids {', '.join(map(str, unknown[:8]))} are not of {told}. Fix: give another class map.")
        out: Array = table[ids].astype(np.uint8)
        return out

    def _masks(self, picture: Path, classes: Array) -> list[tuple[int, Array]]:
        if self.people is None:
            mask = classes_of_people(classes)
            return [(1, mask)] if mask.any() else []
        path = self._mask_file(self.people, picture)
        numbers = check_size(read_ids(path), classes.shape, path, picture)
        return [(int(n), numbers == n) for n in np.unique(numbers) if n not in (0, IGNORE)]


def classes_of_people(classes: Array) -> Array:
    """(H, W) bool: pixels of any class but background; what is ignored belongs to somebody as a rule."""
    out: Array = classes > 0
    return out


def _outline(mask: Array) -> Array:
    """Box xyxy (4,) float32 around a mask that is not empty."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)

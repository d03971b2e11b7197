"""Readers: files of labels -> image records and samples. Each reads one photo at a time, when it is asked for, holds paths and
no open files, and pickles. A new layout is one reader, and one line in `data.layouts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from vitruvian.data.coco import Coco, named_points
from vitruvian.data.gbuffer import SKELETONS, WHOLE, GBuffer, gbuffer_files, read_gbuffer
from vitruvian.data.images import PICTURES, read_image
from vitruvian.data.loader import Example, Target
from vitruvian.data.maps import Maps
from vitruvian.data.parts import Parts
from vitruvian.errors import InputError, UsageError, unknown_name
from vitruvian.types import Array, ImageRecord, Sample

__all__ = ["Coco", "Folder", "Maps", "Parts", "Source", "Synthetic", "Views", "named_points", "read_image", "whole_picture"]


class Source(Protocol):
    """What every reader offers. A photo that cannot be used raises InputError when it is read, naming file and field."""

    @property
    def samples(self) -> int:
        """How many samples there are to train on."""

    def sample(self, number: int) -> Sample:
        """One of them: a person, or a whole photo where the layout knows no people."""

    def __len__(self) -> int:
        """How many photos there are."""

    def photo(self, index: int) -> tuple[Array, str]:
        """One photo (H, W, 3) uint8 RGB and its path or key, without its labels."""

    def __getitem__(self, index: int) -> ImageRecord:
        """One photo with its people, to evaluate."""


@dataclass(frozen=True)
class Views:
    """A source as examples for the loader: `view(sample, rng)` makes the input picture (H, W, 3) uint8 and its targets.

    It must pickle, so `view` is a function of a module or a dataclass with `__call__`.
    """

    source: Source
    view: Callable[[Sample, np.random.Generator], tuple[Array, Target]]

    def __len__(self) -> int:
        return self.source.samples

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """One sample, seen as `rng` has it."""
        sample = self.source.sample(index)
        image, target = self.view(sample, rng)
        return image, target, sample.key

    @property
    def groups(self) -> Sequence[int] | None:
        """How many samples lie together (in a shard), None where it is all one."""
        return getattr(self.source, "groups", None)

    @property
    def problems(self) -> tuple[str, ...]:
        """What the reader knows to be wrong before anything is read."""
        return getattr(self.source, "problems", ())


def whole_picture(image: Array, key: str) -> Sample:
    """A photo as one sample without labels; its box is the photo."""
    return Sample(image, np.array([0, 0, image.shape[1], image.shape[0]], np.float32), key)


@dataclass(frozen=True)
class Synthetic:
    """A folder that `vitruvian synth` wrote: `source[i]` is one frame with all its labels.

    Frames are those of gbuffers/; the picture is the drawn JPEG. Without drawn pictures use `frame` and draw one.
    skeleton: of the key points, wholebody133 or sapiens308.
    """

    folder: Path
    skeleton: str = WHOLE
    files: tuple[Path, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.skeleton not in SKELETONS:
            raise unknown_name("skeleton of synthetic people", self.skeleton, SKELETONS)
        object.__setattr__(self, "files", gbuffer_files(self.folder))

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[ImageRecord]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> ImageRecord:
        image, path = self.photo(index)
        frame = self.frame(index)
        if image.shape[:2] != frame.size:
            raise InputError(f"{path}: {image.shape[:2]} px (H, W), but its G-buffer has {frame.size}. Generate the set again.")
        people = tuple(frame.sample(i, image, self.skeleton) for i in range(len(frame.people)))
        return ImageRecord(index, frame.size, path, people)

    @property
    def samples(self) -> int:
        """How many frames there are."""
        return len(self.files)

    def sample(self, number: int) -> Sample:
        """The largest person of one frame. InputError where nobody is seen."""
        record = self[number]
        if not record.people:
            raise InputError(f"{record.path} shows nobody.")
        return max(record.people, key=lambda who: who.area or 0)

    def photo(self, index: int) -> tuple[Array, str]:
        """One drawn picture (H, W, 3) and its path. InputError where there is none."""
        path = self.picture(index)
        if path is None:
            raise InputError(f"{self.folder}: frame {index} has no drawn picture. Fix: run synth with images.")
        return read_image(path), str(path)

    def frame(self, index: int) -> GBuffer:
        """The geometry of one frame."""
        return read_gbuffer(self.files[index])

    def picture(self, index: int) -> Path | None:
        """The drawn picture of one frame, None where there is none."""
        path = self.folder / "images" / f"{self.files[index].stem}.jpg"
        return path if path.is_file() else None


@dataclass(frozen=True)
class Folder:
    """The photos below a folder, without labels, sorted by path."""

    folder: Path
    files: tuple[Path, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise UsageError(f"{self.folder} is not a folder. Allowed: a folder of photos ({', '.join(PICTURES)}).")
        files = (p for p in self.folder.rglob("*") if p.suffix.lower() in PICTURES and not p.name.startswith("."))
        object.__setattr__(self, "files", tuple(sorted(files)))

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[ImageRecord]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> ImageRecord:
        image, path = self.photo(index)
        return ImageRecord(index, (image.shape[0], image.shape[1]), path)

    def photo(self, index: int) -> tuple[Array, str]:
        """One photo (H, W, 3) and its path."""
        return read_image(self.files[index]), str(self.files[index])

    @property
    def samples(self) -> int:
        """How many photos there are."""
        return len(self.files)

    def sample(self, number: int) -> Sample:
        """The whole photo, without labels."""
        return whole_picture(read_image(self.files[number]), str(self.files[number]))

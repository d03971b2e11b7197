"""Labelled people and photos as training examples: cropped, changed, and with the targets of every task."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from vitruvian import vocab
from vitruvian.data.augment import Augment, Backdrops, cover, frame_crop, outline, person_crop, photometric, soften
from vitruvian.data.gbuffer import SKELETONS
from vitruvian.data.layouts import class_set_of, labelled, open_source
from vitruvian.data.loader import Example
from vitruvian.data.sources import Source, Synthetic
from vitruvian.errors import InputError, UsageError
from vitruvian.geometry import warp, warp_area
from vitruvian.tasks.base import Task
from vitruvian.types import Array, Crop, ModelSpec, Sample

TRIES = 1000  # samples drawn for one that teaches something


@dataclass(frozen=True)
class Labelled:
    """Several sources of samples, one after the other; `names` as the user gave them."""

    parts: tuple[Source, ...]
    names: tuple[str, ...]
    _ends: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ends", tuple(accumulate(part.samples for part in self.parts)))

    @property
    def samples(self) -> int:
        """Of all of them."""
        return self._ends[-1]

    def sample(self, number: int) -> Sample:
        """One person, or one photo."""
        part = bisect_right(self._ends, number)
        return self.parts[part].sample(number - (self._ends[part - 1] if part else 0))

    @property
    def groups(self) -> tuple[int, ...] | None:
        """How many samples lie together (in a shard); None where nothing does."""
        if not any(hasattr(part, "groups") for part in self.parts):
            return None
        return tuple(size for part in self.parts for size in getattr(part, "groups", (part.samples,)))

    @property
    def problems(self) -> tuple[str, ...]:
        """What readers know to be wrong before anything is read."""
        return tuple(told for part in self.parts for told in getattr(part, "problems", ()))

    @property
    def tasks(self) -> frozenset[str]:
        """What at least one of them has labels for."""
        return frozenset(task for part in self.parts for task in labelled(part))

    def check_classes(self, answers_in: str) -> None:
        """UsageError where part ids of a source are not those of the class set that the model answers in."""
        for name, part in zip(self.names, self.parts, strict=True):
            if (labels := class_set_of(part)) not in (None, answers_in):
                told = f"{name} is labelled in {labels}, and the seg head answers in {answers_in}"
                fix = f"--classes of the labels, or mapping = a class map to {answers_in} in the TOML of the source"
                raise UsageError(f"{told}. Fix: {fix}.")

    def digest(self) -> str:
        """Names and sizes in one hash: data that have changed must not go into a run begun with others."""
        digest = hashlib.sha256()
        for name, part in zip(self.names, self.parts, strict=True):
            digest.update(f"{Path(name).name} {part.samples}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()[:16]


def open_labelled(given: Sequence[str], skeleton: str | None) -> Labelled:
    """The sources that a user names (see `vitruvian data list`). skeleton: a TOML file, which COCO files are then read with, or
    a packaged one, whose points are found by their names in whatever the source has.

    UsageError for a source without labels or samples.
    """
    if not given:
        raise UsageError("no labelled data given. Allowed: one or more sources (see `vitruvian data list`).")
    own = vocab.skeleton(skeleton).name if skeleton is not None and skeleton.endswith(".toml") else None
    opened = [open_source(text, own if text.endswith(".json") else None) for text in given]
    for text, found in zip(given, opened, strict=True):
        if found.kind in ("photos", "shards"):
            raise UsageError(f"{text}: {found.kind} without labels. Allowed: labelled data (see `vitruvian data list`).")
        if not found.source.samples:
            raise UsageError(f"{text}: nobody to train on. Fix: `vitruvian data check {text}` says why.")
    return Labelled(tuple(_with_all_points(found.source, skeleton) for found in opened), tuple(given))


def _with_all_points(source: Source, skeleton: str | None) -> Source:
    """Synthetic people have two sets of points; of the larger one not all are in the other."""
    if isinstance(source, Synthetic) and skeleton in SKELETONS:
        return replace(source, skeleton=skeleton)
    return source


@dataclass(frozen=True)
class Lessons:
    """Samples as examples for the loader. definitions: tables of users' own sets, made known again wherever this is unpickled.

    A sample that teaches no task enough (see `Objective.usable`) gives way to another one drawn at random, as officially.
    """

    labelled: Labelled
    tasks: tuple[Task, ...]
    spec: ModelSpec
    augment: Augment
    backdrops: Backdrops | None = None
    definitions: tuple[Mapping[str, Any], ...] = ()

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
        for table in self.definitions:
            vocab.define(table, "the run")

    def __len__(self) -> int:
        return self.labelled.samples

    @property
    def groups(self) -> tuple[int, ...] | None:
        """Those of the sources."""
        return self.labelled.groups

    @property
    def problems(self) -> tuple[str, ...]:
        """Those of the sources."""
        return self.labelled.problems

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """One sample, seen as `rng` has it. InputError where no sample in twenty could be used."""
        first = ""
        for _ in range(TRIES):
            sample = self.labelled.sample(index)
            first = first or sample.key
            crop = self._crop(sample, rng)
            target: dict[str, dict[str, Tensor]] = {task.name: task.encode(sample, crop, self.spec) for task in self.tasks}
            if any(task.usable(target[task.name]) for task in self.tasks):
                return self._picture(sample, crop, rng), target, sample.key
            index = int(rng.integers(len(self)))
        names = ", ".join(task.name for task in self.tasks)
        raise InputError(f"{first} and {TRIES - 1} others drawn in its place have too few labels for {names}.")

    def _crop(self, sample: Sample, rng: np.random.Generator) -> Crop:
        of_people = self.spec.fit in ("affine", "lite")
        return (person_crop if of_people else frame_crop)(sample, self.augment, self.spec, rng)

    def _picture(self, sample: Sample, crop: Crop, rng: np.random.Generator) -> Array:
        image = (warp_area if self.spec.resample == "area" else warp)(sample.image, crop)
        people = outline(sample) if rng.random() < self.augment.background else None
        if self.backdrops is not None and people is not None:
            person = warp(people.astype(np.uint8), crop, nearest=True) > 0
            inside = warp(np.ones(people.shape, np.uint8), crop, nearest=True) > 0
            image = self.backdrops.behind(image, person, inside, rng)
        image = soften(photometric(image, self.augment, rng), self.augment, rng)
        return np.ascontiguousarray(cover(image, self.augment, rng))

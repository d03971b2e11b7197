"""What is known about one photo: per person, and composed over the whole frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from vitruvian.predict.compose import Frame, compose
from vitruvian.types import Array, Classes, Depth, Keypoints, Normals, Person, Prediction, Value


@dataclass(frozen=True)
class PersonResult:
    """One person: task name -> prediction (points in source px, maps on the crop's frame)."""

    person: Person
    predictions: Mapping[str, Prediction]

    @property
    def keypoints(self) -> Keypoints | None:
        """The pose, if it was asked for."""
        value = self._value("pose")
        return value if isinstance(value, Keypoints) else None

    @property
    def parts(self) -> Classes | None:
        """Body parts on the crop's frame, if asked for."""
        value = self._value("seg")
        return value if isinstance(value, Classes) else None

    @property
    def depth(self) -> Depth | None:
        """Depth on the crop's frame, if asked for."""
        value = self._value("depth")
        return value if isinstance(value, Depth) else None

    @property
    def normals(self) -> Normals | None:
        """Normals on the crop's frame, if asked for."""
        value = self._value("normal")
        return value if isinstance(value, Normals) else None

    def _value(self, task: str) -> Value | None:
        prediction = self.predictions.get(task)
        return prediction.value if prediction else None


@dataclass(frozen=True)
class Provenance:
    """Who said it: model and detector by name and by the hash of their files, the place and precision of the sums, and whether
    the mirrored photo was asked too, how photos were fitted to the models and what ran them. selection: which people were asked
    for, where not all (see `Selection`)."""

    model: str
    weights: str
    licence: str
    detector: str
    detector_weights: str | None
    device: str
    dtype: str
    flip_test: bool = False
    fit: str = "auto"
    engine: str = "eager"
    selection: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageResult:
    """The people of one photo, surest first as the detector gave them (or in the order of the given boxes).

    image (H, W, 3) uint8 RGB as it was read (upright); tasks: those that were asked for; whole: what models that see the whole
    frame at once said of it, task name -> prediction.
    """

    image: Array
    people: tuple[PersonResult, ...]
    tasks: tuple[str, ...]
    made_by: Provenance
    notes: tuple[str, ...] = ()
    whole: Mapping[str, Prediction] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.image.shape[0], self.image.shape[1]

    @cached_property
    def frame(self) -> Frame:
        """Maps over the whole photo: who owns each pixel, parts, depth, normals."""
        return compose([(person.person, person.predictions) for person in self.people], self.size, self.whole)

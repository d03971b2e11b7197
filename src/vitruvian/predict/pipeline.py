"""A photo in, its people understood: detect, crop, one backbone pass, decode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, overload

import numpy as np
from PIL import Image

from vitruvian import weights
from vitruvian.device import Compute, choose_compute
from vitruvian.errors import InputError, UsageError
from vitruvian.predict.boxes import people_of
from vitruvian.predict.detect import PHOTOS_AT_ONCE, Detector, check_detector, choose_detector, detect_many
from vitruvian.predict.engine import check_engine
from vitruvian.predict.images import Photo, from_array, from_pillow, read_photo
from vitruvian.predict.network import Network, Team
from vitruvian.predict.result import ImageResult, PersonResult, Provenance
from vitruvian.predict.selection import USUAL, Selection
from vitruvian.types import Array, Person

Picture: TypeAlias = "str | Path | Array | Image.Image"
Boxes: TypeAlias = "Sequence[Person] | Array"
DEFAULT_MODEL = "vitruvian-s"
NOBODY_SOUGHT = "none: the whole frame is seen as one"
MASK_TASK = "seg"  # says where a person is; runs along with the dense tasks, for the price of its head


def load(
    model: str | Path | Sequence[str | Path] = DEFAULT_MODEL,
    *,
    detector: str = "auto",
    device: str = "auto",
    dtype: str = "auto",
    flip_test: bool | None = None,
    fit: str = "auto",
    engine: str = "eager",
    min_score: float | None = None,
    nms: float | None = None,
    max_people: int | None = None,
    oks_nms: float | None = None,
) -> Predictor:
    """A reusable predictor of a packaged model's name or of a weights file, or of several that answer different tasks.

    detector: `auto`, `cascade`, `person`, `hog`, `whole-image`, a .safetensors file, or one of transformers (a folder,
    hub:OWNER/NAME);
    device: `auto`, `cpu`, `cuda`, `mps`; dtype: `auto`, `fp32`, `bf16`;
    flip_test: the mean of the photo's answer and its mirror image's, in twice the time; as the model's card says where None;
    fit: how dense models see a photo, `auto` (as trained), `affine` (a crop for each person), `pad` or `stretch` (the whole
    frame), or `lite` for all models (as the official lite release);
    engine: `eager`, `compile` for long jobs, `openvino` where it is installed, or `pruned` (see `predict.prune`).
    min_score, nms, max_people, oks_nms: which people stay, found or given; see `Selection`.
    Raises UsageError for an unknown name or an absent device, WeightsError for a file that does not fit.
    """
    selection = Selection(min_score, nms, max_people, oks_nms)
    check_detector(detector, selection)
    compute = choose_compute(device, dtype)
    check_engine(engine, compute)
    models = [model] if isinstance(model, str | Path) else list(model)
    if not models:
        raise UsageError("no model given. Allowed: one or more names or files.")
    loaded = [weights.load(name, kind="people") for name in models]
    return Predictor(loaded, detector, compute, flip_test, fit, engine, selection)


class Predictor:
    """Loaded models and a detector; `predict` any number of times. The detector is loaded when it is first needed."""

    def __init__(
        self,
        loaded: Sequence[weights.Loaded],
        detector: str,
        compute: Compute,
        flip_test: bool | None = None,
        fit: str = "auto",
        engine: str = "eager",
        selection: Selection = USUAL,
    ) -> None:
        self.cards = tuple(one.card for one in loaded)
        self.compute = compute
        self.fit, self.engine, self.selection = fit, engine, selection
        self.team = Team([Network(one, compute, flip_test, fit, engine) for one in loaded])
        self.flip_test = any(network.flip_test for network in self.team.networks)
        self._detector_name = detector
        self._detector: Detector | None = None

    @property
    def name(self) -> str:
        """The models' names."""
        return " + ".join(card.spec.name for card in self.cards)

    @property
    def weights(self) -> str:
        """The hashes of the models' files."""
        return " + ".join(network.hash for network in self.team.networks)

    @property
    def detector(self) -> Detector:
        """The detector, loaded on first use."""
        if self._detector is None:
            self._detector = choose_detector(self._detector_name, self.compute, self.selection)
        return self._detector

    @overload
    def predict(self, source: Picture, *, boxes: Boxes | None = None, tasks: Sequence[str] | None = None) -> ImageResult: ...
    @overload
    def predict(
        self,
        source: list[Picture] | tuple[Picture, ...],
        *,
        boxes: Sequence[Boxes] | None = None,
        tasks: Sequence[str] | None = None,
    ) -> list[ImageResult]: ...
    @overload
    def predict(
        self, source: Iterator[Picture], *, boxes: Iterable[Boxes] | None = None, tasks: Sequence[str] | None = None
    ) -> Iterator[ImageResult]: ...

    def predict(self, source, *, boxes=None, tasks=None):  # type: ignore[no-untyped-def]
        """Photo(s) -> result(s). A list gives a list; an iterator of frames gives an iterator, one frame at a time.

        source: a path, (H, W, 3) uint8 RGB, or a Pillow image. boxes: xyxy source px, (N, 4), (N, 5) with scores, or people;
        with them the detector does not run (for several photos: one entry each). tasks: all of the model's by default.
        """
        if isinstance(tasks, str):
            raise UsageError(f"tasks={tasks!r} is a string. Allowed: a list of names, as in tasks=[{tasks!r}].")
        names = self.choose(tasks)
        if isinstance(source, str | Path | np.ndarray | Image.Image):
            return self._one(source, boxes, names)
        if isinstance(source, list | tuple):
            return self._listed(source, names) if boxes is None else list(self._many(iter(source), boxes, names))
        if isinstance(source, Iterator):
            return self._many(source, boxes, names)
        raise InputError(
            f"a source of type {type(source).__name__}. Allowed: a path, RGB array, Pillow image, list or iterator of these."
        )

    def choose(self, tasks: Sequence[str] | None) -> tuple[str, ...]:
        """The tasks asked for, in order; all that the models have where none is named. UsageError for what cannot be done."""
        names = self.team.choose(tasks)
        if self.selection.oks_nms is not None and "pose" not in names:
            raise UsageError(f"oks-nms compares poses, and the tasks are {', '.join(names)}. Fix: add pose, or leave it out.")
        return names

    def predict_photo(
        self,
        photo: Photo,
        people: Sequence[Person] | None,
        names: tuple[str, ...],
        detector: str | None = None,
        found: Sequence[Person] | None = None,
    ) -> ImageResult:
        """One photo already read. people: checked boxes, or None to detect; detector: the name to tell for given boxes;
        found: what `find` has already said of the photo."""
        given = self.boxes_from(names, None if people is None else detector or "user boxes")
        if people is not None:
            found = self.selection.of(people)
        elif found is None:
            (found,) = self.find([photo], given)
        return self.predict_photos([photo], [found], names, given)[0]

    def find(self, photos: Sequence[Photo], given: str | None = None) -> list[list[Person]]:
        """The people of each photo by the detector; nobody where boxes come from elsewhere (see `boxes_from`)."""
        return [[] for _ in photos] if given else detect_many(self.detector, [photo.pixels for photo in photos])

    def predict_photos(
        self, photos: Sequence[Photo], people: Sequence[Sequence[Person]], names: tuple[str, ...], detector: str | None = None
    ) -> list[ImageResult]:
        """Several photos at once, their people known; detector: where the boxes come from, if not from the detector."""
        persons, frames = self.team.run([photo.pixels for photo in photos], people, self._with_mask(names))
        made_by = self.made_by(detector)
        return [
            self._without_twins(
                ImageResult(photo.pixels, tuple(map(PersonResult, found, values)), names, made_by, photo.notes, whole)
            )
            for photo, found, values, whole in zip(photos, people, persons, frames, strict=True)
        ]

    def boxes_from(self, names: tuple[str, ...], given: str | None = None) -> str | None:
        """Where boxes come from if not from the detector: as given, or from nowhere if none of these tasks needs them."""
        return given or (None if self.team.sees_people(self._with_mask(names)) else NOBODY_SOUGHT)

    def made_by(self, given_boxes: str | None = None) -> Provenance:
        """Who answers. given_boxes: where the boxes come from, if not from the detector."""
        return Provenance(
            model=self.name,
            weights=self.weights,
            licence=", ".join(dict.fromkeys(card.licence for card in self.cards)),
            detector=given_boxes or self.detector.name,
            detector_weights=None if given_boxes else self.detector.weights,
            device=self.compute.device.type,
            dtype=self.compute.dtype_name,
            flip_test=self.flip_test,
            fit=self.fit,
            engine=self.engine,
            selection=self.selection.given,
        )

    def _without_twins(self, result: ImageResult) -> ImageResult:
        """Without those whose pose is another's, and a note of how many these were."""
        if "pose" not in result.tasks:  # a pass over a video for its depths alone
            return result
        kept = self.selection.without_twins(result.people)
        if len(kept) == len(result.people):
            return result
        note = f"{len(result.people) - len(kept)} of {len(result.people)} left out, whose pose is another's"
        return replace(result, people=tuple(kept), notes=(*result.notes, note))

    def _with_mask(self, names: tuple[str, ...]) -> tuple[str, ...]:
        wanted = set(names) - {"pose"} and MASK_TASK in self.team.by_task
        return tuple(dict.fromkeys([*names, MASK_TASK])) if wanted else names

    def _one(self, source: Picture, boxes: Boxes | None, names: tuple[str, ...]) -> ImageResult:
        photo, where = _photo(source)
        people = None if boxes is None else people_of(boxes, photo.size, where)
        return self.predict_photo(photo, people, names)

    def _listed(self, sources: Sequence[Picture], names: tuple[str, ...]) -> list[ImageResult]:
        given, out = self.boxes_from(names), list[ImageResult]()
        step = PHOTOS_AT_ONCE[self.compute.device.type]
        for start in range(0, len(sources), step):
            photos = [_photo(source)[0] for source in sources[start : start + step]]
            out += self.predict_photos(photos, self.find(photos, given), names, given)
        return out

    def _many(self, sources: Iterator[Picture], boxes: Iterable[Boxes] | None, names: tuple[str, ...]) -> Iterator[ImageResult]:
        if boxes is None:
            for source in sources:
                yield self._one(source, None, names)
            return
        given = iter(boxes)
        for source in sources:
            entry = next(given, None)
            if entry is None:
                raise InputError(
                    "fewer entries of boxes than photos. Allowed: one for each photo, an empty one where nobody is."
                )
            yield self._one(source, entry, names)
        if next(given, None) is not None:
            raise InputError("more entries of boxes than photos. Allowed: one for each photo.")


def _photo(source: Picture) -> tuple[Photo, str]:
    if isinstance(source, np.ndarray):
        return from_array(source), "image"
    if isinstance(source, Image.Image):
        return from_pillow(source), "image"
    return read_photo(source), str(source)

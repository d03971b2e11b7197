"""The verb `features`: what an encoder makes of a photo, one vector a patch, for probes, retrieval and heads of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn

from vitruvian import weights
from vitruvian.device import Compute, choose_compute
from vitruvian.errors import InputError, UsageError, unknown_name
from vitruvian.geometry import make_crop
from vitruvian.predict.boxes import BoxFile, people_of, read_boxes
from vitruvian.predict.engine import views_at_once
from vitruvian.predict.images import Photo, read_photo
from vitruvian.predict.network import input_of
from vitruvian.predict.outputs import Outputs
from vitruvian.predict.record import Record, to_text
from vitruvian.predict.sources import Source, find_sources
from vitruvian.predict.write import npy_bytes
from vitruvian.types import Array, Crop, ModelSpec, Person

View: TypeAlias = Literal["pad", "stretch", "photo"]
VIEWS = get_args(View)
MOST_CELLS = 16384  # of a photo in its own size: attention compares each with each
MEANING = "x, y of the photo = to_photo x (column, row, 1), the middle of a cell; cells outside the photo saw black"


class Encoder:
    """A loaded backbone on its device, of a model of people, a detector or a pretraining model."""

    def __init__(self, loaded: weights.Loaded, compute: Compute) -> None:
        self.card, self.hash, self.spec, self.compute = loaded.card, loaded.hash, loaded.card.spec, compute
        self.backbone: nn.Module = loaded.model.backbone.to(compute.device, compute.dtype).eval()

    @torch.inference_mode()
    def encode(self, image: Array, crops: Sequence[Crop]) -> Array:
        """Photo (H, W, 3) uint8 and crops of one size -> (N, rows, columns, C) float32, after the last norm."""
        step = views_at_once(self.spec, self.compute)
        out = [self._pass(input_of(image, crops[i : i + step], self.spec)) for i in range(0, len(crops), step)]
        empty = np.zeros((0, *self.spec.grid, self.spec.dim), np.float32)
        return np.concatenate(out) if out else empty

    def _pass(self, pixels: Tensor) -> Array:
        features = cast(Tensor, self.backbone(pixels.to(self.compute.device, self.compute.dtype)))
        return features.float().permute(0, 2, 3, 1).contiguous().cpu().numpy()


def run(
    sources: Sequence[str],
    out: Path,
    model: str = "vitruvian-s",
    boxes: Path | None = None,
    fit: str = "pad",
    device: str = "auto",
    dtype: str = "auto",
    overwrite: bool = False,
) -> int:
    """Write STEM.features.npy and .json of every photo. Returns 0, or 1 if an input failed.

    fit: how the whole frame is seen, see `whole_crop`; with boxes each person is seen instead, as the model was trained.
    UsageError for wrong arguments, WeightsError for a file that is no model, InputError for an unusable boxes file.
    """
    if fit not in VIEWS:
        raise unknown_name("fit", fit, VIEWS)
    if boxes is not None and fit != "pad":
        raise UsageError(f"--boxes and --fit {fit} exclude each other: people are seen as the model was trained.")
    found, problems = find_sources(sources, out)
    encoder = Encoder(weights.load(model), choose_compute(device, dtype))
    given = None if boxes is None else read_boxes(boxes)
    matched, strangers = given.match(found) if given else ({}, [])
    outputs = Outputs(overwrite)
    for problem in [*problems, *strangers]:
        outputs.fail(problem.message)
    print(f"{encoder.spec.name} ({encoder.hash[:8]}) on {encoder.compute}")
    for source in found:
        with outputs.attempt(str(source.path)):
            photo = read_photo(source.path)
            if given is not None and source.stem not in matched:
                photo = replace(photo, notes=(*photo.notes, f"no box in {given.path.name}"))
            people = None if given is None else _people(given, matched.get(source.stem), source, photo)
            values, record = features_of(encoder, photo, source.name, people, cast(View, fit))
            place = PurePosixPath(source.stem)
            record["features"] = f"{place.name}.features.npy"
            contents = {record["features"]: npy_bytes(values), f"{place.name}.features.json": (to_text(record) + "\n").encode()}
            outputs.write(out / place.parent, contents, str(source.path))
            print(
                f"{source.path}: {' x '.join(map(str, values.shape))} -> {out / place.parent / record['features']}", flush=True
            )
    return outputs.end(out=out)


def features_of(
    encoder: Encoder, photo: Photo, name: str, people: Sequence[Person] | None = None, fit: View = "pad"
) -> tuple[Array, Record]:
    """(rows, columns, C) float32 of the whole frame, or (N, rows, columns, C) of people; and what the grid means."""
    spec = encoder.spec
    if people is None:
        crops = [whole_crop(photo.size, spec, fit)]
    else:
        crops = [make_crop(person.box, spec.size, photo.size, "affine", spec.box_padding) for person in people]
    values = encoder.encode(photo.pixels, crops)
    height, width = photo.size
    record: dict[str, Any] = {
        "format": 1,
        "image": {"file": name, "width": width, "height": height, "notes": list(photo.notes)},
        "made_by": {
            "model": spec.name,
            "weights": encoder.hash,
            "licence": encoder.card.licence,
            "device": encoder.compute.device.type,
            "dtype": encoder.compute.dtype_name,
        },
        "values": "output of the backbone after its last norm, float32; the class token is left out",
        "shape": list((values if people is not None else values[0]).shape),
        "fit": fit if people is None else "affine",
        "cell": f"{spec.patch} x {spec.patch} pixels of the input",
        "meaning": MEANING,
        "views": [_view(crop, spec, None if people is None else people[i]) for i, crop in enumerate(crops)],
    }
    return (values if people is not None else values[0]), record


def whole_crop(size: tuple[int, int], spec: ModelSpec, fit: View) -> Crop:
    """How the whole frame (H, W) is seen: `pad` fits it into the model's input and keeps its aspect, `stretch` fills the input,
    `photo` leaves it in its own size, filled up to a multiple of the patch. InputError for a photo too large for that.
    """
    if fit != "photo":
        return make_crop(np.zeros(4), spec.size, size, fit)
    rows, columns = (-(-side // spec.patch) for side in size)
    if rows * columns > MOST_CELLS:
        told = f"{columns}x{rows} cells"
        raise InputError(
            f"{told} are too many for --fit photo. Allowed: {MOST_CELLS}. Fix: make the photo smaller, or --fit pad."
        )
    return Crop(np.eye(2, 3), (rows * spec.patch, columns * spec.patch), size)


def to_photo(crop: Crop, spec: ModelSpec) -> Array:
    """(2, 3) matrix: (column, row) of a cell -> the middle of its patch in photo pixels."""
    start = (spec.patch - 1) / 2 - spec.padding
    cells = np.array([[spec.patch, 0, start], [0, spec.patch, start], [0, 0, 1]], np.float64)
    out: Array = crop.inverse @ cells
    return out


def _view(crop: Crop, spec: ModelSpec, person: Person | None) -> Record:
    rows = [[round(float(v), 6) for v in row] for row in to_photo(crop, spec)]
    box = {} if person is None else {"box": [round(float(v), 2) for v in person.box], "score": round(person.score, 4)}
    return {**box, "to_photo": rows}


def _people(given: BoxFile, name: str | None, source: Source, photo: Photo) -> list[Person]:
    if name is None:
        return []
    if wrong := given.wrong.get(name):
        raise InputError(wrong[0])
    return people_of(given.people[name], photo.size, str(source.path))

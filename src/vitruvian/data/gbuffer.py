"""A G-buffer: everything the geometry of a synthetic frame fixes, before light and colour are chosen.

Written once by `synth`, read many times in training, where appearance is drawn anew for every view.
One `.npz` file a frame; exact labels, small on disk (empty regions compress away).
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.errors import InputError
from vitruvian.types import Array, Sample

FORMAT = 1
SKELETONS = WHOLE, FINE = ("wholebody133", "sapiens308")  # the key points of a person, also the names of its fields

# What the eye sees at a pixel, decided by geometry; its colour and texture are drawn later. Files hold the numbers, so every
# name keeps its place, `mouth` (the inner walls) too, which no geometry has yet.
MATERIALS = (
    "background", "skin", "lips", "brow", "beard", "nail", "sclera", "iris", "pupil", "lash", "mouth", "teeth", "tongue",
    "hair", "upper_cloth", "lower_cloth", "shoe", "sock", "apparel", "furniture", "outer_cloth", "headwear",
)  # fmt: skip
MATERIAL = {name: i for i, name in enumerate(MATERIALS)}


@dataclass(frozen=True)
class SynthPerson:
    """One synthetic person. box (4,) float32 xyxy px of the visible mask; keypoints (K, 3) x, y, visibility 0/1/2
    (0 = not defined or out of the frame, 1 = hidden, 2 = seen); info: gender, age, framing, pose, ..."""

    box: Array
    wholebody133: Array
    sapiens308: Array
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GBuffer:
    """One frame. person (H, W) uint8: 0 background, i = people[i - 1]; material (H, W) uint8, index of MATERIALS
    (where no person is: background, or furniture that stands before people);
    part (H, W) uint8, body28 ids; depth (H, W) float32 metres, NaN background; normal (H, W, 3) float32 unit vectors in
    camera axes (+x right, +y down, +z forward), facing the camera, NaN background; rest (H, W, 3) float32 metres:
    where the pixel lies on the unposed template, for solid textures, NaN background; intrinsics (3, 3) float64."""

    person: Array
    material: Array
    part: Array
    depth: Array
    normal: Array
    rest: Array
    intrinsics: Array
    people: tuple[SynthPerson, ...]
    key: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the frame."""
        height, width = self.person.shape
        return height, width

    def sample(self, index: int, image: Array, skeleton: str = WHOLE) -> Sample:
        """Person `index` (0-based) as a labelled sample over a rendered image of this frame.

        Parts, depth and normals are those of every person in the frame, as in the official dense data. skeleton: one of
        SKELETONS.
        """
        who = self.people[index]
        mask = self.person == index + 1
        return Sample(
            image=image, box=who.box, key=f"{self.key}/{index}", mask=mask, area=float(mask.sum()),
            skeleton=skeleton, keypoints=getattr(who, skeleton), classes=self.part, depth=self.depth,
            normal=self.normal, intrinsics=self.intrinsics, licence="CC0-1.0",
        )  # fmt: skip


def gbuffer_files(folder: Path) -> tuple[Path, ...]:
    """The frames of a folder that `vitruvian synth` wrote, in order; none is an InputError."""
    files = tuple(sorted((folder / "gbuffers").glob("*.npz")))
    if not files:
        raise InputError(f"{folder} holds no synthetic frames. Fix: vitruvian synth --out {folder} --count N")
    return files


def unpack(files: Sequence[Path]) -> None:
    """Write frames again without compression, in place: larger, and read in half of the time.

    Worth it where a training reads every frame many times. Files that are plain already are left alone. InputError: a damaged
    file, by name.
    """
    for path in files:
        if not _is_plain(path):
            write_gbuffer(path, read_gbuffer(path), compress=False)


def _is_plain(path: Path) -> bool:
    """Whether nothing in the file is compressed; a damaged one is not plain either."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())


def write_gbuffer(path: Path, frame: GBuffer, compress: bool = True) -> None:
    """Write one frame; a kill in the middle leaves no half file."""
    people = [{"box": p.box.tolist(), "info": p.info} for p in frame.people]
    inside = frame.person > 0
    arrays: dict[str, Any] = {
        "person": frame.person,
        "material": frame.material,
        "part": frame.part,
        "depth": frame.depth[inside].astype(np.float32),
        "normal": np.round(frame.normal[inside] * 32767).astype(np.int16),
        "rest": frame.rest[inside].astype(np.float16),
        "intrinsics": frame.intrinsics.astype(np.float64),
        "wholebody133": np.array([p.wholebody133 for p in frame.people], np.float32).reshape(-1, 133, 3),
        "sapiens308": np.array([p.sapiens308 for p in frame.people], np.float32).reshape(-1, 308, 3),
        "meta": np.frombuffer(json.dumps({"format": FORMAT, "key": frame.key, "people": people}).encode(), np.uint8),
    }
    buffer = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(buffer, **arrays)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(buffer.getvalue())
    temporary.replace(path)


def read_gbuffer(path: Path) -> GBuffer:
    """Read one frame. InputError for a damaged file, one without a field, or one of another format, by name."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as data:
            raw = {name: data[name] for name in data.files}
        meta = json.loads(raw["meta"].tobytes())
        if meta["format"] != FORMAT:
            raise InputError(f"{path} has format {meta['format']}, this version reads {FORMAT}. Generate the set again.")
        return _frame(raw, meta)
    except (OSError, LookupError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} is not a readable G-buffer ({error!r}). Delete it and run the same synth command again."
        ) from error


def _frame(raw: Mapping[str, Array], meta: Mapping[str, Any]) -> GBuffer:
    inside = raw["person"] > 0
    people = tuple(
        SynthPerson(np.array(p["box"], np.float32), raw["wholebody133"][i], raw["sapiens308"][i], p["info"])
        for i, p in enumerate(meta["people"])
    )
    normal = _spread(raw["normal"].astype(np.float32) / 32767, inside)
    return GBuffer(
        raw["person"], raw["material"], raw["part"], _spread(raw["depth"], inside), normal,
        _spread(raw["rest"].astype(np.float32), inside), raw["intrinsics"], people, meta["key"],
    )  # fmt: skip


def _spread(values: Array, inside: Array) -> Array:
    out = np.full(inside.shape + values.shape[1:], np.nan, np.float32)
    out[inside] = values
    return out

"""Readers: files of labels -> image records and samples. Each reads one photo at a time, when it is asked for.

Boxes and points keep the numbers of their file, as the official crops do; masks are on the pixels whose centres lie inside the
polygon, COCO's polygons being measured from the corner of the first pixel.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vitruvian.data.gbuffer import GBuffer, gbuffer_files, read_gbuffer
from vitruvian.data.masks import filled_box, mask_of
from vitruvian.errors import InputError, UsageError
from vitruvian.types import Array, ImageRecord, Sample
from vitruvian.vocab import skeleton

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
# group of the skeleton -> field of a COCO-WholeBody annotation
WHOLE_BODY = {
    "body": "keypoints", "foot": "foot_kpts", "face": "face_kpts", "left_hand": "lefthand_kpts", "right_hand": "righthand_kpts",
}  # fmt: skip


def read_image(path: Path) -> Array:
    """(H, W, 3) uint8 RGB, upright. InputError for a file that is absent or no image."""
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Fix: check the image folder.") from error
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if image is None:
        raise InputError(f"{path}: not an image, or damaged. Fix: fetch it again.")
    return np.ascontiguousarray(image[..., ::-1])


@dataclass(frozen=True)
class Coco:
    """A COCO file: person key points (or instances: boxes and masks only) or, for 133 points, COCO-WholeBody.

    `source[i]` reads one photo: its people as samples, its crowd regions as masks to ignore. Points are found by the names of
    the file's category ("Right-ankle" is "right_ankle"); those that the file has not are absent (visibility 0).
    """

    annotations: Path
    images: Path
    skeleton: str = "coco17"
    _images: tuple[Mapping[str, Any], ...] = field(init=False, repr=False)
    _people: Mapping[int, Sequence[Mapping[str, Any]]] = field(init=False, repr=False)
    _names: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        raw = _read_json(self.annotations)
        try:
            person = next(c for c in raw["categories"] if c["name"].lower() == "person")
            people: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
            for entry in raw["annotations"]:
                if entry["category_id"] == person["id"]:
                    people[entry["image_id"]].append(entry)
            images = tuple(raw["images"])
        except (KeyError, TypeError, StopIteration) as error:
            raise InputError(f"{self.annotations}: not a COCO file with a category person ({error!r} is missing).") from error
        object.__setattr__(self, "_images", images)
        object.__setattr__(self, "_people", people)
        object.__setattr__(self, "_names", tuple(person.get("keypoints", ())))

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[ImageRecord]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> ImageRecord:
        entry = self._images[index]
        path = self.images / entry["file_name"]
        image = read_image(path)
        size = (int(entry.get("height", image.shape[0])), int(entry.get("width", image.shape[1])))
        if image.shape[:2] != size:
            raise InputError(f"{path}: {image.shape[1]}x{image.shape[0]} px, but {self.annotations} says {size[1]}x{size[0]}.")
        found = [self._sample(a, image, entry) for a in self._people.get(entry["id"], ())]
        ignore = tuple(s.mask if s.mask is not None else filled_box(s.box, size) for s in found if s.crowd)
        return ImageRecord(int(entry["id"]), size, str(path), tuple(s for s in found if not s.crowd), ignore)

    def _sample(self, entry: Mapping[str, Any], image: Array, photo: Mapping[str, Any]) -> Sample:
        where = f"{self.annotations}: annotation {entry.get('id')}"
        try:
            x, y, width, height = (float(v) for v in entry["bbox"])
            return Sample(
                image=image,
                box=np.array([x, y, x + width, y + height], np.float32),
                key=f"{photo['file_name']}/{entry.get('id')}",
                mask=mask_of(entry.get("segmentation"), image.shape[:2]),
                area=float(entry["area"]) if "area" in entry else None,
                image_id=int(photo["id"]),
                crowd=bool(entry.get("iscrowd", 0)),
                skeleton=self.skeleton,
                keypoints=self._keypoints(entry),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{where} is damaged ({type(error).__name__}: {error}). Fix: mend or remove it.") from error

    def _keypoints(self, entry: Mapping[str, Any]) -> Array | None:
        if "keypoints" not in entry:
            return None
        if self.skeleton == "wholebody133":
            return _whole_body(entry)
        return named_points(np.asarray(entry["keypoints"], np.float32).reshape(-1, 3), self._names, self.skeleton)


def named_points(points: Array, names: Sequence[str], skeleton_name: str) -> Array:
    """Points (K, 3) of any names -> (K', 3) float32 of the skeleton, by name; visibility 0 where there is none."""
    plain = [name.lower().replace(" ", "_").replace("-", "_") for name in names]
    if len(points) != len(plain):
        raise ValueError(f"{len(points)} key points for {len(plain)} names")
    rows = np.array([plain.index(n) if n in plain else -1 for n in skeleton(skeleton_name).names])
    out = np.where(rows[:, None] >= 0, points[rows], 0).astype(np.float32)
    out[out[:, 2] <= 0] = 0
    return out


def _whole_body(entry: Mapping[str, Any]) -> Array:
    """(133, 3); outside the body any positive third number says that the point was labelled, so it becomes 2."""
    names = skeleton("wholebody133")
    out = np.zeros((len(names), 3), np.float32)
    for group, name in WHOLE_BODY.items():
        if name not in entry:
            raise ValueError(f"no field {name}: not a COCO-WholeBody annotation")
        points = np.asarray(entry[name], np.float32).reshape(-1, 3)
        points[:, 2] = points[:, 2] if group == "body" else 2 * (points[:, 2] > 0)
        out[list(names.groups[group])] = points
    out[out[:, 2] <= 0] = 0
    return out


@dataclass(frozen=True)
class Synthetic:
    """A folder that `vitruvian synth` wrote: `source[i]` is one frame with all its labels.

    Frames are those of gbuffers/; the picture is the drawn JPEG. Without drawn pictures use `frame` and draw one.
    """

    folder: Path
    files: tuple[Path, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", gbuffer_files(self.folder))

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[ImageRecord]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> ImageRecord:
        path = self.picture(index)
        if path is None:
            raise InputError(f"{self.folder}: frame {index} has no drawn picture. Fix: run synth with images.")
        frame, image = self.frame(index), read_image(path)
        if image.shape[:2] != frame.size:
            raise InputError(f"{path}: {image.shape[:2]} px (H, W), but its G-buffer has {frame.size}. Generate the set again.")
        people = tuple(frame.sample(i, image) for i in range(len(frame.people)))
        return ImageRecord(index, frame.size, str(path), people)

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
        image = read_image(self.files[index])
        return ImageRecord(index, (image.shape[0], image.shape[1]), str(self.files[index]))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Fix: check the path.") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON, or cut short ({error}). Fix: fetch it again.") from error

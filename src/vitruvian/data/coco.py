"""COCO files and their kin, of 17, 133, 308 points and of skeletons of one's own.

Boxes and points keep the numbers of their file, as the official crops do; masks are on the pixels whose centres lie inside the
polygon, COCO's polygons being measured from the corner of the first pixel.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.images import read_image
from vitruvian.data.masks import filled_box, mask_of
from vitruvian.errors import InputError
from vitruvian.types import Array, ImageRecord, Sample
from vitruvian.vocab import skeleton

# group of a skeleton of whole bodies -> field of an annotation
PARTS = {
    "body": "keypoints", "foot": "foot_kpts", "face": "face_kpts", "left_hand": "lefthand_kpts", "right_hand": "righthand_kpts",
}  # fmt: skip
WHOLE_308 = "goliath_wholebody_kpts"  # all 308 at once
BY_PARTS, BODY = ("wholebody133", "sapiens308"), 17


@dataclass(frozen=True)
class Coco:
    """A COCO file: person key points, or instances (boxes and masks only); with 133 points COCO-WholeBody, with 308 the public
    schema of Sapiens (`goliath_wholebody_kpts`, or part by part).

    `source[i]` reads one photo: its people as samples, its crowd regions as masks to ignore. `sample(n)` is the n-th of
    `samples` people to train on: no crowd, a box with an area, a labelled point where the file has points at all. Points are
    found by the names of the file's category ("Right-ankle" is "right_ankle"); those that the file has not are absent
    (visibility 0) and in `absent`. A category without names has the skeleton's order. skeleton: a name, or a TOML file.
    """

    annotations: Path
    images: Path
    skeleton: str = "coco17"
    _images: tuple[Mapping[str, Any], ...] = field(init=False, repr=False)
    _people: Mapping[int, Sequence[Mapping[str, Any]]] = field(init=False, repr=False)
    _names: tuple[str, ...] = field(init=False, repr=False)
    _usable: tuple[tuple[int, int], ...] = field(init=False, repr=False)
    absent: tuple[str, ...] = field(init=False, repr=False)
    problems: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        raw = read_json(self.annotations)
        try:
            person = next(c for c in raw["categories"] if c["name"].lower() == "person")
            people: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
            for entry in raw["annotations"]:
                if entry["category_id"] == person["id"]:
                    people[entry["image_id"]].append(entry)
            images = tuple(raw["images"])
            for number, entry in enumerate(images):
                if not isinstance(entry, Mapping) or not {"id", "file_name"} <= set(entry):
                    raise InputError(f"{self.annotations}: images: entry {number} has no id or no file_name. Fix: mend it.")
        except (KeyError, TypeError, StopIteration) as error:
            raise InputError(f"{self.annotations}: not a COCO file with a category person ({error!r} is missing).") from error
        put = partial(object.__setattr__, self)
        put("_images", images)
        put("_people", dict(people))
        put("_names", tuple(person.get("keypoints", ())))
        put("absent", self._absent())
        put("problems", tuple(_problems(images, people, self.annotations)))
        put("_usable", tuple((i, n) for i, e in enumerate(images) for n, a in enumerate(people.get(e["id"], ())) if _usable(a)))

    @property
    def samples(self) -> int:
        """How many people there are to train on."""
        return len(self._usable)

    def sample(self, number: int) -> Sample:
        """One of the people to train on, with the photo."""
        index, place = self._usable[number]
        entry = self._images[index]
        return self._sample(self._people[entry["id"]][place], self._picture(entry)[0], entry)

    def __len__(self) -> int:
        return len(self._images)

    @property
    def image_ids(self) -> tuple[int, ...]:
        """The file's numbers of its photos, in their order."""
        return tuple(int(entry["id"]) for entry in self._images)

    def photo(self, index: int) -> tuple[Array, str]:
        """One photo (H, W, 3) and its path, without its labels."""
        image, path = self._picture(self._images[index])
        return image, str(path)

    def __iter__(self) -> Iterator[ImageRecord]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> ImageRecord:
        entry = self._images[index]
        image, path = self._picture(entry)
        size = (image.shape[0], image.shape[1])
        found = [self._sample(a, image, entry) for a in self._people.get(entry["id"], ())]
        ignore = tuple(s.mask if s.mask is not None else filled_box(s.box, size) for s in found if s.crowd)
        return ImageRecord(int(entry["id"]), size, str(path), tuple(s for s in found if not s.crowd), ignore)

    def crowds(self, index: int) -> tuple[tuple[Array, float | None], ...]:
        """Box xyxy (4,) and area of each crowd region of a photo, of which `source[i]` gives only where it lies."""
        found = [a for a in self._people.get(self._images[index]["id"], ()) if a.get("iscrowd", 0)]
        boxes = [np.asarray(a["bbox"], np.float64) + np.array([0, 0, *a["bbox"][:2]]) for a in found]
        return tuple((box, float(a["area"]) if "area" in a else None) for box, a in zip(boxes, found, strict=True))

    def _picture(self, entry: Mapping[str, Any]) -> tuple[Array, Path]:
        path = self.images / entry["file_name"]
        image = read_image(path)
        size = (int(entry.get("height", image.shape[0])), int(entry.get("width", image.shape[1])))
        if image.shape[:2] != size:
            raise InputError(f"{path}: {image.shape[1]}x{image.shape[0]} px, but {self.annotations} says {size[1]}x{size[0]}.")
        return image, path

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
                skeleton=skeleton(self.skeleton).name,
                keypoints=self._keypoints(entry),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{where} is damaged ({type(error).__name__}: {error}). Fix: mend or remove it.") from error

    def _keypoints(self, entry: Mapping[str, Any]) -> Array | None:
        if self.skeleton == "sapiens308" and WHOLE_308 in entry:
            return _flagged(np.asarray(entry[WHOLE_308], np.float32).reshape(-1, 3), self.skeleton)
        if "keypoints" not in entry:
            return None
        points = np.asarray(entry["keypoints"], np.float32).reshape(-1, 3)
        if self.skeleton in BY_PARTS and len(points) == BODY:
            return _whole_body(entry, self.skeleton)
        if not self._names and len(points) == len(skeleton(self.skeleton)):
            return _flagged(points, self.skeleton)
        return named_points(points, self._names, self.skeleton)

    def _absent(self) -> tuple[str, ...]:
        """Points that the file's category does not name. InputError where it names none of the skeleton's."""
        wanted, plain = skeleton(self.skeleton).names, {_plain(name) for name in self._names}
        if not self._names or (self.skeleton in BY_PARTS and len(self._names) == BODY):
            return ()
        absent = tuple(name for name in wanted if _plain(name) not in plain)
        if len(absent) == len(wanted):
            told = f"its points ({', '.join(self._names[:4])}, ...) are none of {self.skeleton} ({', '.join(wanted[:4])}, ...)"
            raise InputError(f"{self.annotations}: {told}. Fix: give the skeleton that the file was labelled with.")
        return absent


def named_points(points: Array, names: Sequence[str], skeleton_name: str) -> Array:
    """Points (K, 3) of any names -> (K', 3) float32 of the skeleton, by name; visibility 0 where there is none."""
    plain = [_plain(name) for name in names]
    if len(points) != len(plain):
        raise ValueError(f"{len(points)} key points for {len(plain)} names")
    rows = np.array([plain.index(n) if n in plain else -1 for n in map(_plain, skeleton(skeleton_name).names)])
    out = np.where(rows[:, None] >= 0, points[rows], 0).astype(np.float32)
    out[out[:, 2] <= 0] = 0
    return out


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


def _whole_body(entry: Mapping[str, Any], name: str) -> Array:
    """(K, 3) from an annotation part by part; points of no part (7 of the 308) are absent."""
    names = skeleton(name)
    out = np.zeros((len(names), 3), np.float32)
    for group, part in PARTS.items():
        if part not in entry:
            raise ValueError(f"no field {part}: not an annotation of whole bodies")
        out[list(names.groups[group])] = np.asarray(entry[part], np.float32).reshape(-1, 3)
    return _flagged(out, name)


def _flagged(points: Array, name: str) -> Array:
    """Points (K, 3) in the order of the skeleton. Of whole bodies, outside the body any positive third number says that the
    point was labelled, so it becomes 2."""
    names, out = skeleton(name), np.array(points, np.float32)
    if len(out) != len(names):
        raise ValueError(f"{len(out)} key points for the {len(names)} of {name}")
    if name in BY_PARTS:
        other = np.setdiff1d(np.arange(len(names)), names.groups["body"])
        out[other, 2] = 2 * (out[other, 2] > 0)
    out[out[:, 2] <= 0] = 0
    return out


def _usable(entry: Mapping[str, Any]) -> bool:
    """Whether somebody may be trained on: as officially, no crowd, a box with an area and a labelled point where there are
    points. What is damaged counts, so that reading it tells what is wrong."""
    try:
        boxed = float(entry["bbox"][2]) > 0 and float(entry["bbox"][3]) > 0
        points = [v for name in (*PARTS.values(), WHOLE_308) if name in entry for v in entry[name][2::3]]
        return boxed and not entry.get("iscrowd", 0) and (not points or max(points) > 0)
    except (KeyError, TypeError, ValueError, IndexError):
        return True


def _problems(images: Sequence[Mapping[str, Any]], people: Mapping[int, Sequence[Any]], file: Path) -> Iterator[str]:
    """What reading the photos would not show."""
    counts = Counter(entry["id"] for entry in images)
    for name, count in counts.items():
        if count > 1:
            yield f"{file}: images: the id {name} occurs {count} times"
    for name, entries in people.items():
        if name not in counts:
            yield from (f"{file}: annotation {entry.get('id')}: image_id {name} is not among its images" for entry in entries)


def read_json(path: Path) -> Any:
    """A JSON file. InputError for one that cannot be read, or is cut short."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Fix: check the path.") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON, or cut short ({error}). Fix: fetch it again.") from error

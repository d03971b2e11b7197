"""The labelled photos of a shared data folder, and what a model says about their people when it is given the boxes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vitruvian.data.sources import Coco, named_points, read_image
from vitruvian.errors import InputError
from vitruvian.predict import Predictor as PhotoPredictor
from vitruvian.types import Array, ImageRecord, Keypoints, Prediction, Sample
from vitruvian.vocab import keypoint_map

LEAST_SIDE, LEAST_POINTS = 150.0, 12  # who qualifies for the headline figures
MPII_POINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax", "upper_neck",
    "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
)  # fmt: skip
MPII_UNIT = 200.0  # px of body height that one unit of its `scale` stands for


class Predictor(Protocol):
    """What the evaluation asks of a model."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def weights(self) -> str:
        """The hash of its file."""

    @property
    def flip_test(self) -> bool:
        """Whether it asks the mirrored photo too."""

    def people(self, image: Array, boxes: Array) -> list[Mapping[str, Prediction]]:
        """(H, W, 3) uint8 RGB and xyxy boxes (N, 4) within it -> N times task name -> prediction, in that order."""


@dataclass(frozen=True)
class Adapter:
    """The product's own predictor, as the evaluation wants it. tasks: all of the model's by default."""

    predictor: PhotoPredictor
    tasks: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The model's name."""
        return self.predictor.name

    @property
    def weights(self) -> str:
        """The hash of the weights file."""
        return self.predictor.weights

    @property
    def flip_test(self) -> bool:
        """Whether the mirrored photo is asked too."""
        return self.predictor.flip_test

    def people(self, image: Array, boxes: Array) -> list[Mapping[str, Prediction]]:
        """As `Predictor.people`."""
        return [person.predictions for person in self.predictor.predict(image, boxes=boxes, tasks=self.tasks).people]


@dataclass(frozen=True)
class Photo:
    """One photo of a set. file: its path in INDEX.json; shown: whether a derived picture of it may be published."""

    group: str
    record: ImageRecord
    file: str
    licence: str
    source: str
    shown: bool


@dataclass(frozen=True)
class Subject:
    """One labelled person (points in COCO's 17) and what the model says."""

    photo: Photo
    truth: Sample
    predictions: Mapping[str, Prediction]

    @property
    def side(self) -> float:
        """Px of the box's longer side."""
        return float(np.max(self.truth.box[2:] - self.truth.box[:2]))

    @property
    def labelled(self) -> Array:
        """(17,) bool: points with a label, hidden ones included."""
        return np.zeros(17, bool) if self.truth.keypoints is None else self.truth.keypoints[:, 2] > 0

    @property
    def qualifies(self) -> bool:
        """Longer side at least 150 px and at least 12 labelled points."""
        return self.side >= LEAST_SIDE and int(self.labelled.sum()) >= LEAST_POINTS

    @property
    def points(self) -> tuple[Array, Array]:
        """Predicted xy (17, 2) source px and score (17,)."""
        value = self.predictions["pose"].value
        if not isinstance(value, Keypoints):
            raise InputError(f"the pose of {self.truth.key} is a {type(value).__name__}, not key points")
        rows = keypoint_map(value.skeleton, "coco17")
        return value.xy[rows].astype(np.float64), value.score[rows].astype(np.float64)


Reader = Callable[[Path], Sequence[ImageRecord]]


def _coco(annotations: str, images: str, folder: Path) -> Sequence[ImageRecord]:
    return list(Coco(folder / annotations, folder / images))


def _posetrack(folder: Path) -> Sequence[ImageRecord]:
    """One file a video; the photo lies beside it under the video's name."""
    records = []
    for path in sorted(folder.glob("*.json")):
        raw = json.loads(path.read_text())
        entry = {**raw["images"][0], "file_name": f"{path.stem}.jpg"}
        image = read_image(folder / entry["file_name"])
        names = raw["categories"][0]["keypoints"]
        people = [_sample(image, _xyxy(a["bbox"]), names, a["keypoints"], path.stem) for a in raw["annotations"]]
        records.append(_record(entry["file_name"], folder, image, people))
    return records


def _mpii(folder: Path) -> Sequence[ImageRecord]:
    """No boxes: a square of 200 px x scale around the centre, as usual for these labels."""
    records = []
    for entry in json.loads((folder / "test_mpii.json").read_text()):
        image, half = read_image(folder / entry["image"]), entry["scale"] * MPII_UNIT / 2
        box = np.concatenate([np.array(entry["center"]) - half, np.array(entry["center"]) + half])
        points = np.concatenate([entry["joints"], 2 * np.array(entry["joints_vis"])[:, None]], 1)
        records.append(_record(entry["image"], folder, image, [_sample(image, box, MPII_POINTS, points, entry["image"])]))
    return records


def _xyxy(bbox: Sequence[float]) -> Array:
    x, y, width, height = bbox
    return np.array([x, y, x + width, y + height])


def _sample(image: Array, box: Array, names: Sequence[str], points: Any, key: str) -> Sample:
    given = np.asarray(points, np.float32).reshape(-1, 3)
    return Sample(image, box.astype(np.float32), key, skeleton="coco17", keypoints=named_points(given, names, "coco17"))


def _record(name: str, folder: Path, image: Array, people: Sequence[Sample]) -> ImageRecord:
    return ImageRecord(0, (image.shape[0], image.shape[1]), str(folder / name), tuple(people))


# name -> folder and reader; only labels whose point names are surely COCO's
SETS: dict[str, tuple[str, Reader]] = {
    "coco": ("coco", partial(_coco, "annotations/person_keypoints.json", ".")),
    "mmpose_coco": ("mmpose_coco", partial(_coco, "annotations/test_coco.json", ".")),
    "ochuman": ("mmpose_ochuman", partial(_coco, "test_ochuman.json", ".")),
    "crowdpose": ("mmpose_crowdpose", partial(_coco, "test_crowdpose.json", ".")),
    "aic": ("mmpose_aic", partial(_coco, "test_aic.json", ".")),
    "mhp": ("mmpose_mhp", partial(_coco, "test_mhp.json", ".")),
    "jhmdb": ("mmpose_jhmdb", partial(_coco, "test_jhmdb_sub1.json", ".")),
    "posetrack18": ("mmpose_posetrack18", _posetrack),
    "mpii": ("mmpose_mpii", _mpii),
}


def read_index(shared_data: Path) -> dict[str, Mapping[str, Any]]:
    """File -> its entry of INDEX.json."""
    path = shared_data / "INDEX.json"
    try:
        return {entry["file"]: entry for entry in json.loads(path.read_text())["entries"]}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not an index of shared photos ({error}). Fix: give the folder that holds one.") from error


def may_be_shown(entry: Mapping[str, Any]) -> bool:
    """Whether a picture made from this photo may be published: redistributable, and not only unmodified (CC BY-ND)."""
    summary = str(entry.get("redistribute", "")).lower()
    licences = f"{summary} {entry.get('image_licence', '')}".lower()
    return summary.startswith("yes") and "unmodified" not in licences and "-nd" not in licences


def read_photos(shared_data: Path) -> Iterator[Photo]:
    """Every photo of every set that has people with labels."""
    index = read_index(shared_data)
    for group, (folder, reader) in SETS.items():
        for record in reader(shared_data / folder):
            file = Path(record.path).relative_to(shared_data).as_posix()
            entry = index.get(file, {})
            licence = str(entry.get("image_licence") or entry.get("licence", "unknown"))
            source = str(entry.get("flickr_url") or entry.get("source", {}).get("repo", ""))
            if record.people:
                yield Photo(group, record, file, licence, source, may_be_shown(entry))


def predict_subjects(photo: Photo, predictor: Predictor) -> list[Subject]:
    """The people of one photo, each predicted from its box, clipped to the photo."""
    height, width = photo.record.size
    people = [replace(s, box=clip_box(s.box, (height, width))) for s in photo.record.people]
    people = [s for s in people if (s.box[2:] - s.box[:2]).min() >= 1]
    if not people:
        return []
    answers = predictor.people(people[0].image, np.stack([s.box for s in people]))
    return [Subject(photo, truth, answer) for truth, answer in zip(people, answers, strict=True)]


def clip_box(box: Array, size: tuple[int, int]) -> Array:
    """A box xyxy (4,) cut to a photo of `size` (H, W), float32."""
    out: Array = np.clip(box, 0, np.array([size[1], size[0], size[1], size[0]])).astype(np.float32)
    return out

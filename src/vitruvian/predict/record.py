"""The JSON of one photo, and COCO files made of many of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any, TypeAlias

import numpy as np

from vitruvian.predict.compose import Frame
from vitruvian.predict.result import ImageResult, PersonResult
from vitruvian.types import UNSTATED_AXES, Keypoints
from vitruvian.vocab import class_set, skeleton

FORMAT = 1
SURE = 0.3  # a keypoint below it counts as hidden in COCO's visibility flag
WIDE = 128  # a JSON value that fits this many characters stays on one line
WHOLEBODY = {
    "keypoints": (0, 17),
    "foot_kpts": (17, 23),
    "face_kpts": (23, 91),
    "lefthand_kpts": (91, 112),
    "righthand_kpts": (112, 133),
}
Record: TypeAlias = dict[str, Any]


def record_of(result: ImageResult, name: str, files: Mapping[str, str], fingerprint: Mapping[str, Any]) -> Record:
    """All that is known of a photo but its maps, which `files` names. fingerprint: what decides whether it must be redone."""
    height, width = result.size
    frame = result.frame
    record: Record = {
        "format": FORMAT,
        "image": {"file": name, "width": width, "height": height, "notes": list(result.notes)},
        "made_by": asdict(result.made_by),
        "tasks": list(result.tasks),
        "people": [_person(person, i, frame) for i, person in enumerate(result.people)],
        "files": dict(files),
    }
    if files.keys() & {"parts", "depth", "normal"}:
        record["owner"] = {"mask": frame.mask, "values": "0 = nobody, i = the i-th of people, counted from 1"}
    if frame.parts and "parts" in files:
        names = class_set(frame.parts.class_set)
        record["parts"] = {
            "class_set": names.name,
            "legend": {str(i): {"name": word, "color": list(names.colors[i])} for i, word in enumerate(names.names)},
        }
    record |= {"depth": _depth(frame)} if "depth" in files else {}
    record |= {"normal": _normal(frame)} if "normal" in files else {}
    return {**record, "fingerprint": dict(fingerprint)}


def _person(found: PersonResult, index: int, frame: Frame) -> Record:
    person = found.person
    out: Record = {"box": _numbers(person.box, 2), "score": round(float(person.score), 4), "origin": person.origin}
    if person.track is not None:
        out["track"] = person.track
    if found.keypoints is not None:
        out["skeleton"] = found.keypoints.skeleton
        out["keypoints"] = _keypoints(found.keypoints)
    if frame.mask == "parts" and frame.owner.any():
        out["area"] = int((frame.owner == index + 1).sum())
    if index < len(frame.ranges) and not frame.whole_depth:
        out["depth_range"] = _ends(frame.ranges[index])
    return out


def _ends(ends: tuple[float, float] | None) -> Record | None:
    return None if ends is None else {"near": ends[0], "far": ends[1]}


def _keypoints(value: Keypoints) -> Record:
    names = skeleton(value.skeleton).names
    rows = zip(names, value.xy, value.score, strict=True)
    return {
        name: {"x": round(float(x), 2), "y": round(float(y), 2), "score": round(float(score), 4)}
        for name, (x, y), score in rows
    }


def _depth(frame: Frame) -> Record:
    if frame.depth is None:
        return {"kind": None}
    png = {"nobody": 0, "near": 65535, "far": 1}
    if frame.depth.kind == "relative":
        meaning = "0 = nearest, 1 = farthest pixel of each person; no unit, and never comparable between people"
        if frame.whole_depth:
            meaning = "0 = nearest, 1 = farthest pixel of all that is not NaN; no unit"
        out = {"kind": "relative", "unit": None, "values": meaning, "nobody": "NaN"}
        whole = {"range": _ends(frame.ranges[0])} if frame.whole_depth else {}
        return {**out, **whole, "png": {**png, "near_is": 0.0, "far_is": 1.0}}
    near, far = depth_ends(frame)
    values = "distance along the viewing axis, larger is farther"
    ends = {"near_is": near, "far_is": far}
    return {"kind": frame.depth.kind, "unit": frame.depth.unit, "values": values, "nobody": "NaN", "png": {**png, **ends}}


def depth_ends(frame: Frame) -> tuple[float, float]:
    """The depths that become the brightest and the darkest value of the depth PNG."""
    if frame.depth is None or frame.depth.kind == "relative" or not np.isfinite(frame.depth.z).any():
        return 0.0, 1.0
    return float(np.nanmin(frame.depth.z)), float(np.nanmax(frame.depth.z))


def _normal(frame: Frame) -> Record:
    axes = frame.normals.frame if frame.normals else None
    png = "RGB = round(255 * ((x, -y, -z) + 1) / 2): light blue faces the camera; black = nobody"
    if axes == UNSTATED_AXES:
        png = "RGB = round(255 * (n + 1) / 2), the channels as they are; black = nobody"
    return {"frame": axes, "values": "unit vectors", "nobody": "NaN", "png": png}


def _numbers(values: Any, digits: int) -> list[float]:
    return [round(float(v), digits) for v in np.asarray(values).tolist()]


def to_text(value: Any, indent: int = 0) -> str:
    """JSON that people can read: what fits a line stays on it."""
    flat = json.dumps(value, allow_nan=False, ensure_ascii=False)
    if len(flat) + indent <= WIDE or not isinstance(value, dict | list) or not value:
        return flat
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        lines = [f"{pad}{json.dumps(str(key), ensure_ascii=False)}: {to_text(v, indent + 1)}" for key, v in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + to_text(v, indent + 1) for v in value) + "\n" + " " * indent + "]"


def coco_of(records: Sequence[Record]) -> Record:
    """A COCO keypoint data set of predictions, each with its `score`; whole bodies in the layout of COCO-WholeBody.

    Visibility is 2 from a keypoint score of 0.3 on, else 1, and 0 of a point that a converted skeleton does not have; the
    scores themselves are in `keypoint_scores`. People with a `segmentation` keep it.
    """
    numbers = _image_ids(records)
    skeletons = [person["skeleton"] for record in records for person in record["people"] if "skeleton" in person]
    images = [
        {"id": i, "file_name": r["image"]["file"], "width": r["image"]["width"], "height": r["image"]["height"]}
        for i, r in zip(numbers, records, strict=True)
    ]
    pairs = [(i, person) for i, r in zip(numbers, records, strict=True) for person in r["people"]]
    return {
        "info": {"description": "predictions of vitruvian"},
        "images": images,
        "categories": [_category(skeletons[0] if skeletons else None)],
        "annotations": [_annotation(i, image, person) for i, (image, person) in enumerate(pairs, 1)],
    }


def _image_ids(records: Sequence[Record]) -> list[int]:
    """COCO's own numbers where every file is named by one, else 1, 2, 3, …"""
    stems = [PurePosixPath(record["image"]["file"]).stem for record in records]
    if all(stem.isdecimal() for stem in stems) and len({int(stem) for stem in stems}) == len(stems):
        return [int(stem) for stem in stems]
    return list(range(1, len(records) + 1))


def _category(name: str | None) -> Record:
    out: Record = {"id": 1, "name": "person", "supercategory": "person"}
    if name is None:
        return out
    words = skeleton(name)
    count = 17 if name == "wholebody133" else len(words)
    links = [[link.start + 1, link.end + 1] for link in words.links if max(link.start, link.end) < count]
    return {**out, "keypoints": list(words.names[:count]), "skeleton": links}


def _annotation(number: int, image: int, person: Record) -> Record:
    x0, y0, x1, y1 = person["box"]
    out: Record = {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)],
        "area": person.get("area", round((x1 - x0) * (y1 - y0), 2)),
        "iscrowd": 0,
        "score": person["score"],
    }
    if "segmentation" in person:
        out["segmentation"] = person["segmentation"]
    points = list(person.get("keypoints", {}).values())
    if not points:
        return out
    groups = WHOLEBODY if person["skeleton"] == "wholebody133" else {"keypoints": (0, len(points))}
    for name, (start, end) in groups.items():
        out[name] = [v for p in points[start:end] for v in (p["x"], p["y"], _visibility(p))]
    scores = [point["score"] for point in points]
    sure = sum(score >= SURE for score in scores[: len(out["keypoints"]) // 3])
    return {**out, "num_keypoints": sure, "keypoint_scores": scores}


def _visibility(point: Record) -> int:
    return 0 if point.get("kind") == "none" else 2 if point["score"] >= SURE else 1

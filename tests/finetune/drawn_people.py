"""Drawn people whose labels are known, as a COCO file, and as a folder of maps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from vitruvian.types import Array, Sample
from vitruvian.vocab import skeleton

SIZE = (80, 64)
MINE = """
name = "drawn5"
keypoints = [
    {name = "nose"}, {name = "left_wrist", swap = "right_wrist", body = "upper"},
    {name = "right_wrist", swap = "left_wrist", body = "upper"}, {name = "crown"}, {name = "belt", body = "lower"},
]
"""


def person(i: int, names: Sequence[str] = skeleton("coco17").names) -> Sample:
    """An ellipse on a patterned ground: every point of it is known, and so are its parts, depth and normals."""
    rng = np.random.default_rng(i)
    center, radius = np.array([rng.uniform(26, 38), rng.uniform(34, 46)]), np.array([rng.uniform(11, 16), rng.uniform(20, 27)])
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64)
    across, down = (x - center[0]) / radius[0], (y - center[1]) / radius[1]
    inside = across**2 + down**2 < 1
    facing = np.sqrt(np.maximum(1 - across**2 - down**2, 1e-6))
    normal = np.stack([across, down, -facing], -1)
    image = np.full((*SIZE, 3), rng.integers(150, 250, 3), np.uint8)
    image[:: 2 + i % 5] -= 30
    image[inside] = np.stack([120 + 90 * across, 110 + 90 * down, 200 * facing], -1)[inside].astype(np.uint8)
    angles = np.arange(len(names)) * 2 * np.pi / len(names)
    points = center + 0.8 * radius * np.stack([np.sin(angles), -np.cos(angles)], 1)
    return Sample(
        image=image, box=np.array([*(center - radius), *(center + radius)], np.float32), key=f"{i}.png", mask=inside,
        skeleton="coco17" if len(names) == 17 else "drawn5",
        keypoints=np.concatenate([points, np.full((len(names), 1), 2)], 1).astype(np.float32),
        classes=np.where(inside, np.where(down < 0, 4, 12), 0).astype(np.uint8),
        depth=np.where(inside, 3 - 0.2 * facing, np.nan).astype(np.float32),
        normal=np.where(inside[..., None], normal / np.linalg.norm(normal, axis=-1, keepdims=True), np.nan).astype(np.float32),
    )  # fmt: skip


def write_people(folder: Path, count: int, names: Sequence[str] = skeleton("coco17").names) -> Path:
    """A COCO file and its photos."""
    folder.mkdir(parents=True)
    people = [person(i, names) for i in range(count)]
    for one in people:
        cv2.imwrite(str(folder / one.key), one.image[..., ::-1])
    document = {
        "images": [{"id": i, "file_name": p.key, "height": SIZE[0], "width": SIZE[1]} for i, p in enumerate(people)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(names)}],
        "annotations": [_annotation(i, p) for i, p in enumerate(people)],
    }
    (folder / "people.json").write_text(json.dumps(document))
    return folder / "people.json"


def _annotation(i: int, one: Sample) -> dict[str, object]:
    x0, y0, x1, y1 = one.box.tolist()
    points = np.asarray(one.keypoints).ravel().tolist()
    outline = [[x0, y0, x1, y0, x1, y1, x0, y1]]
    return {"id": i, "image_id": i, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": 100, "iscrowd": 0,
            "keypoints": points, "num_keypoints": len(points) // 3, "segmentation": outline}  # fmt: skip


def write_maps(folder: Path, count: int) -> Path:
    """A TOML file, and its folder of pictures, masks, depths and normals."""
    for kind in ("images", "masks", "depths", "normals"):
        (folder / kind).mkdir(parents=True)
    for i in range(count):
        one = person(i)
        cv2.imwrite(str(folder / "images" / one.key), one.image[..., ::-1])
        cv2.imwrite(str(folder / "masks" / one.key), np.asarray(one.mask).astype(np.uint8) * 255)
        for kind, values in (("depths", one.depth), ("normals", one.normal)):
            np.save(folder / kind / f"{i}.npy", np.asarray(values))
    (folder / "maps.toml").write_text('kind = "maps"\nfolder = "."\nnormal_frame = "camera"\n')
    return folder / "maps.toml"


def write_parts(folder: Path, count: int, classes: str = "body28") -> Path:
    """A TOML file, and its folders of pictures and of masks of part ids."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for i in range(count):
        one = person(i)
        cv2.imwrite(str(folder / "images" / one.key), one.image[..., ::-1])
        cv2.imwrite(str(folder / "masks" / one.key), np.asarray(one.classes))
    (folder / "parts.toml").write_text(f'kind = "parts"\nimages = "images"\nmasks = "masks"\nclasses = "{classes}"\n')
    return folder / "parts.toml"


class People:
    """A source of drawn people with all labels at once."""

    def __init__(self, count: int) -> None:
        self.samples = count
        self.people = [person(i) for i in range(count)]

    def sample(self, number: int) -> Sample:
        return self.people[number]


def green(side: int) -> Array:
    """A picture of one colour that no drawn person has."""
    return np.tile(np.array([0, 255, 0], np.uint8), (side, side, 1))

"""A data set's people as one COCO key-points file, with the whole-body fields of COCO-WholeBody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vitruvian.data.gbuffer import GBuffer
from vitruvian.synth.raster.resolve import MAX_PEOPLE
from vitruvian.types import Array
from vitruvian.vocab import skeleton

WHOLE_BODY = {
    "body": "keypoints", "foot": "foot_kpts", "face": "face_kpts", "left_hand": "lefthand_kpts", "right_hand": "righthand_kpts",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One frame's part of the file as JSON text: its image, and its annotations ("" where nobody is seen)."""

    image: str
    annotations: str


def entry(frame: GBuffer, index: int) -> Entry:
    """One frame's part of the COCO file; people of whom no pixel is seen are left out.

    Boxes are x, y, width, height in the house's pixels: integer coordinates are pixel centres.
    """
    height, width = frame.size
    image = {"id": index, "file_name": f"{index:06d}.jpg", "width": width, "height": height}
    people = [_annotation(frame, index, person) for person in range(len(frame.people))]
    return Entry(json.dumps(image), ",\n".join(json.dumps(a) for a in people if a["area"] > 0))


def _annotation(frame: GBuffer, index: int, person: int) -> dict[str, Any]:
    who = frame.people[person]
    x0, y0, x1, y1 = (float(v) for v in who.box)
    rows = skeleton("wholebody133").groups
    named: dict[str, Any] = {field: _flat(who.wholebody133[list(rows[group])]) for group, field in WHOLE_BODY.items()}
    return {
        "id": index * (MAX_PEOPLE + 1) + person + 1,
        "image_id": index,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": int((frame.person == person + 1).sum()),
        "num_keypoints": sum(v > 0 for v in named["keypoints"][2::3]),
        **named,
    }


def _flat(points: Array) -> list[float | int]:
    return [value for x, y, v in points.tolist() for value in (round(x, 2), round(y, 2), int(v))]


def document(entries: Sequence[Entry]) -> str:
    """The COCO file of these frames, in their order."""
    coco = skeleton("coco17")
    category = {
        "id": 1, "name": "person", "supercategory": "person", "keypoints": list(coco.names),
        "skeleton": [[link.start + 1, link.end + 1] for link in coco.links],
    }  # fmt: skip
    images = ",\n".join(e.image for e in entries)
    annotations = ",\n".join(e.annotations for e in entries if e.annotations)
    return f'{{"categories": {json.dumps([category])},\n"images": [\n{images}\n],\n"annotations": [\n{annotations}\n]}}\n'

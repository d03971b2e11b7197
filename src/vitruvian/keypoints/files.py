"""Converted keypoints as other programs read them: our own records, OpenPose's JSON, a table, COCO."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vitruvian.errors import UsageError, unknown_name
from vitruvian.keypoints.points import conversion, convert_person
from vitruvian.predict.record import Record, coco_of, to_text
from vitruvian.predict.stored import DERIVED, Stored, with_masks

STYLES = ("auto", "results", "openpose", "csv", "coco")
OPENPOSE = ("openpose18", "openpose25")
OF_MAPS = ("tasks", "files", "owner", "parts", "depth", "normal", "fingerprint", "result", "state")  # what is not taken over
COLUMNS = ("image", "index", "time", "person", "track", "skeleton", "name", "x", "y", "score", "kind")


def choose_style(style: str, out: Path, target: str) -> str:
    """`auto` looks at the name of the place: .csv is a table, .json is COCO, all else a folder of results."""
    if style not in STYLES:
        raise unknown_name("style", style, STYLES)
    if style == "openpose" and target not in OPENPOSE:
        raise UsageError(f"--style openpose holds other points than {target}. Allowed: --to {' or '.join(OPENPOSE)}.")
    by_name = {".csv": "csv", ".json": "coco"}.get(out.suffix.lower(), "results")
    return by_name if style == "auto" else style


def converted(stored: Stored, target: str) -> Record:
    """The record with the keypoints of another set and without maps; `conversion` says what was done to each point."""
    people = [convert_person(person, stored, number, target) for number, person in enumerate(stored.people, 1)]
    kept = {key: value for key, value in stored.record.items() if key not in OF_MAPS}
    sources = sorted({person["skeleton"] for person in stored.people})
    return {**kept, DERIVED: "keypoints", "conversion": [conversion(source, target) for source in sources], "people": people}


def result_file(stored: Stored, record: Record, target: str) -> tuple[str, bytes]:
    """Where a record belongs, below the output folder, and its text: a file for a photo, a line of one for a frame."""
    if "index" in record:
        return f"{stored.stem}.{target}.frames.jsonl", (json.dumps(record, ensure_ascii=False) + "\n").encode()
    return f"{stored.stem}.{target}.json", (to_text(record) + "\n").encode()


def openpose_file(stored: Stored, record: Record) -> tuple[str, bytes]:
    """The same as OpenPose names and writes its JSON: one for a photo, one for a frame."""
    number = f"_{int(record['index']):012d}" if "index" in record else ""
    return f"{stored.stem}{number}_keypoints.json", _openpose(record)


def _openpose(record: Record) -> bytes:
    """OpenPose's JSON 1.3; face, hands and 3D points are empty, as it leaves them where they are not asked for."""
    rest = ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d", "pose_keypoints_3d",
            "face_keypoints_3d", "hand_left_keypoints_3d", "hand_right_keypoints_3d")  # fmt: skip
    people = [
        {
            "person_id": [person.get("track", -1)],
            "pose_keypoints_2d": [v for p in person["keypoints"].values() for v in (p["x"], p["y"], p["score"])],
            **{name: [] for name in rest},
        }
        for person in record["people"]
    ]
    return json.dumps({"version": 1.3, "people": people}).encode()


def table(lines: Iterable[Sequence[str]]) -> bytes:
    """Lines of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


def point_rows(stored: Stored, record: Record) -> Iterator[list[str]]:
    """The lines of `COLUMNS`: one a point of each person."""
    for number, person in enumerate(record["people"], 1):
        start = [stored.name, record.get("index"), record.get("time"), number, person.get("track"), person["skeleton"]]
        for name, point in person["keypoints"].items():
            values = [*start, name, point["x"], point["y"], point["score"], point.get("kind", "same")]
            yield ["" if value is None else str(value) for value in values]


def coco_record(stored: Stored, record: Record) -> Record:
    """The converted record as `coco_of` takes it: with masks where parts were made; a frame is named by its number."""
    masked = with_masks(stored)["people"]
    people = [
        {**person, **({"segmentation": mask["segmentation"]} if "segmentation" in mask else {})}
        for person, mask in zip(record["people"], masked, strict=True)
    ]
    height, width = stored.size
    name = stored.name if "index" not in record else f"{stored.name}#{int(record['index']):06d}"
    return {**record, "image": {"file": name, "width": width, "height": height}, "people": people}


def coco_file(records: Sequence[Record], conversions: Sequence[Record]) -> bytes:
    """A COCO file; its `info` says what was done to each point."""
    document = coco_of(records)
    document["info"]["conversion"] = list(conversions)
    return json.dumps(document, allow_nan=False).encode()

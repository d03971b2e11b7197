"""Poses in COCO files: AP and AR of the whole and of its parts, as COCO, COCO-WholeBody, CrowdPose and Sapiens define them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.coco import BY_PARTS, WHOLE_308, read_json
from vitruvian.errors import InputError, UsageError
from vitruvian.evaluate.results.average_precision import Found, Labelled, average_precision
from vitruvian.types import Array
from vitruvian.vocab import equivalents, is_skeleton, skeleton, skeleton_names

COMMON = "common114"  # not a set of its own: the points of wholebody133 that sapiens308 has too
USUAL = {14: "crowdpose14", 17: "coco17", 133: "wholebody133", 308: "sapiens308"}  # points of a person -> skeleton
# annotation field of each group where the points of a whole body come apart, in the order of the 133
FIELDS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
CROWDING = {"easy": (-1.0, 0.1), "medium": (0.1, 0.8), "hard": (0.8, 1.0)}  # crowdIndex of a photo: above one, up to the other
JAW = 17  # the first points of the face
HANDS = ("left_hand", "right_hand")


@dataclass(frozen=True)
class _Truth:
    people: list[Labelled]
    images: list[int]
    crowding: Mapping[int, float]  # image -> crowdIndex, where the file tells it


def keypoint_figures(truth: Path, predictions: Path, name: str | None = None) -> dict[str, Any]:
    """COCO's key point figures of a results file or, as `predict --coco` writes, a COCO file with scores; boxes play no part.

    name: the skeleton that is judged (or its TOML file), `common114` for what whole bodies of 133 and of 308 points share; the
    truth's if left out. The points of either file are taken over to it, as `vitruvian keypoints convert` does. A file's own
    skeleton is told by its number of points. Keys: `AP`, `AP50`, `AP75`, `AP_medium`, `AP_large`, `AR`, ... (fractions; no
    sizes where no areas are labelled), `parts` (`body`, `foot`, `face`, `left_hand`, `right_hand`, and `hand`, the mean of
    both) where there are several, `crowding` where the photos tell theirs; `skeleton`, `points`, `images`, `people`
    (those with a labelled point, without crowds), `predictions`.
    Raises InputError for files that are damaged or do not fit together, naming the annotation and the field.
    """
    return figures_of(read_json(truth), read_json(predictions), name, truth, predictions)


def figures_of(raw: Any, results: Any, name: str | None, truth: Path, predictions: Path) -> dict[str, Any]:
    """As `keypoint_figures`, of what the two files hold; their names are for messages."""
    judged, rows = judged_rows(name)
    if not isinstance(raw, Mapping) or not isinstance(raw.get("annotations"), list) or not isinstance(raw.get("images"), list):
        raise InputError(f"{truth}: not a COCO file. Allowed: one with `images` and `annotations`.")
    known = _truth(raw, truth, judged)
    judged = judged or _set_of(known.people, truth)
    rows = rows or tuple(range(len(skeleton(judged))))
    people = [replace(p, points=_over(p.points, judged, truth)) for p in known.people]
    found = [replace(p, points=_over(p.points, judged, predictions)) for p in _found(results, predictions, judged)]
    _same_photos(known, found, truth, predictions)
    return _figures(replace(known, people=people), found, judged, rows) | {
        "skeleton": name or judged, "points": len(rows), "images": len(known.images), "people": _judged(people, rows),
        "predictions": len(found),
    }  # fmt: skip


def _judged(people: Sequence[Labelled], rows: Sequence[int]) -> int:
    """How many people have a say in the figures: no crowds, and nobody without a labelled point of these rows."""
    return sum(not person.crowd and bool((person.points[list(rows), 2] > 0).any()) for person in people)


def common_rows() -> tuple[int, ...]:
    """The 114 rows of wholebody133 that sapiens308 has too: body, feet, 20 of each hand, 51 of the face (no jaw, no hand
    root)."""
    whole = skeleton("wholebody133")
    hands = (row for side in HANDS for row in whole.groups[side] if whole.names[row] != f"{side}_root")
    return tuple(sorted((*whole.groups["body"], *whole.groups["foot"], *whole.groups["face"][JAW:], *hands)))


def judged_rows(name: str | None) -> tuple[str | None, tuple[int, ...] | None]:
    """The skeleton that is judged, and which of its points where not all are; None where nobody has said which."""
    if name == COMMON:
        return "wholebody133", common_rows()
    if name is not None and not is_skeleton(name):
        raise UsageError(f"skeleton {name!r}. Allowed: {', '.join((*skeleton_names(), COMMON))}, or FILE.toml.")
    return (None if name is None else skeleton(name).name), None


def _figures(known: _Truth, found: Sequence[Found], judged: str, rows: tuple[int, ...]) -> dict[str, Any]:
    points = skeleton(judged)

    def measured(images: Sequence[int], kept: Sequence[int]) -> dict[str, float]:
        return average_precision(known.people, found, images, kept, points.sigmas)

    figures: dict[str, Any] = dict(measured(known.images, rows))
    groups = {group: [row for row in members if row in rows] for group, members in points.groups.items()}
    if len(groups) > 1:
        parts = {part: measured(known.images, kept) for part, kept in groups.items() if kept}
        figures["parts"] = {part: {key: each[key] for key in ("AP", "AR")} for part, each in parts.items()}
        if set(HANDS) <= set(parts):
            figures["parts"]["hand"] = {key: float(np.mean([parts[side][key] for side in HANDS])) for key in ("AP", "AR")}
    if known.crowding:
        figures["crowding"] = {
            level: measured([i for i, index in known.crowding.items() if low < index <= high], rows)["AP"]
            for level, (low, high) in CROWDING.items()
        }
    return figures


def _over(points: Array, judged: str, where: Path) -> Array:
    """Points (K, 3) of the file's own skeleton -> (K', 3) of the judged one; third column 0 where a point has no equivalent."""
    if len(points) == len(skeleton(judged)):
        return points
    if len(points) not in USUAL:
        usual = ", ".join(f"{count} ({name})" for count, name in USUAL.items())
        raise InputError(
            f"{where}: people of {len(points)} points, but {judged} has {len(skeleton(judged))}. Allowed too: {usual}."
        )
    return taken_over(points, USUAL[len(points)], judged)


def taken_over(points: Array, source: str, judged: str) -> Array:
    """Points (K, 3) of one skeleton -> (K', 3) of another: mean place and least third number, 0 without equivalent."""
    out = np.zeros((len(skeleton(judged)), 3))
    for row, equivalent in enumerate(equivalents(source, judged)):
        if sources := list(equivalent.rows):
            out[row, :2], out[row, 2] = points[sources, :2].mean(0), points[sources, 2].min()
    return out


def _set_of(people: Sequence[Labelled], where: Path) -> str:
    counts = {len(person.points) for person in people}
    if len(counts) != 1 or not counts <= set(USUAL):
        told = " and ".join(map(str, sorted(counts))) or "no"
        raise InputError(f"{where}: {told} points a person. Fix: say which skeleton it is (--skeleton).")
    return USUAL[counts.pop()]


def _truth(raw: Mapping[str, Any], where: Path, judged: str | None) -> _Truth:
    images = {int(image["id"]): image for image in raw["images"]}
    people = [_labelled(entry, where, judged) for entry in raw["annotations"] if "keypoints" in entry]
    if not people:
        raise InputError(f"{where}: no annotation has keypoints. Fix: give the file of the key points.")
    if strangers := {person.image for person in people} - set(images):
        raise InputError(f"{where}: image_id {min(strangers)} of an annotation is none of its images. Fix: mend the file.")
    crowding = {i: float(image["crowdIndex"]) for i, image in images.items() if "crowdIndex" in image}
    return _Truth(people, sorted(images), crowding)


def _labelled(entry: Mapping[str, Any], where: Path, judged: str | None) -> Labelled:
    try:
        x, y, width, height = (float(v) for v in entry["bbox"])
        area = float(entry["area"]) if "area" in entry else None
        points = _points(entry, judged)
        return Labelled(int(entry["image_id"]), points, (x, y, width, height), area, bool(entry.get("iscrowd", 0)))
    except (KeyError, TypeError, ValueError) as error:
        told = f"{type(error).__name__}: {error}"
        raise InputError(f"{where}: annotation {entry.get('id')} is damaged ({told}). Fix: mend or remove it.") from error


def _found(raw: Any, where: Path, judged: str) -> list[Found]:
    entries = raw.get("annotations") if isinstance(raw, Mapping) else raw
    if not isinstance(entries, list):
        raise InputError(f"{where}: neither a list of results nor a COCO file with annotations.")
    out = []
    for number, entry in enumerate(entries):
        try:
            out.append(Found(int(entry["image_id"]), _points(entry, judged), float(entry["score"])))
        except (KeyError, TypeError, ValueError) as error:
            told = f"{type(error).__name__}: {error}"
            raise InputError(f"{where}: result {number} is damaged ({told}). Allowed: image_id, keypoints, score.") from error
    return out


def _points(entry: Mapping[str, Any], judged: str | None) -> Array:
    """(K, 3): all of `keypoints`, with the other groups of a whole body where they come apart and are not left aside; of the
    public 308 schema all at once, for 7 of the points are in no group."""
    whole = judged in (None, *BY_PARTS)
    names = (WHOLE_308,) if whole and WHOLE_308 in entry else FIELDS[: 5 if whole and FIELDS[1] in entry else 1]
    points: Array = np.concatenate([np.asarray(entry[name], np.float64).reshape(-1, 3) for name in names])
    if not np.isfinite(points).all():
        raise ValueError("a number of its keypoints is not finite")
    return points


def _same_photos(known: _Truth, found: Sequence[Found], truth: Path, predictions: Path) -> None:
    strangers = sorted({pose.image for pose in found} - set(known.images))
    if strangers:
        told = f"image_id {strangers[0]} is not in {truth} ({len(strangers)} such)"
        raise InputError(f"{predictions}: {told}. Fix: give the labels of the same set.")

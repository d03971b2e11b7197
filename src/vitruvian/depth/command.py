"""The verbs `depth align` and `depth cloud`."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath

import numpy as np

from vitruvian.depth.align import Alignment, Anchor, by_anchors, by_height
from vitruvian.depth.camera import Camera, check_camera, find_camera, need_camera
from vitruvian.depth.cloud import cloud, ply_bytes
from vitruvian.errors import InputError, UsageError, counted, unknown_name
from vitruvian.geometry import AXES
from vitruvian.predict.outputs import Outputs
from vitruvian.predict.record import SURE, Record, to_text
from vitruvian.predict.stored import DERIVED, ResultFile, Stored, find_results, photo_of, read_results
from vitruvian.predict.write import npy_bytes, png_bytes
from vitruvian.types import Array

RELATIVE = "Relative depth has no unit, and no scale that two people share: it says nothing of where points lie in space."


def align(
    result: Path,
    out: Path,
    anchors: Path | None = None,
    height: float | None = None,
    person: int | None = None,
    span: float | None = None,
    fov: float | None = None,
    focal: float | None = None,
    photo: Path | None = None,
    overwrite: bool = False,
    given_axes: str | None = None,
) -> int:
    """Write STEM.metric.json and .npy of one result: metres where the anchors or the height tell them. Returns 0 or 1.

    given_axes: of normals whose record does not state them, where the height needs normals. UsageError for wrong arguments;
    InputError for a result or anchors that cannot be used.
    """
    _check_knowledge(anchors, height, person, span)
    check_camera(fov, focal)
    if given_axes not in (None, *AXES):
        raise unknown_name("axes", str(given_axes), AXES)
    outputs = Outputs(overwrite)
    with outputs.attempt(str(result)):
        stored = _one(result)
        depths = _relative_depths(stored)
        if anchors is not None:
            camera = find_camera(stored, fov, focal, photo)
            found = _from_anchors(depths, read_anchors(anchors), anchors)
        else:
            camera = need_camera(stored, fov, focal, photo)
            found = _from_height(stored, depths, camera, float(height or 0), person, span, given_axes)
        _write(stored, out, depths, found, camera, outputs)
        for number, alignment in found.items():
            print(_told(number, alignment))
        left = [str(number) for number in depths if number not in found]
        if left:
            print(f"without depth, as nothing is known of them: person {', '.join(left)}")
    return outputs.end(out=out)


def clouds(
    results: Sequence[str],
    out: Path,
    fov: float | None = None,
    focal: float | None = None,
    photo: Path | None = None,
    axes: str = "camera",
    stride: int = 1,
    overwrite: bool = False,
) -> int:
    """Write STEM.ply of every metric result. Returns 0, or 1 if an input failed, as relative depth does."""
    check_camera(fov, focal)
    if axes not in AXES:
        raise unknown_name("axes", axes, AXES)
    if stride < 1:
        raise UsageError(f"--stride {stride}. Allowed: 1 or more.")
    outputs = Outputs(overwrite)
    files, problems = find_results(results)
    for problem in problems:
        outputs.fail(problem.message)
    for file in files:
        with outputs.attempt(str(file.path)):
            for stored in read_results(file):
                camera = _camera_of_metric(stored, fov, focal, photo)
                colors = None if photo is None else photo_of(stored, photo)
                points, colors = cloud(stored.map("depth"), camera.matrix(stored.size), colors, axes, stride)
                data = ply_bytes(points, colors, f"metres, {axes} axes, camera by {camera.said_by}")
                place = PurePosixPath(stored.stem)
                outputs.write(out / place.parent, {f"{place.name}.ply": data}, stored.where)
                print(f"{stored.where}: {counted(len(points), 'point')}, camera by {camera.said_by}")
    return outputs.end(out=out)


def read_anchors(path: Path) -> list[Anchor]:
    """Lines x,y,metres in pixels of the upright photo, with or without a header. InputError for anything else."""
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: the anchors cannot be read ({reason}). Allowed: CSV lines x,y,metres.") from error
    out = []
    for number, cells in enumerate(lines, 1):
        if not cells or (number == 1 and [cell.strip().lower() for cell in cells] == ["x", "y", "metres"]):
            continue
        try:
            x, y, metres = (float(cell) for cell in cells)
        except ValueError:
            raise InputError(f"{path}, line {number}: {','.join(cells)!r}. Allowed: x,y,metres.") from None
        if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(metres) and metres > 0):
            raise InputError(f"{path}, line {number}: {','.join(cells)!r}. Allowed: finite numbers, metres above 0.")
        out.append(Anchor(x, y, metres))
    return out


def _check_knowledge(anchors: Path | None, height: float | None, person: int | None, span: float | None) -> None:
    if (anchors is None) == (height is None):
        raise UsageError("what is known of the scene? Allowed: --anchors FILE (x,y,metres), or --height METRES of one person.")
    if anchors is not None and (person is not None or span is not None):
        raise UsageError("--person and --span go with --height. Fix: leave them out; anchors say where they lie.")
    if height is not None and not 0.3 <= height <= 3:
        raise UsageError(f"--height {height:g}. Allowed: 0.3 to 3 metres.")
    if span is not None and not 0 < span <= 5:
        raise UsageError(f"--span {span:g}. Allowed: above 0, to 5 metres, from the person's nearest to the farthest pixel.")


def _one(path: Path) -> Stored:
    records = list(read_results(ResultFile(path, path.stem)))
    if len(records) != 1:
        raise InputError(f"{path}: {len(records)} records. Allowed: the STEM.json of one photo.")
    return records[0]


def _relative_depths(stored: Stored) -> dict[int, Array]:
    """Number of a person -> relative depth (H, W), NaN elsewhere; 0 where one model saw the whole frame at once."""
    depth = stored.map("depth").astype(np.float32)
    about = stored.record.get("depth") or {}
    if about.get("kind") == "metric":
        raise InputError(f"{stored.where}: this depth is in metres already. Allowed: relative depth.")
    if not np.isfinite(depth).any():
        raise InputError(f"{stored.where}: nobody's depth is in it. Fix: see whether people were found.")
    if "range" in about:
        return {0: depth}
    owner = stored.map("owner")
    numbers = [int(number) for number in np.unique(owner[np.isfinite(depth)]) if number]
    return {number: np.where(owner == number, depth, np.float32(np.nan)) for number in numbers}


def _from_anchors(depths: dict[int, Array], anchors: Sequence[Anchor], path: Path) -> dict[int, Alignment]:
    mine: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        x, y = round(anchor.x), round(anchor.y)
        height, width = next(iter(depths.values())).shape
        inside = 0 <= x < width and 0 <= y < height
        number = next((n for n, depth in depths.items() if inside and np.isfinite(depth[y, x])), None)
        if number is None:
            told = "lies on nobody" if inside else f"lies outside the photo of {width}x{height} px"
            raise InputError(f"{path}: the anchor at {anchor.x:g}, {anchor.y:g} {told}. Fix: move it onto a person.")
        mine.setdefault(number, []).append(anchor)
    if not mine:
        raise InputError(f"{path}: no anchors. Allowed: two or more lines x,y,metres for each person.")
    return {number: by_anchors(depths[number], some, f"{path}: {_who(number)}") for number, some in sorted(mine.items())}


def _from_height(
    stored: Stored,
    depths: dict[int, Array],
    camera: Camera,
    height: float,
    person: int | None,
    span: float | None,
    given_axes: str | None,
) -> dict[int, Alignment]:
    if 0 in depths:
        raise InputError(f"{stored.where}: this depth is of the whole frame; whose height is it? Fix: use --anchors.")
    if person is None and len(depths) > 1:
        raise UsageError(f"whose height is it? Allowed: --person {' or '.join(map(str, depths))}.")
    number = next(iter(depths)) if person is None else person
    if number not in depths:
        raise UsageError(f"--person {number}. Allowed: {', '.join(map(str, depths))}.")
    who = f"{stored.where}: {_who(number)}"
    _check_upright(stored.people[number - 1], who)
    normal = stored.normals(given_axes, " or --span METRES") if stored.has("normal") and span is None else None
    return {number: by_height(depths[number], normal, camera.matrix(stored.size), height, span, who)}


def _check_upright(person: Record, who: str) -> None:
    """Where the pose is known: head over hips over ankles, all of them seen."""
    points = person.get("keypoints") or {}
    levels = []
    for names in (("nose",), ("left_hip", "right_hip"), ("left_ankle", "right_ankle")):
        seen = [points[name]["y"] for name in names if name in points and points[name]["score"] >= SURE]
        levels.append(max(seen) if seen else math.nan)
    if points and not levels[0] < levels[1] < levels[2]:
        raise InputError(f"{who} is not seen upright from head to feet, so the height is not. Fix: use --anchors.")


def _write(
    stored: Stored, out: Path, depths: dict[int, Array], found: dict[int, Alignment], camera: Camera | None, outputs: Outputs
) -> None:
    metres = np.full(stored.size, np.nan, np.float32)
    for number, alignment in found.items():
        here = np.isfinite(depths[number])
        metres[here] = alignment.shift + alignment.scale * depths[number][here]
    base = PurePosixPath(stored.stem).name
    files = {"depth": f"{base}.metric.npy"}
    contents = {files["depth"]: npy_bytes(metres)}
    if stored.has("owner"):
        files["owner"] = f"{base}.metric.owner.png"
        contents[files["owner"]] = png_bytes(stored.map("owner"))
    record = _record(stored, found, camera, files)
    outputs.write(out, {**contents, f"{base}.metric.json": (to_text(record) + "\n").encode()}, stored.where)


def _record(stored: Stored, found: dict[int, Alignment], camera: Camera | None, files: dict[str, str]) -> Record:
    """The record as it was, with depth in metres and how each person came to it, and no other maps."""
    told = {number: {**asdict(alignment), "scale": round(alignment.scale, 5), "shift": round(alignment.shift, 5)}
            for number, alignment in found.items()}  # fmt: skip
    people = [{**person, "alignment": told.get(number)} for number, person in enumerate(stored.people, 1)]
    kept = {k: v for k, v in stored.record.items() if k not in ("people", "files", "parts", "depth", "normal", "tasks")}
    return {
        **kept,
        DERIVED: "depth align",
        "people": people,
        **({"alignment": told[0]} if 0 in told else {}),
        **({"camera": camera.record()} if camera else {}),
        "depth": {"kind": "metric", "unit": "metre", "values": "distance along the viewing axis", "nobody": "NaN"},
        "files": files,
    }


def _camera_of_metric(stored: Stored, fov: float | None, focal: float | None, photo: Path | None) -> Camera:
    kind = (stored.record.get("depth") or {}).get("kind")
    if stored.has("depth") and kind != "metric":
        raise InputError(
            f"{stored.where}: its depth is {kind}. {RELATIVE} Fix: vitruvian depth align, then its STEM.metric.json."
        )
    stored.map("depth")  # says so where there is none
    return need_camera(stored, fov, focal, photo)


def _told(number: int, found: Alignment) -> str:
    metres = f"{_who(number)}: {found.shift:.2f} to {found.shift + found.scale:.2f} m"
    if found.by == "anchors":
        count = len(found.notes["anchors"])  # type: ignore[arg-type]
        check = "two anchors are always met: no check" if count == 2 else f"rms {found.notes['rms']} m"
        return f"{metres}, by {count} anchors ({check}, largest {found.notes['largest']} m)"
    agreement = f", which agree with depth by {found.notes['agreement']}" if "agreement" in found.notes else ""
    return f"{metres}, by height; span of {found.scale:.2f} m from {found.notes['span_from']}{agreement}"


def _who(number: int) -> str:
    return f"person {number}" if number else "the whole frame"

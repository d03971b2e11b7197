"""The files of one photo. All are written beside their places first; then they are renamed, the JSON last of all."""

from __future__ import annotations

import glob
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vitruvian.errors import InputError
from vitruvian.predict.overlay import sheet
from vitruvian.predict.record import Record, coco_of, depth_ends, record_of, to_text
from vitruvian.predict.result import ImageResult
from vitruvian.tasks.normal import normal_colors
from vitruvian.types import Array, Normals

ENDINGS = {
    "parts": "parts.png",
    "depth": "depth.npy",
    "depth_png": "depth.png",
    "normal": "normal.npy",
    "normal_png": "normal.png",
    "owner": "owner.png",
    "overlay": "overlay.jpg",
    "record": "json",
}
OVERLAY_QUALITY = 92
PNG_EFFORT = 3  # of 9: a twelve-megapixel map must not take longer to pack than to predict


def write_result(
    result: ImageResult,
    out: Path,
    stem: str,
    name: str,
    fingerprint: Mapping[str, Any],
    draw: bool,
    before: Record | None = None,
) -> Record:
    """Write every file of a photo below `out`; name: the photo as its record calls it. Returns the record.

    before: the record that is replaced; files that it names and the new one does not are removed.

    Whatever stops it (a full disk, an interrupt), no half file and no JSON of a half result is left. OSError passes through.
    """
    files = encoded(result, draw)
    base = Path(stem).name
    names = {kind: f"{base}.{ENDINGS[kind]}" for kind in files}
    record = record_of(result, name, names, fingerprint)
    folder = (out / stem).parent
    folder.mkdir(parents=True, exist_ok=True)
    contents = {names[kind]: encode for kind, encode in files.items()}
    write_all(folder, {**contents, f"{base}.{ENDINGS['record']}": lambda: (to_text(record) + "\n").encode()})
    for kind, old in files_of(before).items():
        if kind not in files and old == f"{base}.{ENDINGS.get(kind)}":
            (folder / old).unlink(missing_ok=True)
    return record


def write_coco(path: Path, records: list[Record]) -> None:
    """One COCO file of many records, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_all(path.parent, {path.name: lambda: json.dumps(coco_of(records), allow_nan=False).encode()})


def read_record(path: Path) -> Record | None:
    """A record written before; None where there is none that can be read."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return raw if isinstance(raw, dict) else None


def files_of(record: Record | None) -> dict[str, str]:
    """Kind of file -> name, as the record says; none where there is no record."""
    files = (record or {}).get("files")
    return files if isinstance(files, dict) else {}


def is_same(record: Record | None, fingerprint: Mapping[str, Any]) -> bool:
    """True if a record was made of the same photo by the same means, wherever the photo lies."""
    made = (record or {}).get("fingerprint")
    return isinstance(made, dict) and {**made, "place": None} == {**fingerprint, "place": None}


def is_done(record: Record, folder: Path, tasks: Sequence[str], draw: bool) -> bool:
    """True if all that is asked for is there, and all else that the record names."""
    files = files_of(record)
    complete = set(tasks) <= set(record.get("tasks", ())) and (not draw or "overlay" in files)
    return complete and all((folder / file).is_file() for file in files.values())


def write_all(folder: Path, contents: Mapping[str, Callable[[], bytes]]) -> None:
    """File name -> bytes, in order; either all appear or (but for a crash between two renames) none; the last one last."""
    staged = {folder / name: folder / f".{name}.{os.getpid()}.tmp" for name in contents}
    _sweep(folder, contents)
    try:
        for place, encode in zip(staged.values(), contents.values(), strict=True):
            place.write_bytes(encode())
        *_, last = staged
        last.unlink(missing_ok=True)  # a record never stands beside maps that are not its own
        for target, place in staged.items():
            place.replace(target)
    finally:
        for place in staged.values():
            place.unlink(missing_ok=True)


def _sweep(folder: Path, names: Iterable[str]) -> None:
    """Remove what a killed run has left half written of these files; runs that are alive keep theirs."""
    for name in names:
        for left in folder.glob(f".{glob.escape(name)}.*.tmp"):
            number = left.name.removesuffix(".tmp").rpartition(".")[2]
            if number.isdecimal() and not _alive(int(number)):
                left.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's process; or a system that cannot tell
        return True
    return True


def encoded(result: ImageResult, draw: bool) -> dict[str, Callable[[], bytes]]:
    """Kind of file, of `ENDINGS`, -> how to make its bytes; the record is not among them."""
    frame, tasks = result.frame, result.tasks
    size = result.size
    files: dict[str, Callable[[], bytes]] = {}
    if "seg" in tasks:
        ids = frame.parts.ids if frame.parts else np.zeros(size, np.uint8)
        files["parts"] = lambda: png_bytes(ids)
    if "depth" in tasks:
        z = frame.depth.z if frame.depth else np.full(size, np.nan, np.float32)
        files["depth"] = lambda: npy_bytes(z)
        files["depth_png"] = lambda: png_bytes(depth_levels(z, depth_ends(frame)))
    if "normal" in tasks:
        normals = frame.normals or Normals(np.full((*size, 3), np.nan, np.float32))
        files["normal"] = lambda: npy_bytes(normals.n.astype(np.float16))
        files["normal_png"] = lambda: png_bytes(normal_colors(normals.n, normals.frame))
    if set(tasks) - {"pose"}:
        files["owner"] = lambda: png_bytes(frame.owner.astype(np.uint8) if len(result.people) < 256 else frame.owner)
    if draw:
        files["overlay"] = lambda: _image(sheet(result), ".jpg", [cv2.IMWRITE_JPEG_QUALITY, OVERLAY_QUALITY])
    return files


def depth_levels(z: Array, ends: tuple[float, float]) -> Array:
    """(H, W) depths -> uint16: 65535 at the near end, 1 at the far end, 0 where not finite."""
    near, far = ends
    known = np.isfinite(z)
    level = np.clip((np.where(known, z, near) - near) / ((far - near) or 1.0), 0, 1)
    return np.where(known, 65535 - np.round(level * 65534), 0).astype(np.uint16)


def png_bytes(image: Array) -> bytes:
    """(H, W), RGB or RGBA, uint8 or uint16, as a PNG file."""
    return _image(image, ".png", [cv2.IMWRITE_PNG_COMPRESSION, PNG_EFFORT])


def _image(image: Array, ending: str, options: list[int]) -> bytes:
    channels = {3: (2, 1, 0), 4: (2, 1, 0, 3)}  # OpenCV's order
    done, data = cv2.imencode(ending, image[..., channels[image.shape[2]]] if image.ndim == 3 else image, options)
    if not done:
        raise InputError(f"a map of shape {image.shape} cannot be written as {ending}. Fix: make the photo smaller.")
    return bytes(data)


def npy_bytes(array: Array) -> bytes:
    """An array as an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()

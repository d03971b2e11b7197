"""Every layout by name, and a source from what a user gives: a TOML file that describes it, or a path whose kind can be told.

kind = "maps"               one of LAYOUTS; the other fields are those of its reader
folder = "scans"            paths are relative to the TOML file
depth_unit = 0.001
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vitruvian.data.coco import PARTS, WHOLE_308, Coco, read_json
from vitruvian.data.fetch import is_remote
from vitruvian.data.maps import Maps
from vitruvian.data.parts import Parts
from vitruvian.data.shards import Shards
from vitruvian.data.sources import Folder, Source, Synthetic
from vitruvian.errors import InputError, UsageError, unknown_name
from vitruvian.vocab.custom import read_toml

KEPT = 64  # shards that were fetched, where nothing else is said
SETS = ("skeleton", "classes", "mapping")  # fields that hold a name, or a TOML file


@dataclass(frozen=True)
class Layout:
    """reader: what is made of it; paths: its fields that are paths; told: one line for people."""

    reader: Callable[..., Source]
    paths: tuple[str, ...]
    told: str


LAYOUTS: dict[str, Layout] = {
    "coco": Layout(Coco, ("annotations", "images"), "COCO keypoints or instances, COCO-WholeBody, 308 points (JSON, pictures)"),
    "parts": Layout(Parts, ("images", "masks", "people"), "part masks as in LIP and CIHP (pictures, PNG of ids)"),
    "maps": Layout(Maps, ("folder",), "images/ with masks/, depths/ or normals/ (PNG, npy, EXR)"),
    "synth": Layout(Synthetic, ("folder",), "a folder of `vitruvian synth`"),
    "shards": Layout(Shards, ("urls", "cache"), "WebDataset shards (tar files, pipe:, hf://, s3://)"),
    "photos": Layout(Folder, ("folder",), "photos without labels, searched recursively"),
}


@dataclass(frozen=True)
class Opened:
    """A source, and as what it was taken: `given` by the user, its `kind`, and what was found out or filled in."""

    given: str
    kind: str
    source: Source
    told: str = ""


def open_source(given: str, skeleton: str | None = None) -> Opened:
    """The source that a user means: FILE.toml, COCO's FILE.json, shards, or a folder of maps, synthetic people or photos.

    skeleton: of COCO files, by name or TOML file; by their fields if left out. Raises UsageError for what is none of these.
    """
    path = Path(given)
    if path.suffix == ".toml":
        return _described(path, skeleton)
    if path.suffix == ".json":
        raw = read_json(path)
        name = skeleton or skeleton_of(raw)
        images = _images_of(path, raw)
        return Opened(given, "coco", Coco(path, images, name), f"{name}, pictures in {images}")
    if path.suffix == ".tar" or given.startswith("pipe:") or "://" in given:
        return _shards(given)
    if not path.is_dir():
        allowed = "SOURCE.toml, COCO's FILE.json, FILE.tar, or a folder"
        what = "not a data set" if path.exists() else "no such file or folder"
        raise UsageError(f"{given}: {what}. Allowed: {allowed} (see `vitruvian data list`).")
    if (path / "gbuffers").is_dir():
        return Opened(given, "synth", Synthetic(path))
    if (path / "images").is_dir() and any((path / kind).is_dir() for kind in ("masks", "depths", "normals")):
        return Opened(given, "maps", Maps(path))
    if any(path.glob("*.tar")):
        return Opened(given, "shards", Shards((str(path / "*.tar"),)))
    return Opened(given, "photos", Folder(path))


def _shards(given: str) -> Opened:
    """Shards by name; those that are no local files with a cache that everybody has."""
    if not is_remote(given):
        return Opened(given, "shards", Shards((given,)))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vitruvian" / "shards"
    return Opened(given, "shards", Shards((given,), cache, KEPT), f"fetched into {cache}, where the last {KEPT} stay")


def _described(path: Path, skeleton: str | None) -> Opened:
    raw = dict(read_toml(path))
    kind = raw.pop("kind", None)
    if kind not in LAYOUTS:
        raise UsageError(f"{path}: kind: {unknown_name('layout', kind, LAYOUTS)}")
    layout = LAYOUTS[kind]
    known = [f.name for f in fields(layout.reader) if f.init]  # type: ignore[arg-type]
    for name in raw:
        if name not in known:
            raise UsageError(f"{path}: {unknown_name('field of ' + kind, name, known)}")
    if skeleton is not None and "skeleton" in known:
        raw["skeleton"] = skeleton
    values = {name: _value(name, value, path, layout) for name, value in raw.items()}
    try:
        return Opened(str(path), kind, layout.reader(**values), raw.get("skeleton", "") or raw.get("mapping", ""))
    except TypeError as error:
        raise UsageError(f"{path}: {error}. Allowed: {', '.join(known)}.") from error


def _value(name: str, value: Any, path: Path, layout: Layout) -> Any:
    """A field as its reader takes it; paths as seen from the TOML file."""
    if name == "urls":
        urls = [value] if isinstance(value, str) else value
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise UsageError(f"{path}: urls is {value!r}. Allowed: a path, pattern or URL, or a list of them.")
        return tuple(url if ":" in url else str(path.parent / url) for url in urls)
    if name in layout.paths or (name in SETS and str(value).endswith(".toml")):
        if not isinstance(value, str):
            raise UsageError(f"{path}: {name} is {value!r}. Allowed: a path.")
        return path.parent / value if name in layout.paths else str(path.parent / value)
    return value


def labelled(source: Source) -> tuple[str, ...]:
    """The tasks that a source has labels for."""
    if isinstance(source, Coco):
        return ("pose",)
    if isinstance(source, Parts):
        return ("seg",)
    if isinstance(source, Synthetic):
        return ("pose", "seg", "depth", "normal")
    kinds = source.kinds if isinstance(source, Maps) else ()
    return tuple(task for task, kind in (("depth", "depths"), ("normal", "normals")) if kind in kinds)


def class_set_of(source: Source) -> str | None:
    """The class set that a source's part ids are those of; None where it has no parts."""
    if isinstance(source, Parts):
        return source.class_set
    return "body28" if isinstance(source, Synthetic) else None


def skeleton_of(raw: Any) -> str:
    """The skeleton of what a COCO file holds: of whole bodies by their fields, else the one of COCO."""
    entries = raw.get("annotations", []) if isinstance(raw, Mapping) else []
    found = {name for entry in entries[:100] if isinstance(entry, Mapping) for name in entry}
    if WHOLE_308 in found:
        return "sapiens308"
    return "wholebody133" if set(PARTS.values()) <= found else "coco17"


def _images_of(path: Path, raw: Any) -> Path:
    """The folder, near the JSON file, that has its first picture."""
    try:
        name = raw["images"][0]["file_name"]
    except (KeyError, IndexError, TypeError) as error:
        raise InputError(f"{path}: no COCO file ({error!r} is missing). Fix: check the file.") from error
    here, above = path.parent, path.parent.parent
    last = path.stem.rpartition("_")[2]  # val2017 of person_keypoints_val2017
    for place in (folder / part for folder in (here, above) for part in (".", "images", last)):
        if (place / name).is_file():
            return place
    fix = 'Fix: a TOML file with kind = "coco", annotations = ..., images = ...'
    raise InputError(f"{path}: its first picture, {name}, is not near it. {fix}.")

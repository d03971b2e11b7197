"""The one place where what a user names becomes photos to learn from: folders, patterns, files, shards, data sets."""

from __future__ import annotations

import hashlib
import io
import warnings
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from PIL import Image

from vitruvian.data.layouts import open_source
from vitruvian.data.shards import Shards
from vitruvian.data.sources import Source
from vitruvian.errors import InputError, UsageError
from vitruvian.predict.images import from_pillow, read_photo
from vitruvian.predict.sources import find_sources
from vitruvian.types import Array


class Photos(Protocol):
    """Photos by number; it pickles."""

    @property
    def groups(self) -> tuple[int, ...]:
        """How many lie together and are best read together; their sum is the number of photos."""

    def photo(self, index: int) -> tuple[Array, str]:
        """(H, W, 3) uint8 RGB and a name for people. InputError for one that cannot be used."""

    def digest(self) -> str:
        """What the photos are, without where they lie."""


@dataclass(frozen=True)
class FilePhotos:
    """Image files. Their order is that of a hash of their names, so that neighbours are strangers: one folder of damaged photos
    must not be eight bad ones in a row, which end a run."""

    files: tuple[tuple[str, str], ...]  # path, name below its root

    @property
    def groups(self) -> tuple[int, ...]:
        """All in one."""
        return (len(self.files),)

    def photo(self, index: int) -> tuple[Array, str]:
        """One photo, upright, and its path."""
        path, _ = self.files[index]
        return read_photo(path).pixels, path

    def digest(self) -> str:
        """Of the names."""
        return _hash(name for _, name in self.files)


@dataclass(frozen=True)
class SourcePhotos:
    """The photos of a data set or of shards, whole, without their labels."""

    source: Source
    name: str

    @property
    def groups(self) -> tuple[int, ...]:
        """Those of the shards."""
        return self.source.groups if isinstance(self.source, Shards) else (len(self.source),)

    def photo(self, index: int) -> tuple[Array, str]:
        """One photo and its key; of shards as of files, so that a photo cut short is refused."""
        if not isinstance(self.source, Shards):
            return self.source.photo(index)
        content, key = self.source.content(index)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return from_pillow(Image.open(io.BytesIO(content)), key).pixels, key
            except (OSError, Image.DecompressionBombError) as error:
                raise InputError(f"{key}: not an image, or damaged ({error}).") from error

    def digest(self) -> str:
        """Of the kind, the name and the numbers."""
        return _hash([type(self.source).__name__, self.name, *map(str, self.groups)])


@dataclass(frozen=True)
class AllPhotos:
    """Several sources, one after the other."""

    parts: tuple[Photos, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # of what was settled without being told
    _ends: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ends", tuple(accumulate(sum(part.groups) for part in self.parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def groups(self) -> tuple[int, ...]:
        """Of all parts."""
        return tuple(size for part in self.parts for size in part.groups)

    def photo(self, index: int) -> tuple[Array, str]:
        """As of its part."""
        part = bisect_right(self._ends, index)
        return self.parts[part].photo(index - (self._ends[part - 1] if part else 0))

    def digest(self) -> str:
        """Of all parts."""
        return self.parts[0].digest() if len(self.parts) == 1 else _hash(part.digest() for part in self.parts)


def open_photos(given: Sequence[str], out: Path) -> AllPhotos:
    """Every photo of folders (recursive), patterns, files, shards (`*.tar`, URLs) and data sets (`FILE.toml`, COCO's
    `FILE.json`, folders of `vitruvian synth`). out: the run's folder, in which none are looked for.

    UsageError where one of them has no photo: a run must not learn from less than it was told.
    """
    if not given:
        raise UsageError(
            "no source of photos given. Allowed: folders, patterns, shards, data sets (see `vitruvian data list`)."
        )
    plain = [text for text in given if _is_plain(text)]
    parts: list[Photos] = []
    if plain:
        found, problems = find_sources(plain, out)
        absent = [f"{one.path}: no such file." for one in found if not one.path.is_file()]
        if wrong := [problem.message for problem in problems] + absent:
            raise UsageError(wrong[0] + (f" ({len(wrong) - 1} more like it)" if len(wrong) > 1 else ""))
        files = ((str(one.path), one.name) for one in found)
        parts.append(FilePhotos(tuple(sorted(files, key=lambda file: (_hash([file[1]]), file)))))
    told, notes = list[str](), list[str]()
    for text in given:
        if text not in plain:
            opened = open_source(text)
            source, note = opened.source, opened.told
            if not len(source):
                raise UsageError(f"{text}: no photo in it. Fix: check the source (`vitruvian data check {text}`).")
            parts.append(SourcePhotos(source, Path(text).name))
            told += getattr(source, "problems", ())
            notes += [f"{text}: {note}"] if note and opened.kind == "shards" else []
    return AllPhotos(tuple(parts), tuple(told), tuple(notes))


def _is_plain(text: str) -> bool:
    """Whether it is photos and not a data set: files and patterns of pictures, folders of nothing but photos."""
    path = Path(text)
    if path.is_dir():
        return not ((path / "gbuffers").is_dir() or any(path.glob("*.tar")))
    return path.suffix not in (".toml", ".json", ".tar") and "://" not in text and not text.startswith("pipe:")


def _hash(words: object) -> str:
    digest = hashlib.sha256()
    for word in words:  # type: ignore[attr-defined]
        digest.update(str(word).encode(errors="surrogateescape") + b"\n")
    return digest.hexdigest()[:16]

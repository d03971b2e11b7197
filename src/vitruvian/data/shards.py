"""WebDataset shards: tar files of pictures, of which any one is read on its own.

The libraries that stream shards give another order with another number of workers, and cannot go on in the middle. Here every
shard is indexed, so that its pictures are numbered like those of a folder and the order stays ours (`data.order`).
"""

from __future__ import annotations

import bisect
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from vitruvian.data.fetch import expand, is_remote, read_fetched
from vitruvian.data.images import PICTURES, decode_image
from vitruvian.data.sources import whole_picture
from vitruvian.errors import InputError, UsageError
from vitruvian.types import Array, ImageRecord, Sample

OPEN = 64  # shards whose index a process remembers
BLOCK = 512
INDEX = "index.json"


class Member(NamedTuple):
    """One picture: the name of its sample, and where its bytes lie in the shard."""

    key: str
    start: int
    size: int


@dataclass(frozen=True)
class Shards:
    """Pictures of WebDataset shards, whole and without labels.

    urls: paths, patterns such as `people-{000..012}.tar` or `*.tar`, `pipe:COMMAND`, or URLs that fsspec knows (hf://, s3://,
    https://). What is not a local file is fetched whole into `cache` when it is first needed, of which at most `keep` shards
    stay; the counts of all shards are kept there too, so that only the first construction reads them all.

    A shard that is cut short gives what is whole in it, one that cannot be read gives nothing; both are named in `problems`.
    Raises InputError where no shard has a picture, UsageError for URLs that cannot be fetched here.
    """

    urls: tuple[str, ...]
    cache: Path | None = None
    keep: int | None = None
    groups: tuple[int, ...] = field(init=False, repr=False)
    problems: tuple[str, ...] = field(init=False, repr=False)
    _ends: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        urls = tuple(url for pattern in self.urls for url in expand(pattern))
        if self.cache is None and (remote := next((url for url in urls if is_remote(url)), None)):
            raise UsageError(f"{remote}: shards that are no local files need a cache. Fix: give a folder for them (cache).")
        object.__setattr__(self, "urls", urls)
        entries = _counted(urls, self.cache, self.keep)
        groups = tuple(int(entry["pictures"]) for entry in entries)
        problems = tuple(f"{url}: {entry['problem']}" for url, entry in zip(urls, entries, strict=True) if entry["problem"])
        if not sum(groups):
            raise InputError(f"no shard of {len(urls)} has a picture; {problems[0] if problems else urls[0]}.")
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "problems", problems)
        object.__setattr__(self, "_ends", tuple(accumulate(groups)))

    def __len__(self) -> int:
        return self._ends[-1]

    def photo(self, index: int) -> tuple[Array, str]:
        """One picture (H, W, 3) and its key."""
        content, key = self.content(index)
        return decode_image(content, key), key

    def __iter__(self) -> Iterator[ImageRecord]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> ImageRecord:
        sample = self.sample(index)
        return ImageRecord(index, (sample.image.shape[0], sample.image.shape[1]), sample.key)

    @property
    def samples(self) -> int:
        """How many pictures there are."""
        return len(self)

    def sample(self, number: int) -> Sample:
        """A whole picture without labels; its key is shard/name."""
        content, key = self.content(number)
        return whole_picture(decode_image(content, key), key)

    def content(self, number: int) -> tuple[bytes, str]:
        """The bytes of a picture as they are in its shard, and its key."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        shard = bisect.bisect_right(self._ends, number)
        url, place = self.urls[shard], number - (self._ends[shard - 1] if shard else 0)
        try:
            return read_fetched(url, self.cache, self.keep, partial(self._picture, shard, place))
        except OSError as error:
            raise InputError(f"{url}: cannot be read ({error.strerror}). Fix: check the shard.") from error

    def _picture(self, shard: int, place: int, path: Path) -> tuple[bytes, str]:
        status, url = path.stat(), self.urls[shard]
        members, _ = _members(path, status.st_size, status.st_mtime_ns)
        if place >= len(members):
            told = f"{len(members)} pictures, but {self.groups[shard]} when it was counted"
            raise InputError(f"{url}: {told}. Fix: start the run anew.")
        member = members[place]
        with path.open("rb") as file:
            file.seek(member.start)
            return file.read(member.size), f"{url}/{member.key}"


def scan(path: Path) -> tuple[tuple[Member, ...], str]:
    """The pictures of a tar file, one of each sample, and what is wrong with it ("" if nothing). OSError if it cannot be read.

    A sample is what has one name up to the first dot of its last part; the first picture of it counts.
    """
    found: dict[str, Member | None] = {}
    problem = ""
    try:
        with tarfile.open(path, "r:") as tar:
            try:
                for entry in tar:
                    if entry.isfile():
                        _note(entry, found)
            except tarfile.TarError as error:
                problem = f"cut short ({error})"
                size = path.stat().st_size
                found = {key: m for key, m in found.items() if m is None or m.start + m.size <= size}
            end = tar.offset
        problem = problem or _ending(path, end)
    except tarfile.TarError as error:
        return (), f"no tar file, or damaged ({error}); compressed ones must be unpacked"
    members = tuple(member for member in found.values() if member is not None)
    if problem:
        problem = f"{problem}; {len(members)} pictures are whole"
    elif len(members) < len(found):
        problem = f"{len(found) - len(members)} of {len(found)} samples have no picture ({', '.join(PICTURES)})"
    return members, problem


def _note(entry: tarfile.TarInfo, found: dict[str, Member | None]) -> None:
    folder, _, name = entry.name.rpartition("/")
    stem, _, ending = name.partition(".")
    key = f"{folder}/{stem}" if folder else stem
    is_picture = f".{ending.lower().rpartition('.')[2]}" in PICTURES
    if found.get(key) is None:
        found[key] = Member(key, entry.offset_data, entry.size) if is_picture else None


def _ending(path: Path, end: int) -> str:
    """A tar ends with blocks of zeros; without them the file may have lost its rest."""
    with path.open("rb") as file:
        file.seek(end)
        return "" if file.read(BLOCK) == bytes(BLOCK) else f"cut short or damaged at byte {end}"


@lru_cache(maxsize=OPEN)
def _members(path: Path, _size: int, _changed: int) -> tuple[tuple[Member, ...], str]:
    return scan(path)


def _counted(urls: Sequence[str], cache: Path | None, keep: int | None) -> list[dict[str, Any]]:
    """Of every shard how many pictures it has and what is wrong with it; from the cache where that knows them. What could not
    be read is not kept there: it may be only for now."""
    known = _read_index(cache)
    out = [_count(url, known.get(url), cache, keep) for url in urls]
    read = {url: entry for url, entry in zip(urls, out, strict=True) if entry["file"]}
    if cache is not None and any(known.get(url) != entry for url, entry in read.items()):
        cache.mkdir(parents=True, exist_ok=True)
        temporary = cache / f".{INDEX}.{os.getpid()}.tmp"
        temporary.write_text(json.dumps(known | read, indent=0))
        temporary.replace(cache / INDEX)
    return out


def _count(url: str, known: dict[str, Any] | None, cache: Path | None, keep: int | None) -> dict[str, Any]:
    if known is not None and (is_remote(url) or known["file"] == _state(Path(url.removeprefix("file://")))):
        return known
    try:
        return read_fetched(url, cache, keep, _counts)
    except InputError as error:
        return {"pictures": 0, "problem": str(error).removeprefix(f"{url}: "), "file": []}
    except OSError as error:
        return {"pictures": 0, "problem": f"cannot be read ({error.strerror})", "file": []}


def _counts(path: Path) -> dict[str, Any]:
    members, problem = scan(path)
    return {"pictures": len(members), "problem": problem, "file": _state(path)}


def _state(path: Path) -> list[int]:
    """Size and time of a file, by which a change is seen."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _read_index(cache: Path | None) -> dict[str, dict[str, Any]]:
    if cache is None or not (cache / INDEX).is_file():
        return {}
    try:
        found = json.loads((cache / INDEX).read_text())
        return {url: entry for url, entry in found.items() if {"pictures", "problem", "file"} <= set(entry) and entry["file"]}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{cache / INDEX}: damaged ({error}). Fix: delete it; the shards are counted anew.") from error

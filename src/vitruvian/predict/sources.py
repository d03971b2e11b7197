"""Files, folders and globs -> the photos to do, and where the results of each go."""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from vitruvian.errors import UsageError
from vitruvian.predict.images import EXTENSIONS
from vitruvian.predict.video import names as video
from vitruvian.predict.write import ENDINGS, read_record

MAGIC = "*?["
OURS = (*ENDINGS.values(), *video.ENDINGS.values())


@dataclass(frozen=True)
class Source:
    """One photo or video: its path, its path below the given root (posix; with folders above it where two roots have one name),
    and the stem of its results below the output folder."""

    path: Path
    name: str
    stem: str

    @property
    def is_video(self) -> bool:
        """True of a file that is called as videos are."""
        return self.path.suffix.lower() in video.EXTENSIONS


@dataclass(frozen=True)
class Problem:
    """An input that cannot be used, and the line that says why."""

    name: str
    message: str


def find_sources(given: Sequence[str], out: Path, videos: bool = False) -> tuple[list[Source], list[Problem]]:
    """Every photo of the given files, folders (recursive) and globs, once, in order; what cannot be used is a Problem.

    videos: look for them too. Results of earlier runs that a folder or a glob holds are no photos. UsageError if nothing is
    given.
    """
    kinds = EXTENSIONS | (video.EXTENSIONS if videos else frozenset())
    if not given:
        raise UsageError("no photo given. Allowed: one or more files, folders or glob patterns.")
    found: dict[Path, tuple[Path, Path]] = {}
    problems: list[Problem] = []
    for text in given:
        for path, root in expand(text, out, problems, kinds):
            if _is_text(path):
                found.setdefault(path.resolve(), (path, root))
            else:
                shown = ascii(str(path))
                problems.append(Problem(shown, f"{shown}: the name is not valid UTF-8. Fix: rename it."))
    return with_stems(list(found.values())), problems


def expand(text: str, out: Path, problems: list[Problem], kinds: AbstractSet[str] = EXTENSIONS) -> list[tuple[Path, Path]]:
    """The files that one argument stands for, each with the folder it was found below. kinds: extensions looked for."""
    if not text.strip():
        problems.append(
            Problem(repr(text), f"{text!r}: an empty name. Allowed: a file, a folder (. is this one) or a glob pattern.")
        )
        return []
    path = expanded(text)
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:
        problems.append(
            Problem(
                text, f"{text}: cannot be looked up ({error.strerror}). Fix: check the name and the permissions of its folders."
            )
        )
        return []
    if is_folder:
        return [(file, path) for file in _photos_below(path, out, problems, kinds)]
    if is_there or not any(sign in text for sign in MAGIC):
        return [(path, path.parent)]  # an absent file speaks up when it is read
    root = _fixed_part(path)
    results = _Results(root, out)
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207  knows absolute patterns
    files = [match for match in matches if match.is_file() and _is_one(match.name, kinds) and match not in results]
    if not files:
        problems.append(
            Problem(text, f"{text}: no photo matches this pattern. Fix: check it (** searches folders in folders).")
        )
    return [(file, root) for file in files]


def expanded(text: str) -> Path:
    """The path of a name: ~ and ~USER are home folders, but what only looks like one (~photo.jpg) stays as it is."""
    try:
        return Path(text).expanduser()
    except (RuntimeError, ValueError):  # nobody is called that, or can be
        return Path(text)


def _photos_below(folder: Path, out: Path, problems: list[Problem], kinds: AbstractSet[str]) -> list[Path]:
    def unreadable(error: OSError) -> None:
        place = str(error.filename)
        problems.append(Problem(place, f"{place}: the folder cannot be read ({error.strerror}). Fix: change its permissions."))

    before = len(problems)
    results = _Results(folder, out)
    files: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and Path(place, name) not in results)
        photos = (Path(place, name) for name in sorted(names) if _is_one(name, kinds))
        files += [photo for photo in photos if photo.is_file() and photo not in results]
    if not files and len(problems) == before:
        known = ", ".join(sorted(extension[1:] for extension in kinds))
        problems.append(Problem(str(folder), f"{folder}: no photo in this folder. Allowed: {known}."))
    return files


def _is_text(path: Path) -> bool:
    """False for names of bytes that no JSON can hold."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_one(name: str, kinds: AbstractSet[str]) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in kinds


def _fixed_part(pattern: Path) -> Path:
    """The folder before the first wildcard."""
    parts = []
    for part in pattern.parts:
        if any(sign in part for sign in MAGIC):
            break
        parts.append(part)
    return Path(*parts)


class _Results:
    """What earlier runs have written: everything in an output folder below the searched root, and every picture that a record
    beside it names."""

    def __init__(self, root: Path, out: Path) -> None:
        inner = out.resolve()
        self._folder = inner if inner != root.resolve() and inner.is_relative_to(root.resolve()) else None
        self._named: dict[Path, frozenset[str]] = {}

    def __contains__(self, path: Path) -> bool:
        if self._folder is not None and path.resolve().is_relative_to(self._folder):
            return True
        ending = next((e for e in OURS if path.name.endswith(f".{e}")), None)
        if ending is None:
            return False
        record = path.with_name(path.name.removesuffix(ending) + ENDINGS["record"])
        if record not in self._named:
            self._named[record] = frozenset(((read_record(record) or {}).get("files") or {}).values())
        return path.name in self._named[record]


def with_stems(files: list[tuple[Path, Path]]) -> list[Source]:
    """Results mirror the path below the root; equal stems keep the extension, still equal ones the folders above it."""
    levels = [0] * len(files)
    for _ in range(64):
        taken = defaultdict(list)
        for i, (file, level) in enumerate(zip(files, levels, strict=True)):
            taken[_stem(*file, level).casefold()].append(i)  # as on file systems that do not tell case apart
        clashes = [places for places in taken.values() if len(places) > 1]
        if not clashes:
            break
        for places in clashes:
            lowest = min(levels[i] for i in places)
            for i in places:
                levels[i] += levels[i] == lowest
    return [
        Source(path, _relative(path, root, max(level - 1, 0)), _stem(path, root, level))
        for (path, root), level in zip(files, levels, strict=True)
    ]


def _stem(path: Path, root: Path, level: int) -> str:
    """Level 0: without the extension; 1: with it; 2, 3, ...: with one, two, ... of the folders above the root too."""
    return _relative(path, root, max(level - 1, 0), suffix=level > 0)


def _relative(path: Path, root: Path, up: int, suffix: bool = True) -> str:
    """The path below the root, with `up` of the folders above it in front."""
    path, root = Path(os.path.abspath(path)), Path(os.path.abspath(root))  # noqa: PTH100  links are not followed
    for _ in range(up):
        root = root.parent
    inside = path.relative_to(root)
    return (inside if suffix else inside.with_suffix("")).as_posix()

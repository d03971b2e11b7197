"""What a user names -> one entry for every input: files, pictures in tar shards, rows of lists."""

from __future__ import annotations

import csv
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from vitruvian.curate.fetch import is_url
from vitruvian.curate.record import Row, read_rows
from vitruvian.curate.tables import SUFFIX, list_pictures, picture_column
from vitruvian.data.fetch import expand as expand_braces
from vitruvian.errors import InputError, UsageError
from vitruvian.predict.images import EXTENSIONS
from vitruvian.predict.sources import Problem, expanded
from vitruvian.predict.sources import expand as expand_files

PATHS, LICENCES = ("path", "file", "image", "url"), ("licence", "license")  # columns of lists, and fields of the JSON in shards


def list_inputs(given: Sequence[str], out: Path) -> list[Row]:
    """One row for every input, in order, each source once; `problem` says why one cannot be used.

    Folders (searched recursively), globs, files, shards (`*.tar`, `a-{000..012}.tar`), image datasets of Hugging Face
    (`*.parquet` that hold pictures), and lists (`.csv`, `.jsonl`, `.parquet` with a column `path` or `url`, and `licence`
    where it is known; paths are relative to the list). out: not searched.
    UsageError for a source that is not there at all.
    """
    if not given:
        raise UsageError(
            "no source given. Allowed: folders, globs, files, shards (*.tar), image datasets (.parquet), lists (.csv, .jsonl,"
            " .parquet)."
        )
    seen: dict[str, Row] = {}
    for text in given:
        for row in _rows_of(text, out):
            seen.setdefault(row["source"], row)
    return [{**row, "index": number} for number, row in enumerate(seen.values())]


def entry(source: str, path: str = "", **more: Any) -> Row:
    """One input. start: where its bytes begin in the file at `path` (None: they are the file), of a parquet file its row.

    bytes: how many those are.
    """
    return {"source": source, "path": path, "start": None, "bytes": None, "licence": None, "problem": None} | more


def _rows_of(text: str, out: Path) -> Iterator[Row]:
    suffix = Path(text).suffix.lower()
    if suffix == SUFFIX:
        return (row for name in expand_braces(text) for row in _in_parquet(_there(name)))
    if suffix == ".tar":
        return (row for name in expand_braces(text) for row in _in_tar(_there(name)))
    if suffix in READERS:
        return _in_list(_there(text), READERS[suffix])
    return _in_files(text, out)


def _there(name: str) -> Path:
    path = expanded(name.removeprefix("file://"))
    try:
        there = path.is_file()
    except OSError as error:
        raise UsageError(
            f"{name}: cannot be looked up ({error.strerror}). Fix: check the name and the permissions of its folders."
        ) from error
    if not there:
        raise UsageError(f"{name}: no such file. Fix: check the sources.")
    return path


def _in_files(text: str, out: Path) -> Iterator[Row]:
    problems: list[Problem] = []
    found = expand_files(text, out, problems)
    if not found and problems:
        raise UsageError(problems[0].message)
    if len(found) == 1 and not found[0][0].exists():
        raise UsageError(f"{text}: no such file or folder. Fix: check the sources.")
    for path, _ in found:
        try:
            str(path).encode()
            yield entry(str(path), str(path))
        except UnicodeEncodeError:
            yield entry(ascii(str(path)), problem="the name is not valid UTF-8")
    for problem in problems:
        yield entry(problem.name, problem=problem.message)


def _in_tar(path: Path) -> Iterator[Row]:
    """Every picture of a shard, with the licence that the JSON beside it tells. A shard that is damaged, or cut short, is an
    input of its own, beside what was found before the damage."""
    rows: list[Row] = []
    licences: dict[str, str | None] = {}
    problem = ""
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                ending = Path(member.name).suffix.lower()
                if member.isfile() and ending in EXTENSIONS:
                    name = _text(member.name)
                    rows.append(
                        entry(f"{path}/{name}", str(path), start=member.offset_data, bytes=member.size, sample=_sample(name))
                    )
                elif member.isfile() and ending == ".json":
                    licences[_sample(_text(member.name))] = _licence_of(tar, member)
    except (tarfile.TarError, OSError) as error:
        problem = str(error)
    for row in rows:
        yield {**row, "licence": licences.get(row.pop("sample"))}
    if problem:
        yield entry(str(path), str(path), problem=f"damaged shard: {problem}")


def _text(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()


def _sample(name: str) -> str:
    folder, _, last = name.rpartition("/")
    return f"{folder}/{last.partition('.')[0]}"


def _licence_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str | None:
    file = tar.extractfile(member)
    try:
        told = json.loads(file.read()) if file else None
    except (ValueError, RecursionError):
        return None  # whoever wrote it for something else; a picture without a known licence says so by an empty column
    return _first(told, LICENCES) if isinstance(told, dict) else None


def _in_parquet(path: Path) -> Iterator[Row]:
    """Pictures in the file itself, else a list of paths or URLs."""
    column = picture_column(path)
    if column is None:
        yield from _in_list(path, READERS[SUFFIX])
        return
    for number, (name, told) in enumerate(list_pictures(path, column, LICENCES)):
        yield entry(f"{path}/{number}" + (f"/{name}" if name else ""), str(path), start=number, licence=_first(told, LICENCES))


def _in_list(path: Path, read: Callable[[Path], Iterator[Any]]) -> Iterator[Row]:
    for number, told in enumerate(read(path), start=1):
        name = _first(told, PATHS) if isinstance(told, Mapping) else None
        if name is None:
            yield entry(f"{path}:{number}", problem=f"row without {' or '.join(PATHS)}")
        elif is_url(name):
            yield entry(name, licence=_first(told, LICENCES))
        else:
            place = str(path.parent / expanded(name))
            yield entry(place, place, licence=_first(told, LICENCES))


def _first(told: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((str(told[name]) for name in names if told.get(name)), None)


def _csv(path: Path) -> Iterator[Any]:
    with _opened(path, newline="") as file:
        reader = csv.DictReader(file)
        try:
            if not set(PATHS) & set(reader.fieldnames or ()):
                raise UsageError(f"{path}: columns {reader.fieldnames}. Allowed: one called {', '.join(PATHS)}.")
            yield from reader
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}: no CSV that can be read ({error}). Fix: write it again, as UTF-8.") from error


def _jsonl(path: Path) -> Iterator[Any]:
    with _opened(path, errors="replace") as file:
        for line in file:
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                yield None


def _opened(path: Path, newline: str | None = None, errors: str | None = None) -> IO[str]:
    try:
        return path.open(newline=newline, encoding="utf-8", errors=errors)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}). Fix: change its permissions.") from error


READERS: dict[str, Callable[[Path], Iterator[Any]]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    SUFFIX: lambda path: iter(read_rows(path)),
}

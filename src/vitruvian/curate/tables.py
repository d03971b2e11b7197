"""Pictures inside parquet files, as Hugging Face writes image datasets: a column of {bytes, path}, a picture in every row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vitruvian.errors import InputError

SUFFIX = ".parquet"
USUAL = "image"  # the column that is taken where several hold pictures
AT_ONCE = 1024  # rows that are listed at once
KEPT = 2  # row groups that a process keeps, since neighbours are asked for together


def picture_column(path: Path) -> str | None:
    """The column of pictures; None where there is none. InputError for a damaged file."""
    try:
        return _column(pq.read_schema(path))
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: no parquet file that can be read ({error}). Fix: get it anew.") from error


def _column(schema: Any) -> str | None:
    names = [field.name for field in schema if pa.types.is_struct(field.type) and _holds_bytes(field.type)]
    return USUAL if USUAL in names else next(iter(names), None)


def _holds_bytes(kind: Any) -> bool:
    inside = {kind.field(number).name: kind.field(number).type for number in range(kind.num_fields)}
    held = inside.get("bytes", pa.null())
    return bool(pa.types.is_binary(held) or pa.types.is_large_binary(held))


def list_pictures(path: Path, column: str, beside: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """For every row what its picture calls itself ("" if nothing), and its values of the columns in `beside` that are there.

    InputError for a damaged file.
    """
    try:
        with pq.ParquetFile(path) as file:
            yield from _listed(file, column, beside)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: its rows cannot be read ({error}). Fix: get it anew.") from error


def _listed(file: Any, column: str, beside: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    there = [name for name in beside if name in file.schema_arrow.names]
    named = any(one.name == "path" for one in file.schema_arrow.field(column).type)
    wanted = [*there, *([f"{column}.path"] if named else [])]
    if not wanted:
        yield from (("", {}) for _ in range(file.metadata.num_rows))
        return
    for batch in file.iter_batches(AT_ONCE, columns=wanted):
        for row in batch.to_pylist():
            yield ((row.get(column) or {}).get("path") or ""), {name: row[name] for name in there}


def read_picture(path: Path, row: int) -> bytes | None:
    """The bytes of the picture in a row, None where it has none. OSError where the file is gone or no longer whole."""
    try:
        column, starts = _layout(path)
        group = max(number for number, start in enumerate(starts) if start <= row)
        pictures = _group(path, column, group)
        content: bytes | None = (pictures[row - starts[group]].as_py() or {}).get("bytes")
    except (pa.ArrowException, IndexError) as error:
        raise OSError(f"{path}: row {row} cannot be read ({error})") from error
    return content


@lru_cache(maxsize=64)
def _layout(path: Path) -> tuple[str, tuple[int, ...]]:
    """The column of pictures, and the first row of every group."""
    meta, starts = pq.read_metadata(path), [0]
    column = _column(meta.schema.to_arrow_schema())
    if column is None:
        raise OSError(f"{path}: has no pictures any more")
    for number in range(meta.num_row_groups - 1):
        starts.append(starts[-1] + meta.row_group(number).num_rows)
    return column, tuple(starts)


@lru_cache(maxsize=KEPT)
def _group(path: Path, column: str, number: int) -> Any:
    with pq.ParquetFile(path) as file:
        return file.read_row_group(number, columns=[f"{column}.bytes"]).column(0)

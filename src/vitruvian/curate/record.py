"""A row of the ledger, as Arrow types: one for every input, whatever became of it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from vitruvian.curate.limits import DIGITS
from vitruvian.errors import InputError, UsageError, VitruvianError

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise UsageError("curating needs pyarrow. Fix: pip install 'vitruvian[curate]'.") from error

Row: TypeAlias = dict[str, Any]
KEEP, DROP = "keep", "drop"
BOX = pa.struct([(name, pa.float32()) for name in ("x1", "y1", "x2", "y2", "score")])
INPUT = {"index": pa.int64(), "source": pa.string(), "path": pa.string(), "start": pa.int64(), "bytes": pa.int64(),
         "licence": pa.string(), "problem": pa.string()}  # fmt: skip
FOUND = {"index": pa.int64(), "stage": pa.string(), "reason": pa.string(), "format": pa.string(), "width": pa.int32(),
         "height": pa.int32(), "bytes": pa.int64(), "sha256": pa.string(), "phash": pa.string(),
         "licence": pa.string()}  # fmt: skip
LOOKS = ("side", "aspect", "colour", "contrast", "sharpness")
PEOPLE = {"person": pa.float64(), "people": pa.int32(), "boxes": pa.list_(BOX)}
HEAD = {"index": pa.int64(), "source": pa.string(), "decision": pa.string(), "stage": pa.string(), "reason": pa.string(),
        "duplicate_of": pa.string(), "distance": pa.int32()}  # fmt: skip
EMBEDDED = {"vector": pa.binary(), "points": pa.binary()}  # float16 as bytes; as `points` packs them
TAIL = {"edited": pa.string(), "shard": pa.string(), "key": pa.string(), "path": pa.string(), "start": pa.int64()}


def input_schema() -> Any:
    """Of the listing: where every input lies."""
    return pa.schema(list(INPUT.items()))


def look_schema() -> Any:
    """Of what is known before any model has seen an image."""
    return pa.schema([*FOUND.items(), *((name, pa.float64()) for name in LOOKS)])


def score_schema(scores: Sequence[str]) -> Any:
    """Of what models say."""
    named = [(name, pa.float64()) for name in scores if name not in PEOPLE]
    return pa.schema([("index", pa.int64()), ("stage", pa.string()), ("reason", pa.string()), *named, *PEOPLE.items()])


def embed_schema() -> Any:
    """Of what copies are known again by."""
    return pa.schema([("index", pa.int64()), ("stage", pa.string()), ("reason", pa.string()), *EMBEDDED.items()])


def pack_schema() -> Any:
    """Of what went into a shard."""
    names = ("shard", "key", "reason", "edited")
    return pa.schema([("index", pa.int64()), *((name, pa.string()) for name in names)])


def ledger_schema(scores: Sequence[str], embedded: bool = False) -> Any:
    """Of the ledger itself. scores: columns of the scorers; embedded: with vectors and points."""
    middle = {name: kind for name, kind in FOUND.items() if name not in HEAD}
    named = [(name, pa.float64()) for name in (*LOOKS, *(s for s in scores if s not in PEOPLE))]
    more = EMBEDDED if embedded else {}
    return pa.schema([*HEAD.items(), *middle.items(), *named, *PEOPLE.items(), *more.items(), *TAIL.items()])


def rounded(row: Row) -> Row:
    """With as many digits of its scores as are told."""
    return {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in row.items()}


def write_rows(path: Path, rows: Iterable[Row], schema: Any) -> None:
    """A parquet file, whole or not at all. VitruvianError where the disk will not have it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), temporary, compression="zstd")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def read_rows(path: Path, without: Collection[str] = ()) -> list[Row]:
    """Of one parquet file. without: columns that are left out. InputError if it is damaged."""
    try:
        columns = [name for name in pq.read_schema(path).names if name not in without] if without else None
        rows: list[Row] = pq.read_table(path, columns=columns).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read ({error}). Fix: delete it, then run the same command.") from error
    return rows


def is_whole(path: Path) -> bool:
    """Whether a parquet file is there and ends as it should."""
    try:
        return bool(path.is_file() and pq.read_metadata(path) is not None)
    except (OSError, pa.ArrowException):
        return False


def unwritable(path: Path, error: OSError) -> VitruvianError:
    """The one line for an output that is full or read-only."""
    return VitruvianError(
        f"cannot write {path} ({error.strerror or error}). Free space or mend the permissions, then run the same command:"
        " it goes on from there."
    )

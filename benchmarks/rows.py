"""Rows of a results file, which several benchmarks fill: a JSON list of objects, each told by its `name`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitruvian.evaluate.report import write_text


def merge_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write `rows` into the file: each takes the place of the one of its name, or comes last; the others stay. Returns all."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    merged = {row["name"]: dict(row) for row in [*kept, *rows]}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(list(merged.values()), indent=1) + "\n")
    return list(merged.values())

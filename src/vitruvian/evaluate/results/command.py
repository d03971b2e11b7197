"""The verbs `evaluate keypoints|people|parts|depth|normal`: figures on the terminal, or one JSON object and nothing else."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from vitruvian.errors import counted
from vitruvian.evaluate.report import plain

DEGREES = ("mean", "median")
FEW = 30  # people
AS_IT_IS = ("RMSE", "rmse_log", "log10", "silog", "sq_rel", *DEGREES)  # no fractions


def tell(figures: Mapping[str, Any], as_json: bool, beside: str = "") -> int:
    """Print the figures of a verb. beside: the table of the paper to show with them. Returns the exit code 0."""
    if as_json:
        print(json.dumps(plain(dict(figures))))
        return 0
    said = {key: value for key, value in figures.items() if isinstance(value, float)}
    plainly = {key: value for key, value in figures.items() if not isinstance(value, float | dict | list)}
    print(" · ".join(f"{key} {value}" for key, value in plainly.items()))
    if left := figures.get("left_out"):
        print(f"left out, with too little to count: {', '.join(left)}")
    print("\n" + _table(("figure", "value"), [(key, _shown(key, value)) for key, value in said.items()]))
    for key in ("parts", "crowding"):
        if key in figures:
            print("\n" + _inner(key, figures[key]))
    if (people := figures.get("people", FEW)) < FEW:
        print(f"\nbeware: {counted(people, 'person', 'people')} judged. Of fewer than {FEW} a figure says little.")
    if lines := _paper(beside):
        print("\n" + lines)
    return 0


def _shown(key: str, value: float) -> str:
    if value == -1 or value != value:
        return "none"
    if key in DEGREES:
        return f"{value:.2f}°"
    return f"{value:.4f}" if key in AS_IT_IS else f"{100 * value:.1f} %"


def _inner(title: str, rows: Mapping[str, Any]) -> str:
    first = next(iter(rows.values()))
    columns: Sequence[str] = tuple(first) if isinstance(first, Mapping) else ("IoU" if title == "parts" else "AP",)
    lines = [
        (name, *(_shown(c, v) for c, v in (value.items() if isinstance(value, Mapping) else ((columns[0], value),))))
        for name, value in rows.items()
    ]  # fmt: skip
    return _table((title, *columns), lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns stand below each other, numbers to the right."""
    lines = [tuple(map(str, line)) for line in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = ["| " + " | ".join(_cell(cell, widths[i], i) for i, cell in enumerate(line)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 1) + ("-" if i == 0 else ":") for i, width in enumerate(widths)) + "|"
    return "\n".join([shown[0], rule, *shown[1:]])


def _cell(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)


def _paper(name: str) -> str:
    known = tomllib.loads((files(__package__) / "paper.toml").read_text(encoding="utf-8"))
    if name not in known:
        return ""
    entry = known[name]
    lines = [(f"Sapiens {size}", *(f"{value:.1f}" for value in row)) for size, row in entry["rows"].items()]
    return _table((f"published, on {entry['data']}, %", *entry["columns"]), lines)

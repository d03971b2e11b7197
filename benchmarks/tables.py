"""The tables of docs/results/speed-cpu.md, out of the rows beside it in speed-cpu.json; what is written around them stays.

python benchmarks/tables.py docs/results
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vitruvian.evaluate.report import table, write_text

BEGIN, END = "<!-- made by benchmarks/tables.py: begin -->", "<!-- end -->"
HEAD = "# Official sizes on a CPU\n\n"
Row = Mapping[str, Any]


def origin(rounds: int) -> dict[str, Any]:
    """What every row says of its own making."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {"commit": found.stdout.strip() or "unknown", "date": f"{datetime.now(UTC):%Y-%m-%d}", "rounds": rounds}


def write_tables(folder: Path) -> None:
    """The page in `folder`, with its tables made anew."""
    rows = json.loads((folder / "speed-cpu.json").read_text(encoding="utf-8"))
    page = folder / "speed-cpu.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else f"{HEAD}{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    write_text(page, f"{before}{BEGIN}\n{tables(rows)}\n{END}{after}")


def tables(rows: Sequence[Row]) -> str:
    """Targets, and where the official way spends its time."""
    made = table(
        ("target", "faster than officially", "ours, s", "error", "rounds", "commit, date"),
        [_target(row) for row in rows if row["ratio"] is not None],  # the others have a page of their own
    )
    official = {row["name"].split(",")[0]: row for row in rows if "official_backbone_seconds" in row}
    parts = [
        (name, *(f"{row[f'official_{part}seconds']:.1f}" for part in ("", "backbone_", "head_")))
        for name, row in official.items()
    ]
    return f"{made}\n\n{table(('official', 's in all', 'its backbone', 'its head'), parts)}"


def _target(row: Row) -> tuple[str, ...]:
    memory = f", {row['memory_ratio']:.2f} of the memory" if "memory_ratio" in row else ""
    made = f"{row['commit']}, {row['date']}" if "commit" in row else ""
    seconds, error = f"{row['seconds']:.3g}", f"{row['error']:.1e} {row['error_is']}"
    return row["name"], f"{row['ratio']:.1f}×{memory}", seconds, error, str(row.get("rounds", "")), made


if __name__ == "__main__":
    write_tables(Path(sys.argv[1]))

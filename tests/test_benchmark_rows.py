"""Benchmarks fill one results file without losing each other's rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from rows import merge_rows


def test_a_row_takes_the_place_of_its_name_and_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "results" / "speed.json"
    merge_rows(file, [{"name": "a", "ratio": 1.0}, {"name": "b", "ratio": 2.0}])
    merged = merge_rows(file, [{"name": "c", "ratio": 3.0}, {"name": "a", "ratio": 4.0}])
    assert merged == json.loads(file.read_text())
    assert [(row["name"], row["ratio"]) for row in merged] == [("a", 4.0), ("b", 2.0), ("c", 3.0)]
    assert [path.name for path in file.parent.iterdir()] == [file.name]

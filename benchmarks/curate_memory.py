"""How the memory of the process that curates grows with the number of inputs, without any image: all tasks are made up.

python benchmarks/curate_memory.py [--rows 5000 20000 100000]

Every task writes rows as a real one does (a fifth of the images are near copies of others, a tenth fail); listing, deciding,
duplicates and the ledger are the run's own. Each size runs in a process of its own; its peak is the resident memory at most.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import vitruvian.curate.run as engine
from vitruvian.curate.inputs import entry
from vitruvian.curate.pool import Task
from vitruvian.curate.record import Row, write_rows
from vitruvian.curate.settings import Settings

LOOKS = {"stage": "", "reason": "", "format": "JPEG", "width": 640, "height": 480, "side": 480.0, "aspect": 1.3333,
         "colour": 30.5, "contrast": 50.25, "sharpness": 6.125}  # fmt: skip


def digest(number: int) -> str:
    return hashlib.sha256(number.to_bytes(8, "big")).hexdigest()


def looked(one: Row) -> Row:
    number = one["index"]
    near = number % 5 == 4  # of the one before it, by one bit
    phash = int(digest(number - near)[:16], 16) ^ near
    failed = {"stage": "decode", "reason": "truncated: no end of the image"} if number % 10 == 7 else {}
    told = {"index": number, "bytes": 120_000 + number % 977, "licence": one["licence"], "sha256": digest(number)}
    return LOOKS | told | {"phash": f"{phash:016x}"} | failed


def scored(one: Row) -> Row:
    box = {"x1": 10.0, "y1": 20.0, "x2": 400.0, "y2": 470.0, "score": 0.95}
    marks = {"watermark": 0.1, "text": 0.2, "artistic": 0.3}
    return {"index": one["index"], "stage": "", "reason": "", **marks, "person": 0.95, "people": 1, "boxes": [box]}


def packed(one: Row, task: Task) -> Row:
    assert task.shard is not None
    return {"index": one["index"], "shard": task.shard.name, "key": f"{one['index']:010d}", "reason": ""}


def made_up(tasks: list[Task], *_: object) -> Iterator[Task]:
    """In the place of `pool.perform`."""
    for task in tasks:
        rows = {"look": looked, "score": scored, "pack": lambda one, task=task: packed(one, task)}[task.kind]
        write_rows(task.target, [rows(one) for one in task.inputs], task.schema)
        yield task


def one_size(rows: int) -> None:
    """Print: rows, peak MiB, seconds of processor time, kept."""

    def listed(*_: object) -> list[Row]:
        names = (f"/data/crawl/part-{n // 1000:06d}/{digest(n)[:20]}.jpg" for n in range(rows))
        return [{**entry(name, name, licence="CC-BY-4.0"), "index": number} for number, name in enumerate(names)]

    engine.perform, engine.list_inputs = made_up, listed
    engine.make_scorers = lambda _: []
    with tempfile.TemporaryDirectory() as folder:
        before = time.process_time()
        outcome = engine.curate(["made up"], Path(folder) / "out", Settings())
        print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.process_time() - before, outcome.kept)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000, 20_000, 100_000])
    parser.add_argument("--one", type=int)
    chosen = parser.parse_args()
    if chosen.one is not None:
        one_size(chosen.one)
        return 0
    print("| inputs | peak MiB | bytes an input more than before | processor s | kept |\n| --- | --- | --- | --- | --- |")
    last = None
    for rows in chosen.rows:
        told = subprocess.run([sys.executable, __file__, "--one", str(rows)], check=True, capture_output=True, text=True).stdout
        count, peak, seconds, kept = (float(word) for word in told.split())
        more = f"{(peak - last[1]) * 2**20 / (count - last[0]):.0f}" if last else ""
        print(f"| {count:,.0f} | {peak:.0f} | {more} | {seconds:.1f} | {kept:,.0f} |", flush=True)
        last = (count, peak)
    return 0


if __name__ == "__main__":
    sys.exit(main())

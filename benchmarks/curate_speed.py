"""Milliseconds of processor time that curation spends on an image: step by step in one process, and in a worker of a run.

python benchmarks/curate_speed.py FOLDER [--rounds 5] [--models]
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import torch

from vitruvian.curate.inputs import list_inputs
from vitruvian.curate.integrity import Refusal, open_image
from vitruvian.curate.looks import looks_of
from vitruvian.curate.pool import Task, perform
from vitruvian.curate.record import Row, look_schema
from vitruvian.curate.run import CHUNK
from vitruvian.curate.settings import Settings, make_scorers
from vitruvian.curate.work import read_input


def in_a_worker(inputs: Sequence[Row], rounds: int) -> float:
    """Seconds an image of the tasks `look`, as a run does them: user and system time of one worker, its start left out."""

    def spent(name: str, rows: Sequence[Row]) -> float:
        parts = [rows[begin : begin + CHUNK] for begin in range(0, len(rows), CHUNK)]
        tasks = [Task("look", Path(folder, name, str(n)), part, Settings(), look_schema()) for n, part in enumerate(parts)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in perform(tasks, workers=1, patience=120):
            pass
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    with tempfile.TemporaryDirectory() as folder:
        start = spent("start", inputs[:1])
        return (spent("all", [*inputs] * rounds) - start) / (len(inputs) * rounds - 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", action="store_true")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    inputs = list_inputs([str(chosen.folder)], chosen.folder / "none")
    scorers = make_scorers(Settings()) if chosen.models else []
    spent: dict[str, float] = defaultdict(float)
    count = 0
    for turn in range(chosen.rounds + 1):
        for one in inputs:
            clock = [time.process_time()]

            def lap(name: str, clock: list[float] = clock, turn: int = turn) -> None:
                now = time.process_time()
                spent[name] += (now - clock[0]) * (turn > 0)  # the first round warms up
                clock[0] = now

            try:
                content = read_input(one)
                lap("read")
                hashlib.sha256(content).hexdigest()
                lap("sha256")
                view = open_image(content, one["source"]).view
                lap("check, decode, reduce")
                looks_of(view.pixels)
                lap("hash, colour, contrast, sharpness")
            except Refusal:
                continue
            for scorer in scorers:
                scorer.score([view])
                lap(scorer.model)
            count += turn > 0
    models = {scorer.model for scorer in scorers}
    before = sum(value for name, value in spent.items() if name not in models)
    for name, value in spent.items():
        print(f"| {name} | {1e3 * value / count:.2f} | {'' if name in models else f'{value / before:.0%}'} |")
    print(f"before the models: {1e3 * before / count:.2f} ms, {count / before:.0f} images a second and core ({count} images)")
    each = in_a_worker(inputs, 4 * chosen.rounds)
    print(f"in a worker, its ledger written: {1e3 * each:.2f} ms, {1 / each:.0f} images a second and core")
    return 0


if __name__ == "__main__":
    sys.exit(main())

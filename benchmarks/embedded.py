"""How long the packaged model takes for a photo: the whole command, and in a loaded process.

python benchmarks/embedded.py PHOTO [--runs 7] [--detector auto] [--card docs/models/vitruvian-s.md]

Rounds of both are interleaved; the median of each is told. All four tasks; the command also writes files and overlay. With
--card the figures are put into the model card.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import vitruvian
from vitruvian.evaluate.card import fill
from vitruvian.evaluate.photos import Adapter
from vitruvian.evaluate.report import provenance, table


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(predictor: vitruvian.Predictor, photo: Path, runs: int, detector: str) -> str:
    """A Markdown table of both medians."""
    command, loaded = [], []
    with tempfile.TemporaryDirectory() as out:
        options = ["--detector", detector, "--out", out, "--overwrite"]
        for _ in range(runs):
            whole = [sys.executable, "-m", "vitruvian", "predict", str(photo), *options]
            command.append(timed(lambda run=whole: subprocess.run(run, check=True, capture_output=True)))
            loaded.append(timed(lambda: predictor.predict(photo)))
    rows = [
        ("vitruvian predict, start-up to files", f"{statistics.median(command):.2f}", f"{min(command):.2f}"),
        ("predictor.predict, loaded", f"{statistics.median(loaded):.3f}", f"{min(loaded):.3f}"),
    ]
    return table(("what", "median s", "best s"), rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--card", type=Path, default=None, help="model card whose speed is filled anew")
    chosen = parser.parse_args(arguments)
    predictor = vitruvian.load("vitruvian-s", detector=chosen.detector)
    people, made = len(predictor.predict(chosen.photo).people), provenance(Adapter(predictor))
    said = f"{chosen.photo.name}, people found: {people}, detector {chosen.detector}, four tasks; {made['hardware']}; "
    said += f"{made['software']}, {predictor.compute}; {made['date']}; weights {made['weights'][:12]}; "
    said += f"medians of {chosen.runs} runs, interleaved."
    text = f"{said}\n\n{measure(predictor, chosen.photo, chosen.runs, chosen.detector)}"
    print(text)
    if chosen.card:
        fill(chosen.card, "speed", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

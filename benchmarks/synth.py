"""How many synthetic people a second: geometry written, and appearances drawn from it.

python benchmarks/synth.py [--frames 240] [--draws 2000] [--size 256x192] [--workers 2]

Geometry: `vitruvian synth` without pictures into a fresh folder; the workers' start-up is timed apart, by the same run on two
frames. Appearance: training views from those frames in as many processes, each with one thread.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vitruvian.data.gbuffer import gbuffer_files, read_gbuffer
from vitruvian.data.loader import one_thread_for_children
from vitruvian.device import processor
from vitruvian.evaluate.report import table
from vitruvian.synth.appearance import people_in_sight, view
from vitruvian.synth.dataset.generate import generate, parse_size


def draw_views(job: tuple[Path, int, int, tuple[int, int]]) -> float:
    """Seconds for a number of views, all frames in memory."""
    folder, seed, count, size = job
    frames = [frame for frame in map(read_gbuffer, gbuffer_files(folder)[:60]) if people_in_sight(frame)]
    rng = np.random.default_rng(seed)
    view(frames[0], people_in_sight(frames[0])[0], rng, size)
    start = time.perf_counter()
    for number in range(count):
        frame = frames[number % len(frames)]
        view(frame, people_in_sight(frame)[0], rng, size)
    return time.perf_counter() - start


def seconds_of_geometry(folder: Path, frames: int, size: tuple[int, int], workers: int) -> float:
    start = time.perf_counter()
    generate(folder, frames, size, seed=5, workers=workers, images=False)
    return time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--size", default="256x192")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args(arguments)
    size = parse_size(chosen.size)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        begun = seconds_of_geometry(folder / "two", 2, size, chosen.workers)
        whole = seconds_of_geometry(folder / "all", chosen.frames, size, chosen.workers)
        jobs = [(folder / "all", seed, chosen.draws // chosen.workers, size) for seed in range(chosen.workers)]
        with one_thread_for_children(), multiprocessing.get_context("spawn").Pool(chosen.workers) as pool:
            slowest = max(pool.map(draw_views, jobs, chunksize=1))
    steady = chosen.frames - 2, whole - begun
    rows = [
        ("geometry samples", chosen.frames, f"{whole:.1f}", f"{chosen.frames / whole:.1f}"),
        ("geometry samples, start-up apart", steady[0], f"{steady[1]:.1f}", f"{steady[0] / steady[1]:.1f}"),
        ("appearance draws", chosen.draws, f"{slowest:.1f}", f"{chosen.draws / slowest:.0f}"),
    ]  # fmt: skip
    print(f"{chosen.size}, {chosen.workers} processes; {processor()}\n")
    print(table(("what", "number", "s", "per s"), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

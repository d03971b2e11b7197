"""Scores of 28 classes on the head's grid -> parts of a 4K photo, ours against the official way: time and memory.

python benchmarks/parts_4k.py --out docs/results [--rounds 7]

Official (benchmarks/reference): all 28 maps resized to 1024x768, then to the photo, then argmax. Ours, two ways: `predict`,
what `vitruvian predict` does (parts and probabilities at the input's size, from there to the photo), and `labels`, exactly the
official classes (`tasks/labels.labels_at`). Maps: scores of the packaged model for a bundled photo, resized to the official
head's grid, and a random smooth field of all 28 classes.

Ratios are medians over interleaved rounds; the first warms up, uncounted. Memory: each way runs once in a process of its own,
after a run on a tiny photo (which loads what is loaded once); Linux resets the process's peak before (/proc/self/clear_refs),
and what counts is the peak (VmHWM) less what was resident (VmRSS), the way's results included. Linux only.
Puts its rows into speed-cpu.json (name, ratio, memory_ratio, error: the share of pixels whose class is not the official one)
and into the tables of speed-cpu.md.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from reference import official
from rows import merge_rows
from tables import origin, write_tables
from torch import Tensor

from vitruvian.device import processor
from vitruvian.evaluate.report import table
from vitruvian.geometry import make_crop
from vitruvian.predict.network import input_of
from vitruvian.predict.parts import parts_on_photo
from vitruvian.predict.pipeline import load
from vitruvian.tasks.labels import labels_at
from vitruvian.tasks.seg import Seg

INPUT, HEAD, PHOTO = (1024, 768), (512, 384), (2160, 3840)  # height, width
EXAMPLES = Path(__file__).parents[1] / "examples" / "photos"
Way = Callable[[Tensor, tuple[int, int]], Any]


def officially(scores: Tensor, photo: tuple[int, int]) -> Any:
    return official.dense("seg", scores[None], INPUT, photo)


def as_predict(scores: Tensor, photo: tuple[int, int]) -> Any:
    crop = make_crop(np.zeros(4), INPUT, photo, "stretch")
    return parts_on_photo(Seg().decode(scores[None], [crop], None)[0], crop)[0]


def as_labels(scores: Tensor, photo: tuple[int, int]) -> Any:
    return labels_at(scores, INPUT, photo).numpy()


WAYS: dict[str, Way] = {"official": officially, "predict": as_predict, "labels": as_labels}


def photo_scores(name: str = "skier.jpg") -> Tensor:
    """(28, 512, 384) of the packaged model for a person of a bundled photo."""
    image = cv2.cvtColor(cv2.imread(str(EXAMPLES / name)), cv2.COLOR_BGR2RGB)
    predictor = load(device="cpu", dtype="fp32")
    (network,) = predictor.team.networks
    box = np.array([281, 45, 499, 391], np.float32)
    pixels = input_of(image, [make_crop(box, network.spec.size, image.shape[:2])], network.spec)
    return F.interpolate(network.model(pixels, ("seg",))["seg"], HEAD, mode="bicubic")[0].contiguous()


def smooth_scores() -> Tensor:
    """(28, 512, 384): every class rules somewhere."""
    torch.manual_seed(0)
    return F.interpolate(4 * torch.randn(1, 28, 16, 12), HEAD, mode="bicubic")[0].contiguous()


def rounds(scores: Tensor, count: int) -> dict[str, list[float]]:
    """Seconds of every way in every round; the ways take turns. One more round before them is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(count + 1):
        for name, way in WAYS.items():
            start = time.perf_counter()
            way(scores, PHOTO)
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def status(field: str) -> float:
    """MB, from what Linux says of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def peak(name: str, maps: Path) -> float:
    """MB that one way takes at its peak beyond what was there before. To be called in a fresh process."""
    scores = torch.load(maps)
    WAYS[name](scores[:, :8, :8].contiguous(), (64, 64))
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    result = WAYS[name](scores, PHOTO)
    assert result.shape == PHOTO
    return status("VmHWM") - before


def peaks(scores: Tensor) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        maps = Path(folder) / "maps.pt"
        torch.save(scores, maps)
        words = [sys.executable, __file__, "--maps", str(maps), "--way"]
        return {name: float(subprocess.run([*words, name], check=True, capture_output=True).stdout) for name in WAYS}


def rows_of(maps: str, scores: Tensor, count: int) -> list[dict[str, Any]]:
    memory, seconds = peaks(scores), rounds(scores, count)
    truth = officially(scores, PHOTO)
    return [
        {
            "name": f"28 logits to 4K parts, {maps}, {name}",
            "ratio": statistics.median(a / b for a, b in zip(seconds["official"], seconds[name], strict=True)),
            "memory_ratio": memory[name] / memory["official"],
            "error": float((WAYS[name](scores, PHOTO) != truth).mean()),
            "error_is": "share of pixels of another class",
            "seconds": statistics.median(seconds[name]),
            "official_seconds": statistics.median(seconds["official"]),
            "threads": torch.get_num_threads(),
            "mb": memory[name],
            "official_mb": memory["official"],
        }
        for name in ("predict", "labels")
    ]


def show(rows: Sequence[Mapping[str, Any]], count: int) -> None:
    head = ("target", "faster than officially", "s", "official s", "of its memory", "MB", "official MB", "error")
    shown = [
        (r["name"], f"{r['ratio']:.1f}x", f"{r['seconds']:.3f}", f"{r['official_seconds']:.2f}",
         f"1/{1 / r['memory_ratio']:.0f}", f"{r['mb']:.0f}", f"{r['official_mb']:.0f}", f"{r['error']:.1e} {r['error_is']}")
        for r in rows
    ]  # fmt: skip
    print(f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {count} rounds\n")
    print(table(head, shown))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)  # these two: of the processes of `peaks`
    parser.add_argument("--maps", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    with torch.inference_mode():
        if chosen.way:
            print(peak(chosen.way, chosen.maps))
            return 0
        maps = {"a photo's": photo_scores(), "random": smooth_scores()}
        rows = [row for name, scores in maps.items() for row in rows_of(name, scores, chosen.rounds)]
    show(rows, chosen.rounds)
    if chosen.out:
        merge_rows(chosen.out / "speed-cpu.json", [{**row, **origin(chosen.rounds)} for row in rows])
        write_tables(chosen.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

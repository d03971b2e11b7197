"""Official-size models on a CPU, ours against the official way, in interleaved rounds of one process.

python benchmarks/speed_cpu.py --out docs/results [--rounds 3] [--tasks pose308 ...] [--engines eager compile openvino]

Random weights of the 0.3B model at 1024x768, the same on both sides; one photo of a size that people have, one person; from the
file of the photo to the files of the result. The reference is benchmarks/reference (fp32, eager, flip test off). Ratios are
medians over rounds of (reference time / our time of the same round); the first round of every path warms up, uncounted.
Puts its rows into speed-cpu.json (one a target: name, ratio, error) and makes the tables of speed-cpu.md.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from reference import official
from rows import merge_rows
from tables import origin, tables, write_tables
from torch import Tensor

from vitruvian import weights
from vitruvian.device import choose_compute, processor
from vitruvian.model import Model
from vitruvian.predict.engine import ENGINES
from vitruvian.predict.files import predict_files
from vitruvian.predict.outcome import Options
from vitruvian.predict.pipeline import Predictor
from vitruvian.predict.sources import find_sources
from vitruvian.tasks.pose.codec import decode_heatmaps, encode_heatmaps
from vitruvian.types import HeadSpec, ModelSpec
from vitruvian.weights.card import card_of
from vitruvian.weights.keymaps import from_official

TASKS = {
    "pose308": ("pose", 308, "sapiens308"),
    "seg28": ("seg", 28, "body28"),
    "depth": ("depth", 1, None),
    "normal": ("normal", 3, None),
}
PHOTO = (1080, 1440)  # height, width
Timed = Callable[[], Any]


def reference_model(name: str) -> official.Sapiens:
    task, out, _ = TASKS[name]
    torch.manual_seed(0)
    model = official.Sapiens(task, out, official.ARCHITECTURES["0.3b"]).eval()
    torch.nn.init.trunc_normal_(model.backbone.pos_embed, std=0.02)
    return model


def our_model(name: str, reference: official.Sapiens) -> weights.Loaded:
    """The same weights in our model, as if read from a file."""
    task, out, vocabulary = TASKS[name]
    dim, depth, heads = official.ARCHITECTURES["0.3b"]
    up, conv = official.HEADS[task]
    spec = ModelSpec(
        name=f"random-0.3b-{name}", size=(1024, 768), dim=dim, depth=depth, heads_attn=heads, mlp=4 * dim,
        heads=(HeadSpec(task, up, conv, out, vocabulary),), padding=official.PADDING[task], codec="official",
        fit="affine" if task == "pose" else "stretch", sigma=6.0,
    )  # fmt: skip
    with torch.device("meta"):
        model = Model(spec)
    model.load_state_dict(from_official({k: v.clone() for k, v in reference.state_dict().items()}, task), assign=True)
    return weights.Loaded(model.eval(), card_of(spec, {}, ""), "0" * 64, Path(f"{name}.safetensors"))


def official_run(model: official.Sapiens, photo: Path, out: Path, box: Sequence[float]) -> Timed:
    def run() -> dict[str, Any]:
        image = cv2.imread(str(photo))
        answer = official.predict(model, image, box if model.task == "pose" else None)
        if model.task == "pose":
            (out / "official.json").write_text(json.dumps({k: v.tolist() for k, v in answer.items()}))
        else:
            np.save(out / "official.npy", answer[model.task])
        return answer

    return run


def our_run(predictor: Predictor, photo: Path, out: Path, boxes: Path) -> Timed:
    sources, _ = find_sources([str(photo)], out)
    given = boxes if "pose" in predictor.team.by_task else None
    options = Options(out, None, given, draw=False, overwrite=True)

    def run() -> dict[str, Any]:
        (outcome,) = predict_files(predictor, sources, options)
        if outcome.record is None:
            raise RuntimeError(outcome.message)
        return outcome.record

    return run


def rounds(runs: dict[str, Timed], count: int) -> dict[str, list[float]]:
    """Seconds of every path in every round; the paths take turns. One more round before them is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(count + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds: dict[str, list[float]], name: str) -> float:
    return statistics.median(a / b for a, b in zip(seconds["official"], seconds[name], strict=True))


def features_error(reference: official.Sapiens, predictor: Predictor) -> float:
    """Relative L2 distance of the head's output on one random input."""
    torch.manual_seed(1)
    pixels = torch.randn(1, 3, 1024, 768)
    (network,) = predictor.team.networks
    with torch.inference_mode():
        theirs: Tensor = reference(pixels)
        ours = network.model(pixels.to(network.compute.dtype))[reference.task].float()
    return float((ours - theirs).norm() / theirs.norm())


def part_seconds(reference: official.Sapiens, count: int = 2) -> tuple[float, float]:
    """Backbone and head of the reference, seconds."""
    pixels = torch.randn(1, 3, 1024, 768)
    head = reference.head if reference.task == "pose" else reference.decode_head
    times: list[tuple[float, float]] = []
    with torch.inference_mode():
        for _ in range(count + 1):
            start = time.perf_counter()
            features = reference.backbone(pixels)
            middle = time.perf_counter()
            head(features)
            times.append((middle - start, time.perf_counter() - middle))
    return statistics.median(t[0] for t in times[1:]), statistics.median(t[1] for t in times[1:])


def decode_row(count: int) -> dict[str, Any]:
    """Decoding of 308 maps: time ratio, and the largest distance in input pixels on smooth and noisy maps."""
    rng = np.random.default_rng(0)
    maps, _ = encode_heatmaps(rng.uniform([0, 0], [767, 1023], (308, 2)), np.ones(308, bool), (1024, 768), (256, 192), 6.0)
    noisy = maps + rng.normal(0, 0.02, maps.shape).astype(np.float32)
    runs = {
        "official": lambda: official.decode(noisy, (1024, 768)),
        "ours": lambda: decode_heatmaps(torch.from_numpy(noisy), (1024, 768), "official"),
    }
    seconds = rounds(runs, 5 * count)
    far = [
        np.abs(official.decode(m, (1024, 768))[0] - decode_heatmaps(torch.from_numpy(m), (1024, 768), "official")[0]).max()
        for m in (maps, noisy)
    ]
    return {
        "name": "decode of 308 maps",
        "ratio": ratio(seconds, "ours"),
        "error": float(max(far)),
        "error_is": "px",
        "seconds": statistics.median(seconds["ours"]),
    }


def model_rows(name: str, engines: Sequence[str], count: int, folder: Path) -> list[dict[str, Any]]:
    reference = reference_model(name)
    photo, boxes = folder / "photo.jpg", folder / "boxes.csv"
    loaded = {
        engine: Predictor([our_model(name, reference)], "whole-image", choose_compute("cpu", "bf16"), engine=engine)
        for engine in engines
    }
    runs: dict[str, Timed] = {"official": official_run(reference, photo, folder, BOX)}
    runs |= {engine: our_run(predictor, photo, folder / engine, boxes) for engine, predictor in loaded.items()}
    seconds = rounds(runs, count)
    backbone, head = part_seconds(reference)
    facts = {
        "official_seconds": statistics.median(seconds["official"]),
        "official_backbone_seconds": backbone,
        "official_head_seconds": head,
    }
    return [
        {"name": f"{name}, {engine} bf16", "ratio": ratio(seconds, engine), "error": features_error(reference, predictor),
         "error_is": "relative L2 of the head's output", "seconds": statistics.median(seconds[engine]), **facts}
        for engine, predictor in loaded.items()
    ]  # fmt: skip


BOX = (400.0, 100.0, 1000.0, 1000.0)


def make_photo(folder: Path) -> None:
    coarse = np.random.default_rng(0).integers(0, 255, (PHOTO[0] // 40, PHOTO[1] // 40, 3), np.uint8)
    cv2.imwrite(str(folder / "photo.jpg"), cv2.resize(coarse, PHOTO[::-1], interpolation=cv2.INTER_CUBIC))
    (folder / "boxes.csv").write_text("photo.jpg," + ",".join(map(str, BOX)) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    chosen = parser.parse_args(arguments)
    rows = [decode_row(chosen.rounds)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photo(folder)
        for task in chosen.tasks:
            rows += model_rows(task, chosen.engines, chosen.rounds, folder)
            print(f"{task} done", file=sys.stderr, flush=True)
    rows = [{**row, **origin(chosen.rounds)} for row in rows]
    merge_rows(chosen.out / "speed-cpu.json", rows)
    write_tables(chosen.out)
    print(f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}\n\n{tables(rows)}")
    print(f"\npeak memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

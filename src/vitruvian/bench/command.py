"""`vitruvian bench`: one model by every way asked for, beside the plainest one, in a table and as JSON."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from vitruvian import __version__
from vitruvian.bench.measure import STAGES, Question, Way, ask, errors, warm_up
from vitruvian.bench.models import load_model
from vitruvian.device import choose_compute, processor
from vitruvian.errors import UsageError, counted
from vitruvian.machine import best_flops
from vitruvian.model.cost import operations
from vitruvian.predict.engine import check_engine
from vitruvian.predict.images import read_photo
from vitruvian.predict.network import Network, Team, whole_image
from vitruvian.types import Array, Person
from vitruvian.weights import Loaded

REFERENCE = ("eager", "fp32")
PHOTO = (1080, 1440)  # height, width of the made-up one
BOX = (400.0, 100.0, 1000.0, 1000.0)


def bench(
    model: str,
    engines: Sequence[str],
    dtypes: Sequence[str],
    device: str = "auto",
    tasks: Sequence[str] | None = None,
    batch: int = 1,
    rounds: int = 5,
    photo: Path | None = None,
    out: Path | None = None,
) -> int:
    """Measure and print; see `measured`. out: a JSON file of the same. Returns 0."""
    console = Console()
    if out is not None and out.suffix != ".json":
        raise UsageError(f"--out {out}. Allowed: a file that ends in .json.")
    told = measured(model, engines, dtypes, device, tasks, batch, rounds, photo)
    show(told, console)
    if out is not None:
        write(out, told)
        console.print(f"written to {out}", highlight=False)
    return 0


def measured(
    model: str,
    engines: Sequence[str],
    dtypes: Sequence[str],
    device: str = "auto",
    tasks: Sequence[str] | None = None,
    batch: int = 1,
    rounds: int = 5,
    photo: Path | None = None,
) -> dict[str, Any]:
    """Figures of every engine in every precision beside eager fp32, which is the reference of ratios and errors.

    batch people of one photo go through together, from the photo's pixels to values in memory (no files). The ways take turns
    within each round; the first, which prepares and compiles, is told apart. UsageError for what is not there.
    """
    if batch < 1 or rounds < 1:
        raise UsageError(f"batch {batch}, rounds {rounds}. Allowed: 1, 2, 3, ...")
    ways = [_way(model, engine, dtype, device) for engine, dtype in _asked(engines, dtypes, device)]
    reference = ways[0]
    team = Team([reference.network])
    question = Question(*_scene(photo, batch), team.choose(tasks))
    for way in ways:
        warm_up(way, question)
    for _ in range(rounds):
        for way in ways:
            ask(way, question)
    return {
        "model": reference.network.spec.name,
        "input": list(reference.network.spec.size),
        "tasks": list(question.tasks),
        "batch": batch,
        "rounds": rounds,
        "ways": _figures(ways, batch),
        "made": _origin(),
    }


def _asked(engines: Sequence[str], dtypes: Sequence[str], device: str) -> list[tuple[str, str]]:
    """The reference, then every other pair, once; unknown or impossible ones are told before anything is loaded."""
    for engine in engines:
        for dtype in dtypes:
            check_engine(engine, choose_compute(device, dtype))
    names = [(engine, choose_compute(device, dtype).dtype_name) for dtype in dtypes for engine in engines]
    return list(dict.fromkeys([REFERENCE, *names]))


def _way(model: str, engine: str, dtype: str, device: str) -> Way:
    begin = time.perf_counter()
    loaded: Loaded = load_model(model)
    network = Network(loaded, choose_compute(device, dtype), flip_test=False, engine=engine)
    return Way(f"{engine} {dtype}", network, ready=time.perf_counter() - begin)


def _scene(photo: Path | None, batch: int) -> tuple[Array, list[Person]]:
    """The photo, taken for one person that fills it, or coloured noise with a person's box; the same person `batch` times."""
    if photo is not None:
        pixels = read_photo(photo).pixels
        return pixels, [whole_image(pixels)] * batch
    coarse = np.random.default_rng(0).integers(0, 255, (PHOTO[0] // 40, PHOTO[1] // 40, 3), np.uint8)
    pixels = coarse.repeat(40, 0).repeat(40, 1)
    return pixels, [Person(np.array(BOX, np.float32))] * batch


def _figures(ways: Sequence[Way], batch: int) -> list[dict[str, Any]]:
    reference = ways[0]
    work = batch * operations(reference.network.spec)
    rows = []
    for way in ways:
        totals, in_model = np.array(way.totals), float(np.median(way.seconds["model"]))
        best = best_flops(way.network.compute)
        rows.append(
            {
                "name": way.name,
                "device": way.network.compute.device.type,
                "ready_s": way.ready,
                "p50_ms": 1e3 * float(np.median(totals)),
                "p95_ms": 1e3 * float(np.quantile(totals, 0.95)),
                "images_per_s": batch / float(np.median(totals)),
                **{f"{stage}_ms": 1e3 * float(np.median(way.seconds[stage])) for stage in STAGES},
                "faster": float(np.median(np.array(reference.totals) / totals)),
                "tflops": work / in_model / 1e12,
                "share_of_best_matmul": work / in_model / best,
                "bytes_beyond_model": way.bytes,
                "errors": errors(way, reference),
            }
        )
    return rows


def _origin() -> dict[str, str]:
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return {
        "hardware": f"{processor()}, {counted(os.cpu_count() or 1, 'core')}, {counted(torch.get_num_threads(), 'thread')}{gpu}",
        "software": f"vitruvian {__version__}, torch {torch.__version__}",
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }


LINES: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("ready, s", lambda row: f"{row['ready_s']:.1f}"),
    ("median, ms", lambda row: f"{row['p50_ms']:.1f}"),
    ("95 % of rounds within, ms", lambda row: f"{row['p95_ms']:.1f}"),
    *((f"  {stage}, ms", lambda row, stage=stage: f"{row[f'{stage}_ms']:.1f}") for stage in STAGES),
    ("people a second", lambda row: f"{row['images_per_s']:.2f}"),
    ("faster than eager fp32", lambda row: f"{row['faster']:.2f}x"),
    ("TFLOP/s of the model", lambda row: f"{row['tflops']:.2f}"),
    ("  of a large matrix product's", lambda row: f"{100 * row['share_of_best_matmul']:.0f} %"),
    ("memory beyond the model, MiB", lambda row: _mebibytes(row["bytes_beyond_model"])),
)


def show(told: dict[str, Any], console: Console) -> None:
    """A column a way: its figures, then the distance of its answers from the reference's."""
    size = "x".join(map(str, told["input"]))
    asked = f"{told['model']}, {size}, {', '.join(told['tasks'])}; batch {told['batch']}, {counted(told['rounds'], 'round')}"
    made = f"{told['made']['hardware']}; {told['made']['software']}"
    console.print(f"{asked}\n{made}", highlight=False, soft_wrap=True)
    shown = Table(box=box.SIMPLE)
    shown.add_column("")
    for row in told["ways"]:
        shown.add_column(row["name"], justify="right")
    for words, figure in LINES:
        shown.add_row(words, *map(figure, told["ways"]))
    shown.add_section()
    for name in told["ways"][0]["errors"]:
        shown.add_row(name, "", *(f"{row['errors'][name]:.3g}" for row in told["ways"][1:]))
    console.print(shown)
    console.print(
        "ready: loading, preparing and the first round. Last rows: distance from eager fp32.", highlight=False, soft_wrap=True
    )


def _mebibytes(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 2**20:.0f}"


def write(out: Path, told: dict[str, Any]) -> None:
    """The JSON file, never half of one."""
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        temporary.replace(out)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise UsageError(f"--out {out}: cannot be written ({error.strerror}). Fix: another folder.") from error

"""Write a data set of synthetic people: G-buffers, one drawn image each, and their annotations.

    DIR/dataset.json          what was asked for; the same again resumes, anything else is refused
    DIR/gbuffers/000000.npz   geometry: everything that training draws new appearances from
    DIR/images/000000.jpg     one appearance, for eyes and for other tools
    DIR/annotations.json      COCO key points and whole-body fields, written last
    DIR/preview.png           contact sheet, with --preview

A sample is a function of (seed, index) alone, so neither the number of workers nor a kill in the middle changes a bit of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vitruvian import __version__
from vitruvian.errors import InputError, UsageError, VitruvianError
from vitruvian.synth.dataset.annotations import Entry, document
from vitruvian.synth.dataset.preview import write_preview
from vitruvian.synth.dataset.work import PICTURES, Failure, Job, Sampler, backgrounds_in, perform, write_bytes
from vitruvian.synth.raster import rasteriser

FORMAT = 1
SMALLEST, LARGEST = 16, 4096
PREVIEW_ROWS = 8


@dataclass(frozen=True)
class Report:
    """How a run ended. written, kept (they were there already): numbers of samples; failed: index and reason of each;
    backend: the rasteriser; preview: the contact sheet, if asked for."""

    folder: Path
    written: int
    kept: int
    failed: tuple[Failure, ...]
    backend: str
    preview: Path | None = None


def parse_size(text: str) -> tuple[int, int]:
    """'256x192' -> (256, 192), height first. UsageError names the allowed range."""
    parts = text.lower().split("x")
    if len(parts) == 2 and all(p.isdecimal() and SMALLEST <= int(p) <= LARGEST for p in parts):
        return int(parts[0]), int(parts[1])
    raise UsageError(f"size {text!r} is not HxW in pixels, each from {SMALLEST} to {LARGEST}. Example: 256x192.")


def run(
    out: Path,
    count: int,
    size: str = "256x192",
    seed: int = 0,
    workers: int = 1,
    backgrounds: Path | None = None,
    images: bool = True,
    backend: str = "auto",
    preview: bool = False,
) -> int:
    """`generate` for a terminal: progress, one line for each failed sample, a closing line. Returns the exit code, 0 or 1.

    Always in worker processes, whose numeric libraries use one thread each, so that no bit depends on their number.
    """
    if workers < 1:
        raise UsageError(f"workers {workers} is too small: at least 1.")
    console = Console(stderr=True, highlight=False)
    report = generate(
        out,
        count,
        parse_size(size),
        seed,
        workers,
        backgrounds,
        images=images,
        backend=backend,
        preview=preview,
        console=console,
    )
    for failure in report.failed:
        console.print(f"sample {failure.index} failed: {failure.reason}", markup=False, soft_wrap=True)
    done = f"{report.folder}: {report.written} samples written, {report.kept} were there, rasteriser {report.backend}"
    console.print(done if not report.failed else f"{done}, {len(report.failed)} failed", markup=False, soft_wrap=True)
    if report.preview:
        console.print(f"preview: {report.preview}", markup=False, soft_wrap=True)
    return 1 if report.failed else 0


def generate(
    out: Path,
    count: int,
    size: tuple[int, int],
    seed: int = 0,
    workers: int = 1,
    backgrounds: Path | None = None,
    *,
    images: bool = True,
    backend: str = "auto",
    preview: bool = False,
    sampler: Sampler | None = None,
    console: Console | None = None,
) -> Report:
    """Write `count` samples of `size` (H, W) pixels to `out`, or finish what an earlier run with the same arguments began.

    workers: processes (spawned, so a script needs its `if __name__ == "__main__"`); 0 works in this one, for debugging: the
    threads of its matrix library may then round a last bit otherwise. backgrounds: folder of photos to stand behind the
    people. images: draw the JPEGs. backend: rasteriser name or "auto", which on an existing folder means the one it was
    begun with. sampler: an importable function (seed, index, size) -> Scene instead of the built-in people. A sample that
    cannot be made is in Report.failed and the others go on.
    UsageError: impossible arguments, or a folder begun with others. VitruvianError: the output cannot be written.
    """
    _check(count, size, seed, workers)
    job = _job(out, size, seed, backgrounds, images, sampler)
    recipe = _recipe(job, count, backend)
    job = _begin(job, recipe)
    made, kept, failed = _perform_all(job, count, workers, console)
    write_bytes(out / "annotations.json", document([made[i] for i in sorted(made)]).encode())
    sheet = write_preview(out, out / "preview.png", PREVIEW_ROWS) if preview and made else None
    return Report(out, len(made) - kept, kept, tuple(failed), job.backend, sheet)


def _check(count: int, size: tuple[int, int], seed: int, workers: int) -> None:
    if count < 1:
        raise UsageError(f"count {count} is too small: at least 1 sample.")
    if seed < 0:
        raise UsageError(f"seed {seed} is negative: it must be 0 or more.")
    if workers < 0:
        raise UsageError(f"workers {workers} is negative: 0 works in this process, 2 starts two.")
    parse_size(f"{size[0]}x{size[1]}")


def _job(out: Path, size: tuple[int, int], seed: int, backgrounds: Path | None, images: bool, sampler: Sampler | None) -> Job:
    if backgrounds is not None and not backgrounds_in(backgrounds):
        raise UsageError(f"{backgrounds} holds no background photos ({', '.join(PICTURES)}). Give a folder that does.")
    return Job(out, size, seed, "auto", backgrounds, images, sampler)


def _recipe(job: Job, count: int, backend: str) -> dict[str, Any]:
    """What fixes every bit of the set; dataset.json."""
    photos = backgrounds_in(job.backgrounds) if job.backgrounds else ()
    return {
        "format": FORMAT,
        "generator": f"vitruvian {__version__}",
        "scenes": "people" if job.sampler is None else f"{job.sampler.__module__}.{job.sampler.__qualname__}",
        "count": count,
        "size": list(job.size),
        "seed": job.seed,
        "backend": backend,
        "images": job.images,
        "backgrounds": {photo.name: _hash(photo) for photo in photos},
    }


def _hash(photo: Path) -> str:
    try:
        return hashlib.sha256(photo.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read the background {photo} ({error.strerror}). Mend or remove it.") from error


def _begin(job: Job, recipe: dict[str, Any]) -> Job:
    """Make the folder, or check that it was begun with the same recipe; settle the backend."""
    path = job.out / "dataset.json"
    before = _earlier(job.out, path)
    if before is not None:
        if recipe["backend"] == "auto":
            recipe["backend"] = before.get("backend", "auto")
        _refuse_other(job.out, before, recipe)
    recipe["backend"] = rasteriser(recipe["backend"]).name
    for name in ("gbuffers", "images") if job.images else ("gbuffers",):
        _folder(job.out / name)
        for left in (job.out / name).glob(".*.tmp"):  # of a killed run
            left.unlink(missing_ok=True)
    if before is None:
        write_bytes(path, json.dumps(recipe, indent=1).encode())
    return Job(job.out, job.size, job.seed, recipe["backend"], job.backgrounds, job.images, job.sampler)


def _earlier(out: Path, path: Path) -> dict[str, Any] | None:
    try:
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
        if out.is_dir() and any(out.iterdir()):
            raise UsageError(f"{out} is not empty and holds no dataset.json. Give --out a new folder.")
    except (OSError, ValueError) as error:
        raise VitruvianError(f"cannot read {path} ({error}). Give --out a new folder.") from error
    return None


def _refuse_other(out: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    changed = [name for name in now if before.get(name) != now[name]]
    if not changed:
        return
    both = [f"{name} {_short(before.get(name))}, now {_short(now[name])}" for name in changed]
    raise UsageError(f"{out} was begun with {'; '.join(both)}. Give the same arguments to resume it, or a new --out.")


def _short(value: Any) -> str:
    return f"{len(value)} photos" if isinstance(value, dict) else str(value)


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VitruvianError(
            f"cannot make the folder {path} ({error.strerror}). Give --out a folder you may write to."
        ) from error


def _perform_all(job: Job, count: int, workers: int, console: Console | None) -> tuple[dict[int, Entry], int, list[Failure]]:
    made: dict[int, Entry] = {}
    failed: list[Failure] = []
    kept = 0
    for result in _shown(perform(job, count, workers), count, console):
        if isinstance(result, Failure):
            failed.append(result)
        else:
            made[result.index] = result.entry
            kept += result.kept
    return made, kept, sorted(failed, key=lambda f: f.index)


def _shown(results: Iterator[Any], count: int, console: Console | None) -> Iterator[Any]:
    """The same results behind a progress bar on a terminal."""
    columns = (TextColumn("synthetic people"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    quiet = console is None or not console.is_terminal
    with Progress(*columns, console=console, disable=quiet) as progress:
        yield from progress.track(results, total=count)

"""The work on a data set's samples: one at a time, in this process or in several, each result the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from vitruvian.data.gbuffer import GBuffer, read_gbuffer, write_gbuffer
from vitruvian.data.loader import one_thread_for_children
from vitruvian.errors import InputError, VitruvianError
from vitruvian.synth.dataset.annotations import Entry, entry
from vitruvian.synth.raster.resolve import resolve
from vitruvian.synth.surface import Scene

if TYPE_CHECKING:
    from vitruvian.synth.appearance import Backgrounds

Sampler: TypeAlias = Callable[[int, int, tuple[int, int]], Scene]

PICTURES = (".jpg", ".jpeg", ".png")
JPEG_QUALITY = 92
LIGHT = 1  # stream of random numbers for the drawn image, beside that of the geometry
# One thread a process: workers share the cores, and sums must not depend on how many there are.


@dataclass(frozen=True)
class Job:
    """What every sample of a data set has in common. size (H, W); sampler None = the built-in people."""

    out: Path
    size: tuple[int, int]
    seed: int
    backend: str
    backgrounds: Path | None = None
    images: bool = True
    sampler: Sampler | None = None

    def gbuffer(self, index: int) -> Path:
        """Where a sample's geometry lies."""
        return self.out / "gbuffers" / f"{index:06d}.npz"

    def image(self, index: int) -> Path:
        """Where a sample's drawn picture lies."""
        return self.out / "images" / f"{index:06d}.jpg"


@dataclass(frozen=True)
class Made:
    """A sample that is on disk. kept: it was there before."""

    index: int
    entry: Entry
    kept: bool


@dataclass(frozen=True)
class Failure:
    """A sample that could not be made, and why."""

    index: int
    reason: str


def perform(job: Job, count: int, workers: int) -> Iterator[Made | Failure]:
    """Samples 0..count - 1 in the order in which they are done. VitruvianError: the output cannot be written."""
    if workers == 0:
        yield from (make(job, index) for index in range(count))
        return
    pool = ProcessPoolExecutor(min(workers, count), multiprocessing.get_context("spawn"), _prepare)
    try:
        with one_thread_for_children():
            waiting = [pool.submit(make, job, index) for index in range(count)]
        for future in as_completed(waiting):
            yield future.result()
    except BrokenProcessPool as error:
        raise VitruvianError(
            "a worker process died, often for lack of memory. Run the same command with fewer --workers: what is done is kept."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    """Set up a worker: Ctrl-C is the parent's to answer, and a parent that was killed takes its workers with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()


def _leave_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def make(job: Job, index: int) -> Made | Failure:
    """Make one sample unless it is there whole. One that cannot be made is a Failure; only trouble with the output raises."""
    done = _existing(job, index)
    if done is not None:
        return Made(index, entry(done, index), kept=True)
    try:
        scene = _sampler(job)(job.seed, index, job.size)
        frame = replace(resolve(scene, job.backend), key=f"{index:06d}")
        drawn = _draw(job, frame, index) if job.images else None
    except VitruvianError as error:
        return Failure(index, str(error))
    except Exception as error:  # a bug in one pose must not end a night's run; its kind and text are reported
        return Failure(index, f"{type(error).__name__}: {error}")
    _store(job, index, frame, drawn)
    return Made(index, entry(frame, index), kept=False)


def _existing(job: Job, index: int) -> GBuffer | None:
    """The sample as an earlier run left it; None where anything is missing or unreadable."""
    if not job.gbuffer(index).is_file() or (job.images and not job.image(index).is_file()):
        return None
    try:
        return read_gbuffer(job.gbuffer(index))
    except InputError:
        return None


def _sampler(job: Job) -> Sampler:
    if job.sampler is not None:
        return job.sampler
    from vitruvian.synth.scene import sample_scene

    return sample_scene


def _draw(job: Job, frame: GBuffer, index: int) -> bytes:
    """One appearance of the frame, as JPEG."""
    from vitruvian.synth.appearance import draw

    picture = draw(frame, np.random.default_rng([job.seed, index, LIGHT]), backgrounds=_photos(job.backgrounds))
    done, content = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError(f"OpenCV cannot encode a picture of shape {picture.shape} as JPEG")
    return content.tobytes()


@cache
def _photos(folder: Path | None) -> Backgrounds:
    from vitruvian.synth.appearance import Backgrounds

    return Backgrounds.load(folder)


def _store(job: Job, index: int, frame: GBuffer, drawn: bytes | None) -> None:
    if drawn is not None:
        write_bytes(job.image(index), drawn)
    path = job.gbuffer(index)
    try:
        write_gbuffer(path, frame)
    except OSError as error:
        path.with_name(f".{path.name}.{os.getpid()}.tmp").unlink(missing_ok=True)
        raise unwritable(path, error) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. VitruvianError when the disk will not have it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> VitruvianError:
    """The one line for an output that is full or read-only."""
    return VitruvianError(
        f"cannot write {path} ({error.strerror}). Free space or mend the permissions, then run the same command: it resumes."
    )


@cache
def backgrounds_in(folder: Path) -> tuple[Path, ...]:
    """The photos directly in a folder, by name."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES))

"""Views drawn once and read by many runs: what a seed's runs see is the same to the bit, and costs its drawing only once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vitruvian.data.loader import Example, Loader
from vitruvian.recipes.embedded import SynthViews, tasks
from vitruvian.synth.appearance.layers import whole_frame
from vitruvian.tasks.base import Task
from vitruvian.types import Array, ModelSpec, Sample

SHARD = 250  # views of a file
TASKS: dict[str, Task] = {task.name: task for task in tasks()}
SKELETON = "wholebody133"


@dataclass(frozen=True)
class Drawn:
    """Views as they are stored: the picture, the points themselves (maps of them would take ten times the room), and the
    encoded targets of the other tasks."""

    views: SynthViews

    def __len__(self) -> int:
        return len(self.views)

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """As `SynthViews.example`, as one target `view`."""
        sample, crop = self.views.sample(index, rng)
        stored: dict[str, Tensor | Array] = {"image": sample.image, "points": _points(sample)}
        for name in ("seg", "depth", "normal"):
            (stored[name],) = TASKS[name].encode(sample, crop, self.views.spec).values()
        return sample.image, {"view": stored}, sample.key


def _points(sample: Sample) -> Array:
    if sample.keypoints is None:
        raise TypeError("a synthetic view has points")
    return np.asarray(sample.keypoints, np.float32)


def row_of(spec: ModelSpec) -> np.dtype[np.void]:
    """One stored view; labels at a quarter of the input."""
    rows, columns = spec.size[0] // 4, spec.size[1] // 4
    fields = {"image": ("u1", (*spec.size, 3)), "points": ("f4", (133, 3)), "seg": ("u1", (rows, columns)),
              "depth": ("f2", (1, rows, columns)), "normal": ("f2", (3, rows, columns))}  # fmt: skip
    return np.dtype([(name, kind, shape) for name, (kind, shape) in fields.items()])


def shard_path(folder: Path, number: int) -> Path:
    """The file of one part."""
    return folder / f"views-{number:04d}.npy"


def _save(path: Path, rows: Array) -> None:
    temporary = path.with_name(f".{path.name}.tmp.npy")
    np.save(temporary, rows)
    temporary.replace(path)


@lru_cache(maxsize=1024)
def _rows(path: Path) -> Array:
    rows: Array = np.load(path, mmap_mode="r")
    return rows


@dataclass(frozen=True)
class Pool:
    """The first `count` drawn views, with the targets of the four tasks."""

    folder: Path
    spec: ModelSpec
    count: int

    def __len__(self) -> int:
        return self.count

    def row(self, index: int) -> np.void:
        """One view as it is stored."""
        number, place = divmod(index, SHARD)
        row: np.void = _rows(shard_path(self.folder, number))[place]
        return row

    def example(self, index: int, rng: np.random.Generator) -> Example:  # noqa: ARG002  # nothing is left to draw
        """View `index`, always the same."""
        row = self.row(index)
        box = np.array([0, 0, self.spec.size[1] - 1, self.spec.size[0] - 1], np.float32)
        sample = Sample(np.array(row["image"]), box, skeleton=SKELETON, keypoints=np.array(row["points"]))
        pose = TASKS["pose"].encode(sample, whole_frame(self.spec.size), self.spec)
        target = {
            "pose": {name: value.half() for name, value in pose.items()},
            "seg": {"label": torch.from_numpy(row["seg"].astype(np.int64))},
            "depth": {"depth": torch.from_numpy(np.array(row["depth"]))},
            "normal": {"normal": torch.from_numpy(np.array(row["normal"]))},
        }
        return sample.image, target, str(index)


@dataclass(frozen=True)
class Unlabelled:
    """The pictures of a pool alone, mirrored by half; the noise that hides patches is drawn with them, so that a run that goes
    on sees what it would have seen."""

    pool: Pool

    def __len__(self) -> int:
        return len(self.pool)

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """Picture `index` as `rng` has it."""
        image = np.array(self.pool.row(index)["image"])
        if rng.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
        rows, columns = self.pool.spec.grid
        return image, {"mae": {"noise": rng.random(rows * columns, np.float32)}}, str(index)


def is_drawn(pool: Pool) -> bool:
    """Whether all of its views are there."""
    return _first_missing(pool) == _files(pool)


def draw_pool(pool: Pool, geometry: Path, seed: int, workers: int) -> None:
    """Draw the views of a pool from the frames of `geometry`, as far as they are not there."""
    pool.folder.mkdir(parents=True, exist_ok=True)
    spec, first, files = pool.spec, _first_missing(pool), _files(pool)
    examples = Drawn(SynthViews.of(geometry, spec))
    loader = Loader(examples, SHARD, seed, spec.mean, spec.std, workers=workers, prefetch=1)
    for number, batch in zip(range(first, files), loader.batches(first, files), strict=True):
        rows = np.empty(SHARD, row_of(spec))
        for name, values in batch.target["view"].items():
            rows[name] = values.numpy()
        _save(shard_path(pool.folder, number), rows)
        print(f"{pool.folder.name}: {(number + 1) * SHARD} of {files * SHARD} views drawn", flush=True)


def _files(pool: Pool) -> int:
    return -(-pool.count // SHARD)


def _first_missing(pool: Pool) -> int:
    return next((n for n in range(_files(pool)) if not shard_path(pool.folder, n).is_file()), _files(pool))

"""Checkpoints of several ranks: each writes its own part, in the background; any number of ranks reads them again.

A checkpoint is a folder `step-NNNNNNNN` of torch.distributed.checkpoint with `rest.pt`, the plain data. It is written under
another name and renamed when it is whole, so a kill at any moment leaves the last good one.
"""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save

from vitruvian.errors import UsageError, WeightsError
from vitruvian.train.parallel import World

REST, BEST = "rest.pt", "best.txt"
BEST_ALONE = "best.pt"  # the best of a run that is a single rank by now
_NAME = re.compile(r"step-(\d+)")
WHOLE = StateDictOptions(full_state_dict=True)
Tensors = dict[str, Any]


def tensors_of(model: nn.Module, optimizer: torch.optim.Optimizer, average: Mapping[str, Any] | None) -> Tensors:
    """What is trained, by parameter names: `model`, `optimizer` and, where there is one, `average`; in parts where they are."""
    out: Tensors = {"model": get_model_state_dict(model), "optimizer": get_optimizer_state_dict(model, optimizer)}
    return out | ({"average": dict(average)} if average is not None else {})


def put_tensors(state: Mapping[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer, whole: bool) -> None:
    """The inverse for the model and its optimiser. whole: the state holds plain tensors, of which each rank takes its part."""
    options = WHOLE if whole else None
    set_model_state_dict(model, state["model"], options=options)
    set_optimizer_state_dict(model, optimizer, state["optimizer"], options=options)


class Sharded:
    """The checkpoints of one run of several ranks: the last `keep` of them. Every rank must make every call."""

    def __init__(self, folder: Path, place: World, keep: int = 2, report: Callable[[str], None] = print) -> None:
        self.folder, self.place, self.keep, self.report = folder, place, keep, report
        best_step(folder)  # a torn record of it is told before anything is trained
        self._group = dist.new_group(backend="gloo") if place.ranks > 1 else None  # for the background, beside training
        self._pending: tuple[Future[Any], int] | None = None

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, ascending."""
        return sharded_steps(self.folder)

    def write(self, step: int, tensors: Tensors, rest: Mapping[str, Any]) -> None:
        """Begin to save the state after `step` steps; what was begun before is brought to its end first."""
        self.finish()
        place = self._temporary(step)
        if self.place.first:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            torch.save(dict(rest), place / REST)  # now, for it goes on changing
        dist.barrier(self._group)
        future: Any = async_save(tensors, checkpoint_id=place, process_group=self._group)
        self._pending = (getattr(future, "upload_completion", future), step)

    def look(self) -> None:
        """Give what has been written in the meantime its name, drop the oldest; no rank waits for another."""
        if self._pending is None or not self._pending[0].done():
            return
        (future, step), self._pending = self._pending, None
        try:
            future.result()
        except (Exception, CheckpointException) as error:  # whatever any rank's writer stumbled over
            raise not_written(self._temporary(step), error, max(self.steps(), default=0)) from error
        if self.place.first:  # its own part ends last: it writes the table of all parts
            target = self.folder / f"step-{step:08d}"
            shutil.rmtree(target, ignore_errors=True)
            self._temporary(step).rename(target)
            for old in set(self.steps()[: -self.keep]) - {best_step(self.folder)}:
                shutil.rmtree(self.folder / f"step-{old:08d}")

    def finish(self) -> None:
        """Wait for what is being written."""
        if self._pending is not None:
            wait([self._pending[0]])
            self.look()
        dist.barrier(self._group)

    def _temporary(self, step: int) -> Path:
        return self.folder / f"writing-{step:08d}"


def not_written(path: Path, error: BaseException, last: int) -> WeightsError:
    """What to tell of a checkpoint that could not be written. last: the step of the newest one there is, 0 for none."""
    reason = " ".join(str(error).split())[:200].rstrip(".")
    kept = f"The checkpoint after step {last} is whole, and the same command goes on from it." if last else "There is none yet."
    return WeightsError(f"{path} cannot be written ({reason}). {kept} Fix: make room, or another folder.")


def sharded_steps(folder: Path) -> list[int]:
    """The steps that have a whole sharded checkpoint, ascending."""
    names = [_NAME.fullmatch(path.name) for path in folder.glob("step-*") if (path / REST).is_file()]
    return sorted(int(name[1]) for name in names if name)


def best_step(folder: Path) -> int | None:
    """The step of the best evaluation, None where none was kept. WeightsError where its record is damaged."""
    path = folder / BEST
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        told = f"{path} does not say which step was the best ({error})"
        raise WeightsError(f"{told}. Fix: write its number into it (log.jsonl has the figures), or delete it.") from error


def write_best(folder: Path, step: int) -> None:
    """Say that the checkpoint of several ranks after `step` steps is the best; whole or not at all."""
    temporary = folder / f"{BEST}.{os.getpid()}.tmp"
    try:
        temporary.write_text(str(step))
        temporary.replace(folder / BEST)
    finally:
        temporary.unlink(missing_ok=True)
    (folder / BEST_ALONE).unlink(missing_ok=True)


def read_tensors(folder: Path, step: int, kinds: Sequence[str]) -> dict[str, Tensor]:
    """Whole tensors, by parameter name, of the first of `kinds` ("average", "model") that a checkpoint has.

    WeightsError where it has none.
    """
    place = folder / f"step-{step:08d}"
    try:
        stored = FileSystemReader(place).read_metadata().state_dict_metadata
        kind = next(kind for kind in kinds if any(name.startswith(f"{kind}.") for name in stored))
        found: Tensors = {
            name: torch.empty(entry.size, dtype=entry.properties.dtype)
            for name, entry in stored.items()
            if name.startswith(f"{kind}.") and isinstance(entry, TensorStorageMetadata)
        }
        _read(found, place, alone=True)
    except (Exception, CheckpointException) as error:  # as below
        raise WeightsError(f"{place} cannot be read as a checkpoint: {type(error).__name__}: {error}") from error
    return {name.removeprefix(f"{kind}."): tensor for name, tensor in found.items()}


def _read(tensors: Tensors, place: Path, alone: bool = False) -> None:
    """alone: this process reads by itself, though it may be one of several."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is")  # disabled, says the library where a single process reads
        load(tensors, checkpoint_id=place, no_dist=alone)


def load_sharded(
    folder: Path, step: int, tensors: Tensors, check: Callable[[dict[str, Any]], None] = lambda _: None
) -> dict[str, Any]:
    """Read a checkpoint of any number of ranks into `tensors` (of `tensors_of`), in place. Returns the plain data.

    check: what the plain data must pass before a tensor is read. WeightsError where it is damaged or of another model.
    """
    place = folder / f"step-{step:08d}"
    try:
        rest: dict[str, Any] = torch.load(place / REST, weights_only=True)
        check(rest)
        _read(tensors, place)
    except UsageError:
        raise
    except (Exception, CheckpointException) as error:  # its readers raise whatever they stumble over
        raise WeightsError(f"{place} cannot be read as a checkpoint: {type(error).__name__}: {error}") from error
    return rest

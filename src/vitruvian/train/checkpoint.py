"""Checkpoints that survive a kill at any moment, and a resume that refuses a run of other settings."""

from __future__ import annotations

import json
import os
import pickle
import platform
import random
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from vitruvian.errors import UsageError, WeightsError
from vitruvian.tasks.base import Objective
from vitruvian.train.config import FREE, TrainConfig
from vitruvian.train.sharded import BEST, BEST_ALONE, best_step, not_written, read_tensors, sharded_steps, write_best

FORMAT = 2  # since 2 the optimiser's state goes by parameter names
_NAME = re.compile(r"step-(\d+)\.pt")
_DAMAGE = (OSError, EOFError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile)


class Checkpoints:
    """The checkpoints of one run: the last `keep` of them and the best, each a single file."""

    def __init__(self, folder: Path, keep: int = 2, report: Callable[[str], None] = print) -> None:
        self.folder, self.keep, self.report = folder, keep, report

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, ascending."""
        names = [_NAME.fullmatch(path.name) for path in self.folder.glob("step-*.pt")]
        return sorted(int(name[1]) for name in names if name)

    def path(self, step: int) -> Path:
        """Where the checkpoint after `step` steps lies."""
        return self.folder / f"step-{step:08d}.pt"

    def write(self, step: int, state: Mapping[str, Any]) -> Path:
        """Save the state after `step` steps, then drop the oldest.

        WeightsError where it cannot be written, on a full disk say: those before it stay.
        """
        path = self.path(step)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write({"format": FORMAT, "step": step, **state}, path)
        except (OSError, RuntimeError) as error:
            path.with_name(f"{path.name}.tmp").unlink(missing_ok=True)
            raise not_written(path, error, max(self.steps(), default=0)) from error
        for old in self.steps()[: -self.keep]:
            self.path(old).unlink()
        for abandoned in self.folder.glob("*.tmp"):  # left by a kill in the middle of a write
            abandoned.unlink()
        return path

    def keep_best(self, step: int) -> None:
        """Keep the checkpoint after `step` steps as the best, whether a single rank has written it or several have.

        WeightsError where that cannot be written.
        """
        path = self.path(step)
        try:
            if path.is_file():
                self._link_best(path)
                (self.folder / BEST).unlink(missing_ok=True)
            else:
                write_best(self.folder, step)
        except OSError as error:
            raise not_written(self.folder / BEST_ALONE, error, max(self.steps(), default=0)) from error

    def latest(self) -> dict[str, Any] | None:
        """The newest readable checkpoint; one that is damaged is reported and passed over. None where there are none."""
        steps = self.steps()
        for step in reversed(steps):
            try:
                return read(self.path(step))
            except WeightsError as error:
                self.report(f"passing over a checkpoint: {error}")
        if steps:
            raise WeightsError(f"no checkpoint in {self.folder} can be read; delete the folder to start anew")
        return None

    def _link_best(self, path: Path) -> None:
        temporary = self.folder / f"{BEST_ALONE}.tmp"
        temporary.unlink(missing_ok=True)
        try:
            os.link(path, temporary)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, temporary)
        temporary.replace(self.folder / BEST_ALONE)


def read(path: Path) -> dict[str, Any]:
    """One checkpoint's content on the CPU. Only plain data and tensors are loaded, never code."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        raise WeightsError(f"{path} cannot be read as a checkpoint: {type(error).__name__}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise WeightsError(f"{path} is no training checkpoint of format {FORMAT}")
    return state


def read_weights(folder: Path, best: bool = False, average: bool = True) -> dict[str, Tensor]:
    """The weights of a run's folder: the last or the best checkpoint's, averaged ones where the run kept an average; of several
    ranks put together."""
    checkpoints = Checkpoints(folder / "checkpoints")
    place = checkpoints.folder
    if best and not has_best(folder):
        raise WeightsError(f"{folder} has kept no best checkpoint")
    step = best_step(place) if best else max(sharded_steps(place), default=None)
    if step is not None and (best or step >= max(checkpoints.steps(), default=0)):
        return read_tensors(place, step, ("average", "model") if average else ("model",))
    state = read(place / BEST_ALONE) if best else checkpoints.latest()
    if state is None:
        raise WeightsError(f"{folder} has no checkpoint yet")
    return cast(dict[str, Tensor], state["average"] if average and state["average"] is not None else state["model"])


def has_best(folder: Path) -> bool:
    """Whether a run has kept a best checkpoint: one of an evaluation whose figure was finite."""
    place = folder / "checkpoints"
    return (place / BEST_ALONE).is_file() or best_step(place) is not None


def _write(state: Mapping[str, Any], path: Path) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def random_state() -> dict[str, Any]:
    """The state of every global random generator, as plain data and tensors."""
    kind, keys, position, has_gauss, gauss = cast(tuple[Any, ...], np.random.get_state())
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss),
        "python": random.getstate(),
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """The inverse of `random_state`; CUDA generators are left alone where their number differs."""
    kind, keys, *rest = state["numpy"]
    torch.set_rng_state(state["torch"])
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    if torch.backends.mps.is_available() and state.get("mps") is not None:
        torch.mps.set_rng_state(state["mps"])


def identity(config: TrainConfig, model: nn.Module, tasks: Sequence[Objective], examples: Sized, dtype: str) -> dict[str, Any]:
    """Everything that decides the result, as plain data; what may differ on resume is left out.

    examples: their number, and what they say of themselves where they have `identity`, a mapping of plain data.
    """
    settings = {name: value for name, value in config.to_dict().items() if name not in FREE}
    described = {task.name: asdict(cast(Any, task)) if is_dataclass(task) else repr(task) for task in tasks}
    record: dict[str, Any] = {
        "config": {**settings, "dtype": dtype},
        "model": asdict(cast(Any, model).spec),
        "tasks": described,
        "examples": len(examples),  # the order hangs on it
    }
    if hasattr(examples, "identity"):
        record["views"] = examples.identity
    return cast(dict[str, Any], json.loads(json.dumps(record, default=str)))


def environment(device: torch.device) -> dict[str, Any]:
    """What equal losses to the last digit depend on besides the settings."""
    return {
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line per setting that differs between two nested records: name, then, now."""
    then, today = _flat(before), _flat(now)
    names = [name for name in (*then, *(n for n in today if n not in then)) if then.get(name) != today.get(name)]
    return [f"{name}: {then.get(name)!r} in the checkpoint, {today.get(name)!r} now" for name in names]


def check_same_run(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Refuse to resume a run whose settings differ from those of its checkpoint."""
    lines = differences(before, now)
    if lines:
        raise UsageError(
            f"{folder} holds a run with other settings, and resuming would mix them: {'; '.join(lines)}. "
            "Give the same settings, or another folder for a new run."
        )


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            out |= _flat(value, f"{prefix}{name}.")
        else:
            out[prefix + name] = list(value) if isinstance(value, tuple) else value
    return out

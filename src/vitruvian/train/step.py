"""From a batch to its losses: forward under autocast, losses in float32, padding left out, tasks weighted."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from vitruvian.device import Compute
from vitruvian.errors import UsageError
from vitruvian.tasks.base import Objective
from vitruvian.tasks.reduce import total
from vitruvian.types import Batch

WORKSPACE, WORKSPACES = "CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8")  # with which cuBLAS gives the same sums each time
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of <malloc.h>


@dataclass(frozen=True)
class Losses:
    """What one batch costs. `run` is the model or its compiled form; `weights` per task name, 1 where absent."""

    model: nn.Module
    run: Callable[..., Any]
    tasks: Sequence[Objective]
    weights: Mapping[str, float]
    compute: Compute

    def of(self, batch: Batch, shares: Mapping[str, float] | None = None) -> dict[str, Tensor]:
        """`loss`, the weighted sum that is trained, and every part as `task/part`; only tasks with targets in the batch.

        shares: what each part is multiplied by, 1 where absent (see `shares`).
        """
        tasks = [task for task in self.tasks if task.name in batch.target]
        if not tasks:
            raise UsageError(f"the examples have targets for {sorted(batch.target)}, none for {[t.name for t in self.tasks]}")
        inputs = {name: value for task in tasks for name, value in task.inputs(batch.target[task.name]).items()}
        output = self._forward(batch.image, [task.name for task in tasks], inputs)
        loss, out = batch.image.new_zeros(()), {}
        for task in tasks:
            target = batch.target[task.name]
            for name, value in task.loss(_kept(output[task.name], batch.valid), _kept(target, batch.valid)).items():
                part = (shares or {}).get(f"{task.name}/{name}", 1.0) * value
                loss = loss + self.weights.get(task.name, 1.0) * part
                out[f"{task.name}/{name}"] = part
        return {"loss": loss, **out}

    def shares(self, batches: Sequence[Batch]) -> list[dict[str, float]]:
        """For each micro-batch of a step: part -> its share of the step's items times the number of micro-batches.

        So the mean over micro-batches of their means is the mean over all that they count, on all ranks.
        """
        if len(batches) == 1:
            return [{}]
        counts = [
            {f"{t.name}/{part}": total(count.float()) for t in self.tasks if t.name in batch.target
             for part, count in t.counts(_kept(batch.target[t.name], batch.valid)).items()} for batch in batches
        ]  # fmt: skip
        sums = {name: max(sum(float(c[name]) for c in counts if name in c), 1.0) for name in counts[0]}
        return [{name: len(batches) * float(c[name]) / sums[name] for name in sums if name in c} for c in counts]

    def _forward(self, image: Tensor, names: list[str], inputs: Mapping[str, Tensor]) -> dict[str, Any]:
        """The outputs as float32; heads that nothing is asked of are not computed."""
        heads = {head.task for head in cast(Any, self.model).spec.heads}
        with self.compute.autocast():
            chosen = {} if heads <= set(names) else {"tasks": tuple(names)}
            output = self.run(image, **chosen, **inputs)
        return {name: _float(output[name]) for name in names}


def keep_freed_memory() -> None:
    """Let glibc keep what is freed instead of giving it back: every step asks for the same hundreds of megabytes again.

    Page faults cost a quarter of a step on a CPU. Elsewhere than on glibc it does nothing. Holds for the whole process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def fix_workspace() -> None:
    """Tell cuBLAS to give the same sums each time, which it asks for when CUDA starts. UsageError where that is too late."""
    given = os.environ.get(WORKSPACE)
    if given is not None and given not in WORKSPACES:
        told = f"{WORKSPACE} is {given!r}, with which deterministic=True is not to be had on CUDA"
        raise UsageError(f"{told}. Allowed: {', '.join(WORKSPACES)}. Fix: set it so, or leave it out.")
    if given is None and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        told = f"deterministic=True, but CUDA has started without {WORKSPACE}"
        raise UsageError(f"{told}. Fix: set {WORKSPACE}={WORKSPACES[0]} before Python starts.")
    os.environ[WORKSPACE] = given or WORKSPACES[0]


def _float(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _float(part) for name, part in value.items()}
    return value.float() if value.is_floating_point() else value


def _kept(value: Any, valid: Tensor) -> Any:
    """The rows that are no padding."""
    if bool(valid.all()):
        return value
    if isinstance(value, Mapping):
        return {name: _kept(part, valid) for name, part in value.items()}
    return value[valid.to(value.device)]

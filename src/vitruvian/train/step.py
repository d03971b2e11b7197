"""From a batch to its losses: forward under autocast, losses in float32, padding left out, tasks weighted."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from vitruvian.device import Compute
from vitruvian.errors import UsageError
from vitruvian.tasks.base import Objective
from vitruvian.types import Batch

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of <malloc.h>


@dataclass(frozen=True)
class Losses:
    """What one batch costs. `run` is the model or its compiled form; `weights` per task name, 1 where absent."""

    model: nn.Module
    run: Callable[..., Any]
    tasks: Sequence[Objective]
    weights: Mapping[str, float]
    compute: Compute

    def of(self, batch: Batch) -> dict[str, Tensor]:
        """`loss`, the weighted sum that is trained, and every part as `task/part`; only tasks with targets in the batch."""
        tasks = [task for task in self.tasks if task.name in batch.target]
        if not tasks:
            raise UsageError(f"the examples have targets for {sorted(batch.target)}, none for {[t.name for t in self.tasks]}")
        output = self._forward(batch.image, [task.name for task in tasks])
        total, out = batch.image.new_zeros(()), {}
        for task in tasks:
            target = batch.target[task.name]
            for name, value in task.loss(_kept(output[task.name], batch.valid), _kept(target, batch.valid)).items():
                total = total + self.weights.get(task.name, 1.0) * value
                out[f"{task.name}/{name}"] = value
        return {"loss": total, **out}

    def _forward(self, image: Tensor, names: list[str]) -> dict[str, Any]:
        """The outputs as float32; heads that nothing is asked of are not computed."""
        heads = {head.task for head in cast(Any, self.model).spec.heads}
        with self.compute.autocast():
            output = self.run(image) if heads <= set(names) else self.run(image, tasks=tuple(names))
        return {name: _float(output[name]) for name in names}


def keep_freed_memory() -> None:
    """Let glibc keep what is freed instead of giving it back: every step asks for the same hundreds of megabytes again.

    Page faults cost a quarter of a step on a CPU. Elsewhere than on glibc it does nothing. Holds for the whole process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


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

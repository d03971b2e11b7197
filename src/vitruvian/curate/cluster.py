"""The same tasks on Ray Data: on this machine, or on a cluster that sees the same folders."""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from vitruvian.curate.pool import Task
from vitruvian.curate.record import is_whole
from vitruvian.device import available_devices
from vitruvian.errors import UsageError, VitruvianError

RETRIES = 2  # of a task whose worker was lost
HERE = "local"  # a cluster of this process, on this machine


def _do(row: dict[str, Any]) -> dict[str, Any]:
    task: Task = pickle.loads(row["task"])
    try:
        task.run(lambda _: None)
        return {"number": row["number"], "fault": ""}
    except VitruvianError as error:  # a full disk and its like; told by whoever waits for the answer
        return {"number": row["number"], "fault": str(error)}


class _Actor:
    """Does the same on a GPU of its own, where it keeps the models that its tasks have loaded."""

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return _do(row)


def perform_on_ray(tasks: Sequence[Task], workers: int, address: str) -> Iterator[Task]:
    """Do tasks as one Ray data set; each as it is done. VitruvianError where nothing can be written.

    What a lost worker or node had in hand is done again by Ray, a few times; what is lost for good is not among those yielded.
    """
    ray = _ray(address, workers)
    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = -1  # an image that kills its worker must not end the run; see `left_over`
    context.enable_progress_bars = False
    rows = [{"number": number, "task": pickle.dumps(task)} for number, task in enumerate(tasks)]
    data = ray.data.from_items(rows, override_num_blocks=len(rows))
    if tasks[0].kind != "look" and tasks[0].settings.device in ("auto", "cuda") and "cuda" in available_devices():
        done = data.map(_Actor, compute=ray.data.ActorPoolStrategy(size=max(1, workers)), num_gpus=1)
    else:
        done = data.map(_do, compute=ray.data.TaskPoolStrategy(size=max(1, workers)), max_retries=RETRIES)
    for one in done.iter_rows():
        if one["fault"]:
            raise VitruvianError(one["fault"])
        yield tasks[one["number"]]


def left_over(tasks: Sequence[Task]) -> list[Task]:
    """Those whose files are not there."""
    return [task for task in tasks if not is_whole(task.target)]


def _ray(address: str, workers: int) -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError(f"the engine ray needs Ray ({error}). Fix: pip install 'vitruvian[ray]'.") from error
    if not ray.is_initialized():
        words: dict[str, Any] = {"address": address}
        if address == HERE:
            paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
            words = {"num_cpus": workers + 1, "include_dashboard": False, "runtime_env": {"env_vars": paths}}
        ray.init(**words, logging_level="ERROR", log_to_driver=False)
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return ray

"""Every task by name: `task("pose")`, or with other fields `task("pose", skeleton="coco17")`."""

from __future__ import annotations

from typing import Any, TypeVar

from vitruvian.errors import UsageError, unknown_name
from vitruvian.tasks.base import Objective, Task
from vitruvian.tasks.depth import Depth
from vitruvian.tasks.mae import Mae
from vitruvian.tasks.normal import Normal
from vitruvian.tasks.person import Person
from vitruvian.tasks.pose import Pose
from vitruvian.tasks.seg import Seg

T = TypeVar("T", bound=Objective)

TASKS: dict[str, Task] = {
    "pose": Pose(),
    "seg": Seg(),
    "depth": Depth(),
    "normal": Normal(),
    "person": Person(),
}

OBJECTIVES: dict[str, Objective] = {**TASKS, "mae": Mae()}


def task(name: str, **fields: Any) -> Task:
    """The task of that name with its defaults, or with the given fields."""
    if name not in TASKS:
        raise unknown_name("task", name, TASKS)
    return _with(TASKS[name], fields)


def objective(name: str, **fields: Any) -> Objective:
    """As `task`, with those that only train (mae)."""
    if name not in OBJECTIVES:
        raise unknown_name("objective", name, OBJECTIVES)
    return _with(OBJECTIVES[name], fields)


def _with(found: T, fields: dict[str, Any]) -> T:
    if not fields:
        return found
    try:
        return type(found)(**fields)
    except TypeError as error:
        raise UsageError(f"task {found.name!r}: {error}") from error

"""Three stages at once: order, the bound on what is held, errors of each stage, and leaving early."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError

import pytest

from vitruvian.predict.ahead import Budget, staged


class Stages:
    """Numbers that weigh themselves; what is held between opening and having written is counted."""

    def __init__(self, fails: str = "", at: int = -1) -> None:
        self.fails, self.at, self.lock = fails, at, threading.Lock()
        self.held = self.most = 0
        self.threads: dict[str, set[str]] = {"open": set(), "compute": set(), "write": set()}
        self.groups: list[list[int]] = []
        self.written: list[int] = []

    def _pass(self, stage: str, item: int) -> None:
        self.threads[stage].add(threading.current_thread().name)
        if (stage, item) == (self.fails, self.at):
            raise ValueError(f"{stage} {item}")

    def open(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        with self.lock:
            self.held += sum(items)
            self.most = max(self.most, self.held)
        for item in items:
            self._pass("open", item)
        return list(items)

    def compute(self, items: Sequence[int]) -> Iterator[int]:
        for item in items:
            self._pass("compute", item)
            yield -item

    def write(self, item: int) -> int:
        self._pass("write", -item)
        with self.lock:
            self.held += item
        self.written.append(-item)
        return -item

    def run(self, items: Sequence[int], limit: int = 30, together: int = 2) -> Iterator[int]:
        return staged(items, lambda item: item, self.open, self.compute, self.write, limit, together)


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_order_stays_and_each_stage_has_its_thread() -> None:
    stages, before = Stages(), names()
    items = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    assert list(stages.run(items)) == items
    assert stages.threads["compute"] == {threading.current_thread().name}
    assert len(set.union(*stages.threads.values())) == 3
    assert names() == before


def test_nothing_gives_nothing() -> None:
    assert list(Stages().run([])) == []


def test_what_is_held_is_bounded_and_the_heavy_go_alone() -> None:
    stages = Stages()
    items = [9, 1, 100, 1, 1, 1, 10, 10, 10, 10, 40, 2]
    assert list(stages.run(items)) == items
    assert stages.groups == [[9, 1], [100], [1, 1], [1], [10], [10], [10], [10], [40], [2]]
    assert stages.most == 100  # alone, though it is above the limit of 30
    assert list((light := Stages()).run([10] * 20)) == [10] * 20 and light.most <= 30


@pytest.mark.parametrize("stage", ["open", "compute", "write"])
def test_an_error_comes_out_and_leaves_no_thread(stage: str) -> None:
    stages, before = Stages(stage, at=5), names()
    with pytest.raises(ValueError, match=f"{stage} 5"):
        list(stages.run([1, 2, 3, 4, 5, 6, 7, 8]))
    assert names() == before
    assert stages.written == sorted(stages.written) and 5 not in stages.written
    assert len(stages.written) >= 2


def test_who_leaves_early_leaves_no_thread_and_no_half_work() -> None:
    stages, before = Stages(), names()
    running = stages.run(list(range(1, 9)))
    assert next(running) == 1
    running.close()  # type: ignore[attr-defined]
    assert names() == before
    assert stages.written == sorted(stages.written) and len(stages.written) < 8


def test_a_closed_budget_lets_nobody_wait() -> None:
    budget = Budget(10)
    budget.take(10)
    told: list[str] = []

    def wait() -> None:
        try:
            budget.take(1)
        except CancelledError:
            told.append("cancelled")

    thread = threading.Thread(target=wait)
    thread.start()
    budget.close()
    thread.join(10)
    assert told == ["cancelled"]

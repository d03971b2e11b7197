"""Three stages at once: order, the bound on what is held, errors of each stage, and leaving early."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass

import pytest

from vitruvian.predict.ahead import Budget, staged

SOON = 60.0  # s; only a defect waits so long


class Load:
    """Something of a weight, which lives until nobody holds it."""

    def __init__(self, weight: int) -> None:
        self.weight = weight


@dataclass(frozen=True)
class Answer:
    """What is computed of a load, which holds it."""

    load: Load


class Stages:
    """Numbers are what their loads weigh. held, most: of the loads that live; fails, at: where `error` is raised."""

    def __init__(self, fails: str = "", at: int = -1, error: type[BaseException] = ValueError) -> None:
        self.fails, self.at, self.error = fails, at, error
        self.lock = threading.RLock()  # a load may end anywhere
        self.held = self.most = 0
        self.threads: dict[str, set[str]] = {"weigh": set(), "open": set(), "compute": set(), "write": set()}
        self.groups: list[list[int]] = []
        self.written: list[int] = []

    def _pass(self, stage: str, item: int) -> None:
        self.threads[stage].add(threading.current_thread().name)
        if (stage, item) == (self.fails, self.at):
            raise self.error(f"{stage} {item}")

    def _count(self, weight: int) -> None:
        with self.lock:
            self.held += weight
            self.most = max(self.most, self.held)

    def weigh(self, item: int) -> int:
        self._pass("weigh", item)
        return item

    def open(self, items: Sequence[int]) -> list[Load]:
        self.groups.append(list(items))
        return [self._open(item) for item in items]

    def _open(self, item: int) -> Load:
        self._pass("open", item)
        load = Load(item)
        self._count(item)
        weakref.finalize(load, self._count, -item)
        return load

    def compute(self, loads: Sequence[Load]) -> Iterator[Answer]:
        left = deque(loads)
        del loads
        while left:
            self._pass("compute", left[0].weight)
            yield Answer(left.popleft())

    def write(self, answer: Answer) -> int:
        self._pass("write", answer.load.weight)
        self.written.append(answer.load.weight)
        return answer.load.weight

    def run(self, items: Sequence[int], limit: int = 30, together: int = 2) -> Generator[int, None, None]:
        return staged(items, self.weigh, self.open, self.compute, self.write, limit, together)


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_order_stays_and_each_stage_has_its_thread() -> None:
    stages, before = Stages(), names()
    items = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    assert list(stages.run(items)) == items
    assert stages.threads["compute"] == {threading.current_thread().name}
    assert stages.threads["weigh"] == stages.threads["open"]
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
    assert stages.held == 0
    light = Stages()
    assert list(light.run([10, 9, 8, 7] * 20)) == [10, 9, 8, 7] * 20 and light.most <= 30


def test_the_next_is_opened_and_the_last_written_while_one_is_computed() -> None:
    """Each stage waits for the others to be at work, which never comes about one after the other."""
    stages = Stages()
    third_opened, first_written, computing = threading.Event(), threading.Event(), threading.Event()

    def opened(items: Sequence[int]) -> list[Load]:
        if 3 in items:
            third_opened.set()
        return stages.open(items)

    def computed(loads: Sequence[Load]) -> Iterator[Answer]:
        if loads[0].weight == 2:
            computing.set()
            assert third_opened.wait(SOON) and first_written.wait(SOON)
        yield from stages.compute(loads)

    def written(answer: Answer) -> int:
        assert computing.wait(SOON)
        first_written.set()
        return stages.write(answer)

    assert list(staged([1, 2, 3, 4], stages.weigh, opened, computed, written, 30, 1)) == [1, 2, 3, 4]


def test_a_slow_writer_is_waited_for_however_light_the_results() -> None:
    stages, done, third = Stages(), list[int](), threading.Event()

    def computed(loads: Sequence[Load]) -> Iterator[Answer]:
        for answer in stages.compute(loads):
            done.append(answer.load.weight)
            if len(done) == 3:
                third.set()
            yield answer

    def written(answer: Answer) -> int:
        assert third.wait(SOON)
        return stages.write(answer)

    running = staged(range(1, 9), stages.weigh, stages.open, computed, written, 1000, 2)
    assert next(running) == 1 and done == [1, 2, 3]
    running.close()


@pytest.mark.parametrize("stage", ["weigh", "open", "compute", "write"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_comes_out_and_leaves_no_thread(stage: str, error: type[BaseException]) -> None:
    stages, before = Stages(stage, at=6, error=error), names()
    with pytest.raises(error, match=f"{stage} 6"):
        list(stages.run([1, 2, 3, 4, 5, 6, 7, 8]))
    assert names() == before
    assert stages.written == sorted(stages.written) and 6 not in stages.written
    assert len(stages.written) >= 2


def test_an_error_while_the_reader_waits_for_room() -> None:
    stages, before, next_found = Stages(), names(), threading.Event()

    def weigh(item: int) -> int:
        if item == 102:
            next_found.set()  # the group before it is complete, and too heavy beside the first
        return item

    def computed(loads: Sequence[Load]) -> Iterator[Answer]:
        assert next_found.wait(SOON)
        raise ValueError(f"compute {loads[0].weight}")

    with pytest.raises(ValueError, match="compute 100"):
        list(staged([100, 101, 102], weigh, stages.open, computed, stages.write, 30, 2))
    assert names() == before and stages.groups == [[100]]


def test_what_waits_for_the_writer_when_an_error_comes_is_written() -> None:
    stages, failing = Stages(), threading.Event()

    def computed(loads: Sequence[Load]) -> Iterator[Answer]:
        for answer in stages.compute(loads):
            if answer.load.weight == 3:
                failing.set()
                raise ValueError
            yield answer

    def written(answer: Answer) -> int:
        assert failing.wait(SOON)
        return stages.write(answer)

    with pytest.raises(ValueError):
        list(staged([1, 2, 3], stages.weigh, stages.open, computed, written, 30, 3))
    assert stages.written == [1, 2]


def test_one_result_too_few_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(staged([1, 2], lambda item: item, list, lambda loads: loads[1:], lambda one: one, 30, 2))


def test_who_leaves_early_leaves_no_thread_and_no_half_work() -> None:
    stages, before = Stages(), names()
    running = stages.run(list(range(1, 9)))
    assert next(running) == 1
    running.close()
    assert names() == before
    assert stages.written == sorted(stages.written) and len(stages.written) < 8
    assert stages.held == 0


def test_an_interrupt_of_the_consumer_lets_what_is_computed_be_written() -> None:
    stages, before, computed = Stages(), names(), list[int]()

    def counted(loads: Sequence[Load]) -> Iterator[Answer]:
        for answer in stages.compute(loads):
            computed.append(answer.load.weight)
            yield answer

    running = staged(range(1, 9), stages.weigh, stages.open, counted, stages.write, 30, 2)
    with pytest.raises(KeyboardInterrupt):
        for _ in running:
            raise KeyboardInterrupt
    running.close()
    assert names() == before
    assert stages.written == computed


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
    thread.join(SOON)
    assert told == ["cancelled"]

"""Many inputs through three stages at once: the next are opened and the last written while one is computed.

Order stays, memory is bounded by what the inputs weigh (pixels), and whoever stops leaves no thread behind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from threading import Condition
from typing import TypeVar

Item = TypeVar("Item")
Opened = TypeVar("Opened")
Computed = TypeVar("Computed")
Written = TypeVar("Written")


class Budget:
    """What may be held at one time, shared by threads. Something heavier than all of it is let in when nothing else is held."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held, self._closed, self._change = limit, 0, False, Condition()

    def take(self, weight: int) -> None:
        """Wait until there is room. CancelledError once the budget is closed."""
        with self._change:
            self._change.wait_for(lambda: self._closed or not self._held or self._held + weight <= self._limit)
            if self._closed:
                raise CancelledError
            self._held += weight

    def give(self, weight: int) -> None:
        """Make room again."""
        with self._change:
            self._held -= weight
            self._change.notify_all()

    def close(self) -> None:
        """Nobody waits any more."""
        with self._change:
            self._closed = True
            self._change.notify_all()


def staged(
    items: Sequence[Item],
    weight: Callable[[Item], int],
    opened: Callable[[Sequence[Item]], Sequence[Opened]],
    computed: Callable[[Sequence[Opened]], Iterable[Computed]],
    written: Callable[[Computed], Written],
    limit: int,
    together: int,
) -> Generator[Written, None, None]:
    """What `written` says of each item, in order.

    weight and opened: of one and of a few items, in a thread of its own; computed: of these few, one each, in this thread;
    written: of one, in a third. Items are taken `together`, fewer where they weigh much. No more than `limit` is held between
    opening and having written, if no stage keeps what it has handed on, and no more than `together` results wait for the
    writer, whatever they weigh. What a stage raises is raised here; what has been computed is written all the same. To leave
    early, close the generator: its threads end before that returns.
    """
    budget, waiting = Budget(limit), deque[Future[Written]]()
    groups = _groups(items, weight, limit, together)

    def fetch() -> tuple[list[int], Sequence[Opened]] | None:
        if (group := next(groups, None)) is None:
            return None
        weights = [heavy for _, heavy in group]
        budget.take(sum(weights))
        return weights, opened([item for item, _ in group])

    def finish(box: list[Computed], heavy: int) -> Written:
        try:
            return written(box.pop())  # nothing else may hold it when its room is given to others
        finally:
            budget.give(heavy)

    reader, writer = ThreadPoolExecutor(1, "read"), ThreadPoolExecutor(1, "write")
    try:
        upcoming = reader.submit(fetch)
        while (fetched := upcoming.result()) is not None:
            upcoming = reader.submit(fetch)
            weights, results = fetched[0], iter(computed(fetched[1]))
            del fetched
            for heavy in weights:
                waiting.append(writer.submit(finish, [next(results)], heavy))
                while waiting and (waiting[0].done() or len(waiting) > together):
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        budget.close()
        reader.shutdown(wait=True, cancel_futures=True)
        writer.shutdown(wait=True)  # what has been computed is not thrown away


def _groups(
    items: Sequence[Item], weight: Callable[[Item], int], limit: int, together: int
) -> Iterator[list[tuple[Item, int]]]:
    """A third of the limit at most in each, so that one can be opened, one computed and one written; but one item at least."""
    group: list[tuple[Item, int]] = []
    for item in items:
        heavy = weight(item)
        if group and (len(group) == together or sum(held for _, held in group) + heavy > limit // 3):
            yield group
            group = []
        group.append((item, heavy))
    if group:
        yield group

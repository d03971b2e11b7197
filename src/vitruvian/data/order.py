"""Which example comes when: pure functions of the seed and the position, so that there is no state to save.

A position counts every example ever drawn: epoch `position // length`, place `position % length`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import numpy as np

from vitruvian.errors import UsageError
from vitruvian.types import Array

ORDER_STREAM = 0  # of the seed's randomness; examples draw from another one
WINDOW = 16  # groups whose examples are mixed


class Order(Protocol):
    """Position -> index of an example."""

    @property
    def seed(self) -> int:
        """What all is drawn from."""

    @property
    def length(self) -> int:
        """Examples in an epoch."""

    def index(self, position: int) -> int:
        """The index drawn at a position."""


@dataclass(frozen=True)
class EvenOrder:
    """A new permutation of `length` every epoch, or the plain order."""

    length: int
    seed: int
    shuffle: bool = True

    def index(self, position: int) -> int:
        """The index drawn at a position."""
        epoch, place = divmod(position, self.length)
        return int(_permutation(self.length, self.seed, (epoch,))[place]) if self.shuffle else place


@dataclass(frozen=True)
class GroupedOrder:
    """Of examples that lie in groups (shards) and are read fastest together: every epoch the groups are shuffled, and the
    examples of each `window` groups that follow one another are mixed. Memory does not grow with the examples.

    groups: how many examples each group has, in the order of their indices.
    """

    groups: tuple[int, ...]
    seed: int
    window: int = WINDOW
    starts: Array = field(init=False, repr=False, compare=False)
    key: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.window < 1 or min(self.groups, default=0) < 0:
            raise UsageError("an order of groups needs window >= 1 and no group of less than 0 examples")
        object.__setattr__(self, "starts", np.cumsum([0, *self.groups]))
        object.__setattr__(self, "key", hash((self.groups, self.seed, self.window)))

    def __hash__(self) -> int:
        return self.key  # of many shards it would take longer than all the rest of `index`

    @property
    def length(self) -> int:
        """Examples in an epoch."""
        return int(self.starts[-1])

    def index(self, position: int) -> int:
        """The index drawn at a position."""
        epoch, place = divmod(position, self.length)
        groups, ends = _windows(self, epoch)
        number = int(np.searchsorted(ends, place, side="right"))
        first = int(ends[number - 1]) if number else 0
        mixed = _permutation(int(ends[number]) - first, self.seed, (epoch, number + 1))[place - first]
        chosen = groups[number * self.window : (number + 1) * self.window]
        inner = np.cumsum([self.groups[g] for g in chosen])
        at = int(np.searchsorted(inner, mixed, side="right"))
        return int(self.starts[chosen[at]] + mixed - (inner[at - 1] if at else 0))


@lru_cache(maxsize=2)
def _permutation(length: int, seed: int, where: tuple[int, ...]) -> Array:
    return np.random.default_rng([seed, ORDER_STREAM, *where]).permutation(length)


@lru_cache(maxsize=2)
def _windows(order: GroupedOrder, epoch: int) -> tuple[Array, Array]:
    """The groups of an epoch in their order, and the place at which each window of them ends."""
    groups = _permutation(len(order.groups), order.seed, (epoch,))
    sizes = np.array(order.groups)[groups]
    return groups, np.cumsum(np.add.reduceat(sizes, np.arange(0, len(groups), order.window)))


def order_of(examples: object, seed: int, shuffle: bool) -> Order:
    """The order of examples: by groups where they have them (`groups`, how many lie together), else even."""
    length = len(examples)  # type: ignore[arg-type]
    groups: Sequence[int] | None = getattr(examples, "groups", None)
    if groups is None or not shuffle:
        return EvenOrder(length, seed, shuffle)
    order = GroupedOrder(tuple(groups), seed)
    if order.length != length:
        raise UsageError(f"the groups of the examples hold {order.length}, but there are {length}")
    return order


def share(batch: int, rank: int, ranks: int) -> range:
    """The places of a batch that one rank reads: stretches in the order of the ranks, as equal as can be.

    Raises UsageError for a rank that there is not, or one that would get nothing.
    """
    if not 0 <= rank < ranks:
        raise UsageError(f"rank {rank} of {ranks}. Allowed: 0 to {ranks - 1}.")
    if batch < ranks:
        raise UsageError(f"a batch of {batch} cannot be shared by {ranks} ranks. Fix: a batch of {ranks} or more.")
    return range(rank * batch // ranks, (rank + 1) * batch // ranks)

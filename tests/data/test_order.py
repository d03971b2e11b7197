from __future__ import annotations

import numpy as np
import pytest

from vitruvian.data.order import EvenOrder, GroupedOrder, order_of, share
from vitruvian.errors import UsageError

SIZES = (3, 0, 5, 1, 4, 2, 6)


def test_every_epoch_is_another_permutation() -> None:
    order = EvenOrder(100, seed=3)
    first, second = ([order.index(epoch * 100 + i) for i in range(100)] for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second != list(range(100))
    assert [EvenOrder(100, seed=4).index(i) for i in range(100)] != first
    assert [EvenOrder(3, seed=3, shuffle=False).index(i) for i in range(5)] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("window", [1, 2, 3, 7, 50])
def test_groups_are_shuffled_and_mixed_within_windows(window: int) -> None:
    order = GroupedOrder(SIZES, seed=1, window=window)
    group = np.repeat(np.arange(len(SIZES)), SIZES)
    epochs = [[order.index(e * 21 + i) for i in range(21)] for e in range(3)]
    for drawn in epochs:
        assert sorted(drawn) == list(range(21))
        seen = [set(group[drawn[: i + 1]]) - set(group[drawn[i:]]) for i in range(21)]  # groups that are done with
        opened = [len(set(group[drawn[: i + 1]]) - done) for i, done in enumerate(seen)]
        assert max(opened) <= window
    assert len({tuple(drawn) for drawn in epochs}) == 3
    assert [order.index(p) for p in (40, 2, 17)] == [epochs[1][19], epochs[0][2], epochs[0][17]]  # no state


def test_the_order_is_that_of_the_examples() -> None:
    class Grouped:
        groups = SIZES

        def __len__(self) -> int:
            return 21

    class Wrong(Grouped):
        groups = (3,)

    assert isinstance(order_of(Grouped(), 0, shuffle=True), GroupedOrder)
    assert order_of(Grouped(), 0, shuffle=False).index(22) == 1
    assert isinstance(order_of("abc", 0, shuffle=True), EvenOrder)
    with pytest.raises(UsageError, match="hold 3, but there are 21"):
        order_of(Wrong(), 0, shuffle=True)


@pytest.mark.parametrize("ranks", range(1, 13))
def test_shares_are_the_batch(ranks: int) -> None:
    shares = [share(12, r, ranks) for r in range(ranks)]
    assert [place for one in shares for place in one] == list(range(12))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1

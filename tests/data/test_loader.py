from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vitruvian.data.loader import Loader, Order
from vitruvian.errors import InputError, UsageError
from vitruvian.types import Batch

sys.path.insert(0, str(Path(__file__).parent))  # so that worker processes find the examples
from loader_examples import Noise


def loader(examples: Any, **changes: Any) -> Loader:
    return Loader(examples, **{"batch": 4, "seed": 1, "mean": (10.0, 20.0, 30.0), "std": (2.0, 4.0, 5.0), **changes})


def equal(a: Batch, b: Batch) -> bool:
    targets = all(torch.equal(a.target["t"][name], b.target["t"][name]) for name in a.target["t"])
    return torch.equal(a.image, b.image) and targets and a.keys == b.keys and torch.equal(a.valid, b.valid)


def test_every_epoch_is_another_permutation() -> None:
    order = Order(100, seed=3)
    first, second = ([order.index(epoch * 100 + i) for i in range(100)] for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second != list(range(100))
    assert [Order(100, seed=4).index(i) for i in range(100)] != first
    assert [Order(3, seed=3, shuffle=False).index(i) for i in range(5)] == [0, 1, 2, 0, 1]


def test_workers_and_resuming_give_equal_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    torch.manual_seed(5)
    state = torch.get_rng_state()
    alone = list(loader(Noise(10)).batches(0, 6))
    many = list(loader(Noise(10), workers=2).batches(0, 6))
    assert all(map(equal, alone, many))
    assert all(map(equal, alone[4:], loader(Noise(10)).batches(4, 6)))
    assert not equal(alone[0], next(loader(Noise(10), seed=2).batches(0, 1)))
    assert torch.equal(torch.get_rng_state(), state)  # the global randomness belongs to the training


def test_an_example_is_drawn_anew_every_epoch() -> None:
    batches = list(loader(Noise(4)).batches(0, 2))
    assert sorted(batches[0].keys) == sorted(batches[1].keys)
    place = batches[1].keys.index(batches[0].keys[0])
    assert not torch.equal(batches[0].target["t"]["random"][0], batches[1].target["t"]["random"][place])


def test_images_arrive_normalised_and_floats_in_float32() -> None:
    examples = Noise(4)
    batch = next(loader(examples, shuffle=False).batches(0, 1))
    image, target, key = examples.example(0, np.random.default_rng([1, 1, 0, 0]))
    assert batch.image.shape == (4, 3, 6, 5) and batch.image.dtype == torch.float32 and key == batch.keys[0]
    assert batch.image[0, 1, 2, 3].item() == pytest.approx((int(image[2, 3, 1]) - 20) / 4)
    assert batch.target["t"]["half"].dtype == torch.float32 and batch.target["t"]["label"].dtype == torch.int64
    assert torch.equal(batch.target["t"]["random"][0], torch.from_numpy(target["t"]["random"]))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_example_is_told_and_replaced_by_the_next(workers: int) -> None:
    told: list[str] = []
    source = loader(Noise(10, bad=(3, 4)), workers=workers, shuffle=False, max_bad=0.3, report=told.append)
    first, second = source.batches(0, 2)
    assert first.keys + second.keys == tuple(f"noise {i}" for i in (0, 1, 2, 5, 5, 5, 6, 7))
    assert source.bad == len(told) == 3
    assert told[0] == "bad example replaced by the next: example 3: OSError: noise 3 is truncated"
    assert not torch.equal(first.target["t"]["random"][3], second.target["t"]["random"][1])  # a draw of its own each time


@pytest.mark.parametrize(
    ("bad", "pattern"),
    [(range(10), "8 examples in a row cannot be used; the last: example"), (range(5), "more than the 1.0% allowed")],
)
def test_many_bad_examples_stop_the_run(bad: range, pattern: str) -> None:
    with pytest.raises(InputError, match=pattern):
        list(loader(Noise(10, bad=tuple(bad))).batches(0, 9))


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (lambda: loader(Noise(0)), "no examples"),
        (lambda: loader(Noise(4), batch=0), "batch >= 1"),
        (lambda: list(loader(Noise(4, image_type="float32")).batches(0, 1)), r"must be \(H, W, 3\) uint8 RGB, not \(6, 5, 3\)"),
        (lambda: list(loader(Noise(4, mixed=True)).batches(0, 1)), "a batch needs the same for all"),
    ],
)
def test_wrong_sources_are_named(make: Callable[[], Any], pattern: str) -> None:
    with pytest.raises(UsageError, match=pattern):
        make()

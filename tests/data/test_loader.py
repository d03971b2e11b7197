from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vitruvian.data.loader import Loader
from vitruvian.errors import InputError, UsageError
from vitruvian.types import Batch

sys.path.insert(0, str(Path(__file__).parent))  # so that worker processes find the examples
from loader_examples import Noise


def loader(examples: Any, **changes: Any) -> Loader:
    return Loader(examples, **{"batch": 4, "seed": 1, "mean": (10.0, 20.0, 30.0), "std": (2.0, 4.0, 5.0), **changes})


def equal(a: Batch, b: Batch) -> bool:
    targets = all(torch.equal(a.target["t"][name], b.target["t"][name]) for name in a.target["t"])
    return torch.equal(a.image, b.image) and targets and a.keys == b.keys and torch.equal(a.valid, b.valid)


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


@pytest.mark.parametrize(("ranks", "workers"), [(1, 0), (2, 0), (3, 0), (2, 2), (3, 1), (5, 0)])
def test_ranks_together_hold_the_batches_of_one_process(ranks: int, workers: int) -> None:
    whole = list(loader(Noise(10, bad=(3,)), batch=6, max_bad=1).batches(0, 4))
    source = Noise(10, bad=(3,))
    parts = [loader(source, batch=6, rank=r, ranks=ranks, workers=workers, max_bad=1).batches(0, 4) for r in range(ranks)]
    for batch, *shares in zip(whole, *parts, strict=True):
        assert sum((s.keys for s in shares), ()) == batch.keys
        assert torch.equal(torch.cat([s.image for s in shares]), batch.image)
        for name, values in batch.target["t"].items():
            assert torch.equal(torch.cat([s.target["t"][name] for s in shares]), values)


def test_a_run_goes_on_with_another_number_of_ranks() -> None:
    whole = list(loader(Noise(7), batch=3).batches(0, 4))
    before = [b.keys for r in range(2) for b in loader(Noise(7), batch=3, rank=r, ranks=2).batches(0, 2)]
    after = [b.keys for r in range(3) for b in loader(Noise(7), batch=3, rank=r, ranks=3, workers=r % 2).batches(2, 4)]
    assert [before[0] + before[2], before[1] + before[3]] == [b.keys for b in whole[:2]]
    assert [after[n] + after[n + 2] + after[n + 4] for n in (0, 1)] == [b.keys for b in whole[2:]]


def test_each_rank_counts_its_own_bad_examples() -> None:
    told: list[str] = []
    ranks = [loader(Noise(8, bad=(5,)), shuffle=False, rank=r, ranks=2, report=told.append) for r in range(2)]
    for one in ranks:
        list(one.batches(0, 2))
    assert [one.bad for one in ranks] == [1, 0] and len(told) == 1


def test_what_a_source_knows_to_be_wrong_is_told_once() -> None:
    told: list[str] = []
    list(loader(Noise(4, problems=("b.tar is cut short",)), report=told.append).batches(0, 2))
    assert told == ["problem of the source: b.tar is cut short"]


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
        (lambda: loader(Noise(4), rank=2, ranks=2), "rank 2 of 2. Allowed: 0 to 1"),
        (lambda: loader(Noise(4), ranks=5), "batch of 4 cannot be shared by 5 ranks"),
        (lambda: list(loader(Noise(4, image_type="float32")).batches(0, 1)), r"must be \(H, W, 3\) uint8 RGB, not \(6, 5, 3\)"),
        (lambda: list(loader(Noise(4, mixed=True)).batches(0, 1)), "a batch needs the same for all"),
    ],
)
def test_wrong_sources_are_named(make: Callable[[], Any], pattern: str) -> None:
    with pytest.raises(UsageError, match=pattern):
        make()

"""Several processes train as one does: equal losses, a killed rank, another number of ranks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vitruvian.device import choose_compute
from vitruvian.errors import UsageError, WeightsError
from vitruvian.tasks.normal import cosine_loss
from vitruvian.train import read_log, read_weights
from vitruvian.train.checkpoint import Checkpoints, has_best
from vitruvian.train.parallel import World, draw_apart, shard, world
from vitruvian.train.sharded import Sharded, best_step, load_sharded, sharded_steps, write_best

RUN = str(Path(__file__).with_name("parallel_run.py"))
STEPS = 50
NEAR = 1e-4


def start(ranks: int, *words: object) -> int:
    """The exit code of the run on so many ranks."""
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *several, RUN, *map(str, words)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    print(ran.stderr[-3000:])
    return ran.returncode


def losses(folder: Path) -> np.ndarray:
    return np.array([record["loss"] for record in read_log(folder / "log.jsonl") if record["kind"] == "train"])


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in a single process."""
    folder = tmp_path_factory.mktemp("alone")
    assert start(1, folder, STEPS) == 0
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A run of two ranks of which one was killed at a random step; the folder and the step."""
    folder = tmp_path_factory.mktemp("killed")
    rng = np.random.default_rng()
    step = int(rng.integers(8, STEPS - 5))
    assert start(2, folder, STEPS, rng.integers(2), step) != 0
    assert sharded_steps(folder / "checkpoints")[-1] <= step
    return folder, step


def test_two_ranks_train_as_one(alone: Path, tmp_path: Path) -> None:
    assert start(2, tmp_path, STEPS) == 0
    assert np.abs(losses(tmp_path) - losses(alone)).max() <= NEAR
    assert losses(alone)[-1] < losses(alone)[0] - 0.1, "a curve that falls"
    for average in (True, False):
        one, two = (read_weights(folder, average=average) for folder in (alone, tmp_path))
        assert one.keys() == two.keys()
        apart = sum(float((two[name] - value).square().sum()) for name, value in one.items())
        size = sum(float(value.square().sum()) for value in one.values())
        assert apart < 1e-6 * size, "only biases before a norm, which nothing pulls on, may drift"


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_killed_run_goes_on_with_another_number_of_ranks(
    alone: Path, killed: tuple[Path, int], tmp_path: Path, ranks: int
) -> None:
    folder, step = killed
    shutil.copytree(folder, tmp_path / "run")
    done = sharded_steps(tmp_path / "run" / "checkpoints")[-1]
    assert start(ranks, tmp_path / "run", STEPS) == 0
    curve = losses(tmp_path / "run")
    assert len(curve) == STEPS and done <= step
    assert np.abs(curve - losses(alone)).max() <= NEAR


def test_a_run_of_one_goes_on_with_two(alone: Path, tmp_path: Path) -> None:
    assert start(1, tmp_path, STEPS, 0, 22) != 0
    assert start(2, tmp_path, STEPS) == 0
    assert np.abs(losses(tmp_path) - losses(alone)).max() <= NEAR


def test_two_nodes_of_two_that_each_hold_all_weights_train_as_one(tmp_path: Path) -> None:
    one, four = tmp_path / "one", tmp_path / "four"
    assert start(1, one, 10) == 0 and start(4, four, 10, "--nodes", 2) == 0
    assert np.abs(losses(four) - losses(one)).max() <= NEAR
    ours, theirs = read_weights(four), read_weights(one)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-3) for name in theirs)


def test_nodes_of_unequal_size_cannot_each_hold_all_weights() -> None:
    with pytest.raises(UsageError, match="6 ranks, 4 of them on this node"):
        shard(nn.Linear(2, 2), choose_compute("cpu", "fp32"), World(0, 6, 0, 4), "node")


def test_one_rank_reads_while_all_are_joined_and_bad_examples_are_those_of_all(tmp_path: Path) -> None:
    counted = []
    for ranks in (1, 2):
        assert start(ranks, tmp_path / str(ranks), 5, "--joined", 1) == 0
        counted.append(
            [line["bad_examples"] for line in read_log(tmp_path / str(ranks) / "log.jsonl") if line["kind"] == "train"]
        )
    assert counted[0] == counted[1] and counted[0][-1] >= 3


def test_bad_examples_of_all_ranks_are_not_held_against_the_share_of_one_on_resume(tmp_path: Path) -> None:
    words = (tmp_path, 30, 0, 26, 0.08)  # two of forty are bad
    assert start(2, *words) != 0 and sharded_steps(tmp_path / "checkpoints")[-1] >= 15
    assert start(2, *(tmp_path, 30, 0, 99, 0.08)) == 0
    assert [line["bad_examples"] for line in read_log(tmp_path / "log.jsonl") if line["kind"] == "train"][-1] == 18


def test_several_ranks_lose_no_step_to_a_failed_evaluation_and_keep_the_best(tmp_path: Path) -> None:
    place = tmp_path / "checkpoints"
    for _ in range(2):
        assert start(2, tmp_path, 8, "--judge", 6) != 0
        assert sharded_steps(place) == [3, 5, 6] and best_step(place) == 3
    assert start(2, tmp_path, 8, "--judge", 0) == 0
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl") if line["kind"] == "evaluate"] == list(range(1, 9))
    assert sharded_steps(place) == [3, 7, 8] and read_weights(tmp_path, best=True)


def test_the_best_goes_by_one_name_whatever_the_number_of_ranks(tmp_path: Path) -> None:
    place = tmp_path / "checkpoints"
    assert start(2, tmp_path, 8, "--judge", 3) != 0 and best_step(place) == 2
    assert start(1, tmp_path, 8, "--judge", 5) != 0 and best_step(place) == 3  # made up for by a single rank
    (place / "best.pt").touch()  # an older one of a single rank
    Checkpoints(place).keep_best(3)
    assert not (place / "best.pt").exists() and has_best(tmp_path)
    Checkpoints(place).keep_best(4)
    assert best_step(place) is None and torch.load(place / "best.pt", weights_only=True)["step"] == 4
    assert read_weights(tmp_path, best=True)
    (place / "best.pt").unlink()
    with pytest.raises(WeightsError, match="no best checkpoint"):
        read_weights(tmp_path, best=True)


@pytest.mark.parametrize("content", ["", "twelve", "\x00\x00"])
def test_a_torn_record_of_the_best_is_told_and_deletes_nothing(content: str, tmp_path: Path) -> None:
    place = tmp_path / "checkpoints"
    place.mkdir()
    assert best_step(place) is None
    (place / "best.txt").write_text(content)
    for ask in (best_step, lambda _: has_best(tmp_path), lambda _: Sharded(place, World())):
        with pytest.raises(WeightsError, match=r"best\.txt does not say which step was the best.*Fix: write its number"):
            ask(place)


def test_the_record_of_the_best_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_best(tmp_path, 3)
    real = Path.write_text

    def cut(path: Path, text: str) -> int:
        real(path, text[:0])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", cut)
    with pytest.raises(WeightsError, match="cannot be written"):
        Checkpoints(tmp_path).keep_best(12)
    assert best_step(tmp_path) == 3


def test_ranks_draw_different_dropout_and_the_same_again_on_resume() -> None:
    def drawn(rank: int, step: int, ranks: int = 2) -> list[float]:
        draw_apart(World(rank, ranks), 0, step)
        return torch.rand(3).tolist()

    assert drawn(0, 7) == drawn(0, 7) and len({tuple(drawn(*at)) for at in ((0, 7), (1, 7), (0, 8), (1, 8))}) == 4
    torch.manual_seed(5)
    alone = torch.rand(3).tolist()
    torch.manual_seed(5)
    assert drawn(0, 7, ranks=1) == alone


def test_half_a_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert world().ranks == 1
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UsageError, match="start with torchrun"):
        world()


def test_a_damaged_checkpoint_says_so(killed: tuple[Path, int], tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    shutil.copytree(killed[0] / "checkpoints", folder)
    step = sharded_steps(folder)[-1]
    with pytest.raises(WeightsError, match="cannot be read as a checkpoint"):
        load_sharded(folder, step, {"model": {"another": torch.zeros(3)}})
    (folder / f"step-{step:08d}" / "rest.pt").unlink()
    assert step not in sharded_steps(folder), "without its plain data it is not whole"


def test_a_mean_counts_pixels_not_ranks() -> None:
    """What the two-rank run rests on: unequal counts make a mean of means wrong."""
    target = torch.full((2, 3, 4, 4), -1000.0)
    target[0, :, 0, 0] = torch.tensor([0.0, 0.0, 1.0])
    target[1] = torch.tensor([0.0, 0.0, 1.0])[:, None, None]
    pred = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    halves = [cosine_loss(pred[i : i + 1], target[i : i + 1]) for i in range(2)]
    assert abs(float(cosine_loss(pred, target) - sum(halves) / 2)) > 0.01


def test_micro_batches_train_as_one_batch(alone: Path, tmp_path: Path) -> None:
    assert start(1, tmp_path, STEPS, "--accumulate", 3) == 0
    assert np.abs(losses(tmp_path) - losses(alone)).max() <= NEAR

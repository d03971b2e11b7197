"""The figures of a run, also for TensorBoard."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitruvian.errors import InputError, UsageError
from vitruvian.train.log import RunLog, read_log


def test_tensorboard_has_the_same_figures_and_forgets_what_is_done_again(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="pip install 'vitruvian[train]'"
    )
    for start, losses in ((0, [4.0, 3.0, 9.0]), (2, [2.0, 1.0])):
        with RunLog(tmp_path / "log.jsonl", 5, start, progress=False, tensorboard=True) as log:
            for step, loss in enumerate(losses, start + 1):
                log.record(step, "train", {"loss": loss, "note": "words are left out", "lr": float("nan")})
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 4), (2, 3), (3, 2), (4, 1)]
    assert events.Tags()["scalars"] == ["train/loss"]
    assert [record["loss"] for record in read_log(tmp_path / "log.jsonl")] == [4, 3, 2, 1]


def test_other_ranks_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path / "log.jsonl", 5, 0, rank=1, tensorboard=True) as log:
        log.record(1, "train", {"loss": 1.0})
        log.notice("a photo is damaged")
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err == "notice: rank 1: a photo is damaged\n"


def test_a_damaged_line_is_named_and_a_torn_last_one_left_out(tmp_path: Path) -> None:
    place = tmp_path / "log.jsonl"
    place.write_bytes(b'{"step": 1}\n{"step": 2}\n{"st')
    assert [record["step"] for record in read_log(place)] == [1, 2]
    place.write_bytes(b'{"step": 1}\n\x00\xff\n{"step": 3}\n')
    with pytest.raises(InputError, match=r"log.jsonl: line 2 is damaged.*Fix: delete that line"):
        read_log(place)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl", 5, 0, progress=False)
    with pytest.raises(InputError, match=r"cannot be written \(No space left.*Fix: make room"), log:
        assert log._file is not None
        log._file.close()
        log._file = Path("/dev/full").open("a")  # noqa: SIM115  as if the disk had filled up
        log.record(1, "train", {"loss": 1.0})


def test_without_the_library_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"vitruvian\[train\]"):
        RunLog(tmp_path / "log.jsonl", 5, 0, tensorboard=True)

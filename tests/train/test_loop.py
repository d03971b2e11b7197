from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import BRIGHT, HUE, Pictures, evaluate, model, settings
from torch import nn

from vitruvian.device import Compute, choose_compute
from vitruvian.errors import InputError, UsageError, VitruvianError, WeightsError
from vitruvian.train import TrainConfig, read_log, read_weights, train
from vitruvian.train.checkpoint import Checkpoints

TIMES = (
    "images_per_s",
    "wait",
    "time",
    "tokens_per_s",
    "mfu",
    "peak_gib",
)  # the fields of a record that a repeated run does not repeat


def records(folder: Path, kind: str | None = None) -> list[dict[str, Any]]:
    kept = [r for r in read_log(folder / "log.jsonl") if kind in (None, r["kind"])]
    return [{name: value for name, value in r.items() if name not in TIMES} for r in kept]


def assert_same_run(a: Path, b: Path) -> None:
    assert records(a) == records(b)
    for average in (False, True):
        ours, theirs = (read_weights(folder, average=average) for folder in (a, b))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    assert train(settings(folder), model(), [BRIGHT, HUE], Pictures(), evaluate).finished
    return folder


def test_a_killed_run_ends_like_an_uninterrupted_one(whole: Path, tmp_path: Path) -> None:
    script = Path(__file__).with_name("tiny_training.py")
    killed = subprocess.run([sys.executable, script, tmp_path, "6"], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [r["step"] for r in records(tmp_path)] == [3, 6]
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 7, "torn')
    result = train(settings(tmp_path), model(), [BRIGHT, HUE], Pictures(), evaluate)
    assert result.finished and result.step == 12
    assert_same_run(whole, tmp_path)


def test_workers_change_nothing(whole: Path, tmp_path: Path) -> None:
    train(settings(tmp_path, workers=2), model(), [BRIGHT, HUE], Pictures(), evaluate)
    assert_same_run(whole, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_at_a_checkpoint(number: int, whole: Path, tmp_path: Path) -> None:
    def interrupted(network: torch.nn.Module, step: int) -> dict[str, float]:
        if step == 6:
            os.kill(os.getpid(), number)
        return evaluate(network, step)

    stopped = train(settings(tmp_path), model(), [BRIGHT, HUE], Pictures(), interrupted)
    assert not stopped.finished and stopped.step == 6
    assert train(settings(tmp_path), model(), [BRIGHT, HUE], Pictures(), evaluate).finished
    assert_same_run(whole, tmp_path)


def test_a_failed_evaluation_loses_no_step_and_is_made_up_for(whole: Path, tmp_path: Path) -> None:
    asked: list[int] = []

    def fails(network: nn.Module, step: int) -> Mapping[str, float]:
        asked.append(step)
        raise InputError("val/0001.jpg shows nobody.")

    for _ in range(2):
        with pytest.raises(InputError, match="shows nobody"):
            train(settings(tmp_path, checkpoint_every=1000), model(), [BRIGHT, HUE], Pictures(), fails)
        assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000006.pt"]
    assert asked == [6, 6]
    assert train(settings(tmp_path, checkpoint_every=1000), model(), [BRIGHT, HUE], Pictures(), evaluate).finished
    assert_same_run(whole, tmp_path)
    best, other = (read_weights(folder, best=True) for folder in (whole, tmp_path))
    assert all(torch.equal(best[name], other[name]) for name in best)


def test_a_failed_evaluation_can_be_left_out(tmp_path: Path) -> None:
    def fails(network: nn.Module, step: int) -> Mapping[str, float]:
        raise InputError("val/0001.jpg shows nobody.")

    with pytest.raises(InputError):
        train(settings(tmp_path), model(), [BRIGHT, HUE], Pictures(), fails)
    result = train(settings(tmp_path, evaluate_every=None), model(), [BRIGHT, HUE], Pictures())
    assert result.finished and result.best is None


@pytest.mark.parametrize("moment", ["before the best is kept", "after the best is kept"])
def test_a_run_killed_while_the_best_is_kept_judges_no_step_twice(
    moment: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Checkpoints.keep_best

    def killed(checkpoints: Checkpoints, step: int) -> None:
        if moment.startswith("after"):
            real(checkpoints, step)
        raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "keep_best", killed)
    with pytest.raises(KeyboardInterrupt):
        train(settings(tmp_path), model(), [BRIGHT, HUE], Pictures(), evaluate)
    monkeypatch.undo()
    asked: list[int] = []

    def counted(network: nn.Module, step: int) -> Mapping[str, float]:
        asked.append(step)
        return evaluate(network, step) | {"score": -1e9}  # so that step 6 stays the best

    result = train(settings(tmp_path), model(), [BRIGHT, HUE], Pictures(), counted)
    assert asked == [12] and result.best == records(tmp_path, "evaluate")[0]["score"]
    best = torch.load(tmp_path / "checkpoints" / "best.pt", weights_only=True)
    assert best["step"] == 6
    train(settings(tmp_path), model(), [BRIGHT, HUE], Pictures(), counted)
    assert asked == [12], "what is done is not judged again"


def test_a_damaged_checkpoint_is_passed_over(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopped = settings(tmp_path)
    train(stopped, model(), [BRIGHT, HUE], Pictures(), evaluate)
    newest = sorted((tmp_path / "checkpoints").glob("step-*.pt"))[-1]
    newest.write_bytes(newest.read_bytes()[:500])
    assert train(stopped, model(), [BRIGHT, HUE], Pictures(), evaluate).finished
    assert f"passing over a checkpoint: {newest}" in capsys.readouterr().err
    assert_same_run(whole, tmp_path)


def test_the_folder_keeps_two_checkpoints_the_best_and_the_config(whole: Path) -> None:
    names = sorted(path.name for path in (whole / "checkpoints").iterdir())
    assert names == ["best.pt", "step-00000008.pt", "step-00000012.pt"]
    assert TrainConfig.read(whole / "config.json") == settings(whole)
    best = max(records(whole, "evaluate"), key=lambda r: r["score"])
    network = model()
    network.load_state_dict(read_weights(whole, best=True))
    with torch.no_grad():
        assert evaluate(network.eval(), 0)["score"] == pytest.approx(best["score"])


def test_other_settings_are_refused_with_their_names(whole: Path) -> None:
    with pytest.raises(UsageError, match=r"config.lr: 0.003 in the checkpoint, 0.1 now; config.steps|config.steps.*config.lr"):
        train(settings(whole, lr=0.1, steps=13), model(), [BRIGHT, HUE], Pictures())
    with pytest.raises(UsageError, match=r"already holds a run"):
        train(settings(whole, resume="never"), model(), [BRIGHT, HUE], Pictures())


def test_other_settings_of_several_ranks_are_refused_before_tensors_are_read(whole: Path, tmp_path: Path) -> None:
    theirs = json.loads((whole / "config.json").read_text())["run"]
    theirs["model"]["dim"] = 99
    place = tmp_path / "checkpoints" / "step-00000004"
    place.mkdir(parents=True)
    torch.save({"identity": theirs}, place / "rest.pt")
    with pytest.raises(UsageError, match=r"other settings.*model.dim: 99 in the checkpoint, 16 now"):
        train(settings(tmp_path), model(), [BRIGHT, HUE], Pictures(), evaluate)


def test_the_best_is_kept_where_a_file_system_has_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    train(settings(tmp_path), model(), [BRIGHT, HUE], Pictures(), evaluate)
    assert read_weights(tmp_path, best=True)


def test_what_changes_no_weight_may_differ(whole: Path, tmp_path: Path) -> None:
    result = train(settings(whole, log_every=1, keep=3), model(), [BRIGHT, HUE], Pictures(), evaluate)
    assert result.finished
    with pytest.raises(UsageError, match=r"no checkpoint to resume"):
        train(settings(tmp_path, resume="must"), model(), [BRIGHT, HUE], Pictures())


def test_it_learns_four_examples_by_heart(tmp_path: Path) -> None:
    config = settings(tmp_path, steps=300, batch=4, accumulate=1, lr=1e-2, ema=None, layer_decay=1.0, weight_decay=0.0)
    config = TrainConfig.from_dict({**config.to_dict(), "log_every": 10, "evaluate_every": None, "best": None})
    train(config, model(), [BRIGHT, HUE], Pictures(count=4))
    losses = [r["loss"] for r in records(tmp_path)]
    assert losses[-1] < losses[0] / 10
    assert records(tmp_path)[0]["loss"] == pytest.approx(sum(records(tmp_path)[0][f"{t}/l2"] for t in ("bright", "hue")))


def test_bf16_autocast_keeps_the_weights_in_float32(tmp_path: Path) -> None:
    train(settings(tmp_path, steps=3, dtype="bf16"), model(), [BRIGHT, HUE], Pictures(), evaluate)
    assert {tensor.dtype for tensor in read_weights(tmp_path, average=False).values()} == {torch.float32}


@pytest.mark.parametrize(("fast", "dtype"), [(True, "bf16"), (False, "fp32")])
def test_training_chooses_as_prediction_does_and_says_so(
    fast: bool, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    monkeypatch.setattr("vitruvian.device.cpu_has_bf16", lambda: fast)
    train(settings(tmp_path, steps=3, progress=True), model(), [BRIGHT, HUE], Pictures())
    assert str(choose_compute()) == f"cpu {dtype}"
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith(f"training on cpu {dtype}, threads: 1; about 0.0 GiB ("), first
    assert json.loads((tmp_path / "config.json").read_text())["run"]["config"]["dtype"] == dtype


def test_a_device_that_is_absent_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match=r"device cuda is not available here\. Allowed: .*cpu"):
        train(settings(tmp_path, device="cuda"), model(), [BRIGHT, HUE], Pictures())


def test_one_task_of_two_leaves_the_other_head_alone(tmp_path: Path) -> None:
    before = model().state_dict()
    train(settings(tmp_path, loss_weights={"hue": 2.0}), model(), [HUE], Pictures(), evaluate)
    after = read_weights(tmp_path, average=False)
    moved = {name.split(".")[1] for name in after if name.startswith("heads.") and not torch.equal(before[name], after[name])}
    assert moved == {"hue"}
    first = records(tmp_path, "train")[0]
    assert first["loss"] == pytest.approx(2 * first["hue/l2"])


def test_a_step_that_is_not_finite_is_skipped_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = settings(tmp_path, batch=1, accumulate=1, steps=10)
    train(config, model(), [BRIGHT, HUE], Pictures(poison=3), evaluate)
    skipped = records(tmp_path, "skipped")
    assert len(skipped) == 1 and set(skipped[0]["not_finite"]) == {"loss", "bright/l2", "hue/l2", "grad_norm"}
    assert "not finite" in capsys.readouterr().err
    assert all(torch.isfinite(tensor).all() for tensor in read_weights(tmp_path).values())


def test_too_many_steps_that_are_not_finite_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(VitruvianError, match=r"3 steps in a row had no finite"):
        train(settings(tmp_path, max_skipped=3), model(), [BRIGHT, HUE], Pictures(count=1, poison=0))


def test_bad_examples_are_counted_in_the_log_and_stop_a_run_when_many(tmp_path: Path) -> None:
    train(settings(tmp_path / "few", max_bad=0.2), model(), [BRIGHT, HUE], Pictures(bad=(2,)), evaluate)
    assert records(tmp_path / "few", "train")[-1]["bad_examples"] in range(9, 11)  # 96 draws of 10 examples
    with pytest.raises(InputError, match=r"more than the 1.0% allowed; the last: .*is truncated"):
        train(settings(tmp_path / "many"), model(), [BRIGHT, HUE], Pictures(bad=(1, 2, 3, 4)))


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"hues.*Did you mean hue"):
        train(settings(tmp_path, loss_weights={"hues": 1.0}), model(), [HUE], Pictures())
    with pytest.raises(UsageError, match=r"figure for TrainConfig.best 'scor'"):
        train(settings(tmp_path, best="scor"), model(), [HUE], Pictures(), evaluate)
    with pytest.raises(UsageError, match=r"one or more different tasks"):
        train(settings(tmp_path), model(), [HUE, HUE], Pictures())
    with pytest.raises(UsageError, match=r"schedule 'cosin'.*Did you mean cosine"):
        settings(tmp_path, schedule="cosin")
    with pytest.raises(UsageError, match=r"steps is 0"):
        settings(tmp_path, steps=0)
    (tmp_path / "config.json").write_text(json.dumps({"config": {"steps": 1}}))
    with pytest.raises(UsageError, match=r"no run's config.json"):
        TrainConfig.read(tmp_path / "config.json")


def test_a_full_disk_at_a_checkpoint_is_told_and_the_last_one_loads(whole: Path, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    (tmp_path / "checkpoints").mkdir()
    third = tmp_path / "checkpoints" / "step-00000008.pt.tmp"

    def fills(network: nn.Module, step: int) -> Mapping[str, float]:
        if step == 6:
            third.symlink_to(full)
        return evaluate(network, step)

    with pytest.raises(WeightsError, match=r"step-00000008\.pt cannot be written \(.*space.*\).*after step 6 is whole"):
        train(settings(tmp_path), model(), [BRIGHT, HUE], Pictures(), fills)
    assert not third.is_symlink() and read_weights(tmp_path)
    assert train(settings(tmp_path), model(), [BRIGHT, HUE], Pictures(), evaluate).finished
    assert_same_run(whole, tmp_path)


@pytest.mark.parametrize(("device", "there", "taken"), [("cpu", "cpu", True), ("meta", "cpu", False), ("meta", "meta", True)])
def test_memory_counts_weights_as_taken_only_where_they_are(
    device: str, there: str, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device without memory stands for a GPU."""

    class Asked(Exception):
        pass

    def asked(spec: Any, compute: Any, batch: int, ranks: int, ema: bool, saving: bool, own: int, trained: int) -> None:
        raise Asked(own)

    monkeypatch.setattr("vitruvian.train.loop.check_memory", asked)
    monkeypatch.setattr("vitruvian.train.loop.choose_compute", lambda *_: Compute(torch.device(device), torch.float32))
    network = model().to(there)
    with pytest.raises(Asked) as told:
        train(settings(tmp_path), network, [BRIGHT, HUE], Pictures())
    assert told.value.args[0] == (4 * sum(p.numel() for p in network.parameters()) if taken else 0)


class TestRepeatable:
    """deterministic=True needs to tell cuBLAS before it starts."""

    @pytest.fixture(autouse=True)
    def unset(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
        yield
        torch.use_deterministic_algorithms(False)

    def told_when_chosen(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> str | None:
        """What the environment says when the device is looked for, which starts CUDA."""
        told: list[str | None] = []

        def choose(*words: Any) -> Compute:
            told.append(os.environ.get("CUBLAS_WORKSPACE_CONFIG"))
            return Compute(torch.device("cpu"), torch.float32)

        monkeypatch.setattr("vitruvian.train.loop.choose_compute", choose)
        train(settings(folder, steps=3, **changes), model(), [BRIGHT, HUE], Pictures())
        return told[0]

    def test_it_is_told_where_cuda_may_start(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.told_when_chosen(tmp_path / "a", monkeypatch) is None
        assert self.told_when_chosen(tmp_path / "b", monkeypatch, deterministic=True, device="cpu") is None
        assert self.told_when_chosen(tmp_path / "c", monkeypatch, deterministic=True) == ":4096:8"

    def test_what_the_user_says_stays(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
        monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
        assert self.told_when_chosen(tmp_path, monkeypatch, deterministic=True) == ":16:8"

    def test_too_late_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
        with pytest.raises(UsageError, match=r"CUDA has started .*Fix: set CUBLAS_WORKSPACE_CONFIG=:4096:8"):
            self.told_when_chosen(tmp_path, monkeypatch, deterministic=True, device="cuda")
        assert not list(tmp_path.iterdir())

    def test_another_workspace_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":8:8")
        with pytest.raises(UsageError, match=r"CUBLAS_WORKSPACE_CONFIG is ':8:8'.*Allowed: :4096:8, :16:8"):
            self.told_when_chosen(tmp_path, monkeypatch, deterministic=True)


def test_two_processes_that_write_one_config_have_drafts_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drafts: list[str] = []
    real = Path.replace

    def noted(path: Path, target: Path) -> Path:
        drafts.append(path.name)
        return real(path, target)

    monkeypatch.setattr(Path, "replace", noted)
    for process in (11, 12):
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        train(settings(tmp_path / str(process), steps=3), model(), [BRIGHT, HUE], Pictures())
    assert len({name for name in drafts if "config" in name}) == 2


def test_a_resume_with_other_views_is_refused(tmp_path: Path) -> None:
    class Views(Pictures):
        identity: dict[str, Any]

    first, other = Views(), Views()
    first.identity, other.identity = {"filtered": 0.0}, {"filtered": 0.35}
    few = settings(tmp_path / "run", steps=4, checkpoint_every=1, evaluate_every=1)
    train(few, model(), [BRIGHT], first, evaluate)
    with pytest.raises(UsageError, match=r"views\.filtered: 0\.0 in the checkpoint, 0\.35 now"):
        train(few, model(), [BRIGHT], other, evaluate)

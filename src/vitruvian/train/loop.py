"""The training loop: any tasks on one backbone, in one process or several; pretraining is a task like the others."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from vitruvian.data.loader import Examples, Loader
from vitruvian.device import Compute, choose_compute
from vitruvian.errors import UsageError, VitruvianError, unknown_name
from vitruvian.machine import Peak, best_flops
from vitruvian.model.cost import operations
from vitruvian.tasks.base import Objective
from vitruvian.tasks.reduce import total
from vitruvian.train.checkpoint import (
    FORMAT,
    Checkpoints,
    check_same_run,
    differences,
    environment,
    identity,
    random_state,
    set_random_state,
)
from vitruvian.train.config import TrainConfig
from vitruvian.train.log import Clock, RunLog, read_log
from vitruvian.train.memory import bytes_on, check_memory
from vitruvian.train.optim import Average, adamw, set_learning_rate
from vitruvian.train.parallel import World, any_rank, draw_apart, joined, shard, whole
from vitruvian.train.sharded import Sharded, load_sharded, put_tensors, sharded_steps, tensors_of
from vitruvian.train.step import Losses, fix_workspace, keep_freed_memory
from vitruvian.types import Batch

Evaluate = Callable[[nn.Module, int], Mapping[str, float]]


@dataclass(frozen=True)
class Result:
    """How a run ended: steps done, whether all of them, the last figures logged and the best evaluation so far."""

    step: int
    finished: bool
    figures: Mapping[str, float]
    best: float | None
    folder: Path


def train(
    config: TrainConfig, model: nn.Module, tasks: Sequence[Objective], examples: Examples, evaluate: Evaluate | None = None
) -> Result:
    """Train `model` (a Model or MaskedAutoencoder, with `spec`) on `examples`; it is left with the trained weights.

    `examples` give uint8 images of the spec's size and the tasks' encoded targets. `evaluate(model, step)` is called in eval
    mode on the averaged weights where there are some; what it draws at random leaves the training as it was. Ctrl-C and
    SIGTERM write a checkpoint and return with `finished` False. Killed in any way, the same call goes on from the last
    checkpoint with equal losses (same machine, threads and versions; elsewhere up to rounding).
    """
    if config.deterministic and config.device in ("auto", "cuda"):
        fix_workspace()
    compute = choose_compute(config.device, config.dtype)
    with joined(compute.device) as place:
        return _Run(config, model, tasks, examples, evaluate, compute, place).go()


class _Run:
    """The moving parts of one training; `go` is the loop."""

    def __init__(
        self,
        config: TrainConfig,
        model: nn.Module,
        tasks: Sequence[Objective],
        examples: Examples,
        evaluate: Evaluate | None,
        compute: Compute,
        place: World,
    ) -> None:
        _check_tasks(config, tasks)
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.use_deterministic_algorithms(config.deterministic)
        self.config, self.tasks, self.evaluate = config, tasks, evaluate
        self.compute, self.place = compute, place
        self.device = self.compute.device
        if self.device.type == "cpu":
            keep_freed_memory()
        spec = cast(Any, model).spec
        cast(Any, model).backbone.checkpointing = config.checkpointing
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        held, average = bytes_on(self.device, model), config.ema is not None
        self.memory = check_memory(spec, compute, config.batch, place.ranks, average, config.checkpointing, held, trained)
        self.work = 3 * operations(spec)  # of one example, forward and backward
        self.model = model.to(self.device).train()
        shard(self.model, compute, place, config.shard)
        run = torch.compile(model, dynamic=False) if config.compile else model
        self.losses = Losses(model, run, tasks, config.loss_weights, self.compute)
        self.optimizer = adamw(model, config)
        self.average = Average(model, config.ema) if config.ema else None
        self.loader = Loader(
            examples, config.batch, config.seed, spec.mean, spec.std, self.device, config.workers, config.prefetch,
            config.shuffle, config.max_bad, config.start_method, report=self._notice, rank=place.rank, ranks=place.ranks,
        )  # fmt: skip
        self.checkpoints = Checkpoints(config.folder / "checkpoints", config.keep, report=self._notice)
        self.sharded = Sharded(self.checkpoints.folder, place, config.keep, self._notice) if place.ranks > 1 else None
        self.identity = identity(config, model, tasks, examples, self.compute.dtype_name)
        self.step, self.best, self.skipped = 0, cast(float | None, None), 0
        self.sums: dict[str, float] = {}
        self.counts = 0
        self.figures: dict[str, float] = {}
        self.early_notices: list[str] = []
        self.log: RunLog | None = None
        self.peak = Peak(compute)

    def go(self) -> Result:
        """Train to the end, or until told to stop."""
        self._begin()
        config = self.config
        if self.place.first:
            self._write_config()
        log = RunLog(config.folder / "log.jsonl", config.steps, self.step, config.progress, self.place.rank, config.tensorboard)
        with log, _stop_signals() as stop:
            self.log = log
            together = f" in {self.place.ranks} processes" if self.place.ranks > 1 else ""
            log.tell(f"training on {self.compute}{together}, threads: {torch.get_num_threads()}; about {self.memory} a process")
            for text in self.early_notices:
                log.notice(text)
            self._judge_again()
            self._loop(stop)
            if stop and self.place.first:
                log.notice(f"{stop[0]}: stopped after step {self.step}; the same command goes on from here")
        return Result(self.step, self.step >= config.steps, self.figures, self.best, config.folder)

    def _loop(self, stop: Sequence[str]) -> None:
        config = self.config
        batches = self.loader.batches(self.step * config.accumulate, config.steps * config.accumulate)
        clock, saved, saved_step = Clock(self.step), time.monotonic(), self.step
        try:
            while self.step < config.steps and not any_rank(bool(stop), self.device):
                micro = self._wait(clock, batches, stop)
                if micro is None:
                    break
                self._learn(micro)
                self.step += 1
                self._tell(clock)
                if self.sharded:
                    self.sharded.look()
                minutes = (time.monotonic() - saved) / 60
                due = self.step % config.checkpoint_every == 0 or minutes >= config.checkpoint_minutes
                judged = self._to_judge()  # saved before it is, for that may fail
                if any_rank(due or judged or self.step == config.steps, self.device):  # clocks differ
                    self._save()
                    saved, saved_step = time.monotonic(), self.step
                if judged:
                    if self.sharded:
                        self.sharded.finish()
                    self._judge()
            if saved_step < self.step:  # the signal came after the last look at it
                self._save()
            if self.sharded:
                self.sharded.finish()
        finally:
            cast(Any, batches).close()  # ends the workers now, not when the garbage is collected

    def _wait(self, clock: Clock, batches: Iterator[Batch], stop: Sequence[str]) -> list[Batch] | None:
        """The step's micro-batches; None where the signal that stops this process has ended its workers too."""
        try:
            return [clock.waiting(batches) for _ in range(self.config.accumulate)]
        except RuntimeError:
            if stop:
                return None
            raise

    def _learn(self, micro: Sequence[Batch]) -> None:
        """One optimiser step over the micro-batches; a step that is not finite changes no weight and is counted."""
        rate = set_learning_rate(self.optimizer, self.step, self.config)
        draw_apart(self.place, self.config.seed, self.step)
        parts: dict[str, Tensor] = {}
        for batch, shares in zip(micro, self.losses.shares(micro), strict=True):
            losses = self.losses.of(batch, shares)
            (losses["loss"] / len(micro)).backward()  # type: ignore[no-untyped-call]
            for name, value in losses.items():
                parts[name] = parts.get(name, 0) + value.detach() / len(micro)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = whole(torch.nn.utils.clip_grad_norm_(parameters, self.config.clip or math.inf))
        values = torch.stack([*parts.values(), norm.detach().float()]).tolist()  # the step's only wait for the device
        figures = dict(zip([*parts, "grad_norm"], values, strict=True))
        if all(map(math.isfinite, values)):
            self.optimizer.step()
            self.skipped = 0
            self._count({**figures, "lr": rate})
        else:
            self._skip(figures)
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.model, self.step)

    def _skip(self, figures: Mapping[str, float]) -> None:
        self.skipped += 1
        bad = [name for name, value in figures.items() if not math.isfinite(value)]
        cast(RunLog, self.log).record(self.step + 1, "skipped", {"not_finite": bad, "in_a_row": self.skipped})
        self._notice(f"step {self.step + 1} skipped: {', '.join(bad)} not finite ({self.skipped} in a row)")
        if self.skipped >= self.config.max_skipped:
            raise VitruvianError(
                f"{self.skipped} steps in a row had no finite {', '.join(bad)}; the last checkpoint is untouched. "
                "Lower lr, lengthen the warm-up, or try dtype fp32."
            )

    def _count(self, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.counts += 1

    def _tell(self, clock: Clock) -> None:
        """Every `log_every` steps, the means since the last time."""
        log = cast(RunLog, self.log)
        log.step(self.step)
        if self.step % self.config.log_every and self.step != self.config.steps:
            return
        if self.counts:
            self.figures = {name: value / self.counts for name, value in self.sums.items()}
            images = self.config.batch * self.config.accumulate
            speed = clock.speed(self.step, images)
            log.record(self.step, "train", {**self.figures, "bad_examples": self._bad(), **speed, **self._use(speed)})
        self.sums, self.counts = {}, 0

    def _bad(self) -> int:
        """Examples replaced so far, on all ranks; every rank must ask."""
        return int(total(torch.tensor(float(self.loader.bad), device=self.device)))

    def _use(self, speed: Mapping[str, float]) -> dict[str, float]:
        """How well the devices are used: tokens a second, the share of the best matrix products (MFU), the most memory."""
        rows, columns = cast(Any, self.model).spec.grid
        best = best_flops(self.compute) * self.place.ranks
        use = {
            "tokens_per_s": round(speed["images_per_s"] * rows * columns, 1),
            "mfu": round(speed["images_per_s"] * self.work / best, 4),
        }
        highest = self.peak.highest()
        return use if highest is None else {**use, "peak_gib": round(highest / 2**30, 3)}

    def _to_judge(self) -> bool:
        """Whether the model is evaluated after this step."""
        every = self.config.evaluate_every
        if self.evaluate is None or not every or not self.step:
            return False
        return self.step % every == 0 or self.step == self.config.steps

    def _judge(self) -> None:
        """Evaluate the model of this step, whose checkpoint is written, and keep that if it is the best so far."""
        figures = self._evaluated(cast(Evaluate, self.evaluate))
        cast(RunLog, self.log).record(self.step, "evaluate", figures)
        self._keep_if_best(figures)

    def _judge_again(self) -> None:
        """After a resume: what came of the evaluation after this step, of which its checkpoint does not know.

        The log tells; where it does not, the run was stopped in the evaluation, and the same weights are evaluated again.
        """
        if not self._to_judge():
            return
        told = [line for line in read_log(self.config.folder / "log.jsonl") if line["kind"] == "evaluate"]
        known = bool(told) and told[-1]["step"] == self.step and self.config.best in (None, *told[-1])
        if any_rank(not known, self.device):
            self._judge()
        else:
            self._keep_if_best(told[-1])

    def _keep_if_best(self, figures: Mapping[str, Any]) -> None:
        config = self.config
        if config.best is None:
            return
        if config.best not in figures:
            raise unknown_name("figure for TrainConfig.best", config.best, figures)
        value = figures[config.best]
        if value is None or not math.isfinite(value):  # the log has null for what is not finite
            return
        if self.best is None or (value > self.best if config.best_is == "highest" else value < self.best):
            self.best = value
            if self.place.first:
                self.checkpoints.keep_best(self.step)

    def _evaluated(self, evaluate: Evaluate) -> dict[str, float]:
        kept = random_state()
        if self.average:
            self.average.swap(self.model)
        self.model.eval()
        try:
            with torch.no_grad():
                return {name: float(value) for name, value in evaluate(self.model, self.step).items()}
        finally:
            self.model.train()
            if self.average:
                self.average.swap(self.model)
            set_random_state(kept)

    def _begin(self) -> None:
        """Start anew from the seed, or take up the newest checkpoint."""
        found = self._found()
        if found is None and self.config.resume == "must":
            raise UsageError(f"{self.checkpoints.folder} has no checkpoint to resume from")
        if found is not None and self.config.resume == "never":
            raise UsageError(f"{self.config.folder} already holds a run; give another folder, or resume it")
        if found is None:
            random.seed(self.config.seed)
            np.random.seed(self.config.seed % 2**32)
            torch.manual_seed(self.config.seed)
            return
        for line in differences(found["environment"], environment(self.device)):
            self._notice(f"the losses may differ in the last digits: {line}")
        self.step, self.best, self.skipped = found["step"], found["best"], found["skipped"]
        self.sums, self.counts = found["sums"], found["counts"]
        self.loader.bad = len(range(self.place.rank, found["bad"], self.place.ranks))  # a share: each holds it against its own
        set_random_state(found["random"])
        self._notice(f"resumed after step {self.step} of {self.config.steps}")

    def _found(self) -> dict[str, Any] | None:
        """The plain data of the newest checkpoint, its tensors being put in place; None where there are none."""
        folder = self.checkpoints.folder
        steps = sharded_steps(folder)
        if steps and steps[-1] >= max(self.checkpoints.steps(), default=0):
            tensors = self._tensors()
            rest = load_sharded(folder, steps[-1], tensors, self._check_same)
            put_tensors(tensors, self.model, self.optimizer, whole=False)
            return rest
        found = self.checkpoints.latest()
        if found is not None:
            self._check_same(found)
            put_tensors(found, self.model, self.optimizer, whole=True)
            if self.average:
                self.average.load(found["average"])
        return found

    def _check_same(self, found: Mapping[str, Any]) -> None:
        """Before tensors are put in place, which would not fit: UsageError for a checkpoint of other settings."""
        check_same_run(found["identity"], self.identity, self.config.folder)

    def _tensors(self) -> dict[str, Any]:
        return tensors_of(self.model, self.optimizer, self.average.state if self.average else None)

    def _save(self) -> None:
        """One file of a single process; a folder, written in the background, of several."""
        if self.sharded:
            self.sharded.write(self.step, self._tensors(), {"format": FORMAT, "step": self.step, **self._rest()})
        else:
            self.checkpoints.write(self.step, {"average": None, **self._tensors(), **self._rest()})

    def _rest(self) -> dict[str, Any]:
        return {
            "random": random_state(),
            "best": self.best,
            "skipped": self.skipped,
            "sums": self.sums,
            "counts": self.counts,
            "bad": self._bad(),  # the order needs no state: it is a function of the seed and the step
            "identity": self.identity,
            "environment": environment(self.device),
        }

    def _write_config(self) -> None:
        record = {"config": self.config.to_dict(), "run": self.identity, "environment": environment(self.device)}
        self.config.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.config.folder / f"config.json.{os.getpid()}.tmp"
        temporary.write_text(json.dumps(record, indent=2))
        temporary.replace(self.config.folder / "config.json")

    def _notice(self, text: str) -> None:
        if self.log is None:
            self.early_notices.append(text)
        else:
            self.log.notice(text)


@contextmanager
def _stop_signals() -> Iterator[list[str]]:
    """A list that names the signal once one came; a second Ctrl-C interrupts at once, as usual."""
    came: list[str] = []
    before: dict[signal.Signals, Any] = {}

    def handle(number: int, _: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(signal.Signals(number).name)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, handle)
    except ValueError:
        pass  # not the main thread: the owner of the process handles signals
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_tasks(config: TrainConfig, tasks: Sequence[Objective]) -> None:
    names = [task.name for task in tasks]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"a run needs one or more different tasks, not {names}")
    for name in config.loss_weights:
        if name not in names:
            raise unknown_name("task in TrainConfig.loss_weights", name, names)

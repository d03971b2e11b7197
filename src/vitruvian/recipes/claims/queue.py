"""The queue: what is missing is done, what is finished is never done again, whatever moment a process was killed in.

Several processes may work on one folder: each takes what no other has taken, and what a dead one held is free at once.
"""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vitruvian import __version__
from vitruvian.data.loader import Examples
from vitruvian.device import choose_compute, processor
from vitruvian.errors import UsageError
from vitruvian.model import MaskedAutoencoder, Model
from vitruvian.recipes.claims.held_out import FIGURES, HeldOut
from vitruvian.recipes.claims.plan import Budget, Run, autoencoder_spec, forward_cost, size_of
from vitruvian.recipes.claims.views import TASKS, Pool, Unlabelled
from vitruvian.recipes.embedded import LOSS_WEIGHTS
from vitruvian.tasks.base import Objective
from vitruvian.tasks.mae import Mae
from vitruvian.train import TrainConfig, read_log, read_weights, train
from vitruvian.weights import encoder_for

RESULT, PLAN, BLIND = "result.json", "plan.json", "blind.json"
RENDERED = "rendered"  # in the plan, where no geometry was given


@dataclass(frozen=True)
class Machine:
    """How much of the machine the queue may use; no result hangs on it but in the last digits."""

    threads: int = 2
    workers: int = 1
    progress: bool = True


def begin(work: Path, budget: Budget, geometry: str) -> None:
    """Note what the folder is for. UsageError where it was begun for something else."""
    now = json.loads(json.dumps({"budget": asdict(budget), "geometry": geometry}))
    place = work / PLAN
    if place.is_file() and (before := json.loads(place.read_text(encoding="utf-8"))) != now:
        raise UsageError(f"{work} was begun with {before}, not {now}. Fix: the same --share and --geometry, or another --work.")
    write_json(place, now)


@contextmanager
def taken(work: Path, name: str) -> Iterator[bool]:
    """Whether that part of the work is ours alone until the end of the block; the system frees it whatever ends the process."""
    place = work / "locks" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def ready(work: Path, run: Run) -> bool:
    """Whether it is still to be done, and what it begins with is there."""
    if read_result(work, run) is not None:
        return False
    return run.kind != "pretrained" or read_result(work, Run("pretraining", run.size, run.seed)) is not None


def finish(work: Path, run: Run, budget: Budget, pool: Pool, held_out: HeldOut, machine: Machine) -> bool:
    """Do or go on with one run; True when its result is written, False where it was told to stop."""
    config = config_of(work, run, budget, machine)
    model, tasks, examples = beginning(work, run, pool)
    judged = run.kind != "pretraining"
    ended = train(config, model, tasks, examples, (lambda model, _: held_out.figures(model)) if judged else None)
    if ended.finished:
        write_json(work / run.name / RESULT, result_of(run, config, len(held_out.people) if judged else 0))
    return ended.finished


def judge_blind(work: Path, run: Run, held_out: HeldOut) -> None:
    """Write what a finished run reaches without looking: what figures are worth nothing."""
    if (work / BLIND).is_file():
        return
    model = Model(run.spec).to(choose_compute().device).eval()
    model.load_state_dict(read_weights(work / run.name))
    write_json(work / BLIND, {"run": run.name, "people": len(held_out.people), "figures": held_out.blind(model)})


def config_of(work: Path, run: Run, budget: Budget, machine: Machine) -> TrainConfig:
    """One setting for every fine-tuning, of whatever size and beginning; runs of one seed see the same views in one order."""
    steps = run.steps(budget)
    common: dict[str, Any] = {
        "folder": work / run.name, "steps": steps, "batch": run.batch, "lr": 1e-3, "warmup": steps // 20, "schedule": "cosine",
        "floor": 0.01, "seed": 100 + run.seed, "threads": machine.threads, "workers": machine.workers, "keep": 1,
        "progress": machine.progress, "log_every": max(1, min(50, steps // 4)), "checkpoint_every": 250,
    }  # fmt: skip
    if run.kind == "pretraining":
        return TrainConfig(**common, betas=(0.9, 0.95), no_decay=("position", "mask_token", "norm"))
    return TrainConfig(**common, ema=0.99, loss_weights=LOSS_WEIGHTS, evaluate_every=-(-steps // budget.points))


def beginning(work: Path, run: Run, pool: Pool) -> tuple[nn.Module, list[Objective], Examples]:
    """Model, tasks and examples of a run. A random trunk is that of the untrained autoencoder, the very one that pretraining
    of this seed begins with, and heads are drawn apart from it: so pretraining is all that two beginnings differ in."""
    torch.manual_seed(run.seed)
    encoder = MaskedAutoencoder(autoencoder_spec(run.size))
    if run.kind == "pretraining":
        return encoder, [Mae()], Unlabelled(pool)
    if run.kind == "pretrained":
        encoder.load_state_dict(read_weights(work / Run("pretraining", run.size, run.seed).name))
    torch.manual_seed(1000 + run.seed)
    model = Model(run.spec)
    state, _ = encoder_for(run.spec, encoder)
    model.load_state_dict({**model.state_dict(), **state})
    return model, list(TASKS.values()), pool


def result_of(run: Run, config: TrainConfig, people: int) -> dict[str, Any]:
    """All that the report says of a finished run, from its log. seconds: of the steps alone, kills and pauses left out."""
    log = read_log(config.folder / "log.jsonl")
    judged = [line for line in log if line["kind"] == "evaluate"]
    views = config.steps * config.batch
    seconds = _seconds([line for line in log if line["kind"] == "train"], config.batch)
    return {
        "run": asdict(run), "steps": config.steps, "batch": config.batch, "views": views, "people": people,
        "parameters": size_of(run.spec), "forward_gflop": forward_cost(run.spec) / 1e9,
        "training_tflop": 3 * forward_cost(run.spec) * views / 1e12, "seconds": round(seconds, 1),
        "images_per_s": round(views / seconds, 2), "loss": log_losses(log),
        "figures": {name: judged[-1][name] for name in FIGURES} if judged else {},
        "curve": [{"views": line["step"] * config.batch, **{name: line[name] for name in FIGURES}} for line in judged],
        "made_by": provenance(config),
    }  # fmt: skip


def _seconds(lines: list[dict[str, Any]], batch: int) -> float:
    total, before = 0.0, 0
    for line in lines:
        total += (line["step"] - before) * batch / max(line["images_per_s"], 1e-9)
        before = line["step"]
    return max(total, 1e-9)


def log_losses(log: list[dict[str, Any]]) -> dict[str, float]:
    """The whole loss at the first and the last line of a log."""
    losses = [line["loss"] for line in log if line["kind"] == "train"]
    return {"first": losses[0], "last": losses[-1]} if losses else {}


def provenance(config: TrainConfig) -> dict[str, Any]:
    """When, where and with what."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "hardware": f"{processor()}, {os.cpu_count()} cores, {config.threads} thread{'s' * (config.threads != 1)}",
        "software": f"vitruvian {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
        "precision": choose_compute().dtype_name,
    }


def read_result(work: Path, run: Run) -> dict[str, Any] | None:
    """The result of a finished run, None where there is none."""
    return read_json(work / run.name / RESULT)


def read_json(place: Path) -> dict[str, Any] | None:
    """What is written there, None where nothing is."""
    found: dict[str, Any] | None = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else None
    return found


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)

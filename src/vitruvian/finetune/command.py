"""The verb `finetune`: labelled data, weights and a recipe -> a run of the training loop, and at its end a model as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import torch

from vitruvian import weights
from vitruvian.data.augment import Backdrops
from vitruvian.device import Compute, Device, choose_compute
from vitruvian.errors import UsageError, counted
from vitruvian.finetune.config import Facts, FinetuneConfig, Words, config_of
from vitruvian.finetune.network import begin_with, new_model, spec_of, tasks_of, trained_numbers, with_labels
from vitruvian.finetune.recipe import Recipe, read_recipe
from vitruvian.finetune.validate import Validation
from vitruvian.finetune.views import Labelled, Lessons, open_labelled
from vitruvian.model import Model, build
from vitruvian.model.lora import merged
from vitruvian.synth.appearance.backgrounds import PACKAGED as PERSON_FREE
from vitruvian.tasks.base import Task
from vitruvian.train import read_weights, train
from vitruvian.train.checkpoint import has_best
from vitruvian.train.parallel import world
from vitruvian.train.run import Run, check_export, last_step, read_run, tell_bad
from vitruvian.types import ModelSpec
from vitruvian.vocab import define, definition

MODEL = "model.safetensors"
BEGIN = "vitruvian-s"


def finetune(
    sources: Sequence[str],
    out: Path,
    flags: Mapping[str, Any],
    recipe: str | None = None,
    init: str = BEGIN,
    val: Sequence[str] = (),
    backgrounds: Path | None = None,
    device: Device = "auto",
    workers: int = 1,
    resume: Literal["auto", "never", "must"] = "auto",
    export_to: Path | None = None,
) -> int:
    """Train and write the model to `export_to`, or else into the run's folder. Returns 0, or 1 where the run was stopped.

    flags: fields of `Recipe` over those of the recipe, None where not given. val: labelled data that is not learned from; the
    best model by their figure is written, else the last one. Without sources nothing is trained: what the run has learned is
    written to `export_to`. UsageError for wrong words, also of a run folder that is another run's.
    """
    if export_to is not None:
        check_export(export_to)
        if not sources:
            return _export(out, export_to)
    begin = begin_with(init)
    told = read_recipe(recipe, flags, begin.size)
    labelled, judged = open_labelled(sources, told.skeleton), open_labelled(val, told.skeleton) if val else None
    told, left_out = with_labels(told, begin, labelled.tasks)
    spec = spec_of(told, begin)
    _check_labels(spec, labelled, judged)
    tasks = tasks_of(spec, told)
    words = Words(out, tuple(sources), tuple(val), recipe, init, backgrounds, device, workers, resume)
    facts = Facts(labelled.samples, labelled.digest(), begin.hash, tuple(task.name for task in tasks), _definitions(spec))
    config = config_of(told, words, facts)
    model, changes = new_model(spec, told, begin)
    if world().first:
        _tell(config, told, model, labelled, [f"{init}: {change}" for change in (*left_out, *changes)])
    validate = _validation(judged, tasks, spec, choose_compute(device, told.dtype), config.max_bad) if judged else None
    backdrops = Backdrops(backgrounds or PERSON_FREE) if told.augment.background else None
    lessons = Lessons(labelled, tasks, spec, told.augment, backdrops, facts.definitions)
    result = train(config, model, tasks, lessons, validate)
    if not world().first:
        return 0 if result.finished else 1
    tell_bad(out, "a sample")
    if not result.finished:
        return 1
    return _export(out, export_to or out / MODEL)


def _validation(judged: Labelled, tasks: Sequence[Task], spec: ModelSpec, compute: Compute, max_bad: float) -> Validation:
    """Of several processes, which all see the same, the first one tells what is bad."""
    found = Validation(judged, tasks, spec, compute, max_bad)
    return found if world().first else replace(found, report=lambda _: None)


def _check_labels(spec: ModelSpec, labelled: Labelled, judged: Labelled | None) -> None:
    """UsageError for part ids of another class set than the model's, and for held-out data that cannot say which is best."""
    for data in (labelled, judged) if judged else (labelled,):
        for head in spec.heads:
            if head.task == "seg":
                data.check_classes(str(head.vocabulary))
    first = spec.heads[0].task
    if judged and first not in judged.tasks:
        has = ", ".join(sorted(judged.tasks)) or "nothing"
        told = f"--val {' '.join(judged.names)} has labels of {has}, and the first task, {first}, says which model is best"
        raise UsageError(f"{told}. Fix: other data, or --tasks with another one first.")


def _definitions(spec: ModelSpec) -> tuple[dict[str, Any], ...]:
    """The tables of users' own sets among the vocabularies of the heads."""
    names = [head.vocabulary for head in spec.heads if head.vocabulary is not None]
    return tuple(table for name in names if (table := definition(name)) is not None)


def _tell(config: FinetuneConfig, recipe: Recipe, model: Model, labelled: Labelled, changes: Sequence[str]) -> None:
    """What will be done, before it is."""
    spec = model.spec
    learning, numbers = trained_numbers(model)
    heads = ", ".join(head.task + (f" ({head.out} of {head.vocabulary})" if head.vocabulary else "") for head in spec.heads)
    print(f"{counted(labelled.samples, 'sample')}; {spec.name}: {heads}")
    for change in changes:
        print(change)
    learns = f"{learning / 1e6:,.1f} M of {numbers / 1e6:,.1f} M parameters learn"
    print(f"{spec.size[0]}x{spec.size[1]} px, photos as {spec.fit}; {learns}")
    passes = f" in {config.accumulate} passes" if config.accumulate > 1 else ""
    epochs = config.steps * config.global_batch / labelled.samples
    print(f"{counted(config.steps, 'step')} of {counted(config.global_batch, 'sample')}{passes}: {epochs:,.1f} epochs")
    warmup = counted(config.warmup, "step")
    print(f"learning rate {config.lr:g}, x {recipe.layer_decay:g} a block; {warmup} of warm-up", flush=True)


def _export(folder: Path, place: Path) -> int:
    """Write the best model of a run that was validated, else the last, averaged weights where the run kept an average.

    Where there should be a best one and is none, the last is written and that is told.
    """
    run = read_run(folder, "finetune")
    for table in run.config.get("definitions", ()):
        define(table, str(folder))
    if any(head.kind == "mae" for head in run.spec.heads):
        raise UsageError(f"{folder}: a run of pretraining. Fix: vitruvian pretrain --out {folder} --export {place}")
    wanted = run.config.get("best")
    model, best = cast(Model, build(run.spec)), wanted is not None and has_best(folder)
    model.load_state_dict(merged(read_weights(folder, best=best)))
    weights.save(place, model, provenance=_provenance(run, folder), run=run.digest, dtype=torch.float32, verify=True)
    which = f"best by {wanted}" if best else f"after {counted(last_step(folder), 'step')}"
    which += f", not the best: no evaluation has had a finite {wanted}" if wanted and not best else ""
    tasks = ", ".join(head.task for head in run.spec.heads)
    print(f"model ({tasks}), {which} -> {place}")
    print(f"next: vitruvian predict PHOTO --model {place} --out results")
    return 0


def _provenance(run: Run, folder: Path) -> dict[str, Any]:
    names = ("steps", "global_batch", "lr", "train", "data", "init_hash", "seed")
    files = {name: Path(run.config[name]).name for name in ("recipe", "init") if run.config.get(name)}
    figures = {name: run.config.get(name) for name in names}
    return {"made_by": "vitruvian finetune", **files, **figures, "done": last_step(folder)}

"""The packaged model: a small ViT with four heads, trained from nothing on synthetic people.

python -m vitruvian.recipes.embedded --work runs/embedded

Trains in stages of growing input size (a small picture teaches the same pose many times faster), renders each stage's geometry
before it, writes the weights after it, and last `vitruvian-s.safetensors`, the mean of the last three stages' weights. The same
command goes on where it was stopped; where weights `stage-N.safetensors` lie in the folder, that stage and those before it are
done, so a run may go on from weights alone; the mean needs those of all its stages.
Expected figures and hardware: docs/results/embedded.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitruvian.data.gbuffer import gbuffer_files, read_gbuffer, unpack
from vitruvian.data.loader import Example
from vitruvian.errors import InputError
from vitruvian.model import Model
from vitruvian.model.vit import resize_position
from vitruvian.synth.appearance import Backgrounds, ViewParams, people_in_sight, view
from vitruvian.synth.appearance.backgrounds import MORE
from vitruvian.synth.appearance.filters import random_filter
from vitruvian.synth.crowd import crowd
from vitruvian.synth.dataset.generate import generate
from vitruvian.synth.frames import FrameParams
from vitruvian.synth.nobody import nobody_view
from vitruvian.synth.props import props as with_things
from vitruvian.tasks.base import Task
from vitruvian.tasks.depth import Depth
from vitruvian.tasks.normal import Normal
from vitruvian.tasks.pose import Pose
from vitruvian.tasks.seg import Seg
from vitruvian.train import TrainConfig, read_weights, train
from vitruvian.train.checkpoint import Checkpoints
from vitruvian.types import Crop, HeadSpec, ModelSpec, Sample
from vitruvian.weights.load import load, save

UPSAMPLE = (128, 64)
SPEC = ModelSpec(
    name="vitruvian-s", size=(192, 144), dim=256, depth=10, heads_attn=4, mlp=1024, stem="conv", sigma=1.6,
    codec="exact", resample="area", flip_test=True, licence="Apache-2.0",
    heads=(
        HeadSpec("pose", UPSAMPLE, out=133, vocabulary="wholebody133", kind="shuffle", options={"activation": "softmax"}),
        HeadSpec("seg", upsample=UPSAMPLE, out=28, vocabulary="body28", kind="shuffle"),
        HeadSpec("depth", upsample=UPSAMPLE, out=1, kind="shuffle"),
        HeadSpec("normal", upsample=UPSAMPLE, out=3, kind="shuffle"),
    ),
)  # fmt: skip


LOSS_WEIGHTS = {"pose": 1.0, "seg": 1.0, "depth": 0.3, "normal": 0.5}


@dataclass(frozen=True)
class Stage:
    """A run of the loop at one input size (H, W); `sigma` in heatmap pixels, a quarter of the input's; `geometry`: the seed
    of its frames and how many; `nobody`: share of the crops that are framed on nobody; `loose`: share of the others that are
    framed as badly as a detector's faint finds; `props`: share of the others with things in hands, before and around people;
    `filtered`: share of all that go through a random filter; `normal`: weight of the normals' loss."""

    size: tuple[int, int]
    steps: int
    batch: int
    lr: float
    sigma: float
    geometry: tuple[int, int]
    nobody: float = 0.0
    filtered: float = 0.0
    loose: float = 0.0
    props: float = 0.0
    normal: float = LOSS_WEIGHTS["normal"]


STAGES = (
    Stage((128, 96), steps=1500, batch=48, lr=1.0e-3, sigma=1.3, geometry=(1, 6_000)),
    Stage((192, 144), steps=700, batch=32, lr=6.0e-4, sigma=1.6, geometry=(1, 6_000)),
    Stage((192, 144), steps=1900, batch=32, lr=5.0e-4, sigma=1.6, geometry=(2, 8_000)),
    Stage((192, 144), steps=6000, batch=32, lr=5.0e-4, sigma=1.6, geometry=(3, 12_000)),
    Stage((192, 144), steps=4000, batch=32, lr=5.0e-4, sigma=1.6, geometry=(5, 14_000)),
    Stage((192, 144), steps=5000, batch=32, lr=5.0e-4, sigma=1.6, geometry=(6, 10_000), nobody=0.2, filtered=0.15),
    Stage((192, 144), steps=4139, batch=32, lr=5.0e-4, sigma=1.6, geometry=(7, 10_000), nobody=0.2, filtered=0.15),
    Stage((192, 144), steps=2400, batch=32, lr=4.0e-4, sigma=1.6, geometry=(8, 10_000), nobody=0.2, filtered=0.15, loose=0.25),
    Stage(
        (192, 144), steps=1875, batch=32, lr=4.0e-4, sigma=1.6, geometry=(9, 10_000),
        nobody=0.2, filtered=0.15, loose=0.25, props=0.4, normal=2.0,
    ),
)  # fmt: skip
GEOMETRY = (320, 240)
AVERAGED = 3  # stages at the end, whose mean is what ships
SHORT_BATCH, SHORT_NORMAL = 16, 2.0  # views a step, and weight of the normals' loss, where the recipe is shortened
CROWD = 0.35  # of the views show people of another frame too
AMONG_PEOPLE = 0.5  # of the crops of nobody are of pictures with people
THINGS = FrameParams(things=(0.15, 0.35, 0.3, 0.2), longer=(0.2, 1.5), thing_px=256)
# Milder than the default: most boxes of a photo hold a whole person and no border.
VIEWS = ViewParams(rotate=0.3, half_body=0.15, face=0.05, hand=0.02, occlude=0.2, truncate=0.12)


def tasks() -> tuple[Task, ...]:
    """The four tasks as trained: dense labels at a quarter of the input, body and feet before face and hands."""
    groups = {"body": 3.0, "foot": 2.0, "face": 0.5, "left_hand": 0.7, "right_hand": 0.7}
    return (
        Pose(loss_kind="cross_entropy", group_weights=groups),
        Seg(label_stride=4, balance=0.4),
        Depth(label_stride=4, l1_weight=1.0),
        Normal(label_stride=4),
    )


@dataclass(frozen=True)
class SynthViews:
    """Fresh views of cached geometry: light, cloth, background, crop and camera faults are drawn for every example."""

    folder: Path
    spec: ModelSpec
    files: tuple[Path, ...]
    tasks: tuple[Task, ...]
    nobody: float = 0.0
    filtered: float = 0.0
    loose: float = 0.0
    props: float = 0.0
    photos: Backgrounds = field(default_factory=Backgrounds.load, repr=False)

    @classmethod
    def of(cls, folder: Path, spec: ModelSpec, stage: Stage | None = None, backgrounds: Path | None = None) -> SynthViews:
        """All frames that `vitruvian synth` wrote below `folder`, with a stage's shares and the photos of a folder too."""
        nobody, filtered, loose, props = (stage.nobody, stage.filtered, stage.loose, stage.props) if stage else (0.0,) * 4
        photos = Backgrounds.load(backgrounds)
        return cls(folder, spec, gbuffer_files(folder), tasks(), nobody, filtered, loose, props, photos)

    def __len__(self) -> int:
        return len(self.files)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides their looks beside the frames, for a run that is resumed."""
        shares = {"nobody": self.nobody, "filtered": self.filtered, "loose": self.loose, "props": self.props}
        return shares | {"photos": len(self.photos.photos)}

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """One person of frame `index`, seen anew, or by chance nobody. A share of 0 draws nothing from `rng`."""
        nobody = self.nobody > 0 and rng.random() < self.nobody
        sample, crop = self._nobody(index, rng) if nobody else self.sample(index, rng)
        target = {task.name: _half(task.encode(sample, crop, self.spec)) for task in self.tasks}
        filtered = self.filtered > 0 and rng.random() < self.filtered
        return random_filter(sample.image, rng) if filtered else sample.image, target, sample.key

    def _nobody(self, index: int, rng: np.random.Generator) -> tuple[Sample, Crop]:
        """A crop of a picture with things and with the people of frame `index`, or of none, that is framed on none of them."""
        groups = [read_gbuffer(self.files[index])] if rng.random() < AMONG_PEOPLE else []
        return nobody_view(groups, rng, self.spec.size, THINGS, self.photos)

    def sample(self, index: int, rng: np.random.Generator) -> tuple[Sample, Crop]:
        """The same before it is encoded: the labelled view and its identity crop."""
        frame = read_gbuffer(self.files[index])
        in_sight = people_in_sight(frame)
        if not in_sight:
            raise InputError(f"{self.files[index]} shows nobody")
        who = in_sight[int(rng.integers(len(in_sight)))]
        if rng.random() < CROWD:
            frame = crowd(frame, who, read_gbuffer(self.files[int(rng.integers(len(self.files)))]), rng)
        if self.props > 0 and rng.random() < self.props:
            frame = with_things(frame, who, rng)
        return view(frame, who, rng, self.spec.size, replace(VIEWS, loose=self.loose), self.photos)


def _half(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.half() if value.is_floating_point() else value for name, value in parts.items()}


def at_stage(spec: ModelSpec, stage: Stage) -> ModelSpec:
    """The same model for the input size of one stage."""
    return replace(spec, size=stage.size, sigma=stage.sigma)


def transfer(state: dict[str, Tensor], old: ModelSpec, new: ModelSpec) -> dict[str, Tensor]:
    """Weights for another input size: only the position table changes, by bicubic resizing."""
    moved = dict(state)
    moved["backbone.position"] = resize_position(state["backbone.position"], old.grid, new.grid)
    return moved


def geometry(work: Path, stage: Stage, workers: int) -> Path:
    """The folder of a stage's frames, rendered as far as they are not there, stored to be read fast."""
    seed, count = stage.geometry
    folder = generate(work / f"synth-{seed}", count, GEOMETRY, seed=seed, workers=workers, images=False).folder
    unpack(gbuffer_files(folder))
    return folder


def shortened(stages: Sequence[Stage], share: float) -> tuple[Stage, ...]:
    """That share of all views and frames in three stages, to try the whole pipeline in minutes: the first and the second, which
    change the size, and the last, which has every kind of view. Most of the views are the first one's, whose small pictures
    teach fastest. In small batches, with more weight on normals, few views teach all tasks more (dev/LOG.md, 2026-11-29)."""
    steps = share * sum(stage.steps for stage in stages)
    frames = max(20, round(share * sum(dict(stage.geometry for stage in stages).values()) / 2))
    parts = ((stages[0], 1 / 2), (stages[1], 1 / 6), (stages[-1], 1 / 3))
    return tuple(
        replace(
            stage, batch=SHORT_BATCH, normal=SHORT_NORMAL, steps=max(10, round(part * steps * stage.batch / SHORT_BATCH)),
            geometry=(stage.geometry[0], frames),
        )
        for stage, part in parts
    )  # fmt: skip


def run_stage(
    work: Path, stages: Sequence[Stage], number: int, start: Path | None, backgrounds: Path | None, threads: int, workers: int
) -> bool:
    """Train one stage from the weights before it; True when it is finished."""
    stage = stages[number]
    frames = geometry(work, stage, workers + 1)
    spec = at_stage(SPEC, stage)
    torch.manual_seed(number)
    model = Model(spec).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = _initial(work, number, spec, start)
    if state is not None:
        model.load_state_dict(state)
    config = TrainConfig(
        folder=work / f"stage-{number + 1}", steps=stage.steps, batch=stage.batch, lr=stage.lr,
        warmup=min(150, stage.steps // 4), schedule="cosine", floor=0.02, ema=0.998,
        loss_weights=LOSS_WEIGHTS | {"normal": stage.normal},
        seed=100 + number, threads=threads, workers=workers, log_every=50, checkpoint_every=500,
    )  # fmt: skip
    return train(config, model, list(tasks()), SynthViews.of(frames, spec, stage, backgrounds)).finished


def weights_of(work: Path, number: int) -> Path:
    """Where the exported weights of a stage, counted from 0, lie once it is finished."""
    return work / f"stage-{number + 1}.safetensors"


def _initial(work: Path, number: int, spec: ModelSpec, start: Path | None) -> dict[str, Tensor] | None:
    if number > 0:
        start = weights_of(work, number - 1)
    if start is None:
        return None
    loaded = load(start)
    return transfer(loaded.model.state_dict(), loaded.card.spec, spec)


def export(work: Path, stages: Sequence[Stage], number: int, out: Path) -> None:
    """Write the averaged weights of a stage, finished or not, as bf16, with the spec of its input size."""
    stage, folder = stages[number], work / f"stage-{number + 1}"
    model = Model(at_stage(SPEC, stage))
    model.load_state_dict(read_weights(folder))
    steps = max(Checkpoints(folder / "checkpoints").steps())
    views = sum(s.steps * s.batch for s in stages[:number]) + steps * stage.batch
    where = {"stage": number + 1, "step": f"{steps} of {stage.steps}", "views": views}
    save(out, model, provenance={"recipe": "embedded", **where})


def mean_of_last(work: Path, stages: Sequence[Stage], out: Path) -> None:
    """Write the mean of the weights of the last stages, up to `AVERAGED` of one input size, which must lie in `work`: it is
    better than each on most figures of held-out people, as such means often are (model soups, arXiv 2203.05482)."""
    numbers = [n for n in range(len(stages))[-AVERAGED:] if stages[n].size == stages[-1].size]
    loaded = [load(weights_of(work, number)) for number in numbers]
    states, last = [one.model.state_dict() for one in loaded], loaded[-1]
    last.model.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[-1]})
    which = "mean of " + ", ".join(str(number + 1) for number in numbers)
    save(out, last.model, provenance={"recipe": "embedded", "stage": which, "views": last.card.provenance["views"]})


def main(arguments: Sequence[str] | None = None) -> int:
    """The whole recipe; see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, required=True, help="folder of geometry, checkpoints and logs")
    parser.add_argument("--held-out", type=int, default=500, help="frames of geometry for figures")
    parser.add_argument("--start", type=Path, default=None, help="weights to go on from")
    parser.add_argument("--backgrounds", type=Path, default=MORE, help="folder of more photos without people")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of all views and frames; 0.02 tries the pipeline in minutes")
    chosen = parser.parse_args(arguments)
    stages = STAGES if chosen.share == 1 else shortened(STAGES, chosen.share)
    generate(chosen.work / "held-out", chosen.held_out, GEOMETRY, seed=900_001, workers=chosen.workers + 1, images=False)
    done = max((number + 1 for number in range(len(stages)) if weights_of(chosen.work, number).exists()), default=0)
    for number in range(done, len(stages)):
        if not run_stage(chosen.work, stages, number, chosen.start, chosen.backgrounds, chosen.threads, chosen.workers):
            return 1
        export(chosen.work, stages, number, weights_of(chosen.work, number))
    mean_of_last(chosen.work, stages, chosen.work / f"{SPEC.name}.safetensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())

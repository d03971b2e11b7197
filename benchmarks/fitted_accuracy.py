"""How far do the fast ways to run a 0.3B model move its answers, once its weights mean something?

python benchmarks/fitted_accuracy.py --work runs/fitted [--steps 240] [--out docs/results] [--shared ../shared/data]

Random weights say little of what rounding does: their maps are flat. So the 0.3B backbone of Sapiens v1 with its four official
heads (133 points, 28 parts, depth, normals) is fitted, by the package's own training, to 8 synthetic people at 96x64 until it
knows them, and then asked for them by every way there is, beside float32 without any of our rewriting. Likewise the packaged
model, for the people of real photos with given boxes. Goals: points move less than 0.5 input px in the median, parts agree on
99 % of pixels, normals turn less than 1 degree in the median.

Goes on where it was stopped; runs/fitted takes 12 GB, the process 9. Puts rows into speed-cpu.json and writes
fast-path-accuracy.md.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rows import merge_rows
from tables import origin

from vitruvian import weights
from vitruvian.bench.measure import Question, Way, ask
from vitruvian.data.loader import Example
from vitruvian.data.sources import Coco
from vitruvian.device import choose_compute, processor
from vitruvian.evaluate.report import table, write_text
from vitruvian.evaluate.synthetic import framed_people
from vitruvian.geometry import make_crop, warp
from vitruvian.model import SIZES, Model
from vitruvian.predict.network import Network
from vitruvian.synth.dataset.generate import generate
from vitruvian.tasks.base import Task
from vitruvian.tasks.depth import Depth
from vitruvian.tasks.normal import Normal
from vitruvian.tasks.pose import Pose
from vitruvian.tasks.seg import Seg
from vitruvian.train import TrainConfig, read_weights, train
from vitruvian.types import Array, Crop, ModelSpec, Person, Sample, Value

SIZE, COUNT, SEED = (96, 64), 8, 5
LEAST_SIDE = 150.0  # px of a person's box, in the synthetic frames and in the photos
TASKS: tuple[Task, ...] = (Pose(), Seg(balance=0.4), Depth(l1_weight=1.0), Normal())
NAMES = tuple(task.name for task in TASKS)
WAYS = (("eager", "fp32"), ("eager", "bf16"), ("compile", "bf16"), ("openvino", "bf16"))
POINTS, PARTS, NORMALS = "points, median input px", "same part, % of pixels", "normals, median degrees"
GOALS = {POINTS: "< 0.5", PARTS: ">= 99", NORMALS: "< 1"}
SHOWN = ("pose/pck", "pose/nme", "seg/miou", "seg/foreground_iou", "depth/rmse", "depth/order", "normal/mean", "normal/median")
Answers = list[dict[str, Value]]
Figures = Mapping[str, float]


def spec() -> ModelSpec:
    """0.3B with the four official heads, without their dropout; heatmaps and their Gaussians for a small input."""
    arch = SIZES["0.3b"]
    bare = ModelSpec(
        "fitted-0.3b", SIZE, dim=arch.dim, depth=arch.depth, heads_attn=arch.heads_attn, mlp=arch.mlp, heads=(), padding=2,
        codec="official", sigma=1.5,
    )  # fmt: skip
    heads = (task.head_spec(bare) for task in TASKS)
    return bare.with_heads(*(replace(head, options={**head.options, "dropout": 0.0}) for head in heads))


def people(work: Path) -> list[Sample]:
    """Eight synthetic people in their frames, large enough for the input."""
    folder = generate(work / "people", 5 * COUNT, (320, 240), SEED, workers=0, images=False).folder
    found = [sample for _, sample in framed_people(folder) if np.ptp(sample.box.reshape(2, 2), axis=0).max() >= LEAST_SIDE]
    if len(found) < COUNT:
        raise SystemExit(f"only {len(found)} of {COUNT} people of {LEAST_SIDE:g} px among the synthetic ones")
    return found[:COUNT]


@dataclass(frozen=True)
class Few:
    """The same few people again and again, cropped as `predict` crops them."""

    samples: tuple[Sample, ...]
    spec: ModelSpec

    def __len__(self) -> int:
        return len(self.samples)

    def example(self, index: int, _: np.random.Generator) -> Example:
        """No choice is left to chance."""
        sample = self.samples[index]
        crop = crop_of(sample.box, sample.image, self.spec)
        return warp(sample.image, crop), {task.name: task.encode(sample, crop, self.spec) for task in TASKS}, str(index)


def crop_of(box: Array, image: Array, spec: ModelSpec) -> Crop:
    return make_crop(box, spec.size, image.shape[:2], spec.fit, spec.box_padding)


def fitted(work: Path, steps: int, threads: int | None, samples: Sequence[Sample]) -> Path:
    """The file of the fitted model, in float32 as the official files are."""
    config = TrainConfig(
        folder=work / "run", steps=steps, batch=COUNT // 2, lr=3e-4, warmup=min(10, steps), schedule="cosine", floor=0.02,
        layer_decay=0.95, weight_decay=0.0, betas=(0.9, 0.98), seed=SEED, dtype="bf16", device="cpu", threads=threads,
        loss_weights={"pose": 300.0, "depth": 0.3}, workers=0, log_every=5, checkpoint_every=50, keep=1,
    )  # fmt: skip
    torch.manual_seed(SEED)
    model = Model(spec())
    torch.nn.init.constant_(model.get_parameter("heads.depth.final.bias"), 0.5)  # its loss has no gradient below 0
    if not train(config, model, list(TASKS), Few(tuple(samples), model.spec)).finished:
        raise SystemExit("stopped; the same command goes on from here")
    model.load_state_dict(read_weights(work / "run"))
    file = work / "fitted.safetensors"
    weights.save(file, model.eval(), provenance={"benchmark": "fitted_accuracy", "steps": steps}, dtype=torch.float32)
    return file


def quality(file: Path, samples: Sequence[Sample]) -> dict[str, float]:
    """Figures of the tasks' own metrics on the people that the model was fitted to, in float32."""
    network = Network(weights.load(file), choose_compute("cpu", "fp32"))
    figures: dict[str, float] = {}
    for task in TASKS:
        metric = task.metric()
        for sample in samples:
            ((said,),) = network.run_people([sample.image], [[Person(sample.box)]], [task.name])
            metric.update(said[task.name], sample)
        figures |= {f"{task.name}/{name}": value for name, value in metric.compute().items()}
    return figures


def answers(model: str, engine: str, dtype: str, questions: Sequence[Question]) -> Answers:
    """What one way says to each question. The engine `plain` is the loaded module as it is."""
    compute = choose_compute("cpu", dtype)
    way = Way(engine, Network(weights.load(model), compute, engine="eager" if engine == "plain" else engine))
    if engine == "plain":
        way.network.model = weights.load(model).model.eval()
    said = []
    for question in questions:
        ask(way, question, counted=False)
        said.append({name: values[0] for name, values in way.values.items()})
    return said


def distances(model: str, questions: Sequence[Question]) -> dict[str, Figures]:
    """Way -> what -> distance from float32 without our rewriting, median over the people."""
    exact, shape = answers(model, "plain", "fp32", questions), weights.load(model).card.spec
    gains = [np.linalg.det(crop_of(q.people[0].box, q.image, shape).matrix[:, :2]) ** 0.5 for q in questions]
    found: dict[str, Figures] = {}
    for engine, dtype in WAYS:
        said = answers(model, engine, dtype, questions)
        each = [distance(one, other, gain) for one, other, gain in zip(said, exact, gains, strict=True)]
        found[f"{engine} {dtype}"] = {what: float(np.median([row[what] for row in each])) for what in each[0]}
        print(f"{model}, {engine} {dtype}: {found[f'{engine} {dtype}']}", file=sys.stderr, flush=True)
    return found


def distance(one: Any, other: Any, gain: float) -> dict[str, float]:
    """Of one person's answers. Depth and normals where the exact parts see a person; all that is not of points is of pixels."""
    moved = gain * np.linalg.norm(one["pose"].xy - other["pose"].xy, axis=-1)
    inside = other["seg"].ids > 0
    inside = inside if inside.any() else ~inside
    same = one["seg"].ids == other["seg"].ids
    across = np.linalg.norm(np.cross(one["normal"].n, other["normal"].n), axis=-1)  # small angles keep their digits
    angles = np.rad2deg(np.arctan2(across, (one["normal"].n * other["normal"].n).sum(-1)))[inside]
    depth = np.abs(one["depth"].z - other["depth"].z)[inside] / max(float(np.ptp(other["depth"].z[inside])), 1e-9)
    return {
        POINTS: float(np.median(moved)),
        "points, 90 % below, input px": float(np.percentile(moved, 90)),
        PARTS: 100 * float(same.mean()),
        "same part, % of the person's pixels": 100 * float(same[inside].mean()),
        NORMALS: float(np.median(angles)),
        "normals, 90 % below, degrees": float(np.percentile(angles, 90)),
        "depth, median % of its range": 100 * float(np.median(depth)),
    }


def photos(shared: Path) -> list[Question]:
    """Every person of the COCO photos whose box has a side of 150 px and more, alone."""
    source = Coco(shared / "coco" / "annotations" / "person_keypoints.json", shared / "coco")
    found = [sample for record in source for sample in record.people]
    found = [sample for sample in found if np.ptp(sample.box.reshape(2, 2), axis=0).max() >= LEAST_SIDE]
    return [question_of(sample) for sample in found]


def question_of(sample: Sample) -> Question:
    return Question(sample.image, [Person(sample.box)], NAMES)


def rows_of(name: str, found: Mapping[str, Figures]) -> list[dict[str, Any]]:
    """A row a way and goal. There is no ratio: these say what the speed of the other rows costs."""
    made = {name: value for name, value in origin(0).items() if name != "rounds"}
    return [
        {"name": f"{name}, {way}: {what}", "ratio": None, "error": figures[what], "error_is": f"goal {goal}", **made}
        for way, figures in found.items() for what, goal in GOALS.items()
    ]  # fmt: skip


def page(command: str, figures: Figures, found: Mapping[str, Mapping[str, Figures]], counts: Mapping[str, int]) -> str:
    """fast-path-accuracy.md."""
    made = origin(0)
    parts = []
    for name, one in found.items():
        head = (f"{name}: distance from float32", *one, "goal")
        lines = [
            (what, *(f"{figures[what]:.3g}" if "%" not in what else f"{figures[what]:.2f}" for figures in one.values()),
             GOALS.get(what, "")) for what in next(iter(one.values()))
        ]  # fmt: skip
        parts.append(f"## {name}\n\n{counts[name]} people, each alone; medians over them.\n\n{table(head, lines)}\n")
    known = table(("figure", "fitted model"), [(key, f"{figures[key]:.3g}") for key in SHOWN if key in figures])
    return f"""# What the fast ways cost in accuracy

`{command}` · after commit {made["commit"]} · {made["date"]} · {processor()}, {os.cpu_count()} cores, torch {torch.__version__}

Beside float32, eager, with the heads as they are in the file. Points: of all 133 of a person, in pixels of the model's input.
Parts: over all pixels of the input. Depth and normals: where the exact parts see a person.

The 0.3B backbone with the four official heads was fitted to {COUNT} synthetic people at {SIZE[0]}×{SIZE[1]}; an official model
takes 1024×768, at which nobody can fit one on two cores. What it knows of those people, in float32 (fractions, metres,
degrees):

{known}

{chr(10).join(parts)}"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--threads", type=int, default=None)
    given = parser.parse_args(arguments)
    samples = people(given.work)
    file = fitted(given.work, given.steps, given.threads, samples)
    figures = quality(file, samples)
    print(figures, file=sys.stderr, flush=True)
    asked = {"0.3B, fitted": (str(file), [question_of(sample) for sample in samples])}
    if given.shared.is_dir():
        asked["vitruvian-s, photos"] = ("vitruvian-s", photos(given.shared))
    found = {name: distances(model, questions) for name, (model, questions) in asked.items()}
    command = shlex.join(["python", "benchmarks/fitted_accuracy.py", *(arguments or sys.argv[1:])])
    text = page(command, figures, found, {name: len(questions) for name, (_, questions) in asked.items()})
    print(text)
    if given.out:
        merge_rows(given.out / "speed-cpu.json", [row for name, one in found.items() for row in rows_of(name, one)])
        write_text(given.out / "fast-path-accuracy.md", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

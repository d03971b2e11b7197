"""What the engine `pruned` gains and costs.

python benchmarks/pruning.py --synth runs/held-out [--shared ../shared/data] [--limit 150] [--rounds 3] [--out docs/results]

Cost: the packaged model itself, pruned by its own sight, on held-out synthetic people, figure by figure beside the whole. Its
grid is 12x9 patches, an official one 64x48. Gain: the share of an official input's patches that stay for the people of real
photos, and the time of a 0.3B model (random weights) with as many.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from tables import origin

from vitruvian import weights
from vitruvian.data.sources import Coco
from vitruvian.device import choose_compute, processor
from vitruvian.evaluate.report import table, write_text
from vitruvian.evaluate.synthetic import framed_people
from vitruvian.geometry import make_crop
from vitruvian.model import SIZES, Model
from vitruvian.predict.engine import prepare
from vitruvian.predict.network import Network, input_of
from vitruvian.predict.prune import Guide
from vitruvian.types import HeadSpec, ModelSpec, Person

SHOWN = ("pose/pck", "seg/miou", "seg/foreground_iou", "depth/order", "normal/mean")
LEAST_SIDE = 150.0  # px


def official() -> ModelSpec:
    """0.3B with the head of 308 points at 1024x768."""
    arch = SIZES["0.3b"]
    return ModelSpec(
        "random-0.3b", (1024, 768), dim=arch.dim, depth=arch.depth, heads_attn=arch.heads_attn, mlp=arch.mlp, padding=2,
        heads=(HeadSpec("pose", (768, 768), (768, 768), 308, "sapiens308"),), codec="official",
    )  # fmt: skip


def cost(folder: Path, limit: int) -> dict[str, dict[str, float]]:
    """Engine -> figure -> value, of the packaged model on synthetic people."""
    compute = choose_compute("cpu", "fp32")
    out = {}
    for engine in ("eager", "pruned"):
        network = Network(weights.load("vitruvian-s"), compute, engine=engine)
        metrics = {name: task.metric() for name, task in network.tasks.items()}
        for number, (_, sample) in enumerate(framed_people(folder)):
            if number == limit:
                break
            ((said,),) = network.run_people([sample.image], [[Person(sample.box)]], list(metrics))
            for name, metric in metrics.items():
                metric.update(said[name], sample)
        figures = {f"{name}/{key}": value for name, metric in metrics.items() for key, value in metric.compute().items()}
        out[engine] = {key: figures[key] for key in SHOWN}
    return out


def shares(shared: Path, spec: ModelSpec) -> list[float]:
    """Of each person of the COCO photos: how much of an official input's patches stays."""
    guide, found = Guide(spec, choose_compute("cpu", "fp32")), []
    for record in Coco(shared / "coco" / "annotations" / "person_keypoints.json", shared / "coco"):
        for sample in record.people:
            if np.ptp(sample.box.reshape(2, 2), axis=0).max() >= LEAST_SIDE:
                crop = make_crop(sample.box, spec.size, sample.image.shape[:2], spec.fit, spec.box_padding)
                (kept,) = guide(input_of(sample.image, [crop], spec))
                found.append(float(kept.mean()))
    return found


def gain(spec: ModelSpec, share: float, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of the whole model and of the pruned one when so many patches stay, in turns."""
    compute = choose_compute("cpu", "bf16")
    torch.manual_seed(0)
    whole = prepare(Model(spec).eval(), compute)
    torch.manual_seed(0)
    pruned = prepare(Model(replace(spec)).eval(), compute, "pruned")
    rows, columns = spec.grid
    kept = np.zeros(spec.grid, bool)
    kept.ravel()[: round(share * rows * columns)] = True
    seen = pruned.guide.forward
    pruned.guide.forward = lambda image: (seen(image), [kept])[1]  # its own time counts, its answer is set
    photo = torch.randn(1, 3, *spec.size).to(compute.dtype)
    took: tuple[list[float], list[float]] = ([], [])
    with torch.inference_mode():
        for number in range(rounds + 1):
            for seconds, model in zip(took, (whole, pruned), strict=True):
                begin = time.perf_counter()
                model(photo)
                if number:
                    seconds.append(time.perf_counter() - begin)
    return took


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--synth", type=Path, required=True)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--limit", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args(arguments)
    spec = official()
    stay = shares(given.shared, spec)
    share = median(stay)
    whole, pruned = gain(spec, share, given.rounds)
    figures = cost(given.synth, given.limit)
    ratio = median(a / b for a, b in zip(whole, pruned, strict=True))
    rows = [(key, f"{figures['eager'][key]:.3f}", f"{figures['pruned'][key]:.3f}") for key in SHOWN]
    low, high = np.percentile(stay, [10, 90])
    made = origin(given.rounds)
    command = shlex.join(["python", "benchmarks/pruning.py", *(arguments or sys.argv[1:])])
    text = f"""# What the engine `pruned` gains and costs

`{command}` · after commit {made["commit"]} · {made["date"]} · {processor()}, torch {torch.__version__}

**Gain.** For the {len(stay)} people of COCO photos with a side of {LEAST_SIDE:g} px or more,
{100 * share:.0f} % of a 1024×768 input's patches stay in the median (80 % of people: {100 * low:.0f}–{100 * high:.0f} %).
A 0.3B model with 308 points in bf16 then takes {median(pruned):.2f} s instead of {median(whole):.2f}:
**{ratio:.2f} times as fast** (median of {given.rounds} rounds, the packaged model's look at the input included).

**Cost.** The packaged model, pruned by its own sight, on {given.limit} held-out synthetic people (fractions, degrees).
For official weights nobody can measure it here; their pretraining leaves out three patches of four.

{table(("figure", "whole", "pruned"), rows)}
"""
    print(text)
    if given.out:
        write_text(given.out / "pruning.md", text)


if __name__ == "__main__":
    main()

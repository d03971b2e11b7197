"""The packaged person detector: a small ViT that sees the whole frame at 256x256, trained on synthetic pictures.

It begins as the packaged model, which has seen people: its trunk, whose stem stays as it is, and its head of parts, which is
trained beside that of people and not kept. `--start none` begins with nothing, `--start person` goes on from the packaged
detector. Things that are nobody stand among the people, drawn in the same way.

python -m vitruvian.recipes.detector --work runs/detector --synth runs/embedded/synth-5 --held-out runs/embedded/held-out

Uses geometry that `vitruvian synth` (or the recipe `embedded`) has written. The score threshold is chosen on pictures of the
held-out geometry, never on photos, and saved with the head. The same command goes on where it was stopped.
Expected figures and hardware: docs/results/detector.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vitruvian.data.gbuffer import read_gbuffer
from vitruvian.errors import UsageError
from vitruvian.geometry import warp
from vitruvian.model import MaskedAutoencoder, Model
from vitruvian.model.vit import resize_position
from vitruvian.predict.network import outputs_of
from vitruvian.recipes.embedded import SPEC as MODEL_SPEC
from vitruvian.synth.appearance.backgrounds import MORE, Backgrounds
from vitruvian.synth.frames import FrameParams, FrameViews, frame_view
from vitruvian.tasks.person import Person
from vitruvian.tasks.person.metric import Tally, match
from vitruvian.tasks.seg import Seg
from vitruvian.train import TrainConfig, read_weights, train
from vitruvian.types import Boxes, HeadSpec, ModelSpec
from vitruvian.weights import eight_bits
from vitruvian.weights.load import load, save

SPEC = ModelSpec(
    name="person", size=(256, 256), dim=256, depth=10, heads_attn=4, mlp=1024, stem="conv", fit="pad", resample="area",
    flip_test=True, licence="Apache-2.0",
    heads=(HeadSpec("person", upsample=(96,), conv=(64,), out=5, kind="shuffle", options={"refine": "full"}),),
)  # fmt: skip
TRAINED = SPEC.with_heads(*SPEC.heads, MODEL_SPEC.head("seg"))  # parts are learned beside people, and their head is not kept
RARE = -4.6  # logit of 1 %: middles are rare, and a start at one half would drown the first steps (RetinaNet, arXiv 1708.02002)
LOWEST = 0.02
SCENES = FrameParams(things=(0.35, 0.35, 0.2, 0.1), close=0.6, longer=(0.08, 1.5))
TASKS = (Person(), Seg(label_stride=4, balance=0.4))


def new_model(spec: ModelSpec = TRAINED, *starts: Model) -> Model:
    """A detector whose centre map starts near zero; it begins as each of `starts` in turn, models as wide, in all that both
    have: stem, positions, blocks, heads."""
    model = Model(spec)
    final = model.heads["person"].final
    if not isinstance(final, nn.Linear):
        raise TypeError("the detector's head must end in a linear layer")
    with torch.no_grad():
        final.bias[0] = RARE
    for start in starts:
        _begin_as(model, start)
    return model


def _begin_as(model: Model, start: Model) -> None:
    """Copy what both have; the last norm of another depth stays new. UsageError for a start of another shape."""
    deep_alike = start.spec.depth == model.spec.depth
    theirs = {k: v for k, v in start.state_dict().items() if deep_alike or not k.startswith("backbone.norm.")}
    ours = model.state_dict()
    theirs["backbone.position"] = resize_position(theirs["backbone.position"], start.spec.grid, model.spec.grid)
    fitting = {k: v for k, v in theirs.items() if k in ours}
    odd = [k for k, v in fitting.items() if v.shape != ours[k].shape] or [
        k for k in ours if k.startswith("backbone.stem.") and k not in fitting
    ]
    if odd:
        raise UsageError(f"{start.spec.name} is not of the shape of {model.spec.name}: {odd[0]} differs. Fix: --start none.")
    model.load_state_dict(ours | fitting)


@dataclass(frozen=True)
class HeldOut:
    """Recall, precision and AP on pictures that are the same at every call. `model` sees them in batches of one."""

    views: FrameViews
    count: int

    def tally(self, model: nn.Module) -> Tally:
        """Every box that scores 0.02 or more, judged."""
        out, task = Tally(), Person(threshold=LOWEST)
        spec = self.views.spec
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (spec.mean, spec.std))
        device = next(model.parameters()).device
        for number in range(self.count):
            rng = np.random.default_rng([77, number])
            groups = [read_gbuffer(self.views.files[i]) for i in rng.integers(len(self.views), size=rng.integers(0, 4))]
            sample, crop = frame_view(groups, rng, spec.size, self.views.params)
            pixels = torch.from_numpy(warp(sample.image, crop)).permute(2, 0, 1)[None].float()
            output = outputs_of(model, ((pixels - mean) / std).to(device), [task], spec.flip_test)["person"]
            (value,) = task.decode(output.float().cpu(), [crop], spec)
            if isinstance(value, Boxes) and sample.boxes is not None:
                out.add(value.score, match(value.xyxy, sample.boxes), len(sample.boxes))
        return out

    def __call__(self, model: nn.Module, _step: int) -> dict[str, float]:
        """The loop's evaluation: `score` is AP50."""
        tally = self.tally(model)
        threshold, recall, precision = tally.best()
        return {"score": tally.average_precision(), "threshold": threshold, "recall": recall, "precision": precision}


def kept(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the detector needs of the weights that were trained."""
    return {name: value for name, value in state.items() if not name.startswith("heads.seg.")}


def checked_threshold(tally: Tally) -> float:
    """Of the best F1. UsageError where nobody was found, so that there is none."""
    threshold = tally.best()[0]
    if not np.isfinite(threshold):
        raise UsageError(f"nothing scores {LOWEST} or more on the held-out pictures. Fix: more --steps, or more pictures.")
    return round(threshold, 3)


def export(state: dict[str, Tensor], held_out: HeldOut, out: Path) -> float:
    """Write the weights with the threshold of the best F1 on held-out pictures; returns it."""
    stored = eight_bits.restore(eight_bits.shrink(kept(state)))  # as it will be read
    model = Model(SPEC).eval()
    model.load_state_dict(stored)
    with torch.inference_mode():
        threshold = checked_threshold(held_out.tally(model))
    head = replace(SPEC.heads[0], options={**SPEC.heads[0].options, "threshold": threshold})
    packaged = Model(SPEC.with_heads(head))
    packaged.load_state_dict(stored)
    provenance = {"recipe": "detector", "data": "synthetic people of this package, CC0"}
    save(out, packaged, provenance=provenance, dtype=torch.int8)
    return threshold


def _starts(name: str) -> list[Model]:
    """The packaged model, for its head of parts, then the one that was named. UsageError for a masked autoencoder."""
    models = [] if name == "none" else [load(MODEL_SPEC.name).model, load(name).model]
    if any(isinstance(model, MaskedAutoencoder) for model in models):
        raise UsageError(f"{name} is a masked autoencoder, not a model with heads. Fix: --start none.")
    return [model for model in models if isinstance(model, Model)]


def main(arguments: Sequence[str] | None = None) -> int:
    """The whole recipe; see the head of this file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of checkpoints, logs and person.safetensors")
    parser.add_argument("--synth", type=Path, required=True, help="geometry to train on")
    parser.add_argument("--held-out", type=Path, required=True, help="other geometry, for the threshold")
    parser.add_argument("--start", default="vitruvian-s", help="model to begin as, by name or path, or none")
    parser.add_argument("--steps", type=int, default=1_500)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--filtered", type=float, default=0.25, help="share of the pictures that go through a random filter")
    parser.add_argument("--pictures", type=int, default=300, help="held-out pictures")
    chosen = parser.parse_args(arguments)
    torch.manual_seed(0)
    held_out = HeldOut(FrameViews(chosen.held_out, SPEC, SCENES), chosen.pictures)
    config = TrainConfig(
        folder=chosen.work, steps=chosen.steps, batch=chosen.batch, lr=chosen.lr, warmup=min(500, chosen.steps // 10),
        schedule="cosine", floor=0.02, ema=0.998, layer_decay=0.9, seed=5, threads=chosen.threads, workers=chosen.workers,
        log_every=50, checkpoint_every=500, evaluate_every=max(500, chosen.steps // 10),
    )  # fmt: skip
    evaluate: Callable[[nn.Module, int], dict[str, float]] = held_out
    model = new_model(TRAINED, *_starts(chosen.start))
    model.backbone.stem.requires_grad_(chosen.start == "none")  # it has seen more than this run shows
    views = FrameViews(chosen.synth, SPEC, SCENES, TASKS, chosen.filtered, Backgrounds.load(MORE))
    if not train(config, model, TASKS, views, evaluate).finished:
        return 1
    print("threshold", export(read_weights(chosen.work), held_out, chosen.work / "person.safetensors"))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What is compared with what: trunks, budgets, and the runs in the order in which they are done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from vitruvian.model.cost import operations, parameters
from vitruvian.model.mae import mae_head
from vitruvian.model.vit import Size
from vitruvian.types import HeadSpec, ModelSpec

Kind: TypeAlias = Literal["random", "pretrained", "longer", "pretraining"]

SEEDS = (1, 2, 3)
GEOMETRY_SEED, HELD_OUT_SEED = 4, 900_001  # of the frames to train on and to judge by
SIZES = {"small": Size(64, 4, 2, 256), "medium": Size(128, 6, 4, 512), "large": Size(192, 8, 6, 768)}
PRETRAINED = "medium"  # the size that is pretrained, and whose runs from nothing serve both claims
PATCH, UPSAMPLE = 8, (64,)
HEADS = (
    HeadSpec("pose", UPSAMPLE, out=133, vocabulary="wholebody133", kind="shuffle", options={"activation": "softmax"}),
    HeadSpec("seg", upsample=UPSAMPLE, out=28, vocabulary="body28", kind="shuffle"),
    HeadSpec("depth", upsample=UPSAMPLE, out=1, kind="shuffle"),
    HeadSpec("normal", upsample=UPSAMPLE, out=3, kind="shuffle"),
)
DECODER = mae_head(PATCH, dim=64, depth=2, heads=2)
BATCHES: dict[Kind, int] = {"random": 16, "pretrained": 16, "longer": 16, "pretraining": 32}


@dataclass(frozen=True)
class Budget:
    """What every run gets. views: labelled ones of a fine-tuning, each seen once; passes: of the pretraining over the same
    pictures without their labels; frames: of geometry behind them; held_out: frames of another seed; points: of a curve."""

    views: int = 20_000
    passes: int = 5
    frames: int = 14_000
    held_out: int = 500
    points: int = 5

    def shortened(self, share: float) -> Budget:
        """The same with that share of everything that takes time, to try the whole queue in minutes."""
        views, frames, people = (round(n * share) for n in (self.views, self.frames, self.held_out))
        return replace(self, views=max(64, views), frames=max(16, frames), held_out=max(8, people), points=2)


@dataclass(frozen=True)
class Run:
    """One training. kind: `random` and `pretrained` are the same fine-tuning from two beginnings; `longer` is `random` with as
    many more views as the pretraining has cost; `pretraining` is that of `pretrained`."""

    kind: Kind
    size: str
    seed: int

    @property
    def name(self) -> str:
        """The folder of the run."""
        return f"{self.size}-{self.kind}-{self.seed}"

    @property
    def spec(self) -> ModelSpec:
        """What is trained."""
        return autoencoder_spec(self.size) if self.kind == "pretraining" else model_spec(self.size)

    @property
    def batch(self) -> int:
        """Views of a step."""
        return BATCHES[self.kind]

    def steps(self, budget: Budget) -> int:
        """Whole batches of the views that this kind may see."""
        if self.kind == "longer":
            return longer_views(self.size, budget) // self.batch
        return budget.views * (budget.passes if self.kind == "pretraining" else 1) // self.batch


def model_spec(size: str) -> ModelSpec:
    """Four heads on a plain ViT, 192 patches of 8x8; heads are equal but for what they read."""
    trunk = SIZES[size]
    return ModelSpec(
        name=f"claims-{size}", size=(128, 96), patch=PATCH, dim=trunk.dim, depth=trunk.depth, heads_attn=trunk.heads_attn,
        mlp=trunk.mlp, sigma=1.3, codec="exact", resample="area", licence="Apache-2.0", heads=HEADS,
    )  # fmt: skip


def autoencoder_spec(size: str) -> ModelSpec:
    """The same trunk with a decoder for masked pixels."""
    return replace(model_spec(size), name=f"claims-{size}-mae", heads=(DECODER,))


def forward_cost(spec: ModelSpec) -> int:
    """Operations of one view through the model; training takes three times as many."""
    return operations(spec)


def size_of(spec: ModelSpec) -> int:
    """Parameters."""
    return parameters(spec)


def longer_views(size: str, budget: Budget) -> int:
    """Labelled views that cost as much as pretraining and fine-tuning together, by operations."""
    ratio = forward_cost(autoencoder_spec(size)) / forward_cost(model_spec(size))
    return round(budget.views * (1 + budget.passes * ratio))


def all_runs() -> Iterator[Run]:
    """Seed by seed, so that a queue that is stopped early has whole comparisons; the control comes last."""
    for seed in SEEDS:
        yield Run("random", PRETRAINED, seed)
        yield Run("pretraining", PRETRAINED, seed)
        yield Run("pretrained", PRETRAINED, seed)
        yield from (Run("random", size, seed) for size in SIZES if size != PRETRAINED)
    yield Run("longer", PRETRAINED, SEEDS[0])

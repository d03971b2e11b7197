"""What a pretraining run is told: settings of a TOML file (packaged ones by name), flags over them, checked as one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any, Literal

from vitruvian.checks import Rule, above, fault, finite, several, whole
from vitruvian.device import Dtype
from vitruvian.errors import UsageError, unknown_name
from vitruvian.model import SIZES
from vitruvian.model.mae import MAE_OPTIONS
from vitruvian.model.vit import Size
from vitruvian.train.recipes import fields_of, packaged, table_of

PATCH = 16
LR_BATCH = 256  # the learning rate is told for so many images a step (arXiv 2111.06377)
TINY = Size(192, 8, 6, 768)
ARCHITECTURES: dict[str, Size] = {"tiny": TINY, **SIZES}
PACKAGED = files("vitruvian.recipes") / "pretrain"


def _rising(value: Any) -> bool:
    """Whether it is a pair of numbers above 0, the smaller one first."""
    return several(value, lambda number: above(number, 0), 2) and value[0] <= value[1]


RULES: tuple[Rule, ...] = (
    ("steps batch accumulate checkpoint_every keep", "a whole number of at least 1", lambda v: v is None or whole(v, 1)),
    ("warmup seed", "a whole number of at least 0", lambda v: whole(v, 0)),
    ("resolution decoder_dim decoder_depth decoder_heads", "a whole number of at least 1", lambda v: whole(v, 1)),
    ("mask_ratio", "a number above 0 and below 1", lambda v: above(v, 0) and v < 1),
    ("lr clip decoder_mlp_ratio", "a finite number above 0", lambda v: above(v, 0)),
    ("weight_decay", "a finite number of at least 0", lambda v: finite(v) and v >= 0),
    ("warmup_factor flip", "a number from 0 to 1", lambda v: finite(v) and 0 <= v <= 1),
    ("betas", "two numbers, each at least 0 and below 1", lambda v: several(v, lambda b: finite(b) and 0 <= b < 1, 2)),
    ("area", "two rising numbers above 0, at most 1", lambda v: _rising(v) and v[1] <= 1),
    ("aspect", "two rising numbers above 0", lambda v: _rising(v)),
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """Settings of a run; the defaults are those of the paper and its public configuration (arXiv 2408.12569).

    size: one of ARCHITECTURES, None to take it from the weights to begin with. batch: images of one optimiser step, of all
    processes together; accumulate: in so many passes. lr: for a batch of 256, scaled with the batch. area and aspect: the
    random crop's share of the photo and its width over its height. decoder_*: the decoder, which is thrown away afterwards.
    """

    size: str | None = None
    resolution: int = 1024
    mask_ratio: float = 0.75
    steps: int | None = None
    batch: int | None = None
    accumulate: int = 1
    lr: float = 1.5e-4
    warmup: int = 0
    warmup_factor: float = 1e-4
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 1.0
    area: tuple[float, float] = (0.2, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    decoder_dim: int = int(MAE_OPTIONS["dim"])
    decoder_depth: int = int(MAE_OPTIONS["depth"])
    decoder_heads: int = int(MAE_OPTIONS["heads"])
    decoder_mlp_ratio: float = MAE_OPTIONS["mlp_ratio"]
    seed: int = 0
    dtype: Dtype = "auto"
    shard: Literal["all", "node"] = "all"
    checkpointing: bool = False
    compile: bool = False
    checkpoint_every: int = 1000
    keep: int = 2

    def __post_init__(self) -> None:
        if found := fault(self, RULES):
            raise UsageError(found)
        if self.size is not None and self.size not in ARCHITECTURES:
            raise unknown_name("size", self.size, ARCHITECTURES)
        if self.resolution % PATCH:
            low = self.resolution // PATCH * PATCH or PATCH
            told = f"resolution {self.resolution} is no multiple of the patch, {PATCH}"
            raise UsageError(f"{told}. Fix: --resolution {low} or {low + PATCH}.")
        if self.batch and self.batch % self.accumulate:
            raise UsageError(
                f"a batch of {self.batch} cannot be done in {self.accumulate} equal passes. Fix: another --accumulate."
            )

    @property
    def tokens(self) -> int:
        """Patches that the whole run sees, hidden ones too. 0 while steps or batch are open."""
        return (self.steps or 0) * (self.batch or 0) * (self.resolution // PATCH) ** 2

    @property
    def peak_lr(self) -> float:
        """The learning rate after the warm-up: lr * batch / 256."""
        return self.lr * (self.batch or 0) / LR_BATCH

    def complete(self) -> Recipe:
        """Itself; UsageError if something is open that nobody can guess."""
        missing = [name for name in ("steps", "batch") if getattr(self, name) is None]
        if missing:
            fix = " ".join(f"--{name} N" for name in missing)
            raise UsageError(
                f"{' and '.join(missing)} not given. Fix: {fix}, or --recipe with one of {', '.join(recipe_names())}."
            )
        if self.warmup > (self.steps or 0):
            raise UsageError(f"warmup is {self.warmup}. Allowed: 0 to {self.steps}, the number of steps. Fix: --warmup N.")
        return self


def recipe_names() -> tuple[str, ...]:
    """The packaged recipes, small to large."""
    return tuple(sorted(packaged(PACKAGED), key=list(ARCHITECTURES).index))


def read_recipe(given: str | None, flags: Mapping[str, Any]) -> Recipe:
    """A packaged recipe by name, FILE.toml or none, with the flags that are not None over it.

    UsageError for an unknown name or key (near ones are listed), or a value that cannot be; InputError for a damaged file.
    """
    values = table_of(given, PACKAGED, recipe_names()) if given is not None else {}
    plain = fields_of(values, [f.name for f in fields(Recipe)], f"the recipe {given}")
    return Recipe(**{**plain, **{name: value for name, value in flags.items() if value is not None}})

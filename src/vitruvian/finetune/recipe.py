"""What a fine-tuning run is told: settings of a TOML file (packaged ones by name), flags over them, checked as one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from itertools import pairwise
from typing import Any, Literal, get_args

from vitruvian.checks import Rule, above, fault, finite, several, whole
from vitruvian.data.augment import Augment
from vitruvian.device import Dtype
from vitruvian.errors import UsageError
from vitruvian.tasks.pose import PoseLoss
from vitruvian.train.config import Schedule
from vitruvian.train.recipes import fields_of, packaged, table_of
from vitruvian.types import Fit

PACKAGED = files("vitruvian.recipes") / "finetune"
TABLES = ("augment", "by_size")
TASKS = ("pose", "seg", "depth", "normal")
Trained = Literal["all", "heads", "lora"]
LossName = Literal["auto", "mse", "ohkm", "cross_entropy"]

RULES: tuple[Rule, ...] = (
    ("epochs steps", "a whole number of at least 1", lambda v: v is None or whole(v, 1)),
    ("batch accumulate checkpoint_every keep", "a whole number of at least 1", lambda v: whole(v, 1)),
    ("lora_rank topk label_stride", "a whole number of at least 1", lambda v: whole(v, 1)),
    ("warmup", "a whole number of at least 0", lambda v: v is None or whole(v, 0)),
    ("seed", "a whole number of at least 0", lambda v: whole(v, 0)),
    ("lr clip", "a finite number above 0", lambda v: above(v, 0)),
    ("layer_decay", "a number above 0, at most 1", lambda v: above(v, 0) and v <= 1),
    ("weight_decay depth_l1", "a finite number of at least 0", lambda v: finite(v) and v >= 0),
    ("warmup_factor", "a number from 0 to 1", lambda v: finite(v) and 0 <= v <= 1),
    ("drop_path", "a number of at least 0 and below 1", lambda v: finite(v) and 0 <= v < 1),
    ("ema", "a number between 0 and 1, such as 0.999", lambda v: v is None or (above(v, 0) and v < 1)),
    ("size", "height and width, whole numbers of at least 1", lambda v: v is None or several(v, lambda n: whole(n, 1), 2)),
    ("tasks", f"different ones of {', '.join(TASKS)}",
     lambda v: v is None or (v and several(v, lambda t: t in TASKS) and len(set(v)) == len(v))),
    ("milestones", "rising shares of the run, each between 0 and 1",
     lambda v: several(v, lambda m: above(m, 0) and m < 1) and all(a < b for a, b in pairwise(v))),
    ("skeleton classes", "a name, or the path of a TOML file", lambda v: v is None or isinstance(v, str)),
    ("fit", f"one of {', '.join(get_args(Fit))}", lambda v: v is None or v in get_args(Fit)),
    ("loss_weights", "tasks, and finite numbers of at least 0",
     lambda v: isinstance(v, Mapping) and all(t in TASKS and finite(w) and w >= 0 for t, w in v.items())),
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """Settings of a run; the defaults are what Sapiens v1 has in common (arXiv 2408.12569), but for batch and schedule.

    What is to be learned: tasks; skeleton (of poses) and classes (of parts), names or TOML files; loss (of poses: `auto` is
    that of the weights to begin with, for new heads `mse`), with `ohkm` of the topk worst points; depth_l1: see `tasks.Depth`;
    label_stride: maps are compared at that fraction of the input; loss_weights: task -> factor.
    The model: size (H, W) and fit of the input, None for those of the weights, for an encoder 1024x768 and `affine` with poses,
    `stretch` without; heads: `auto` (of the form that the weights have) or `official`. train: `all`, `heads` (the encoder
    stays), `lora` (heads, and low-rank changes of rank lora_rank in the encoder's attention); drop_path: see `ViT`.
    How long: epochs or steps; batch: examples of one optimiser step, of all processes together, in `accumulate` passes.
    schedule: `linear` falls epoch by epoch, so that the last one runs at 0 (officially of 200), `step` to a tenth at each of
    `milestones` (shares of the run), `cosine` after the warm-up; warmup: steps, a twentieth of the run and at most 500 if left
    out. augment: see `Augment`.
    """

    tasks: tuple[str, ...] | None = None
    skeleton: str | None = None
    classes: str | None = None
    loss: LossName = "auto"
    topk: int = 128
    depth_l1: float = 0.0
    label_stride: int = 1
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    fit: Fit | None = None
    heads: Literal["auto", "official"] = "auto"
    train: Trained = "all"
    lora_rank: int = 8
    drop_path: float = 0.0
    epochs: int | None = None
    steps: int | None = None
    batch: int = 16
    accumulate: int = 1
    lr: float = 5e-4
    layer_decay: float = 0.85
    weight_decay: float = 0.1
    schedule: Schedule = "cosine"
    milestones: tuple[float, ...] = ()
    warmup: int | None = None
    warmup_factor: float = 1e-3
    clip: float = 1.0
    ema: float | None = None
    augment: Augment = field(default_factory=Augment)
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
        if self.batch % self.accumulate:
            told = f"a batch of {self.batch} cannot be done in {self.accumulate} equal passes"
            raise UsageError(f"{told}. Fix: another --accumulate.")
        if self.schedule == "step" and not self.milestones:
            raise UsageError("schedule 'step' needs milestones, shares of the run such as [0.81, 0.95].")
        if self.epochs and self.steps:
            raise UsageError("both epochs and steps are given. Allowed: one of them.")

    def per_epoch(self, examples: int) -> int:
        """Steps of one pass over so many examples, the last one begun counting whole."""
        return -(-examples // self.batch)

    def total(self, examples: int) -> int:
        """Steps of the run, as many as see all examples `epochs` times. UsageError where nothing says how long it is."""
        if self.steps is None and self.epochs is None:
            raise UsageError(
                f"neither epochs nor steps given. Fix: --epochs N, or --recipe with one of {', '.join(recipe_names())}."
            )
        return self.steps or -(-(self.epochs or 0) * examples // self.batch)

    def warm(self, steps: int) -> int:
        """Steps of warm-up in a run of so many. UsageError for more than there are."""
        chosen = min(500, steps // 20) if self.warmup is None else self.warmup
        if chosen > steps:
            raise UsageError(f"warmup is {chosen}, the run has {steps} steps. Fix: --warmup N, or a longer run.")
        return chosen

    def pose_loss(self, softmax: bool) -> PoseLoss:
        """The loss of a pose head; softmax: whether its maps are read as probabilities."""
        if self.loss != "auto":
            return self.loss
        return "cross_entropy" if softmax else "mse"


def recipe_names() -> tuple[str, ...]:
    """The packaged recipes."""
    return packaged(PACKAGED)


def read_recipe(given: str | None, flags: Mapping[str, Any], size: str | None = None) -> Recipe:
    """A packaged recipe by name, FILE.toml or none, with its table for backbones of `size` and the flags that are not None over
    it; a flag of epochs takes the place of steps, and the other way round.

    UsageError for an unknown name or key (near ones are listed), or a value that cannot be; InputError for a damaged file.
    """
    table = table_of(given, PACKAGED, recipe_names()) if given is not None else {}
    where, known = f"the recipe {given}", [f.name for f in fields(Recipe)]
    values = fields_of({name: value for name, value in table.items() if name not in TABLES}, known, where)
    sizes = table.get("by_size", {})
    if not isinstance(sizes, Mapping) or not all(isinstance(one, Mapping) for one in sizes.values()):
        raise UsageError(f'{where}: by_size is {sizes!r}. Allowed: tables such as [by_size."1b"].')
    values |= {name: fields_of(one, known, f"{where}, by_size") for name, one in sizes.items()}.get(size or "", {})
    chosen = {name: value for name, value in flags.items() if value is not None}
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if one in chosen and other not in chosen:
            values.pop(other, None)
    return Recipe(**values | chosen, augment=_augment(table.get("augment", {}), where))


def _augment(values: Any, where: str) -> Augment:
    known = [f.name for f in fields(Augment)]
    if not isinstance(values, Mapping):
        raise UsageError(f"{where}: augment is {values!r}. Allowed: a table of {', '.join(known)}.")
    return Augment(**fields_of(values, known, f"{where}, augment"))

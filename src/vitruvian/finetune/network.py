"""The model to fine-tune: an encoder, or a whole model, with the heads that the recipe asks for; what is taken over is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from vitruvian import weights
from vitruvian.errors import UsageError, unknown_name
from vitruvian.finetune.recipe import Recipe
from vitruvian.model import SIZES, Model, build
from vitruvian.model.lora import adapt
from vitruvian.model.vit import Size, ViT
from vitruvian.tasks import task
from vitruvian.tasks.base import Task
from vitruvian.types import Fit, HeadSpec, ModelSpec
from vitruvian.vocab import class_set, skeleton
from vitruvian.weights.card import words_of

RANDOM = "random:"  # before a size: a backbone that has learned nothing
SIZE = (1024, 768)  # of the official input, (H, W)
SIGMA = 6.0 / 1024  # officially: of the points' maps, in their pixels, against the input's height
PADDING = 2  # officially of the patches, in px, where these tasks or these 20 parts are learned; 0 for 28 parts and depth
SHIFTED = frozenset({"pose", "normal", "lip20", "cihp20"})
LAST = "final"  # layer of a head: its rows are the words of the vocabulary
DEFAULTS = {"pose": "coco17", "seg": "body28"}


@dataclass(frozen=True)
class Begin:
    """What a run begins with: weights, or a bare size. `size` is its name among SIZES, empty for any other."""

    loaded: weights.Loaded | None
    arch: Size
    given: str

    @property
    def size(self) -> str:
        """0.3b, 0.6b, 1b, 2b, or empty."""
        return next((name for name, size in SIZES.items() if size == self.arch), "")

    @property
    def hash(self) -> str:
        """Of the weights."""
        return self.loaded.hash if self.loaded else ""

    @property
    def heads(self) -> tuple[HeadSpec, ...]:
        """Heads that say something; an encoder has none."""
        if self.loaded is None or self.loaded.card.is_encoder or self.loaded.card.is_detector:
            return ()
        return self.loaded.card.spec.heads


def begin_with(given: str) -> Begin:
    """Weights by name or path, or random:SIZE. WeightsError for what cannot be read, UsageError for an unknown size."""
    if given.startswith(RANDOM):
        name = given.removeprefix(RANDOM)
        if name not in SIZES:
            raise unknown_name("size", name, SIZES, f"random: and one of {', '.join(SIZES)}")
        return Begin(None, SIZES[name], given)
    loaded = weights.load(given)
    spec = loaded.card.spec
    return Begin(loaded, Size(spec.dim, spec.depth, spec.heads_attn, spec.mlp), given)


def with_labels(recipe: Recipe, begin: Begin, labelled: frozenset[str]) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with tasks that the data have labels for: those told, else those of the heads of `begin`; and a line for every
    head that is left out: unlearned beside a backbone that changes, it would grow worse without a word.

    UsageError for a task that is told and has no labels, or where there is none left.
    """
    names = recipe.tasks or tuple(head.task for head in begin.heads)
    missing = [name for name in names if name not in labelled]
    if missing and (recipe.tasks or len(missing) == len(names)):
        has = ", ".join(sorted(labelled)) or "nothing"
        told = f"no source has labels for {', '.join(missing)}; they have {has}"
        raise UsageError(f"{told}. Fix: --tasks of these, or more sources.")
    kept = tuple(name for name in names if name in labelled) or None
    return replace(recipe, tasks=kept), tuple(f"{name} head: left out, no source has labels for it" for name in missing)


def spec_of(recipe: Recipe, begin: Begin) -> ModelSpec:
    """The model that the recipe asks for: the backbone of `begin`, its preparation of photos where it has heads, else Sapiens
    v1's; no class token. UsageError for what cannot be learned with it."""
    names = recipe.tasks or tuple(head.task for head in begin.heads)
    if not names:
        raise UsageError(f"{begin.given} has no heads, and no task is given. Fix: --tasks with one or more of pose, seg, ...")
    _check_words(recipe, names)
    spec = replace(_bare(begin), size=recipe.size) if recipe.size else _bare(begin)
    if begin.heads and recipe.size:
        spec = replace(spec, sigma=spec.sigma * recipe.size[0] / _bare(begin).size[0])
    elif not begin.heads:
        shifted = spec.stem == "patch" and not SHIFTED.isdisjoint({*names, _words("seg", recipe, begin)})
        spec = replace(spec, sigma=SIGMA * spec.size[0], padding=PADDING if shifted else 0)
    spec = replace(spec, fit=_fit(recipe, begin, names))
    return spec.with_heads(*(_head(name, recipe, begin, spec) for name in names))


def _bare(begin: Begin) -> ModelSpec:
    """The backbone without heads, and with the preparation it was trained with or, of an encoder, the official one."""
    if begin.loaded is None:
        arch = begin.arch
        return ModelSpec(f"vit-{begin.size}", SIZE, arch.dim, arch.depth, arch.heads_attn, arch.mlp, ())
    spec = begin.loaded.card.spec
    if begin.heads:
        return replace(spec.with_heads(), name=f"{spec.name}-tuned", flip_test=False)
    return replace(spec.with_heads(), name=f"{spec.name}-tuned", size=SIZE, class_token=False, resample="bilinear")


def _fit(recipe: Recipe, begin: Begin, names: Sequence[str]) -> Fit:
    """A crop of each person for poses; otherwise as told, as the weights had it, or whole photos."""
    if "pose" in names:
        if recipe.fit in ("pad", "stretch"):
            raise UsageError(f"fit {recipe.fit!r} and poses: points need a crop of each person. Fix: fit affine, or no pose.")
        return recipe.fit or "affine"
    theirs = begin.loaded.card.spec.fit if begin.loaded is not None and begin.heads else "stretch"
    return recipe.fit or theirs


def _head(name: str, recipe: Recipe, begin: Begin, spec: ModelSpec) -> HeadSpec:
    """The official head or, where the weights have heads and the recipe does not insist, one of their form."""
    words = _words(name, recipe, begin)
    official = task(name, **_vocabulary(name, words)).head_spec(spec)
    like = next((head for head in begin.heads if head.task == name), begin.heads[0] if begin.heads else None)
    if recipe.heads == "official" or like is None:
        return official
    options = {name: value for name, value in like.options.items() if name != "axes"}  # labels are in camera axes
    if like.task != name:
        options = {"activation": "softmax"} if name == "pose" and like.kind == "shuffle" else {}
    return replace(official, upsample=like.upsample, conv=like.conv, kind=like.kind, options=options)


def _words(name: str, recipe: Recipe, begin: Begin) -> str | None:
    """The vocabulary of a head: told, or that of the weights, or the usual one."""
    told = {"pose": recipe.skeleton, "seg": recipe.classes}.get(name)
    theirs = next((head.vocabulary for head in begin.heads if head.task == name), None)
    return told or theirs or DEFAULTS.get(name)


def _vocabulary(name: str, words: str | None) -> dict[str, str]:
    """The field of a task that names its vocabulary, with the name of the set that a file defines."""
    if name == "pose":
        return {"skeleton": skeleton(str(words)).name}
    return {"class_set": class_set(str(words)).name} if name == "seg" else {}


def _check_words(recipe: Recipe, names: Sequence[str]) -> None:
    for flag, given, name in (("skeleton", recipe.skeleton, "pose"), ("classes", recipe.classes, "seg")):
        if given is not None and name not in names:
            raise UsageError(f"--{flag} {given}, but the tasks are {', '.join(names)}. Fix: --tasks {name}, or leave it out.")


def tasks_of(spec: ModelSpec, recipe: Recipe) -> tuple[Task, ...]:
    """The tasks of a model's heads, with the losses of the recipe."""
    return tuple(_task(head, recipe) for head in spec.heads)


def _task(head: HeadSpec, recipe: Recipe) -> Task:
    fields = _vocabulary(head.task, head.vocabulary)
    if head.task == "pose":
        loss = recipe.pose_loss(head.options.get("activation") == "softmax")
        if (loss == "cross_entropy") != (head.options.get("activation") == "softmax"):
            told = f"loss {loss!r} does not go with a head whose maps are {'logits' if loss != 'cross_entropy' else 'heights'}"
            raise UsageError(f"{told}. Fix: --loss auto.")
        return task("pose", **fields, loss_kind=loss, topk=recipe.topk)
    extra = {"l1_weight": recipe.depth_l1} if head.task == "depth" else {}
    return task(head.task, **fields, label_stride=recipe.label_stride, **extra)


def new_model(spec: ModelSpec, recipe: Recipe, begin: Begin) -> tuple[Model, tuple[str, ...]]:
    """The model with all that fits of `begin`, prepared for what is to be trained, and what was taken, changed or left out.

    Weights that are not taken over are drawn from the recipe's seed.
    """
    torch.manual_seed(recipe.seed)
    model = cast(Model, build(spec))
    told: list[str] = []
    if begin.loaded is not None:
        state, changes = weights.encoder_for(spec, begin.loaded.model)
        told += [line for line in changes if not (begin.heads and line.startswith("left out"))]
        taken = {name: value for head in spec.heads for name, value in _taken(head, model, begin, told).items()}
        model.load_state_dict({**model.state_dict(), **state, **taken})
    _prepare(model, recipe)
    return model, tuple(told)


def _prepare(model: Model, recipe: Recipe) -> None:
    backbone = cast(ViT, model.backbone)
    backbone.set_drop_path(recipe.drop_path)
    if recipe.train == "lora":
        adapt(backbone, recipe.lora_rank)
    elif recipe.train == "heads":
        backbone.requires_grad_(False)


def _taken(head: HeadSpec, model: Model, begin: Begin, told: list[str]) -> dict[str, Tensor]:
    """What a head takes over from the head of the same task: equal layers whole, of the last one the rows of equal words."""
    theirs = next((one for one in begin.heads if one.task == head.task), None)
    if theirs is None or begin.loaded is None:
        told.append(f"{head.task} head: new")
        return {}
    prefix = f"heads.{head.task}."
    ours, source = model.state_dict(), begin.loaded.model.state_dict()
    out: dict[str, Tensor] = {}
    names = [name for name in ours if name.startswith(prefix)]
    layers = [name for name in names if not name.startswith(f"{prefix}{LAST}.")]
    fits = [name for name in layers if name in source and source[name].shape == ours[name].shape]
    out |= {name: source[name].detach() for name in fits}
    rows = _rows(head, theirs)
    if len(fits) == len(layers):
        for name in set(names) - set(layers):
            if ours[name].shape[1:] == source[name].shape[1:]:
                out[name] = ours[name].clone()
                out[name][[a for a, _ in rows]] = source[name][[b for _, b in rows]].to(ours[name].dtype)
    told.append(_said(head, rows if len(out) > len(fits) else [], len(fits), len(layers)))
    return out


def _rows(ours: HeadSpec, theirs: HeadSpec) -> list[tuple[int, int]]:
    """Pairs of rows that mean the same: by word, or all where there are no words."""
    if ours.vocabulary is None or theirs.vocabulary is None:
        return [(i, i) for i in range(min(ours.out, theirs.out))]
    known = {word: row for row, word in enumerate(words_of(theirs.vocabulary))}
    return [(i, known[word]) for i, word in enumerate(words_of(ours.vocabulary)) if word in known]


def _said(head: HeadSpec, rows: Sequence[tuple[int, int]], fits: int, layers: int) -> str:
    told = f"{head.task} head: {fits} of {layers} tensors taken over" if fits else f"{head.task} head: new, no layer fits"
    if not fits or head.vocabulary is None:
        return told
    words = words_of(head.vocabulary)
    fresh = [word for i, word in enumerate(words) if i not in {a for a, _ in rows}]
    if not fresh:
        return f"{told}, all {len(words)} outputs by name"
    shown = ", ".join(fresh[:6]) + (f" and {len(fresh) - 6} more" if len(fresh) > 6 else "")
    return f"{told}, {len(rows)} of {len(words)} outputs by name, new: {shown}"


def trained_numbers(model: nn.Module) -> tuple[int, int]:
    """How many numbers learn, and how many there are."""
    numbers = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, learns in numbers if learns), sum(n for n, _ in numbers)

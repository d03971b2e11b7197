"""An official Sapiens v1 file as a model of ours: what it is, read from its tensors, and whether it is what was asked for.

Tensors say the size, the task and the number of channels. They cannot say the padding of the patches, how a photo becomes an
input, or the words of the channels: those come from the row of zoo.toml that the task and the number of channels lead to.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vitruvian.errors import UsageError, WeightsError
from vitruvian.model import SIZES, build, mae_head
from vitruvian.model.vit import Size
from vitruvian.types import HeadSpec, ModelSpec
from vitruvian.weights import zoo
from vitruvian.weights.check import check
from vitruvian.weights.keymaps import from_official, to_official
from vitruvian.weights.layouts import Raw
from vitruvian.weights.zoo import PRETRAIN, Release, Row

ANCHOR = "patch_embed.projection.weight"  # in every official file, with whatever stands before it
HEAD_KEYS = {"neck.": "mae", "head.": "pose", "decode_head.": "dense"}
LEFT_OUT = "data_preprocessor."  # the mean and deviation of the pixels: constants of the release
UNKNOWN_LICENCE = "unknown; the official Sapiens v1 weights are {}"
MAE_HEAD_WIDTH = 32  # of the official decoder's attention: no tensor shows the number of its heads


@dataclass(frozen=True)
class Official:
    """A file understood. state: in our names; release: the checkpoint that it is, if its name or the question says so."""

    spec: ModelSpec
    state: Mapping[str, Tensor]
    release: Release | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What the tensors show. size: official name or None; heads: attention heads, None where nothing tells; row: of the zoo."""

    arch: Size
    size: str | None
    grid: tuple[int, int]
    patch: int
    class_token: bool
    task: str | None
    row: Row | None
    head: HeadSpec | None

    def __str__(self) -> str:
        """In a few words: `0.3b pose308`."""
        size = self.size or f"{self.arch.dim}x{self.arch.depth}"
        return f"{size} {self.row.name if self.row else self.task}"


def understand(raw: Raw, asked: Release | None = None, heads_attn: int | None = None) -> Official:
    """The specification and the weights of an official file, strictly: every tensor is there, none is left over.

    asked: what the file must be; heads_attn: attention heads of a backbone of no official size, which no tensor shows.
    WeightsError lists what is missing, unexpected or misshapen, in official names; UsageError for an impossible heads_attn.
    """
    state, notes = _plain(raw)
    facts = facts_of(state, raw)
    named = zoo.release_of_file(raw.path.name)
    release = next((one for one in (asked, named) if one and _may_be(facts, one)), None)
    if asked and release is not asked:
        raise WeightsError(f"{raw.path} is a {facts}, not {asked.name}. Fix: vitruvian models fetch {asked.name}")
    if named and not _may_be(facts, named):
        notes = (*notes, f"its name is that of {named.name}, but it is a {facts}")
    spec = release.spec if release else _spec(raw, facts, heads_attn)
    task = spec.heads[0].task if spec.heads else None
    with torch.device("meta"):
        wanted = to_official(build(spec).state_dict(), task)
    shapes = {name: tuple(value.shape) for name, value in wanted.items()}
    check(state, shapes, raw.path, release.name if release else f"a {facts}")
    return Official(spec, from_official(state, task), release, notes)


def _may_be(facts: Facts, release: Release) -> bool:
    """Whether this is that checkpoint; one with too few or too many blocks is left to the list of what it lacks."""
    return facts.size in (release.size, None) and facts.row == release.row


def facts_of(state: Mapping[str, Tensor], raw: Raw) -> Facts:
    """What these tensors, in official names, are of. WeightsError where they are of nothing that was released."""
    shape = {name: tuple(value.shape) for name, value in state.items()}
    try:
        dim, _, patch, _ = shape[f"backbone.{ANCHOR}"]
        mlp = shape["backbone.layers.0.ffn.layers.0.0.weight"][0]
        rows = shape["backbone.pos_embed"][1]
    except (KeyError, ValueError, IndexError) as error:
        raise _other(raw, state, f"{error} is absent or misshapen") from error
    depth = 1 + max(int(found[1]) for name in state if (found := re.match(r"backbone\.layers\.(\d+)\.", name)))
    known = next((arch for arch in SIZES.values() if (arch.dim, arch.depth, arch.mlp) == (dim, depth, mlp)), None)
    arch = known or Size(dim, depth, 0, mlp)
    token = "backbone.cls_token" in state
    task, head = _head(state, raw)
    row = zoo.rows()[PRETRAIN] if task is None else zoo.row_of(task, head.out) if head else None
    return Facts(arch, zoo.size_of(arch), _grid(rows - token, raw), patch, token, task or PRETRAIN, row, head)


def _plain(raw: Raw) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors under the names of a task file, `backbone.*` and those of its head, without what wraps them."""
    anchors = [name for name in raw.tensors if name.endswith(ANCHOR)]
    if len(anchors) != 1:
        raise _other(raw, raw.tensors, f"{len(anchors)} tensors are called {ANCHOR}")
    before = anchors[0].removesuffix(ANCHOR)
    flat = not before.endswith("backbone.")
    outer = before if flat else before.removesuffix("backbone.")
    names = {name: ("backbone." if flat else "") + name.removeprefix(outer) for name in raw.tensors}
    dropped = [name for name in names if name.removeprefix(outer).startswith(LEFT_OUT)]
    notes = [f"beside the weights, left out: {', '.join((*raw.extras, *dropped))}"] if raw.extras or dropped else []
    return {new: raw.tensors[name] for name, new in names.items() if name not in dropped}, tuple(notes)


def _head(state: Mapping[str, Tensor], raw: Raw) -> tuple[str | None, HeadSpec | None]:
    """The task and the head that these keys are of; neither for an encoder."""
    for prefix, kind in HEAD_KEYS.items():
        if any(name.startswith(prefix) for name in state):
            return _decoder(state, raw) if kind == "mae" else _task_head(state, raw, prefix)
    return None, None


def _task_head(state: Mapping[str, Tensor], raw: Raw, prefix: str) -> tuple[str, HeadSpec]:
    final = state.get(f"{prefix}{'final_layer' if prefix == 'head.' else 'conv_seg'}.weight")
    if final is None or final.ndim != 4:
        raise _other(raw, state, f"the last layer of {prefix}* is absent")
    channels = final.shape[0]
    allowed = {row.out: row for row in zoo.rows().values() if row.task and (row.task == "pose") == (prefix == "head.")}
    if channels not in allowed:
        listed = ", ".join(f"{out} ({row.name})" for out, row in sorted(allowed.items()))
        raise WeightsError(f"{raw.path}: its head {prefix}* has {channels} channels. Allowed: {listed}.")
    row = allowed[channels]
    widths = [_widths(state, f"{prefix}{layers}", axis) for layers, axis in (("deconv_layers", 1), ("conv_layers", 0))]
    return str(row.task), row.head(*widths)[0]


def _widths(state: Mapping[str, Tensor], layers: str, axis: int) -> tuple[int, ...]:
    found = {int(match[1]): value.shape[axis] for name, value in state.items()
             if (match := re.fullmatch(rf"{re.escape(layers)}\.(\d+)\.weight", name)) and value.ndim == 4}  # fmt: skip
    return tuple(found[number] for number in sorted(found))


def _decoder(state: Mapping[str, Tensor], raw: Raw) -> tuple[str, HeadSpec]:
    """The decoder of a whole pretraining file."""
    embed, mlp = state.get("neck.decoder_embed.weight"), state.get("neck.decoder_blocks.0.ffn.layers.0.0.weight")
    if embed is None or mlp is None:
        raise _other(raw, state, "the decoder of its pretraining is not whole")
    depth = 1 + max(int(found[1]) for name in state if (found := re.match(r"neck\.decoder_blocks\.(\d+)\.", name)))
    dim = embed.shape[0]
    patch = state[f"backbone.{ANCHOR}"].shape[-1]
    return "mae", mae_head(patch, dim=dim, depth=depth, heads=max(1, dim // MAE_HEAD_WIDTH), mlp_ratio=mlp.shape[0] // dim)


def _grid(cells: int, raw: Raw) -> tuple[int, int]:
    """Rows and columns of a position table: square (pretraining) or 4:3 (tasks)."""
    side, third = math.isqrt(cells), math.isqrt(cells // 12)
    if side * side == cells:
        return side, side
    if 12 * third * third == cells:
        return 4 * third, 3 * third
    raise WeightsError(f"{raw.path}: a position table of {cells} cells. Allowed: a square, or 4:3 as of the official tasks.")


def _spec(raw: Raw, facts: Facts, heads_attn: int | None) -> ModelSpec:
    """The specification of a file that no release stands for."""
    arch = facts.arch
    if facts.size is None:
        arch = replace(arch, heads_attn=_attention(raw, facts, heads_attn))
    elif heads_attn not in (None, arch.heads_attn):
        raise UsageError(f"{raw.path} is a {facts}, which has {arch.heads_attn} attention heads, not {heads_attn}.")
    size = (facts.grid[0] * facts.patch, facts.grid[1] * facts.patch)
    row = facts.row or zoo.rows()[PRETRAIN]
    heads = (facts.head,) if facts.head else ()
    licence = UNKNOWN_LICENCE.format(zoo.licence())
    return zoo.spec_of(
        row, zoo.stem_of(raw.path.name), arch, size, heads, licence, patch=facts.patch, class_token=facts.class_token
    )


def _attention(raw: Raw, facts: Facts, given: int | None) -> int:
    near = [f"{name} {size.dim} x {size.depth}" for name, size in SIZES.items()]
    what = f"{raw.path}: width {facts.arch.dim}, {facts.arch.depth} blocks is no official size ({', '.join(near)})"
    if given is None:
        raise WeightsError(
            f"{what}; no tensor says how many attention heads it has."
            f" Fix: vitruvian models convert {raw.path} --heads N --out X.safetensors, unless the file is incomplete."
        )
    if given < 1 or facts.arch.dim % given:
        raise UsageError(f"{what}, and {given} attention heads do not divide it. Allowed: a divisor of {facts.arch.dim}.")
    return given


def _other(raw: Raw, state: Mapping[str, object], reason: str) -> WeightsError:
    """For a file that is nothing known."""
    names = sorted(state)
    held = f"It holds {len(names)} tensors{', such as ' + ', '.join(names[:3]) if names else ''}"
    allowed = "official Sapiens v1 files (`vitruvian models` lists them) and files saved by vitruvian"
    return WeightsError(f"{raw.path}: not a Sapiens v1 file: {reason}. {held}. Allowed: {allowed}.")

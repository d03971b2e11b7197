"""A model from its ModelSpec: one backbone, one or several heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from vitruvian.errors import UsageError, unknown_name
from vitruvian.model.heads import HEADS
from vitruvian.model.mae import MaskedAutoencoder
from vitruvian.model.vit import ViT
from vitruvian.types import HeadSpec, ModelSpec

BACKBONES: dict[str, Callable[[ModelSpec], nn.Module]] = {"vit": ViT}


class Model(nn.Module):
    """One backbone pass serves every head. `spec` is all that is needed to build it again."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        if spec.backbone not in BACKBONES:
            raise unknown_name("backbone", spec.backbone, BACKBONES)
        self.spec = spec
        self.backbone = BACKBONES[spec.backbone](spec)
        self.heads = nn.ModuleDict({head.task: _head(spec, head) for head in spec.heads})

    def forward(self, image: Tensor, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """(B, 3, H, W) normalised RGB -> task name -> (B, out, h, w); all heads unless `tasks` names some."""
        names = tuple(self.heads) if tasks is None else tuple(tasks)
        for name in names:
            if name not in self.heads:
                raise unknown_name(f"head of {self.spec.name}", name, self.heads)
        features = self.backbone(image)
        return {name: self.heads[name](features) for name in names}


def build(spec: ModelSpec) -> Model | MaskedAutoencoder:
    """The module that a spec describes: a `Model`, or a `MaskedAutoencoder` where the only head is of kind `mae`."""
    if any(head.kind == "mae" for head in spec.heads):
        return MaskedAutoencoder(spec)
    return Model(spec)


def _head(spec: ModelSpec, head: HeadSpec) -> nn.Module:
    if head.kind not in HEADS:
        raise UsageError(f"{spec.name}: the head {head.task!r} has kind {head.kind!r}; allowed here: {', '.join(HEADS)}")
    return HEADS[head.kind](spec.dim, head)

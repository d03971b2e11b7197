"""The engine `pruned`: patches without anybody near are not computed, which is faster and a little less exact.

The packaged model looks at the same input, small, and says where somebody is. Patches there and around go through the backbone
with their positions; every other one is given the features of the nearest that did. Attention between so few costs far less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitruvian import weights
from vitruvian.device import Compute
from vitruvian.errors import UsageError
from vitruvian.model import Model
from vitruvian.model.vit import ViT
from vitruvian.types import Array, ModelSpec

GUIDE = "vitruvian-s"
MARGIN = 24  # patches around somebody: one for each so many rows of patches


class Pruned(nn.Module):
    """Called as the `Model` that it wraps, of which it computes what is near a person, image by image."""

    def __init__(self, model: Model, compute: Compute) -> None:
        super().__init__()
        if not isinstance(model.backbone, ViT):
            raise UsageError("the engine pruned needs a plain ViT. Fix: engine eager.")
        self.model, self.guide = model, Guide(model.spec, compute)

    @property
    def spec(self) -> ModelSpec:
        """Of the wrapped model."""
        return self.model.spec

    def forward(self, image: Tensor, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """(B, 3, H, W) normalised RGB -> task name -> (B, out, h, w)."""
        names = tuple(self.model.heads) if tasks is None else tuple(tasks)
        kept = self.guide(image)
        features = torch.cat([sparse(cast(ViT, self.model.backbone), one[None], k) for one, k in zip(image, kept, strict=True)])
        return {name: self.model.heads[name](features) for name in names}


class Guide(nn.Module):
    """The packaged model: which patches of another model's input are on somebody or near."""

    def __init__(self, spec: ModelSpec, compute: Compute) -> None:
        super().__init__()
        loaded = weights.load(GUIDE)
        self.model, self.size = cast(Model, loaded.model).eval().to(compute.device), loaded.card.spec.size
        self.grid, own = spec.grid, loaded.card.spec
        theirs, ours = ((torch.tensor(s.mean)[:, None, None], torch.tensor(s.std)[:, None, None]) for s in (spec, own))
        self.gain, self.shift = theirs[1] / ours[1], (theirs[0] - ours[0]) / ours[1]

    @torch.inference_mode()
    def forward(self, image: Tensor) -> list[Array]:
        """(B, 3, H, W) normalised as the other model's -> (rows, cols) bool each; all where nobody is seen."""
        small = F.interpolate(image.float(), self.size, mode="bilinear", antialias=True, align_corners=False)
        seen = self.model(small * self.gain.to(small) + self.shift.to(small), ["seg"])["seg"].argmax(1) > 0
        near = F.adaptive_max_pool2d(seen.float()[:, None], self.grid)[:, 0] > 0
        return [around(one) if one.any() else np.ones(self.grid, bool) for one in near.cpu().numpy()]


def around(seen: Array) -> Array:
    """Patches (rows, cols) bool with those near them."""
    reach = 2 * max(1, round(seen.shape[0] / MARGIN)) + 1
    return np.asarray(cv2.dilate(seen.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0)


def sparse(backbone: ViT, image: Tensor, kept: Array) -> Tensor:
    """Features (1, C, rows, cols) of one image (1, 3, H, W) of which only the patches `kept` (rows, cols) are computed."""
    tokens, grid = backbone.embed(image)
    first = tokens.shape[1] - kept.size  # a class token always stays
    rows = torch.from_numpy(np.flatnonzero(kept)).to(tokens.device)
    places = torch.cat([torch.arange(first, device=tokens.device), rows + first])
    features = backbone.encode(tokens[:, places])
    source = torch.from_numpy(nearest(kept).ravel()).to(tokens.device)
    return backbone.as_map(torch.cat([features[:, :first], features[:, first:][:, source]], 1), grid)


def nearest(kept: Array) -> Array:
    """(rows, cols) int64: for each patch the place, among those kept, of the one that is nearest."""
    _, labels = cv2.distanceTransformWithLabels(
        (~kept).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    place = np.zeros(int(labels.max()) + 1, np.int64)
    place[labels[kept]] = np.arange(int(kept.sum()))
    out: Array = place[labels]
    return out

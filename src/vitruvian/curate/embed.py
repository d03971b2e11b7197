"""Images as vectors, so that copies lie near each other: by the packaged model, or by any vision model of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import torch
from torch import Tensor
from torch.nn import functional

from vitruvian import weights
from vitruvian.curate.scorer import View
from vitruvian.device import choose_compute
from vitruvian.errors import WeightsError
from vitruvian.types import Array
from vitruvian.weights.folder import TENSORS
from vitruvian.weights.library import SAFE, config_of, library, model_of, quiet, told

PACKAGED = "packaged"
MODEL = "vitruvian-s"
BLOCKS = 7  # after which the packaged model says most of how a picture looks, before it thinks of people alone
KNOWN = "hub:facebook/dinov2-small"


class Embedder(Protocol):
    """model: what answers, with the hash of its weights; cost: milliseconds an image on one core, 0 where not measured."""

    model: str
    cost: float

    def embed(self, batch: Sequence[View]) -> list[Array]:
        """Of every view a vector (d,) float16 of unit length, which must not depend on the others."""


def make_embedder(name: str, device: str) -> Embedder:
    """`packaged`, a folder, or hub:OWNER/NAME. WeightsError for what is none; UsageError where transformers is missing."""
    return Packaged(device) if name == PACKAGED else Library(name, device)


class Packaged:
    """The means over four overlapping quarters of what `BLOCKS` blocks of `vitruvian-s` make of the whole picture."""

    cost = 28.0  # with the points

    def __init__(self, device: str = "auto") -> None:
        loaded = weights.load(MODEL, kind="people")
        self._device = choose_compute(device, "fp32").device
        self._spec = loaded.card.spec
        self._trunk: Any = loaded.model.eval().to(self._device).backbone
        self._mean, self._std = (torch.tensor(v, device=self._device).view(3, 1, 1) for v in (self._spec.mean, self._spec.std))
        self.model = f"{MODEL} {loaded.hash[:12]}"

    @torch.inference_mode()
    def embed(self, batch: Sequence[View]) -> list[Array]:
        """(1024,) float16 each."""
        return [_unit(self._of(view.pixels)) for view in batch]

    def _of(self, image: Array) -> Tensor:
        small = cv2.resize(image, self._spec.size[::-1], interpolation=cv2.INTER_AREA)
        pixels = torch.from_numpy(small).to(self._device).permute(2, 0, 1).float()
        tokens, (rows, columns) = self._trunk.embed(((pixels - self._mean) / self._std)[None])
        for block in self._trunk.blocks[:BLOCKS]:
            tokens = block(tokens)
        grid = tokens.view(rows, columns, -1)
        tall, wide = -(-rows // 2), -(-columns // 2)
        quarters = [part for half in (grid[:tall], grid[-tall:]) for part in (half[:, :wide], half[:, -wide:])]
        return torch.cat([quarter.mean((0, 1)) for quarter in quarters])


class Library:
    """A vision model of transformers: the image side of CLIP and SigLIP, else the pooled answer or the class token."""

    cost = 0.0

    def __init__(self, name: str, device: str = "auto") -> None:
        found, folder = library(f"the embedding {name}"), weights.folder_of(name)
        self._device = choose_compute(device, "fp32").device
        with quiet(found), told(name, "model of pictures", f"another model, such as {KNOWN}"):
            config = config_of(found, folder, name)
            self._processor = found.AutoImageProcessor.from_pretrained(folder, backend="pil", **SAFE)
            self._model = model_of(found.AutoModel, folder, name, config).eval().to(self._device)
        self._features = getattr(self._model, "get_image_features", self._model)
        self.model = f"{name} {weights.file_hash(folder / TENSORS)[:12]}"

    @torch.inference_mode()
    def embed(self, batch: Sequence[View]) -> list[Array]:
        """(d,) float16 each; every image passes alone. WeightsError if the model answers with no vector."""
        return [_unit(self._of(view.pixels)) for view in batch]

    def _of(self, image: Array) -> Tensor:
        inputs = self._processor(images=[image], return_tensors="pt")
        said = self._features(pixel_values=inputs["pixel_values"].to(self._device))
        if isinstance(said, Tensor):
            return said[0]
        pooled = getattr(said, "pooler_output", None)
        vector: Tensor | None = pooled if pooled is not None else getattr(said, "last_hidden_state", None)
        if vector is None:
            raise WeightsError(f"{self.model} answers with no vector. Allowed: models of pictures, such as {KNOWN}.")
        return (vector[:, 0] if vector.dim() == 3 else vector)[0].flatten()


def _unit(vector: Tensor) -> Array:
    out: Array = functional.normalize(vector.float(), dim=0).half().cpu().numpy()
    return out

"""Images as vectors, so that copies lie near each other: by the packaged model, or by any vision model of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vitruvian import weights
from vitruvian.curate.scorer import View
from vitruvian.device import choose_compute
from vitruvian.errors import WeightsError, unknown_name
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
    """`packaged`, a folder, or hub:OWNER/NAME. WeightsError for what is no model of pictures; UsageError for other words, or
    where transformers is missing."""
    if name == PACKAGED:
        return Packaged(device)
    if not weights.is_folder_at_hub(name) and not Path(name).is_dir():
        raise unknown_name("embedding", name, (PACKAGED,), f"{PACKAGED}, a folder, or hub:OWNER/NAME")
    return Library(name, device)


def vector_of(embedder: Embedder, view: View) -> bytes:
    """The vector as the ledger holds it; empty of an image that the model cannot see (too narrow), or of which it says nothing
    finite: such an image is compared by its hash alone."""
    try:
        vector = embedder.embed([view])[0]
    except (ValueError, ZeroDivisionError, cv2.error):
        return b""
    return vector.tobytes() if np.isfinite(vector).all() and vector.any() else b""


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
    """A vision model of transformers: the image side of CLIP and SigLIP, else the pooled answer, or the mean of all others.

    WeightsError for one that says something else of the same picture, or vectors of another length of another.
    """

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
        with quiet(found), told(name, "model that embeds pictures", f"another model, such as {KNOWN}"):
            self._check()

    def _check(self) -> None:
        rng = np.random.default_rng(0)
        first, other = (rng.integers(0, 255, (*size, 3), np.uint8) for size in ((240, 320), (320, 240)))
        once, again, third = self.embed([View(image, image.shape[:2]) for image in (first, first, other)])
        if not np.isfinite(once).all() or not np.array_equal(once, again) or once.shape != third.shape:
            raise WeightsError(
                f"{self.model} does not give one vector for one picture, of one length for all. Allowed: such as {KNOWN}."
            )

    @torch.inference_mode()
    def embed(self, batch: Sequence[View]) -> list[Array]:
        """(d,) float16 each; every image passes alone."""
        return [_unit(self._of(view.pixels)) for view in batch]

    def _of(self, image: Array) -> Tensor:
        inputs = self._processor(images=[image], return_tensors="pt")
        said = self._features(pixel_values=inputs["pixel_values"].to(self._device))
        if isinstance(said, Tensor):
            return said[0]
        pooled = getattr(said, "pooler_output", None)
        if pooled is not None:
            return torch.as_tensor(pooled)[0].flatten()
        tokens: Tensor | None = getattr(said, "last_hidden_state", None)
        if tokens is None:
            raise WeightsError(f"{self.model} answers with no vector. Allowed: models of pictures, such as {KNOWN}.")
        return tokens[0].mean(0) if tokens.dim() == 3 else tokens[0].flatten(1).mean(1)  # (N, C) of tokens, (C, H, W) of maps


def _unit(vector: Tensor) -> Array:
    out: Array = functional.normalize(vector.float(), dim=0).half().cpu().numpy()
    return out

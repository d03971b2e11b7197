"""Photos as examples of masked pretraining: a random part of each, resized, perhaps mirrored (Sapiens v1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vitruvian.data.loader import Example
from vitruvian.pretrain.recipe import PATCH
from vitruvian.pretrain.sources import AllPhotos
from vitruvian.types import Array

TRIES = 10  # draws of a crop before the largest one in the middle is taken


@dataclass(frozen=True)
class Crops:
    """A random crop of `area` (share of the photo) and `aspect` (width over height), squeezed to (resolution, resolution) by
    Pillow's bicubic filter, and mirrored with the probability `flip`."""

    photos: AllPhotos
    resolution: int
    area: tuple[float, float] = (0.2, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def groups(self) -> Sequence[int] | None:
        """How many photos lie together; None where it is all one."""
        return self.photos.groups if len(self.photos.groups) > 1 else None

    @property
    def problems(self) -> tuple[str, ...]:
        """What is known to be wrong before anything is read."""
        return self.photos.problems

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """One photo, seen as `rng` has it. The picture is its own target; the noise that hides its patches is drawn here, so
        that it is the same whatever rank reads it."""
        pixels, name = self.photos.photo(index)
        left, top, width, height = random_crop(pixels.shape[:2], self.area, self.aspect, rng)
        part = Image.fromarray(pixels[top : top + height, left : left + width])
        image = np.asarray(part.resize((self.resolution, self.resolution), Image.Resampling.BICUBIC))
        mirrored = rng.random() < self.flip
        noise = rng.random((self.resolution // PATCH) ** 2, np.float32)
        return (image[:, ::-1] if mirrored else image).copy(), {"mae": {"noise": noise}}, name


def random_crop(
    size: Sequence[int], area: tuple[float, float], aspect: tuple[float, float], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """left, top, width, height of a crop of a photo (H, W): share of the area even, aspect even in its logarithm.

    Where ten draws do not fit, the largest part of allowed aspect in the middle.
    """
    height, width = size
    for _ in range(TRIES):
        wanted = height * width * rng.uniform(*area)
        shape = math.exp(rng.uniform(math.log(aspect[0]), math.log(aspect[1])))
        w, h = round(math.sqrt(wanted * shape)), round(math.sqrt(wanted / shape))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1)), w, h
    shape = min(max(width / height, aspect[0]), aspect[1])
    w, h = min(width, max(1, round(height * shape))), min(height, max(1, round(width / shape)))
    return (width - w) // 2, (height - h) // 2, w, h


def middle_square(image: Array, side: int) -> Array:
    """The largest square in the middle of (H, W, 3) uint8, resized to (side, side, 3): how a photo is shown, not trained on."""
    least = min(image.shape[:2])
    top, left = (image.shape[0] - least) // 2, (image.shape[1] - least) // 2
    part = Image.fromarray(image[top : top + least, left : left + least])
    return np.asarray(part.resize((side, side), Image.Resampling.BICUBIC))

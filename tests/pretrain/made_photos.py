"""Pictures that stand for photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def made_photo(path: Path, seed: int, size: tuple[int, int] = (40, 56)) -> Path:
    """A smooth picture that no mirror leaves as it is."""
    grid = np.random.default_rng(seed).integers(0, 255, (4, 5, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid).resize(size[::-1], Image.Resampling.BICUBIC).save(path)
    return path

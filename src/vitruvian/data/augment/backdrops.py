"""Other backgrounds behind people whose outlines are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from vitruvian.data.images import PICTURES, read_image
from vitruvian.errors import InputError
from vitruvian.types import Array, Sample

FEATHER = 0.7  # deviation, in input px, of the outline's softening
TONE = 0.6  # how far people's colours move towards those of their new surroundings, at most


@dataclass(frozen=True)
class Backdrops:
    """The photos of a folder, on which nobody may be seen: they would go unlabelled. Read one at a time.

    Officially this step needs a library, and is left out without a word where that is absent.
    """

    folder: Path
    files: tuple[Path, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        files = tuple(sorted(p for p in self.folder.glob("*") if p.suffix.lower() in PICTURES)) if self.folder.is_dir() else ()
        if not files:
            raise InputError(f"{self.folder}: no photos. Allowed: a folder of person-free photos ({', '.join(PICTURES)}).")
        object.__setattr__(self, "files", files)

    def behind(self, image: Array, person: Array, inside: Array, rng: np.random.Generator) -> Array:
        """The picture (H, W, 3) uint8 with a random window of a random photo wherever `person` is False, within `inside`, both
        (H, W) bool: what the crop has beyond the picture's border stays as it is. People take on some of its colours."""
        photo = self._window(image.shape[:2], rng)
        alpha = cv2.GaussianBlur(person.astype(np.float32), (0, 0), FEATHER)[..., None]
        people = _toned(image, person, photo, TONE * rng.random())
        merged = np.round(alpha * people + (1 - alpha) * photo).astype(np.uint8)
        return np.where(inside[..., None], merged, image)

    def _window(self, size: tuple[int, ...], rng: np.random.Generator) -> Array:
        photo = read_image(self.files[int(rng.integers(len(self.files)))])
        height, width = size[:2]
        scale = max(height / photo.shape[0], width / photo.shape[1]) * rng.uniform(1.0, 1.5)
        rows, columns = min(height / scale, photo.shape[0]), min(width / scale, photo.shape[1])
        top, left = rng.uniform(0, photo.shape[0] - rows), rng.uniform(0, photo.shape[1] - columns)
        cut = photo[int(top) : int(top + rows) or 1, int(left) : int(left + columns) or 1]
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        out: Array = cv2.resize(cut[:, :: rng.choice((-1, 1))], (width, height), interpolation=how)
        return out


def outline(sample: Sample) -> Array | None:
    """(H, W) bool: where people are, as all labels of the sample tell; None where none tells."""
    if sample.classes is not None:
        return np.asarray(sample.classes > 0)
    if sample.depth is not None:
        return np.isfinite(sample.depth)
    if sample.normal is not None:
        return np.asarray(np.isfinite(sample.normal).all(-1))
    return sample.mask


def _toned(image: Array, person: Array, photo: Array, share: float) -> Array:
    """The picture with the people's mean and spread of each Lab channel moved towards those of the photo."""
    if not person.any():
        return image.astype(np.float32)
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    theirs = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB).astype(np.float32)
    mean, spread = lab[person].mean(0), lab[person].std(0) + 1
    wanted = mean + share * (theirs.mean((0, 1)) - mean)
    gain = 1 + share * (np.clip((theirs.std((0, 1)) + 1) / spread, 0.5, 2) - 1)
    moved = np.clip((lab - mean) * gain + wanted, 0, 255).astype(np.uint8)
    out: Array = cv2.cvtColor(moved, cv2.COLOR_LAB2RGB).astype(np.float32)
    return out

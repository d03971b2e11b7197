"""Photos without people: behind the people, and as prints on their clothes.

The packaged ones are listed with author, licence and hashes in `ATTRIBUTION.json` beside them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from vitruvian.errors import InputError
from vitruvian.types import Array

PACKAGED = Path(__file__).resolve().parents[1] / "assets" / "backgrounds"
MORE = PACKAGED.with_name("backgrounds-more")  # for the training recipes; held-out pictures do without
_LONGEST = 512
_TILE = 128
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backgrounds:
    """photos: RGB uint8 (H, W, 3), the longer side at most 512 px; names beside them; skipped: files that were no photo."""

    photos: tuple[Array, ...]
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path | None = None) -> Backgrounds:
        """The packaged photos and, when given, the JPEG and PNG files of `folder`.

        A file that cannot be read is named in a logged warning and in `skipped`; a folder without any readable photo is
        an InputError. Whether the user's photos show people is the user's care: there they would go unlabelled.
        """
        packaged = _packaged()
        if folder is None:
            return packaged
        own = _read_folder(Path(folder))
        if not own.photos:
            raise InputError(f"no readable JPEG or PNG photo in {folder}. Give --backgrounds a folder of person-free photos.")
        return cls(packaged.photos + own.photos, packaged.names + own.names, own.skipped)

    def pick(self, rng: np.random.Generator) -> Array:
        """One photo."""
        return self.photos[int(rng.integers(len(self.photos)))]

    def window(self, rng: np.random.Generator, size: tuple[int, int], zoom: tuple[float, float] = (1.0, 2.5)) -> Array:
        """(H, W, 3) uint8 random window of a random photo, mirrored half of the time; zoom 1 shows as much as fits."""
        photo = self.pick(rng)
        height, width = size
        scale = max(height / photo.shape[0], width / photo.shape[1]) * rng.uniform(*zoom)
        x = rng.uniform(0, photo.shape[1] - width / scale)
        y = rng.uniform(0, photo.shape[0] - height / scale)
        mirror = rng.random() < 0.5
        if scale < 1:  # as cameras and `geometry.warp_area` do, without skipping pixels
            row, column = slice(int(y), int(y + height / scale) + 1), slice(int(x), int(x + width / scale) + 1)
            small: Array = cv2.resize(photo[row, column], (width, height), interpolation=cv2.INTER_AREA)
            return small[:, ::-1].copy() if mirror else small
        step = 1 / scale
        matrix = np.array([[-step if mirror else step, 0, x + (width - 1) * step * mirror], [0, step, y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        out: Array = cv2.warpAffine(photo, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
        return out

    def tile(self, rng: np.random.Generator) -> Array:
        """(257, 257, 3) uint8 seamless tile cut from a photo and mirrored both ways, padded for `noise.lookup`."""
        piece = self.window(rng, (_TILE, _TILE), (1.0, 4.0))
        half = np.concatenate([piece, piece[:, ::-1]], 1)
        whole = np.concatenate([half, half[::-1]], 0)
        return np.pad(whole, ((0, 1), (0, 1), (0, 0)), mode="wrap")

    def palette(self, rng: np.random.Generator, count: int) -> Array:
        """(count, 3) uint8 colours that occur together in one photo."""
        photo = self.pick(rng)
        return photo[rng.integers(photo.shape[0], size=count), rng.integers(photo.shape[1], size=count)]


@cache
def _packaged() -> Backgrounds:
    found = _read_folder(PACKAGED)
    if not found.photos:
        raise InputError(f"the packaged background photos are missing from {PACKAGED}. Install vitruvian again.")
    return found


def _read_folder(folder: Path) -> Backgrounds:
    if not folder.is_dir():
        raise InputError(f"background folder {folder} does not exist. Give a folder of person-free JPEG or PNG photos.")
    photos, names, skipped = [], [], []
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png")):
        photo = _read(path)
        if photo is None:
            skipped.append(path.name)
            _log.warning("background photo %s is not readable and is left out", path)
        else:
            photos.append(photo)
            names.append(path.name)
    return Backgrounds(tuple(photos), tuple(names), tuple(skipped))


def _read(path: Path) -> Array | None:
    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return None
    if image is None or min(image.shape[:2]) < 16:
        return None
    scale = _LONGEST / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    photo: Array = np.ascontiguousarray(image[:, :, ::-1])
    photo.flags.writeable = False
    return photo

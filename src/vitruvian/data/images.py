"""Pictures and masks of numbers, as arrays; a file that cannot be used is an InputError that names it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from vitruvian.errors import InputError
from vitruvian.types import Array

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def read_image(path: Path) -> Array:
    """(H, W, 3) uint8 RGB, upright. InputError for a file that is absent or no image."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Fix: check the image folder.") from error
    return decode_image(content, str(path))


def decode_image(content: bytes, where: str) -> Array:
    """As `read_image`, of a file's bytes."""
    raw = np.frombuffer(content, np.uint8)
    with decoding(where):
        image = cv2.imdecode(raw, cv2.IMREAD_COLOR) if len(raw) else None
    if image is None:
        raise InputError(f"{where}: not an image, or damaged. Fix: fetch it again.")
    return np.ascontiguousarray(image[..., ::-1])


@contextmanager
def decoding(where: str) -> Iterator[None]:
    """What OpenCV raises within of one file (it says that it has more pixels than may be, say) becomes an InputError."""
    try:
        yield
    except cv2.error as error:
        raise InputError(f"{where}: cannot be decoded ({error.err}). Fix: make it smaller, or fetch it again.") from error


def read_ids(path: Path) -> Array:
    """(H, W) uint8 of a mask of numbers: a grey PNG (of one bit: 0 and 1), or the indices of one with a palette.

    InputError for one of colours.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P", "1"):
                raise InputError(f"{path}: mode {image.mode}. Allowed: grey or palette, 8 bit: the id of every pixel.")
            return np.asarray(image, np.uint8)
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing. Fix: check that every picture has its mask.") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: cannot be decoded ({error}). Fix: make it smaller, or fetch it again.") from error
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise InputError(f"{path}: not an image, or damaged ({error}). Fix: fetch it again.") from error


def read_first_channel(path: Path) -> Array:
    """(H, W), 8 or 16 bit as stored: the first channel (red) of any picture, not turned upright."""
    if not path.is_file():
        raise InputError(f"{path}: missing. Fix: check that every picture has its own.")
    with decoding(str(path)):
        plane: Array | None = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if plane is None:
        raise InputError(f"{path}: not an image, or damaged. Fix: fetch it again.")
    return plane if plane.ndim == 2 else np.ascontiguousarray(plane[..., 2 if plane.shape[2] > 2 else 0])


def by_stem(files: Iterable[Path]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Pictures of one folder by their stems, sorted, and a problem for each stem that several have.

    Whose labels lie under such a stem cannot be known, so none of them is taken.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(files):
        found.setdefault(path.stem, []).append(path)
    problems = tuple(
        f"{same[0].parent}: {' and '.join(path.name for path in same)} have one stem, so whose labels are under it is unknown;"
        " all are left out. Fix: rename the others, with labels of their own."
        for same in found.values()
        if len(same) > 1
    )
    return {stem: same[0] for stem, same in found.items() if len(same) == 1}, problems


def check_size(values: Array, size: tuple[int, ...], where: Path, image: Path) -> Array:
    """The values, if they have the height and width of their picture; else an InputError that names both files."""
    if values.shape[:2] != tuple(size[:2]):
        told = f"{values.shape[1]}x{values.shape[0]} px, but {image} has {size[1]}x{size[0]}"
        raise InputError(f"{where}: {told}. Fix: bring both to the same size.")
    return values

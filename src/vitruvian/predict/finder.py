"""Faint finds of a detector: of the whole photo, and of overlapping pieces of it, where people are larger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitruvian import weights
from vitruvian.device import Compute
from vitruvian.geometry import nms
from vitruvian.predict import detect
from vitruvian.predict.selection import Selection
from vitruvian.types import Array, Person

PIECE = 0.6  # side of a square piece, of the photo's longer side
STEP = 0.5  # from piece to piece, of its side
BORDER = 3.0  # px: a find that ends as near as this to a piece's border inside the photo is cut, and another piece's
OF_ONE = 12  # of the whole photo, and of a piece, the surest
LEAST, LEAST_OF_PIECE = 0.03, 0.05  # scores
COPIES = 0.7  # IoU beyond which the less sure of two finds goes

Window = tuple[int, int, int, int]  # x0, y0, x1, y1 in px, the last ones excluded


@dataclass(frozen=True)
class Find(Person):
    """A box that may hold a person. piece: seen in a piece of the photo, not in the whole."""

    piece: bool = False


class Finder:
    """A detector's network that is asked about a photo and its pieces; at most `most` finds, the surest."""

    def __init__(self, name: str, loaded: weights.Loaded, compute: Compute, most: int) -> None:
        whole, piece = (Selection(min_score=least, max_people=OF_ONE) for least in (LEAST, LEAST_OF_PIECE))
        self._whole = detect.Network(name, loaded, compute, whole, flip_test=False)
        self._piece = detect.Network(name, loaded, compute, piece, flip_test=False)
        self._most = most

    def find(self, image: Array) -> list[Find]:
        """(H, W, 3) uint8 RGB -> finds in source px, best score first; of near copies the surest."""
        windows = pieces(image.shape[:2])
        finds = [Find(found.box, found.score) for found in self._whole.detect(image)]
        crops = [np.ascontiguousarray(image[y0:y1, x0:x1]) for x0, y0, x1, y1 in windows]
        for window, found in zip(windows, self._piece.detect_many(crops), strict=True):
            finds += _whole_ones(found, window, image.shape[:2])
        boxes = np.array([find.box for find in finds], np.float32).reshape(-1, 4)
        kept = nms(boxes, np.array([find.score for find in finds], np.float32), COPIES)
        return [finds[i] for i in kept[: self._most]]


def pieces(size: tuple[int, int]) -> list[Window]:
    """Squares of `PIECE` of the longer side all over a photo of `size` (H, W), cut to it, which overlap by half or more."""
    side = round(PIECE * max(size))
    tall, wide = min(side, size[0]), min(side, size[1])
    return [(x, y, x + wide, y + tall) for y in _starts(size[0], tall) for x in _starts(size[1], wide)]


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = int(np.ceil((length - side) / (STEP * side))) + 1
    return [int(start) for start in np.linspace(0, length - side, count).round()]


def _whole_ones(found: Sequence[Person], window: Window, size: tuple[int, int]) -> list[Find]:
    """The finds of a piece that it does not cut, in px of the photo (H, W)."""
    low, high = np.array(window[:2]), np.array(window[2:])
    inside = (low > 0, high < np.array(size[::-1]))
    out = []
    for one in found:
        cut = (inside[0] & (one.box[:2] < BORDER)) | (inside[1] & (one.box[2:] > high - low - BORDER))
        if not cut.any():
            out.append(Find(one.box + np.tile(low, 2).astype(np.float32), one.score, piece=True))
    return out

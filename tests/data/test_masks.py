from __future__ import annotations

import numpy as np
import pytest

from vitruvian.data.masks import decode_rle, encode_rle
from vitruvian.types import Array


def masks() -> list[Array]:
    rng = np.random.default_rng(0)
    shapes = [(1, 1), (1, 9), (7, 1), (13, 29), (60, 47)]
    random = [rng.random(shape) < share for shape in shapes for share in (0, 0.02, 0.5, 0.97, 1)]
    block = np.zeros((300, 200), bool)
    block[20:280, 50:190] = True  # runs long enough for several letters, differences of both signs
    block[100:103, 60:70] = False
    return [*random, block, block.T.copy()]


def test_what_is_encoded_is_decoded() -> None:
    for mask in masks():
        assert (decode_rle(encode_rle(mask)) == mask).all()


def test_codes_are_those_of_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    for mask in masks():
        wanted = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert encode_rle(mask) == {"size": list(wanted["size"]), "counts": wanted["counts"].decode()}
        assert coco.area(encode_rle(mask)) == mask.sum()

"""Pictures that two sets share: the same, or but for size, quality, some light, a crop of a fiftieth, or a mirror."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from vitruvian.data.check import spread
from vitruvian.data.sources import Source
from vitruvian.errors import InputError
from vitruvian.types import Array

SIDE = 16  # px of the small picture that is compared
ALIKE = 0.95  # correlation of two small pictures, from which on they are taken for one; of strangers it is rarely above 0.85
FLATTEST = 4.0  # grey levels: pictures that vary less are all alike, and are only compared pixel by pixel
ROWS = 1 << 12  # pictures compared at once


@dataclass(frozen=True)
class Prints:
    """Of every picture of a set: its name, a hash of its pixels, and a small picture as a unit vector (N, D) float32 (zeros if
    it is too flat); and the same mirrored."""

    names: tuple[str, ...]
    hashes: tuple[str, ...]
    small: Array
    mirrored: Array


@dataclass(frozen=True)
class Leak:
    """A picture of each set, and how alike: 1 for the same pixels."""

    train: str
    val: str
    how: Literal["the same pixels", "nearly the same", "its mirror image"]
    likeness: float


def prints(source: Source, limit: int | None = None) -> Prints:
    """Prints of all pictures, or of `limit` of them; those that cannot be read are left out."""
    names, hashes, small, mirrored = list[str](), list[str](), list[Array](), list[Array]()
    for index in spread(len(source), limit):
        try:
            image, name = source.photo(index)
        except InputError:
            continue  # told by the check of the source
        names.append(name)
        hashes.append(hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).hexdigest())
        small.append(_small(image))
        mirrored.append(_small(image[:, ::-1]))
    return Prints(tuple(names), tuple(hashes), _stacked(small), _stacked(mirrored))


def leaks(train: Prints, val: Prints) -> Iterator[Leak]:
    """For every picture of `val` its nearest in `train`, where they are one."""
    same = {value: i for i, value in enumerate(train.hashes)}
    plain, place = _nearest(val.small, train.small)
    turned, turned_place = _nearest(val.mirrored, train.small)
    for i, name in enumerate(val.names):
        if val.hashes[i] in same:
            yield Leak(train.names[same[val.hashes[i]]], name, "the same pixels", 1.0)
        elif plain[i] >= max(ALIKE, turned[i]):
            yield Leak(train.names[place[i]], name, "nearly the same", float(plain[i]))
        elif turned[i] >= ALIKE:
            yield Leak(train.names[turned_place[i]], name, "its mirror image", float(turned[i]))


def _small(image: Array) -> Array:
    """(3 * SIDE ** 2,) unit vector: colours and shades, without their mean."""
    values = cv2.resize(np.ascontiguousarray(image), (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    values -= values.mean((0, 1))
    if values.std() < FLATTEST:
        return np.zeros(values.size, np.float32)
    out: Array = values.ravel() / np.linalg.norm(values)
    return out


def _stacked(rows: Sequence[Array]) -> Array:
    return np.stack(rows) if rows else np.zeros((0, 3 * SIDE**2), np.float32)


def _nearest(rows: Array, others: Array) -> tuple[Array, Array]:
    """The greatest correlation of every row with one of the others, and with which."""
    best, place = np.full(len(rows), -1.0), np.zeros(len(rows), np.int64)
    for start in range(0, len(others), ROWS):
        product = rows @ others[start : start + ROWS].T
        top = product.argmax(1) if product.size else np.zeros(len(rows), np.int64)
        value = product[np.arange(len(rows)), top] if product.size else best
        better = value > best
        best[better], place[better] = value[better], top[better] + start
    return best, place

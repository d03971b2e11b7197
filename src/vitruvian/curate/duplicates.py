"""Which images show the same picture: hashes in bands, so that not every pair is compared, and yet none is missed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from vitruvian.types import Array

BITS = 64
_ONES = np.array([value.bit_count() for value in range(256)], np.int64)
AGREE = 2  # bands that must be equal: more of them make buckets smaller, and tables more


class Alike(NamedTuple):
    """Places of two hashes, and the bits in which they differ."""

    first: Array
    second: Array
    distance: Array


def near_pairs(hashes: Array, limit: int) -> Alike:
    """Every pair of different values (n,) uint64, no value twice, that differ in at most `limit` bits.

    The 64 bits are cut into limit + AGREE bands. So few differences leave AGREE bands untouched, whichever they hit: two such
    hashes fall into one bucket in the table of those bands. None is missed, and what only shares a bucket is compared and left.
    """
    if limit < 1 or len(hashes) < 2:
        return Alike(*(np.zeros(0, np.int64) for _ in range(3)))
    found = [_in_buckets(hashes & mask, hashes, limit) for mask in _masks(limit)]
    pairs = np.unique(np.concatenate(found), axis=0)
    return Alike(pairs[:, 0], pairs[:, 1], _differences(hashes, pairs))


def _masks(limit: int) -> Iterator[np.uint64]:
    cuts = [BITS * i // (limit + AGREE) for i in range(limit + AGREE + 1)]
    bands = [sum(1 << bit for bit in range(a, b)) for a, b in pairwise(cuts)]
    return (np.uint64(sum(chosen)) for chosen in combinations(bands, AGREE))


def _in_buckets(keys: Array, hashes: Array, limit: int) -> Array:
    """(k, 2) places, the lower first, of those with one key and near hashes: 1, 2, ... apart in the order of keys."""
    order = np.argsort(keys, kind="stable")
    keys, out, apart = keys[order], [np.zeros((0, 2), np.int64)], 1
    alive = np.arange(len(keys) - 1)
    while len(alive):
        alive = alive[alive + apart < len(keys)]
        alive = alive[keys[alive] == keys[alive + apart]]
        pairs = np.sort(np.stack([order[alive], order[alive + apart]], 1), axis=1)
        out.append(pairs[_differences(hashes, pairs) <= limit])
        apart += 1
    return np.concatenate(out)


def _differences(hashes: Array, pairs: Array) -> Array:
    differing = hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]
    bits: Array = _ONES[differing.view(np.uint8).reshape(-1, 8)].sum(1)
    return bits


Fate: TypeAlias = Literal["kept", "failed", "unknown"]


class Pair(NamedTuple):
    """Two places that show one picture whatever their hashes say, and the cosine of their embeddings."""

    first: int
    second: int
    likeness: float


def best_first(row: Mapping[str, Any]) -> tuple[int, int]:
    """What images that show one picture are sorted by: the most pixels, then the most bytes; then what comes first."""
    return -row["width"] * row["height"], -row["bytes"]


class Twin(NamedTuple):
    """The kept image that a duplicate shows. bits: in which their hashes differ; likeness: of their embeddings, by which they
    are known as one where the hashes are not near."""

    place: int
    bits: int | None
    likeness: float | None = None


class _Near(NamedTuple):
    """Neighbours in the order in which they are asked: near hashes first, then what is most alike."""

    order: float
    node: int
    bits: int | None
    likeness: float | None


@dataclass(frozen=True)
class Twins:
    """What became of a set of images. of: for each duplicate the kept image it shows; open: places of images whose own
    scores must be known before more can be said; waiting: how many hang on those."""

    of: dict[int, Twin] = field(default_factory=dict)
    open: list[int] = field(default_factory=list)
    waiting: int = 0


def find_twins(
    hashes: Sequence[str],
    rank: Sequence[int],
    limit: int,
    fate: Callable[[int], Fate],
    alike: Sequence[Pair] = (),
) -> Twins:
    """An image is a duplicate if one of better rank shows the same picture and is kept.

    hashes: perceptual ones, or where limit is -1 those of the content; rank: places, the best first; fate: what the stages
    after this one say of it; alike: more pairs of places that show one picture. So a clean copy
    takes the place of a better one that bears a watermark.
    """
    names, node = np.unique(np.asarray(hashes), return_inverse=True)
    near = _neighbours(names, node, limit, alike)
    out, waiting = Twins(), 0
    kept: dict[int, int] = {}
    blocked: set[int] = set()
    for place in rank:
        own = int(node[place])
        around = [_Near(0, own, 0, None), *near.get(own, ())]
        twin = next((Twin(kept[one.node], one.bits, one.likeness) for one in around if one.node in kept), None)
        if twin is not None:
            out.of[place] = twin
            continue
        if any(one.node in blocked for one in around):
            blocked.add(own)
            waiting += 1
            continue
        said = fate(place)
        if said == "kept":
            kept.setdefault(own, place)
        elif said == "unknown":
            out.open.append(place)
            blocked.add(own)
    return Twins(out.of, out.open, waiting)


def _neighbours(names: Array, node: Array, limit: int, alike: Sequence[Pair]) -> dict[int, list[_Near]]:
    near: dict[int, list[_Near]] = defaultdict(list)
    if limit > 0:
        values = np.array([int(name, 16) for name in names], np.uint64)
        for a, b, bits in zip(*(part.tolist() for part in near_pairs(values, limit)), strict=True):
            near[a].append(_Near(bits, b, bits, None))
            near[b].append(_Near(bits, a, bits, None))
    for first, second, likeness in alike:
        a, b = int(node[first]), int(node[second])
        if a != b:
            near[a].append(_Near(BITS + 1 - likeness, b, None, likeness))
            near[b].append(_Near(BITS + 1 - likeness, a, None, likeness))
    return {own: sorted(others, key=lambda one: one[:2]) for own, others in near.items()}

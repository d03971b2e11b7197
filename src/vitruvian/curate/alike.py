"""Images that show one picture though their hashes differ: cut, framed, written on, turned a little.

Candidates are near each other as an embedding sees them (`curate.embed`), in clusters where there are many (as SemDeDup does,
arXiv 2303.09540); a pair counts when enough points of the one are found in the other (`curate.points`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from vitruvian.curate.duplicates import Pair, best_first
from vitruvian.curate.limits import UNREAD, Limits
from vitruvian.curate.points import shared
from vitruvian.curate.record import Row
from vitruvian.types import Array

NEAREST = 24  # candidates of an image, the most alike
BEST = 8  # and those of them that would be kept first, so that of many that are all alike one is kept
ALL = 20_000  # up to so many, every image is compared with every other
OF_CLUSTER = 8_000  # images, about
CLUSTERS = 2  # the nearest ones of an image, in which it is compared
SAMPLE = 64  # images of each cluster by which its middle is found
BLOCK = 1024


def alike(rows: Sequence[Row], limits: Limits) -> list[Pair]:
    """The pairs among the contents that have a `vector`, by the place of their first readable copy; none where nothing was
    embedded."""
    vectors = {row["sha256"]: row for row in rows if row.get("vector")}
    firsts: dict[str, int] = {}
    for place, row in enumerate(rows):
        if row["stage"] not in UNREAD and row["sha256"] in vectors:
            firsts.setdefault(row["sha256"], place)
    places = sorted(firsts.values(), key=lambda place: (*best_first(rows[place]), place))
    if len(places) < 2:
        return []
    known = [vectors[rows[place]["sha256"]] for place in places]
    return [
        Pair(places[a], places[b], likeness)
        for a, b, likeness in candidates(np.stack([np.frombuffer(one["vector"], np.float16) for one in known]), limits.likeness)
        if not limits.points or shared(known[a]["points"], known[b]["points"]) >= limits.points
    ]


def candidates(vectors: Array, least: float) -> list[tuple[int, int, float]]:
    """(n, d) float16 of unit length, the best image first -> pairs (i < j, cosine of `least` or more): of each image the
    `NEAREST` and the `BEST`, at most.

    Up to `ALL` none is missed; among more, a pair is found if the two share one of their nearest clusters.
    """
    found: dict[tuple[int, int], float] = {}
    for members in _clusters(vectors):
        for a, b, cosine in _among(vectors[members].astype(np.float32), least):
            found[min(members[a], members[b]), max(members[a], members[b])] = cosine
    return [(int(a), int(b), cosine) for (a, b), cosine in sorted(found.items())]


def _among(vectors: Array, least: float) -> Iterator[tuple[int, int, float]]:
    for begin in range(0, len(vectors), BLOCK):
        cosines = vectors[begin : begin + BLOCK] @ vectors.T
        own = np.arange(len(cosines))
        cosines[own, begin + own] = -np.inf
        near = cosines >= least
        for row in np.flatnonzero(near.any(1)):
            columns = np.flatnonzero(near[row])
            closest = columns[np.argsort(-cosines[row, columns], kind="stable")][:NEAREST]
            for column in {*closest.tolist(), *columns[:BEST].tolist()}:
                yield begin + int(row), column, round(min(float(cosines[row, column]), 1.0), 4)


def _clusters(vectors: Array) -> Iterator[Array]:
    """Places of those that are compared with each other."""
    count = -(-len(vectors) // OF_CLUSTER)
    if len(vectors) <= ALL:
        yield np.arange(len(vectors))
        return
    chosen = np.random.default_rng(0).choice(len(vectors), min(len(vectors), count * SAMPLE), replace=False)
    cv2.setRNGSeed(0)
    ends = (cv2.TERM_CRITERIA_MAX_ITER, 10, 0.0)
    _, _, middles = cv2.kmeans(vectors[chosen].astype(np.float32), count, None, ends, 1, cv2.KMEANS_PP_CENTERS)
    half = (middles**2).sum(1) / 2
    nearest = np.concatenate([
        np.argpartition(half - vectors[begin : begin + BLOCK].astype(np.float32) @ middles.T, CLUSTERS - 1, 1)[:, :CLUSTERS]
        for begin in range(0, len(vectors), BLOCK)
    ])  # fmt: skip
    for number in range(count):
        yield np.flatnonzero((nearest == number).any(1))

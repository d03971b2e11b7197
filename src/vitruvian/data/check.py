"""What is wrong with labels, told file by file: for `vitruvian data check`, and for tests of one's own data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vitruvian.data.sources import Source
from vitruvian.errors import InputError
from vitruvian.types import IGNORE, Array, ImageRecord, Sample
from vitruvian.vocab import class_set, sides_apart, skeleton

LEAST_SIDE = 2.0  # px of a box
LEAST_AGREEMENT = 0.3  # IoU of a box and the outline of its mask
ENOUGH = 10  # labels of a point, from which on its mirror image should have some too
METRES = (0.1, 100.0)  # between which people lie
LEAST_KNOWN = 0.01  # share of the mask with a depth or a vector
MOST_AWAY = 0.2  # share of normals that may look away from the camera
BEYOND = 1.0  # px outside the picture that a point may lie


@dataclass(frozen=True)
class Finding:
    """kind: a word to group by; where: file or key; text: what is wrong there."""

    kind: str
    where: str
    text: str


@dataclass(frozen=True)
class Checked:
    """What came out of one source: photos and people read, findings, and notes on what is no fault but good to know."""

    photos: int
    people: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def spread(count: int, limit: int | None) -> list[int]:
    """At most `limit` of `count` indices, evenly apart, the first and the last among them."""
    if limit is None or limit >= count:
        return list(range(count))
    return sorted({int(i) for i in np.linspace(0, count - 1, limit)})


def check_source(source: Source, limit: int | None = None) -> Checked:
    """Read photos one by one (all, or `limit` of them) and judge what is read; a photo that cannot be used stops nothing."""
    findings = [Finding("source", "", text) for text in getattr(source, "problems", ())]
    findings += [Finding("flip pair", "", text) for text in _vocabulary(source)]
    photos = people = 0
    labelled: Array | None = None
    name = ""
    for index in spread(len(source), limit):
        photos += 1
        try:
            record = source[index]
        except InputError as error:
            findings.append(Finding("unusable", "", str(error)))
            continue
        people += len(record.people)
        for sample in record.people:
            findings += check_sample(sample, record)
            if sample.keypoints is not None and sample.skeleton is not None:
                name, seen = sample.skeleton, sample.keypoints[:, 2] > 0
                labelled = seen.astype(int) if labelled is None else labelled + seen
    findings += [] if labelled is None else [Finding("flip pair", "", text) for text in _one_sided(name, labelled)]
    return Checked(photos, people, tuple(findings), tuple(_notes(source, labelled)))


def check_sample(sample: Sample, record: ImageRecord) -> Iterator[Finding]:
    """What is wrong with one person's labels."""
    for kind, text in (*_box(sample, record.size), *_points(sample, record.size), *_maps(sample)):
        yield Finding(kind, sample.key or record.path, text)


def _box(sample: Sample, size: tuple[int, int]) -> Iterator[tuple[str, str]]:
    box = np.asarray(sample.box, np.float64)
    told = ", ".join(f"{v:g}" for v in box)
    if not np.isfinite(box).all() or (box[2:] - box[:2]).min() < LEAST_SIDE:
        yield "degenerate box", f"x1, y1, x2, y2 = {told}"
        return
    inside = np.clip(box, 0, [size[1], size[0]] * 2)
    if np.prod(np.clip(inside[2:] - inside[:2], 0, None)) < 0.5 * np.prod(box[2:] - box[:2]):
        yield "degenerate box", f"{told}: less than half of it lies in the picture of {size[1]}x{size[0]} px"
    if sample.mask is None:
        return
    if not sample.mask.any():
        yield "empty mask", "the mask has no pixel"
        return
    rows, columns = np.nonzero(sample.mask)
    outline = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    shared = np.clip(np.minimum(box[2:], outline[2:]) - np.maximum(box[:2], outline[:2]), 0, None).prod()
    if shared < LEAST_AGREEMENT * (np.prod(box[2:] - box[:2]) + np.prod(outline[2:] - outline[:2]) - shared):
        yield "degenerate box", f"{told}, but the mask lies in {', '.join(map(str, outline))}"


def _points(sample: Sample, size: tuple[int, int]) -> Iterator[tuple[str, str]]:
    if sample.keypoints is None or sample.skeleton is None:
        return
    points, names = sample.keypoints, skeleton(sample.skeleton).names
    for i in np.flatnonzero(~np.isin(points[:, 2], (0, 1, 2))):
        yield "out-of-range id", f"{names[i]}: visibility {points[i, 2]:g}. Allowed: 0, 1, 2."
    shown = points[:, 2] > 0
    xy = points[:, :2]
    outside = shown & ~((xy >= -BEYOND) & (xy <= np.array([size[1], size[0]]) - 1 + BEYOND)).all(1)
    for i in np.flatnonzero(outside):
        yield "keypoint outside", f"{names[i]} at {xy[i, 0]:g}, {xy[i, 1]:g} in a picture of {size[1]}x{size[0]} px"


def _maps(sample: Sample) -> Iterator[tuple[str, str]]:
    mask = sample.mask if sample.mask is not None and sample.mask.any() else np.ones(sample.image.shape[:2], bool)
    if sample.classes is not None and not ((sample.classes > 0) & (sample.classes != IGNORE)).any():
        yield "empty mask", "nothing but background and ignored pixels"
    if sample.depth is not None:
        known = sample.depth[mask & np.isfinite(sample.depth)]
        if len(known) < LEAST_KNOWN * mask.sum():
            yield "depth", f"known in {len(known)} of {mask.sum()} pixels of the mask"
        elif not METRES[0] <= float(np.median(known)) <= METRES[1]:
            yield "depth", f"half of it beyond {np.median(known):g} m: is depth_unit right?"
    if sample.normal is not None:
        z = sample.normal[..., 2][mask & np.isfinite(sample.normal[..., 2])]
        if len(z) < LEAST_KNOWN * mask.sum():
            yield "normal", f"known in {len(z)} of {mask.sum()} pixels of the mask"
        elif (z > 0).mean() > MOST_AWAY:
            yield "normal", f"{100 * (z > 0).mean():.0f} % look away from the camera: is normal_frame right?"


def _vocabulary(source: Source) -> Sequence[str]:
    if isinstance(name := getattr(source, "class_set", None), str):
        classes = class_set(name)
        return sides_apart(classes.names, classes.flip)
    if isinstance(name := getattr(source, "skeleton", None), str):
        points = skeleton(name)
        return sides_apart(points.names, points.flip)
    return ()


def _one_sided(name: str, labelled: Array) -> Iterator[str]:
    names = skeleton(name)
    for i, other in enumerate(names.flip):
        if labelled[i] >= ENOUGH and labelled[other] == 0:
            yield f"{names.names[i]} has {labelled[i]} labels, its mirror image {names.names[other]} none"


def _notes(source: Source, labelled: Array | None) -> Iterator[str]:
    absent = getattr(source, "absent", ())
    if absent:
        told = ", ".join(absent[:6]) + (" ..." if len(absent) > 6 else "")
        yield f"{len(absent)} points of the skeleton are not in the file: {told}"
    if labelled is not None and not labelled.any():
        yield "nobody has a labelled point"
    if source.samples < 1:
        yield "there is nothing to train on"

"""Others around a person: the people of another frame of geometry set before, beside or behind those of this one.

Photos show people among people; a frame of geometry mostly shows one alone. Nearer pixels hide farther ones, so the labels
of everybody stay exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from vitruvian.data.gbuffer import GBuffer, SynthPerson
from vitruvian.synth.frames import paste
from vitruvian.types import Array, Crop


@dataclass(frozen=True)
class CrowdParams:
    """size: of the others' frame against the person's, as depth shrinks it; apart: sideways, in widths of the person;
    lower: downwards, in heights; before: the chance that they stand nearer; enlarge: of the others at most; most_hidden: share
    of the person they may hide.
    """

    size: tuple[float, float] = (0.6, 1.5)
    apart: float = 1.1
    lower: float = 0.12
    before: float = 0.35
    enlarge: float = 1.7
    most_hidden: float = 0.35


DEFAULT = CrowdParams()
TRIES = 3
WIDEST = 256  # people a frame can number


def crowd(frame: GBuffer, index: int, other: GBuffer, rng: np.random.Generator, params: CrowdParams = DEFAULT) -> GBuffer:
    """`frame` with the people of `other` around person `index` (0-based), who keeps that index.

    The frame grows by a third of its size at every side at which nobody is cut, so that the others are not cut there either.
    Points that the others hide get visibility 1; the others themselves have no points (visibility 0). Where the draws would
    hide more of the person than allowed, or show nobody new, the frame comes back as it was.
    """
    if len(frame.people) + len(other.people) >= WIDEST or not (other.person > 0).any():
        return frame
    for _ in range(TRIES):
        wide = widened(frame)
        target = wide.person == index + 1
        out = _joined(wide, other, *_placement(wide, index, other, rng, params), params, rng)
        if out is None:
            continue
        hidden = 1 - (out.person[target] == index + 1).mean()
        if hidden <= params.most_hidden and (out.person > len(frame.people)).any():
            return out
    return frame


def widened(frame: GBuffer) -> GBuffer:
    """A copy of the frame with room around it, a third of its size, at the sides where nobody is cut."""
    height, width = frame.size
    people = frame.person > 0
    top, low = (0 if people[row].any() else height // 3 for row in (0, -1))
    left, right = (0 if people[:, column].any() else width // 3 for column in (0, -1))
    pad = ((top, low), (left, right))

    def grown(values: Array, fill: float) -> Array:
        out: Array = np.pad(values, (*pad, *[(0, 0)] * (values.ndim - 2)), constant_values=fill)
        return out

    shift = np.array([left, top], np.float32)
    intrinsics = frame.intrinsics.copy()
    intrinsics[:2, 2] += shift
    people_moved = tuple(_moved(who, shift) for who in frame.people)
    return GBuffer(
        grown(frame.person, 0), grown(frame.material, 0), grown(frame.part, 0), grown(frame.depth, np.nan),
        grown(frame.normal, np.nan), grown(frame.rest, np.nan), intrinsics, people_moved, frame.key,
    )  # fmt: skip


def _moved(who: SynthPerson, shift: Array) -> SynthPerson:
    by = np.array([*shift, 0], np.float32)
    return SynthPerson(who.box + np.tile(shift, 2), who.wholebody133 + by, who.sapiens308 + by, who.info)


def _placement(
    frame: GBuffer, index: int, other: GBuffer, rng: np.random.Generator, params: CrowdParams
) -> tuple[float, Array, bool]:
    """Scale of the other frame, where its first person's middle comes to stand, and whether it is mirrored."""
    box = frame.people[index].box
    extent, middle = box[2:] - box[:2], (box[:2] + box[2:]) / 2
    theirs = other.people[0].box
    scale = float(np.exp(rng.uniform(*np.log(params.size))) * max(extent.max(), 8) / max((theirs[2:] - theirs[:2]).max(), 8))
    scale = min(scale, params.enlarge)
    away = np.array([rng.normal(0, params.apart) * extent[0], rng.normal(0, params.lower) * extent[1]])
    return scale, middle + away, bool(rng.random() < 0.5)


def _joined(
    frame: GBuffer, other: GBuffer, scale: float, middle: Array, flipped: bool, params: CrowdParams, rng: np.random.Generator
) -> GBuffer | None:
    """Both in one frame, made in the arrays of the first; None where the other lies outside."""
    box = other.people[0].box
    center = (box[:2] + box[2:]) / 2
    center[0] = other.size[1] - 1 - center[0] if flipped else center[0]
    corner = middle - scale * center
    low = np.maximum(np.floor(corner), 0).astype(int)
    high = np.minimum(np.ceil(corner + scale * np.array(other.size[::-1])), frame.size[::-1]).astype(int)
    if (high - low).min() < 2:
        return None
    window = (int(high[1] - low[1]), int(high[0] - low[0]))
    shift = corner - low
    if flipped:
        shift[0] = window[1] - 1 - shift[0] - scale * (other.size[1] - 1)
    crop = Crop(np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]), window, other.size, flipped)
    paste(frame, other, crop, (int(low[0]), int(low[1])), _gain(frame, other, params, rng), len(frame.people))
    return replace(frame, people=(*covered(frame), *_others(frame, other)))


def _gain(frame: GBuffer, other: GBuffer, params: CrowdParams, rng: np.random.Generator) -> float:
    """Factor on the others' depth that puts all of them before, or all of them behind, the people of the frame."""
    here, theirs = frame.depth[frame.person > 0], other.depth[other.person > 0]
    if rng.random() < params.before:
        return rng.uniform(0.7, 0.97) * float(here.min()) / float(theirs.max())
    return rng.uniform(1.03, 1.6) * float(here.max()) / float(theirs.min())


def covered(frame: GBuffer) -> list[SynthPerson]:
    """The frame's own people as they are seen under whatever is numbered beyond them: outline of what is left, covered points
    hidden."""
    cover = frame.person > len(frame.people)
    return [
        SynthPerson(_outline(frame, number), _under(who.wholebody133, cover), _under(who.sapiens308, cover), who.info)
        for number, who in enumerate(frame.people, 1)
    ]


def _others(frame: GBuffer, other: GBuffer) -> list[SynthPerson]:
    return [
        SynthPerson(_outline(frame, number), 0 * who.wholebody133, 0 * who.sapiens308, who.info)
        for number, who in enumerate(other.people, len(frame.people) + 1)
    ]


def _outline(frame: GBuffer, number: int) -> Array:
    """(4,) float32 xyxy of a person's pixels; zeros where there are none."""
    x, y, width, height = cv2.boundingRect((frame.person == number).astype(np.uint8))
    return np.array([x, y, x + max(width - 1, 0), y + max(height - 1, 0)], np.float32)


def _under(points: Array, cover: Array) -> Array:
    """Points (K, 3) with visibility 1 for 2 where `cover` (H, W) is."""
    height, width = cover.shape
    x, y = np.rint(np.nan_to_num(points[:, :2], nan=-9)).astype(int).T
    within = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    out = points.copy()
    out[within & cover[y.clip(0, height - 1), x.clip(0, width - 1)] & (points[:, 2] == 2), 2] = 1
    return out

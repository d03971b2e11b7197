"""Whole pictures for the detector: none to several people of many sizes, out of cached geometry, in one fresh appearance.

Frames of geometry are shrunk or enlarged and set into one new frame, where nearer people hide farther ones; light,
surroundings and camera faults are then drawn as for any other. Who was cut by the border of their own frame stands at that
border of the new. Things may stand among them, which are drawn alike and are nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.gbuffer import MATERIAL, GBuffer, SynthPerson, gbuffer_files, read_gbuffer
from vitruvian.data.loader import Example
from vitruvian.geometry import make_crop, warp
from vitruvian.synth.appearance import Backgrounds, shapes
from vitruvian.synth.appearance.compose import render
from vitruvian.synth.appearance.degrade import degrade
from vitruvian.synth.appearance.filters import random_filter
from vitruvian.synth.appearance.layers import gather, whole_frame
from vitruvian.synth.appearance.view import PART_FLIP
from vitruvian.synth.things import thing
from vitruvian.tasks.base import Task
from vitruvian.tasks.person import Person
from vitruvian.types import Array, Crop, ModelSpec, Sample

CLOSE = ("half", "bust", "face", "hand")
REDRAWS = 6
ASPECTS = (4 / 3, 3 / 2, 16 / 9, 1.0, 3 / 4, 2 / 3, 9 / 16)  # width over height of photos
ASPECT_CHANCES = (0.22, 0.22, 0.13, 0.1, 0.15, 0.12, 0.06)


@dataclass(frozen=True)
class FrameParams:
    """groups: chances of 0, 1, 2, ... frames of geometry, each of one to three people; longer: the longer side of a group's
    framed person as a share of the picture's longer side, drawn evenly in its logarithm; enlarge: at most.

    close: chance to keep a frame of half a body or less; few people in photos are cut on several sides.
    things: chances of 0, 1, 2, ... things among them; low: the share of these that stand at the lower border before everybody,
    as tables and counters do; thing_px: side of the frame that a thing is drawn in.
    hidden: people of whom less than this share, or fewer than `pixels` pixels, is left in sight are not to be found.
    """

    groups: tuple[float, ...] = (0.1, 0.4, 0.25, 0.15, 0.1)
    longer: tuple[float, float] = (0.08, 1.3)
    enlarge: float = 1.7
    flip: float = 0.5
    occlude: float = 0.25
    close: float = 0.25
    things: tuple[float, ...] = (1.0,)
    low: float = 0.25
    thing_px: int = 160
    hidden: float = 0.08
    pixels: int = 12


DEFAULT = FrameParams()


@dataclass(frozen=True)
class FrameViews:
    """Training examples of whole pictures from the G-buffers below `folder`: an example is made from several of them.

    tasks: what is labelled; `person` and `seg` can be. filtered: share of the pictures that go through a random filter.
    photos: backgrounds.
    """

    folder: Path
    spec: ModelSpec
    params: FrameParams = DEFAULT
    tasks: tuple[Task, ...] = (Person(),)
    filtered: float = 0.0
    photos: Backgrounds = field(default_factory=Backgrounds.load, repr=False)
    files: tuple[Path, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", gbuffer_files(self.folder))

    def __len__(self) -> int:
        return len(self.files)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides their looks beside the frames, for a run that is resumed."""
        return {"params": asdict(self.params), "filtered": self.filtered, "photos": len(self.photos.photos)}

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """A picture with the people of frame `index` and of others drawn by `rng`."""
        count = int(rng.choice(len(self.params.groups), p=np.array(self.params.groups)))
        groups = [self._group(int(i), rng) for i in [index, *rng.integers(len(self.files), size=max(count - 1, 0))][:count]]
        sample, crop = frame_view(groups, rng, self.spec.size, self.params, self.photos)
        target = {task.name: task.encode(sample, crop, self.spec) for task in self.tasks}
        filtered = self.filtered > 0 and rng.random() < self.filtered
        image = random_filter(sample.image, rng) if filtered else sample.image
        return warp(image, crop), target, sample.key or str(index)

    def _group(self, index: int, rng: np.random.Generator) -> GBuffer:
        """Frame `index`; one that is framed for a crop, and so cut on several sides, mostly gives way to another."""
        for _ in range(REDRAWS):
            group = read_gbuffer(self.files[index])
            framing = group.people[0].info.get("framing") if group.people else None
            if framing not in CLOSE or rng.random() < self.params.close:
                break
            index = int(rng.integers(len(self.files)))
        return group


def frame_view(
    groups: Sequence[GBuffer],
    rng: np.random.Generator,
    size: tuple[int, int] = (320, 320),
    params: FrameParams = DEFAULT,
    backgrounds: Backgrounds | None = None,
) -> tuple[Sample, Crop]:
    """One picture with the given groups in it: a sample with `boxes` (N, 4), outlines of what is seen of each person, and
    `classes`, their parts; and the crop that pads it to `size` (H, W) as the detector will see photos. `box` is the whole
    picture."""
    photos = backgrounds or Backgrounds.load()
    aspect = ASPECTS[int(rng.choice(len(ASPECTS), p=ASPECT_CHANCES))]
    longest = min(size)
    content = (longest, max(32, round(longest * aspect))) if aspect < 1 else (max(32, round(longest / aspect)), longest)
    frame, whole = compose(groups, rng, content, params)
    nobody = add_things(frame, len(whole), rng, params)
    crop = whole_frame(content)
    image = render(frame, gather(frame, crop), crop, rng, photos)
    person = np.where(frame.person > len(whole), 0, frame.person) if nobody else frame.person.copy()
    if rng.random() < params.occlude:
        person[_occlude(image, rng, photos)] = 0
    boxes = visible_boxes(person, whole, params)
    edge = np.array([0, 0, content[1], content[0]], np.float32)
    sample = Sample(
        degrade(image, rng), edge, key="+".join(g.key for g in groups), boxes=boxes, licence="CC0-1.0",
        classes=np.where(person > 0, frame.part, np.uint8(0)),
    )  # fmt: skip
    return sample, make_crop(edge, size, content, fit="pad")


def compose(
    groups: Sequence[GBuffer], rng: np.random.Generator, size: tuple[int, int], params: FrameParams = DEFAULT
) -> tuple[GBuffer, Array]:
    """Groups of people set into one frame of `size` (H, W), and how many pixels each person would have if nobody stood before.

    Depth is changed so that everybody keeps their size in metres under the new frame's camera; nearer pixels hide farther ones.
    """
    focal = 1.2 * max(size)
    center_x, center_y = (size[1] - 1) / 2, (size[0] - 1) / 2
    frame = _empty(size, np.array([[focal, 0, center_x], [0, focal, center_y], [0, 0, 1]]))
    areas: list[int] = []
    people: list[SynthPerson] = []
    for group in groups:
        crop, corner = _placement(group, rng, size, params)
        if crop is None:
            continue
        gain = focal / (group.intrinsics[0, 0] * crop.matrix[0, 0])
        areas += paste(frame, group, crop, corner, gain, len(people))
        people += list(group.people)
    out = GBuffer(
        frame.person, frame.material, frame.part, frame.depth, frame.normal, frame.rest, frame.intrinsics, tuple(people)
    )
    return out, np.array(areas, np.int64)


def _empty(size: tuple[int, int], intrinsics: Array) -> GBuffer:
    person, material, part = (np.zeros(size, np.uint8) for _ in range(3))
    vectors = [np.full((*size, 3), np.nan, np.float32) for _ in range(2)]
    return GBuffer(person, material, part, np.full(size, np.nan, np.float32), vectors[0], vectors[1], intrinsics, ())


def _placement(
    group: GBuffer, rng: np.random.Generator, size: tuple[int, int], params: FrameParams
) -> tuple[Crop | None, tuple[int, int]]:
    """The crop of `group` that the new frame shows, and its top left corner there; None where it would show nothing."""
    rows, columns = np.nonzero(group.person)
    if not len(rows):
        return None, (0, 0)
    height, width = group.size
    flipped = bool(rng.random() < params.flip)
    x0, x1 = int(columns.min()), int(columns.max())
    x0, x1 = (width - 1 - x1, width - 1 - x0) if flipped else (x0, x1)
    box = np.array([x0, int(rows.min()), x1, int(rows.max())])
    extent = max(np.ptp(group.people[0].box[::2]), np.ptp(group.people[0].box[1::2]), 8.0)
    wanted = max(size) * np.exp(rng.uniform(*np.log(params.longer)))
    scale = min(float(wanted / extent), params.enlarge)
    for axis, length in ((0, width), (1, height)):
        if box[axis] == 0 and box[axis + 2] == length - 1:  # a close-up, cut on both sides: it must fill the new frame too
            scale = max(scale, size[1 - axis] / length)
    if scale > params.enlarge:
        return None, (0, 0)
    left = _offset(box[0] == 0, box[2] == width - 1, box[::2] * scale, width * scale, size[1], rng)
    top = _offset(box[1] == 0, box[3] == height - 1, box[1::2] * scale, height * scale, size[0], rng)
    low = np.floor([max(left + box[0] * scale, 0), max(top + box[1] * scale, 0)]).astype(int)
    high = np.ceil([min(left + (box[2] + 1) * scale, size[1]), min(top + (box[3] + 1) * scale, size[0])]).astype(int)
    if (high - low).min() < 2:
        return None, (0, 0)
    return window_crop(group, scale, np.array([left, top]), low, high, flipped), (int(low[0]), int(low[1]))


def window_crop(group: GBuffer, scale: float, corner: Array, low: Array, high: Array, flipped: bool) -> Crop:
    """What the new frame's window from `low` to `high` shows of a group whose frame begins at `corner`."""
    window = (int(high[1] - low[1]), int(high[0] - low[0]))
    shift_x, shift_y = (corner - low + 0.5 * scale - 0.5).tolist()
    if flipped:
        shift_x = window[1] - 1 - shift_x - scale * (group.size[1] - 1)
    return Crop(np.array([[scale, 0, shift_x], [0, scale, shift_y]]), window, group.size, flipped)


def add_things(frame: GBuffer, people: int, rng: np.random.Generator, params: FrameParams) -> int:
    """Set things into `frame`, in place, numbered beyond its people; returns how many."""
    if len(params.things) == 1:
        return 0
    count = int(rng.choice(len(params.things), p=np.array(params.things)))
    for number in range(count):
        other = thing(rng, params.thing_px)
        scale, corner, nearer = _stand(other.people[0].box, frame.size, rng, params)
        extent = scale * np.array(other.size[::-1])
        low = np.floor(np.maximum(corner, 0)).astype(int)
        high = np.ceil(np.minimum(corner + extent, frame.size[::-1])).astype(int)
        if (high - low).min() >= 2:
            depth = float(np.nanmedian(frame.depth)) if (frame.person > 0).any() else 4.0
            crop = window_crop(other, scale, corner, low, high, flipped=False)
            paste(frame, other, crop, (low[0], low[1]), nearer * depth / float(np.nanmedian(other.depth)), people + number)
    return count


def _stand(box: Array, size: tuple[int, int], rng: np.random.Generator, params: FrameParams) -> tuple[float, Array, float]:
    """Scale of a thing seen in `box` of its own frame, where that frame's corner (x, y) lies in the new one, and its distance
    as a share of people's."""
    middle, extent = (box[:2] + box[2:]) / 2, max(float((box[2:] - box[:2]).max()), 8.0)
    place = np.array(size[::-1]) * rng.uniform(0, 1, 2)
    if rng.random() < params.low:
        scale = max(size) * float(rng.uniform(0.6, 2)) / extent
        place[1], middle[1] = size[0] * rng.uniform(0.45, 0.9), box[1]
        return scale, place - scale * middle, 0.3
    scale = max(size) * float(np.exp(rng.uniform(*np.log(params.longer)))) / extent
    return scale, place - scale * middle, float(rng.uniform(0.5, 1.5))


def _offset(cut_low: bool, cut_high: bool, span: Array, extent: float, limit: int, rng: np.random.Generator) -> float:
    """Where a group's frame begins along one axis. span: of the people in it, px; extent: of it; limit: of the new frame.

    A side at which people are cut comes to the new border or beyond; elsewhere up to a third of them may lie outside.
    Where both sides are cut the group's frame is not smaller than the new one.
    """
    slack = 0.33 * float(span[1] - span[0]) * float(rng.random() < 0.3)
    lowest = limit - extent if cut_high else -float(span[0]) - slack
    highest = 0.0 if cut_low else limit - float(span[1]) + slack
    if cut_high:
        highest = max(lowest, min(limit - 0.5 * (float(span[0]) + extent), lowest + 0.25 * extent))
    if cut_low:
        lowest = min(highest, max(-0.5 * float(span[1]), -0.25 * extent))
    return float(rng.uniform(min(lowest, highest), max(lowest, highest)))


def paste(frame: GBuffer, group: GBuffer, crop: Crop, corner: tuple[int, int], gain: float, before: int) -> list[int]:
    """Set a group into `frame`, in place; returns how many pixels each of its people has there, hidden ones included.

    Its furniture fills the holes that it cut into people, and hides nobody of another group.
    """
    layers = gather(group, crop)
    window = np.s_[corner[1] : corner[1] + crop.size[0], corner[0] : corner[0] + crop.size[1]]
    frame.material[window][layers.furniture & (frame.person[window] == 0)] = MATERIAL["furniture"]
    rows, columns = layers.at // crop.size[1] + corner[1], layers.at % crop.size[1] + corner[0]
    depth, who = layers.depth * np.float32(gain), group.person.ravel()[layers.source]
    there = frame.depth[rows, columns]
    won = ~(there <= depth)  # NaN: nobody there
    place = (rows[won], columns[won])
    frame.person[place] = who[won] + before
    frame.material[place] = group.material.ravel()[layers.source[won]]
    part = group.part.ravel()[layers.source[won]]
    frame.part[place] = PART_FLIP[part] if crop.flipped else part
    frame.depth[place] = depth[won]
    frame.normal[place] = layers.normal[won]
    frame.rest[place] = layers.rest[won]
    counts: list[int] = np.bincount(who, minlength=len(group.people) + 1)[1:].tolist()
    return counts


def _occlude(image: Array, rng: np.random.Generator, photos: Backgrounds) -> Array:
    """Paint one to three things over the picture, in place; returns where, (H, W) bool."""
    hidden = np.zeros(image.shape[:2], bool)
    for _ in range(int(rng.integers(1, 4))):
        middle = rng.uniform(0, 1, 2) * image.shape[1::-1]
        reach = max(image.shape[:2]) * rng.uniform(0.03, 0.18)
        hidden |= shapes.paint(image, rng, photos, middle, reach) > 127
    return hidden


def visible_boxes(person: Array, whole: Array, params: FrameParams = DEFAULT) -> Array:
    """(N, 4) float32 xyxy outlines, around whole pixels, of all of whom enough is seen; person (H, W) from 1; whole (P,)
    pixels, hidden ones too."""
    boxes = []
    for number, area in enumerate(whole.tolist(), 1):
        rows, columns = np.nonzero(person == number)
        if len(rows) >= max(params.pixels, params.hidden * area):
            boxes.append([columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5])
    return np.array(boxes, np.float32).reshape(-1, 4)

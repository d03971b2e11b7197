"""One frame of the overlay: each task's picture, people in boxes of their own colour with their number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
from PIL import Image, ImageDraw

from vitruvian.predict.legend import font
from vitruvian.predict.result import ImageResult, PersonResult
from vitruvian.tasks import TASKS
from vitruvian.tasks.depth import depth_colors
from vitruvian.types import Array, Classes, Crop, Keypoints, Normals, Prediction, Value

LONGEST = 1920  # px of either side of the overlay: a frame larger than that is reduced
GAP = 4  # px between panels
INK, PLATE, DARK = (255, 255, 255), (24, 24, 28), (16, 16, 18)
TITLES = {"pose": "pose", "seg": "body parts", "depth": "depth", "normal": "surface normals"}
COLORS = (  # of tracks 1, 2, 3, …: apart from each other, readable on dark and on bright
    (255, 196, 40), (64, 196, 255), (124, 220, 96), (255, 112, 160), (176, 136, 255),
    (255, 144, 64), (72, 220, 200), (232, 228, 84), (240, 104, 96), (156, 196, 232),
)  # fmt: skip
DIMMED = frozenset({"depth", "normal"})  # over a dark grey frame, so that their colours are all that is seen
Range: TypeAlias = tuple[float, float]
Color: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Layout:
    """Where the panels go. panel (H, W) of each; source (H, W) of the clip."""

    tasks: tuple[str, ...]
    source: tuple[int, int]
    panel: tuple[int, int]
    columns: int

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the overlay, even as video wants it."""
        rows = math.ceil(len(self.tasks) / self.columns)
        height, width = rows * (self.panel[0] + GAP) - GAP, self.columns * (self.panel[1] + GAP) - GAP
        return height + height % 2, width + width % 2

    def spots(self) -> Iterator[tuple[str, int, int]]:
        """Task, and the row and column of its panel's upper left pixel."""
        for i, task in enumerate(self.tasks):
            row, column = divmod(i, self.columns)
            yield task, row * (self.panel[0] + GAP), column * (self.panel[1] + GAP)


def plan(tasks: Sequence[str], source: tuple[int, int]) -> Layout:
    """The grid whose panels are largest within 1920 x 1920 px; never larger than the clip."""
    grids = [(columns, math.ceil(len(tasks) / columns)) for columns in range(1, len(tasks) + 1)]
    scales = [
        min(1.0, (LONGEST - GAP * (c - 1)) / (c * source[1]), (LONGEST - GAP * (r - 1)) / (r * source[0])) for c, r in grids
    ]
    best = int(np.argmax(scales))
    panel = max(int(source[0] * scales[best]), 1), max(int(source[1] * scales[best]), 1)
    return Layout(tuple(tasks), source, panel, grids[best][0])


def draw(result: ImageResult, layout: Layout, depth_range: Range) -> Array:
    """(H, W, 3) uint8 RGB of the layout's size. depth_range: raw depths of the brightest and the darkest colour."""
    panel = layout.panel
    photo = cv2.resize(result.image, panel[::-1], interpolation=cv2.INTER_AREA) if panel != result.size else result.image
    out = np.full((*layout.size, 3), DARK, np.uint8)
    for task, top, left in layout.spots():
        picture = _panel(task, photo, result, depth_range)
        if (top, left) == (0, 0):
            _mark(picture, result)
        if len(layout.tasks) > 1:
            _plate(picture, (8, 8), TITLES.get(task, task), PLATE, INK)
        out[top : top + panel[0], left : left + panel[1]] = picture
    return out


def _panel(task: str, photo: Array, result: ImageResult, depth_range: Range) -> Array:
    """A new picture."""
    ground = _dimmed(photo) if task in DIMMED else photo.copy()
    size = (photo.shape[0], photo.shape[1])
    if task == "depth":
        return _with_depth(ground, result, depth_range)
    value: Value | None = {"seg": result.frame.parts, "normal": result.frame.normals}.get(task)
    if value is None:
        return TASKS[task].draw(ground, [_moved(found.predictions[task], result.size, size) for found in _with(task, result)])
    said = result.whole.get(task) or _with(task, result)[0].predictions[task]
    return TASKS[task].draw(ground, [replace(said, crop=Crop(np.eye(2, 3), size, size), value=_shrunk(value, size))])


def _with(task: str, result: ImageResult) -> list[PersonResult]:
    return [found for found in result.people if task in found.predictions]


def _with_depth(ground: Array, result: ImageResult, depth_range: Range) -> Array:
    """Colours that mean the same depth in every frame."""
    raw = raw_depth(result)
    if raw is not None:
        raw = _nearest(raw, (ground.shape[0], ground.shape[1]))
        known = np.isfinite(raw)
        ground[known] = depth_colors(raw, depth_range)[known]
    return ground


def raw_depth(result: ImageResult) -> Array | None:
    """(H, W) depth as the model gave it, NaN where nobody is: the frame's is stretched to 0..1 for each person anew."""
    frame = result.frame
    if frame.depth is None or frame.depth.kind != "relative":
        return None if frame.depth is None else frame.depth.z
    out = np.full(result.size, np.nan, np.float32)
    for number, ends in enumerate(frame.ranges, 1):
        mine = np.ones(result.size, bool) if frame.whole_depth else frame.owner == number
        if ends is not None:
            out[mine] = frame.depth.z[mine] * (ends[1] - ends[0]) + ends[0]
    return out


def _dimmed(photo: Array) -> Array:
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY) * 0.22 + 14
    return np.repeat(grey.astype(np.uint8)[..., None], 3, 2)


def _shrunk(value: Value, panel: tuple[int, int]) -> Value:
    if isinstance(value, Classes):
        return replace(value, ids=_nearest(value.ids, panel), score=np.ones(panel, np.float32))
    return replace(value, n=_nearest(value.n, panel)) if isinstance(value, Normals) else value


def _nearest(values: Array, panel: tuple[int, int]) -> Array:
    out: Array = cv2.resize(values, panel[::-1], interpolation=cv2.INTER_NEAREST)
    return out


def _moved(prediction: Prediction, source: tuple[int, int], panel: tuple[int, int]) -> Prediction:
    """Points and box as if the panel were the frame: a point counts centres of pixels, a box their edges."""
    scale = np.array([panel[1] / source[1], panel[0] / source[0]])
    value = prediction.value
    if isinstance(value, Keypoints):
        value = replace(value, xy=(value.xy + 0.5) * scale - 0.5)
    box = prediction.person.box * np.tile(scale, 2)
    return replace(prediction, person=replace(prediction.person, box=box.astype(np.float32)), value=value)


def _mark(picture: Array, result: ImageResult) -> None:
    """Boxes and numbers of the people, in the colours of their tracks; those nearest to us last."""
    scale = np.tile([picture.shape[1] / result.size[1], picture.shape[0] / result.size[0]], 2)
    stroke = max(round(min(picture.shape[:2]) / 270), 1)
    high = np.tile([picture.shape[1], picture.shape[0]], 2) - 1 - stroke
    for found in sorted(result.people, key=lambda found: float(found.person.box[3])):
        color = COLORS[((found.person.track or 1) - 1) % len(COLORS)]
        x0, y0, x1, y1 = np.clip(np.round(found.person.box * scale - 0.5), stroke, high).astype(int).tolist()
        cv2.rectangle(picture, (x0, y0), (x1, y1), PLATE, stroke + 2)
        cv2.rectangle(picture, (x0, y0), (x1, y1), color, stroke)
        if found.person.track is not None:
            _plate(picture, (x0 - stroke // 2, y0), str(found.person.track), color, PLATE, above=True)


def _plate(picture: Array, at: tuple[int, int], text: str, paper: Color, ink: Color, above: bool = False) -> None:
    """Words on a small plate whose corner is at (x, y), moved inside the picture; left out where there is no room at all."""
    letters = font(int(np.clip(min(picture.shape[:2]) / 36, 11, 26)))
    x0, y0, x1, y1 = letters.getbbox(text)
    pad = max(round((y1 - y0) / 3), 2)
    width, height = round(x1 - x0) + 2 * pad, round(y1 - y0) + 2 * pad
    if width > picture.shape[1] or height > picture.shape[0]:
        return
    x = min(max(at[0], 0), picture.shape[1] - width)
    y = min(max(at[1] - height if above else at[1], 0), picture.shape[0] - height)
    plate = Image.new("RGB", (width, height), paper)
    ImageDraw.Draw(plate).text((pad - x0, pad - y0), text, ink, letters)
    picture[y : y + height, x : x + width] = np.asarray(plate)

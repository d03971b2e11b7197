"""One frame of the overlay: each task's picture, people in boxes of their own colour with their number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np

from vitruvian.predict.marks import draw_marks, draw_plate, mark_of
from vitruvian.predict.overlay import DIMMED, TITLES, dimmed, moved, nearest
from vitruvian.predict.result import ImageResult, PersonResult
from vitruvian.tasks import TASKS
from vitruvian.tasks.depth import depth_colors
from vitruvian.types import Array, Classes, Crop, Normals, Value

LONGEST = 1920  # px of either side of the overlay: a frame larger than that is reduced
GAP = 4  # px between panels
INK, PLATE, DARK = (255, 255, 255), (24, 24, 28), (16, 16, 18)
LETTERS = 11, 26  # px, least and largest
Range: TypeAlias = tuple[float, float]


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
            draw_plate(picture, (8, 8), TITLES.get(task, task), PLATE, INK, LETTERS)
        out[top : top + panel[0], left : left + panel[1]] = picture
    return out


def _panel(task: str, photo: Array, result: ImageResult, depth_range: Range) -> Array:
    """A new picture."""
    ground = dimmed(photo) if task in DIMMED else photo.copy()
    size = (photo.shape[0], photo.shape[1])
    if task == "depth":
        return _with_depth(ground, result, depth_range)
    value: Value | None = {"seg": result.frame.parts, "normal": result.frame.normals}.get(task)
    if value is None:
        return TASKS[task].draw(ground, [moved(found.predictions[task], result.size, size) for found in _with(task, result)])
    said = result.whole.get(task) or _with(task, result)[0].predictions[task]
    return TASKS[task].draw(ground, [replace(said, crop=Crop(np.eye(2, 3), size, size), value=_shrunk(value, size))])


def _with(task: str, result: ImageResult) -> list[PersonResult]:
    return [found for found in result.people if task in found.predictions]


def _with_depth(ground: Array, result: ImageResult, depth_range: Range) -> Array:
    """Colours that mean the same depth in every frame."""
    raw = raw_depth(result)
    if raw is not None:
        raw = nearest(raw, (ground.shape[0], ground.shape[1]))
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


def _shrunk(value: Value, panel: tuple[int, int]) -> Value:
    if isinstance(value, Classes):
        return replace(value, ids=nearest(value.ids, panel), score=np.ones(panel, np.float32))
    return replace(value, n=nearest(value.n, panel)) if isinstance(value, Normals) else value


def _mark(picture: Array, result: ImageResult) -> None:
    """Boxes and numbers of the people, in the colours of their tracks."""
    scale = np.tile([picture.shape[1] / result.size[1], picture.shape[0] / result.size[0]], 2)
    boxes = [found.person.box * scale - 0.5 for found in result.people]
    marks = [mark_of(found, i, box) for i, (found, box) in enumerate(zip(result.people, boxes, strict=True), 1)]
    stroke = max(round(min(picture.shape[:2]) / 270), 1)
    draw_marks(picture, [replace(mark, words=str(mark.number)) for mark in marks], stroke, LETTERS)

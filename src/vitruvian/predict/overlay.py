"""One sheet that shows a result: the photo, every task's picture side by side, and a key to the colours."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vitruvian.predict.result import ImageResult
from vitruvian.tasks import TASKS
from vitruvian.tasks.depth import depth_colors
from vitruvian.types import Array, Classes, Crop, Depth, Keypoints, Normals, Person, Prediction, Value
from vitruvian.vocab import class_set

LONG, SHORTEST = 640, 200  # px of a panel's longer side; a very long photo's shorter side is stretched to no less
FINE = 2  # panels are drawn this many times larger and reduced: smooth edges
GAP, STRIP = 14, 26  # px between panels, and of the line of text over each
SHAPE = 1.7  # width over height that a sheet comes near to
PAPER, INK, FAINT = (250, 250, 248), (38, 38, 42), (120, 120, 124)
TITLES = {"pose": "pose", "seg": "body parts", "depth": "depth, each person near to far", "normal": "surface normals"}
DARK = frozenset({"depth", "normal"})  # drawn over a dimmed grey photo, so that their colours are all that is seen
BOX = (255, 255, 255)


def sheet(result: ImageResult) -> Array:
    """(H, W, 3) uint8 RGB: photo with boxes | one panel a task | key. The photo's own shape decides the grid."""
    size = _panel_size(result.size)
    fine = (size[0] * FINE, size[1] * FINE)
    photo = cv2.resize(result.image, fine[::-1], interpolation=cv2.INTER_AREA if fine[0] < result.size[0] else cv2.INTER_CUBIC)
    panels = [(_count(result), _with_boxes(photo, result))]
    panels += [(TITLES.get(task, task), _task_panel(task, photo, result)) for task in result.tasks]
    small = [(title, cv2.resize(panel, size[::-1], interpolation=cv2.INTER_AREA)) for title, panel in panels]
    return _grid([*small, ("", _key(result, size))], size)


def _panel_size(source: tuple[int, int]) -> tuple[int, int]:
    scale = LONG / max(source)
    return max(round(source[0] * scale), SHORTEST), max(round(source[1] * scale), SHORTEST)


def _count(result: ImageResult) -> str:
    count = len(result.people)
    return "nobody found" if not count else "1 person" if count == 1 else f"{count} people"


def _with_boxes(photo: Array, result: ImageResult) -> Array:
    out = photo.copy()
    for found in result.people:
        x0, y0, x1, y1 = (
            round(float(v)) for v in _to_panel(found.person.box.reshape(2, 2), result.size, photo.shape[:2]).reshape(-1)
        )
        for color, width in (((0, 0, 0), 4 * FINE), (BOX, 2 * FINE)):
            cv2.rectangle(out, (x0, y0), (x1, y1), color, width, cv2.LINE_AA)
    blended: Array = cv2.addWeighted(out, 0.8, photo, 0.2, 0)
    return blended


def _task_panel(task: str, photo: Array, result: ImageResult) -> Array:
    ground = _dimmed(photo) if task in DARK else photo
    return TASKS[task].draw(ground, _on_panel(task, result, (photo.shape[0], photo.shape[1])))


def _dimmed(photo: Array) -> Array:
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY) * 0.22 + 14
    return np.repeat(grey.astype(np.uint8)[..., None], 3, 2)


def _on_panel(task: str, result: ImageResult, panel: tuple[int, int]) -> list[Prediction]:
    """The predictions as if the panel were the photo: points per person, maps of the composed frame."""
    whole = _resized({"seg": result.frame.parts, "depth": result.frame.depth, "normal": result.frame.normals}.get(task), panel)
    own = [found.predictions[task] for found in result.people]
    if whole is not None:
        return [replace(own[0], crop=Crop(np.eye(2, 3), panel, panel), value=whole)]
    return [_moved(prediction, result.size, panel) for prediction in own]


def _resized(value: Value | None, panel: tuple[int, int]) -> Value | None:
    """A map at the panel's size; nearest pixels, since NaN would eat the borders of people otherwise."""

    def nearest(values: Array) -> Array:
        out: Array = cv2.resize(values, panel[::-1], interpolation=cv2.INTER_NEAREST)
        return out

    if isinstance(value, Classes):
        return replace(value, ids=nearest(value.ids), score=nearest(value.score))
    if isinstance(value, Depth):
        return replace(value, z=nearest(value.z))
    return replace(value, n=nearest(value.n)) if isinstance(value, Normals) else None


def _moved(prediction: Prediction, source: tuple[int, int], panel: tuple[int, int]) -> Prediction:
    box = _to_panel(np.asarray(prediction.person.box).reshape(2, 2), source, panel).reshape(4)
    person = Person(box.astype(np.float32), prediction.person.score, prediction.person.track, prediction.person.origin)
    value = prediction.value
    if isinstance(value, Keypoints):
        value = replace(value, xy=_to_panel(value.xy, source, panel))
    return replace(prediction, person=person, value=value)


def _to_panel(points: Array, source: tuple[int, int], panel: tuple[int, ...]) -> Array:
    scale = np.array([panel[1] / source[1], panel[0] / source[0]])
    out: Array = (points + 0.5) * scale - 0.5
    return out


def _grid(panels: list[tuple[str, Array]], size: tuple[int, int]) -> Array:
    height, width = size
    columns = min(range(1, len(panels) + 1), key=lambda n: _badness(n, len(panels), size))
    rows = math.ceil(len(panels) / columns)
    canvas = Image.new("RGB", (GAP + columns * (width + GAP), GAP + rows * (height + STRIP + GAP)), PAPER)
    draw = ImageDraw.Draw(canvas)
    for i, (title, panel) in enumerate(panels):
        x, y = GAP + i % columns * (width + GAP), GAP + i // columns * (height + STRIP + GAP)
        draw.text((x + 1, y + STRIP // 2 - 2), title, INK, _font(16), anchor="lm")
        canvas.paste(Image.fromarray(panel), (x, y + STRIP))
    return np.asarray(canvas)


def _badness(columns: int, count: int, size: tuple[int, int]) -> float:
    rows = math.ceil(count / columns)
    empty = rows * columns - count
    return abs(math.log(columns * size[1] / (rows * size[0]) / SHAPE)) + 0.5 * empty


def _key(result: ImageResult, size: tuple[int, int]) -> Array:
    """The colours that occur, and who made the picture."""
    height, width = size
    cell = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(cell)
    y = 4
    if result.frame.depth is not None and "depth" in result.tasks:
        y = _depth_bar(cell, draw, width, y)
    if result.frame.parts is not None and "seg" in result.tasks:
        _part_names(draw, result, (y, height - 62), width)
    made = result.made_by
    lines = (f"{made.model}  {made.weights[:8]}", f"boxes: {made.detector}", f"{made.device} {made.dtype}")
    for i, line in enumerate(lines):
        draw.text((0, height - 54 + 18 * i), line, FAINT, _font(13))
    return np.asarray(cell)


def _depth_bar(cell: Image.Image, draw: ImageDraw.ImageDraw, width: int, y: int) -> int:
    bar = depth_colors(np.repeat(np.linspace(0, 1, max(width // 2, 2))[None], 12, 0))
    cell.paste(Image.fromarray(bar), (0, y))
    draw.text((width // 2 + 10, y + 5), "near to far", INK, _font(13), anchor="lm")
    return y + 28


def _part_names(draw: ImageDraw.ImageDraw, result: ImageResult, rows: tuple[int, int], width: int) -> None:
    """Chips of the parts that are seen, largest first, in as many columns as there is room for."""
    if result.frame.parts is None:
        return
    names = class_set(result.frame.parts.class_set)
    ids, counts = np.unique(result.frame.parts.ids, return_counts=True)
    seen = [int(i) for _, i in sorted(zip(-counts, ids, strict=True)) if i > 0]
    per_column, step = max((rows[1] - rows[0]) // 21, 1), 158
    for k, i in enumerate(seen[: per_column * max(width // step, 1)]):
        x, y = k // per_column * step, rows[0] + k % per_column * 21
        draw.rounded_rectangle((x, y, x + 14, y + 14), 3, names.colors[i])
        draw.text((x + 21, y + 7), names.names[i].replace("_", " ").lower(), INK, _font(13), anchor="lm")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)

"""One sheet that shows a result: the photo, every task's picture side by side, and a key to the colours.

What panels of photos and of clips share is here too: titles, the dark ground, values brought to a panel's size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image, ImageDraw

from vitruvian.predict.legend import INK, PAPER, REST, ROW, Group, credit_of, fitted, font, key_of, laid_out
from vitruvian.predict.marks import draw_marks, mark_of
from vitruvian.predict.result import ImageResult
from vitruvian.tasks import TASKS
from vitruvian.types import Array, Classes, Crop, Depth, Keypoints, Normals, Prediction, Value

AREA, LONGEST = 640 * 480, 1280  # px of a panel: about so many in all, and no more along its longer side
NARROWEST = 150  # px: room for a title over the panel of a very narrow photo
FINE = 2  # panels are drawn this many times larger and reduced: smooth edges
GAP, STRIP, TITLE = 16, 32, 18  # px between panels, of the line over each, and of its letters
SHAPE, EMPTY = 1.7, 0.5  # width over height that a sheet comes near to; what an empty place costs against it
TITLES = {"pose": "pose", "seg": "body parts", "depth": "depth", "normal": "surface normals"}
DIMMED = frozenset({"depth", "normal"})  # drawn over a dimmed grey photo, so that their colours are all that is seen
STROKE, LETTERS = 2, (14, 18)  # px of a person's box in a panel: its line, and the least and largest letters of its number


@dataclass(frozen=True)
class _Plan:
    """Where things go. inside: the key stands in the place after the last panel, otherwise below all."""

    columns: int
    rows: int
    key: Image.Image | None
    inside: bool
    badness: float


def sheet(result: ImageResult) -> Array:
    """(H, W, 3) uint8 RGB: photo with boxes | one panel a task | key. The photo's own shape decides the grid.

    Where nobody is, and no model saw the whole frame, there is nothing to draw: the photo alone says so.
    """
    size = _panel_size(result.size)
    fine = (size[0] * FINE, size[1] * FINE)
    photo = cv2.resize(result.image, fine[::-1], interpolation=cv2.INTER_AREA if fine[0] < result.size[0] else cv2.INTER_CUBIC)
    panels = [(_count(result), _with_boxes(photo, result))]
    if result.people or result.whole:
        panels += [(TITLES.get(task, task), _task_panel(task, photo, result)) for task in result.tasks]
    small = [(title, cv2.resize(panel, size[::-1], interpolation=cv2.INTER_AREA)) for title, panel in panels]
    return _composed(small, result)


def _panel_size(source: tuple[int, int]) -> tuple[int, int]:
    scale = min(math.sqrt(AREA / (source[0] * source[1])), LONGEST / max(source))
    return max(round(source[0] * scale), 1), max(round(source[1] * scale), 1)


def _count(result: ImageResult) -> str:
    count = len(result.people)
    if not count:
        return "photo" if result.whole else "nobody found"
    return "1 person" if count == 1 else f"{count} people"


def _with_boxes(photo: Array, result: ImageResult) -> Array:
    """The people's numbers are those of the list of people, and of the owner map."""
    out = photo.copy()
    panel = (photo.shape[0], photo.shape[1])
    boxes = [_edges_to_panel(found.person.box, result.size, panel) for found in result.people]
    marks = [mark_of(found, i, box) for i, (found, box) in enumerate(zip(result.people, boxes, strict=True), 1)]
    draw_marks(out, marks, STROKE * FINE, (LETTERS[0] * FINE, LETTERS[1] * FINE))
    return out


def _task_panel(task: str, photo: Array, result: ImageResult) -> Array:
    ground = dimmed(photo) if task in DIMMED else photo
    return TASKS[task].draw(ground, _on_panel(task, result, (photo.shape[0], photo.shape[1])))


def dimmed(photo: Array) -> Array:
    """The photo (H, W, 3), dark and without colours."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY) * 0.22 + 14
    return np.repeat(grey.astype(np.uint8)[..., None], 3, 2)


def _on_panel(task: str, result: ImageResult, panel: tuple[int, int]) -> list[Prediction]:
    """The predictions as if the panel were the photo: points per person, maps of the composed frame."""
    whole = _resized({"seg": result.frame.parts, "depth": result.frame.depth, "normal": result.frame.normals}.get(task), panel)
    said = [of[task] for of in (*(found.predictions for found in result.people), result.whole) if task in of]
    if said and whole is not None:
        return [replace(said[0], crop=Crop(np.eye(2, 3), panel, panel), value=whole)]
    return [moved(prediction, result.size, panel) for prediction in said]


def _resized(value: Value | None, panel: tuple[int, int]) -> Value | None:
    if isinstance(value, Classes):
        return replace(value, ids=_ids_resized(value.ids, panel), score=np.ones(panel, np.float32))
    if isinstance(value, Depth):
        return replace(value, z=_known_resized(value.z, panel))
    return replace(value, n=_known_resized(value.n, panel)) if isinstance(value, Normals) else None


def _ids_resized(ids: Array, panel: tuple[int, int]) -> Array:
    """Every pixel to the class of which most is near: an enlarged outline is smooth."""
    if panel[0] <= ids.shape[0]:
        return nearest(ids, panel)
    most, out = np.zeros(panel, np.float32), np.zeros(panel, ids.dtype)
    for i in np.unique(ids):
        share = cv2.resize((ids == i).astype(np.float32), panel[::-1], interpolation=cv2.INTER_LINEAR)
        better = share > most
        most[better], out[better] = share[better], i
    return out


def _known_resized(values: Array, panel: tuple[int, int]) -> Array:
    """A map (H, W[, C]) at the panel's size; the NaN around people do not eat their borders."""
    if panel[0] <= values.shape[0]:
        return nearest(values, panel)
    known = np.isfinite(values).reshape(*values.shape[:2], -1).all(-1)
    more = (1,) * (values.ndim - 2)
    filled = np.where(known.reshape(*known.shape, *more), values, 0).astype(np.float32)
    weight = cv2.resize(known.astype(np.float32), panel[::-1], interpolation=cv2.INTER_LINEAR)
    out: Array = cv2.resize(filled, panel[::-1], interpolation=cv2.INTER_LINEAR)
    out /= np.maximum(weight, 0.5).reshape(*panel, *more)
    out[weight < 0.5] = np.nan
    return out


def nearest(values: Array, panel: tuple[int, int]) -> Array:
    """A map (H, W[, C]) at the panel's size (H, W), every pixel as the one that is nearest."""
    out: Array = cv2.resize(values, panel[::-1], interpolation=cv2.INTER_NEAREST)
    return out


def moved(prediction: Prediction, source: tuple[int, int], panel: tuple[int, int]) -> Prediction:
    """Points and box as if the panel (H, W) were the photo: a point counts centres of pixels, a box their edges."""
    value = prediction.value
    if isinstance(value, Keypoints):
        value = replace(value, xy=_to_panel(value.xy, source, panel))
    box = prediction.person.box * np.tile([panel[1] / source[1], panel[0] / source[0]], 2)
    return replace(prediction, person=replace(prediction.person, box=box.astype(np.float32)), value=value)


def _to_panel(points: Array, source: tuple[int, int], panel: tuple[int, int]) -> Array:
    """(..., 2) points: integer coordinates are pixel centres, here and there."""
    scale = np.array([panel[1] / source[1], panel[0] / source[0]])
    out: Array = (points + 0.5) * scale - 0.5
    return out


def _edges_to_panel(box: Array, source: tuple[int, int], panel: tuple[int, int]) -> Array:
    """(4,) xyxy of a box, counted in edges of pixels, to points of the panel: 0 is its border, half a pixel before a centre."""
    return _to_panel(np.asarray(box, np.float64).reshape(2, 2) - 0.5, source, panel).reshape(4)


def _composed(panels: Sequence[tuple[str, Array]], result: ImageResult) -> Array:
    height, width = panels[0][1].shape[0], max(panels[0][1].shape[1], NARROWEST)
    plan = min(_plans(len(panels), (height, width), key_of(result)), key=lambda p: p.badness)
    inner = _inner(plan.columns, width)
    feet = [laid_out(credit_of(result, inner), inner)]
    if plan.key is not None and not plan.inside:
        feet.insert(0, plan.key)
    below = GAP + plan.rows * (STRIP + height + GAP)
    canvas = Image.new("RGB", (inner + 2 * GAP, below + sum(foot.height + REST for foot in feet)), PAPER)
    for i, (title, panel) in enumerate(panels):
        x, y = _spot(plan, i, (height, width))
        ImageDraw.Draw(canvas).text((x, y - STRIP // 2 - 3), fitted(title, width, TITLE), INK, font(TITLE), anchor="lm")
        canvas.paste(Image.fromarray(panel), (x, y))
    if plan.key is not None and plan.inside:
        canvas.paste(plan.key, _spot(plan, len(panels), (height, width)))
    for foot in feet:
        canvas.paste(foot, (GAP, below))
        below += foot.height + REST
    return np.asarray(canvas)


def _inner(columns: int, width: int) -> int:
    return columns * (width + GAP) - GAP


def _spot(plan: _Plan, i: int, cell: tuple[int, int]) -> tuple[int, int]:
    """The upper left corner of the i-th panel."""
    row, column = divmod(i, plan.columns)
    return GAP + column * (cell[1] + GAP), GAP + STRIP + row * (STRIP + cell[0] + GAP)


def _plans(count: int, cell: tuple[int, int], key: Sequence[Group]) -> Iterator[_Plan]:
    """All grids of so many panels, the key below or in a free place if there is one that it fits in."""
    for columns in range(1, count + 1):
        rows = math.ceil(count / columns)
        empty, inner = rows * columns - count, _inner(columns, cell[1])
        height = rows * (cell[0] + STRIP + GAP) + ROW
        below = laid_out(key, inner) if key else None
        yield _Plan(columns, rows, below, False, _badness(inner, height + (below.height if below else 0), empty))
        if empty and key and (inside := _in_place(key, cell)):
            yield _Plan(columns, rows, inside, True, _badness(inner, height, empty - inside.height / cell[0]))


def _in_place(key: Sequence[Group], cell: tuple[int, int]) -> Image.Image | None:
    """The key in as few columns as the height of a place allows; None if it does not fit at all."""
    images = (laid_out(key, cell[1], most) for most in range(1, 9))
    return next((image for image in images if image.height <= cell[0]), None)


def _badness(width: int, height: int, empty: float) -> float:
    return abs(math.log(width / height / SHAPE)) + EMPTY * empty

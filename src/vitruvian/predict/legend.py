"""The key to a sheet's colours: symbols with words, in columns of whatever width there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vitruvian.predict.result import ImageResult
from vitruvian.tasks.depth import depth_colors
from vitruvian.tasks.normal import normal_colors
from vitruvian.types import CAMERA_AXES, Array
from vitruvian.vocab import Skeleton, class_set, skeleton

PAPER, INK, FAINT = (250, 250, 248), (38, 38, 42), (120, 120, 124)
TEXT, ROW, SPACE, REST = 15, 26, 26, 10  # px: size of the words, height of a row, room between columns and between groups
CHIP, BAR, BALL = 16, (12, 72), 22  # px of the symbols; the bar's as (H, W)
SMOOTH = 8  # the ball is drawn this many times larger and reduced
Color: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Entry:
    """A symbol (h, w, 3), if any, and its words."""

    text: str
    symbol: Array | None = None
    color: Color = INK

    @property
    def indent(self) -> int:
        """Px before the words."""
        return 0 if self.symbol is None else self.symbol.shape[1] + 8

    @property
    def width(self) -> int:
        """Px from the symbol to the end of the words."""
        return self.indent + round(font(TEXT).getlength(self.text)) + 1


Group: TypeAlias = Sequence[Entry]  # laid out together, in columns of one width


def key_of(result: ImageResult) -> list[Group]:
    """What the colours of the panels mean; nothing where there are none."""
    groups = ([*_sides(result), *_depth(result), *_facing(result)], list(_parts(result)))
    return [group for group in groups if group]


def credit_of(result: ImageResult, width: int) -> list[Group]:
    """Who made the picture: one line, or several where there is little room."""
    made = result.made_by
    models = zip(made.model.split(" + "), made.weights.split(" + "), strict=False)
    words = (*(f"{name} {weights[:8]}" for name, weights in models), f"boxes: {made.detector}", f"{made.device} {made.dtype}")
    line = Entry("  ·  ".join(words), color=FAINT)
    return [[line]] if line.width <= width else [[Entry(word, color=FAINT) for word in words]]


def laid_out(groups: Sequence[Group], width: int, most: int = 99) -> Image.Image:
    """The groups one below the other, no wider than `width`, in at most so many columns; words too long are cut."""
    columns = [_columns(group, width, most) for group in groups]
    heights = [-(-len(group) // count) * ROW + REST for group, count in zip(groups, columns, strict=True)]
    out = Image.new("RGB", (width, sum(heights) - REST), PAPER)
    y = 0
    for group, count, height in zip(groups, columns, heights, strict=True):
        step = min(max(entry.width for entry in group) + SPACE, width)
        for k, entry in enumerate(group):
            _place(out, entry, (k % count * step, y + k // count * ROW), min(step, width))
        y += height
    return out


def fitted(text: str, width: int, size: int) -> str:
    """The text, its end replaced by an ellipsis where it is wider than `width`."""
    if font(size).getlength(text) <= width:
        return text
    while text and font(size).getlength(text.rstrip() + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface."""
    return ImageFont.load_default(size)


def _columns(group: Group, width: int, most: int) -> int:
    step = max(entry.width for entry in group) + SPACE
    return min(max((width + SPACE) // step, 1), most)


def _place(out: Image.Image, entry: Entry, at: tuple[int, int], width: int) -> None:
    x, middle = at[0], at[1] + ROW // 2
    if entry.symbol is not None:
        out.paste(Image.fromarray(entry.symbol), (x, middle - entry.symbol.shape[0] // 2))
    words = fitted(entry.text, width - entry.indent, TEXT)
    ImageDraw.Draw(out).text((x + entry.indent, middle), words, entry.color, font(TEXT), anchor="lm")


def _sides(result: ImageResult) -> Iterator[Entry]:
    poses = (found.keypoints for found in result.people)
    pose = next((pose for pose in poses if pose is not None), None)
    if pose is None or "pose" not in result.tasks:
        return
    names = skeleton(pose.skeleton)
    for side in ("left", "right"):
        if (color := _side_color(names, side)) is not None:
            yield Entry(f"{side} side of the body", _chip(color))


def _side_color(names: Skeleton, side: str) -> Color | None:
    """That of the arm's links or, in a skeleton that has none, of the side's first point; None where no point has a side."""
    points = [i for i, name in enumerate(names.names) if name.startswith(f"{side}_")]
    elbows = {i for i in points if names.names[i] == f"{side}_elbow"}
    linked = next((link.color for link in names.links if elbows & {link.start, link.end}), None)
    return linked or (names.colors[points[0]] if points else None)


def _depth(result: ImageResult) -> Iterator[Entry]:
    depth = result.frame.depth
    if depth is None or "depth" not in result.tasks or not np.isfinite(depth.z).any():
        return
    bar = depth_colors(np.repeat(np.linspace(0, 1, BAR[1])[None], BAR[0], 0))
    words = "near to far" if result.frame.whole_depth else "near to far, in each person"
    if depth.kind == "metric":
        near, far = np.nanmin(depth.z), np.nanmax(depth.z)
        words = f"{near:.2f} to {far:.2f} {depth.unit or ''}".rstrip()
    yield Entry(words, bar)


def _facing(result: ImageResult) -> Iterator[Entry]:
    if result.frame.normals is None or "normal" not in result.tasks:
        return
    if result.frame.normals.frame == CAMERA_AXES:
        yield Entry("facing, as on this ball", _ball())
    else:
        yield Entry("facing, in axes that are not published")


def _parts(result: ImageResult) -> Iterator[Entry]:
    """The parts that are seen, largest first."""
    parts = result.frame.parts
    if parts is None or "seg" not in result.tasks:
        return
    names = class_set(parts.class_set)
    ids, counts = np.unique(parts.ids, return_counts=True)
    for _, i in sorted(zip(-counts, ids.tolist(), strict=True)):
        if i > 0:
            yield Entry(names.names[i].replace("_", " ").lower(), _chip(names.colors[i]))


def _chip(color: Color) -> Array:
    fine = Image.new("RGB", (CHIP * 4, CHIP * 4), PAPER)
    ImageDraw.Draw(fine).rounded_rectangle((0, 0, CHIP * 4 - 1, CHIP * 4 - 1), 14, color)
    return np.asarray(fine.resize((CHIP, CHIP), Image.Resampling.BOX))


def _ball() -> Array:
    """A ball seen from the front, coloured by its normals."""
    x, y = np.meshgrid(*[np.linspace(-1, 1, BALL * SMOOTH)] * 2)
    inside = x**2 + y**2 <= 1
    z = -np.sqrt(np.where(inside, 1 - x**2 - y**2, 1))
    colors = np.where(inside[..., None], normal_colors(np.stack([x, y, z], -1)), PAPER).astype(np.uint8)
    out: Array = cv2.resize(colors, (BALL, BALL), interpolation=cv2.INTER_AREA)
    return out

"""Figures over views seen, as one picture: a row a claim, a panel a task; pale lines are seeds, the strong one their mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image, ImageDraw

from vitruvian.predict.legend import FAINT, INK, PAPER, font

Color: TypeAlias = tuple[int, int, int]
Line: TypeAlias = Sequence[tuple[float, float]]  # views, figure

GREY, BLUE, GREEN, ORANGE = (120, 120, 126), (32, 110, 180), (30, 140, 90), (208, 92, 24)
PANEL, GAP, HEAD, FOOT, EDGE, TITLE = (290, 200), 58, 58, 52, 16, 74  # px: (W, H) of a panel, room around, between, on top
DASH = 6  # px
FINE = 2  # drawn so many times larger, and reduced
PALE = 0.5  # of a colour in the line of a single seed
GRID = (226, 226, 222)
TICKS = 5  # at most


@dataclass(frozen=True)
class Curve:
    """What is drawn in one colour: a line a seed."""

    name: str
    color: Color
    lines: Sequence[Line]

    @property
    def mean(self) -> Line:
        """Of all seeds, where all of them have a value."""
        tables = [dict(line) for line in self.lines]
        shared = sorted(set.intersection(*map(set, tables))) if tables else []
        return [(x, sum(table[x] for table in tables) / len(tables)) for x in shared]


@dataclass(frozen=True)
class Level:
    """A single value to compare with, dashed over the whole panel."""

    name: str
    color: Color
    value: float


@dataclass(frozen=True)
class Panel:
    """One figure: what it is called, which way it counts, and its curves."""

    title: str
    way: str
    curves: Sequence[Curve]
    levels: Sequence[Level] = ()


@dataclass(frozen=True)
class _Frame:
    """Where the values of a panel lie in the picture: x from 0 to `last`, y between `ends`."""

    left: float
    top: float
    last: float
    ends: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        up = (y - self.ends[0]) / (self.ends[1] - self.ends[0])
        return (self.left + x / self.last * PANEL[0]) * FINE, (self.top + (1 - up) * PANEL[1]) * FINE


def picture(title: str, told: str, rows: Mapping[str, Sequence[Panel]]) -> Image.Image:
    """All rows below each other, each with its title and the key to its colours."""
    columns = max(map(len, rows.values()))
    size = (2 * EDGE + columns * (PANEL[0] + GAP), TITLE + len(rows) * (HEAD + PANEL[1] + FOOT) + EDGE)
    fine = Image.new("RGB", (size[0] * FINE, size[1] * FINE), PAPER)
    draw = ImageDraw.Draw(fine)
    _write(draw, (GAP, EDGE + 12), title, 20)
    _write(draw, (GAP, EDGE + 36), told, 13, FAINT)
    for r, (words, panels) in enumerate(rows.items()):
        top = TITLE + r * (HEAD + PANEL[1] + FOOT)
        _key(draw, words, panels[0], top + 18)
        for c, panel in enumerate(panels):
            _panel(draw, panel, GAP + c * (PANEL[0] + GAP), top + HEAD)
    return fine.resize(size, Image.Resampling.LANCZOS)


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], words: str, px: int, color: Color = INK, anchor: str = "lm"
) -> float:
    """Draw words at a place of the finished picture; how wide they are there."""
    draw.text((at[0] * FINE, at[1] * FINE), words, color, font(px * FINE), anchor=anchor)
    return font(px * FINE).getlength(words) / FINE


def _key(draw: ImageDraw.ImageDraw, title: str, panel: Panel, y: float) -> None:
    x = GAP + _write(draw, (GAP, y), title, 15) + 30
    entries: list[Curve | Level] = [*panel.curves, *panel.levels]
    for entry in entries:
        dash = DASH if isinstance(entry, Level) else None
        _straight(draw, (x * FINE, y * FINE), (x + 22) * FINE, entry.color, 3 * FINE, dash)
        x += 52 + _write(draw, (x + 28, y), entry.name, 13)


def _straight(
    draw: ImageDraw.ImageDraw, start: tuple[float, float], end: float, color: Color, width: int, dash: float | None
) -> None:
    """A level line from `start` to x = `end`, dashed or whole."""
    x, y = start
    step = 1.6 * dash * FINE if dash else end - x
    while x < end:
        draw.line((x, y, min(end, x + (dash * FINE if dash else step)), y), color, width)
        x += step


def _panel(draw: ImageDraw.ImageDraw, panel: Panel, left: float, top: float) -> None:
    _write(draw, (left, top - 13), panel.title, 13)
    _write(draw, (left + PANEL[0], top - 13), panel.way, 11, FAINT, "rm")
    points = [point for curve in panel.curves for line in curve.lines for point in line]
    if not points:
        draw.rectangle([v * FINE for v in (left, top, left + PANEL[0], top + PANEL[1])], outline=GRID, width=FINE)
        _write(draw, (left + PANEL[0] / 2, top + PANEL[1] / 2), "no run yet", 13, FAINT, "mm")
        return
    values = [y for _, y in points] + [level.value for level in panel.levels]
    room = 0.06 * (max(values) - min(values)) or 1.0
    frame = _Frame(left, top, max(x for x, _ in points), (min(values) - room, max(values) + room))
    _axes(draw, frame)
    for level in panel.levels:
        x, y = frame.at(0, level.value)
        _straight(draw, (x, y), x + PANEL[0] * FINE, level.color, 2 * FINE, DASH)
    for curve in panel.curves:
        pale = tuple(round(paper + PALE * (c - paper)) for paper, c in zip(PAPER, curve.color, strict=True))
        for line in curve.lines:
            draw.line([frame.at(*point) for point in line], pale, FINE)
    for curve in panel.curves:
        _mean(draw, [frame.at(*point) for point in curve.mean], curve.color)


def _mean(draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], color: Color) -> None:
    draw.line(list(points), color, 2 * FINE, joint="curve")
    for x, y in points:
        draw.ellipse((x - 3 * FINE, y - 3 * FINE, x + 3 * FINE, y + 3 * FINE), color)


def _axes(draw: ImageDraw.ImageDraw, frame: _Frame) -> None:
    for value, words in ticks(*frame.ends):
        x, y = (v / FINE for v in frame.at(0, value))
        draw.line((x * FINE, y * FINE, (x + PANEL[0]) * FINE, y * FINE), GRID, FINE)
        _write(draw, (x - 6, y), words, 11, FAINT, "rm")
    bottom = frame.top + PANEL[1]
    for share in (0.0, 0.5, 1.0):
        x = frame.left + share * PANEL[0]
        draw.line((x * FINE, bottom * FINE, x * FINE, (bottom + 4) * FINE), FAINT, FINE)
        _write(draw, (x, bottom + 13), f"{frame.last * share:,.0f}", 11, FAINT, "mm")
    _write(draw, (frame.left + PANEL[0] / 2, bottom + 29), "labelled views seen", 11, FAINT, "mm")
    draw.rectangle((*frame.at(0, frame.ends[1]), *frame.at(frame.last, frame.ends[0])), outline=FAINT, width=1)


def ticks(low: float, high: float) -> Iterator[tuple[float, str]]:
    """Round values between two ends, with their words: steps of 1, 2 or 5 times a power of ten, at most TICKS of them."""
    power = 10.0 ** math.floor(math.log10((high - low) / TICKS))
    step = next(power * times for times in (1, 2, 5, 10) if (high - low) / (power * times) <= TICKS)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    for k in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield k * step, f"{k * step:.{digits}f}"

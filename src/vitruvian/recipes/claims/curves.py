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
PANEL, GAP, HEAD, FOOT, EDGE = (250, 190), 58, 54, 34, 20  # px: (W, H) of a panel, room around and between panels
FINE = 2  # drawn so many times larger, and reduced
PALE = 0.35  # of a colour in the line of a single seed
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
class Panel:
    """One figure: what it is called, and its curves."""

    title: str
    curves: Sequence[Curve]


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


def picture(rows: Mapping[str, Sequence[Panel]]) -> Image.Image:
    """All rows below each other, each with its title and the key to its colours."""
    columns = max(map(len, rows.values()))
    size = (EDGE + columns * (PANEL[0] + GAP), len(rows) * (HEAD + PANEL[1] + FOOT) + EDGE)
    fine = Image.new("RGB", (size[0] * FINE, size[1] * FINE), PAPER)
    draw = ImageDraw.Draw(fine)
    for r, (title, panels) in enumerate(rows.items()):
        top = EDGE + r * (HEAD + PANEL[1] + FOOT)
        _key(draw, title, panels[0].curves, top)
        for c, panel in enumerate(panels):
            _panel(draw, panel, GAP + c * (PANEL[0] + GAP), top + HEAD)
    return fine.resize(size, Image.Resampling.LANCZOS)


def _key(draw: ImageDraw.ImageDraw, title: str, curves: Sequence[Curve], top: float) -> None:
    x, y = float(GAP * FINE), (top + 8) * FINE
    draw.text((x, y), title, INK, font(15 * FINE), anchor="lm")
    x += font(15 * FINE).getlength(title) + 30 * FINE
    for curve in curves:
        draw.line((x, y, x + 22 * FINE, y), curve.color, 3 * FINE)
        draw.text((x + 28 * FINE, y), curve.name, INK, font(13 * FINE), anchor="lm")
        x += 52 * FINE + font(13 * FINE).getlength(curve.name)


def _panel(draw: ImageDraw.ImageDraw, panel: Panel, left: float, top: float) -> None:
    draw.text((left * FINE, (top - 14) * FINE), panel.title, INK, font(13 * FINE), anchor="lm")
    points = [point for curve in panel.curves for line in curve.lines for point in line]
    if not points:
        middle = ((left + PANEL[0] / 2) * FINE, (top + PANEL[1] / 2) * FINE)
        draw.text(middle, "no run yet", FAINT, font(13 * FINE), anchor="mm")
        return
    low, high = min(y for _, y in points), max(y for _, y in points)
    room = 0.06 * (high - low) or 1.0
    frame = _Frame(left, top, max(x for x, _ in points), (low - room, high + room))
    _axes(draw, frame)
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
        x, y = frame.at(0, value)
        draw.line((x, y, x + PANEL[0] * FINE, y), GRID, FINE)
        draw.text((x - 6 * FINE, y), words, FAINT, font(11 * FINE), anchor="rm")
    for share, words, anchor in ((0.0, "0", "mm"), (0.5, "", "mm"), (1.0, " views", "rm")):
        x, y = frame.at(frame.last * share, frame.ends[0])
        told = f"{frame.last * share:,.0f}{words}" if share else words
        draw.text((x, y + 12 * FINE), told, FAINT, font(11 * FINE), anchor=anchor)
    draw.rectangle((*frame.at(0, frame.ends[1]), *frame.at(frame.last, frame.ends[0])), outline=FAINT, width=1)


def ticks(low: float, high: float) -> Iterator[tuple[float, str]]:
    """Round values between two ends, with their words: steps of 1, 2 or 5 times a power of ten, at most TICKS of them."""
    power = 10.0 ** math.floor(math.log10((high - low) / TICKS))
    step = next(power * times for times in (1, 2, 5, 10) if (high - low) / (power * times) <= TICKS)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    for k in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield k * step, f"{k * step:.{digits}f}"

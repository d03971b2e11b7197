"""People in boxes of their own colour with their number, over a photo or a frame of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from PIL import Image, ImageDraw

from vitruvian.predict.legend import font
from vitruvian.predict.result import PersonResult
from vitruvian.types import Array

Color: TypeAlias = tuple[int, int, int]
COLORS: tuple[Color, ...] = (  # of people or tracks 1, 2, 3, …: apart from each other, readable on dark and on bright
    (255, 196, 40), (64, 196, 255), (124, 220, 96), (255, 112, 160), (176, 136, 255),
    (255, 144, 64), (72, 220, 200), (232, 228, 84), (240, 104, 96), (156, 196, 232),
)  # fmt: skip
DARK: Color = (24, 24, 28)  # outlines, and words on a bright plate
LETTERS = 36  # letters are this part of a picture's shorter side


@dataclass(frozen=True)
class Mark:
    """box: (4,) xyxy in points of the picture (0 is the first pixel's centre); number: of the colour; words: on the plate."""

    box: Array
    number: int
    words: str

    @property
    def color(self) -> Color:
        """That of the number, anew after ten."""
        return COLORS[(self.number - 1) % len(COLORS)]


def mark_of(found: PersonResult, place: int, box: Array) -> Mark:
    """The mark of a person, `place` counted from 1 as in the list of people; a track has its own number. What was detected has
    its score too."""
    person = found.person
    number = place if person.track is None else person.track
    return Mark(box, number, f"{number}  {person.score:.2f}" if person.origin == "detector" else str(number))


def draw_marks(picture: Array, marks: Sequence[Mark], stroke: int, letters: tuple[int, int]) -> None:
    """Boxes, then plates, in place; those nearest to us last. stroke: px of a box's line; letters: least and largest px."""
    inset = min(float(stroke), picture.shape[1] / 4, picture.shape[0] / 4)  # a box at the border of the photo is seen whole
    high = np.array([picture.shape[1], picture.shape[0]] * 2) - 1 - inset
    nearest_last = sorted(marks, key=lambda mark: float(mark.box[3]))
    boxes = [(mark, np.round(np.clip(mark.box, inset, high)).astype(int).tolist()) for mark in nearest_last]
    for mark, (x0, y0, x1, y1) in boxes:
        for color, width in ((DARK, stroke + max(stroke, 2)), (mark.color, stroke)):
            cv2.rectangle(picture, (x0, y0), (x1, y1), color, width)
    for mark, (x0, y0, _, _) in boxes:
        draw_plate(picture, (x0 - stroke // 2, y0 - stroke // 2), mark.words, mark.color, DARK, letters, above=True)


def draw_plate(
    picture: Array, at: tuple[int, int], text: str, paper: Color, ink: Color, letters: tuple[int, int], above: bool = False
) -> None:
    """Words on a small plate whose corner is at (x, y), moved inside the picture; left out where there is no room at all."""
    typeface = font(int(np.clip(min(picture.shape[:2]) / LETTERS, *letters)))
    x0, y0, x1, y1 = typeface.getbbox(text)
    pad = max(round((y1 - y0) / 3), 2)
    width, height = round(x1 - x0) + 2 * pad, round(y1 - y0) + 2 * pad
    if width > picture.shape[1] or height > picture.shape[0]:
        return
    x = min(max(at[0], 0), picture.shape[1] - width)
    y = min(max(at[1] - height if above else at[1], 0), picture.shape[0] - height)
    plate = Image.new("RGB", (width, height), paper)
    ImageDraw.Draw(plate).text((pad - x0, pad - y0), text, ink, typeface)
    picture[y : y + height, x : x + width] = np.asarray(plate)

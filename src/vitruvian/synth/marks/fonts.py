"""Words as masks: faces that come with OpenCV and Pillow, an alphabet drawn at random, and any font file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vitruvian.types import Array

Font: TypeAlias = str  # "hershey-0" ... "hershey-7", "pillow", "strokes", or the path of a font file
PACKAGED: tuple[Font, ...] = (*(f"hershey-{n}" for n in range(8)), "pillow", "pillow", "pillow", "pillow", "strokes", "strokes")
HEIGHT = 56  # px of a line as it is rendered, before it is scaled to its place
WORDS = (
    "photo", "stock", "preview", "sample", "copyright", "image", "studio", "www", ".com", ".net", "shop", "gallery", "press",
    "by", "all rights reserved", "not for sale", "news", "the", "best", "when you", "today", "summer", "sale", "now", "best of",
    "how to", "breaking", "live", "episode", "part", "follow", "subscribe", "free", "new", "wow", "monday", "love", "life",
)  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SIGNS = "0123456789-_.,:;!?@#&%$/()|+*"


def some_words(rng: np.random.Generator, most: int) -> str:
    """Words of a list, invented ones, numbers, addresses."""
    words = []
    for _ in range(int(rng.integers(1, most + 1))):
        kind = rng.random()
        if kind < 0.45:
            words.append(str(rng.choice(WORDS)))
        elif kind < 0.8:
            words.append("".join(rng.choice(list(LETTERS), int(rng.integers(2, 10)))))
        else:
            words.append("".join(rng.choice(list(SIGNS + LETTERS), int(rng.integers(2, 8)))))
    text = ("" if rng.random() < 0.15 else " ").join(words)
    case = rng.random()
    text = text.upper() if case < 0.4 else text.title() if case < 0.65 else text
    return f"© {text}" if rng.random() < 0.1 else text


def font_files(folder: Path) -> tuple[Font, ...]:
    """The font files below a folder."""
    return tuple(sorted(str(path) for path in folder.rglob("*") if path.suffix.lower() in (".ttf", ".otf", ".woff")))


def line_mask(text: str, font: Font, rng: np.random.Generator) -> Array:
    """(h, w) uint8 coverage of one line, some 56 px high, cut to what is drawn; never empty."""
    if font == "strokes":
        mask = _strokes(len(text), rng)
    elif font.startswith("hershey"):
        mask = _hershey(text, int(font.rpartition("-")[2]), rng)
    else:
        mask = _outline(text, font)
    if rng.random() < 0.25:
        mask = cv2.dilate(mask, np.ones((2, 2), np.uint8), iterations=int(rng.integers(1, 3)))
    return _cut(mask)


def _hershey(text: str, face: int, rng: np.random.Generator) -> Array:
    text = text.encode("ascii", "ignore").decode() or "abc"
    thickness = int(rng.integers(1, 7))
    (width, height), base = cv2.getTextSize(text, face, 2.0, thickness)
    mask = np.zeros((height + base + 20, width + 20), np.uint8)
    cv2.putText(mask, text, (10, height + 10), face, 2.0, 255, thickness, cv2.LINE_AA)
    return mask


def _outline(text: str, font: Font) -> Array:
    face = _face(font)
    left, top, right, bottom = face.getbbox(text)
    canvas = Image.new("L", (max(1, int(right - left)) + 8, max(1, int(bottom - top)) + 8))
    ImageDraw.Draw(canvas).text((4 - left, 4 - top), text, fill=255, font=face)
    return np.array(canvas)


@cache
def _face(font: Font) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(HEIGHT) if font == "pillow" else ImageFont.truetype(font, HEIGHT)


def _strokes(count: int, rng: np.random.Generator) -> Array:
    """Signs of no script: a few lines and arcs each, of an alphabet of this one line."""
    thickness = int(rng.integers(2, 7))
    alphabet = [_sign(rng, thickness) for _ in range(12)]
    gap = np.zeros((HEIGHT + 8, int(rng.integers(2, 10))), np.uint8)
    signs = [alphabet[int(rng.integers(12))] if rng.random() > 0.12 else gap.repeat(4, 1) for _ in range(count)]
    return np.concatenate([part for sign in signs for part in (sign, gap)], 1)


def _sign(rng: np.random.Generator, thickness: int) -> Array:
    width = int(rng.integers(20, 54))
    sign = np.zeros((HEIGHT + 8, width), np.uint8)

    def corner() -> tuple[int, int]:
        return int(rng.choice([4, width // 2, width - 5])), int(rng.choice([6, HEIGHT // 2, HEIGHT]))

    for _ in range(int(rng.integers(2, 6))):
        if rng.random() < 0.65:
            cv2.line(sign, corner(), corner(), 255, thickness, cv2.LINE_AA)
        else:
            axes = (int(rng.integers(4, max(5, width // 2))), int(rng.integers(6, HEIGHT // 2)))
            begin = int(rng.integers(0, 360))
            cv2.ellipse(sign, corner(), axes, 0, begin, begin + int(rng.integers(90, 361)), 255, thickness, cv2.LINE_AA)
    return sign


def _cut(mask: Array) -> Array:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.full((HEIGHT, HEIGHT), 255, np.uint8)
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def block_mask(fonts: Sequence[Font], lines: int, words: int, rng: np.random.Generator) -> Array:
    """(h, w) uint8 coverage of several lines in one font."""
    font = fonts[int(rng.integers(len(fonts)))]
    masks = [line_mask(some_words(rng, words), font, rng) for _ in range(lines)]
    if lines == 1:
        return masks[0]
    width, gap = max(mask.shape[1] for mask in masks), int(rng.integers(8, 30))
    side = rng.choice([0.0, 0.5, 1.0])
    rows = []
    for mask in masks:
        left = int((width - mask.shape[1]) * side)
        rows.append(np.pad(mask, ((0, gap), (left, width - mask.shape[1] - left))))
    return np.concatenate(rows)

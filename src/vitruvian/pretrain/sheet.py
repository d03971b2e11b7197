"""The picture of `reconstruct`: a row a photo, a pair of columns for each share that was hidden, and what is to be known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from vitruvian.predict.legend import FAINT, INK, PAPER, fitted, font
from vitruvian.types import Array

HIDDEN = (222, 222, 218)  # of patches that the model does not see
CELL = 224  # px of a picture, as near as whole multiples of its size come
NEAR, FAR, MARGIN = 4, 22, 24  # px between a pair, between pairs, around all
TITLE, HEAD, NAME, REST, LINE = 34, 50, 24, 10, 20  # px of the rows of words, and between pictures and caption
CAPTION = (
    "Each pair: what the model sees, and what it makes of that. Patches it has seen are pasted in.",
    "It guesses patches without their brightness and contrast: mean and deviation of the true patch are put back.",
)


@dataclass(frozen=True)
class Row:
    """A photo (S, S, 3) uint8, its name, and a pair a ratio: what was seen, what was made."""

    name: str
    photo: Array
    pairs: Sequence[tuple[Array, Array]]


def sheet(rows: Sequence[Row], ratios: Sequence[float], title: str) -> Image.Image:
    """All rows below their heads; as wide as its columns."""
    cell = _cell(rows[0].photo.shape[0])
    starts = [MARGIN + cell + FAR + k * (2 * cell + NEAR + FAR) for k in range(len(ratios))]
    width = starts[-1] + 2 * cell + NEAR + MARGIN
    top = MARGIN + TITLE + HEAD
    height = top + len(rows) * (cell + NAME) + REST + len(_caption(width)) * LINE + MARGIN
    out = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(out)
    _heads(draw, title, ratios, starts, cell, width)
    for k, row in enumerate(rows):
        y = top + k * (cell + NAME)
        shown = [(MARGIN, row.photo)]
        for start, (seen, made) in zip(starts, row.pairs, strict=True):
            shown += [(start, seen), (start + cell + NEAR, made)]
        for x, image in shown:
            out.paste(Image.fromarray(image).resize((cell, cell), _filter(image.shape[0], cell)), (x, y))
        draw.text((MARGIN, y + cell + 3), fitted(row.name, cell, 12), FAINT, font(12))
    for k, line in enumerate(_caption(width)):
        draw.text((MARGIN, height - MARGIN - (len(_caption(width)) - k) * LINE), line, FAINT, font(13))
    return out


def _heads(
    draw: ImageDraw.ImageDraw, title: str, ratios: Sequence[float], starts: Sequence[int], cell: int, width: int
) -> None:
    draw.text((MARGIN, MARGIN), fitted(title, width - 2 * MARGIN, 18), INK, font(18))
    y = MARGIN + TITLE
    draw.text((MARGIN, y + 28), "photo", INK, font(14))
    for ratio, start in zip(ratios, starts, strict=True):
        draw.text((start, y + 2), f"{100 * ratio:.3g} % hidden", INK, font(16))
        draw.line((start, y + 24, start + 2 * cell + NEAR - 1, y + 24), FAINT)
        draw.text((start, y + 28), "seen", INK, font(14))
        draw.text((start + cell + NEAR, y + 28), "made of it", INK, font(14))


def _cell(side: int) -> int:
    """Large pictures are shown smaller, small ones as whole multiples."""
    return side * max(1, round(CELL / side)) if side <= CELL * 3 // 2 else CELL * 3 // 2


def _filter(side: int, cell: int) -> Image.Resampling:
    return Image.Resampling.NEAREST if cell % side == 0 else Image.Resampling.LANCZOS


def _caption(width: int) -> list[str]:
    """The caption in lines that fit."""
    lines = [""]
    for word in " ".join(CAPTION).split():
        longer = f"{lines[-1]} {word}".strip()
        if font(13).getlength(longer) > width - 2 * MARGIN:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines

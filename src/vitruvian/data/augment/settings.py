"""How strongly examples are changed; the numbers are those of Sapiens v1's configurations (arXiv 2408.12569)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vitruvian.checks import Rule, above, fault, finite, several
from vitruvian.errors import UsageError


def _share(value: Any) -> bool:
    return finite(value) and 0 <= value <= 1


RULES: tuple[Rule, ...] = (
    ("flip half_body shift_chance rotate_chance background channels light blur median hole", "a number from 0 to 1", _share),
    ("shift scale contrast saturation", "a number of at least 0 and below 1", lambda v: _share(v) and v < 1),
    ("rotate", "degrees from 0 to 180", lambda v: finite(v) and 0 <= v <= 180),
    ("brightness", "a number from 0 to 255", lambda v: finite(v) and 0 <= v <= 255),
    ("hue", "a number from 0 to 90", lambda v: finite(v) and 0 <= v <= 90),
    ("zoom", "two rising numbers above 0", lambda v: several(v, lambda z: above(z, 0), 2) and v[0] <= v[1]),
    ("hole_side", "two rising numbers above 0, below 1",
     lambda v: several(v, lambda s: above(s, 0) and s < 1, 2) and v[0] <= v[1]),
    ("most_of_one_class", "a number above 0, at most 1", lambda v: above(v, 0) and v <= 1),
)  # fmt: skip


@dataclass(frozen=True)
class Augment:
    """Chances from 0 to 1, and sizes of what is drawn.

    Where the crop lies, of people: half_body, chance of the upper or the lower half alone; shift_chance and shift, in sides of
    the box; scale, the most it grows or shrinks by. Of whole photos: zoom, of the photo against the input; most_of_one_class, a
    share of the labelled pixels that a crop with a larger one is drawn again for. Of both: flip, rotate_chance and rotate
    (degrees, at most).
    Pixels: background, chance of another one, where people's outlines are known; brightness (levels), contrast, saturation (at
    most by that share), hue (levels of 180), each with the chance light; channels, chance of swapped colours; blur and median;
    hole, chance of a black rectangle of hole_side of the input's.
    """

    flip: float = 0.5
    half_body: float = 0.3
    shift_chance: float = 0.3
    shift: float = 0.16
    scale: float = 0.5
    rotate_chance: float = 0.6
    rotate: float = 80.0
    zoom: tuple[float, float] = (0.2, 2.0)
    most_of_one_class: float = 0.75
    background: float = 0.0
    light: float = 0.5
    brightness: float = 32.0
    contrast: float = 0.5
    saturation: float = 0.5
    hue: float = 18.0
    channels: float = 0.0
    blur: float = 0.1
    median: float = 0.1
    hole: float = 0.0
    hole_side: tuple[float, float] = (0.2, 0.4)

    def __post_init__(self) -> None:
        if found := fault(self, RULES):
            raise UsageError(f"augment: {found}")

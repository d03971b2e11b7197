"""Which of two points of a person is nearer, on an RGB-D photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vitruvian.data.sources import read_image
from vitruvian.errors import InputError
from vitruvian.evaluate.photos import Predictor
from vitruvian.geometry import map_to_source
from vitruvian.types import Array, Depth

PAIRS, GAP = 20_000, 0.03  # of pixels; metres


@dataclass(frozen=True)
class RgbdPerson:
    """Somebody in the RGB-D shot: whole box, and where depth is surely theirs: xyxy window and metres."""

    box: tuple[int, int, int, int]
    window: tuple[int, int, int, int]
    metres: tuple[float, float]


# read off the depth map of rgbd/five_people_left: the floor at their feet and the wall are left out
RGBD_PEOPLE = (
    RgbdPerson((15, 60, 155, 480), (20, 64, 140, 430), (1.90, 2.27)),
    RgbdPerson((130, 95, 250, 480), (141, 98, 245, 400), (2.24, 2.70)),
)


def rgbd_figures(folder: Path, predictor: Predictor) -> dict[str, float]:
    """Depth order on the people of the RGB-D shot: `order` and, for nothing but the height in the picture, `order_by_row`.

    The mean over the people of the part of random pixel pairs more than 3 cm apart that is ordered rightly; 0.5 is chance.
    """
    depth = cv2.imread(str(folder / "five_people_left_depth_mm.png"), cv2.IMREAD_UNCHANGED)
    if depth is None:
        raise InputError(f"{folder}/five_people_left_depth_mm.png: not an image. Fix: fetch it again.")
    metres = np.where(depth > 0, depth / 1000.0, np.nan)
    boxes = np.array([p.box for p in RGBD_PEOPLE], np.float32)
    answers = predictor.people(read_image(folder / "five_people_left_rgb.png"), boxes)
    orders, rows = [], []
    for person, answer in zip(RGBD_PEOPLE, answers, strict=True):
        value = answer["depth"].value
        if not isinstance(value, Depth):
            raise InputError(f"a depth is wanted, not {type(value).__name__}")
        z = map_to_source(value.z.astype(np.float32), answer["depth"].crop)
        known = theirs(person, metres) & np.isfinite(z)
        orders.append(depth_order(z[known], metres[known]))
        rows.append(depth_order(-np.nonzero(known)[0].astype(float), metres[known]))
    by_row = float(np.mean(rows))
    return {"people": len(orders), "order": float(np.mean(orders)), "order_by_row": max(by_row, 1 - by_row)}


def theirs(person: RgbdPerson, metres: Array) -> Array:
    """(H, W) bool of the pixels whose depth is that person's."""
    x0, y0, x1, y1 = person.window
    out = np.zeros(metres.shape, bool)
    with np.errstate(invalid="ignore"):
        out[y0:y1, x0:x1] = ((metres > person.metres[0]) & (metres < person.metres[1]))[y0:y1, x0:x1]
    return out


def depth_order(z: Array, truth: Array, gap: float = GAP) -> float:
    """Of random pairs of the N pixels more than `gap` metres apart in truth, the part that z orders as they are."""
    if len(truth) < 2:
        return float("nan")
    first, second = np.random.default_rng(0).integers(0, len(truth), (2, PAIRS))
    difference = truth[first] - truth[second]
    asked = np.abs(difference) > gap
    right = np.sign(difference[asked]) == np.sign(z[first][asked] - z[second][asked])
    return float(right.mean()) if asked.any() else float("nan")

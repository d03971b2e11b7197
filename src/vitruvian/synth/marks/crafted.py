"""Photos as things made by hand, piece by piece, and as pixel art and engravings: one colour a piece, and a ground between."""

from __future__ import annotations

import cv2
import numpy as np

from vitruvian.synth.marks.painted import as_bytes, vivid
from vitruvian.types import Array


def pixels(photo: Array, rng: np.random.Generator) -> Array:
    """Squares of few colours."""
    cells, side = _cells(photo, rng, 3, 9)
    levels = int(rng.integers(3, 10))
    few = np.round(cells.astype(np.float32) / 255 * levels) / levels * 255
    return vivid(_enlarged(few, side, photo), rng)


def tiles(photo: Array, rng: np.random.Generator) -> Array:
    """Small stones with gaps between."""
    cells, side = _cells(photo, rng, 5, 12)
    stones = cells + rng.normal(0, rng.uniform(2, 18), (*cells.shape[:2], 1))
    y, x = _waves(photo, rng)
    gap = rng.uniform(0.1, 0.25)
    there = (np.mod(y / side, 1) > gap) & (np.mod(x / side, 1) > gap)
    rows, columns = (np.clip(at // side, 0, count - 1).astype(int) for at, count in zip((y, x), cells.shape[:2], strict=True))
    return vivid(np.where(there[..., None], stones[rows, columns], rng.uniform(20, 240)), rng)


def stitches(photo: Array, rng: np.random.Generator) -> Array:
    """Crosses of thread on cloth."""
    cells, side = _cells(photo, rng, 5, 10)
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]].astype(np.float32)
    down, along = np.mod(y / side, 1), np.mod(x / side, 1)
    off = np.minimum(abs(down - along), abs(down + along - 1))
    thread = np.clip(1.3 - off / rng.uniform(0.15, 0.3), 0, 1)[..., None]
    cloth = rng.uniform(150, 250, 3) * (1 - 0.1 * rng.random((*photo.shape[:2], 1)))
    return as_bytes(_enlarged(cells, side, photo) * (0.75 + 0.25 * thread) * (thread > 0.3) + cloth * (thread <= 0.3))


def glass(photo: Array, rng: np.random.Generator) -> Array:
    """Panes of one colour, leaded."""
    height, width = photo.shape[:2]
    places = rng.integers(0, (height, width), (int(height * width / rng.uniform(300, 1500)), 2))
    seeds = np.ones((height, width), np.uint8)
    seeds[places[:, 0], places[:, 1]] = 0
    _, pane = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colors = np.zeros((int(pane.max()) + 1, 3), np.float32)
    colors[pane[places[:, 0], places[:, 1]]] = cv2.blur(photo, (7, 7))[places[:, 0], places[:, 1]]
    number = pane.astype(np.float32)
    lead = cv2.dilate(number, np.ones((3, 3))) != cv2.erode(number, np.ones((3, 3)))
    lead = cv2.dilate(lead.astype(np.uint8), np.ones((int(rng.integers(1, 4)),) * 2)) > 0
    return vivid(np.where(lead[..., None], rng.uniform(0, 50), colors[pane]), rng)


def engraving(photo: Array, rng: np.random.Generator) -> Array:
    """Lines of one direction, thicker where it is dark, as on banknotes."""
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), 1.5).astype(np.float32) / 255
    y, x = _waves(photo, rng)
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(3.5, 8)
    phase = np.mod((x * np.cos(turn) + y * np.sin(turn)) / pitch + rng.uniform(0, 1.5) * grey, 1)
    line = np.clip((0.95 - grey - 2 * abs(phase - 0.5)) * pitch / 2 + 0.5, 0, 1)[..., None]
    paper, dye = rng.uniform(215, 255, 3), rng.uniform(0, 90, 3)
    return as_bytes(paper * (1 - line) + dye * line)


def knife(photo: Array, rng: np.random.Generator) -> Array:
    """Slabs of paint with hard edges, one over another."""
    height, width = photo.shape[:2]
    soft = cv2.blur(photo, (5, 5))
    out: Array = soft.copy()
    reach = rng.uniform(4, 11)
    for y, x in rng.integers(0, (height, width), (int(height * width / reach**2 * 1.5), 2)):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 4))
        corners = np.stack([np.cos(angles), np.sin(angles)], 1) * reach * rng.uniform(0.5, 1.2, (4, 1)) + (x, y)
        color = (soft[y, x] + rng.normal(0, 14)).clip(0, 255).tolist()
        cv2.fillConvexPoly(out, corners.astype(np.int32), color, cv2.LINE_AA)
    return out


def _cells(photo: Array, rng: np.random.Generator, least: int, most: int) -> tuple[Array, int]:
    """Mean colours of square cells (rows, columns, 3), and their side in px."""
    side = int(rng.integers(least, most))
    rows, columns = -(-photo.shape[0] // side), -(-photo.shape[1] // side)
    whole = cv2.copyMakeBorder(photo, 0, rows * side - photo.shape[0], 0, columns * side - photo.shape[1], cv2.BORDER_REPLICATE)
    return cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), side


def _enlarged(cells: Array, side: int, photo: Array) -> Array:
    return cells.repeat(side, 0).repeat(side, 1)[: photo.shape[0], : photo.shape[1]]


def _waves(photo: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Rows and columns (H, W) of a sheet that is a little bent."""
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]].astype(np.float32)
    bend, period, start = rng.uniform(0, 3), rng.uniform(40, 160), rng.uniform(0, 2 * np.pi)
    return y + bend * np.sin(2 * np.pi * x / period + start), x + bend * np.sin(2 * np.pi * y / period + start)

"""Photos as drawings and paintings, and drawings from nothing. Half of the styles are for learning, half for judging."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from vitruvian.synth.marks.painted import (
    as_bytes,
    kuwahara,
    low_poly,
    screen,
    smear,
    stylised,
    vivid,
    watercolour,
)  # fmt: skip
from vitruvian.types import Array

Style = Callable[[Array, np.random.Generator], Array]  # a photo (H, W, 3) uint8 RGB -> a picture of its size


def draw_as(style: str, photo: Array, rng: np.random.Generator) -> Array:
    """The photo in one of `STYLES`; those that draw from nothing take its size alone."""
    return STYLES[style](photo, rng)


def _edges(photo: Array, rng: np.random.Generator, soft: float = 1.0) -> Array:
    """(H, W) 0 to 1, 1 on lines."""
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), soft)
    block = int(rng.integers(4, 10)) * 2 + 1
    lines = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, block, float(rng.uniform(3, 8)))
    return np.asarray(lines, np.float32) / 255


def _flattened(photo: Array, rng: np.random.Generator) -> Array:
    out = photo
    for _ in range(int(rng.integers(2, 5))):
        out = cv2.bilateralFilter(out, 7, float(rng.uniform(30, 70)), 7)
    return out


def cartoon(photo: Array, rng: np.random.Generator) -> Array:
    """Flat colours of few levels, dark outlines."""
    levels = int(rng.integers(4, 9))
    flat: Array = _flattened(photo, rng).astype(np.float32)
    flat = np.round(flat / 255 * levels) / levels * 255
    if rng.random() < 0.7:
        flat *= 1 - rng.uniform(0.6, 1) * _edges(photo, rng)[..., None]
    return vivid(flat, rng)


def palette(photo: Array, rng: np.random.Generator) -> Array:
    """A handful of colours, as on posters."""
    small = cv2.resize(photo, (32, 32), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float32)
    count = int(rng.integers(4, 12))
    cv2.setRNGSeed(int(rng.integers(1 << 30)))
    _, _, colors = cv2.kmeans(small, count, None, (3, 8, 1.0), 1, cv2.KMEANS_RANDOM_CENTERS)
    soft = cv2.medianBlur(photo, int(rng.choice([5, 7, 9]))).astype(np.float32)
    nearest = np.stack([((soft - color) ** 2).sum(-1) for color in colors], -1).argmin(-1)
    return vivid(colors[nearest], rng)


def oil(photo: Array, rng: np.random.Generator) -> Array:
    """Blobs: of the grey levels around a point the commonest gives the colour."""
    size, bins = int(rng.choice([5, 7, 9, 11])), int(rng.integers(5, 9))
    levels = (cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.int32) * bins) // 256
    counts, colors = [], []
    for level in range(bins):
        inside = (levels == level).astype(np.float32)
        counts.append(cv2.blur(inside, (size, size)))
        colors.append(cv2.blur(photo.astype(np.float32) * inside[..., None], (size, size)))
    best = np.argmax(counts, 0)[None]
    total = np.take_along_axis(np.array(counts), best, 0)[0]
    mean = np.take_along_axis(np.array(colors), best[..., None], 0)[0] / total[..., None]
    return vivid(mean, rng)


def pencil(photo: Array, rng: np.random.Generator) -> Array:
    """Grey or coloured lines on paper."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    around = cv2.GaussianBlur(grey, (0, 0), float(rng.uniform(2, 9)))
    tone = np.clip(grey / (around + 1), 0, 1) ** rng.uniform(1.5, 5)
    grain = 1 - rng.uniform(0, 0.12) * rng.random(grey.shape, np.float32)
    ink = rng.uniform(0, 90, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(0, 60))
    paper = np.array([250, 246, 236]) if rng.random() < 0.5 else np.full(3, rng.uniform(225, 255))
    tone = (tone * grain)[..., None]
    return as_bytes(ink * (1 - tone) + paper * tone)


def ink(photo: Array, rng: np.random.Generator) -> Array:
    """Black lines and washes."""
    lines = _edges(photo, rng, float(rng.uniform(0.8, 2)))
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), 3).astype(np.float32)
    wash = np.where(grey < rng.uniform(50, 110), rng.uniform(0.3, 0.9), 0.0)
    paper = rng.uniform(220, 255, 3) if rng.random() < 0.4 else np.full(3, 250.0)
    return as_bytes(paper * (1 - np.maximum(lines, wash))[..., None])


def shapes(photo: Array, rng: np.random.Generator) -> Array:
    """Clip art: flat and shaded shapes, with or without outlines, on a flat ground; the photo gives its size alone."""
    height, width = photo.shape[:2]
    ground = np.linspace(rng.uniform(60, 255, 3), rng.uniform(60, 255, 3), height)[:, None].repeat(width, 1)
    out, outline = np.ascontiguousarray(ground.astype(np.uint8)), int(rng.choice([0, 1, 2, 3]))
    for _ in range(int(rng.integers(6, 40))):
        middle, reach = rng.uniform(0, (width, height)), rng.uniform(8, max(height, width) / 3)
        count = int(rng.integers(3, 14))
        angles, radius = np.sort(rng.uniform(0, 2 * np.pi, count)), reach * rng.uniform(0.5, 1, count)
        if rng.random() < 0.5:  # round
            angles, radius = np.linspace(0, 2 * np.pi, 40), reach * (1 + 0.2 * np.sin(count * np.linspace(0, 2 * np.pi, 40)))
        points = (middle + np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None]).astype(np.int32)
        cv2.fillPoly(out, [points], rng.uniform(0, 255, 3).tolist(), cv2.LINE_AA)
        if outline:
            cv2.polylines(out, [points], True, (20, 20, 20), outline, cv2.LINE_AA)
    return out


def figure(photo: Array, rng: np.random.Generator) -> Array:
    """A drawn face or figure with large eyes, flat hair and clothes, over a soft or plain ground."""
    height, width = photo.shape[:2]
    ground = (
        cv2.GaussianBlur(photo, (0, 0), 12)
        if rng.random() < 0.4
        else shapes(photo, rng)
        if rng.random() < 0.4
        else photo * 0 + 240
    )
    out, size = np.ascontiguousarray(ground.astype(np.uint8)), min(height, width) * rng.uniform(0.2, 0.45)
    x, y, line = width * rng.uniform(0.35, 0.65), height * rng.uniform(0.3, 0.6), int(rng.integers(1, 4))
    skin, hair, cloth = (rng.uniform(low, 255, 3).tolist() for low in (170, 0, 0))

    def blob(dx: float, dy: float, a: float, b: float, color: list[float], turn: float = 0) -> None:
        center, axes = (int(x + dx * size), int(y + dy * size)), (max(1, int(a * size)), max(1, int(b * size)))
        cv2.ellipse(out, center, axes, turn, 0, 360, color, -1, cv2.LINE_AA)
        cv2.ellipse(out, center, axes, turn, 0, 360, (30, 20, 20), line, cv2.LINE_AA)

    blob(0, 1.9, 0.9, 1.1, cloth)
    blob(0, -0.1, 0.95, 1.1, hair)
    blob(0, 0.1, 0.72, 0.85, skin)
    for side in (-1, 1):
        blob(side * 0.32, 0.1, 0.16, 0.24, [255, 255, 255])
        blob(side * 0.32, 0.14, 0.1, 0.17, rng.uniform(0, 160, 3).tolist())
        blob(side * 0.75, 0.3, 0.16, 0.9, hair, side * 12)
    blob(0, -0.6, 0.75, 0.35, hair)
    blob(0, 0.6, 0.12, 0.05, [200, 80, 80])
    return out


def brush(photo: Array, rng: np.random.Generator) -> Array:
    """Short thick strokes along the shapes of the photo."""
    height, width = photo.shape[:2]
    soft = cv2.GaussianBlur(photo, (0, 0), 3)
    grey = cv2.cvtColor(soft, cv2.COLOR_RGB2GRAY).astype(np.float32)
    along = np.arctan2(cv2.Sobel(grey, cv2.CV_32F, 0, 1), cv2.Sobel(grey, cv2.CV_32F, 1, 0)) + np.pi / 2
    out: Array = soft.copy()
    thick = int(rng.integers(2, 6))
    for y, x in rng.integers(0, (height, width), (height * width // (thick * 14), 2)):
        reach = rng.uniform(3, 9) * np.array([np.cos(along[y, x]), np.sin(along[y, x])])
        color = (soft[y, x] + rng.normal(0, 12, 3)).clip(0, 255).tolist()
        ends = [(int(x + side * reach[0]), int(y + side * reach[1])) for side in (-1, 1)]
        cv2.line(out, ends[0], ends[1], color, thick, cv2.LINE_AA)
    return out


def mosaic(photo: Array, rng: np.random.Generator) -> Array:
    """Cells of one colour each."""
    height, width = photo.shape[:2]
    count = int(height * width / rng.uniform(60, 240))
    seeds = np.ones((height, width), np.uint8)
    places = rng.integers(0, (height, width), (count, 2))
    seeds[places[:, 0], places[:, 1]] = 0
    _, cell = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colors = np.zeros((int(cell.max()) + 1, 3), np.uint8)
    colors[cell[places[:, 0], places[:, 1]]] = photo[places[:, 0], places[:, 1]]
    out: Array = colors[cell]
    return out


def dots(photo: Array, rng: np.random.Generator) -> Array:
    """Dots of pure colours on a ground."""
    height, width = photo.shape[:2]
    out = np.full_like(photo, int(rng.uniform(200, 250)))
    radius = int(rng.integers(2, 5))
    for y, x in rng.integers(0, (height, width), (height * width // (radius * radius * 2), 2)):
        cv2.circle(out, (int(x), int(y)), radius, (photo[y, x] + rng.normal(0, 25, 3)).clip(0, 255).tolist(), -1, cv2.LINE_AA)
    return out


def hatching(photo: Array, rng: np.random.Generator) -> Array:
    """Crossed lines, the denser the darker."""
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), 2).astype(np.float32)
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
    out, pitch = np.full(grey.shape, 250, np.float32), float(rng.uniform(4, 7))
    for number, limit in enumerate((190, 140, 95, 55)):
        turn = np.pi / 4 * number + 0.3
        lines = np.mod(x * np.cos(turn) + y * np.sin(turn) + rng.uniform(0, pitch), pitch) < 1.3
        out[lines & (grey < limit)] = rng.uniform(10, 60)
    soft: Array = cv2.GaussianBlur(as_bytes(out[..., None].repeat(3, 2)), (0, 0), 0.5)
    return soft


LEARNED: dict[str, Style] = {
    "cartoon": cartoon, "palette": palette, "oil": oil, "pencil": pencil, "ink": ink, "shapes": shapes, "figure": figure,
    "mosaic": mosaic, "kuwahara": kuwahara, "smear": smear, "low_poly": low_poly, "watercolour": watercolour, "screen": screen,
    "stylised": stylised,
}  # fmt: skip
JUDGED: dict[str, Style] = {"brush": brush, "dots": dots, "hatching": hatching}
STYLES: dict[str, Style] = LEARNED | JUDGED

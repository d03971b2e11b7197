"""Photos as paintings and prints: every pixel comes from the photo, none is as a camera sees it."""

from __future__ import annotations

import cv2
import numpy as np

from vitruvian.types import Array


def kuwahara(photo: Array, rng: np.random.Generator) -> Array:
    """Flat patches with sharp borders: of four windows beside a pixel the evenest gives its mean."""
    size = int(rng.choice([5, 7, 9, 11]))
    colors = photo.astype(np.float32)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    means, spreads = [], []
    for x in (0, size - 1):
        for y in (0, size - 1):
            mean, square, middle = (
                cv2.blur(values, (size, size), anchor=(x, y), borderType=cv2.BORDER_REFLECT)
                for values in (colors, grey * grey, grey)
            )
            means.append(mean)
            spreads.append(square - middle**2)
    best = np.argmin(spreads, 0)[None, ..., None]
    return vivid(np.take_along_axis(np.array(means), best, 0)[0], rng)


def smear(photo: Array, rng: np.random.Generator) -> Array:
    """Colours drawn out along the shapes, as by a wet finger."""
    height, width = photo.shape[:2]
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), 2).astype(np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    soft = float(rng.uniform(3, 9))  # of the doubled angle, which has no sign
    double = np.arctan2(cv2.GaussianBlur(2 * across * down, (0, 0), soft), cv2.GaussianBlur(across**2 - down**2, (0, 0), soft))
    angle = (double / 2 + np.pi / 2).astype(np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    reach, grain = int(rng.integers(4, 10)), rng.normal(0, rng.uniform(4, 22), (height, width, 1))
    source: Array = (photo + grain).astype(np.float32)
    total = sum(
        cv2.remap(source, x + k * np.cos(angle), y + k * np.sin(angle), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        for k in range(-reach, reach + 1)
    )
    return vivid(np.asarray(total) / (2 * reach + 1), rng)


def low_poly(photo: Array, rng: np.random.Generator) -> Array:
    """Triangles of one colour each."""
    height, width = photo.shape[:2]
    step = int(rng.integers(8, 28))
    y, x = np.mgrid[0 : height + 2 * step : step, 0 : width + 2 * step : step].astype(np.float32)
    points = np.stack([x, y], -1) - step / 2 + rng.uniform(-0.4, 0.4, (*x.shape, 2)) * step
    out, soft = np.zeros_like(photo), cv2.blur(photo, (step // 2, step // 2))
    for r in range(points.shape[0] - 1):
        for c in range(points.shape[1] - 1):
            a, b, d, e = points[r, c], points[r, c + 1], points[r + 1, c], points[r + 1, c + 1]
            for corners in ((a, b, d), (b, e, d)) if rng.random() < 0.5 else ((a, b, e), (a, e, d)):
                middle = np.mean(corners, 0).astype(int)
                color = soft[min(max(middle[1], 0), height - 1), min(max(middle[0], 0), width - 1)]
                cv2.fillConvexPoly(out, np.array(corners).round().astype(np.int32), color.tolist())
    return out


def watercolour(photo: Array, rng: np.random.Generator) -> Array:
    """Washes that are darker at their borders, uneven pigment, paper."""
    height, width = photo.shape[:2]
    flat = cv2.bilateralFilter(photo, 9, float(rng.uniform(50, 110)), 9)
    flat = cv2.medianBlur(flat, int(rng.choice([5, 7, 9]))).astype(np.float32)
    grey = cv2.cvtColor(flat.astype(np.uint8), cv2.COLOR_RGB2GRAY).astype(np.float32)
    border = cv2.GaussianBlur(np.abs(cv2.Laplacian(grey, cv2.CV_32F, ksize=3)), (0, 0), 1.2)
    cloud = cv2.resize(
        rng.normal(0, 1, (height // 24 + 2, width // 24 + 2)).astype(np.float32), (width, height), interpolation=2
    )
    paper = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 0.8)
    light = 1 + 0.08 * cloud + 0.05 * paper - np.clip(border / 60, 0, rng.uniform(0.2, 0.5))
    pale = rng.uniform(0.1, 0.45)
    return vivid((flat * (1 - pale) + 255 * pale) * light[..., None], rng)


def screen(photo: Array, rng: np.random.Generator) -> Array:
    """A coarse regular print: a grid of spots for every colour, each grid at its own angle."""
    height, width = photo.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pitch, first = rng.uniform(3.5, 9), rng.uniform(0, np.pi)
    out = np.empty((height, width, 3), np.float32)
    for channel in range(3):
        angle = first + channel * np.pi / 6
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        wave = (np.cos(2 * np.pi * u / pitch) + np.cos(2 * np.pi * v / pitch)) / 4 + 0.5
        out[..., channel] = 255 * np.clip((photo[..., channel] / 255 - wave) * 6 + 0.5, 0, 1)
    return as_bytes(out)


def stylised(photo: Array, rng: np.random.Generator) -> Array:
    """The library's abstraction of photos: no fine contrast, strong outlines."""
    return vivid(cv2.stylization(photo, sigma_s=float(rng.uniform(15, 80)), sigma_r=float(rng.uniform(0.3, 0.7))), rng)


def vivid(picture: Array, rng: np.random.Generator) -> Array:
    """Paler or stronger colours."""
    grey = picture.mean(-1, keepdims=True)
    return as_bytes(grey + (picture - grey) * rng.uniform(0.7, 1.8))


def as_bytes(picture: Array) -> Array:
    """Numbers of any range as uint8."""
    return np.ascontiguousarray(picture.clip(0, 255).astype(np.uint8))

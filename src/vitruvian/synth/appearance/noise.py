"""Tileable noise made once and sampled many times: evaluating fractal noise per view would cost more than all the rest."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

from vitruvian.errors import unknown_name
from vitruvian.types import Array

SIZE = 512  # texels along one tile
_ROW = 256  # width of the table in which loose points are resampled


def _spectrum(shape: Callable[[Array, Array], Array], seed: int) -> Array:
    """(SIZE, SIZE) float32 periodic noise of mean 0 and deviation 1 whose amplitude spectrum is shape(fx, fy)."""
    fy, fx = np.fft.fftfreq(SIZE, 1 / SIZE)[:, None], np.fft.rfftfreq(SIZE, 1 / SIZE)[None]
    amplitude = shape(fx, fy)
    amplitude[0, 0] = 0
    white = np.fft.rfft2(np.random.default_rng(seed).standard_normal((SIZE, SIZE)))
    field = np.fft.irfft2(white * amplitude, (SIZE, SIZE))
    out: Array = np.clip(field / field.std(), -3, 3).astype(np.float32)
    return out


def _power(exponent: float, low: float = 2.0) -> Callable[[Array, Array], Array]:
    return lambda fx, fy: np.maximum(np.hypot(fx, fy), low) ** -exponent


def _ridges() -> Array:
    """Crests as of folded cloth: smooth noise, bent at its zero lines, longer in one direction."""
    smooth = _spectrum(lambda fx, fy: np.exp(-(((fx / 7) ** 2) + (fy / 3.5) ** 2)), 11)
    ridged = 0.8 - np.abs(smooth)
    out: Array = (ridged / ridged.std()).astype(np.float32)
    return out


def _cells() -> Array:
    """Distance to the nearest of scattered points, periodic: pebbles, petals, animal spots."""
    points = np.random.default_rng(12).integers(0, SIZE, (260, 2))
    canvas = np.full((3 * SIZE, 3 * SIZE), 255, np.uint8)
    for dy in range(3):
        for dx in range(3):
            canvas[points[:, 1] + dy * SIZE, points[:, 0] + dx * SIZE] = 0
    distance = cv2.distanceTransform(canvas, cv2.DIST_L2, 5)[SIZE : 2 * SIZE, SIZE : 2 * SIZE]
    out: Array = ((distance - distance.mean()) / distance.std()).astype(np.float32)
    return out


_MAKERS: dict[str, Callable[[], Array]] = {
    "soft": lambda: _spectrum(_power(2.2), 1),
    "fbm": lambda: _spectrum(_power(1.5), 2),
    "rough": lambda: _spectrum(_power(0.9, 4.0), 3),
    "strand": lambda: _spectrum(lambda fx, fy: np.exp(-((fy / 5) ** 2)) / np.maximum(fx, 3.0) ** 0.45, 5),
    "ridges": _ridges,
    "cells": _cells,
}


@cache
def atlas(kind: str) -> Array:
    """(SIZE + 1, SIZE + 1) float32 tile, mean 0, deviation about 1; the last row and column repeat the first."""
    if kind not in _MAKERS:
        raise unknown_name("noise", kind, _MAKERS)
    tile: Array = np.pad(_MAKERS[kind](), ((0, 1), (0, 1)), mode="wrap")
    tile.flags.writeable = False
    return tile


@cache
def sensor_noise() -> Array:
    """(SIZE, SIZE, 3) float32 white Gaussian noise, deviation 1: views of it stand for fresh noise."""
    return np.random.default_rng(7).standard_normal((SIZE, SIZE, 3)).astype(np.float32)


def lookup(tile: Array, u: Array, v: Array) -> Array:
    """Bilinear samples of a padded tile (S + 1, S + 1[, C]) at (N,) coordinates in tiles, repeated -> (N[, C])."""
    n = len(u)
    rows = -(-n // _ROW)
    maps = np.zeros((2, rows * _ROW), np.float32)
    for target, coordinate, size in ((maps[0], u, tile.shape[1] - 1), (maps[1], v, tile.shape[0] - 1)):
        target[:n] = (coordinate - np.floor(coordinate)) * size
    out = cv2.remap(tile, maps[0].reshape(rows, _ROW), maps[1].reshape(rows, _ROW), cv2.INTER_LINEAR)
    result: Array = out.reshape(rows * _ROW, *tile.shape[2:])[:n]
    return result


def field(rng: np.random.Generator, kind: str, size: tuple[int, int], scale: float, aspect: float = 1.0) -> Array:
    """(H, W) float32 window of a tile; `scale` tiles fit across the longer side, turned and shifted at random."""
    height, width = size
    step = scale * SIZE / max(height, width)
    angle = rng.uniform(0, 2 * np.pi) if aspect == 1.0 else 0.0
    cos, sin = np.cos(angle) * step, np.sin(angle) * step
    matrix = np.array([[cos, -sin * aspect, rng.uniform(0, SIZE)], [sin, cos * aspect, rng.uniform(0, SIZE)]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out: Array = cv2.warpAffine(atlas(kind), matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)
    return out

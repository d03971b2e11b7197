"""Marks on photos. Each gives the marked photo and the coverage of the mark, (H, W) 0 to 1, for a model to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vitruvian.synth.marks.fonts import Font, block_mask
from vitruvian.synth.marks.logos import LEARNED, logo
from vitruvian.types import Array


def watermark(
    photo: Array, fonts: Sequence[Font], rng: np.random.Generator, logos: Sequence[str] = LEARNED
) -> tuple[Array, Array]:
    """A see-through name, address or logo: one large, many in rows, one in a corner, or lines across, as photo agencies do."""
    height, width = photo.shape[:2]
    kind = rng.random()
    mask = np.zeros((height, width), np.float32)
    if kind < 0.3:
        share, angle = rng.uniform(0.4, 1.0), rng.choice([0.0, rng.uniform(-60, 60)])
        place = (width * rng.uniform(0.4, 0.6), height * rng.uniform(0.35, 0.65))
        _put(mask, _mark(fonts, logos, rng), place, share * width, angle, 0.4 * height)
    elif kind < 0.65:
        _rows(mask, fonts, logos, rng)
    else:
        size = rng.uniform(0.12, 0.45) * width
        x, y = rng.choice([0.5 * size + 6, width - 0.5 * size - 6, width / 2]), rng.choice([0.06, 0.94, 0.9, 0.5])
        _put(mask, _mark(fonts, logos, rng), (x, y * height), size, 0.0, 0.12 * height)
    if kind < 0.65 and rng.random() < 0.25:
        _across(mask, rng)
    alpha = float(rng.uniform(0.2, 0.65) if kind < 0.65 else rng.uniform(0.3, 0.8))
    return _blend(photo, mask, alpha, rng), mask


def caption(photo: Array, fonts: Sequence[Font], rng: np.random.Generator) -> tuple[Array, Array]:
    """Solid words: a title, a subtitle, a joke above and below, a sign; plain, outlined, with a shadow, or on a ground."""
    height, width = photo.shape[:2]
    mask = np.zeros((height, width), np.float32)
    out = photo
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        part = np.zeros((height, width), np.float32)
        block = block_mask(fonts, int(rng.choice([1, 1, 1, 2, 3, 5])), int(rng.integers(1, 6)), rng)
        share = rng.uniform(0.3, 0.96)
        place = (width * rng.uniform(0.3, 0.7), height * float(rng.choice([0.1, 0.5, 0.88, rng.uniform(0.1, 0.9)])))
        angle = 0.0 if rng.random() < 0.75 else rng.uniform(-30, 30)
        _put(part, block, place, share * width, angle, rng.uniform(0.08, 0.4) * height)
        out, mask = _solid(out, part, rng), np.maximum(mask, part)
    return out, mask


def lettering(photo: Array, fonts: Sequence[Font], rng: np.random.Generator) -> Array:
    """Words that belong to the scene: seen at an angle, lit as what they stand on, no sharper than the photo. No overlay."""
    height, width = photo.shape[:2]
    block = block_mask(fonts, int(rng.choice([1, 1, 2, 3])), int(rng.integers(1, 3)), rng)
    wide = rng.uniform(0.1, 0.45) * width
    high = min(wide * block.shape[0] / block.shape[1] * rng.uniform(0.7, 1.4), 0.3 * height)
    corners = np.array([[-wide, -high], [wide, -high], [wide, high], [-wide, high]]) / 2
    corners *= 1 + rng.uniform(-0.25, 0.25, (4, 2))
    angle = rng.normal(0, 0.25)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = corners @ turn + rng.uniform((0.15 * width, 0.15 * height), (0.85 * width, 0.85 * height))
    rows, columns = block.shape
    flat = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    small = cv2.resize(block, None, fx=min(1, wide / columns), fy=min(1, wide / columns), interpolation=cv2.INTER_AREA)
    flat *= np.array([small.shape[1] / columns, small.shape[0] / rows], np.float32)
    mask = cv2.warpPerspective(small, cv2.getPerspectiveTransform(flat, corners.astype(np.float32)), (width, height))
    cover = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), float(rng.uniform(0.6, 1.6)))[..., None]
    base: Array = photo.astype(np.float32)
    light = cv2.GaussianBlur(base, (0, 0), 6) / 255
    if rng.random() < 0.4:  # a sign, a label
        board = cv2.fillConvexPoly(np.zeros((height, width), np.float32), corners.astype(np.int32), 1.0)
        board = cv2.GaussianBlur(cv2.dilate(board, np.ones((9, 9), np.uint8)), (0, 0), 1.0)[..., None]
        base = base * (1 - board) + rng.uniform(60, 255, 3) * (0.35 + 0.65 * light) * board
    paint = rng.uniform(0, 255, 3) if rng.random() < 0.6 else np.full(3, rng.choice([15, 235]))
    share = rng.uniform(0.7, 1) * cover
    out: Array = (base * (1 - share) + paint * (0.25 + 0.75 * light) * share).clip(0, 255).astype(np.uint8)
    return out


def _mark(fonts: Sequence[Font], logos: Sequence[str], rng: np.random.Generator) -> Array:
    kind = rng.random()
    if kind < 0.6:
        return block_mask(fonts, 1, 2, rng)
    emblem = logo(str(rng.choice(list(logos))), rng)
    if kind < 0.75:
        return emblem
    name = block_mask(fonts, 1, 1, rng)
    scale = name.shape[0] * rng.uniform(1.2, 2.2) / emblem.shape[0]
    emblem = cv2.resize(emblem, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    above = (emblem.shape[0] - name.shape[0]) // 2
    name = np.pad(name, ((above, emblem.shape[0] - name.shape[0] - above), (10, 0)))
    return np.concatenate([emblem, name], 1)


def _rows(mask: Array, fonts: Sequence[Font], logos: Sequence[str], rng: np.random.Generator) -> None:
    """The same mark in slanting rows all over."""
    height, width = mask.shape
    mark, size, angle = _mark(fonts, logos, rng), rng.uniform(0.16, 0.4) * width, rng.choice([0, -45, -30, 30, 45])
    step_x, step_y = size * rng.uniform(1.15, 1.8), size * rng.uniform(0.5, 1.2)
    for row in range(int(height / step_y) + 2):
        for column in range(int(width / step_x) + 2):
            _put(mask, mark, (column * step_x + (row % 2) * step_x / 2, row * step_y), size, float(angle), 0.3 * height)


def _across(mask: Array, rng: np.random.Generator) -> None:
    height, width = mask.shape
    thick = int(rng.integers(1, 4))
    layer = np.zeros((height, width), np.uint8)
    cv2.line(layer, (0, 0), (width, height), 255, thick, cv2.LINE_AA)
    cv2.line(layer, (width, 0), (0, height), 255, thick, cv2.LINE_AA)
    np.maximum(mask, layer / 255.0, out=mask)


def _put(mask: Array, mark: Array, place: tuple[float, float], width: float, angle: float, highest: float) -> None:
    """Add a mark, so wide but not higher than `highest` px, about a place (x, y)."""
    scale = min(width / mark.shape[1], highest / mark.shape[0])
    if scale < 1:  # averaged first, so that thin strokes do not break
        mark = cv2.resize(mark, None, fx=max(scale, 2 / min(mark.shape)), fy=max(scale, 2 / min(mark.shape)),
                          interpolation=cv2.INTER_AREA)  # fmt: skip
        scale = 1.0
    middle = ((mark.shape[1] - 1) / 2, (mark.shape[0] - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, angle, scale)
    matrix[:, 2] += np.array(place) - middle
    drawn = cv2.warpAffine(mark, matrix, mask.shape[::-1], flags=cv2.INTER_LINEAR)
    np.maximum(mask, drawn.astype(np.float32) / 255, out=mask)


def _color(rng: np.random.Generator) -> Array:
    kind = rng.random()
    if kind < 0.55:
        return np.full(3, rng.uniform(215, 255), np.float32)
    color: Array = np.full(3, rng.uniform(0, 40)) if kind < 0.75 else rng.uniform(0, 255, 3)
    return color.astype(np.float32)


def _blend(photo: Array, mask: Array, alpha: float, rng: np.random.Generator) -> Array:
    base: Array = photo.astype(np.float32)
    if rng.random() < 0.15:  # embossed: light on one side, dark on the other
        rise: Array = cv2.GaussianBlur(mask, (0, 0), 1.2)
        slope = rise - np.roll(rise, (2, 2), (0, 1))
        return (base + 130 * alpha * slope[..., None]).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        shadow = np.roll(mask, (1, 1), (0, 1)) * (1 - mask)
        base *= 1 - 0.6 * alpha * shadow[..., None]
    cover = alpha * mask[..., None]
    return (base * (1 - cover) + _color(rng) * cover).clip(0, 255).astype(np.uint8)


def _solid(photo: Array, mask: Array, rng: np.random.Generator) -> Array:
    base: Array = photo.astype(np.float32)
    color, kind = _color(rng), rng.random()
    other = 255 - color if rng.random() < 0.8 else _color(rng)
    if kind < 0.35:
        reach = int(rng.integers(3, 8)) | 1
        ground = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))[..., None]
        base = base * (1 - ground) + other * ground
    elif kind < 0.55:
        shift = int(rng.integers(1, 4))
        ground = 0.8 * np.roll(mask, (shift, shift), (0, 1))[..., None]
        base = base * (1 - ground) + other * ground
    elif kind < 0.75:
        rows, columns = np.flatnonzero(mask.max(1) > 0.2), np.flatnonzero(mask.max(0) > 0.2)
        if len(rows) and len(columns):
            pad, share = int(rng.integers(3, 16)), rng.uniform(0.5, 1)
            top, left = max(rows[0] - pad, 0), max(columns[0] - pad, 0)
            window = base[top : rows[-1] + pad, left : columns[-1] + pad]
            window[:] = window * (1 - share) + other * share
    cover = mask[..., None] * rng.uniform(0.88, 1)
    return (base * (1 - cover) + color * cover).clip(0, 255).astype(np.uint8)

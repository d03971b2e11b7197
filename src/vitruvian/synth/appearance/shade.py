"""Light on people: sky, ground and one or two lamps, with relief, occlusion and shadows taken from the depth map."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vitruvian.data.gbuffer import MATERIALS
from vitruvian.synth.appearance.layers import Layers
from vitruvian.synth.appearance.noise import field
from vitruvian.synth.appearance.people import Surfaces
from vitruvian.types import Array

_FAR = 1e3
_COVERS = ("hair", "upper_cloth", "outer_cloth", "lower_cloth", "shoe", "sock", "apparel", "headwear")


@dataclass(frozen=True)
class Lamp:
    """A distant lamp. direction (3,) unit, towards the lamp in camera axes; color (3,) linear; shadow 0..1 its depth."""

    direction: Array
    color: Array
    shadow: float


@dataclass(frozen=True)
class Light:
    """sky, ground, side (3,) linear radiance that arrives from above, below and one side; up (3,), right (3,) unit."""

    sky: Array
    ground: Array
    side: Array
    up: Array
    right: Array
    lamps: tuple[Lamp, ...]


def _unit(vector: Array) -> Array:
    out: Array = (vector / np.linalg.norm(vector)).astype(np.float32)
    return out


def _tint(rng: np.random.Generator, spread: float) -> Array:
    """(3,) colour of mean about 1 between warm and cool."""
    warm, green = rng.normal(0, spread), rng.normal(0, spread / 4)
    out: Array = np.clip(np.array([1 + warm, 1 + green, 1 - warm]), 0.3, 1.8).astype(np.float32)
    return out


def draw_light(rng: np.random.Generator, surroundings: Array) -> Light:
    """Random light; half of the time its ambient part takes the colours of the picture behind (H, W, 3) uint8."""
    ambient = rng.uniform(0.15, 0.75)
    if rng.random() < 0.55:
        small = (cv2.resize(surroundings, (4, 8), interpolation=cv2.INTER_AREA).astype(np.float32) / 255) ** 2.2 + 0.05
        small /= small.mean()
        tints = [0.5 + 0.5 * small[:4].mean((0, 1)), 0.3 + 0.5 * small[4:].mean((0, 1)), small[:, 3].mean(0)]
    else:
        tints = [_tint(rng, 0.12), _tint(rng, 0.15) * rng.uniform(0.2, 0.9), _tint(rng, 0.2)]
    roll = rng.normal(0, 0.2)
    lamps = [_lamp(rng, (1.05 - ambient) * rng.uniform(1.0, 2.2))]
    if rng.random() < 0.4:
        lamps.append(_lamp(rng, rng.uniform(0.1, 0.6)))
    up = _unit(np.array([np.sin(roll), -np.cos(roll), -0.15]))
    right = _unit(np.array([np.cos(roll), np.sin(roll), rng.normal(0, 0.3)]))
    side = tints[2] * rng.normal(0, 0.12)
    return Light(tints[0] * ambient, tints[1] * ambient, side, up, right, tuple(lamps))


def _lamp(rng: np.random.Generator, strength: float) -> Lamp:
    """From anywhere above the horizon, mostly from the viewer's side; at times from behind (back light) or below."""
    azimuth = rng.normal(0, 1.0) if rng.random() < 0.8 else rng.uniform(0, 2 * np.pi)
    height = np.deg2rad(rng.uniform(5, 80) if rng.random() < 0.93 else rng.uniform(-40, 5))
    flat = np.cos(height)
    direction = _unit(np.array([np.sin(azimuth) * flat, -np.sin(height), -np.cos(azimuth) * flat]))
    return Lamp(direction, _tint(rng, 0.14) * np.float32(strength), float(rng.uniform(0.2, 1.0)))


def shade(layers: Layers, surfaces: Surfaces, light: Light, rng: np.random.Generator) -> Array:
    """(N, 3) linear radiance of the foreground pixels."""
    depth = layers.image(layers.depth, _FAR)
    normal = _relief(layers, surfaces.height)
    open_sky = 1 - rng.uniform(0.4, 1.0) * _crevices(depth, layers)
    open_sky *= 1 - rng.uniform(0.1, 0.7) * _under_cloth(layers)
    up, across = normal @ light.up, normal @ light.right
    ambient = light.ground + (light.sky - light.ground) * (0.5 + 0.5 * up)[:, None] + light.side * across[:, None]
    incoming = np.maximum(ambient, 0.02) * open_sky[:, None]
    shine = np.zeros(len(layers.at), np.float32)
    for lamp in light.lamps:
        lit = _lit(layers, depth, lamp, rng)
        facing = normal @ lamp.direction
        incoming += (np.clip((facing[:, None] + surfaces.wrap) / (1 + surfaces.wrap), 0, 1) * lit[:, None]) * lamp.color
        half = _unit(lamp.direction + np.array([0, 0, -1]))
        toward = np.maximum(normal @ half, 0)
        toward /= surfaces.power * (1 - toward) + toward  # Schlick's stand-in for a power
        shine += toward * lit * lamp.color.mean() * (facing > 0)
    graze = 1 + np.minimum(normal[:, 2], 0)
    rim = graze * graze * graze * open_sky * up.clip(0.1, 1)
    radiance = surfaces.albedo * incoming + (surfaces.gloss * (shine + 0.4 * rim))[:, None]
    out: Array = radiance.astype(np.float32)
    return out


def _relief(layers: Layers, height: Array) -> Array:
    """(N, 3) normals bent by the screen-space slope of the relief, which is in metres."""
    relief = cv2.GaussianBlur(layers.image(height), (3, 3), 0.8)
    normal = layers.normal.copy()
    for axis, (dx, dy) in enumerate(((1, 0), (0, 1))):
        slope = cv2.Sobel(relief, cv2.CV_32F, dx, dy, ksize=3, scale=0.125 / layers.metres_per_pixel).ravel()[layers.at]
        normal[:, axis] -= np.clip(slope, -0.9, 0.9)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return normal


def _half(depth: Array) -> Array:
    return np.ascontiguousarray(depth[::2, ::2])


def _fetch(layers: Layers, small: Array, blur: float) -> Array:
    """Half-size map -> (N,) at the foreground pixels."""
    soft = cv2.GaussianBlur(small, (0, 0), blur)
    height, width = layers.size
    full: Array = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR).ravel()[layers.at]
    return full


def _crevices(depth: Array, layers: Layers) -> Array:
    """(N,) 0..1, how much a pixel lies behind its neighbourhood: folds between limb and trunk, under the chin, hollows."""
    small = _half(depth)
    solid = (small < _FAR).astype(np.float32)
    hidden = np.zeros_like(small)
    for metres in (0.05, 0.16):
        reach = int(np.clip(metres / layers.metres_per_pixel / 2, 1, 24)) * 2 + 1
        weight = cv2.blur(solid, (reach, reach)) + 1e-6
        mean = cv2.blur(np.where(solid > 0, small, 0), (reach, reach)) / weight
        hidden += np.clip((small - mean) / (0.6 * metres), 0, 0.6) * solid
    return _fetch(layers, np.minimum(hidden, 1), 1.0)


def _under_cloth(layers: Layers) -> Array:
    """(N,) 0..1, on skin: how near hems, hair and straps are, whose shadow the depth map is too coarse to show."""
    cover = np.zeros(len(layers.at), np.float32)
    for _, material, run in layers.runs:
        cover[run] = MATERIALS[material] in _COVERS
    reach = int(np.clip(0.02 / layers.metres_per_pixel, 1, 12)) * 2 + 1
    near: Array = cv2.blur(layers.image(cover), (reach, reach)).ravel()[layers.at]
    return near * (1 - cover)


def _lit(layers: Layers, depth: Array, lamp: Lamp, rng: np.random.Generator) -> Array:
    """(N,) 0..1, what the lamp reaches: marches a few steps through the depth map; at times dappled by leaves or frames."""
    small = _half(depth)
    blocked = np.zeros_like(small)
    height, width = small.shape
    for metres in (0.03, 0.07, 0.14, 0.26, 0.42):
        step = lamp.direction * metres
        dx, dy = (round(float(s) / layers.metres_per_pixel / 2) for s in step[:2])
        if max(abs(dx), abs(dy)) >= min(height, width) or (dx == 0 and dy == 0):
            continue
        y0, y1, x0, x1 = max(0, -dy), height - max(0, dy), max(0, -dx), width - max(0, dx)
        there = small[y0 + dy : y1 + dy, x0 + dx : x1 + dx]
        ahead = small[y0:y1, x0:x1] + step[2] - there
        hit = (ahead > 0.02) & (ahead < 0.45)
        np.maximum(blocked[y0:y1, x0:x1], hit, out=blocked[y0:y1, x0:x1])
    lit = 1 - lamp.shadow * _fetch(layers, blocked, float(rng.uniform(0.8, 2.5)))
    if rng.random() < 0.18:
        pattern = field(rng, rng.choice(["soft", "fbm", "cells"]), small.shape, rng.uniform(0.2, 1.5))
        edge = rng.uniform(1, 6)
        shadow = np.clip(pattern * edge + rng.normal(0, edge / 2), 0, 1) * rng.uniform(0.3, 0.9)
        lit *= 1 - _fetch(layers, shadow, 1.0)
    return lit

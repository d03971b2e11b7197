"""One picture: people shaded at the resolution they were rendered at, set into a scene, then photographed."""

from __future__ import annotations

import cv2
import numpy as np

from vitruvian.data.gbuffer import GBuffer
from vitruvian.synth.appearance import scenery, shapes
from vitruvian.synth.appearance.backgrounds import Backgrounds
from vitruvian.synth.appearance.degrade import degrade
from vitruvian.synth.appearance.layers import Layers, Rectangle, gather, whole_frame
from vitruvian.synth.appearance.people import surfaces
from vitruvian.synth.appearance.shade import draw_light, shade
from vitruvian.types import Array, Crop

_STEPS = 4096
LITTLE = (0.9, 1.2)  # scales of a crop that are drawn as they are
MOST_SHRUNK = 1.6  # beyond, more pixels of the frame cost time and show nothing


def _display_table() -> Array:
    """Linear light 0..2 -> display 0..255 with a soft shoulder, as cameras render it."""
    light = np.linspace(0, 2, _STEPS, dtype=np.float32)
    rolled = np.where(light < 0.7, light, 0.7 + 0.3 * (1 - np.exp(-(light - 0.7) / 0.3)))
    return (255 * rolled ** (1 / 2.2)).astype(np.float32)


_DISPLAY = _display_table()


def draw(
    frame: GBuffer,
    rng: np.random.Generator,
    crop: Crop | None = None,
    backgrounds: Backgrounds | None = None,
    tone: float | None = None,
) -> Array:
    """Render a frame in a random appearance: (H, W, 3) uint8 RGB, of the whole frame or of one crop of it.

    With a crop (turned, mirrored or not) the picture is that of `geometry.warp(image, crop)`, black outside the frame, but
    made directly at the crop's size. Everything random comes from `rng`. tone: of everybody's skin, 0 lightest to 1 darkest;
    with the same `rng` all else is drawn alike, and only the camera's exposure follows.
    """
    photos = backgrounds or Backgrounds.load()
    crop = crop or whole_frame(frame.size)
    layers = gather(frame, crop)
    return photograph(render(frame, layers, crop, rng, photos, tone=tone), layers, rng)


def photograph(image: Array, layers: Layers, rng: np.random.Generator) -> Array:
    """The camera's faults, and clean black beyond the picture's border, where the model's own crop will have it."""
    image = degrade(image, rng)
    image[~layers.inside] = 0
    return image


def render(
    frame: GBuffer,
    layers: Layers,
    crop: Crop,
    rng: np.random.Generator,
    photos: Backgrounds,
    border: Rectangle | None = None,
    tone: float | None = None,
) -> Array:
    """(H, W, 3) uint8 before the camera's faults. layers: what the crop sees; border: as in `gather`, black beyond; tone: as
    in `draw`.

    People and what is behind them are shaded at the frame's own resolution and come to the crop's as one picture, as in a photo
    that is scaled: shrunk by area, so that neither shows stairs, or enlarged, soft as a small person in a photo is.
    """
    native, gain = _native(crop)
    image = _scene(layers if native is crop else gather(frame, native, border), rng, photos, tone)
    if native is crop:
        return image
    if gain > 1:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 0.9)))  # a lens shows no stairs of pixels
    out: Array = cv2.resize(image, crop.size[::-1], interpolation=cv2.INTER_CUBIC if gain > 1 else cv2.INTER_AREA)
    return out


def _native(crop: Crop) -> tuple[Crop, float]:
    """The same crop with as many pixels as the frame has there, and how much it enlarges them; itself where that is little."""
    gain = max(float(np.sqrt(abs(np.linalg.det(crop.matrix[:, :2])))), 1 / MOST_SHRUNK)
    if LITTLE[0] <= gain <= LITTLE[1]:
        return crop, gain
    height, width = (max(16, round(n / gain)) for n in crop.size)
    sx, sy = width / crop.size[1], height / crop.size[0]
    shrink = np.array([[sx], [sy]])
    matrix = crop.matrix * shrink
    matrix[:, 2:] += 0.5 * shrink - 0.5
    return Crop(matrix, (height, width), crop.source_size, crop.flipped), gain


def _scene(layers: Layers, rng: np.random.Generator, photos: Backgrounds, tone: float | None) -> Array:
    behind = scenery.backdrop(rng, layers.size, photos)
    if layers.furniture.any():
        shapes.cover(behind, rng, photos, layers.furniture)
    if len(layers.at):
        light = draw_light(rng, behind)
        radiance = shade(layers, surfaces(layers, rng, photos, tone), light, rng)
        people = _develop(radiance, behind, rng)
        if rng.random() < 0.7:
            behind = _cast(layers, behind, rng)
        behind = _merge(layers, people, behind)
        if rng.random() < 0.06:
            behind = _haze(layers, behind, rng)
    behind[~layers.inside] = 0  # here too, so that the camera blurs across the border as an enlarged crop does
    return behind


def _develop(radiance: Array, behind: Array, rng: np.random.Generator) -> Array:
    """(N, 3) display 0..255: exposed near to what stands behind, sometimes far from it."""
    middle = float(np.median(radiance[::5])) + 1e-4
    mood = float(cv2.mean(behind)[1]) / 255
    target = 0.1 + 0.25 * mood if rng.random() < 0.5 else 0.2
    exposure = (target / middle) ** rng.uniform(0.2, 0.6) * np.exp(rng.normal(-0.35, 0.4))
    out: Array = _DISPLAY[np.clip(radiance * (exposure * _STEPS / 2), 0, _STEPS - 1).astype(np.int16)]
    return out


def _cast(layers: Layers, behind: Array, rng: np.random.Generator) -> Array:
    """Darken what stands behind, beside and below people: their shadow on a wall or floor, soft and out of place."""
    height, width = layers.size
    mask = (layers.person[::4, ::4] > 0).astype(np.float32)
    small_h, small_w = mask.shape
    shift = rng.normal(0, 0.06, 2) * small_h + (0, 0.02 * small_h)
    squash = rng.uniform(0.3, 1.05) if rng.random() < 0.4 else 1.0
    matrix = np.array([[1, rng.normal(0, 0.2), shift[0]], [0, squash, shift[1] + (1 - squash) * small_h * 0.9]])
    moved = cv2.warpAffine(mask, matrix, (small_w, small_h))
    soft = cv2.GaussianBlur(moved, (0, 0), float(rng.uniform(0.8, 5)))
    keep = cv2.resize(1 - np.float32(rng.uniform(0.15, 0.7)) * soft, (width, height), interpolation=cv2.INTER_LINEAR)
    shadowed: Array = cv2.multiply(behind, cv2.merge([keep] * 3), dtype=cv2.CV_8U)
    return shadowed


def _merge(layers: Layers, people: Array, behind: Array) -> Array:
    """(H, W, 3) uint8: people over the scene, their outline mixed across about two pixels as optics do."""
    mask = np.where(layers.person > 0, np.uint8(255), np.uint8(0))
    colored = np.zeros((*layers.size, 3), np.uint8)
    colored.reshape(-1, 3)[layers.at] = people
    alpha = cv2.GaussianBlur(mask, (3, 3), 0.6)
    spread = cv2.GaussianBlur(colored, (3, 3), 0.6)
    out = np.where(layers.person[..., None] > 0, colored, behind)
    edge = np.flatnonzero((alpha > 0) & (alpha < 255))
    through = (255 - alpha.ravel()[edge, None]) * np.float32(1 / 255)
    out.reshape(-1, 3)[edge] = np.minimum(spread.reshape(-1, 3)[edge] + through * behind.reshape(-1, 3)[edge], 255)
    return out


def _haze(layers: Layers, image: Array, rng: np.random.Generator) -> Array:
    """Mist or stray light: what is far turns pale."""
    depth = layers.image(layers.depth, float(layers.depth.max()) * 1.5)
    share = 1 - np.exp(-np.float32(rng.uniform(0.1, 0.6)) * depth / np.median(layers.depth))
    pale = rng.uniform(120, 240) + rng.normal(0, 10, 3).astype(np.float32)
    mixed: Array = image + (pale - image) * share[..., None]
    return mixed.clip(0, 255).astype(np.uint8)

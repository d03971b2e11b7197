"""What a camera, an editor and a file format do to a picture."""

from __future__ import annotations

import cv2
import numpy as np

from vitruvian.synth.appearance.noise import SIZE, sensor_noise
from vitruvian.types import Array


def degrade(image: Array, rng: np.random.Generator) -> Array:
    """(H, W, 3) uint8 RGB -> the same, as photographed: blurred, exposed, tinted, noisy, coarse, sharpened, JPEG."""
    image = _blur(image, rng)
    image = _tone(image, rng)
    if rng.random() < 0.18:
        image = _low_resolution(image, rng)
    image = _noise(image, rng)
    if rng.random() < 0.25:
        soft = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.6, 1.5)))
        amount = float(rng.uniform(0.3, 1.3))
        image = cv2.addWeighted(image, 1 + amount, soft, -amount, 0)
    if rng.random() < 0.05:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        image = cv2.merge([grey, grey, grey])
    return _jpeg(image, rng) if rng.random() < 0.75 else image


def _blur(image: Array, rng: np.random.Generator) -> Array:
    kind = rng.random()
    if kind < 0.07:
        return _motion(image, rng)
    limit = 2.2 if kind < 0.22 else 0.75
    sigma = float(rng.uniform(0.2, limit) * image.shape[0] / 256)
    blurred: Array = cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.3 else image
    return blurred


def _motion(image: Array, rng: np.random.Generator) -> Array:
    length = max(3, int(rng.uniform(3, 11) * image.shape[0] / 256)) | 1
    kernel = np.zeros((length, length), np.float32)
    angle, middle = rng.uniform(0, np.pi), length // 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * middle
    ends = [(round(middle + s * reach[0]), round(middle + s * reach[1])) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    moved: Array = cv2.filter2D(image, -1, kernel / kernel.sum())
    return moved


def _tone(image: Array, rng: np.random.Generator) -> Array:
    """Exposure, contrast, gamma, white balance and saturation in one table and one matrix; then vignette.

    One picture in six is far off, as by candlelight, under coloured lamps, against the sun or through a filter.
    """
    value = np.arange(256, dtype=np.float32)[:, None] / 255
    far = 3.0 if rng.random() < 1 / 6 else 1.0
    balance = np.exp(rng.normal(0, 0.05 * far, 3))
    value = np.clip(value * balance * np.exp(rng.normal(0, 0.14 * far)), 0, 1) ** np.exp(rng.normal(0, 0.14 * far))
    contrast = np.exp(rng.normal(0.03, 0.18))
    value = (value - 0.45) * contrast + 0.45 + rng.normal(0, 0.02)
    table = np.clip(255 * value, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, table[None])
    saturation = float(np.clip(rng.normal(1.0, 0.22), 0.1, 1.8))
    grey = np.full((3, 3), (1 - saturation) / 3, np.float32) + saturation * np.eye(3, dtype=np.float32)
    image = cv2.transform(image, grey)
    return _vignette(image, rng) if rng.random() < 0.25 else image


def _vignette(image: Array, rng: np.random.Generator) -> Array:
    height, width = image.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32) - np.float32(rng.normal(0, 0.3))
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - np.float32(rng.normal(0, 0.3))
    fall = 1 - np.float32(rng.uniform(0.05, 0.3)) * np.minimum(x * x + y * y, 2)
    darker: Array = cv2.multiply(image, cv2.merge([fall] * 3), dtype=cv2.CV_8U)
    return darker


def _low_resolution(image: Array, rng: np.random.Generator) -> Array:
    """Small once, enlarged again, by any of the usual interpolations."""
    height, width = image.shape[:2]
    scale = rng.uniform(0.2, 0.8)
    modes = [cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC]
    small = cv2.resize(image, (max(8, int(width * scale)), max(8, int(height * scale))), interpolation=int(rng.choice(modes)))
    large: Array = cv2.resize(
        small, (width, height), interpolation=int(rng.choice([*modes[1:], cv2.INTER_NEAREST], p=[0.55, 0.4, 0.05]))
    )
    return large


def _noise(image: Array, rng: np.random.Generator) -> Array:
    """Sensor noise, mostly light, grey or coloured, fine or a little smeared."""
    height, width = image.shape[:2]
    level = float(rng.gamma(0.9, 2.4))
    if level < 0.7:
        return image
    pool = sensor_noise()
    if max(height, width) > SIZE:
        pool = np.tile(pool, (-(-height // SIZE), -(-width // SIZE), 1))
    y, x = int(rng.integers(pool.shape[0] - height + 1)), int(rng.integers(pool.shape[1] - width + 1))
    grain = np.ascontiguousarray(pool[y : y + height, x : x + width])
    if rng.random() < 0.5:
        grain = cv2.merge([grain[..., 0]] * 3)
    if rng.random() < 0.3:
        grain = cv2.GaussianBlur(grain, (0, 0), 0.7) * 1.8
    noisy: Array = cv2.addWeighted(image, 1.0, grain, min(level, 18.0), 0, dtype=cv2.CV_8U)
    return noisy


def _jpeg(image: Array, rng: np.random.Generator) -> Array:
    quality = int(rng.uniform(30, 96))
    _, code = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded: Array = cv2.cvtColor(cv2.imdecode(code, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return decoded

"""Things painted over a picture: furniture, poles, leaves, cloths, limb-like decoys. Used behind people and before them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from vitruvian.synth.appearance import colors
from vitruvian.synth.appearance.backgrounds import Backgrounds
from vitruvian.synth.appearance.noise import atlas, field
from vitruvian.types import Array

Outline = Callable[[np.random.Generator, Array, Array, float], None]
_SHIFT = 3  # fractional bits of OpenCV's drawing coordinates


def _fill(mask: Array, points: Array) -> None:
    cv2.fillPoly(mask, [np.round(points * (1 << _SHIFT)).astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)


def _box(rng: np.random.Generator, mask: Array, center: Array, reach: float) -> None:
    """A turned rectangle, at times as perspective bends it."""
    aspect = np.exp(rng.normal(0, 0.5))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [aspect**0.5, aspect**-0.5] + rng.normal(0, 0.12, (4, 2))
    angle = rng.normal(0, 0.15) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    _fill(mask, center + reach * corners @ np.array([[cos, sin], [-sin, cos]]))


def _blob(rng: np.random.Generator, mask: Array, center: Array, reach: float) -> None:
    """A rounded lump: cushion, bag, bush, animal."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = 1 + sum(rng.normal(0, 0.35 / k) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(1, 6))
    squeeze = np.exp(rng.normal(0, 0.3))
    _fill(mask, center + reach * np.stack([radius * np.cos(angle) * squeeze, radius * np.sin(angle) / squeeze], 1))


def _poles(rng: np.random.Generator, mask: Array, center: Array, reach: float) -> None:
    """A post, or a railing of several."""
    angle = rng.normal(np.pi / 2, 0.1) if rng.random() < 0.6 else rng.uniform(0, np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    count, width = int(rng.choice([1, 1, 2, 4, 7])), max(1.0, reach * rng.uniform(0.05, 0.35))
    length, pitch = reach * rng.uniform(1.5, 6), max(width * 1.6, reach * rng.uniform(0.3, 0.8))
    for k in range(count):
        middle = center + across * (k - count / 2) * pitch
        side, far = across * width / 2 / (1 + 0.2 * count), along * length
        _fill(mask, np.stack([middle - far - side, middle - far + side, middle + far + side, middle + far - side]))


def _leaves(rng: np.random.Generator, mask: Array, center: Array, reach: float) -> None:
    """Thin leaves or twigs around a stem."""
    for _ in range(int(rng.integers(5, 22))):
        angle, length = rng.uniform(0, 2 * np.pi), reach * rng.uniform(0.3, 1.2)
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]]) * length * rng.uniform(0.05, 0.25)
        root = center + rng.normal(0, 0.4, 2) * reach
        _fill(
            mask,
            np.stack([root, root + along * length / 2 + across, root + along * length, root + along * length / 2 - across]),
        )


def _table(rng: np.random.Generator, mask: Array, center: Array, reach: float) -> None:
    """A slab on legs: table, bench, chair."""
    width, thick, tall = reach * rng.uniform(0.8, 1.8), reach * rng.uniform(0.06, 0.3), reach * rng.uniform(0.5, 1.5)
    slab = np.array([[-width, -thick], [width, -thick], [width, thick], [-width, thick]])
    _fill(mask, center + slab + rng.normal(0, 0.03 * reach, (4, 2)))
    leg = reach * rng.uniform(0.04, 0.12)
    for x in (-0.9 * width, 0.9 * width):
        _fill(mask, center + np.array([[x - leg, 0], [x + leg, 0], [x + leg, tall], [x - leg, tall]]))
    if rng.random() < 0.4:
        _fill(mask, center + np.array([[-width, -tall], [-width + 3 * leg, -tall], [-width + 3 * leg, 0], [-width, 0]]))


def _capsules(rng: np.random.Generator, mask: Array, center: Array, reach: float) -> None:
    """Limb-like sausages joined at random: they have a limb's outline and shading and belong to nobody."""
    here, heading = center.copy(), rng.uniform(0, 2 * np.pi)
    width = reach * rng.uniform(0.2, 0.5)
    for _ in range(int(rng.integers(1, 4))):
        there = here + reach * rng.uniform(0.5, 1.3) * np.array([np.cos(heading), np.sin(heading)])
        ends = [tuple(int(v) for v in np.clip(p, -2000, 2000)) for p in (here, there)]
        cv2.line(mask, ends[0], ends[1], 255, max(1, int(width)), cv2.LINE_AA)
        here, heading, width = there, heading + rng.normal(0, 0.9), width * rng.uniform(0.6, 1.0)


OUTLINES: tuple[tuple[Outline, float], ...] = (
    (_box, 0.32), (_blob, 0.2), (_poles, 0.14), (_leaves, 0.08), (_table, 0.12), (_capsules, 0.14),
)  # fmt: skip


def paint(image: Array, rng: np.random.Generator, photos: Backgrounds, center: Array, reach: float) -> Array:
    """Paint one thing of about `reach` pixels onto image (H, W, 3) uint8, in place; returns its alpha (H, W) uint8."""
    mask = np.zeros(image.shape[:2], np.uint8)
    outline = OUTLINES[colors.weighted(rng, tuple(weight for _, weight in OUTLINES))][0]
    outline(rng, mask, np.asarray(center, np.float64), reach)
    _coat(image, rng, photos, mask, reach, skinlike=0.6 if outline is _capsules else 0.06)
    return mask


def cover(image: Array, rng: np.random.Generator, photos: Backgrounds, where: Array) -> None:
    """Paint the pixels `where` (H, W) bool of image (H, W, 3) uint8, in place, as one thing of one stuff."""
    mask = cv2.GaussianBlur(np.where(where, np.uint8(255), np.uint8(0)), (3, 3), 0.6)
    _coat(image, rng, photos, mask, 0.1 * image.shape[0], skinlike=0.02)


def _coat(image: Array, rng: np.random.Generator, photos: Backgrounds, mask: Array, reach: float, skinlike: float) -> None:
    """Lay some stuff over the image where the alpha `mask` (H, W) uint8 says, lit as a round thing of `reach` pixels."""
    x, y, width, height = cv2.boundingRect(mask)
    if width == 0 or height == 0:
        return
    window = np.s_[y : y + height, x : x + width]
    stuff = _stuff(rng, (height, width), photos, skinlike)
    alpha = (mask[window].astype(np.float32) / 255)[..., None]
    stuff *= _roundness(rng, mask[window], reach)[..., None]
    image[window] = np.clip(image[window] * (1 - alpha) + stuff * alpha, 0, 255).astype(np.uint8)


def _stuff(rng: np.random.Generator, size: tuple[int, int], photos: Backgrounds, skinlike: float) -> Array:
    """(H, W, 3) float32 display colours of a surface: photo, cloth, wood or paint, skin-coloured at times."""
    kind = rng.random()
    if kind < skinlike:
        base = 255 * colors.skin(rng) ** (1 / 2.2)
    elif kind < 0.45:
        return photos.window(rng, size, (1.0, 3.0)).astype(np.float32) * np.float32(rng.uniform(0.4, 1.1))
    else:
        base = 255 * colors.cloth(rng) ** (1 / 2.2)
    noise = field(rng, rng.choice(["fbm", "rough", "strand", "soft"]), size, rng.uniform(0.1, 1.0))
    tone = 1 + np.float32(rng.uniform(0, 0.2)) * noise
    plane: Array = tone[..., None] * base.astype(np.float32)
    if rng.random() < 0.25:
        period, phase = rng.uniform(3, 25), rng.uniform(0, 9)
        band = (
            np.sin((np.arange(size[0])[:, None] * rng.normal() + np.arange(size[1]) * rng.normal() + phase) * 6.3 / period) > 0
        )
        plane[band] *= np.float32(rng.uniform(0.4, 0.9))
    return plane


def _roundness(rng: np.random.Generator, mask: Array, reach: float) -> Array:
    """(H, W) float32 factor of light: a slope across the thing, and a rounded edge."""
    height, width = mask.shape
    slope = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(rng.normal(0, 0.15))
    light = (
        np.float32(rng.uniform(0.45, 1.1))
        + slope
        + np.linspace(-1, 1, width, dtype=np.float32) * np.float32(rng.normal(0, 0.15))
    )
    if rng.random() < 0.5:
        depth = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3)
        light = light * (0.45 + 0.55 * np.sqrt(np.minimum(depth / max(0.3 * reach, 1), 1)))
    out: Array = np.clip(light, 0.1, 1.4)
    return out


def write_text(image: Array, rng: np.random.Generator) -> None:
    """Lettering somewhere in the picture, as on signs and spines."""
    letters = "".join(
        chr(c) for c in rng.choice([*range(65, 91), *range(97, 123), *range(48, 58), 32], int(rng.integers(3, 14)))
    )
    place = (int(rng.uniform(-0.2, 0.8) * image.shape[1]), int(rng.uniform(0.05, 1) * image.shape[0]))
    color = tuple(int(c) for c in rng.integers(0, 256, 3))
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX]))
    cv2.putText(
        image, letters, place, font, image.shape[0] / 256 * rng.uniform(0.3, 1.8), color, int(rng.integers(1, 4)), cv2.LINE_AA
    )


def leaf_mask(rng: np.random.Generator, size: tuple[int, int], share: float) -> Array:
    """(H, W) bool: blots that cover about `share` of the picture, ragged as foliage."""
    rough = field(rng, "fbm", size, rng.uniform(0.2, 0.8)) + 0.4 * field(rng, "rough", size, 0.8)
    out: Array = rough > np.quantile(atlas("fbm")[::16, ::16], 1 - share)
    return out

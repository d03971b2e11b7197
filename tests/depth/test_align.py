"""Relative depth made metric, on a body whose true depth is known."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.depth.align import Anchor, by_anchors, by_height, relief
from vitruvian.errors import InputError
from vitruvian.geometry import focal_of_fov, pinhole, unproject
from vitruvian.types import Array

SIZE = (240, 160)
K = pinhole(focal_of_fov(40, SIZE[1]), SIZE)
RADIUS, HALF, FAR = 0.25, 0.9, 4.0


def cylinder() -> tuple[Array, Array]:
    """Depth (H, W) in metres and normals of a round column, 1.8 m tall, 4 m away, upright before the camera."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    rx, ry = (x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1]
    a, b, c = rx**2 + 1, -2 * FAR, FAR**2 - RADIUS**2
    inside = b * b - 4 * a * c
    z = np.where(inside > 0, (-b - np.sqrt(np.maximum(inside, 0))) / (2 * a), np.nan)
    z[np.abs(ry * z) > HALF] = np.nan
    normal = np.stack([rx * z, 0 * z, z - FAR], -1) / RADIUS
    return z, normal


def relative(z: Array) -> tuple[Array, float, float]:
    near, far = float(np.nanmin(z)), float(np.nanmax(z))
    return (z - near) / (far - near), near, far


def test_anchors_give_back_the_metres() -> None:
    z, _ = cylinder()
    r, near, far = relative(z)
    places = [(80, 80), (67, 100), (92, 150)]
    exact = by_anchors(r, [Anchor(x, y, float(z[y, x])) for x, y in places], "p")
    assert (exact.shift, exact.scale) == pytest.approx((near, far - near))
    assert exact.notes["rms"] == 0
    off = by_anchors(r, [Anchor(x, y, float(z[y, x]) + e) for (x, y), e in zip(places, (0.02, 0, -0.02), strict=True)], "p")
    assert 0 < float(str(off.notes["rms"])) < 0.02 and len(off.notes["anchors"]) == 3  # type: ignore[arg-type]


def test_anchors_that_say_nothing_are_refused() -> None:
    r, *_ = relative(cylinder()[0])
    for anchors, told in [
        ([Anchor(80, 80, 3.75)], "has 1 anchor"),
        ([Anchor(80, 80, 3.75), Anchor(80, 100, 3.75)], "lie at one relative depth"),
        ([Anchor(80, 80, 4.0), Anchor(67, 100, 3.75)], "what is seen as near is far"),
        ([Anchor(80, 80, -0.01), Anchor(67, 100, 4.0), Anchor(92, 100, 4.2)], "from the camera"),
    ]:
        with pytest.raises(InputError, match=told):
            by_anchors(r, anchors, "person 1")


def test_a_known_height_and_the_normals_give_distance_and_thickness() -> None:
    z, normal = cylinder()
    r, near, far = relative(z)
    found = by_height(r, normal, K, 2 * HALF, None, "p")
    assert found.shift == pytest.approx(near, rel=0.01)
    assert found.scale == pytest.approx(far - near, rel=0.05)
    points = unproject(found.shift + found.scale * r, K)
    assert np.nanmax(points[..., 1]) - np.nanmin(points[..., 1]) == pytest.approx(2 * HALF, rel=0.02)


def test_a_known_height_and_span_need_no_normals() -> None:
    r, near, far = relative(cylinder()[0])
    found = by_height(r, None, K, 2 * HALF, far - near, "p")
    assert found.shift == pytest.approx(near, rel=0.01) and found.scale == far - near


def test_noise_and_edges_in_depth_do_not_decide_the_scale() -> None:
    z, normal = cylinder()
    z[:, :70] += 0.3  # a limb behind
    z += np.random.default_rng(0).normal(0, 0.002, SIZE)
    r, near, far = relative(z)
    k, agreement = relief(r, normal, K, 8, "p")
    assert k == pytest.approx((far - near) / near, rel=0.05) and agreement > 0.3


def test_a_height_that_is_not_seen_is_refused() -> None:
    z, normal = cylinder()
    r, *_ = relative(z)
    with pytest.raises(InputError, match="no normals to take the scale from"):
        by_height(r, None, K, 1.8, None, "p")
    turned = normal * np.array([-1, 1, 1])  # hollow where depth bulges
    with pytest.raises(InputError, match="normals do not tell the scale"):
        by_height(r, turned, K, 1.8, None, "p")
    with pytest.raises(InputError, match="cut off by the edge"):
        by_height(r[80:], normal[80:], K, 1.8, None, "p")

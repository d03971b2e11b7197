"""Boxes, crops, flips, cameras: what goes in comes back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vitruvian import geometry
from vitruvian.types import Crop

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("fit", ["affine", "pad", "stretch"])
@pytest.mark.parametrize("flipped", [False, True])
def test_points_survive_the_round_trip(fit: str, flipped: bool) -> None:
    made = geometry.make_crop(np.array([10, 20, 110, 90]), (128, 96), (200, 300), fit, rotation=25.0)  # type: ignore[arg-type]
    crop = Crop(made.matrix, made.size, made.source_size, flipped)
    points = RNG.uniform(0, 200, (7, 2))
    np.testing.assert_allclose(crop.points_to_source(crop.points_to_input(points)), points, atol=1e-9)


def test_warp_puts_pixels_where_points_go() -> None:
    image = np.zeros((60, 80), np.float32)
    image[30, 50] = 1
    for flipped in (False, True):
        made = geometry.make_crop(np.array([40, 20, 60, 40]), (64, 48), (60, 80))
        crop = Crop(made.matrix, made.size, made.source_size, flipped)
        y, x = np.unravel_index(np.argmax(geometry.warp(image, crop)), (64, 48))
        np.testing.assert_allclose([x, y], crop.points_to_input(np.array([50.0, 30.0])), atol=1.0)


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("rotation", [0.0, 40.0])
def test_warp_area_is_warp_without_skipped_pixels(flipped: bool, rotation: float) -> None:
    yy, xx = np.mgrid[0:400, 0:600].astype(np.float32)
    made = geometry.make_crop(np.array([150, 40, 450, 340]), (64, 48), (400, 600), rotation=rotation)
    crop = Crop(made.matrix, made.size, made.source_size, flipped)
    inside = cv2.erode(np.uint8(geometry.warp(np.ones_like(xx), crop) > 0.999), np.ones((5, 5), np.uint8)) > 0
    for ramp in (xx, yy):
        np.testing.assert_allclose(geometry.warp_area(ramp, crop)[inside], geometry.warp(ramp, crop)[inside], atol=0.6)
    noise = RNG.normal(0, 1, (400, 600)).astype(np.float32)
    assert geometry.warp_area(noise, crop)[inside].std() < 0.4 * geometry.warp(noise, crop)[inside].std()
    enlarged = geometry.make_crop(np.array([10, 10, 20, 20]), (64, 48), (400, 600))
    assert np.array_equal(geometry.warp_area(noise, enlarged), geometry.warp(noise, enlarged))
    outside = Crop(made.matrix - np.array([[0, 0, 9000], [0, 0, 0]]), made.size, made.source_size)
    assert not geometry.warp_area(noise, outside).any()


def test_map_to_source_undoes_warp() -> None:
    yy, xx = np.mgrid[0:120, 0:160].astype(np.float32)
    for flipped in (False, True):
        made = geometry.make_crop(np.array([30, 20, 130, 100]), (256, 192), (120, 160), padding=1.0)
        crop = Crop(made.matrix, made.size, made.source_size, flipped)
        back = geometry.map_to_source(geometry.warp(xx + 1000 * yy, crop), crop)
        inside = (slice(30, 90), slice(40, 120))
        assert np.nanmax(np.abs(back - (xx + 1000 * yy))[inside]) < 30  # a fraction of one row's 1000
        assert np.isnan(back[0, 0])


def test_aspect_only_widens() -> None:
    fixed = geometry.fix_aspect(np.array([[100, 50], [10, 80]], np.float32), 0.75)
    np.testing.assert_allclose(fixed[:, 0] / fixed[:, 1], 0.75)
    assert (fixed >= np.array([[100, 50], [10, 80]])).all()


def test_pad_keeps_aspect_and_stretch_fills() -> None:
    pad = geometry.make_crop(np.zeros(4), (100, 100), (50, 200), "pad")
    assert pad.matrix[0, 0] == pad.matrix[1, 1] == 0.5
    stretch = geometry.make_crop(np.zeros(4), (100, 100), (50, 200), "stretch")
    np.testing.assert_allclose(stretch.points_to_input(np.array([199.5, 49.5])), [99.5, 99.5])


@pytest.mark.parametrize("source", [(48, 36), (300, 40), (50, 200), (64, 64)])
@pytest.mark.parametrize("flipped", [False, True])
def test_a_stretched_frame_is_a_plain_resize_without_a_dark_rim(source: tuple[int, int], flipped: bool) -> None:
    image = RNG.integers(0, 255, (*source, 3), np.uint8)
    made = geometry.make_crop(np.zeros(4), (64, 64), source, "stretch")
    out = geometry.warp(image, Crop(made.matrix, made.size, made.source_size, flipped))
    plain = cv2.resize(image, (64, 64), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(out, plain[:, ::-1] if flipped else plain)
    white = np.full((*source, 3), 255, np.uint8)
    assert geometry.warp(white, made).min() == geometry.warp_area(white, made).min() == 255


def test_unproject_inverts_project() -> None:
    k = np.array([[200.0, 0, 31.5], [0, 210.0, 23.5], [0, 0, 1]])
    depth = RNG.uniform(1, 3, (48, 64))
    points = geometry.unproject(depth, k)
    y, x = np.mgrid[0:48, 0:64]
    np.testing.assert_allclose(geometry.project(points, k), np.stack([x, y], -1), atol=1e-9)


def test_iou_and_nms() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]], np.float32)
    overlap = geometry.iou_matrix(boxes, boxes)
    np.testing.assert_allclose(np.diag(overlap), 1)
    np.testing.assert_allclose(overlap[0, 1], 90 / 110)
    assert overlap[0, 2] == 0
    assert geometry.nms(boxes, np.array([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]


def test_angles_at_a_point() -> None:
    a, at = np.array([1.0, 0.0]), np.zeros(2)
    for degrees in (0, 30, 90, 135, 180):
        b = 5 * np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        assert geometry.angle_between(a, at, b) == pytest.approx(degrees) == geometry.angle_between(b, at, a)
    assert np.isnan(geometry.angle_between(a, at, at)) and np.isnan(geometry.angle_between(a, at, np.full(2, np.nan)))
    foot = np.array([0, 10])
    assert geometry.lean(foot, np.array([0, 0])) == 0 and geometry.lean(foot, np.array([10, 10])) == pytest.approx(90)


def test_focal_lengths() -> None:
    assert geometry.focal_of_fov(90, 640) == pytest.approx(320)
    size = (480, 640)
    wide = geometry.focal_of_35mm(50, (2400, 3600))  # a frame of 36 x 24: widths compare as diagonals do
    assert wide == pytest.approx(50 / 36 * 3600)
    camera = geometry.pinhole(geometry.focal_of_fov(90, 640), size)
    x = geometry.project(np.array([np.tan(np.radians(45)) * 2, 0.0, 2.0]), camera)
    np.testing.assert_allclose(x, [639.5, 239.5])  # the edge of the picture is half a pixel beyond the last centre


def test_scale_and_shift() -> None:
    values = np.array([0.1, 0.4, 0.9])
    assert geometry.scale_and_shift(values, 3 * values + 2) == pytest.approx((3, 2))

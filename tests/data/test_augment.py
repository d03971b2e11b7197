from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from vitruvian.data.augment import Augment, cover, frame_crop, outline, person_crop, photometric, soften
from vitruvian.errors import UsageError
from vitruvian.geometry import make_crop, warp
from vitruvian.types import IGNORE, ModelSpec, Sample
from vitruvian.vocab import skeleton

SPEC = ModelSpec("m", (128, 96), 8, 1, 1, 8, ())
STILL = Augment(flip=0, half_body=0, shift_chance=0, scale=0, rotate_chance=0, light=0, blur=0, median=0)


def sample(height: int = 200, width: int = 300, points: bool = False, classes: bool = False) -> Sample:
    keypoints = None
    if points:
        rows = np.arange(17)
        keypoints = np.stack([100 + 3 * rows, 20 + 9 * rows, np.full(17, 2)], 1).astype(np.float32)
    parts = np.zeros((height, width), np.uint8)
    parts[:40, :40] = 3
    return Sample(
        np.full((height, width, 3), 90, np.uint8), np.array([80, 10, 180, 190], np.float32), "a", skeleton="coco17",
        keypoints=keypoints, classes=parts if classes else None,
    )  # fmt: skip


def draws(how: Augment, one: Sample, count: int = 400, spec: ModelSpec = SPEC) -> list[tuple[float, float, float, float, bool]]:
    """Centre x and y, width and turn in degrees of the crops in the photo, and whether they are mirrored."""
    out = []
    for seed in range(count):
        crop = person_crop(one, how, spec, np.random.default_rng(seed))
        corners = replace(crop, flipped=False).points_to_source(np.array([[0, 0], [95, 0], [95, 127], [0, 127]]))
        along = corners[1] - corners[0]
        turn = float(np.degrees(np.arctan2(along[1], along[0])))
        out.append((*corners.mean(0), float(np.hypot(*along)), turn, crop.flipped))
    return out


@pytest.mark.parametrize("fit", ["affine", "lite"])
def test_a_person_without_chance_is_cropped_as_at_inference(fit: str) -> None:
    spec = replace(SPEC, fit=fit)  # type: ignore[arg-type]
    crop = person_crop(sample(), STILL, spec, np.random.default_rng(0))
    np.testing.assert_allclose(crop.matrix, make_crop(sample().box, spec.size, (200, 300), spec.fit).matrix)


def test_boxes_are_moved_scaled_turned_and_mirrored_as_told() -> None:
    x0, y0, width0, _, _ = draws(STILL, sample(), 1)[0]
    found = np.array([d[:4] for d in draws(Augment(half_body=0), sample(), 1500)])
    moved = np.abs(found[:, :2] - (x0, y0)) / (100 * 1.25, 180 * 1.25)
    assert moved.max() <= 0.16 + 1e-3 and 0.25 < (moved.max(1) > 1e-3).mean() < 0.35
    grown = found[:, 2] / width0
    assert 0.5 <= grown.min() < 0.56 and 1.44 < grown.max() <= 1.5
    turned = np.abs(found[:, 3])
    assert 70 < turned.max() <= 80 and 0.55 < (turned > 1e-2).mean() < 0.65
    assert 0.45 < np.mean([d[4] for d in draws(Augment(), sample(), 600)]) < 0.55


def test_half_a_body_is_that_of_its_visible_points() -> None:
    one = sample(points=True)
    assert one.keypoints is not None
    how = replace(STILL, half_body=1.0)
    names = skeleton("coco17")
    middles = [one.keypoints[list(rows), :2].mean(0) for rows in (names.upper, names.lower)]
    found = np.array([d[:2] for d in draws(how, one, 300)])
    upper, lower = (np.abs(found - middle).max(1) < 1e-2 for middle in middles)
    assert (upper | lower).all() and 0.6 < upper.mean() < 0.8
    widths = np.array([d[2] for d in draws(how, one, 300)])  # 1.5 of the points' extent, widened to the input's form
    for rows, half in ((names.upper, upper), (names.lower, lower)):
        extent = np.ptp(one.keypoints[list(rows), :2], axis=0)
        np.testing.assert_allclose(widths[half], 1.5 * max(extent[0], extent[1] * 96 / 128), rtol=1e-3)


@pytest.mark.parametrize(
    ("upper", "lower", "seen"), [(4, 4, ""), (5, 4, "ul"), (2, 7, "ul"), (1, 8, "l"), (6, 3, "ul"), (7, 2, "u"), (9, 0, "u")]
)
def test_halves_need_nine_points_of_which_two_are_above_or_three_below(upper: int, lower: int, seen: str) -> None:
    names, points = skeleton("wholebody133"), np.zeros((133, 3), np.float32)
    halves = {"u": list(names.upper[:upper]), "l": list(names.lower[:lower])}
    for half, rows in halves.items():
        for i, row in enumerate(rows):
            points[row] = 100 + 9 * i, (20 if half == "u" else 120) + 7 * i, 2
    one = replace(sample(), skeleton="wholebody133", keypoints=points)
    found = np.array([d[:2] for d in draws(replace(STILL, half_body=1.0), one, 60)])
    middles = [points[halves[half], :2].mean(0) for half in seen] or [np.array(draws(STILL, one, 1)[0][:2])]
    near = np.array([np.abs(found - middle).max(1) < 1e-2 for middle in middles])
    assert near.any(1).all() and near.any(0).all()


def test_a_photo_without_chance_is_seen_whole() -> None:
    how = replace(STILL, zoom=(1, 1), most_of_one_class=1)
    for size in ((128, 96), (256, 192)):  # of the input's form
        crop = frame_crop(sample(*size), how, replace(SPEC, fit="stretch"), np.random.default_rng(0))
        np.testing.assert_allclose(crop.matrix, make_crop(sample().box, SPEC.size, size, "stretch").matrix, atol=1e-9)


@pytest.mark.parametrize("size", [(200, 300), (500, 90), (40, 33)])
def test_windows_lie_in_the_photo_and_have_the_zoom_told(size: tuple[int, int]) -> None:
    how, spec = replace(STILL, zoom=(0.2, 2.0)), replace(SPEC, fit="stretch")
    zooms = []
    for seed in range(200):
        crop = frame_crop(sample(*size), how, spec, np.random.default_rng(seed))
        corners = crop.points_to_source(np.array([[-0.5, -0.5], [95.5, 127.5]]))
        assert corners.min() > -0.51 and (corners[1] < np.array(size[::-1]) - 0.49).all()
        zooms.append(np.abs(np.diag(crop.matrix[:, :2])).min())
    base = min(128 / max(size), 96 / min(size))
    assert 1.8 < max(zooms) / base < 2.05
    assert min(zooms) > 0.9 * min(1.0, min(96 / size[1], 128 / size[0]))  # what is smaller than the input is stretched to it


def test_a_window_of_one_class_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    one, spec = sample(classes=True), replace(SPEC, fit="stretch")
    assert one.classes is not None
    one.classes[:100, :100] = 3
    how = replace(STILL, zoom=(2.0, 2.0), most_of_one_class=0.75)

    def mixed(seed: int) -> bool:
        crop = frame_crop(one, how, spec, np.random.default_rng(seed))
        share = (warp(one.classes, crop, nearest=True) > 0).mean()
        return bool(0.25 < share < 0.75)

    chosen = [mixed(seed) for seed in range(60)]
    monkeypatch.setattr("vitruvian.data.augment.crops.TRIES", 1)
    assert np.mean(chosen) > 0.9 > 0.5 > np.mean([mixed(seed) for seed in range(60)])


def test_corners_of_a_turned_photo_show_what_the_photo_has() -> None:
    how = replace(STILL, zoom=(2.0, 2.0), rotate_chance=1.0, rotate=60.0)
    dark = []
    for seed in range(40):
        crop = frame_crop(sample(400, 400), how, replace(SPEC, fit="stretch"), np.random.default_rng(seed))
        shown = warp(sample(400, 400).image, crop)[..., 0]
        inside = crop.points_to_source(np.array([[0, 0], [95, 0], [0, 127], [95, 127]]))
        if (inside > 1).all() and (inside < 398).all():
            dark.append((shown < 80).mean())
    assert len(dark) > 3 and max(dark) == 0  # officially these corners are black


def test_contrast_is_changed_once_at_most() -> None:
    """Officially it is changed twice or not at all."""
    image = np.tile(np.arange(40, 120, dtype=np.uint8)[:, None, None], (1, 8, 3))
    how = replace(STILL, light=1.0, brightness=0, saturation=0, hue=0, contrast=0.5)
    gains = []
    for seed in range(300):
        out = photometric(image, how, np.random.default_rng(seed)).astype(float)
        gains.append((out[60] - out[10]).mean() / 50)
    assert 0.49 < min(gains) < 0.55 and 1.45 < max(gains) < 1.51
    assert 0.9 < np.mean(gains) < 1.1 and np.std(gains) > 0.2


def test_colours_change_within_their_limits_and_not_without_chance() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    np.testing.assert_array_equal(photometric(image, STILL, np.random.default_rng(0)), image)
    brighter = [
        photometric(np.full((4, 4, 3), 128, np.uint8), replace(STILL, light=1, contrast=0, saturation=0, hue=0),
                    np.random.default_rng(s)).mean() - 128 for s in range(200)
    ]  # fmt: skip
    assert -32.6 <= min(brighter) < -25 and 25 < max(brighter) <= 32.6
    swapped = photometric(image, replace(STILL, channels=1.0), np.random.default_rng(1))
    assert sorted(swapped.reshape(-1, 3).sum(0)) == sorted(image.reshape(-1, 3).astype(int).sum(0))
    grey = np.full((8, 8, 3), 77, np.uint8)
    hued = photometric(grey, replace(STILL, light=1, contrast=0, brightness=0), np.random.default_rng(3))
    np.testing.assert_allclose(hued, 77, atol=1)  # grey has no hue


def test_hue_turns_and_saturation_grows_alike_in_every_colour() -> None:
    """By up to 18 levels, which are 2 degrees each, and by a factor from 0.5 to 1.5; `colorsys` knows what they are."""
    image = np.array([[[180, 110, 100], [90, 170, 110], [100, 120, 200], [190, 180, 100]]], np.uint8)

    def hsv(how: Augment, seed: int) -> np.ndarray:
        pixels = photometric(image, how, np.random.default_rng(seed)).reshape(-1, 3) / 255
        return np.array([colorsys.rgb_to_hsv(*pixel) for pixel in pixels])

    plain, bright = hsv(STILL, 0), replace(STILL, light=1, brightness=0, contrast=0)
    turns, gains = [], []
    for seed in range(200):
        hue, saturation, value = (hsv(replace(bright, saturation=0), seed) - plain).T
        turn = (360 * hue + 180) % 360 - 180
        assert np.ptp(turn) < 2 and np.abs(saturation).max() < 0.01 and np.abs(value).max() < 0.01
        turns.append(turn.mean())
        hue, saturation, _ = hsv(replace(bright, hue=0), seed).T
        assert np.abs(hue - plain[:, 0]).max() < 0.01 and np.ptp(saturation / plain[:, 1]) < 0.03
        gains.append((saturation / plain[:, 1]).mean())
    assert -37 < min(turns) < -33 and 33 < max(turns) < 37
    assert 0.49 < min(gains) < 0.54 and 1.46 < max(gains) < 1.51


def test_a_hole_is_black_and_of_the_size_told() -> None:
    image = np.full((100, 80, 3), 200, np.uint8)
    for seed in range(50):
        dark = (cover(image, replace(STILL, hole=1.0), np.random.default_rng(seed)) == 0).all(-1)
        rows, columns = np.nonzero(dark)
        assert dark.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)  # one rectangle
        assert 20 <= np.ptp(rows) + 1 <= 40 and 16 <= np.ptp(columns) + 1 <= 32
    assert (cover(image, STILL, np.random.default_rng(0)) == 200).all()


def test_blur_leaves_the_mean() -> None:
    image = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8), (60, 60))
    soft = soften(image, replace(STILL, blur=1.0, median=1.0), np.random.default_rng(0))
    assert soft.shape == image.shape and abs(soft.mean() - image.mean()) < 2 and not np.array_equal(soft, image)
    np.testing.assert_array_equal(soften(image, STILL, np.random.default_rng(0)), image)


@pytest.mark.parametrize(("field", "filtered"), [("blur", lambda i, k: cv2.blur(i, (k, k))), ("median", cv2.medianBlur)])
def test_blur_and_median_are_of_3_5_or_7_pixels(field: str, filtered: Callable[..., np.ndarray]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 16, 3), np.uint8)
    seen = set()
    for seed in range(40):
        soft = soften(image, replace(STILL, **{field: 1.0}), np.random.default_rng(seed))
        seen |= {k for k in range(1, 13, 2) if np.array_equal(soft, filtered(image, k))} or {0}
    assert seen == {3, 5, 7}


def test_outlines_of_people_from_whatever_is_labelled() -> None:
    one = sample(classes=True)
    assert one.classes is not None
    known = outline(one)
    assert known is not None and known.sum() == 1600
    depth = np.where(one.classes > 0, 2.0, np.nan).astype(np.float32)
    for other in (
        replace(one, classes=None, depth=depth),
        replace(one, classes=None, normal=np.repeat(depth[..., None], 3, -1)),
        replace(one, classes=None, mask=one.classes > 0),
    ):
        np.testing.assert_array_equal(outline(other), known)
    assert outline(replace(one, classes=None)) is None
    ignored = outline(replace(one, classes=np.full_like(one.classes, IGNORE)))
    assert ignored is not None and ignored.all()  # nobody knows what is there: it stays


@pytest.mark.parametrize("fields", [{"flip": 1.5}, {"zoom": (2, 1)}, {"rotate": -1}, {"hole_side": (0.0, 0.5)}, {"shift": 1}])
def test_what_cannot_be(fields: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"augment: {next(iter(fields))} is"):
        Augment(**fields)  # type: ignore[arg-type]

"""Appearance: pictures from G-buffers, and training views whose labels fit them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitruvian.data.gbuffer import MATERIAL, GBuffer, SynthPerson
from vitruvian.geometry import udp_matrix, warp
from vitruvian.synth.appearance import Backgrounds, ViewParams, colors, draw, people_in_sight, view
from vitruvian.synth.appearance.layers import gather, whole_frame
from vitruvian.synth.appearance.scenery import backdrop
from vitruvian.synth.appearance.shapes import cover
from vitruvian.types import Crop
from vitruvian.vocab import class_set, skeleton

PART = class_set("body28").index
POINT = skeleton("wholebody133").index
SIZE = (128, 96)
# part, material, centre and half axes in metres on the rest body (x towards the subject's left, z up), keypoint at the centre
LIMBS = (
    ("Upper_Clothing", "upper_cloth", (0.0, 1.2), (0.2, 0.3), "nose"),
    ("Face_Neck", "skin", (0.0, 1.62), (0.1, 0.13), None),
    ("Left_Hand", "skin", (0.42, 1.1), (0.1, 0.12), "left_wrist"),
    ("Right_Hand", "skin", (-0.42, 1.35), (0.1, 0.12), "right_wrist"),
    ("Left_Upper_Leg", "lower_cloth", (0.12, 0.55), (0.1, 0.35), "left_knee"),
    ("Right_Upper_Leg", "lower_cloth", (-0.12, 0.55), (0.1, 0.35), "right_knee"),
)


def person_frame(height: int = 160, width: int = 120) -> GBuffer:
    """A person of ellipsoids who faces the camera: the subject's left is at the right of the picture."""
    focal, distance = 1.1 * height, 2.4
    camera = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    y, x = np.mgrid[:height, :width].astype(np.float32)
    maps = {n: np.zeros((height, width), np.uint8) for n in ("person", "material", "part")}
    depth = np.full((height, width), np.nan, np.float32)
    normal, rest = np.full((height, width, 3), np.nan, np.float32), np.full((height, width, 3), np.nan, np.float32)
    points = np.zeros((133, 3), np.float32)
    for part, material, (cx, cz), (rx, rz), keypoint in LIMBS:
        px, py = camera[0, 2] + focal * cx / distance, camera[1, 2] + focal * (0.95 - cz) / distance
        u, v = (x - px) * distance / focal / rx, (y - py) * distance / focal / rz
        on = u * u + v * v < 0.97
        bulge = np.sqrt(1 - u[on] ** 2 - v[on] ** 2)
        for name, value in (("person", 1), ("material", MATERIAL[material]), ("part", PART(part))):
            maps[name][on] = value
        depth[on] = distance - 0.1 * bulge
        slope = np.stack([u[on] / rx, v[on] / rz, -bulge / 0.1], -1)
        normal[on] = slope / np.linalg.norm(slope, axis=1, keepdims=True)
        rest[on] = np.stack([cx + u[on] * rx, -0.1 * bulge, cz - v[on] * rz], -1)
        if keypoint:
            points[POINT(keypoint)] = px, py, 2
    rows, columns = np.nonzero(maps["person"])
    box = np.array([columns.min(), rows.min(), columns.max(), rows.max()], np.float32)
    who = SynthPerson(box, points, np.zeros((308, 3), np.float32))
    return GBuffer(maps["person"], maps["material"], maps["part"], depth, normal, rest, camera, (who,), "toy")


@pytest.fixture(scope="module")
def frame() -> GBuffer:
    return person_frame()


CALM = ViewParams(occlude=0, truncate=0, half_body=0, face=0, hand=0)


def test_draw_gives_a_picture_of_the_frame_or_of_the_crop(frame):
    assert draw(frame, np.random.default_rng(0)).shape == (*frame.size, 3)
    crop = Crop(udp_matrix(np.array([60, 80]), np.array([90, 120]), SIZE), SIZE, frame.size)
    picture = draw(frame, np.random.default_rng(0), crop)
    assert picture.shape == (*SIZE, 3) and picture.dtype == np.uint8
    assert picture.std() > 5


def test_draw_depends_on_the_generator_alone(frame):
    for seed in range(6):
        first, again, other = (draw(frame, np.random.default_rng(s)) for s in (seed, seed, seed + 100))
        assert np.array_equal(first, again)
        assert np.abs(first.astype(int) - other).mean() > 3


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("degrees", [0, 25, -140])
@pytest.mark.parametrize("zoom", [0.6, 1.0, 2.7])
def test_layers_lie_where_geometry_warp_puts_them(frame, flipped, degrees, zoom):
    crop = Crop(udp_matrix(np.array([55, 70]), np.array([120, 160]) / zoom, SIZE, degrees), SIZE, frame.size, flipped)
    layers = gather(frame, crop)
    assert (layers.person == warp(frame.person, crop, nearest=True)).mean() > 0.995
    parts = layers.image(frame.part.ravel()[layers.source])
    assert (parts == warp(frame.part, crop, nearest=True)).mean() > 0.99


def test_a_crop_shows_the_silhouette_softly_at_its_place(frame):
    crop = Crop(udp_matrix(np.array([60, 80]), np.array([120, 160]), SIZE), SIZE, frame.size)
    pictures = np.stack([draw(frame, np.random.default_rng(s), crop).astype(float) for s in range(60)])
    mask = warp(frame.person, crop, nearest=True) > 0
    scatter = np.abs(np.diff(pictures.mean(-1), axis=2)).mean(0)
    edge = mask[:, 1:] != mask[:, :-1]
    assert scatter[edge].mean() > 2 * scatter[~edge].mean()


def test_furniture_is_one_opaque_thing(frame):
    """Background seen through the hole that a table cuts into a person would be no table."""
    material, person = frame.material.copy(), frame.person.copy()
    material[90:130, 30:90], person[90:130, 30:90] = MATERIAL["furniture"], 0
    before = replace(frame, material=material, person=person)
    changed = []
    for seed in range(12):
        behind = backdrop(np.random.default_rng(seed), frame.size, Backgrounds.load())
        painted = behind.copy()
        cover(painted, np.random.default_rng(seed), Backgrounds.load(), material == MATERIAL["furniture"])
        assert np.array_equal(painted[:85], behind[:85]) and np.array_equal(painted[135:], behind[135:])
        changed.append(np.abs(painted[92:128, 32:88].astype(int) - behind[92:128, 32:88]).mean())
    assert np.median(changed) > 10
    assert gather(before, whole_frame(frame.size)).furniture.sum() == 40 * 60
    hidden = view(before, 0, np.random.default_rng(0), SIZE, CALM)[0]
    assert np.isnan(hidden.depth[~hidden.mask]).all()


def test_nothing_in_sight_still_gives_a_background(frame):
    far = Crop(np.array([[1.0, 0, 5000], [0, 1, 0]]), SIZE, frame.size)
    assert not draw(frame, np.random.default_rng(0), far).any()
    nothing, unknown = np.zeros_like(frame.person), np.full_like(frame.normal, np.nan)
    empty = GBuffer(nothing, nothing, nothing, unknown[..., 0], unknown, unknown, frame.intrinsics, ())
    assert draw(empty, np.random.default_rng(0)).std() > 1


def test_view_depends_on_the_generator_alone(frame):
    for seed in range(4):
        one, two = (view(frame, 0, np.random.default_rng(seed), SIZE)[0] for _ in range(2))
        for name in ("image", "classes", "depth", "normal", "keypoints", "mask", "box", "intrinsics"):
            assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=name in ("depth", "normal"))


def test_view_is_on_the_crops_own_frame(frame):
    sample, crop = view(frame, 0, np.random.default_rng(3), SIZE)
    assert crop.size == crop.source_size == SIZE and not crop.flipped
    assert np.array_equal(crop.points_to_input(np.array([[7.0, 9.0]])), [[7, 9]])
    assert sample.image.shape == (*SIZE, 3) and sample.image.dtype == np.uint8
    assert sample.classes.shape == sample.depth.shape == sample.mask.shape == SIZE and sample.normal.shape == (*SIZE, 3)
    assert sample.skeleton == "wholebody133" and sample.keypoints.shape == (133, 3)


def test_left_stays_left_whether_mirrored_or_turned(frame):
    upright, raised = ViewParams(**{**CALM.__dict__, "degrees": 15.0}), set()
    for seed in range(40):
        sample, _ = view(frame, 0, np.random.default_rng(seed), SIZE, upright)
        places = {}
        for keypoint, part in (("left_wrist", "Left_Hand"), ("right_wrist", "Right_Hand"), ("left_knee", "Left_Upper_Leg")):
            x, y, seen = sample.keypoints[POINT(keypoint)]
            if seen == 2:
                assert sample.classes[round(float(y)), round(float(x))] == PART(part)
                places[keypoint] = x, y
        if {"left_wrist", "right_wrist"} <= set(places):
            assert places["left_wrist"][0] > places["right_wrist"][0]  # who faces us has the left at our right, mirrored or not
            raised.add("left" if places["left_wrist"][1] < places["right_wrist"][1] - 8 else "right")
    assert raised == {"left", "right"}


def test_normals_turn_and_mirror_with_the_picture(frame):
    for seed in range(25):
        sample, _ = view(frame, 0, np.random.default_rng(seed), SIZE, CALM)
        rows, columns = np.nonzero(sample.classes == PART("Face_Neck"))
        if len(rows) < 50 or rows.max() == SIZE[0] - 1:
            continue
        normal = sample.normal[rows, columns]
        assert np.allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-4) and (normal[:, 2] < 0).all()
        outward = np.stack([columns - columns.mean(), rows - rows.mean()], 1)
        outward /= np.linalg.norm(outward, axis=1, keepdims=True) + 1e-6
        assert (outward * normal[:, :2]).sum(1).mean() > 0.3


@pytest.mark.parametrize(("flip", "shown"), [(0.0, "left_wrist"), (1.0, "right_wrist")])
def test_the_crops_camera_puts_points_where_they_are_seen(frame, flip, shown):
    wrist = frame.people[0].wholebody133[POINT(shown)].astype(float)
    source = np.linalg.inv(frame.intrinsics) @ [wrist[0], wrist[1], 1]
    compared = 0
    for seed in range(12):
        sample, _ = view(frame, 0, np.random.default_rng(seed), SIZE, ViewParams(**{**CALM.__dict__, "flip": flip}))
        x, y, seen = sample.keypoints[POINT("left_wrist")]
        if seen:
            ray = np.linalg.inv(sample.intrinsics) @ [x, y, 1]
            assert np.isclose(np.linalg.norm(ray), np.linalg.norm(source), rtol=0.01) and np.isclose(ray[2], 1)
            compared += 1
    assert compared >= 8


def test_an_occluder_takes_labels_away_and_keypoints_become_hidden(frame):
    before = ViewParams(occlude=0, truncate=0, half_body=0, face=0, hand=0, rotate=0, flip=0, shift=0, aspect=0, scale=(1, 1))
    after = ViewParams(**{**before.__dict__, "occlude": 1.0})
    clear = view(frame, 0, np.random.default_rng(0), SIZE, before)[0]
    lost = downgraded = 0
    for seed in range(25):
        sample = view(frame, 0, np.random.default_rng(seed), SIZE, after)[0]
        gone = (clear.classes > 0) & (sample.classes == 0)
        lost += gone.sum()
        assert np.isnan(sample.depth[gone]).all() and np.isnan(sample.normal[gone]).all() and not sample.mask[gone].any()
        assert gone.sum() <= after.most_hidden * (clear.classes > 0).sum()
        downgraded += ((clear.keypoints[:, 2] == 2) & (sample.keypoints[:, 2] == 1)).sum()
        assert np.allclose(clear.keypoints[:, :2], sample.keypoints[:, :2])
    assert lost > 0 and downgraded > 0


def test_loose_framings_are_wider_spread(frame):
    def framings(loose):
        params = ViewParams(**{**CALM.__dict__, "rotate": 0, "loose": loose})
        boxes = np.array([view(frame, 0, np.random.default_rng(seed), SIZE, params)[0].box for seed in range(30)])
        return boxes[:, 3] - boxes[:, 1], (boxes[:, :2] + boxes[:, 2:]) / 2

    heights, middles = framings(0.0)
    loose_heights, loose_middles = framings(1.0)
    assert loose_heights.std() > 1.3 * heights.std()
    assert (loose_middles.std(0) > 1.3 * middles.std(0)).any()


def test_beyond_the_border_is_black_and_unlabelled(frame):
    cut = ViewParams(occlude=0, truncate=1.0, rotate=0)
    found = 0
    for seed in range(30):
        sample, _ = view(frame, 0, np.random.default_rng(seed), SIZE, cut)
        black = (sample.image == 0).all(-1)
        outside = black.all(1)[:, None] | black.all(0)[None]
        if not outside.any():
            continue
        found += 1
        assert not sample.classes[outside].any() and np.isnan(sample.depth[outside]).all()
        for x, y, seen in sample.keypoints:
            if seen:
                assert not outside[round(float(y)), round(float(x))]
    assert found > 10


def test_a_person_nobody_sees_gives_a_view_without_keypoints(frame):
    ghost = SynthPerson(np.zeros(4, np.float32), np.ones((133, 3), np.float32), np.zeros((308, 3), np.float32))
    crowd = GBuffer(
        frame.person, frame.material, frame.part, frame.depth, frame.normal, frame.rest, frame.intrinsics,
        (*frame.people, ghost),
    )  # fmt: skip
    assert people_in_sight(crowd) == [0]
    sample, _ = view(crowd, 1, np.random.default_rng(0), SIZE)
    assert not sample.keypoints[:, 2].any() and not sample.mask.any()


def test_skin_tones_are_drawn_evenly_from_dark_to_light():
    tones = np.array([255 * colors.skin(np.random.default_rng(s)).mean() ** (1 / 2.2) for s in range(400)])
    low, high = tones.min(), tones.max()
    assert low < 65 and high > 215
    counts, _ = np.histogram(tones, 4, (low, high))
    assert counts.min() > 0.12 * len(tones)


def test_photos_can_be_given(frame):
    photo = np.full((64, 64, 3), (255, 0, 255), np.uint8)
    photos = Backgrounds((photo,), ("pink",))
    pictures = np.stack([draw(frame, np.random.default_rng(s), backgrounds=photos) for s in range(12)])
    corner = pictures[:, :10, :10].reshape(12, -1, 3).mean(1)
    assert (corner[:, 0] > corner[:, 1] + 40).sum() >= 5

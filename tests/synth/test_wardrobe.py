"""Everybody is clothed, cloth lies outside the skin, hems are straight and layers are named rightly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitruvian.synth.body import Body
from vitruvian.synth.clothes.garments import drape, fit, patterns
from vitruvian.synth.clothes.props import sample_props
from vitruvian.synth.clothes.regions import Piece, region
from vitruvian.synth.clothes.wardrobe import cover, sample_outfit, seated
from vitruvian.synth.meshes import cut, refine
from vitruvian.synth.poses import INFANT, draw_pose
from vitruvian.synth.poses.posing import axis_rotation
from vitruvian.synth.raster.resolve import resolve
from vitruvian.synth.scene.camera import place_camera
from vitruvian.synth.scene.people import Figure, sample_figure
from vitruvian.synth.surface import Scene, ScenePerson
from vitruvian.vocab import class_set


@pytest.mark.parametrize("adult", [True, False])
@pytest.mark.parametrize("female", [0.0, 0.3, 0.5, 0.7, 1.0])
def test_everybody_is_clothed(female, adult):
    chart, levels = patterns().body, patterns().levels
    seat = (np.abs(chart.z - levels.hip) < 0.05) & (chart.arm < 0)
    chest = (np.abs(chart.z - levels.chest) < 0.02) & (chart.arm < -0.05) & (np.abs(chart.x) < 0.12)
    for seed in range(40):
        outfit = sample_outfit(np.random.default_rng(seed), female, adult)
        _, depth = cover(outfit)
        assert (depth[seat] > 0).all(), outfit.words
        if outfit.words["upper"] == "none":
            assert adult and female == 0
        else:
            assert (depth[chest] > 0).mean() > 0.9, outfit.words


def test_no_skirt_balloons_over_bent_hips_or_meets_a_long_shirt():
    skirts = 0
    for seed in range(120):
        outfit = sample_outfit(np.random.default_rng(seed), 1.0, True)
        skirt = next((p for p in outfit.pieces if p.kind == "skirt"), None)
        if skirt is None:
            continue
        skirts += 1
        (bent,) = [p for p in seated(outfit).pieces if p.kind == "skirt"]
        assert bent.flare <= 0.02 and bent.leg <= 0.45
        assert all(p.hem >= skirt.waist - 0.041 for p in outfit.pieces if p.kind == "upper")
    assert skirts > 10


def test_infants_carry_nothing_and_do_what_infants_do():
    allowed = {"standing", "sitting", "floor_sitting", "crawling", "lying"}
    assert {draw_pose(np.random.default_rng(seed), INFANT).family for seed in range(200)} == allowed
    worn = {word for seed in range(200) for word in sample_props(np.random.default_rng(seed), infant=True).others}
    assert worn and not {"backpack", "bag", "belt", "watch"} & worn


def test_children_show_no_bare_torso_or_thighs():
    names, found = class_set("body28").names, 0
    for index in range(400):
        rng = np.random.default_rng([8, index])
        figure = sample_figure(rng)
        if figure.info["adult"]:
            continue
        for yaw in (0.0, 180.0):
            frame = resolve(portrait(figure, yaw, rng), "numpy")
            seen = np.bincount(frame.part[frame.person > 0], minlength=len(names)) / (frame.person > 0).sum()
            assert seen[names.index("Torso")] < 0.03, (index, figure.info)
            assert seen[names.index("Left_Upper_Leg")] + seen[names.index("Right_Upper_Leg")] < 0.08, (index, figure.info)
        found += 1
        if found == 6:
            return
    pytest.fail("no six children in 400 people")


def portrait(figure: Figure, yaw: float, rng: np.random.Generator) -> Scene:
    """The whole figure alone."""
    turn = axis_rotation(np.array([0.0, 0, 1]), yaw).T.astype(np.float32)
    size = (192, 144)
    camera, _ = place_camera(rng, figure.vertices[::5] @ turn, "full", size)
    surfaces = [replace(s, vertices=camera.see(s.vertices @ turn).astype(np.float32)) for s in figure.surfaces]
    return Scene(tuple(surfaces), (ScenePerson({}),), camera.intrinsics, size)


def skin_labels(figure: Figure) -> set[str]:
    body = next(s for s in figure.surfaces if s.name == "body")
    used = np.unique(body.faces)
    names = class_set("body28").names
    return {names[body.labels[i][0]] for i in np.unique(body.scores[used].argmax(1))}


def test_covered_skin_is_dropped_and_bare_skin_stays():
    figure = sample_figure(np.random.default_rng(1))
    labels = skin_labels(figure)
    assert "Face_Neck" in labels
    body = next(s for s in figure.surfaces if s.name == "body")
    assert len(body.faces) < len(Body.load().faces["body"])


@pytest.mark.parametrize("loose", [0.0, 0.04])
def test_cloth_stays_outside_the_garment_surface(loose):
    body, shared = Body.load(), patterns()
    person = fit(body.rest(body.bank[7]).vertices)
    piece = Piece("upper", "upper_cloth", sleeve=0.3, loose=loose, cuff=loose)
    inside = region(piece, shared.tights.chart, shared.levels)
    points = drape(piece, person, inside, np.zeros(len(inside), np.float32), np.random.default_rng(0))
    above = ((points - person.tight) * person.normal).sum(1)[inside > 0]
    assert above.min() > 0.003
    if loose:
        hem = np.abs(inside) < 0.03
        trunk = hem & (shared.tights.chart.arm < 0) & (shared.tights.chart.z < shared.levels.waist)
        assert ((points - person.tight) * person.normal).sum(1)[trunk].mean() > 0.03


def test_hems_are_iso_lines():
    shared = patterns()
    cloth = shared.tights
    inside = region(Piece("lower", "lower_cloth", leg=0.4), cloth.chart, shared.levels)
    kept = cut(cloth.fine.faces, inside)
    new = kept.mix > 0
    assert new.sum() > 50
    np.testing.assert_allclose(kept.take(inside)[new], 0, atol=1e-6)
    assert (kept.take(inside) >= -1e-6).all()


def test_cut_keeps_the_area_on_the_positive_side():
    grid = refine(refine(np.array([[0, 1, 2]]), 3).faces, 6)
    points = grid.take(refine(np.array([[0, 1, 2]]), 3).take(np.array([[0.0, 0], [1, 0], [0, 1]])))
    kept = cut(grid.faces, points[:, 0] - 0.3)
    a, b, c = (kept.take(points)[kept.faces[:, k]] for k in range(3))
    area = 0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    assert (area > -1e-9).all(), "the winding stays"
    assert area.sum() == pytest.approx(0.5 * 0.7**2, abs=1e-6)


def test_left_shoes_are_on_the_left_foot():
    classes = class_set("body28")
    for seed in range(12):
        shoes = [s for s in sample_figure(np.random.default_rng(seed)).surfaces if s.name == "shoe"]
        if shoes:
            break
    shoe = shoes[0]
    names = [classes.names[part] for part, _ in shoe.labels]
    winner = shoe.scores.argmax(1)
    assert names == ["Left_Shoe", "Right_Shoe"]
    assert (shoe.rest[winner == 0, 0] > 0).all()
    assert (shoe.rest[winner == 1, 0] <= 0).all()

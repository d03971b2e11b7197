"""A scene is a function of (seed, index); its surfaces, people and camera are sound."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vitruvian.geometry import project
from vitruvian.synth.raster.resolve import resolve
from vitruvian.synth.scene import sample_scene
from vitruvian.synth.scene.camera import FRAMINGS, draw_yaw
from vitruvian.synth.scene.occluders import box_ahead, chair, counter, occluder, pole, railing, table
from vitruvian.synth.surface import Scene
from vitruvian.vocab import class_set, skeleton

SIZE = (128, 96)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [sample_scene(11, index, SIZE) for index in range(10)]


def test_the_same_seed_and_index_give_the_same_bits(scenes):
    again = sample_scene(11, 3, SIZE)
    first = scenes[3]
    assert again.key == first.key == "11/3"
    np.testing.assert_array_equal(again.intrinsics, first.intrinsics)
    assert [s.name for s in again.surfaces] == [s.name for s in first.surfaces]
    for one, two in zip(again.surfaces, first.surfaces, strict=True):
        for name in ("vertices", "faces", "rest", "scores"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    for one, two in zip(again.people, first.people, strict=True):
        assert one.info == two.info
        for name in one.points:
            np.testing.assert_array_equal(one.points[name].position, two.points[name].position)


def test_other_seeds_and_indices_give_other_people(scenes):
    heights = {scene.people[0].info["height"] for scene in scenes}
    assert len(heights) > 5
    assert sample_scene(12, 3, SIZE).people[0].info != scenes[3].people[0].info


def test_surfaces_are_well_formed(scenes):
    for scene in scenes:
        for surface in scene.surfaces:
            count = len(surface.vertices)
            assert surface.vertices.shape == surface.rest.shape == (count, 3)
            assert surface.vertices.dtype == np.float32
            assert surface.faces.dtype == np.int32
            assert surface.faces.min() >= 0
            assert surface.faces.max() < count
            assert surface.scores.shape == (count, len(surface.labels))
            assert np.isfinite(surface.vertices).all(), surface.name
            assert np.isfinite(surface.scores).all(), surface.name
            assert -1 <= surface.person < len(scene.people)


def test_people_carry_points_and_json_able_info(scenes):
    for scene in scenes:
        assert 1 <= len(scene.people) <= 3
        for person in scene.people:
            assert json.loads(json.dumps(person.info)) == person.info
            assert person.info["framing"] in FRAMINGS
            for name in ("wholebody133", "sapiens308"):
                points = person.points[name]
                assert points.position.shape == (len(skeleton(name)), 3)
                assert np.isfinite(points.position[points.defined]).all()
                assert (points.radius >= 0.014).all()


def test_the_target_is_in_the_frame(scenes):
    for scene in scenes:
        frame = resolve(scene, "numpy")
        assert (frame.person == 1).sum() > 0.004 * frame.person.size, scene.people[0].info


def test_left_is_the_subjects_left_in_a_frontal_view():
    names = skeleton("wholebody133")
    for index in range(30):
        scene = sample_scene(5, index, SIZE)
        info = scene.people[0].info
        if info["pose"] == "standing" and abs(info["yaw"]) < 25:
            points = scene.people[0].points["wholebody133"].position
            xy = project(points[[names.index("left_shoulder"), names.index("right_shoulder")]].astype(float), scene.intrinsics)
            assert xy[0, 0] > xy[1, 0], "facing the camera, the left shoulder is on the right of the picture"
            return
    pytest.fail("no frontal standing person in 30 frames")


def test_occluders_hide_and_are_background():
    solids = occluder(counter(np.random.default_rng(0), 0.4))
    assert solids.person == -1
    assert solids.labels == ((0, 0),)
    assert class_set("body28").names[0] == "Background"


@pytest.mark.parametrize("maker", [pole, railing, counter, box_ahead])
def test_furniture_is_finite(maker):
    surface = occluder(maker(np.random.default_rng(1), 0.5))
    assert np.isfinite(surface.vertices).all()
    assert surface.faces.max() < len(surface.vertices)


def test_chair_and_table_stand_on_the_ground():
    for solids in (chair(np.random.default_rng(2), 0.45, 0.2), table(np.random.default_rng(2), 0.3)):
        assert occluder(solids).vertices[:, 2].min() == pytest.approx(0, abs=1e-6)


def test_most_views_are_frontal():
    rng = np.random.default_rng(0)
    yaw = np.array([draw_yaw(rng, "full") for _ in range(1000)])
    yaw = (yaw + 180) % 360 - 180
    assert 0.5 < (np.abs(yaw) <= 60).mean() < 0.65
    assert 0.1 < (np.abs(yaw) > 130).mean() < 0.22

from __future__ import annotations

import numpy as np
import pytest
from shapes import ball, camera, points, quad

from vitruvian.synth.raster.resolve import resolve
from vitruvian.synth.raster.visibility import look
from vitruvian.synth.surface import Scene, ScenePerson

SIZE = (128, 96)


def see(named, *surfaces, person=0, size=SIZE):
    people = 1 + max(s.person for s in surfaces)
    scene = Scene(tuple(surfaces), tuple(ScenePerson({}) for _ in range(people)), camera(size), size)
    frame = resolve(scene, "numpy")
    return look(named, frame.person == person + 1, frame.depth, frame.intrinsics)


def turned(point, degrees, centre):
    """Turn about the vertical axis through `centre`."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.asarray(point, float) + centre


def test_points_are_projected_and_those_out_of_the_frame_are_absent():
    named = points([(0.1, -0.2, 2.0), (9, 0, 2), (0, 0, -2), (0, 0, 2)], defined=np.array([True, True, True, False]))
    named.position[3] = np.nan
    found = see(named, quad(z=2.0, half=0.4))
    k = camera(SIZE)
    np.testing.assert_allclose(found[0], [0.05 * k[0, 0] + k[0, 2], -0.1 * k[1, 1] + k[1, 2], 2], rtol=1e-5)
    np.testing.assert_array_equal(found[1:], 0)


@pytest.mark.parametrize("edge, inside", [(-0.49, True), (-0.51, False), (95.49, True), (95.51, False)])
def test_the_frame_ends_half_a_pixel_beyond_its_outer_centres(edge, inside):
    k = camera(SIZE)
    x = (edge - k[0, 2]) / k[0, 0] * 2
    assert (see(points((x, 0, 2.0)), quad(z=2.0, half=3))[0, 2] > 0) == inside


@pytest.mark.parametrize("radius", [0.1, 0.01, 0.004])
@pytest.mark.parametrize("degrees", range(0, 360, 15))
def test_a_nose_is_seen_from_the_front_and_never_from_behind_however_thin_the_head(radius, degrees):
    """Thin heads have their back within any depth tolerance: the skin's side must decide."""
    centre = np.array([0, 0, 1.0 if radius > 0.05 else 0.15])
    nose, normal = turned((0, 0, -radius), degrees, centre), turned((0, 0, -1), degrees, 0)
    visibility = see(points(nose, normal=normal), ball(centre, radius, rings=40, sectors=60))[0, 2]
    facing = normal @ nose < 0
    if not facing:
        assert visibility == 1
    elif normal @ nose < -0.2 * np.linalg.norm(nose):
        assert visibility == 2


def test_the_nose_of_a_body_with_a_large_allowance_is_still_hidden_from_behind():
    named = points((0, 0, 2.1), normal=(0, 0, 1), radius=0.5)
    assert see(named, ball((0, 0, 2), 0.1))[0, 2] == 1


def test_skin_behind_an_arm_or_another_person_is_hidden():
    named = points((0, 0, 2.0))
    own_arm, other = quad(z=1.9, half=0.1), quad(z=1.9, half=0.1, person=1)
    chest = quad(z=2.0, half=0.5)
    assert see(named, chest)[0, 2] == 2
    assert see(named, chest, own_arm)[0, 2] == 1
    assert see(named, chest, other)[0, 2] == 1


def test_cloth_within_the_allowance_does_not_hide_skin():
    chest, cloth = quad(z=2.0, half=0.5), quad(z=1.98, half=0.5)
    assert see(points((0, 0, 2.0)), chest, cloth)[0, 2] == 1
    assert see(points((0, 0, 2.0), radius=0.03), chest, cloth)[0, 2] == 2


def test_a_joint_is_seen_inside_its_own_limb_only():
    limb = ball((0, 0, 2), (0.05, 0.4, 0.05))
    joint = points((0, 0, 2.0), surface=False, radius=0.06)
    assert see(joint, limb)[0, 2] == 2
    assert see(joint, limb, quad(z=1.96, half=0.2, person=1))[0, 2] == 2  # cuts through the limb behind its skin
    assert see(joint, limb, quad(z=1.7, half=0.2))[0, 2] == 1
    assert see(joint, limb, quad(z=1.945, half=0.2, person=1))[0, 2] == 1


def test_skin_on_the_outline_is_seen_through_the_pixel_beside_it():
    """The point lies just inside the edge, its nearest pixel centre just outside."""
    k = camera(SIZE)
    edge = (60.4 - k[0, 2]) / k[0, 0] * 2  # the surface ends at x = 60.4: pixel 60 is covered, 61 is not
    wall = quad(z=2.0, half=0.3, centre=(edge - 0.3, 0))
    beyond = (60.6 - k[0, 2]) / k[0, 0] * 2
    assert see(points((beyond, 0, 2.0)), wall)[0, 2] == 2
    far = quad(z=5.0, half=4.0, person=1)
    assert see(points((beyond, 0, 2.0)), wall, far)[0, 2] == 2
    near = quad(z=1.0, half=0.4, person=1)
    assert see(points((beyond, 0, 2.0)), wall, near)[0, 2] == 1


def test_a_point_on_nothing_is_not_seen():
    assert see(points((0.35, 0, 2.0)), quad(z=2.0, half=0.1))[0, 2] == 1

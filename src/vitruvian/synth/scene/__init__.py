"""A whole frame: one to three people, a camera, perhaps furniture; the same for the same (seed, index)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vitruvian.geometry import project
from vitruvian.synth.body import Body
from vitruvian.synth.poses.posing import axis_rotation
from vitruvian.synth.scene.camera import Camera, draw_framing, draw_yaw, place_camera, shown_points
from vitruvian.synth.scene.occluders import box_ahead, chair, counter, occluder, pole, railing, table
from vitruvian.synth.scene.people import Figure, sample_figure
from vitruvian.synth.surface import Points, Scene, ScenePerson, Surface
from vitruvian.types import Array

Rng = np.random.Generator

PEOPLE = (0.70, 0.20, 0.10)
OCCLUDED = 0.25
VOXEL = 0.08  # metres; people may share this many voxels (touching)
TOUCHING = 6
TRIES = 6
CLEAR = 0.45  # share of the framed points that must be in sight
GRID = (12, 9)  # cells of the coarse view that judges this
BEHIND = 0.06  # metres; who is no further behind a thing than this may lean on it and be seen
ELBOW_ROOM = 0.12  # metres between the camera and any body or furniture


def sample_scene(seed: int, index: int, size: tuple[int, int]) -> Scene:
    """Frame `index` of a data set before rasterisation: f(seed, index) only. size (H, W) pixels.

    people[0] is the one the frame is made for; the others stand around it and may be cut, hidden or hide it a little.
    """
    rng = np.random.default_rng([seed, index])
    framing = draw_framing(rng)
    count = 1 + int(rng.choice(3, p=PEOPLE))
    figures = [sample_figure(rng) for _ in range(count)]
    furnished = rng.random() < OCCLUDED
    for attempt in range(TRIES):
        stage = _stage(rng, figures[: 1 if attempt == TRIES - 1 else count], framing, furnished and attempt < 3, size)
        if stage.clear:
            break
    return _frame(stage, framing, size, f"{seed}/{index}")


@dataclass(frozen=True)
class Stage:
    """Everybody and everything in world axes, and the camera. clear: the target can be seen."""

    figures: list[Figure]
    yaws: list[float]
    solids: list[Surface]
    camera: Camera
    view: dict[str, float]
    clear: bool


def _stage(rng: Rng, figures: list[Figure], framing: str, furnished: bool, size: tuple[int, int]) -> Stage:
    yaw = draw_yaw(rng, framing)
    turn = _up(yaw)
    world = [_turned(figures[0], turn, np.zeros(3))]
    shown = shown_points(world[0], framing, rng)
    camera, view = place_camera(rng, shown, framing, size)
    yaws = [yaw]
    for figure in figures[1:]:
        yaws.append(yaw + float(rng.normal(0, 30)) if rng.random() < 0.5 else draw_yaw(rng, "full"))
        world.append(_beside(rng, figure, _up(yaws[-1]), world, framing))
    solids = _furniture(rng, world[0], turn) if furnished else []
    return Stage(world, yaws, solids, camera, view, _clear(camera, shown, world, solids, size))


def _frame(stage: Stage, framing: str, size: tuple[int, int], key: str) -> Scene:
    """The stage as the camera sees it."""
    camera = stage.camera
    surfaces = [_seen(s, camera, i) for i, figure in enumerate(stage.figures) for s in figure.surfaces]
    surfaces += [_seen(s, camera, -1) for s in stage.solids]
    people = []
    for figure, angle in zip(stage.figures, stage.yaws, strict=True):
        yaw = round((angle + 180) % 360 - 180, 2)
        info = figure.info | {"framing": framing, "yaw": yaw, "people": len(stage.figures)} | stage.view
        people.append(ScenePerson({k: _seen_points(p, camera) for k, p in figure.points.items()}, info))
    return Scene(tuple(surfaces), tuple(people), camera.intrinsics, size, key)


def _clear(camera: Camera, shown: Array, world: list[Figure], solids: list[Surface], size: tuple[int, int]) -> bool:
    """True when at least CLEAR of the framed points have nobody else and nothing before them, judged on a coarse grid."""
    target = camera.see(shown.astype(np.float64))
    cloud = [camera.see(f.vertices.astype(np.float64)) for f in world] + [camera.see(_sown(s)) for s in solids]
    if min(np.linalg.norm(points, axis=1).min() for points in cloud) < ELBOW_ROOM:
        return False
    nearest = np.full(GRID[0] * GRID[1], np.inf)
    for points in cloud[1:]:
        ahead = points[points[:, 2] > 0.05]
        cell, inside = _cells(ahead, camera, size)
        np.minimum.at(nearest, cell[inside], ahead[inside, 2])
    cell, inside = _cells(target, camera, size)
    free = target[:, 2] < nearest[cell] + BEHIND
    return bool((free & inside).sum() >= CLEAR * max(int(inside.sum()), 1))


def _cells(points: Array, camera: Camera, size: tuple[int, int]) -> tuple[Array, Array]:
    """Flat grid cell of each camera point, and whether it lies in the frame."""
    pixel = project(points, camera.intrinsics)
    row, column = (np.floor(pixel[:, 1] * GRID[0] / size[0]), np.floor(pixel[:, 0] * GRID[1] / size[1]))
    inside = (row >= 0) & (column >= 0) & (row < GRID[0]) & (column < GRID[1])
    cell = np.where(inside, row * GRID[1] + column, 0).astype(np.int64)
    return cell, inside


def _sown(surface: Surface) -> Array:
    """Points spread over a mesh of large triangles, some four centimetres apart."""
    corner = surface.vertices[surface.faces].astype(np.float64)
    longest = np.linalg.norm(corner - np.roll(corner, 1, axis=1), axis=2).max(1)
    steps = np.clip(np.ceil(longest / 0.04), 3, 90 if len(corner) < 80 else 12).astype(int)
    out = []
    for count in np.unique(steps):
        t = (np.arange(count) + 0.5) / count
        u, v = (g.ravel()[:, None] for g in np.meshgrid(t, t))
        u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
        a, b, c = (corner[steps == count, None, k] for k in range(3))
        out.append((a + (b - a) * u + (c - a) * v).reshape(-1, 3))
    return np.concatenate(out)


def _up(yaw: float) -> Array:
    return axis_rotation(np.array([0.0, 0, 1]), yaw)


def _turned(figure: Figure, turn: Array, shift: Array) -> Figure:
    """The figure rotated about the vertical and moved."""
    matrix, by = turn.T.astype(np.float32), shift.astype(np.float32)
    surfaces = tuple(replace(s, vertices=s.vertices @ matrix + by) for s in figure.surfaces)
    points = {
        k: Points(p.position @ matrix + by, p.defined, p.surface, p.normal @ matrix, p.radius) for k, p in figure.points.items()
    }
    return Figure(surfaces, points, figure.vertices @ matrix + by, figure.info)


def _seen(surface: Surface, camera: Camera, person: int) -> Surface:
    vertices = camera.see(surface.vertices.astype(np.float64)).astype(np.float32)
    return replace(surface, vertices=vertices, person=person)


def _seen_points(points: Points, camera: Camera) -> Points:
    normal = (points.normal @ camera.rotation.T).astype(np.float32)
    return Points(
        camera.see(points.position.astype(np.float64)).astype(np.float32), points.defined, points.surface, normal, points.radius
    )


def _voxels(figure: Figure) -> Array:
    body = Body.load()
    cell = np.floor(figure.vertices[body.groups["body"]] / VOXEL).astype(np.int64)
    return np.unique((cell[:, 0] * 4096 + cell[:, 1]) * 4096 + cell[:, 2])


def _beside(rng: Rng, figure: Figure, turn: Array, others: list[Figure], framing: str) -> Figure:
    """Another person near the first one, moved aside until nobody stands in anybody; behind more often than before."""
    close = framing in ("bust", "face", "hand")
    side = 1.0 if rng.random() < 0.5 else -1.0
    x = side * float(rng.uniform(0.25, 0.6) if close else rng.uniform(0.3, 1.1))
    y = float(rng.uniform(-0.25, 2.5)) if rng.random() < 0.8 else float(rng.uniform(-0.7, 0.3))
    if y > 0.5:
        x *= float(rng.uniform(0.2, 1.6))
    taken = [_voxels(o) for o in others]
    placed = _turned(figure, turn, np.array([x, y, 0.0]))
    for _ in range(8):
        mine = _voxels(placed)
        if all(len(np.intersect1d(mine, t, assume_unique=True)) <= TOUCHING for t in taken):
            break
        x += side * 0.16
        y += 0.05
        placed = _turned(figure, turn, np.array([x, y, 0.0]))
    return placed


def _furniture(rng: Rng, figure: Figure, turn: Array) -> list[Surface]:
    """One or two pieces near the target: chairs and tables turn with the person, the rest faces the camera."""
    body = Body.load()
    root = figure.vertices[body.groups["heads"]][body.bone("root")].astype(np.float64)
    front = float((figure.vertices[body.groups["body"], 1] - root[1]).min())
    ahead = -front + float(rng.uniform(0.08, 0.4))
    if figure.info["pose"] == "sitting":
        solids = chair(rng, max(root[2] - 0.13, 0.1), 0.19) if rng.random() < 0.75 else []
        if rng.random() < 0.6 or not solids:
            solids = solids + table(rng, 0.28)
        return [_stood(occluder(solids), turn, root)]
    makers = (pole, railing, counter, box_ahead)
    solids = makers[rng.choice(4, p=[0.25, 0.2, 0.3, 0.25])](rng, ahead)
    return [_stood(occluder(solids), np.eye(3), root)]


def _stood(surface: Surface, turn: Array, root: Array) -> Surface:
    shift = np.array([root[0], root[1], 0.0], np.float32)
    return replace(surface, vertices=(surface.vertices @ turn.T.astype(np.float32) + shift).astype(np.float32))

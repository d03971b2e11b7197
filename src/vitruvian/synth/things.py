"""Things that are not people, as solid and as well lit as people are: furniture, animals, vessels, bags, boxes, cloth, plants.

Without them whatever is modelled and shaded in a made picture is a person, and a detector learns just that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vitruvian.data.gbuffer import MATERIAL, GBuffer
from vitruvian.synth.meshes import box, ellipsoid, grid_faces, tube
from vitruvian.synth.poses.posing import axis_rotation
from vitruvian.synth.raster.resolve import resolve
from vitruvian.synth.scene.occluders import chair, table
from vitruvian.synth.surface import Scene, ScenePerson, Surface
from vitruvian.types import Array

Rng = np.random.Generator
Solid = tuple[Array, Array]  # vertices (V, 3) metres, z up, and faces
COVERS = ("upper_cloth", "lower_cloth", "outer_cloth", "apparel", "headwear", "shoe", "sock", "hair")
BACKEND = "numpy"  # drawn in the workers of a training, which should not each open a graphics context


def thing(rng: Rng, side: int = 160, kinds: Sequence[str] = ()) -> GBuffer:
    """One thing of `kinds`, or of any, alone in a frame of (side, side) px, seen from any side; its one entry of `people` has
    no points, and {"thing": kind} for info. Distances as if it were of its true size."""
    kind = str(rng.choice(list(kinds or KINDS)))
    parts = KINDS[kind](rng)
    points = np.concatenate([vertices for vertices, _ in parts])
    middle, reach = (points.max(0) + points.min(0)) / 2, float(np.ptp(points, axis=0).max()) / 2
    lift = float(np.clip(rng.normal(12, 18), -15, 75))
    turn = axis_rotation(np.array([1.0, 0, 0]), lift) @ axis_rotation(np.array([0, 0, 1.0]), float(rng.uniform(0, 360)))
    see = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]) @ turn
    away = reach * float(rng.uniform(4, 9))
    focal = 0.42 * side * (away - reach) / reach / 1.1
    surfaces = tuple(
        _surface((vertices - middle) @ see.T + (0, 0, away), vertices, faces, material)
        for (vertices, faces), material in zip(parts, _materials(len(parts), rng), strict=True)
    )
    intrinsics = np.array([[focal, 0, (side - 1) / 2], [0, focal, (side - 1) / 2], [0, 0, 1]])
    return resolve(Scene(surfaces, (ScenePerson({}, {"thing": kind}),), intrinsics, (side, side), kind), BACKEND)


def _materials(count: int, rng: Rng) -> list[str]:
    """One for all parts, or two at random."""
    two = rng.choice(COVERS, 2)
    return [str(two[int(rng.random() < 0.3)]) for _ in range(count)]


def _surface(seen: Array, rest: Array, faces: Array, material: str) -> Surface:
    scores = np.zeros((len(rest), 1), np.float32)
    label = (0, MATERIAL[material])
    return Surface("thing", seen.astype(np.float32), faces, rest.astype(np.float32), scores, (label,), 0)


def _put(solid: Solid, place: Array | tuple[float, float, float], matrix: Array | None = None) -> Solid:
    turned = solid[0] if matrix is None else solid[0] @ matrix.T
    return (turned + np.asarray(place)).astype(np.float32), solid[1]


def _any_turn(rng: Rng) -> Array:
    return axis_rotation(rng.normal(size=3), float(rng.uniform(0, 180)))


def _limb(path: Array, radius: Array) -> Solid:
    """A tube with closed, rounded ends."""
    path, radius = np.asarray(path, np.float64), np.asarray(radius, np.float64)
    grow = np.linspace(0, 1, 8)
    x = np.interp(grow, np.linspace(0, 1, len(path)), path[:, 0])
    y = np.interp(grow, np.linspace(0, 1, len(path)), path[:, 1])
    z = np.interp(grow, np.linspace(0, 1, len(path)), path[:, 2])
    wide = np.interp(grow, np.linspace(0, 1, len(radius)), radius)
    wide[[0, -1]] *= 0.3
    return tube(np.stack([x, y, z], 1), wide, 10)


def _furniture(rng: Rng) -> list[Solid]:
    seat = float(rng.uniform(0.35, 0.5))
    return (chair(rng, seat, 0.2) if rng.random() < 0.5 else []) + (table(rng, 0.2) if rng.random() < 0.5 else []) or chair(
        rng, seat, 0.2
    )


def _animal(rng: Rng) -> list[Solid]:
    """Four legs, a trunk, a neck with a head, perhaps ears and a tail."""
    long, high, thick = rng.uniform(0.5, 1.4), rng.uniform(0.2, 0.9), rng.uniform(0.1, 0.35)
    trunk = ellipsoid((long / 2, thick * rng.uniform(0.7, 1.1), thick), 12, 18)
    out = [_put(trunk, (0, 0, high + thick / 2), axis_rotation(np.array([0, 1.0, 0]), float(rng.normal(0, 8))))]
    for x in (-0.38, 0.38):
        for y in (-0.6, 0.6):
            step, wide = rng.normal(0, 0.12) * high, thick * rng.uniform(0.15, 0.35)
            out.append(_limb(np.array([[x * long, y * thick, high + thick / 3], [x * long + step / 2, y * thick, high / 2],
                                       [x * long + step, y * thick, 0]]), np.array([1.6 * wide, wide, wide])))  # fmt: skip
    head = np.array([long / 2 + rng.uniform(0, 0.5) * long, 0, high + thick * rng.uniform(0.2, 2.5)])
    neck = np.array([[0.4 * long, 0, high + thick * 0.7], head])
    out.append(_limb(neck, np.array([0.7, 0.4]) * thick))
    out.append(
        _put(ellipsoid((thick * rng.uniform(0.4, 1.0), thick * 0.4, thick * 0.45)), head + np.array([thick * 0.3, 0, 0]))
    )
    if rng.random() < 0.6:
        out += [
            _put(ellipsoid((thick * 0.12, thick * 0.06, thick * 0.3)), head + np.array([0, s * thick * 0.3, thick * 0.5]))
            for s in (-1, 1)
        ]
    if rng.random() < 0.6:
        end = np.array([-long * rng.uniform(0.6, 0.9), rng.normal(0, 0.1), high + thick * rng.normal(0.3, 1)])
        out.append(_limb(np.array([[-long * 0.47, 0, high + thick * 0.6], end]), np.array([0.15, 0.06]) * thick))
    return out


def _vessel(rng: Rng) -> list[Solid]:
    """Turned about an axis: bottles, vases, lamps, cups, cones."""
    rows, height = 24, rng.uniform(0.2, 1.2)
    t = np.linspace(0, 1, rows)
    radius = 0.5 + sum(rng.normal(0, 0.35 / k) * np.cos(np.pi * k * t + rng.uniform(0, 6)) for k in range(1, 5))
    wide = height * rng.uniform(0.12, 0.6) * np.clip(radius, 0.12, 1.2)
    path = np.stack([0 * t, 0 * t, t * height], 1)
    wide[0] = wide[-1] = 0.01
    return [tube(path, wide, 20)]


def _bag(rng: Rng) -> list[Solid]:
    """Soft and round: cushions, sacks, balls, fruit, heaps of them."""
    out = []
    for _ in range(int(rng.choice([1, 1, 2, 4, 7]))):
        points, faces = ellipsoid((1.0, 1.0, 1.0), 14, 20)
        points = np.sign(points) * np.abs(points) ** rng.uniform(0.5, 1.1)
        swell = 1 + 0.12 * np.sin(points @ rng.normal(0, 4, 3) + rng.uniform(0, 6))
        points = points * swell[:, None] * rng.uniform(0.1, 0.5, 3)
        out.append(_put((points, faces), rng.uniform(-0.5, 0.5, 3), _any_turn(rng)))
    return out


def _boxes(rng: Rng) -> list[Solid]:
    """Parcels, shelves, machines, walls."""
    out = []
    for _ in range(int(rng.integers(1, 7))):
        turn = axis_rotation(np.array([0, 0, 1.0]), float(rng.choice([0, 0, rng.uniform(0, 90)])))
        size = tuple(rng.uniform(0.05, 1.0, 3).tolist())
        out.append(_put(box(size), rng.uniform(-0.6, 0.6, 3), turn))
    return out


def _wheels(rng: Rng) -> list[Solid]:
    """A body of boxes on wheels, or two wheels and a frame."""
    long, radius = rng.uniform(0.8, 2.0), rng.uniform(0.15, 0.4)
    phi = np.linspace(0, 2 * np.pi, 24)
    thick = rng.uniform(0.02, 0.1)
    out = []
    for x in (-0.35 * long, 0.35 * long):
        for y in (-0.3, 0.3) if thick > 0.05 else (0.0,):
            ring = np.stack([x + radius * np.cos(phi), 0 * phi + y, radius + radius * np.sin(phi)], 1)
            out.append(tube(ring, thick, 8))
    if thick > 0.05:
        out.append(_put(box((long, 0.6, rng.uniform(0.3, 0.6))), (0, 0, radius + 0.25)))
        out.append(
            _put(box((long * rng.uniform(0.3, 0.7), 0.55, rng.uniform(0.2, 0.5))), (rng.normal(0, 0.1), 0, radius + 0.65))
        )
    else:
        spots = [
            (-0.35 * long, 0, radius),
            (-0.1 * long, 0, radius * 2.2),
            (0.3 * long, 0, radius * 2.3),
            (0.35 * long, 0, radius),
        ]
        spots += [(0.0, 0, radius), (-0.1 * long, 0, radius * 2.6)]
        for a, b in ((0, 1), (1, 2), (2, 3), (0, 4), (4, 1), (4, 2), (1, 5)):
            out.append(tube(np.array([spots[a], spots[b]], np.float64), 0.02, 6))
    return out


def _cloth(rng: Rng) -> list[Solid]:
    """A hanging or thrown sheet in folds: curtains, towels, coats on a hook."""
    rows, columns = 20, 36
    s, t = np.meshgrid(np.linspace(-0.5, 0.5, columns), np.linspace(0, 1, rows))
    narrow = 1 - rng.uniform(0, 0.7) * (1 - t) ** rng.uniform(0.5, 2)
    depth = sum(
        rng.normal(0, 0.04) * np.sin(rng.uniform(4, 30) * s + rng.normal(0, 3) * t + rng.uniform(0, 6)) for _ in range(4)
    )
    wide, high = rng.uniform(0.3, 1.5), rng.uniform(0.4, 1.8)
    x, z = s * narrow * wide + 0.05 * np.sin(rng.uniform(1, 5) * t), -t * high
    points = np.stack([x, depth * (0.3 + t), z + 0.04 * np.sin(rng.uniform(2, 9) * s)], -1)
    return [(points.reshape(-1, 3).astype(np.float32), grid_faces(rows, columns))]


def _branches(rng: Rng) -> list[Solid]:
    """A stem that parts again and again: plants, stands, antlers; at times with leaves."""
    out: list[Solid] = []
    ends = [(np.zeros(3), np.array([0, 0, 1.0]), rng.uniform(0.02, 0.08))]
    leaves = rng.random() < 0.6
    for _ in range(int(rng.integers(2, 4))):
        grown = []
        for start, along, wide in ends:
            for _ in range(int(rng.integers(1, 4))):
                way = along + rng.normal(0, 0.45, 3)
                end = start + way / np.linalg.norm(way) * rng.uniform(0.2, 0.5)
                out.append(tube(np.array([start, (start + end) / 2 + rng.normal(0, 0.02, 3), end]), wide, 6))
                grown.append((end, way / np.linalg.norm(way), 0.6 * wide))
        ends = grown[:8]
    if leaves:
        for end, _, _ in ends:
            for _ in range(int(rng.integers(2, 6))):
                size = tuple((rng.uniform(0.04, 0.2) * np.array([1, 0.5, 0.15])).tolist())
                out.append(_put(ellipsoid(size, 5, 8), end + rng.normal(0, 0.12, 3), _any_turn(rng)))
    return out


def _stick(rng: Rng) -> list[Solid]:
    """Long and thin, at times with something at its end: bats, rackets, brooms, umbrellas, spoons."""
    long, wide = rng.uniform(0.3, 1.5), rng.uniform(0.008, 0.04)
    path = np.array([[0, 0, 0], [rng.normal(0, 0.03), 0, long / 2], [0, 0, long]])
    out = [_limb(path, wide * np.array([1.0, rng.uniform(0.7, 1.5), rng.uniform(0.5, 2.5)]))]
    if rng.random() < 0.5:
        end = tuple((rng.uniform(0.04, 0.2) * np.array([1.0, rng.uniform(0.05, 1.0), rng.uniform(0.6, 1.6)])).tolist())
        out.append(_put(ellipsoid(end, 10, 16), (0, 0, long + end[2] * 0.8)))
    return out


def _slab(rng: Rng) -> list[Solid]:
    """Thin and flat, round or not: telephones, books, boards, trays, plates, frames, skis."""
    long, broad, thin = rng.uniform(0.1, 1.2), rng.uniform(0.08, 1.0), rng.uniform(0.005, 0.05)
    if rng.random() < 0.4:
        return [ellipsoid((long / 2, broad * long / 2, thin), 10, 24)]
    return [box((long, broad * long, thin))]


KINDS: dict[str, Callable[[Rng], list[Solid]]] = {
    "furniture": _furniture, "animal": _animal, "vessel": _vessel, "bag": _bag, "boxes": _boxes, "wheels": _wheels,
    "cloth": _cloth, "branches": _branches, "stick": _stick, "slab": _slab,
}  # fmt: skip
HANDY = ("stick", "stick", "slab", "slab", "vessel", "vessel", "bag", "boxes", "cloth", "animal", "branches")  # may be held

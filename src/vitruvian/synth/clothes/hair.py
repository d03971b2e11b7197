"""Hair as geometry: a shell over the scalp that thins out to its hairline, a curtain for long hair, buns and tails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from vitruvian.synth.body import Body
from vitruvian.synth.clothes.garments import follow, patterns, waves
from vitruvian.synth.meshes import Refined, Softener, cut, ellipsoid, grid_faces, refine, softener, tube, vertex_normals
from vitruvian.types import Array

Rng = np.random.Generator
EDGE = 0.028  # metres over which the shell grows from the hairline to its full thickness


@dataclass(frozen=True)
class Hair:
    """style: bald, buzz, short, medium, long, tail, bun; line shifts the hairline up (+) or down, metres of the scalp
    field; thick metres; beard 0..1: how far a beard reaches up, 0 none."""

    style: str
    line: float = 0.0
    thick: float = 0.015
    length: float = 0.0
    beard: float = 0.0


@dataclass(frozen=True)
class Scalp:
    """The refined head mesh that shells grow from. rows: packed body vertices of its coarse part."""

    rows: Array
    coarse: Array
    soften: Softener
    fine: Refined
    field: Array
    ear: Array
    template: Array
    bone: int


def sample_hair(rng: Rng, female: float, age: float) -> Hair:
    """Hair of one person; women's is longer, old men's is thinner. age on the scale 0 newborn .. 1 old."""
    woman = rng.random() < female
    styles = ("bald", "buzz", "short", "medium", "long", "tail", "bun")
    share = [0.01, 0.02, 0.13, 0.24, 0.34, 0.16, 0.10] if woman else [0.07, 0.16, 0.52, 0.16, 0.06, 0.015, 0.015]
    style = str(rng.choice(styles, p=share))
    beard = float(rng.uniform(0.2, 1.0)) if not woman and age > 0.6 and rng.random() < 0.32 else 0.0
    thick = {"buzz": (0.0015, 0.004), "short": (0.006, 0.028), "medium": (0.014, 0.045)}.get(style, (0.008, 0.03))
    if rng.random() < 0.06 and style in ("short", "medium"):
        thick = (0.05, 0.09)  # afro
    line = float(rng.normal(0.0, 0.006)) + (0.012 if age > 0.85 and not woman and rng.random() < 0.5 else 0.0)
    length = {"medium": rng.uniform(0.03, 0.12), "long": rng.uniform(0.14, 0.42), "tail": rng.uniform(0.12, 0.35)}.get(
        style, 0.0
    )
    return Hair(style, line, float(rng.uniform(*thick)), float(length), beard)


@lru_cache(maxsize=1)
def scalp() -> Scalp:
    """The head mesh; built once a process."""
    body = Body.load()
    start, stop = body.groups["body"].start, body.groups["body"].stop
    head_z = body.template[body.groups["heads"]][body.bone("head")][2]
    near = np.zeros(len(body.template), bool)
    near[start:stop] = (body.fields["scalp"][start:stop] > -0.06) & (body.template[start:stop, 2] > head_z - 0.12)
    faces = body.faces["body"]
    faces = faces[near[faces].all(1)]
    rows, local = np.unique(faces, return_inverse=True)
    local = local.reshape(faces.shape).astype(np.int32)
    fine = refine(local, len(rows))
    soften = softener(body.template[rows], 20)
    field, ear = fine.take(body.fields["scalp"][rows]), fine.take(body.fields["ear"][rows])
    return Scalp(rows, local, soften, fine, field, ear, fine.take(body.template[rows]), body.bone("head"))


@dataclass(frozen=True)
class Strands:
    """One hair mesh, posed: vertices, rest (template or own metres), faces."""

    vertices: Array
    rest: Array
    faces: Array


def head_shell(hair_field: Array, rest: Array, thickness: Array) -> tuple[Array, Array]:
    """Rest positions (V, 3) of the refined head moved out by `thickness` (V,), and the smooth normals used."""
    shape = scalp()
    coarse = rest[shape.rows]
    soft = shape.soften(coarse)
    normal = shape.fine.take(vertex_normals(soft, shape.coarse))
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    deep = np.clip(hair_field / 0.03, 0, 1)[:, None]  # under thick hair the skull's relief does not show
    base = shape.fine.take(coarse)
    grown = base + np.maximum(((shape.fine.take(soft) - base) * normal).sum(1, keepdims=True), 0) * deep * normal
    return grown + normal * thickness[:, None].astype(np.float32), normal


def hairline(hair: Hair, rng: Rng) -> Array:
    """(V,) signed field on the refined head, positive where hair grows; it stays off the ears and is a little uneven."""
    shape = scalp()
    uneven = 0.0025 * waves(rng, shape.template, 6, 60, 200)
    field = shape.field - hair.line + uneven
    out: Array = np.minimum(field, (0.35 - shape.ear) * 0.03).astype(np.float32)
    return out


def upright(hair: Hair, transforms: Array) -> Hair:
    """The same hair, or tied up where the head leans so far that a sheet of hair would not hang behind it."""
    if hair.style in ("medium", "long") and transforms[scalp().bone, 2, 2] < 0.8:
        return replace(hair, style="tail" if hair.style == "long" else "short")
    return hair


def grow(body: Body, hair: Hair, rest: Array, transforms: Array, rng: Rng, flat: bool = False) -> tuple[Strands, ...]:
    """All hair meshes of one person, posed. `flat`: pressed under a hat."""
    if hair.style == "bald":
        return ()
    field = hairline(hair, rng)
    shell = _shell(hair, field, rest, transforms, rng, flat)
    extra: tuple[Strands, ...] = ()
    if hair.style in ("medium", "long"):
        extra = (_curtain(body, hair, rest, transforms, rng),)
    elif hair.style in ("tail", "bun"):
        extra = (_tied(hair, rest, transforms, rng),)
    return (shell, *extra)


def _shell(hair: Hair, field: Array, rest: Array, transforms: Array, rng: Rng, flat: bool) -> Strands:
    shape = scalp()
    full = min(hair.thick, 0.003) if flat else hair.thick
    t = np.clip(field / EDGE, 0, 1)
    high = np.clip((shape.template[:, 2] - shape.template[:, 2].min()) / 0.2, 0.3, 1)  # short at the sides
    clumps = 1 + 0.22 * waves(rng, shape.template, 8, 40, 160)
    thickness = 0.0012 + full * np.sqrt(t) * high * clumps
    points, _ = head_shell(field, rest, thickness)
    kept = cut(shape.fine.faces, field)
    posed = follow(transforms[shape.bone], kept.take(points))
    return Strands(posed, kept.take(shape.template), kept.faces)


@dataclass(frozen=True)
class Skull:
    """Where a person's hair hangs from: centre (3,), half width, reach to the back, metres."""

    centre: Array
    half: float
    back: float


def skull_of(rest: Array, thick: float) -> Skull:
    """The skull of a person at rest, under hair `thick` metres thick."""
    shape = scalp()
    points = rest[shape.rows][scalp_coarse_mask()]
    low, high = points.min(0), points.max(0)
    centre = np.array([0.0, (low[1] + high[1]) / 2, low[2] + 0.55 * (high[2] - low[2])])
    return Skull(centre, float(high[0] - low[0]) / 2 + thick * 0.6, float(high[1] - centre[1]) + thick * 0.6)


@lru_cache(maxsize=1)
def scalp_coarse_mask() -> Array:
    """(R,) bool: rows of the coarse head that carry hair."""
    shape = scalp()
    out: Array = shape.field[: len(shape.rows)] > 0
    return out


def _curtain(body: Body, hair: Hair, rest: Array, transforms: Array, rng: Rng) -> Strands:
    """A sheet of hair from ear to ear behind the head, falling outside of neck, shoulders and back."""
    skull = skull_of(rest, hair.thick)
    columns, rows = 33, 18
    spread = np.deg2rad(rng.uniform(84, 102))
    angle = np.linspace(-spread, spread, columns)
    neck = float(rest[body.groups["heads"]][body.bone("neck01")][2])
    end = neck + 0.03 - hair.length + 0.012 * waves(rng, np.stack([angle, angle * 0, angle * 0], 1).astype(np.float32) * 0.3, 5)
    s = np.linspace(0, 1, rows)[:, None]
    widest = np.where(np.abs(angle) < 0.75, 0.3, skull.half * 1.15)  # beside the neck hair ends on the shoulder
    end = _stop(rest, skull, end, angle, widest)
    z = skull.centre[2] + s * (end - skull.centre[2])
    fall = np.clip((skull.centre[2] - z) / 0.1, 0, 1)
    sheet = 0.92 + 0.08 * fall + 0.03 * s * waves(rng, np.stack([angle, angle * 0, angle * 0], 1).astype(np.float32), 6, 8, 20)
    radius = np.hypot(skull.half * np.sin(angle), skull.back * np.cos(angle)) * sheet
    radius = np.maximum(radius, np.minimum(_clearance(rest, skull, z, angle), widest))
    radius = smooth_columns(smooth_columns(radius))
    points = (
        np.stack([radius * np.sin(angle), skull.centre[1] + radius * np.cos(angle), z], -1).reshape(-1, 3).astype(np.float32)
    )
    hang = np.clip((neck + 0.09 - points[:, 2]) / 0.12, 0, 1)[:, None]
    head, chest = transforms[scalp().bone], transforms[body.bone("spine01")]
    posed = follow(head, points) * (1 - hang) + follow(chest, points) * hang
    return Strands(posed.astype(np.float32), points, grid_faces(rows, columns))


def _stop(rest: Array, skull: Skull, end: Array, angle: Array, widest: Array) -> Array:
    """(columns,) heights where the sheet ends: at `end`, or where it would lie flat on a shoulder."""
    steps = np.linspace(0.1, 0.75, 40)[:, None]
    z = skull.centre[2] - steps + 0 * end
    blocked = _clearance(rest, skull, z, angle) > widest
    first = np.where(blocked.any(0), skull.centre[2] - steps[blocked.argmax(0), 0] + 0.012, -np.inf)
    spread = np.pad(np.maximum(end, first), 2, mode="edge")
    highest = np.max([spread[i : i + len(end)] for i in range(5)], 0)
    padded = np.pad(highest, 3, mode="edge")
    out: Array = np.mean([padded[i : i + len(end)] for i in range(7)], 0)
    return out


def smooth_columns(radius: Array) -> Array:
    """Soften a (rows, columns) sheet without letting it shrink much."""
    padded = np.pad(radius, 1, mode="edge")
    height, width = radius.shape
    mean = np.mean([padded[i : i + height, j : j + width] for i in range(3) for j in range(3)], 0)
    out: Array = np.maximum(mean, radius - 0.004)
    return out


def _clearance(rest: Array, skull: Skull, z: Array, angle: Array) -> Array:
    """(rows, columns) distance from the skull's axis at which hair clears neck, shoulders and back."""
    cloth = patterns().tights
    points = rest[cloth.rows]
    trunk = cloth.chart.arm[: len(points)] < 0.05
    offset = points[trunk] - skull.centre
    bearing, distance = np.arctan2(offset[:, 0], offset[:, 1]), np.hypot(offset[:, 0], offset[:, 1])
    out = np.zeros(z.shape)
    height = points[trunk, 2]
    for column in range(len(angle)):
        beside = np.abs(bearing - angle[column]) < 0.2
        if not beside.any():
            continue
        near = np.abs(height[beside][None] - z[:, [column]]) < 0.05
        out[:, column] = np.where(near, distance[beside][None], 0).max(1) + 0.028
    out[z > skull.centre[2] - 0.16] = 0
    return out


def _tied(hair: Hair, rest: Array, transforms: Array, rng: Rng) -> Strands:
    """A bun or a tail at the back or top of the head; a tail hangs down whatever the head does."""
    skull, matrix = skull_of(rest, hair.thick), transforms[scalp().bone]
    lift = float(rng.uniform(-0.2, 1.1))
    out = np.array([0, np.cos(lift), np.sin(lift)])
    at = skull.centre + np.array([0, out[1] * skull.back, out[2] * skull.back * 1.05 + 0.01])
    if hair.style == "bun":
        size = float(rng.uniform(0.028, 0.05))
        points, faces = ellipsoid((size, size * 0.85, size * 0.9))
        points = points + at + out * size * 0.6
        posed = None
    else:
        s = np.linspace(0, 1, 12)
        width = float(rng.uniform(0.018, 0.034)) * (
            0.55 + 0.9 * np.sin(np.pi * np.clip(s * 0.85 + 0.12, 0, 1)) ** 0.8 - 0.45 * s
        )
        points, faces = tube(_tail_path(at, out, hair.length), width)
        posed = tube(_tail_path(follow(matrix, at[None])[0], matrix[:3, :3] @ out, hair.length), width)[0]
    bumps = 0.004 * waves(rng, points.astype(np.float32), 5, 60, 180)[:, None]
    points = (points + bumps).astype(np.float32)
    return Strands(follow(matrix, points) if posed is None else (posed + bumps).astype(np.float32), points, faces)


def _tail_path(at: Array, out: Array, length: float) -> Array:
    """(12, 3) centre line that leaves the head along `out` and then hangs."""
    s = np.linspace(0, 1, 12)[:, None]
    path: Array = at - 0.01 * out + out * (0.045 * np.minimum(s * 4, 1) + 0.02 * s) - np.array([0, 0, length]) * s**1.3
    return path

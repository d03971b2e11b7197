"""From triangle ids to labels: the one place where a pixel's depth, normal, part, material and person are worked out.

Every rasteriser is read by this, so all of them label alike; depth is exact because the pixel's ray is cut with the
triangle's plane, not read from a depth buffer.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from vitruvian.data.gbuffer import MATERIAL, GBuffer, SynthPerson
from vitruvian.synth.raster import Rasteriser, rasteriser
from vitruvian.synth.raster.visibility import look
from vitruvian.synth.surface import Scene
from vitruvian.types import Array
from vitruvian.vocab import skeleton

SKELETONS = ("wholebody133", "sapiens308")
GRAZING = 1e-3  # cosine: a smoothed normal that turns away from the camera is held at this angle
MAX_PEOPLE = 255


@dataclass(frozen=True)
class Mesh:
    """All surfaces of a scene in one. vertices (V, 3) float32; faces (F, 3) int32; first_vertex, first_face (S + 1,):
    where each surface's rows begin."""

    vertices: Array
    faces: Array
    first_vertex: Array
    first_face: Array


@dataclass(frozen=True)
class Hits:
    """The pixels that see something. pixel (N,) flat index; face (N,) row of Mesh.faces; corner (N, 3) rows of
    Mesh.vertices; weight (N, 3) float64 barycentric, in 0..1; ray (N, 3) float64 with z = 1; depth (N,) metres."""

    pixel: Array
    face: Array
    corner: Array
    weight: Array
    ray: Array
    depth: Array

    def take(self, rows: Array) -> Hits:
        """Some of the pixels."""
        return Hits(*(getattr(self, field.name)[rows] for field in fields(self)))


def resolve(scene: Scene, backend: str | Rasteriser = "auto") -> GBuffer:
    """Rasterise a scene and label it. UsageError for an unknown backend or more than 255 people."""
    drawer = rasteriser(backend) if isinstance(backend, str) else backend
    mesh = join(scene)
    return label(scene, mesh, drawer.triangle_ids(mesh.vertices, mesh.faces, scene.intrinsics, scene.size))


def join(scene: Scene) -> Mesh:
    """All surfaces in one mesh; the order of surfaces and faces is kept."""
    first_vertex = np.cumsum([0, *(len(s.vertices) for s in scene.surfaces)])
    first_face = np.cumsum([0, *(len(s.faces) for s in scene.surfaces)])
    if not scene.surfaces:
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), first_vertex, first_face)
    vertices = np.concatenate([s.vertices for s in scene.surfaces]).astype(np.float32, copy=False)
    faces = [s.faces + np.int32(start) for s, start in zip(scene.surfaces, first_vertex, strict=False)]
    return Mesh(vertices, np.concatenate(faces).astype(np.int32, copy=False), first_vertex, first_face)


def label(scene: Scene, mesh: Mesh, triangle_id: Array) -> GBuffer:
    """(H, W) int32 rows of mesh.faces (-1 = none) -> every label of the frame.

    Surfaces of person -1 (furniture) hide what is behind them, key points too; their part is background, their material
    furniture.
    """
    if len(scene.people) > MAX_PEOPLE:
        raise ValueError(f"a scene holds at most {MAX_PEOPLE} people, this one has {len(scene.people)}")
    hits = intersect(mesh, triangle_id, scene.intrinsics)
    surface = np.searchsorted(mesh.first_face, hits.face, side="right") - 1
    owner = np.array([s.person + 1 for s in scene.surfaces] or [0], np.uint8)[surface]
    size = triangle_id.shape
    person, first = _image(owner, hits, size, 0, np.uint8), _image(hits.depth, hits, size, np.nan, np.float32)
    people = tuple(_person(scene, i, person, first) for i in range(len(scene.people)))
    on_people, solid = np.flatnonzero(owner), hits.pixel[owner == 0]
    hits, surface = hits.take(on_people), surface[on_people]
    part, material, rest = _surface_labels(scene, mesh, hits, surface)
    materials = _image(material, hits, size, MATERIAL["background"], np.uint8)
    materials.reshape(-1)[solid] = MATERIAL["furniture"]
    return GBuffer(
        person=person,
        material=materials,
        part=_image(part, hits, size, 0, np.uint8),
        depth=_image(hits.depth, hits, size, np.nan, np.float32),
        normal=_image(normals(mesh, hits), hits, size, np.nan, np.float32),
        rest=_image(rest, hits, size, np.nan, np.float32),
        intrinsics=np.asarray(scene.intrinsics, np.float64),
        people=people,
        key=scene.key,
    )


def intersect(mesh: Mesh, triangle_id: Array, intrinsics: Array) -> Hits:
    """Cut each pixel's ray with the plane of its triangle.

    A rasteriser may give a pixel to a triangle that misses its centre by a hair: weights are clamped and add up to one,
    depth stays between the corners' depths.
    """
    flat = triangle_id.ravel()
    pixel = np.flatnonzero(flat >= 0)
    face = flat[pixel]
    corner = mesh.faces[face]
    a, b, c = (mesh.vertices[corner[:, i]].astype(np.float64) for i in range(3))
    ray = rays(pixel, triangle_id.shape[1], intrinsics)
    sides = [cross(b, c), cross(c, a), cross(a, b)]
    weight = np.stack([_dot(ray, side) for side in sides], axis=1)
    total = weight.sum(axis=1)
    edge_on = total == 0
    total[edge_on] = 1.0
    depth = np.clip(_dot(a, sides[0]) / total, *_range(a[:, 2], b[:, 2], c[:, 2]))
    weight = np.clip(weight / total[:, None], 0, 1)
    weight[edge_on] = 1.0
    return Hits(pixel, face, corner, weight / weight.sum(axis=1, keepdims=True), ray, depth)


def rays(pixel: Array, width: int, intrinsics: Array) -> Array:
    """(N, 3) float64 directions with z = 1 through the centres of flat pixel indices of a frame `width` pixels wide."""
    k = np.asarray(intrinsics, np.float64)
    row, column = np.divmod(pixel, width)
    y = (row - k[1, 2]) / k[1, 1]
    x = (column - k[0, 2] - k[0, 1] * y) / k[0, 0]
    return np.stack([x, y, np.ones(len(pixel))], axis=1)


def normals(mesh: Mesh, hits: Hits) -> Array:
    """(N, 3) float64 unit normals: interpolated from the vertices, on the side of the triangle that the camera sees."""
    at_vertex = vertex_normals(mesh, hits.corner)
    smooth = _blend(at_vertex, hits.corner, hits.weight)
    a, b, c = (mesh.vertices[hits.corner[:, i]].astype(np.float64) for i in range(3))
    flat = cross(b - a, c - a)
    away = _dot(flat, hits.ray) > 0
    smooth[away] *= -1
    length = np.sqrt(_dot(smooth, smooth))
    lost = length < 1e-9  # opposite neighbours cancelled: take the triangle's own
    smooth[lost] = np.where(away[lost, None], -flat[lost], flat[lost])
    return _towards_camera(_unit(smooth), hits.ray)


def vertex_normals(mesh: Mesh, corner: Array) -> Array:
    """(V, 3) float64, area-weighted sums over the adjoining faces, not normalised, at the vertices named in `corner` (N, 3).

    Other rows are incomplete: only faces that touch a seen vertex are read, which is a third of a body.
    """
    wanted = np.zeros(len(mesh.vertices), bool)
    wanted[corner] = True
    i, j, k = np.ascontiguousarray(mesh.faces.T)
    near = np.flatnonzero(wanted[i] | wanted[j] | wanted[k])
    sides = np.stack([i[near], j[near], k[near]])
    a, b, c = (mesh.vertices[side].astype(np.float64) for side in sides)
    across, rows = cross(b - a, c - a), sides.ravel()
    sums = [np.bincount(rows, np.tile(across[:, axis], 3), len(wanted)) for axis in range(3)]
    return _unit(np.stack(sums, axis=1), wanted)


def _towards_camera(normal: Array, ray: Array) -> Array:
    """Hold normals that smoothing turned past the horizon just on the camera's side of it."""
    view = _unit(ray)
    cosine = _dot(normal, view)
    past = cosine > -GRAZING
    normal[past] -= view[past] * (cosine[past] + GRAZING)[:, None]
    return _unit(normal)


def _surface_labels(scene: Scene, mesh: Mesh, hits: Hits, which: Array) -> tuple[Array, Array, Array]:
    """Part and material (N,) uint8 and rest position (N, 3) of each hit, surface by surface; which (N,): its surface."""
    count = len(hits.pixel)
    part, material = np.zeros(count, np.uint8), np.zeros(count, np.uint8)
    rest = np.zeros((count, 3), np.float32)
    for index in np.unique(which):
        surface, here = scene.surfaces[index], np.flatnonzero(which == index)
        corner = hits.corner[here] - mesh.first_vertex[index]
        weight = hits.weight[here].astype(np.float32)
        labels = np.array(surface.labels, np.uint8)[_largest(surface.scores, corner, weight)]
        part[here], material[here] = labels[:, 0], labels[:, 1]
        rest[here] = _blend(surface.rest, corner, weight)
    return part, material, rest


def _largest(scores: Array, corner: Array, weight: Array) -> Array:
    if scores.shape[1] == 1:
        return np.zeros(len(corner), np.int64)
    out: Array = _blend(scores, corner, weight).argmax(axis=1)
    return out


def _blend(values: Array, corner: Array, weight: Array) -> Array:
    """Barycentric mix (N, C) of values (V, C); corner and weight (N, 3)."""
    mixed: Array = values[corner[:, 0]] * weight[:, :1]
    mixed += values[corner[:, 1]] * weight[:, 1:2]
    mixed += values[corner[:, 2]] * weight[:, 2:]
    return mixed


def _person(scene: Scene, index: int, person: Array, depth: Array) -> SynthPerson:
    who, shown = scene.people[index], person == index + 1
    seen = {}
    for name in SKELETONS:
        points = who.points.get(name)
        seen[name] = (
            np.zeros((len(skeleton(name)), 3), np.float32) if points is None else look(points, shown, depth, scene.intrinsics)
        )
    return SynthPerson(mask_box(shown), seen["wholebody133"], seen["sapiens308"], who.info)


def mask_box(mask: Array) -> Array:
    """(4,) float32 xyxy px around the mask's pixels, their full squares included; zeros for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros(4, np.float32)
    return np.array([columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5], np.float32)


def _image(values: Array, hits: Hits, size: tuple[int, ...], empty: float, dtype: type) -> Array:
    out = np.full((size[0] * size[1], *values.shape[1:]), empty, dtype)
    out[hits.pixel] = values
    return out.reshape(*size, *values.shape[1:])


def cross(a: Array, b: Array) -> Array:
    """Cross product of (N, 3) rows; np.cross spends most of its time moving axes."""
    ax, ay, az = a.T
    bx, by, bz = b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)


def _dot(a: Array, b: Array) -> Array:
    out: Array = np.einsum("ij,ij->i", a, b)
    return out


def _range(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
    return np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)


def _unit(values: Array, where: Array | None = None) -> Array:
    """Rows scaled to length one; a zero row stays zero."""
    rows = values if where is None else values[where]
    length = np.sqrt(_dot(rows, rows))
    rows = rows / np.where(length > 0, length, 1.0)[:, None]
    if where is None:
        return rows
    values[where] = rows
    return values

"""Triangle meshes as arrays: cutting on iso-lines, smoothing, refining, and a few simple solids. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitruvian.types import Array


@dataclass(frozen=True)
class Cut:
    """What is left of a mesh after a cut: faces (F, 3) int32 into new vertices, each a mix of two old ones."""

    faces: Array
    first: Array
    second: Array
    mix: Array

    def take(self, values: Array) -> Array:
        """Old vertex values (V, ...) at the new vertices, linear along the cut edges."""
        mix = self.mix.reshape(-1, *(1,) * (values.ndim - 1)).astype(values.dtype)
        out: Array = values[self.first] * (1 - mix) + values[self.second] * mix
        return out


def cut(faces: Array, field: Array) -> Cut:
    """Keep what lies where `field` (V,) > 0; crossing triangles are split exactly on its zero line."""
    inside = field > 0
    count = corners(inside, faces)
    corner, outer = _edge_triangles(faces[count == 1], inside), _edge_triangles(faces[count == 2], ~inside)
    edges = np.concatenate([corner[:, [0, 1]], corner[:, [0, 2]], outer[:, [1, 0]], outer[:, [2, 0]]])
    ordered = np.sort(edges, 1).astype(np.int64)
    keys, inverse = np.unique(ordered[:, 0] * len(field) + ordered[:, 1], return_inverse=True)
    first, second = keys // len(field), keys % len(field)
    whole = faces[count == 3]
    kept = np.unique(np.concatenate([whole.ravel(), corner[:, 0], outer[:, 1:].ravel()]))
    place = np.zeros(len(field), np.int64)
    place[kept] = np.arange(len(kept))
    born = len(kept) + inverse
    n, m = len(corner), len(outer)
    b1, b2, c1, c2 = born[:n], born[n : 2 * n], born[2 * n : 2 * n + m], born[2 * n + m :]
    p, q = place[outer[:, 1]], place[outer[:, 2]]
    new = [place[whole], np.stack([place[corner[:, 0]], b1, b2], 1), np.stack([p, q, c2], 1), np.stack([p, c2, c1], 1)]
    gap = field[first] - field[second]
    mix = np.where(gap == 0, 0.5, field[first] / np.where(gap == 0, 1, gap))
    first, second = np.concatenate([kept, first]), np.concatenate([kept, second])
    return Cut(
        np.concatenate(new).astype(np.int32), first, second, np.concatenate([np.zeros(len(kept)), mix]).astype(np.float32)
    )


def corners(mask: Array, faces: Array) -> Array:
    """(F,) int8: how many corners of each face carry `mask` (V,) bool; much faster than a reduction along rows."""
    small = mask.view(np.int8)
    out: Array = small[faces[:, 0]] + small[faces[:, 1]] + small[faces[:, 2]]
    return out


def _edge_triangles(faces: Array, lone: Array) -> Array:
    """Turn triangles so that their one vertex with `lone` comes first; the winding stays."""
    start = lone[faces].argmax(1)
    out: Array = np.take_along_axis(faces, (start[:, None] + np.arange(3)) % 3, 1)
    return out


def vertex_normals(vertices: Array, faces: Array) -> Array:
    """(V, 3) unit area-weighted normals; zero where no face is."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    e, f = b - a, c - a
    across = np.stack(
        [e[:, 1] * f[:, 2] - e[:, 2] * f[:, 1], e[:, 2] * f[:, 0] - e[:, 0] * f[:, 2], e[:, 0] * f[:, 1] - e[:, 1] * f[:, 0]], 1
    )
    rows = faces.T.ravel()
    out = np.stack([np.bincount(rows, np.tile(across[:, k], 3), len(vertices)) for k in range(3)], 1)
    return np.asarray(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12), np.float32)


@dataclass(frozen=True)
class Softener:
    """A local average: index (V, N) of the near vertices, weight (V, N) with rows summing to 1."""

    index: Array
    weight: Array

    def __call__(self, vertices: Array) -> Array:
        """Smoothed vertices (V, 3)."""
        out = vertices[self.index[:, 0]] * self.weight[:, :1]
        for column in range(1, self.index.shape[1]):
            out += vertices[self.index[:, column]] * self.weight[:, column : column + 1]
        return np.asarray(out)


def softener(points: Array, count: int, apart: Array | None = None) -> Softener:
    """Gaussian average over the `count` nearest points (V, 3); those of opposite signs in `apart` (V,) never mix."""
    points = points.astype(np.float32)
    square = (points**2).sum(1)
    distance = square[:, None] + square[None] - 2 * points @ points.T
    if apart is not None:
        distance[apart[:, None] * apart[None] < 0] = np.inf
    index = np.argpartition(distance, count, axis=1)[:, :count]
    near = np.maximum(np.take_along_axis(distance, index, 1), 0)
    weight = np.exp(-near / np.maximum(near.max(1, keepdims=True), 1e-9) * 1.5)
    return Softener(index.astype(np.int32), (weight / weight.sum(1, keepdims=True)).astype(np.float32))


@dataclass(frozen=True)
class Refined:
    """A mesh with every edge halved: the old vertices first, then one on each of `edges` (E, 2)."""

    faces: Array
    edges: Array

    def take(self, values: Array) -> Array:
        """Old vertex values (V, ...) at all new vertices."""
        out: Array = np.concatenate([values, (values[self.edges[:, 0]] + values[self.edges[:, 1]]) * 0.5]).astype(values.dtype)
        return out


def refine(faces: Array, count: int) -> Refined:
    """Split every triangle into four; `count` vertices before."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    unique, inverse = np.unique(np.sort(edges, 1), axis=0, return_inverse=True)
    ab, bc, ca = (count + inverse.ravel()).reshape(3, -1)
    a, b, c = faces.T
    new = [np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
    return Refined(np.concatenate(new).astype(np.int32), unique)


def grid_faces(rows: int, columns: int, closed: bool = False) -> Array:
    """(F, 3) triangles of a rows x columns grid of vertices in row order; `closed` joins the last column to the first."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a, b = (r * columns + c).ravel(), (r * columns + (c + 1) % columns).ravel()
    d, e = a + columns, b + columns
    return np.concatenate([np.stack([a, b, e], 1), np.stack([a, e, d], 1)]).astype(np.int32)


def ellipsoid(radii: tuple[float, float, float], rows: int = 10, columns: int = 16) -> tuple[Array, Array]:
    """Vertices (V, 3) and faces of an ellipsoid about the origin."""
    theta = np.linspace(0.0, np.pi, rows)[:, None]
    phi = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    unit = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) * np.ones_like(phi)], -1)
    return (unit.reshape(-1, 3) * np.array(radii)).astype(np.float32), grid_faces(rows, columns, closed=True)


def box(size: tuple[float, float, float]) -> tuple[Array, Array]:
    """Vertices (24, 3) (creased edges) and faces of a box about the origin."""
    vertices: list[Array] = []
    faces: list[Array] = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            corners = np.zeros((4, 3))
            corners[:, axis], corners[:, u], corners[:, v] = sign, [-1, 1, 1, -1], [-1, -1, 1, 1]
            faces += [np.array([[0, 1, 2], [0, 2, 3]]) + 4 * len(vertices)]
            vertices.append(corners)
    return (np.concatenate(vertices) * np.array(size) / 2).astype(np.float32), np.concatenate(faces).astype(np.int32)


def tube(path: Array, radius: float | Array, columns: int = 12) -> tuple[Array, Array]:
    """A tube around a polyline (N, 3) of a radius in metres (one or (N,)); open ends."""
    path = np.asarray(path, np.float64)
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    helper = np.where(np.abs(along[:, [2]]) < 0.9, [[0.0, 0, 1]], [[1.0, 0, 0]])
    u = np.cross(along, helper)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(along, u)
    phi = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    ring = u[:, None] * np.cos(phi)[:, None] + v[:, None] * np.sin(phi)[:, None]
    width = np.broadcast_to(np.asarray(radius, np.float64), (len(path),))
    vertices = path[:, None] + ring * width[:, None, None]
    return vertices.reshape(-1, 3).astype(np.float32), grid_faces(len(path), columns, closed=True)

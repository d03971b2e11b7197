"""Clothes as geometry: how far a piece stands off the skin, how it is draped, skinned and cut on its hems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vitruvian.synth.body import Body
from vitruvian.synth.clothes.regions import Chart, Levels, Piece, body_chart, body_levels
from vitruvian.synth.meshes import Refined, Softener, corners, cut, refine, softener, vertex_normals
from vitruvian.types import Array

MOST = 0.05  # metres of slack at any place


@dataclass(frozen=True)
class Cloth:
    """A garment surface of the body, refined once: topology, template chart and positions; on the coarse mesh a light
    and a strong smoothing (`stretch`: what a taut cloth would do)."""

    rows: slice
    coarse: Array
    soften: Softener
    stretch: Softener
    fine: Refined
    chart: Chart
    template: Array


@dataclass(frozen=True)
class Patterns:
    """Everything about the template that the clothes of every person share."""

    levels: Levels
    tights: Cloth
    skirt: Cloth
    body: Chart


@lru_cache(maxsize=1)
def patterns() -> Patterns:
    """The template's charts and refined garment meshes; built once a process (about 0.2 s)."""
    body = Body.load()
    levels = body_levels(body)
    return Patterns(
        levels, _cloth(body, "tights", levels), _cloth(body, "skirt", levels), body_chart(body, body.groups["body"], levels)
    )


def _cloth(body: Body, group: str, levels: Levels) -> Cloth:
    rows = body.groups[group]
    faces = body.faces[group].astype(np.int32) - np.int32(rows.start)
    count = rows.stop - rows.start
    fine = refine(faces, count)
    chart = Chart(*fine.take(body_chart(body, rows, levels).stack()).T)
    points = body.template[rows].astype(np.float32)
    apart = np.where(chart.leg[:count] > 0.08, np.sign(chart.x[:count]), 0)  # one thigh is not smoothed into the other
    return Cloth(rows, faces, softener(points, 9, apart), softener(points, 24, apart), fine, chart, fine.take(points))


# ---- how far cloth stands off ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """One person's garment surfaces at rest. tight (V, 3) the refined tights, span (V,) how far a stretched cloth would
    stand off them in hollows, normal (V, 3); the same for the skirt."""

    tight: Array
    span: Array
    normal: Array
    skirt: Array
    skirt_normal: Array


def fit(vertices: Array) -> Fit:
    """The garment surfaces of one person's rest vertices (packed body vertices)."""
    shared = patterns()
    tight, _ = _relaxed(shared.tights, vertices)
    cloth, coarse = shared.tights, vertices[shared.tights.rows]
    taut = cloth.stretch(cloth.stretch(cloth.stretch(coarse)))
    normal = _unit_rows(cloth.fine.take(vertex_normals(taut, cloth.coarse)))
    span = np.clip(np.einsum("vi,vi->v", cloth.fine.take(taut) - tight, normal), 0, 0.07)
    skirt, skirt_normal = _relaxed(shared.skirt, vertices)
    return Fit(tight, span, normal, skirt, skirt_normal)


def _relaxed(cloth: Cloth, vertices: Array) -> tuple[Array, Array]:
    soft = cloth.soften(vertices[cloth.rows])
    fine = cloth.fine.take(0.5 * soft + 0.5 * vertices[cloth.rows])
    normal = cloth.fine.take(vertex_normals(soft, cloth.coarse))
    return fine, _unit_rows(normal)


def _unit_rows(vectors: Array) -> Array:
    out: Array = vectors / np.maximum(np.sqrt(np.einsum("vi,vi->v", vectors, vectors)), 1e-6)[:, None]
    return out


def waves(rng: np.random.Generator, points: Array, count: int = 10, low: float = 14.0, high: float = 75.0) -> Array:
    """(V,) smooth noise of unit scale: a few random plane waves, bent by slower ones. points (V, 3) metres."""
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    pace = np.exp(rng.uniform(np.log(low), np.log(high), count))
    phase = rng.uniform(0, 2 * np.pi, count)
    slow = np.sin(points @ (rng.normal(size=(3, 1)) * 9).astype(np.float32))
    angle = points @ (direction * pace[:, None]).T.astype(np.float32) + phase.astype(np.float32) + 1.5 * slow
    weight = (low / pace) ** 0.5
    ridges = 1 - np.abs(np.sin(angle))  # folds have sharp crests and wide valleys
    out: Array = (ridges @ weight.astype(np.float32)) / weight.sum() * 2 - 0.7
    return out.astype(np.float32)


def _ramp(value: Array, low: float, high: float) -> Array:
    t = np.clip((value - low) / (high - low), 0, 1)
    out: Array = t * t * (3 - 2 * t)
    return out


def standoff(piece: Piece, chart: Chart, levels: Levels, inside: Array) -> Array:
    """(V,) metres of looseness above `gap`, growing towards hems and cuffs; elastic hems draw it in again."""
    trunk = _ramp(-chart.z, -levels.chest, -(levels.hip + min(piece.hem, 0.1)))
    if piece.kind == "upper":
        arm = _ramp(chart.arm, 0.05, max(piece.sleeve, 0.15))
        out = np.where(chart.arm > 0, 0.35 * piece.loose + piece.cuff * arm, piece.loose * (0.12 + 0.88 * trunk))
    elif piece.kind == "lower":
        out = piece.loose * _ramp(chart.leg, 0.0, 0.2) + piece.cuff * _ramp(chart.leg, 0.1, max(piece.leg, 0.3))
    else:
        out = np.full(len(chart.z), piece.loose, np.float32)
    if piece.gathered:
        out = out * (0.15 + 0.85 * _ramp(inside, 0.0, 0.06))
    return out


def drape(piece: Piece, person: Fit, inside: Array, up: Array, rng: np.random.Generator) -> Array:
    """Rest positions (V, 3) of a piece on one person, for every vertex of its (refined) garment surface.

    up (V,): vertical part of the posed normals; slack cloth lies on what it covers and sags below it.
    """
    shared = patterns()
    if piece.kind == "skirt":
        return _hang_skirt(piece, person, rng)
    chart = shared.tights.chart
    slack = np.minimum(standoff(piece, chart, shared.levels, inside) * (1 - 0.75 * np.clip(up, -0.9, 1.0)), MOST)
    spanned = piece.drape * person.span * (0.0 if piece.kind in ("sock", "shoe") else 1.0)
    folds = piece.wrinkle * (waves(rng, shared.tights.template) + _joint_folds(chart, shared.levels, rng))
    folds *= 0.4 + np.minimum(slack / 0.015, 1.6)
    distance = np.maximum(piece.gap + slack + spanned + folds, 0.6 * piece.gap)
    out = person.tight + person.normal * distance[:, None].astype(np.float32)
    return _soled(piece, out, chart) if piece.sole > 0 else out


def _joint_folds(chart: Chart, levels: Levels, rng: np.random.Generator) -> Array:
    """Folds across the limb at elbow, knee, wrist and ankle, and across the waist, unit scale."""
    out = np.zeros(len(chart.z), np.float32)
    tilt = chart.x * float(rng.normal(0, 25)) + chart.y * float(rng.normal(0, 25))
    broken = 0.35 + 0.65 * np.sin(chart.y * 31 + np.abs(chart.x) * 23 + chart.z * 17 + float(rng.uniform(0, 6)))
    for along, centre, reach in (
        (chart.arm, 0.5 * levels.arm, 0.09), (chart.arm, 0.95 * levels.arm, 0.08), (chart.leg, 0.5 * levels.leg, 0.1),
        (chart.leg, 0.97 * levels.leg, 0.1), (chart.z, levels.waist - 0.04, 0.09),
    ):  # fmt: skip
        pace = 2 * np.pi / float(rng.uniform(0.045, 0.08))
        out += (
            0.6 * broken * np.exp(-(((along - centre) / reach) ** 2)) * np.sin(along * pace + tilt + float(rng.uniform(0, 6)))
        )
    return out


def _soled(piece: Piece, points: Array, chart: Chart) -> Array:
    """Flatten the underside of a shoe and give it a thicker, slightly wider sole."""
    out = points.copy()
    for side in (chart.x > 0, chart.x <= 0):
        foot = side & (chart.foot > -0.02)
        if not foot.any():
            continue
        floor = float(out[foot, 2].min())
        low = foot & (out[:, 2] < floor + 0.03)
        share = np.clip(1 - (out[low, 2] - floor) / 0.03, 0, 1)
        centre = out[foot, :2].mean(0)
        outward = out[low, :2] - centre
        outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
        out[low, :2] += outward * (0.007 * np.sin(np.pi * np.minimum(share * 1.2, 1)))[:, None]
        out[low, 2] = floor + 0.02 * (1 - np.minimum(share * 2.2, 1.0)) - piece.sole * np.minimum(share * 2.2, 1.0)
    return out


def _hang_skirt(piece: Piece, person: Fit, rng: np.random.Generator) -> Array:
    chart, levels = patterns().skirt.chart, patterns().levels
    below = np.clip((levels.hip + 0.06 - chart.z) / max(piece.leg + 0.06, 0.1), 0, 1)
    outward = person.skirt_normal * np.array([1, 1, 0], np.float32)
    angle = np.arctan2(chart.x, -chart.y)
    folds = piece.wrinkle * waves(rng, patterns().skirt.template)
    if piece.pleats:
        folds = folds + piece.wrinkle * 2.5 * np.sin(angle * piece.pleats + float(rng.uniform(0, 6)))
    distance = piece.gap + (piece.flare * below + folds * (0.2 + below))
    out: Array = person.skirt + outward * np.maximum(distance, 0.004)[:, None].astype(np.float32)
    return out


def blended(body: Body, transforms: Array, cloth: Cloth) -> Array:
    """(V, 3, 4) float32 skinning matrices of a refined garment surface; transforms (J, 4, 4) rest -> posed."""
    index, weight = body.weights_index[cloth.rows], body.weights[cloth.rows]
    flat = transforms[:, :3].reshape(len(transforms), 12).astype(np.float32)
    mixed = np.einsum("vi,vic->vc", weight, flat[index], optimize=False).reshape(-1, 3, 4)
    return cloth.fine.take(mixed)


def follow(matrix: Array, points: Array) -> Array:
    """Points (N, 3) at rest, carried along by one bone's matrix (4, 4) without bending -> (N, 3) float32."""
    return (points @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)


def skinned(matrices: Array, points: Array) -> Array:
    """Posed (V, 3) float32 of rest points (V, 3) by one matrix (3, 4) each."""
    out: Array = np.einsum("vij,vj->vi", matrices[:, :, :3], points) + matrices[:, :, 3]
    return out.astype(np.float32)


@dataclass(frozen=True)
class Draped:
    """A finished layer: posed vertices (V, 3), rest = template positions (V, 3), faces (F, 3), side (V,) template x."""

    vertices: Array
    rest: Array
    faces: Array
    side: Array


def finish(cloth: Cloth, points: Array, matrices: Array, inside: Array, hidden: Array | None) -> Draped:
    """Cut a piece on its hems and pose it. hidden (V,) bool drops what lies deep below an outer layer."""
    faces = cloth.fine.faces
    faces = faces[corners(inside > 0, faces) > 0]
    if hidden is not None:
        faces = faces[corners(hidden, faces) < 3]
    kept = cut(faces, inside)
    posed = skinned(kept.take(matrices), kept.take(points))
    return Draped(posed, kept.take(cloth.template), kept.faces, kept.take(cloth.chart.x))

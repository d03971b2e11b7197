"""Clothes as geometry: which part of the garment surface a piece covers, how far it stands off the skin, how it is skinned.

Regions are scalar fields on the unposed template, positive inside, about metres to the nearest hem, so hems are exact
iso-lines and the body, the layers below and the piece itself all agree on where cloth is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vitruvian.synth.body import Body
from vitruvian.synth.meshes import Refined, cut, neighbours, refine, smooth, vertex_normals
from vitruvian.types import Array

FAR = 0.5  # metres: "no hem near"


@dataclass(frozen=True)
class Levels:
    """Heights and lengths on the template, metres."""

    hip: float
    waist: float
    chest: float
    neck: float
    shoulder: float
    shoulder_x: float
    front: float
    back: float
    arm: float
    leg: float
    sole: float


@dataclass(frozen=True)
class Chart:
    """Template coordinates of a vertex set. x, y, z metres; arm, leg metres from the shoulder or hip joint
    (-1 outside that limb); foot metres below the ankle line. Each (V,) float32."""

    x: Array
    y: Array
    z: Array
    arm: Array
    leg: Array
    foot: Array

    def stack(self) -> Array:
        """(V, 6) float32."""
        return np.stack([self.x, self.y, self.z, self.arm, self.leg, self.foot], 1)


@dataclass(frozen=True)
class Cloth:
    """A garment surface of the body, refined once: topology, ring of the coarse mesh, template chart and positions."""

    rows: slice
    coarse: Array
    ring: Array
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


@dataclass(frozen=True)
class Piece:
    """One garment. kind: upper, lower, skirt, sock, shoe. Lengths in metres on the template.

    sleeve: end along the arm (0 = sleeveless); hem, waist: above the hip joint; neck (rise, front drop), dip (depth, half
    width) of an extra front cut, vee its shape; opening: half width of an open front; leg: end along the leg; shaft: rise
    above the ankle line; straps: a sandal. gap: smallest distance from the skin; loose, cuff: extra at the hem and at the
    ends of sleeves or legs; drape 0..1: how much hollows are spanned; gathered: elastic hems; wrinkle metres; pleats a turn.
    """

    kind: str
    material: str
    sleeve: float = 0.0
    hem: float = 0.0
    neck: tuple[float, float] = (0.0, 0.09)
    dip: tuple[float, float] = (0.0, 0.06)
    vee: bool = False
    opening: float = 0.0
    leg: float = 0.8
    waist: float = 0.09
    shaft: float = 0.0
    straps: bool = False
    gap: float = 0.006
    loose: float = 0.01
    cuff: float = 0.01
    drape: float = 0.6
    gathered: bool = False
    wrinkle: float = 0.003
    sole: float = 0.0
    pleats: int = 0
    flare: float = 0.0


@lru_cache(maxsize=1)
def patterns() -> Patterns:
    """The template's charts and refined garment meshes; built once a process (about 0.2 s)."""
    body = Body.load()
    levels = _levels(body)
    return Patterns(levels, _cloth(body, "tights", levels), _cloth(body, "skirt", levels), _chart(body, body.groups["body"], levels))


def _levels(body: Body) -> Levels:
    heads = body.template[body.groups["heads"]]

    def at(bone: str) -> Array:
        out: Array = heads[body.bone(bone)]
        return out

    arm = np.linalg.norm(at("lowerarm01.L") - at("upperarm01.L")) + np.linalg.norm(at("wrist.L") - at("lowerarm01.L"))
    leg = np.linalg.norm(at("lowerleg01.L") - at("upperleg01.L")) + np.linalg.norm(at("foot.L") - at("lowerleg01.L"))
    tights = body.template[body.groups["tights"]]
    collar = tights[(np.abs(tights[:, 0]) < 0.03) & (tights[:, 2] > at("clavicle.L")[2] - 0.02)]
    return Levels(
        hip=float(at("upperleg01.L")[2]), waist=float(at("spine04")[2]), chest=float(at("spine02")[2]),
        neck=float(at("neck01")[2]), shoulder=float(at("upperarm01.L")[2]), shoulder_x=float(at("upperarm01.L")[0]),
        front=float(collar[:, 1].min()), back=float(collar[:, 1].max()), arm=float(arm), leg=float(leg),
        sole=float(tights[:, 2].min()),
    )  # fmt: skip


def _chart(body: Body, rows: slice, levels: Levels) -> Chart:
    x, y, z = (body.template[rows][:, k].astype(np.float32) for k in range(3))
    arm, leg, foot = (body.fields[name][rows].astype(np.float32) for name in ("arm_t", "leg_t", "foot"))
    arm = np.where(arm > -0.99, arm * levels.arm, -1.0).astype(np.float32)
    leg = np.where(leg > -0.99, leg * levels.leg, -1.0).astype(np.float32)
    return Chart(x, y, z, arm, leg, foot)


def _cloth(body: Body, group: str, levels: Levels) -> Cloth:
    rows = body.groups[group]
    faces = body.faces[group].astype(np.int32) - np.int32(rows.start)
    count = rows.stop - rows.start
    fine = refine(faces, count)
    chart = Chart(*fine.take(_chart(body, rows, levels).stack()).T)
    return Cloth(rows, faces, neighbours(faces, count), fine, chart, fine.take(body.template[rows]).astype(np.float32))


# ---- regions ---------------------------------------------------------------------------------------------------------


def region(piece: Piece, chart: Chart, levels: Levels) -> Array:
    """(V,) float32: about metres inside the piece's nearest hem, negative outside."""
    make = {"upper": _upper, "lower": _lower, "skirt": _skirt, "sock": _foot, "shoe": _foot}[piece.kind]
    return make(piece, chart, levels).astype(np.float32)


def _upper(piece: Piece, chart: Chart, levels: Levels) -> Array:
    on_arm = chart.arm > 0.03
    hem = np.where(on_arm, FAR, chart.z - (levels.hip + piece.hem))
    field = np.minimum(hem, _neckline(piece, chart, levels))
    if piece.sleeve > 0.02:
        field = np.minimum(field, np.where(chart.arm > -0.99, piece.sleeve - chart.arm, FAR))
    else:  # an armhole: the shoulder stays bare outside of the strap
        strap = levels.shoulder_x * 0.78 + piece.sleeve - np.abs(chart.x)
        armpit = levels.shoulder - 0.14
        field = np.minimum(field, np.where(on_arm, strap, np.maximum(strap, armpit - chart.z)))
    if piece.opening > 0:
        half = piece.opening * (0.45 + 0.55 * np.clip((levels.neck - chart.z) / 0.5, 0, 1))
        split = np.where(chart.y < (levels.front + levels.back) / 2, np.abs(chart.x) - half, FAR)
        field = np.minimum(field, np.where(chart.arm > 0.0, FAR, split))
    return field


def _neckline(piece: Piece, chart: Chart, levels: Levels) -> Array:
    rise, drop = piece.neck
    ahead = (chart.y - levels.back) / (levels.front - levels.back)
    field = levels.neck + rise - np.clip(ahead, -0.5, 1.3) * drop - chart.z
    depth, half = piece.dip
    if depth > 0:
        top = levels.neck + rise - drop
        if piece.vee:
            notch = top - depth + np.abs(chart.x) * depth / half - chart.z
        else:
            notch = (np.hypot(chart.x / half, np.minimum(chart.z - top, 0.0) / depth) - 1) * min(half, depth)
        field = np.minimum(field, np.where(ahead > 0.45, notch, FAR))
    on_arm: Array = np.where(chart.arm > 0.03, FAR, field)
    return on_arm


def _lower(piece: Piece, chart: Chart, levels: Levels) -> Array:
    waist = levels.hip + piece.waist - chart.z
    leg = np.where(chart.leg > -0.99, piece.leg - chart.leg, FAR)
    out: Array = np.where(chart.arm > -0.99, -FAR, np.minimum(waist, leg))
    return out


def _skirt(piece: Piece, chart: Chart, levels: Levels) -> Array:
    out: Array = np.minimum(levels.hip + piece.waist - chart.z, chart.z - (levels.hip - piece.leg))
    return out


def _foot(piece: Piece, chart: Chart, levels: Levels) -> Array:
    if not piece.straps:
        out: Array = chart.foot + piece.shaft
        return np.where(chart.leg > -0.99, out, -FAR)
    toe = chart.y - chart.y[chart.foot > 0].min()
    bands = [0.014 - np.abs(toe - place - 0.02 * chart.foot) for place in (0.075, 0.20)]
    sole = levels.sole + 0.016 - chart.z
    ankle = np.minimum(0.010 - np.abs(chart.foot + 0.005), FAR)
    strap = np.maximum.reduce([*bands, ankle])
    return np.where(chart.leg > -0.99, np.maximum(sole, np.where(chart.foot > -0.02, strap, -FAR)), -FAR)


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
    tight, normal = _relaxed(shared.tights, vertices)
    stretched = smooth(vertices[shared.tights.rows], shared.tights.ring, 14, 0.8)
    span = ((shared.tights.fine.take(stretched) - tight) * normal).sum(1)
    span = np.clip(span, 0, 0.05)
    skirt, skirt_normal = _relaxed(shared.skirt, vertices)
    return Fit(tight, span, normal, skirt, skirt_normal)


def _relaxed(cloth: Cloth, vertices: Array) -> tuple[Array, Array]:
    coarse = vertices[cloth.rows]
    fine = cloth.fine.take(smooth(coarse, cloth.ring, 1, 0.5))
    normal = cloth.fine.take(vertex_normals(smooth(coarse, cloth.ring, 3, 0.7), cloth.coarse))
    return fine, normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)


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


def drape(piece: Piece, person: Fit, inside: Array, rng: np.random.Generator) -> Array:
    """Rest positions (V, 3) of a piece on one person, for every vertex of its (refined) garment surface."""
    shared = patterns()
    if piece.kind == "skirt":
        return _hang_skirt(piece, person, rng)
    chart = shared.tights.chart
    slack = standoff(piece, chart, shared.levels, inside)
    spanned = piece.drape * person.span * (0.0 if piece.kind in ("sock", "shoe") else 1.0)
    folds = waves(rng, shared.tights.template) * piece.wrinkle * (0.35 + np.minimum(slack / 0.02, 1.3))
    distance = np.maximum(piece.gap + slack + spanned + folds, 0.6 * piece.gap)
    out = person.tight + person.normal * distance[:, None].astype(np.float32)
    return _soled(piece, out, chart) if piece.sole > 0 else out


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
    return person.skirt + outward * np.maximum(distance, 0.004)[:, None].astype(np.float32)


def blended(body: Body, transforms: Array, cloth: Cloth) -> Array:
    """(V, 3, 4) float32 skinning matrices of a refined garment surface; transforms (J, 4, 4) rest -> posed."""
    index, weight = body.weights_index[cloth.rows], body.weights[cloth.rows]
    flat = transforms[:, :3].reshape(len(transforms), 12).astype(np.float32)
    mixed = np.einsum("vi,vic->vc", weight, flat[index], optimize=False).reshape(-1, 3, 4)
    return cloth.fine.take(mixed)


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
    faces = faces[(inside[faces] > 0).any(1)]
    if hidden is not None:
        faces = faces[~hidden[faces].all(1)]
    kept = cut(faces, inside)
    posed = skinned(kept.take(matrices), kept.take(points))
    return Draped(posed, kept.take(cloth.template), kept.faces, kept.take(cloth.chart.x))

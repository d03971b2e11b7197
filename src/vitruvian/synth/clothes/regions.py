"""Which part of a body a garment covers, as scalar fields on the unposed template.

Positive inside, about metres to the nearest hem, so hems are exact iso-lines and the body, the layers below and the
piece itself all agree on where cloth is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitruvian.synth.body import Body
from vitruvian.types import Array

FAR = 0.5  # metres: "no hem near"
NOT_ARM = -0.12


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
    collar: float
    arm: float
    leg: float
    sole: float


@dataclass(frozen=True)
class Chart:
    """Template coordinates of a vertex set. x, y, z metres; arm, leg metres from the shoulder or hip joint
    (NOT_ARM or -1 outside that limb); foot metres below the ankle line. Each (V,) float32."""

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
class Piece:
    """One garment. kind: upper, lower, skirt, sock, shoe. Lengths in metres on the template.

    sleeve: end along the arm (0 = sleeveless); hem, waist: above the hip joint; neck (rise of the collar, or a wider
    hole when negative; front drop), dip (depth, half
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


def body_levels(body: Body) -> Levels:
    """The heights and lengths of the template."""
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
        collar=0.075, front=float(collar[:, 1].min()), back=float(collar[:, 1].max()), arm=float(arm), leg=float(leg),
        sole=float(tights[:, 2].min()),
    )  # fmt: skip


def body_chart(body: Body, rows: slice, levels: Levels) -> Chart:
    """The chart of a range of packed vertices."""
    x, y, z = (body.template[rows][:, k].astype(np.float32) for k in range(3))
    arm, leg, foot = (body.fields[name][rows].astype(np.float32) for name in ("arm_t", "leg_t", "foot"))
    arm = np.maximum(np.where(arm > -0.99, arm * levels.arm, NOT_ARM), NOT_ARM).astype(np.float32)
    leg = np.where(leg > -0.99, leg * levels.leg, -1.0).astype(np.float32)
    return Chart(x, y, z, arm, leg, foot)


def region(piece: Piece, chart: Chart, levels: Levels) -> Array:
    """(V,) float32: about metres inside the piece's nearest hem, negative outside."""
    make = {"upper": _upper, "lower": _lower, "skirt": _skirt, "sock": _foot, "shoe": _foot}[piece.kind]
    return make(piece, chart, levels).astype(np.float32)


def _upper(piece: Piece, chart: Chart, levels: Levels) -> Array:
    on_arm = chart.arm > 0.03
    hem = np.where(on_arm, FAR, chart.z - (levels.hip + piece.hem))
    field = np.minimum(hem, _neckline(piece, chart, levels))
    if piece.sleeve > 0.02:
        field = np.minimum(field, piece.sleeve - chart.arm)
    else:  # an armhole: the shoulder stays bare outside of the strap
        strap = levels.shoulder_x * 0.78 + piece.sleeve - np.abs(chart.x)
        armpit = levels.shoulder - 0.13
        field = np.minimum(field, np.minimum(np.maximum(strap, armpit - chart.z), 0.02 - chart.arm))
    if piece.opening > 0:
        half = piece.opening * (0.45 + 0.55 * np.clip((levels.neck - chart.z) / 0.5, 0, 1))
        split = np.where(chart.y < (levels.front + levels.back) / 2, np.abs(chart.x) - half, FAR)
        field = np.minimum(field, np.where(chart.arm > 0.0, FAR, split))
    return field


def _neckline(piece: Piece, chart: Chart, levels: Levels) -> Array:
    rise, drop = piece.neck
    ahead = (chart.y - levels.back) / (levels.front - levels.back)
    collar = levels.neck + max(rise, 0.0) - np.clip(ahead, -0.5, 1.3) * drop - chart.z
    hole = np.hypot(chart.x, (chart.y - 0.55 * levels.back - 0.45 * levels.front) * 0.95) - (levels.collar - min(rise, 0.0))
    field = np.maximum(collar, np.minimum(hole, levels.neck + 0.03 - chart.z))
    depth, half = piece.dip
    if depth > 0:
        top = levels.neck - drop + 0.01
        if piece.vee:
            notch = np.maximum(top - depth + np.abs(chart.x) * depth / half - chart.z, np.abs(chart.x) - half)
        else:
            notch = (np.hypot(chart.x / half, np.minimum(chart.z - top, 0.0) / depth) - 1) * min(half, depth)
        field = np.minimum(field, np.where(ahead > 0.45, notch, FAR))
    on_arm: Array = np.where(chart.arm > 0.03, FAR, field)
    return on_arm


def _lower(piece: Piece, chart: Chart, levels: Levels) -> Array:
    waist = levels.hip + piece.waist - chart.z
    leg = np.where(chart.leg > -0.99, piece.leg - chart.leg, FAR)
    out: Array = np.where(chart.arm > 0.0, -FAR, np.minimum(waist, leg))
    return out


def _skirt(piece: Piece, chart: Chart, levels: Levels) -> Array:
    out: Array = np.minimum(levels.hip + piece.waist - chart.z, chart.z - (levels.hip - piece.leg))
    return out


def _foot(piece: Piece, chart: Chart, levels: Levels) -> Array:
    if not piece.straps:
        whole: Array = chart.foot + piece.shaft
        return whole
    toe = chart.y - chart.y[chart.foot > 0].min()
    bands = [0.014 - np.abs(toe - place - 0.02 * chart.foot) for place in (0.075, 0.20)]
    sole = levels.sole + 0.016 - chart.z
    ankle = np.minimum(0.010 - np.abs(chart.foot + 0.005), FAR)
    strap = np.where(chart.foot > -0.02, np.maximum.reduce([*bands, ankle]), -FAR)
    out: Array = np.where(chart.foot > -0.05, np.maximum(sole, strap), -FAR)
    return out

"""One synthetic person: shape, pose, expression, clothes and hair, as labelled surfaces in its own upright axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from vitruvian.data.gbuffer import MATERIAL
from vitruvian.synth.body import Body
from vitruvian.synth.clothes.hair import Hair, grow, sample_hair, scalp, upright
from vitruvian.synth.clothes.props import hat_surfaces, prop_surfaces, sample_props
from vitruvian.synth.clothes.wardrobe import SHRINK, Dressed, Outfit, dress, layer_labels, sample_outfit, seated
from vitruvian.synth.meshes import corners, vertex_normals
from vitruvian.synth.poses import FAMILIES, INFANT, sample_gaze, sample_pose
from vitruvian.synth.poses.expressions import sample_expression
from vitruvian.synth.poses.posing import Rig
from vitruvian.synth.surface import Points, Surface
from vitruvian.types import Array
from vitruvian.vocab import class_set

Rng = np.random.Generator
Labels = tuple[tuple[int, int], ...]

ADULT_SHARE = 0.85
INFANT_AGE = 0.2  # on the body's scale from 0, newborn, to 1, old
BENT = ("sitting", "floor_sitting", "squatting", "kneeling", "riding", "lunging", "crawling")  # families with bent hips
CLOTH = 0.04  # metres of loose cloth that may cover a point
SHOE = 0.045
SKIN = 0.015
OVERLAY = 0.04  # small beside the parts' scores (metres), so that a beard never grows over the lips
RADII = (
    ("hip", 0.14), ("shoulder", 0.09), ("knee", 0.07), ("ankle", 0.07), ("elbow", 0.05), ("wrist", 0.05), ("neck", 0.08),
)  # fmt: skip
FINGER, HEAD = 0.02, 0.03


@dataclass(frozen=True)
class Figure:
    """A posed person, feet on z = 0, +x its left, -y its front. surfaces carry person = 0; points per skeleton;
    vertices (V, 3): the posed packed body; info as in ScenePerson."""

    surfaces: tuple[Surface, ...]
    points: dict[str, Points]
    vertices: Array
    info: dict[str, Any]


def _sample_shape(body: Body, rng: Rng) -> tuple[Array, int]:
    """Shape coefficients (K,) and the bank row nearest to them, whose record describes the person."""
    adult = bool(rng.random() < ADULT_SHARE)
    for _ in range(12):
        shape = body.sample_shape(rng, adult=adult)
        nearest = int(np.abs(body.bank - shape).sum(1).argmin())
        if bool(body.bank_info["adult"][nearest] > 0.5) == adult:
            break
    return shape, nearest


def _info(body: Body, row: int, name: str) -> float:
    return float(body.bank_info[name][row])


def sample_figure(rng: Rng) -> Figure:
    """A random person: 85 % adults; always clothed."""
    body = Body.load()
    shape, nearest = _sample_shape(body, rng)
    female, age, adult = (_info(body, nearest, name) for name in ("gender", "age", "adult"))
    gaze = sample_gaze(rng)
    rest = body.rest(shape, sample_expression(rng, body.actions, gaze))
    infant = age < INFANT_AGE
    rig = Rig.of(body.bone_names, body.parents, rest.heads)
    rotations, pose = sample_pose(rng, rig, gaze, INFANT if infant else tuple(FAMILIES))
    outfit = sample_outfit(rng, female, adult > 0.5)
    if pose.family in BENT:
        outfit = seated(outfit)
    hair = sample_hair(rng, female, age)
    props = sample_props(rng, infant)
    posed = body.pose(rest.vertices, rest.heads, rotations)
    hair = upright(hair, posed.transforms)
    dressed = dress(body, outfit, rest.vertices, posed.transforms, rng)
    vertices = posed.vertices
    surfaces = [*_body_surfaces(body, vertices, dressed, hair), *_cloth_surfaces(dressed)]
    surfaces += _hair_surfaces(body, hair, rest.vertices, posed.transforms, rng, flat=props.hat is not None)
    if props.hat is not None:
        surfaces += hat_surfaces(props.hat, rest.vertices, posed.transforms, rng)
    surfaces += prop_surfaces(body, props, dressed, rest.vertices, posed.transforms, rng)
    ground = min(float(s.vertices[:, 2].min()) for s in surfaces) - pose.lift
    down = np.array([0, 0, ground], np.float32)
    info = {
        "gender": "female" if female > 0.5 else "male", "age": round(age, 3), "adult": adult > 0.5, "pose": pose.family,
        "height": round(float(np.ptp(rest.vertices[body.groups["body"], 2])), 3), "outfit": outfit.words, "hair": hair.style,
        "props": [w for w in (props.hat, *props.others) if w],
        "beard": hair.beard > 0, "lift": round(pose.lift, 3),
    }  # fmt: skip
    points = {name: _points(body, name, vertices, outfit) for name in ("wholebody133", "sapiens308")}
    moved = tuple(_moved(s, -down) for s in surfaces)
    lowered = {k: Points(p.position - down, p.defined, p.surface, p.normal, p.radius) for k, p in points.items()}
    return Figure(moved, lowered, vertices - down, info)


def _moved(surface: Surface, by: Array) -> Surface:
    return Surface(
        surface.name, surface.vertices + by, surface.faces, surface.rest, surface.scores, surface.labels, surface.person
    )


# ---- the naked body --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def skin_scores() -> tuple[Array, Labels]:
    """Scores (V, C) and labels of the body group: skin parts, lips, brows and nails, without a beard."""
    body, classes = Body.load(), class_set("body28")
    rows = body.groups["body"]
    names = [n for n in body.part_names if n not in ("Upper_Teeth", "Lower_Teeth", "Tongue")]
    scores = body.part_scores[rows][:, [body.part_names.index(n) for n in names]].astype(np.float32)
    labels = [(classes.index(n), MATERIAL["lips" if n.endswith("Lip") else "skin"]) for n in names]
    columns: list[Array] = [scores]

    def over(part: str, field: str, material: str) -> None:
        columns.append((scores[:, names.index(part)] + (body.fields[field][rows] - 0.5) * OVERLAY)[:, None])
        labels.append((classes.index(part), MATERIAL[material]))

    over("Face_Neck", "brow", "brow")
    for part in ("Left_Hand", "Right_Hand", "Left_Foot", "Right_Foot"):
        over(part, "nails", "nail")
    return np.concatenate(columns, 1).astype(np.float32), tuple(labels)


def _body_surfaces(body: Body, vertices: Array, dressed: Dressed, hair: Hair) -> list[Surface]:
    classes = class_set("body28")
    rows = body.groups["body"]
    scores, labels = skin_scores()
    if hair.beard > 0:
        face = scores[:, [body.part_names.index("Face_Neck")]]
        column = face + (body.fields["beard"][rows, None] - 1.0 + 0.5 * hair.beard) * OVERLAY
        scores = np.concatenate([scores, column.astype(np.float32)], 1)
        labels = (*labels, (classes.index("Face_Neck"), MATERIAL["beard"]))
    faces = body.faces["body"] - rows.start
    faces = faces[corners(dressed.hidden, faces) < 3].astype(np.int32)
    skin = _drawn_in(vertices[rows], faces, dressed.covered)
    out = [Surface("body", skin, faces, body.template[rows].astype(np.float32), scores, labels, 0)]
    out.append(_eyes(body, vertices))
    for group, part, material in (
        ("teeth_upper", "Upper_Teeth", "teeth"), ("teeth_lower", "Lower_Teeth", "teeth"), ("tongue", "Tongue", "tongue"),
        ("lashes", "Face_Neck", "lash"),
    ):  # fmt: skip
        out.append(_plain(body, vertices, group, (classes.index(part), MATERIAL[material])))
    return out


def _drawn_in(skin: Array, faces: Array, covered: Array) -> Array:
    """Skin under cloth, moved inwards by up to SHRINK."""
    depth = np.clip(covered / 0.02, 0, 1) * SHRINK
    under = depth > 0
    if not under.any():
        return skin.astype(np.float32)
    near = faces[corners(under, faces) > 0]
    return (skin - vertex_normals(skin, near) * depth[:, None]).astype(np.float32)


def _plain(body: Body, vertices: Array, group: str, label: tuple[int, int]) -> Surface:
    rows = body.groups[group]
    count = rows.stop - rows.start
    faces = (body.faces[group] - rows.start).astype(np.int32)
    return Surface(
        group, vertices[rows], faces, body.template[rows].astype(np.float32), np.zeros((count, 1), np.float32), (label,), 0
    )


def _eyes(body: Body, vertices: Array) -> Surface:
    face = class_set("body28").index("Face_Neck")
    rows = body.groups["eyes"]
    angle = np.minimum(body.fields["eye"][rows], 1.2)
    scores = np.stack([0 * angle, 0.42 - angle, 0.59 - 2 * angle], 1).astype(np.float32)
    labels = tuple((face, MATERIAL[m]) for m in ("sclera", "iris", "pupil"))
    faces = (body.faces["eyes"] - rows.start).astype(np.int32)
    return Surface("eyes", vertices[rows], faces, body.template[rows].astype(np.float32), scores, labels, 0)


# ---- what it wears ---------------------------------------------------------------------------------------------------


def _cloth_surfaces(dressed: Dressed) -> list[Surface]:
    out = []
    for piece, layer in dressed.layers:
        scores, labels = layer_labels(piece, layer)
        out.append(Surface(piece.kind, layer.vertices, layer.faces, layer.rest, scores, labels, 0))
    return out


def _hair_surfaces(body: Body, hair: Hair, rest: Array, transforms: Array, rng: Rng, flat: bool) -> list[Surface]:
    label = (class_set("body28").index("Hair"), MATERIAL["hair"])
    strands = grow(body, hair, rest, transforms, rng, flat)
    return [
        Surface("hair", s.vertices, s.faces, s.rest, np.zeros((len(s.vertices), 1), np.float32), (label,), 0) for s in strands
    ]


# ---- keypoints -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """How to read one skeleton off a posed body: faces (F, 3) around its surface points, thickness (K,) metres."""

    faces: Array
    radius: Array
    footwear: Array


@lru_cache(maxsize=4)
def reading(name: str) -> Reading:
    """The reading of a skeleton; built once a process."""
    body = Body.load()
    marks = body.landmarks[name]
    wanted = np.zeros(len(body.template), bool)
    wanted[marks.index[marks.surface & marks.exists].ravel()] = True
    faces = np.concatenate([body.faces[g] for g in ("body", "eyes")])
    bones = [body.bone_names[b] for b in marks.bone]
    radius = np.array([_radius(*row) for row in zip(marks.names, bones, marks.surface, strict=True)], np.float32)
    feet = np.array([bone.startswith(("foot", "toe")) for bone in bones])
    return Reading(faces[wanted[faces].any(1)], radius, feet)


def _radius(name: str, bone: str, surface: bool) -> float:
    """How far behind the first visible surface an unhidden point may lie, metres."""
    if surface:
        return SKIN
    for word, radius in RADII:
        if word in name:
            return radius + CLOTH
    if bone.startswith(("finger", "metacarpal", "wrist", "toe")):
        return FINGER
    return HEAD if bone.startswith(("eye", "head", "jaw")) else 0.09 + CLOTH


def _points(body: Body, name: str, vertices: Array, outfit: Outfit) -> Points:
    marks, how = body.landmarks[name], reading(name)
    normals = vertex_normals(vertices, how.faces)
    normal = (normals[marks.index] * marks.weight[..., None]).sum(1)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = np.where(length > 1e-6, normal / np.maximum(length, 1e-6), 0).astype(np.float32)
    shod = any(p.kind in ("shoe", "sock") for p in outfit.pieces)
    radius = np.where(how.footwear & shod, np.maximum(how.radius, SHOE), how.radius).astype(np.float32)
    return Points(marks.locate(vertices).astype(np.float32), marks.exists.copy(), marks.surface.copy(), normal, radius)


def head_rows() -> Array:
    """Packed rows of the head's skin, for framing."""
    return scalp().rows

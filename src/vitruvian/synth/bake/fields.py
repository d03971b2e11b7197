"""Part scores and scalar fields of the packed vertices, computed once in template rest space (bake time only)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from vitruvian.types import Array

LIMBS = ("Upper_Arm", "Lower_Arm", "Hand", "Upper_Leg", "Lower_Leg", "Foot")
PART_NAMES = (
    "Face_Neck",
    "Torso",
    *(f"{side}_{limb}" for side in ("Left", "Right") for limb in LIMBS),
    *("Upper_Lip", "Lower_Lip", "Upper_Teeth", "Lower_Teeth", "Tongue"),
)
OWN_PART = {
    "eyes": "Face_Neck",
    "lashes": "Face_Neck",
    "teeth_upper": "Upper_Teeth",
    "teeth_lower": "Lower_Teeth",
    "tongue": "Tongue",
}
FIELD_NAMES = ("arm_t", "leg_t", "height", "side", "scalp", "beard", "brow", "lips", "nails", "ear", "face", "foot", "eye")
FAR = 0.05  # metres: scores are clipped here, so that only neighbouring parts compete
TRUNK = -0.5  # arm_t and leg_t of points that are not on the limb

# hairline: elevation in degrees above the head's centre at each azimuth (0 = front, 180 = nape)
HAIRLINE = ((0, 37), (25, 36), (45, 29), (58, 12), (72, 4), (92, 1), (105, -12), (120, -30), (140, -48), (180, -55))


@dataclass(frozen=True)
class Source:
    """What fields and landmarks are made of. Packed order: template (V, 3) metres, mirror (V,), uv (V', 2) and order
    (V',) base-mesh ids of the V' mesh vertices, weight_index and weights (V, I); coco: name -> base-mesh weights.
    """

    template: Array
    faces: dict[str, Array]
    groups: dict[str, tuple[int, int]]
    order: Array
    uv: Array
    mirror: Array
    bone_names: tuple[str, ...]
    parents: tuple[int, ...]
    weight_index: Array
    weights: Array
    textures: Path
    coco: dict[str, Array]

    def head(self, bone: str) -> Array:
        """Rest position (3,) of a bone's head."""
        return np.asarray(self.template[self.groups["heads"][0] + self.bone_names.index(bone)])

    def share(self, root: str) -> Array:
        """(V,) share of each point's skin weight on a bone and its descendants."""
        inside = np.zeros(len(self.bone_names), bool)
        for bone, parent in enumerate(self.parents):
            inside[bone] = self.bone_names[bone] == root or (parent >= 0 and inside[parent])
        return np.asarray((inside[self.weight_index] * self.weights).sum(1))

    def rows(self, *groups: str) -> Array:
        """(V,) True on the points of some groups."""
        mask = np.zeros(len(self.template), bool)
        for group in groups:
            mask[slice(*self.groups[group])] = True
        return mask


def mask_distance(source: Source, names: tuple[str, ...]) -> Array:
    """(V,) signed distance to a painted UV mask, > 0 inside, about metres (0.5 mm a texel); -1 off the body."""
    images = [np.asarray(cv2.imread(str(source.textures / f"mpfb_{name}.jpg"), cv2.IMREAD_GRAYSCALE)) for name in names]
    inside = (np.max(np.stack(images), 0) > 127).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    size = np.array(distance.shape[::-1]) - 1
    at = (source.uv * [1, -1] + [0, 1]) * size
    values = cv2.remap(distance, at[:, :1].astype(np.float32), at[:, 1:].astype(np.float32), cv2.INTER_LINEAR)[:, 0]
    field = np.full(len(source.template), -1.0)
    field[: len(values)] = values * 0.0005
    field[~source.rows("body")] = -1.0
    return field


def chain_t(points: Array, joints: list[Array]) -> Array:
    """(V,) position along a limb: 0 at the first joint, 0.5 at the second, 1 at the third, past it in the same scale."""
    total = np.full(len(points), -0.5)
    for number, (start, stop) in enumerate(pairwise(joints)):
        axis = stop - start
        along = 0.5 * ((points - start) @ axis) / (axis @ axis)
        low = -np.inf if number == 0 else 0.0
        high = np.inf if number == 2 else 0.5
        if number == 2:  # the end segment is short: keep the scale of the one before
            along *= np.linalg.norm(axis) / np.linalg.norm(joints[2] - joints[1])
        total += np.clip(along, low, high)
    return np.asarray(total + 0.5)


def limb_t(source: Source, joints: tuple[str, str, str, str], root: str) -> Array:
    """(V,) limb coordinate of the left or right limb a point belongs to, TRUNK elsewhere."""
    field = np.full(len(source.template), TRUNK)
    for side in (".L", ".R"):
        t = chain_t(source.template, [source.head(name + side) for name in joints])
        share = np.clip((source.share(root + side) - 0.15) / 0.35, 0, 1)
        smooth = share * share * (3 - 2 * share)
        field = np.where(smooth > 0, t * smooth + TRUNK * (1 - smooth), field)
    return field


def leg_t(source: Source) -> Array:
    """(V,) leg coordinate; the skirt's runs straight down, as it belongs to both legs."""
    field = limb_t(source, ("upperleg01", "lowerleg01", "foot", "toe3-1"), "upperleg01")
    hip, knee, ankle = (source.head(f"{name}.L")[2] for name in ("upperleg01", "lowerleg01", "foot"))
    skirt = source.rows("skirt")
    field[skirt] = np.interp(-source.template[skirt, 2], [-hip - 1, -hip, -knee, -ankle], [-1.2, 0.0, 0.5, 1.0])
    return field


def foot_depth(source: Source) -> Array:
    """(V,) metres below the ankle line (higher on the instep than at the heel); -1 off the legs."""
    depth = np.full(len(source.template), -1.0)
    for side in (".L", ".R"):
        ankle = source.head("foot" + side)
        line = ankle[2] + 0.012 - 0.35 * (source.template[:, 1] - ankle[1])
        own = source.share("upperleg01" + side) > 0.5
        depth[own] = (line - source.template[:, 2])[own]
    return depth


def neck_depth(source: Source) -> Array:
    """(V,) metres above the collar, which runs from the suprasternal notch over the trapezius up to the last neck bone."""
    p, base = source.template, source.head("neck01")
    collar = base[2] - 0.0105 + 0.625 * p[:, 1] + 0.3 * np.abs(p[:, 0])
    return np.asarray((p[:, 2] - collar) / np.hypot(1, 0.625))


def side_cuts(source: Source, side: int) -> dict[str, Array]:
    """Signed distances (V,) in metres to one side's cuts, > 0 outward; side = +1 left, -1 right. -FAR off the limb."""
    p, end = source.template * [side, 1, 1], ".L" if side > 0 else ".R"
    joints = {
        name: source.head(name + end) * [side, 1, 1]
        for name in ("upperarm01", "lowerarm01", "wrist", "upperleg01", "lowerleg01", "foot")
    }
    shoulder = (p - joints["upperarm01"]) @ np.array([0.998, 0.0, -0.06]) + 0.006
    # groin: the plane from the crotch up to the hip bone, lower behind (gluteal fold) than in front
    line = joints["upperleg01"][2] - 0.087 + 0.65 * np.abs(p[:, 0]) - 0.25 * (p[:, 1] - joints["upperleg01"][1])
    hip = np.minimum((line - p[:, 2]) / 1.22, p[:, 0])
    arm, leg = source.share("upperarm01" + end) > 0.02, source.share("upperleg01" + end) > 0.005
    forearm = np.linalg.norm(joints["wrist"] - joints["lowerarm01"])
    shin = np.linalg.norm(joints["foot"] - joints["lowerleg01"])
    arm_t = chain_t(source.template, [source.head(n + end) for n in ("upperarm01", "lowerarm01", "wrist", "finger3-1")])
    leg_at = chain_t(source.template, [source.head(n + end) for n in ("upperleg01", "lowerleg01", "foot", "toe3-1")])
    limbs = {
        "shoulder": np.where(arm, shoulder, -FAR),
        "elbow": np.where(arm, (arm_t - 0.5) * 2 * forearm, -FAR),
        "wrist": np.where(arm, (arm_t - 1.0) * 2 * forearm, -FAR),
        "hip": np.where(leg, hip, -FAR),
        "knee": np.where(leg, (leg_at - 0.5) * 2 * shin, -FAR),
        "ankle": np.where(leg & (p[:, 0] > 0), foot_depth(source), -FAR),
    }
    return {name: np.clip(cut, -FAR, FAR) for name, cut in limbs.items()}


def lip_split(source: Source) -> Array:
    """(V,) > 0 on the upper lip, < 0 on the lower: the lower lip follows the jaw."""
    return np.asarray((0.5 - source.share("jaw")) * 0.04)


def part_scores(source: Source) -> Array:
    """(V, P) scores in metres: each is the least signed distance to the cuts around a part, so two neighbours meet
    exactly on the cut between them and the arg-max of interpolated scores draws that line.
    """
    scores = dict.fromkeys(PART_NAMES, np.full(len(source.template), -FAR))
    neck = np.clip(neck_depth(source), -FAR, FAR)
    torso = -neck
    for side, sign in (("Left", 1), ("Right", -1)):
        cut = side_cuts(source, sign)
        torso = np.minimum(torso, np.minimum(-cut["shoulder"], -cut["hip"]))
        chain = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
        for limbs, (first, second, third) in zip((LIMBS[:3], LIMBS[3:]), chain, strict=True):
            scores[f"{side}_{limbs[0]}"] = np.minimum(cut[first], -cut[second])
            scores[f"{side}_{limbs[1]}"] = np.minimum(cut[second], -cut[third])
            scores[f"{side}_{limbs[2]}"] = cut[third]
    lips, split = np.clip(mask_distance(source, ("lips",)), -FAR, FAR), lip_split(source)
    scores["Torso"] = torso
    scores["Face_Neck"] = np.minimum(neck, -lips)
    scores["Upper_Lip"], scores["Lower_Lip"] = np.minimum(lips, split), np.minimum(lips, -split)
    table = np.stack([scores[name] for name in PART_NAMES], 1)
    for group, part in OWN_PART.items():
        table[slice(*source.groups[group])] = -FAR
        table[slice(*source.groups[group]), PART_NAMES.index(part)] = FAR
    clipped: Array = np.clip(table, -FAR, FAR)
    return clipped


def head_angles(source: Source) -> tuple[Array, Array, Array]:
    """Azimuth (0 front, 180 nape) and elevation in degrees, and distance in metres, seen from the head's centre."""
    eyes = source.template[slice(*source.groups["eyes"])].mean(0)
    offset = source.template - (eyes + np.array([0.0, 0.095, 0.005]))
    level = np.hypot(offset[:, 0], offset[:, 1])
    azimuth = np.degrees(np.arctan2(np.abs(offset[:, 0]), -offset[:, 1]))
    return azimuth, np.degrees(np.arctan2(offset[:, 2], level)), np.linalg.norm(offset, axis=1)


def scalp(source: Source, ear: Array) -> Array:
    """(V,) metres inside the hair-bearing scalp; negative on the face, the ears and below the nape."""
    azimuth, elevation, distance = head_angles(source)
    line = np.interp(azimuth, *np.array(HAIRLINE, float).T)
    field = np.radians(elevation - line) * distance
    return np.where(source.share("head") > 0.02, np.minimum(field, -ear), -FAR)


def beard(source: Source, lips: Array, ear: Array) -> Array:
    """(V,) metres inside the beard area: below a line from the nose to the sideburns, above the throat, off lips and ears."""
    eyes = source.template[slice(*source.groups["eyes"])].mean(0)
    x, y, z = (source.template - eyes).T
    top = np.interp(np.abs(x), [0.0, 0.02, 0.035, 0.05, 0.062, 0.075], [-0.050, -0.054, -0.068, -0.060, -0.035, -0.010])
    throat = -0.128 + 0.35 * np.clip(y - 0.02, 0, None)
    field = np.minimum.reduce([top - z, z - throat, 0.058 - y, -lips - 0.001, -ear])
    return np.where(source.rows("body") & (source.share("neck02") > 0.3), field, -FAR)


def eye_angle(source: Source) -> Array:
    """(V,) angle in radians between an eye vertex and the eye's straight-ahead axis; pi elsewhere."""
    angle = np.full(len(source.template), np.pi)
    start, stop = source.groups["eyes"]
    for rows in (np.arange(start, (start + stop) // 2), np.arange((start + stop) // 2, stop)):
        points = source.template[rows]
        offset = points - (points.max(0) + points.min(0)) / 2
        angle[rows] = np.arccos(np.clip(-offset[:, 1] / np.linalg.norm(offset, axis=1), -1, 1))
    return angle


def scalar_fields(source: Source, brow: Array) -> dict[str, Array]:
    """Every run-time field (V,); masks run 0..1 and are cut at 0.5 (3 cm wide ramp), brow comes from the landmarks."""
    z = source.template[:, 2]
    skin = z[source.rows("body")]
    lips, ear = mask_distance(source, ("lips",)), mask_distance(source, ("ears",))

    def mask(distance: Array) -> Array:
        return np.clip(0.5 + distance / 0.03, 0, 1)

    fields = {
        "arm_t": limb_t(source, ("upperarm01", "lowerarm01", "wrist", "finger3-1"), "upperarm01"),
        "leg_t": leg_t(source),
        "height": (z - skin.min()) / np.ptp(skin),
        "side": source.template[:, 0],
        "scalp": scalp(source, ear),
        "beard": mask(beard(source, lips, ear)),
        "brow": mask(brow),
        "lips": mask(lips),
        "nails": mask(mask_distance(source, ("fingernails", "toenails"))),
        "ear": mask(ear),
        "face": mask(mask_distance(source, ("face",))),
        "foot": foot_depth(source),
        "eye": eye_angle(source),
    }
    return {name: fields[name] for name in FIELD_NAMES}

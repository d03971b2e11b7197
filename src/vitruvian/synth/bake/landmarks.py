"""Landmarks of the packed vertices as sparse regressors (bake time only).

Body and feet come from anny's COCO regressor, hands and iris from bones and eyes, the face from picks on the
reference body: rays along an axis that stop at the first surface. All picks are made on the subject's right half or
the midline and mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitruvian.synth.bake.fields import Source, lip_split, mask_distance, part_scores
from vitruvian.types import Array
from vitruvian.vocab import skeleton

Point = dict[int, float]  # packed vertex -> weight
MAX_VERTICES = 48  # of a regressor; anny's have up to 4105

# millimetres from the eyes' midpoint on the reference body: (x, z) seen from the front, x < 0 = subject's right
FRONT_PICKS = {
    "jaw5": (-41, -91), "jaw6": (-29, -101), "jaw7": (-15, -107), "jaw8": (0, -108.5),
    "brow0": (-49, 12), "brow1": (-43, 17), "brow2": (-34, 19.5), "brow3": (-24, 18), "brow4": (-13.5, 14),
    "nose0": (0, -1), "nose1": (0, -13), "nose2": (0, -25), "nose3": (0, -38),
    "nostril0": (-13, -44.5), "nostril1": (-6.5, -45.5), "nostril2": (0, -48.5),
    "glabella": (0, 15), "alar": (-17.3, -40), "labiomental": (0, -86),
    "brow_end": (-51.5, 9.5), "brow_top0": (-13, 18), "brow_low0": (-13, 11), "brow_top1": (-24, 21), "brow_low1": (-24, 14.5),
    "brow_top2": (-34, 22), "brow_top3": (-43, 19.5), "brow_low2": (-34, 16), "brow_low3": (-43, 14),
}  # fmt: skip
# (y, z) seen from the subject's right side, y > 0 = backward
SIDE_PICKS = {"jaw0": (52, 0), "jaw1": (54, -18), "jaw2": (54, -36), "jaw3": (52, -54), "jaw4": (43, -76)}
EYE_PICKS = {
    "eye0": (-43.5, -2),
    "eye1": (-36, 1.5),
    "eye2": (-26, 1.5),
    "eye3": (-18, -3.5),
    "eye4": (-25, -5.3),
    "eye5": (-36, -5),
}
FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
LIP_LINES = ("outer_upper", "outer_lower", "inner_upper", "inner_lower")
LIP_SHARES = {
    "lip49": ("outer_upper", 0.45), "lip50": ("outer_upper", 0.8), "lip51": ("outer_upper", 1.0),
    "lip57": ("outer_lower", 1.0), "lip58": ("outer_lower", 0.68), "lip59": ("outer_lower", 0.36),
    "lip61": ("inner_upper", 0.5), "lip62": ("inner_upper", 1.0), "lip66": ("inner_lower", 1.0), "lip67": ("inner_lower", 0.5),
}  # fmt: skip
# sapiens308 halves a line again and again: in the image of a frontal face, left to right, its points are these. The
# vocabulary's own orders (l_..._eyelid_line walks 6 2 5 centre 4 1 3) and mirror pairs (1-2, 3-6, 4-5) agree.
HALVINGS = ("midpoint_3", "midpoint_1", "midpoint_4", "center", "midpoint_5", "midpoint_2", "midpoint_6")
IRIS, PUPIL = 0.42, 0.17  # radians from the eye's axis


@dataclass(frozen=True)
class Named:
    """Points found so far by name, and whether each lies on the surface."""

    points: dict[str, Point]
    surface: dict[str, bool]

    def add(self, name: str, point: Point, surface: bool) -> None:
        """Add a point."""
        self.points[name], self.surface[name] = point, surface


def first_hit(source: Source, groups: tuple[str, ...], axis: int, sign: int, at: tuple[float, float]) -> Point | None:
    """Barycentric point where a ray along axis (0 or 1), coming from `sign` infinity, first meets the groups.

    at: the two other coordinates in metres.
    """
    plane = [a for a in range(3) if a != axis]
    faces = np.concatenate([source.faces[group] for group in groups])
    flat = source.template[faces][:, :, plane] - np.asarray(at)
    near = ((flat.min(1) <= 0) & (flat.max(1) >= 0)).all(1)
    faces, flat = faces[near], flat[near]
    ahead, behind = np.roll(flat, -1, 1), np.roll(flat, -2, 1)
    area = ahead[..., 0] * behind[..., 1] - ahead[..., 1] * behind[..., 0]  # of the triangle opposite each corner
    total = area.sum(1)
    weight = area / np.where(np.abs(total) < 1e-14, 1, total)[:, None]
    inside = (weight >= -1e-9).all(1) & (np.abs(total) > 1e-14)
    if not inside.any():
        return None
    depth = (weight * source.template[faces][:, :, axis]).sum(1) * sign
    face = int(np.argmax(np.where(inside, depth, -np.inf)))
    return {int(v): float(w) for v, w in zip(faces[face], weight[face], strict=True)}


def blend(first: Point, second: Point, share: float) -> Point:
    """The point between two points, `share` of the way to the second."""
    return {v: first.get(v, 0.0) * (1 - share) + second.get(v, 0.0) * share for v in first | second}


def along(source: Source, line: list[Point], share: float) -> Point:
    """The point at a share of the arc length of a polyline of points."""
    steps = np.linalg.norm(np.diff([place(source, point) for point in line], axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    at = share * length[-1]
    piece = int(np.clip(np.searchsorted(length, at, "right") - 1, 0, len(steps) - 1))
    return blend(line[piece], line[piece + 1], float((at - length[piece]) / max(steps[piece], 1e-9)))


def mirrored(source: Source, point: Point) -> Point:
    """The same point on the other side of the body."""
    return {int(source.mirror[vertex]): weight for vertex, weight in point.items()}


def place(source: Source, point: Point) -> Array:
    """Template position (3,) of a point."""
    return np.asarray(sum(weight * source.template[vertex] for vertex, weight in point.items()))


def body_points(source: Source, named: Named) -> None:
    """COCO-17 and feet from anny's regressor; the big joints are inside, the face and feet points on the skin."""
    packed = {int(base): i for i, base in enumerate(source.order)}
    for name, weights in source.coco.items():
        base = [int(b) for b in np.flatnonzero(weights) if int(b) in packed]
        rows = np.array([packed[b] for b in base])
        surface = name.split("_")[-1] in ("nose", "eye", "ear", "toe", "heel")
        named.add(name, thinned(source, rows, weights[base]), surface)


def thinned(source: Source, rows: Array, weights: Array) -> Point:
    """A regressor on MAX_VERTICES well-spread vertices: each vertex hands its weight to the nearest one that is kept."""
    at = source.template[rows]
    nearest = np.full(len(rows), np.inf)
    kept = [int(np.argmax(weights))]
    owner = np.zeros(len(rows), np.int64)
    for number in range(min(MAX_VERTICES, len(rows))):
        distance = np.linalg.norm(at - at[kept[number]], axis=1)
        owner[distance < nearest] = number
        nearest = np.minimum(nearest, distance)
        # the next one: where weight is furthest from any kept vertex
        kept.append(int(np.argmax(nearest * np.sqrt(np.maximum(weights, 0)))))
    share = np.bincount(owner, weights) / weights.sum()
    return {int(rows[kept[number]]): float(value) for number, value in enumerate(share)}


def hand_points(source: Source, named: Named) -> None:
    """Wrist and finger joints from bone ends: *_1 (base), *_2, *_3, *_4 (tip, from the last bone's tail)."""
    heads, tails = source.groups["heads"][0], source.groups["tails"][0]
    for side, end in (("left", "L"), ("right", "R")):
        named.add(f"{side}_hand_root", {heads + source.bone_names.index(f"wrist.{end}"): 1.0}, False)
        for number, finger in enumerate(FINGERS, 1):
            for joint in (1, 2, 3):
                bone = source.bone_names.index(f"finger{number}-{joint}.{end}")
                named.add(f"{side}_{finger}{joint}", {heads + bone: 1.0}, False)
            named.add(f"{side}_{finger}4", {tails + source.bone_names.index(f"finger{number}-3.{end}"): 1.0}, False)


def picked_points(source: Source) -> dict[str, Point]:
    """The tables above as points of the subject's right half."""
    eyes = source.template[slice(*source.groups["eyes"])].mean(0)
    found: dict[str, Point | None] = {}
    for name, (x, z) in FRONT_PICKS.items():
        found[name] = first_hit(source, ("body",), 1, -1, (eyes[0] + x / 1000, eyes[2] + z / 1000))
    for name, (y, z) in SIDE_PICKS.items():
        found[name] = first_hit(source, ("body",), 0, -1, (eyes[1] + y / 1000, eyes[2] + z / 1000))
    missed = [name for name, point in found.items() if point is None]
    if missed:
        raise ValueError(f"these picks miss the body: {missed}")
    return {name: point for name, point in found.items() if point} | lid_points(source, eyes)


def lid_points(source: Source, eyes: Array) -> dict[str, Point]:
    """Eyelid margin: the body vertex in front of the eyeball nearest to each pick, seen from the front."""
    body = np.arange(*source.groups["body"])
    offset = source.template[body] - eyes
    ball = source.template[slice(*source.groups["eyes"])]
    centre = ball[ball[:, 0] < 0].mean(0)
    near = np.linalg.norm(source.template[body] - centre, axis=1)
    candidates = body[(near < 0.022) & (offset[:, 1] < 0.02) & (offset[:, 0] < 0) & front_visible(source, body)]
    points = {}
    for name, (x, z) in EYE_PICKS.items():
        distance = np.hypot(source.template[candidates, 0] - x / 1000, source.template[candidates, 2] - eyes[2] - z / 1000)
        points[name] = {int(candidates[np.argmin(distance)]): 1.0}
    return points


def front_visible(source: Source, rows: Array) -> Array:
    """(R,) True for face vertices that nothing (eyes included) hides from the front."""
    visible = np.zeros(len(rows), bool)
    eyes = source.template[slice(*source.groups["eyes"])].mean(0)
    for i, row in enumerate(rows):
        p = source.template[row]
        if np.linalg.norm(p - eyes) < 0.06:
            hit = first_hit(source, ("body", "eyes"), 1, -1, (p[0], p[2]))
            visible[i] = hit is None or abs(place(source, hit)[1] - p[1]) < 1e-3
    return visible


def lip_outlines(source: Source) -> dict[str, list[Point]]:
    """The four lip lines of the right half, corner to midline: outer_upper, outer_lower, inner_upper, inner_lower."""
    eyes = source.template[slice(*source.groups["eyes"])].mean(0)
    lips, split = mask_distance(source, ("lips",)), lip_split(source)
    heights = eyes[2] + np.arange(-95, -55, 0.25) / 1000
    outer, inner = lip_corner(source, lips, split)
    lines: dict[str, list[Point]] = {name: [outer if name.startswith("outer") else inner] for name in LIP_LINES}
    for x in np.linspace(-0.019, 0.0, 14):
        hits = [first_hit(source, ("body",), 1, -1, (float(x), float(z))) for z in heights]
        points = [p for p in hits if p is not None and sum(w * lips[v] for v, w in p.items()) > 0]
        line = next(i for i, p in enumerate(points) if sum(w * split[v] for v, w in p.items()) > 0)
        ends = (points[-1], points[0], points[min(line + 1, len(points) - 1)], points[max(line - 2, 0)])
        for name, point in zip(LIP_LINES, ends, strict=True):
            lines[name].append(point)
    return lines


def lip_points(source: Source, lines: dict[str, list[Point]]) -> dict[str, Point]:
    """Points 48-67 of iBUG on the right half and midline: corners, midline and fixed shares of the four lip lines."""
    points = {"lip48": lines["outer_upper"][0], "lip60": lines["inner_upper"][0]}
    for name, (line, share) in LIP_SHARES.items():
        points[name] = along(source, lines[line], share)
    return points


def lip_corner(source: Source, lips: Array, split: Array) -> tuple[Point, Point]:
    """Outer and inner corner of the mouth: the lips' outermost vertex near the line between them, and one 3 mm in."""
    body = np.arange(*source.groups["body"])
    rows = body[(lips[body] > -0.001) & (np.abs(split[body]) < 0.012) & (source.template[body, 0] < 0)]
    outer = rows[np.argmin(source.template[rows, 0])]
    target = source.template[outer] + [0.003, 0, 0]
    inner = rows[np.argmin(np.linalg.norm((source.template[rows] - target)[:, [0, 2]], axis=1))]
    return {int(outer): 1.0}, {int(inner): 1.0}


def ibug(source: Source, right: dict[str, Point]) -> list[Point]:
    """The 68 points in iBUG order, from the subject's right to left."""

    def both(names: list[str], middle: list[str]) -> list[Point]:
        first = [right[name] for name in names]
        return first + [right[name] for name in middle] + [mirrored(source, point) for point in first[::-1]]

    jaw = both([f"jaw{i}" for i in range(8)], ["jaw8"])
    brows = both([f"brow{i}" for i in range(5)], [])
    nose = [right[f"nose{i}"] for i in range(4)] + both(["nostril0", "nostril1"], ["nostril2"])
    eyes = [right[f"eye{i}"] for i in range(6)] + [mirrored(source, right[f"eye{i}"]) for i in (3, 2, 1, 0, 5, 4)]
    upper = both(["lip48", "lip49", "lip50"], ["lip51"])
    lower = both(["lip59", "lip58"], ["lip57"])[::-1]
    inner_upper, inner_lower = both(["lip60", "lip61"], ["lip62"]), both(["lip67"], ["lip66"])[::-1]
    return jaw + brows + nose + eyes + upper + lower + inner_upper + inner_lower


def face_points(source: Source, named: Named, lines: dict[str, list[Point]]) -> dict[str, Point]:
    """face-0 .. face-67; also moves the nose to the tip. Returns the right-half picks by name for the finer sets."""
    right = picked_points(source) | lip_points(source, lines)
    named.add("nose", right["nose3"], True)  # anny's regressor sits 1 cm up the bridge; annotators click the tip
    for number, point in enumerate(ibug(source, right)):
        named.add(f"face-{number}", point, True)
    return right


def goliath_points(source: Source, named: Named, right: dict[str, Point], lines: dict[str, list[Point]]) -> None:
    """The points of sapiens308 that have a plain definition here; the others stay absent (`exists` False)."""
    arm_and_hand(source, named)
    midline_and_nose(named, right)
    brow_points(source, named, right)
    lip_names(source, named, lines)
    lash_lines(source, named, right)
    ear_lobes(source, named)
    eye_discs(source, named)


def arm_and_hand(source: Source, named: Named) -> None:
    """Third finger joints, wrists, elbow and shoulder surface points."""
    for side, sign in (("left", 1), ("right", -1)):
        end = ".L" if sign > 0 else ".R"
        for finger in FINGERS:
            named.add(f"{side}_{finger}_third_joint", named.points[f"{side}_{finger}1"], False)
        elbow, wrist = source.head("lowerarm01" + end), source.head("wrist" + end)
        upper = source.head("upperarm01" + end)
        forward = (wrist - elbow) / np.linalg.norm(wrist - elbow) - (elbow - upper) / np.linalg.norm(elbow - upper)
        forward /= np.linalg.norm(forward)
        named.add(f"{side}_olecranon", outermost(source, elbow, -forward), True)
        named.add(f"{side}_cubital_fossa", outermost(source, elbow, forward), True)
        named.add(f"{side}_acromion", outermost(source, upper, np.array([sign * 0.15, 0.1, 1.0])), True)
    named.add("neck", {source.groups["heads"][0] + source.bone_names.index("neck01"): 1.0}, False)


def outermost(source: Source, start: Array, direction: Array) -> Point:
    """The body vertex closest to the ray from an inner point, within 12 cm."""
    direction = direction / np.linalg.norm(direction)
    body = np.arange(*source.groups["body"])
    offset = source.template[body] - start
    along = offset @ direction
    aside = np.linalg.norm(offset - along[:, None] * direction, axis=1)
    score = np.where((along > 0.005) & (along < 0.12), aside, np.inf)
    return {int(body[np.argmin(score)]): 1.0}


def midline_and_nose(named: Named, right: dict[str, Point]) -> None:
    """Glabella to chin, nose corners. Bridge points go down from the root to the tip."""
    pairs = {
        "center_of_glabella": "glabella",
        "center_of_nose_root": "nose0",
        "tip_of_chin": "jaw8",
        "center_of_labiomental_groove": "labiomental",
        "tip_of_nose": "nose3",
        "bottom_center_of_nose": "nostril2",
    }
    for name, pick in pairs.items():
        named.add(name, right[pick], True)


def brow_points(source: Source, named: Named, right: dict[str, Point]) -> None:
    """Eyebrow outline, nine a side; midpoints 2, 1, 3 run left to right in the image, so left names come by the swap."""
    picks = {
        "upper_startpoint": "brow_top0",
        "lower_startpoint": "brow_low0",
        "end": "brow_end",
        "upper_midpoint_1": "brow_top2",
        "lower_midpoint_1": "brow_low2",
        "upper_midpoint_2": "brow_top3",
        "upper_midpoint_3": "brow_top1",
        "lower_midpoint_2": "brow_low3",
        "lower_midpoint_3": "brow_low1",
    }
    fine = skeleton("sapiens308")
    for name, pick in picks.items():
        row = fine.index(f"{name}_of_r_eyebrow")
        named.add(fine.names[row], right[pick], True)
        named.add(fine.names[fine.flip[row]], mirrored(source, right[pick]), True)
    named.add("r_outer_corner_of_nose", right["alar"], True)
    named.add("l_outer_corner_of_nose", mirrored(source, right["alar"]), True)


def lip_names(source: Source, named: Named, lines: dict[str, list[Point]]) -> None:
    """The 32 lip points: corners, and seven points on each of the four lines."""
    for edge in ("outer", "inner"):
        corner = lines[f"{edge}_upper"][0]
        named.add(f"r_{edge}_corner_of_mouth", corner, True)
        named.add(f"l_{edge}_corner_of_mouth", mirrored(source, corner), True)
    for line, half in lines.items():
        edge, lip = line.split("_")
        whole = half + [mirrored(source, point) for point in half[-2::-1]]
        for number, label in enumerate(HALVINGS, 1):
            name = f"{label}_of_{lip}_{edge}_lip"
            if label == "center":
                name = "center_of_cupid_bow" if line == "outer_upper" else f"center_of_{lip}_{edge}_lip"
            named.add(name, along(source, whole, number / 8), True)


def lid_margin(source: Source, ends: tuple[Point, Point], up: int) -> list[Point]:
    """The right eye's upper (up = 1) or lower (-1) lid margin, outer to inner corner: where rays leave the eyeball."""
    eyes = source.template[slice(*source.groups["eyes"])].mean(0)
    first_eye = source.groups["eyes"][0]
    (x0, _, z0), (x1, _, z1) = place(source, ends[0]), place(source, ends[1])
    margin = []
    for share in np.linspace(0.12, 0.88, 16):
        x, z = x0 + share * (x1 - x0), z0 + share * (z1 - z0)
        hit: Point | None = {first_eye: 1.0}
        while hit is not None and min(hit) >= first_eye and abs(z - eyes[2]) < 0.02:
            z += up * 0.0002
            hit = first_hit(source, ("body", "eyes"), 1, -1, (float(x), float(z)))
        if hit is not None and min(hit) < first_eye:
            margin.append(hit)
    return [ends[0], *margin, ends[1]]


def lash_lines(source: Source, named: Named, right: dict[str, Point]) -> None:
    """The 36 lash-line points, on the lid margins. Image left to right is outer to inner on the right eye."""
    for lid, up in (("upper", 1), ("lower", -1)):
        line = lid_margin(source, (right["eye0"], right["eye3"]), up)
        mirror = [mirrored(source, point) for point in line[::-1]]
        for side, points in (("r", line), ("l", mirror)):
            outer, inner = (points[0], points[-1]) if side == "r" else (points[-1], points[0])
            named.add(f"{side}_outer_end_of_{lid}_lash_line", outer, True)
            named.add(f"{side}_inner_end_of_{lid}_lash_line", inner, True)
            for number, label in enumerate(HALVINGS, 1):
                word = "centerpoint" if label == "center" else label
                named.add(f"{side}_{word}_of_{lid}_lash_line", along(source, points, number / 8), True)


def ear_lobes(source: Source, named: Named) -> None:
    """The lowest point of each ear."""
    ear = mask_distance(source, ("ears",))
    rows = np.flatnonzero((ear > 0.002) & (source.template[:, 0] > 0))
    point = {int(rows[np.argmin(source.template[rows, 2])]): 1.0}
    named.add("l_tip_of_ear_lobe", point, True)
    named.add("r_tip_of_ear_lobe", mirrored(source, point), True)


def eye_discs(source: Source, named: Named) -> None:
    """Iris and pupil: centre and eight points on circles about the eye's axis.

    Clock numbers are read in the image of a frontal face: 12 up, 3 towards the image's right (+x). The four midpoints
    follow 3-12, 3-6, 9-6 and 9-12 as their names' order in the vocabulary suggests.
    """
    clock = {"3": 0, "midpoint_1": 45, "12": 90, "midpoint_4": 135, "9": 180, "midpoint_3": 225, "6": 270, "midpoint_2": 315}
    start, stop = source.groups["eyes"]
    for rows in (np.arange(start, (start + stop) // 2), np.arange((start + stop) // 2, stop)):
        points = source.template[rows]
        centre = (points.max(0) + points.min(0)) / 2
        side = "l" if centre[0] > 0 else "r"
        for disc, angle in (("iris", IRIS), ("pupil", PUPIL)):
            named.add(f"{side}_center_of_{disc}", eye_point(source, centre, 0.0, 0.0), True)
            for label, degrees in clock.items():
                named.add(f"{side}_border_of_{disc}_{label}", eye_point(source, centre, angle, np.radians(degrees)), True)


def eye_point(source: Source, centre: Array, angle: float, turn: float) -> Point:
    """Point of the eyeball surface at an angle from its axis, in the direction `turn` (0 = +x, pi/2 = up)."""
    radius = 0.5 * np.ptp(source.template[slice(*source.groups["eyes"])][:, 2])
    x, z = centre[0] + radius * np.sin(angle) * np.cos(turn), centre[2] + radius * np.sin(angle) * np.sin(turn)
    point = first_hit(source, ("eyes",), 1, -1, (float(x), float(z)))
    if point is None:
        raise ValueError("an iris point misses the eyeball")
    return point


def brow_distance(source: Source) -> Array:
    """(V,) metres inside the eyebrows: a tapering band along the five brow picks of each side."""
    right = picked_points(source)
    line = np.stack([place(source, right[f"brow{i}"]) for i in range(5)])
    fine = np.stack([np.interp(np.linspace(0, 4, 81), np.arange(5), line[:, c]) for c in range(3)], 1)
    half = np.interp(np.linspace(0, 1, 81), [0, 0.3, 0.8, 1], [0.0025, 0.0042, 0.0055, 0.0050])
    p = source.template * np.where(source.template[:, :1] > 0, [-1, 1, 1], 1)
    near = np.linalg.norm(p - line.mean(0), axis=1) < 0.06
    field = np.full(len(p), -0.05)
    reach = half - np.linalg.norm(p[near, None] - fine, axis=2)
    field[near] = reach.max(1)
    return np.where(source.rows("body"), field, -0.05)


def assemble(source: Source, named: Named, names: tuple[str, ...], scores: Array) -> dict[str, Array]:
    """The arrays of one landmark set; a name that was never found is written with exists False."""
    points = [named.points.get(name, {}) for name in names]
    width = max(len(point) for point in points)
    index, weight = np.zeros((len(names), width), np.uint16), np.zeros((len(names), width), np.float32)
    weight[:, 0] = 1.0
    for row, point in enumerate(points):
        if point:
            index[row, : len(point)], weight[row, : len(point)] = list(point), list(point.values())
    part = np.argmax((scores[index] * weight[..., None]).sum(1), 1)
    dense = np.zeros((len(names), len(source.bone_names)))
    share = weight[..., None] * source.weights[index]
    np.add.at(dense, (np.arange(len(names))[:, None, None], source.weight_index[index]), share)
    return {
        "names": np.array(names),
        "index": index,
        "weight": weight,
        "surface": np.array([named.surface.get(name, False) for name in names]),
        "exists": np.array([bool(point) for point in points]),
        "part": part.astype(np.uint8),
        "bone": dense.argmax(1).astype(np.uint8),
    }


def landmark_sets(source: Source) -> dict[str, dict[str, Array]]:
    """Every landmark set as arrays, by name."""
    named = Named({}, {})
    body_points(source, named)
    hand_points(source, named)
    lines = lip_outlines(source)
    right = face_points(source, named, lines)
    goliath_points(source, named, right, lines)
    whole, fine = skeleton("wholebody133").names, skeleton("sapiens308").names
    sets = {
        "coco23": whole[:23],
        "face68": whole[23:91],
        "left_hand": whole[91:112],
        "right_hand": whole[112:],
        "wholebody133": whole,
        "sapiens308": fine,
    }
    scores = part_scores(source)
    return {key: assemble(source, named, names, scores) for key, names in sets.items()}

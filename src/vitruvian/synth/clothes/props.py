"""Things that people wear besides clothes, all of class Apparel: hats, caps, helmets, bags, scarves, belts, watches, gloves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vitruvian.data.gbuffer import MATERIAL
from vitruvian.synth.body import Body
from vitruvian.synth.clothes.garments import finish, follow, patterns, skinned, waves
from vitruvian.synth.clothes.hair import Skull, head_shell, scalp, skull_of
from vitruvian.synth.clothes.regions import FAR, Chart, Levels
from vitruvian.synth.clothes.wardrobe import Dressed
from vitruvian.synth.meshes import box, corners, cut, ellipsoid, grid_faces, vertex_normals
from vitruvian.synth.surface import Surface
from vitruvian.types import Array
from vitruvian.vocab import class_set

Rng = np.random.Generator
Band = Callable[[Chart, Levels], Array]

SHARES = {
    "cap": 0.07,
    "beanie": 0.05,
    "brim": 0.03,
    "helmet": 0.05,
    "backpack": 0.06,
    "bag": 0.07,
    "belt": 0.08,
    "scarf": 0.04,
    "watch": 0.1,
    "glove": 0.03,
}
CARRIED = ("backpack", "bag", "belt", "watch")
HATS = ("cap", "beanie", "brim", "helmet")


@dataclass(frozen=True)
class Props:
    """The words of what is worn, hats apart because they press the hair flat."""

    hat: str | None
    others: tuple[str, ...]


def sample_props(rng: Rng, infant: bool = False) -> Props:
    """Each kind by its share; one hat at most, one bag at most; an infant carries nothing."""
    drawn = [word for word, share in SHARES.items() if rng.random() < share and not (infant and word in CARRIED)]
    hats = [word for word in drawn if word in HATS]
    others = tuple(w for w in drawn if w not in HATS and not (w == "bag" and "backpack" in drawn))
    return Props(hats[0] if hats else None, others)


def _surface(name: str, vertices: Array, rest: Array, faces: Array, material: str = "apparel") -> Surface:
    label = (class_set("body28").index("Apparel"), MATERIAL[material])
    scores = np.zeros((len(vertices), 1), np.float32)
    return Surface(name, vertices.astype(np.float32), faces.astype(np.int32), rest.astype(np.float32), scores, (label,), 0)


# ---- on the head -----------------------------------------------------------------------------------------------------


def hat_surfaces(word: str, rest: Array, transforms: Array, rng: Rng) -> list[Surface]:
    """The crown over the scalp and, where the kind has one, a peak or a brim."""
    shape = scalp()
    skull = skull_of(rest, 0.0)
    matrix = transforms[shape.bone]
    thick = {"cap": 0.014, "beanie": 0.012, "brim": 0.016, "helmet": 0.032}[word]
    tilt = {"cap": 0.05, "beanie": -0.12, "brim": -0.05, "helmet": -0.1}[word]
    line = {"cap": 0.025, "beanie": -0.01, "brim": 0.02, "helmet": -0.005}[word] + float(rng.uniform(-0.008, 0.012))
    skin = shape.fine.take(rest[shape.rows]) - skull.centre
    above = np.clip((skin[:, 2] - line - tilt * skin[:, 1]) / 0.03, 0, 1)
    thickness = 0.008 + (thick - 0.008) * (1.0 if word == "helmet" else above)
    points, _ = head_shell(np.full(len(shape.field), 0.03), rest, np.broadcast_to(thickness, above.shape))
    _, y, z = (points - skull.centre).T
    field = (z - line - tilt * y).astype(np.float32)
    kept = cut(shape.fine.faces, field)
    crown = kept.take(points)
    out = [_surface(word, follow(matrix, crown), kept.take(shape.template), kept.faces, "headwear")]
    if word in ("cap", "brim"):
        edge = _brim(skull, line, tilt, word, rng)
        faces = grid_faces(4, 33 if word == "brim" else 17, word == "brim")
        out.append(_surface(word, follow(matrix, edge), edge, faces, "headwear"))
    return out


def _brim(skull: Skull, line: float, tilt: float, word: str, rng: Rng) -> Array:
    """A ring sector (4 x N, 3) around the hat's line: all around, or in front only."""
    width = float(rng.uniform(0.05, 0.09)) if word == "brim" else float(rng.uniform(0.06, 0.08))
    backwards = word == "cap" and rng.random() < 0.15
    spread = np.pi if word == "brim" else 1.05
    phi = np.linspace(-spread, spread, 33 if word == "brim" else 17, endpoint=word != "brim")
    s = np.linspace(0, 1, 4)[:, None]
    taper = 1.0 if word == "brim" else np.sqrt(np.clip(np.cos(phi * 1.45), 0, 1))
    a, b = skull.half + 0.004, skull.back + 0.004
    ahead = 1.0 if backwards else -1.0
    x = (a + s * width * taper) * np.sin(phi)
    y = ahead * (b + s * width * taper) * np.cos(phi)
    drop = -0.22 * width * s**1.5 * (taper if word == "cap" else 1.0) - (0.01 * s if word == "cap" else 0)
    z = line + 0.006 + tilt * y + drop + 0 * x
    out: Array = (np.stack([x, y, z], -1).reshape(-1, 3) + skull.centre).astype(np.float32)
    return out


# ---- bands over the clothes ------------------------------------------------------------------------------------------


def _strap_pair(chart: Chart, levels: Levels) -> Array:
    """Two shoulder straps down to below the armpits."""
    strap = 0.022 - np.abs(np.abs(chart.x) - 0.72 * levels.shoulder_x)
    return np.minimum(np.minimum(strap, chart.z - (levels.shoulder - 0.2)), 0.03 - chart.arm)


def _diagonal(side: float) -> Band:
    """A strap from one shoulder to the other hip, in front and behind."""

    def band(chart: Chart, levels: Levels) -> Array:
        top, bottom = levels.neck - 0.05, levels.hip + 0.05
        height = np.clip((chart.z - bottom) / (top - bottom), 0, 1.2)
        x = side * (-0.14 + height * 0.24)
        field = np.minimum(0.018 - np.abs(chart.x - x), chart.z - bottom)
        out: Array = np.minimum(field, 0.02 - chart.arm)
        return out

    return band


def _belt(chart: Chart, levels: Levels) -> Array:
    out: Array = np.where(chart.arm > 0, -FAR, 0.018 - np.abs(chart.z - (levels.hip + 0.075)))
    return out


def _scarf(chart: Chart, levels: Levels) -> Array:
    hole = np.hypot(chart.x, chart.y - 0.5 * (levels.back + levels.front))
    return np.minimum(np.minimum(0.12 - hole, chart.z - (levels.neck - 0.13)), 0.0 - chart.arm)


def _watch(side: float) -> Band:
    def band(chart: Chart, levels: Levels) -> Array:
        out: Array = np.where(chart.x * side > 0, 0.011 - np.abs(chart.arm - 0.93 * levels.arm), -FAR)
        return out

    return band


def _band_surface(word: str, band: Band, extra: Array | float, dressed: Dressed) -> Surface | None:
    cloth, levels = patterns().tights, patterns().levels
    inside = band(cloth.chart, levels).astype(np.float32)
    points = dressed.fit.tight + dressed.fit.normal * (dressed.reach + extra)[:, None].astype(np.float32)
    layer = finish(cloth, points, dressed.matrices, inside, None)
    return _surface(word, layer.vertices, layer.rest, layer.faces) if len(layer.faces) else None


def _pack(body: Body, dressed: Dressed, transforms: Array, rng: Rng) -> Surface:
    """A backpack: a rounded box on the back, moving with the chest."""
    levels = patterns().levels
    chart = patterns().tights.chart
    near = (np.abs(chart.x) < 0.09) & (chart.z > levels.waist) & (chart.z < levels.chest + 0.08)
    back = float((dressed.fit.tight + dressed.fit.normal * dressed.reach[:, None])[near, 1].max())
    height, depth, width = float(rng.uniform(0.3, 0.5)), float(rng.uniform(0.1, 0.22)), float(rng.uniform(0.22, 0.34))
    points, faces = ellipsoid((1.0, 1.0, 1.0), 16, 24)
    points = np.sign(points) * np.abs(points) ** 0.45 * np.array([width, depth, height]) / 2
    middle = float(dressed.fit.tight[near, 2].mean())
    points = points + np.array([0, back + depth / 2 + 0.005, middle + 0.02])
    points = (points + 0.006 * waves(rng, points.astype(np.float32), 6, 20, 60)[:, None]).astype(np.float32)
    return _surface("backpack", follow(transforms[body.bone("spine02")], points), points, faces)


def _hip_bag(dressed: Dressed, transforms: Array, side: float, rng: Rng) -> Surface:
    """A bag that hangs at the hip opposite to its shoulder strap."""
    chart, levels = patterns().tights.chart, patterns().levels
    near = (chart.x * -side > 0.05) & (np.abs(chart.z - levels.hip - 0.02) < 0.05) & (chart.arm < 0)
    outer = (dressed.fit.tight + dressed.fit.normal * dressed.reach[:, None])[near]
    x = float(np.abs(outer[:, 0]).max())
    size = (float(rng.uniform(0.07, 0.12)), float(rng.uniform(0.2, 0.34)), float(rng.uniform(0.16, 0.28)))
    points, faces = box(size)
    place = np.array([-side * (x + size[0] / 2 + 0.004), float(outer[:, 1].mean()), float(outer[:, 2].mean()) - 0.02])
    points = (points + place).astype(np.float32)
    return _surface("bag", follow(transforms[0], points), points, faces)


def _gloves(body: Body, rest: Array, transforms: Array, rng: Rng) -> Surface:
    """Both hands in gloves: the hand's skin, a little thicker."""
    rows = body.groups["body"]
    levels, chart = patterns().levels, patterns().body
    inside = (chart.arm - levels.arm * float(rng.uniform(0.93, 0.985))).astype(np.float32)
    faces = (body.faces["body"] - rows.start).astype(np.int32)
    faces = faces[corners(inside > 0, faces) > 0]
    points = rest[rows] + vertex_normals(rest[rows], faces) * 0.0035
    index = body.weights_index[rows]
    matrices = np.einsum("vi,vijk->vjk", body.weights[rows], transforms[index][:, :, :3])
    kept = cut(faces, inside)
    return _surface("glove", skinned(kept.take(matrices), kept.take(points)), kept.take(body.template[rows]), kept.faces)


def _long_sleeved(dressed: Dressed) -> bool:
    """A cuff over the wrist hides a watch."""
    return any(piece.kind == "upper" and piece.sleeve > 0.85 * patterns().levels.arm for piece, _ in dressed.layers)


def prop_surfaces(body: Body, props: Props, dressed: Dressed, rest: Array, transforms: Array, rng: Rng) -> list[Surface]:
    """Every prop but the hat, over the finished clothes."""
    out: list[Surface | None] = []
    side = 1.0 if rng.random() < 0.5 else -1.0
    for word in props.others:
        if word == "watch" and _long_sleeved(dressed):
            continue
        if word == "backpack":
            out += [_pack(body, dressed, transforms, rng), _band_surface(word, _strap_pair, 0.006, dressed)]
        elif word == "bag":
            out += [_hip_bag(dressed, transforms, side, rng), _band_surface(word, _diagonal(side), 0.006, dressed)]
        elif word == "glove":
            out.append(_gloves(body, rest, transforms, rng))
        elif word == "scarf":
            puff = 0.022 + 0.01 * waves(rng, patterns().tights.template, 8, 30, 90)
            out.append(_band_surface(word, _scarf, puff, dressed))
        else:
            out.append(_band_surface(word, {"belt": _belt, "watch": _watch(side)}[word], 0.005, dressed))
    return [s for s in out if s is not None]

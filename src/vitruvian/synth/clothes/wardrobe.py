"""What people wear: outfits drawn at random, always decent, and their finished surfaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vitruvian.data.gbuffer import MATERIAL
from vitruvian.synth.body import Body
from vitruvian.synth.clothes.garments import Draped, Fit, blended, drape, finish, fit, patterns
from vitruvian.synth.clothes.regions import Piece, region
from vitruvian.types import Array
from vitruvian.vocab import class_set

Rng = np.random.Generator

SEATED_FLARE, SEATED_LEG = 0.02, 0.45  # metres, at most, of a skirt over bent hips
HIDDEN_BELOW = 0.028  # metres inside a hem from which what lies below is dropped
SHRINK = 0.005  # metres that covered skin is drawn in near hems, so that it does not poke through


@dataclass(frozen=True)
class Outfit:
    """The pieces from the innermost to the outermost, and a word for each garment group."""

    pieces: tuple[Piece, ...]
    words: dict[str, str]


def _u(rng: Rng, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


# ---- upper body ------------------------------------------------------------------------------------------------------


def _sleeve(rng: Rng, word: str) -> float:
    arm = patterns().levels.arm
    return arm * {"tank": 0.0, "short": _u(rng, 0.22, 0.48), "half": _u(rng, 0.5, 0.75), "long": _u(rng, 0.9, 0.985)}[word]


def _tank(rng: Rng) -> Piece:
    return Piece(
        "upper",
        "upper_cloth",
        sleeve=_u(rng, -0.03, 0.005),
        hem=_u(rng, -0.04, 0.06),
        neck=(_u(rng, -0.03, 0.0), 0.11),
        dip=(_u(rng, 0.03, 0.10), _u(rng, 0.07, 0.10)),
        gap=0.005,
        loose=_u(rng, 0.004, 0.03),
        drape=_u(rng, 0.3, 1),
    )


def _tshirt(rng: Rng) -> Piece:
    dip = (_u(rng, 0.02, 0.09), _u(rng, 0.05, 0.09)) if rng.random() < 0.4 else (0.0, 0.06)
    return Piece(
        "upper",
        "upper_cloth",
        sleeve=_sleeve(rng, "short"),
        hem=_u(rng, -0.075, 0.03),
        neck=(_u(rng, -0.02, 0.015), 0.10),
        dip=dip,
        vee=rng.random() < 0.5,
        gap=0.006,
        loose=_u(rng, 0.005, 0.035),
        cuff=_u(rng, 0.006, 0.028),
        drape=_u(rng, 0.5, 1),
        wrinkle=_u(rng, 0.002, 0.006),
    )


def _longsleeve(rng: Rng) -> Piece:
    return Piece(
        "upper",
        "upper_cloth",
        sleeve=_sleeve(rng, str(rng.choice(["half", "long"], p=[0.25, 0.75]))),
        hem=_u(rng, -0.07, 0.04),
        neck=(_u(rng, -0.01, 0.05), _u(rng, 0.06, 0.1)),
        gap=0.006,
        loose=_u(rng, 0.003, 0.028),
        cuff=_u(rng, 0.002, 0.012),
        drape=_u(rng, 0.4, 1),
        wrinkle=_u(rng, 0.002, 0.006),
    )


def _shirt(rng: Rng) -> Piece:
    return Piece(
        "upper",
        "upper_cloth",
        sleeve=_sleeve(rng, str(rng.choice(["short", "long"], p=[0.35, 0.65]))),
        hem=_u(rng, -0.08, -0.01),
        neck=(_u(rng, 0.025, 0.045), 0.10),
        dip=(_u(rng, 0.03, 0.10), 0.035),
        vee=True,
        gap=0.007,
        loose=_u(rng, 0.008, 0.03),
        cuff=_u(rng, 0.006, 0.018),
        drape=0.9,
        wrinkle=_u(rng, 0.003, 0.007),
    )


def _hoodie(rng: Rng) -> Piece:
    return Piece(
        "upper",
        "upper_cloth",
        sleeve=_sleeve(rng, "long"),
        hem=_u(rng, -0.07, 0.0),
        neck=(_u(rng, 0.03, 0.06), 0.085),
        gap=0.010,
        loose=_u(rng, 0.012, 0.035),
        cuff=_u(rng, 0.008, 0.022),
        drape=1.0,
        gathered=True,
        wrinkle=_u(rng, 0.003, 0.007),
    )


def _jacket(rng: Rng, inner: Piece) -> Piece:
    return Piece(
        "upper",
        "outer_cloth",
        sleeve=_sleeve(rng, "long"),
        hem=_u(rng, -0.085, 0.0),
        neck=(_u(rng, 0.02, 0.05), 0.10),
        dip=(_u(rng, 0.05, 0.25), 0.06),
        vee=True,
        opening=_u(rng, 0.02, 0.09) if rng.random() < 0.65 else 0.0,
        gap=inner.gap + 0.013,
        loose=inner.loose + _u(rng, 0.005, 0.02),
        cuff=inner.cuff + _u(rng, 0.005, 0.014),
        drape=1.0,
        gathered=rng.random() < 0.3,
        wrinkle=_u(rng, 0.003, 0.008),
    )


def _crop_top(rng: Rng) -> Piece:
    return Piece(
        "upper",
        "upper_cloth",
        sleeve=-0.01,
        hem=_u(rng, 0.17, 0.24),
        neck=(-0.02, 0.10),
        dip=(_u(rng, 0.03, 0.06), 0.08),
        gap=0.005,
        loose=0.0,
        drape=_u(rng, 0.3, 0.8),
        wrinkle=0.001,
    )


# ---- lower body ------------------------------------------------------------------------------------------------------


def _trousers(rng: Rng) -> Piece:
    leg = patterns().levels.leg
    loose, cuff = [(0.003, 0.006), (0.006, 0.012), (0.011, 0.022), (0.014, 0.045)][rng.choice(4, p=[0.28, 0.37, 0.27, 0.08])]
    return Piece(
        "lower",
        "lower_cloth",
        leg=leg * _u(rng, 0.9, 1.005),
        waist=_u(rng, 0.03, 0.12),
        gap=0.007,
        loose=loose * _u(rng, 0.7, 1.3),
        cuff=cuff * _u(rng, 0.8, 1.2),
        drape=0.8,
        gathered=rng.random() < 0.12,
        wrinkle=_u(rng, 0.002, 0.007),
    )


def _leggings(rng: Rng) -> Piece:
    leg = patterns().levels.leg * _u(rng, 0.7, 0.99)
    return Piece(
        "lower", "lower_cloth", leg=leg, waist=_u(rng, 0.08, 0.16), gap=0.003, loose=0.0, cuff=0.0, drape=0.25, wrinkle=0.001
    )


def _shorts(rng: Rng) -> Piece:
    leg = patterns().levels.leg * _u(rng, 0.16, 0.5)
    return Piece(
        "lower",
        "lower_cloth",
        leg=leg,
        waist=_u(rng, 0.03, 0.12),
        gap=0.006,
        loose=_u(rng, 0.004, 0.022),
        cuff=_u(rng, 0.006, 0.03),
        drape=0.9,
        wrinkle=_u(rng, 0.002, 0.006),
    )


def _briefs(waist: float) -> Piece:
    return Piece("lower", "lower_cloth", leg=0.07, waist=waist, gap=0.003, loose=0.0, cuff=0.0, drape=0.3, wrinkle=0.0)


def _skirt(rng: Rng, waist: float) -> Piece:
    length = float(rng.choice([_u(rng, 0.3, 0.42), _u(rng, 0.42, 0.6), _u(rng, 0.6, 0.85)], p=[0.4, 0.4, 0.2]))
    return Piece(
        "skirt",
        "lower_cloth",
        leg=length,
        waist=waist,
        gap=0.008,
        flare=_u(rng, 0.0, 0.12),
        wrinkle=_u(rng, 0.002, 0.007),
        pleats=int(rng.choice([0, 9, 14, 22], p=[0.5, 0.2, 0.2, 0.1])),
    )


# ---- feet ------------------------------------------------------------------------------------------------------------


def _footwear(rng: Rng, lower: Piece) -> tuple[tuple[Piece, ...], str]:
    word = str(rng.choice(["sneakers", "boots", "barefoot", "sandals", "socks"], p=[0.66, 0.12, 0.12, 0.06, 0.04]))
    sock = Piece("sock", "sock", shaft=_u(rng, 0.03, 0.28), gap=0.003, loose=0.0, drape=0.0, wrinkle=0.001)
    if word == "barefoot":
        return (), word
    if word == "socks":
        return (sock,), word
    if word == "sandals":
        return (
            Piece("shoe", "shoe", straps=True, gap=0.005, loose=0.0, wrinkle=0.0, sole=_u(rng, 0.008, 0.03), shaft=0.0),
        ), word
    shaft = (
        _u(rng, 0.07, 0.34) if word == "boots" else float(rng.choice([_u(rng, -0.035, 0.0), _u(rng, 0.01, 0.06)], p=[0.7, 0.3]))
    )
    over = shaft > 0.08 and lower.kind == "lower" and lower.cuff < 0.01
    gap = 0.012 if over else 0.0075
    shoe = Piece("shoe", "shoe", shaft=shaft, gap=gap, loose=_u(rng, 0, 0.004), wrinkle=0.001, sole=_u(rng, 0.008, 0.035))
    low = replace(sock, shaft=max(sock.shaft, shaft + 0.015))
    return ((low, shoe) if rng.random() < 0.6 else (shoe,)), word


# ---- outfits ---------------------------------------------------------------------------------------------------------


def sample_outfit(rng: Rng, female: float, adult: bool) -> Outfit:
    """Clothes for one person. female 0..1 leans the choice; children and adults are always clothed, only adult men
    sometimes bare-chested in shorts."""
    woman = rng.random() < female
    if adult and not woman and female < 0.1 and rng.random() < 0.07:
        lower = replace(_shorts(rng), waist=_u(rng, 0.04, 0.09))
        shoes, foot = _footwear(rng, lower)
        return Outfit((lower, *shoes), {"upper": "none", "lower": "shorts", "feet": foot})
    upper, word = _sample_upper(rng, woman, adult)
    lowers, lower_word = _sample_lower(rng, woman, upper)
    if not adult:
        upper, lowers = _modest(upper), tuple(_modest(p) for p in lowers)
    shoes, foot = _footwear(rng, lowers[-1])
    words = {"upper": word, "lower": lower_word, "feet": foot}
    uppers: tuple[Piece, ...] = (upper,)
    if word in ("tshirt", "tank", "shirt", "longsleeve") and rng.random() < 0.22:
        jacket = _jacket(rng, upper)
        inner = replace(upper, sleeve=min(upper.sleeve, jacket.sleeve - 0.02)) if upper.sleeve > 0.02 else upper
        uppers, words["upper"] = (inner, jacket), f"jacket over {word}"
    return Outfit(_layered(rng, lowers, uppers, shoes), words)


def seated(outfit: Outfit) -> Outfit:
    """For bent hips: a wide or long skirt would stand off the thighs like a balloon."""
    pieces = tuple(
        replace(p, flare=min(p.flare, SEATED_FLARE), leg=min(p.leg, SEATED_LEG)) if p.kind == "skirt" else p
        for p in outfit.pieces
    )
    return replace(outfit, pieces=pieces)


def _modest(piece: Piece) -> Piece:
    """A child's version: a high neckline, legs covered down to about the knee."""
    leg = patterns().levels.leg
    if piece.kind == "upper":
        return replace(
            piece, dip=(0.0, 0.06), neck=(max(piece.neck[0], 0.0), min(piece.neck[1], 0.09)), hem=min(piece.hem, 0.0)
        )
    return replace(piece, leg=max(piece.leg, (0.5 if piece.kind == "skirt" else 0.42) * leg))


def _sample_upper(rng: Rng, woman: bool, adult: bool) -> tuple[Piece, str]:
    makers: dict[str, Callable[[Rng], Piece]] = {
        "tshirt": _tshirt, "longsleeve": _longsleeve, "shirt": _shirt, "hoodie": _hoodie, "tank": _tank, "crop": _crop_top,
    }  # fmt: skip
    share = [0.36, 0.2, 0.16, 0.14, 0.14, 0.0] if not woman else [0.32, 0.22, 0.12, 0.1, 0.19, 0.05]
    if not adult:
        share = [0.46, 0.24, 0.16, 0.14, 0.0, 0.0]
    word = str(rng.choice(list(makers), p=share))
    return makers[word](rng), word


def _sample_lower(rng: Rng, woman: bool, upper: Piece) -> tuple[tuple[Piece, ...], str]:
    share = [0.64, 0.02, 0.34, 0.0] if not woman else [0.4, 0.16, 0.16, 0.28]
    word = str(rng.choice(["trousers", "leggings", "shorts", "skirt"], p=share))
    if word == "skirt":
        waist = _u(rng, 0.08, 0.13)
        return (_briefs(waist - 0.01), _skirt(rng, waist)), word
    lower = {"trousers": _trousers, "leggings": _leggings, "shorts": _shorts}[word](rng)
    return (replace(lower, waist=max(lower.waist, min(upper.hem + 0.03, 0.14))),), word


def _layered(rng: Rng, lowers: Sequence[Piece], uppers: Sequence[Piece], shoes: Sequence[Piece]) -> tuple[Piece, ...]:
    """Order the layers so that none pokes through: shirts over waistbands, or tucked in."""
    socks = [s for s in shoes if s.kind == "sock"]
    outer = [s for s in shoes if s.kind == "shoe"]
    over_trousers = [s for s in outer if s.gap > 0.01]
    first = uppers[0]
    tucked = len(uppers) == 1 and not first.gathered and first.hem < 0.0 and rng.random() < 0.3
    if tucked:
        waist = lowers[-1].waist
        inner = replace(first, hem=waist - 0.035, loose=min(first.loose, 0.02), gathered=True, gap=0.004)
        return (*socks, *[s for s in outer if s not in over_trousers], inner, *_raised(lowers), *over_trousers)
    outside = tuple(replace(p, gap=p.gap + 0.009, loose=max(p.loose, 0.008)) if p.hem < 0.16 else p for p in uppers)
    if lowers[-1].kind == "skirt":  # its flare would come through a shirt that reaches lower
        outside = tuple(replace(p, hem=max(p.hem, lowers[-1].waist - 0.04)) for p in outside)
    return (*socks, *[s for s in outer if s not in over_trousers], *lowers, *over_trousers, *outside)


def _raised(lowers: Sequence[Piece]) -> list[Piece]:
    return [replace(p, gap=p.gap + 0.006) for p in lowers]


# ---- dressing a body -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dressed:
    """Finished layers with their pieces; what of the body's vertices is hidden (V,) bool, and how covered (V,) metres;
    for things worn on top: the garment surface, its skinning matrices and the clothes' reach (V,) above it, metres."""

    layers: tuple[tuple[Piece, Draped], ...]
    hidden: Array
    covered: Array
    fit: Fit
    matrices: Array
    reach: Array


def cover(outfit: Outfit) -> tuple[Array, Array]:
    """For the body's own vertices: hidden (V,) bool and the deepest cover (V,) metres inside a hem."""
    shared = patterns()
    depth = np.full(len(shared.body.x), -1.0, np.float32)
    for piece in outfit.pieces:
        if piece.kind != "skirt" and not piece.straps:
            depth = np.maximum(depth, region(piece, shared.body, shared.levels))
    return depth > HIDDEN_BELOW, depth


def dress(body: Body, outfit: Outfit, rest: Array, transforms: Array, rng: Rng) -> Dressed:
    """Drape and pose every piece. rest (V, 3) packed rest vertices; transforms (J, 4, 4)."""
    shared = patterns()
    person = fit(rest)
    matrices = {"tights": blended(body, transforms, shared.tights)}
    if any(piece.kind == "skirt" for piece in outfit.pieces):
        matrices["skirt"] = blended(body, transforms, shared.skirt)
    regions = [region(p, (shared.skirt if p.kind == "skirt" else shared.tights).chart, shared.levels) for p in outfit.pieces]
    up = np.einsum("vi,vi->v", matrices["tights"][:, 2, :3], person.normal)
    reach = np.zeros(len(up), np.float32)
    layers = []
    for i, (piece, inside) in enumerate(zip(outfit.pieces, regions, strict=True)):
        name = "skirt" if piece.kind == "skirt" else "tights"
        points = drape(piece, person, inside, up, rng)
        if name == "tights":
            above = np.einsum("vi,vi->v", points - person.tight, person.normal)
            reach = np.where(inside > -0.02, np.maximum(reach, above), reach)
        hidden = _below(outfit.pieces, regions, i) if name == "tights" else None
        layer = finish(shared.skirt if name == "skirt" else shared.tights, points, matrices[name], inside, hidden)
        if len(layer.faces):  # a short sock in a boot leaves nothing
            layers.append((piece, layer))
    hidden, covered = cover(outfit)
    return Dressed(tuple(layers), hidden, covered, person, matrices["tights"], reach)


def _below(pieces: Sequence[Piece], regions: Sequence[Array], index: int) -> Array | None:
    outer = [r for p, r in zip(pieces[index + 1 :], regions[index + 1 :], strict=True) if p.kind != "skirt" and not p.straps]
    if not outer:
        return None
    out: Array = np.maximum.reduce(outer) > HIDDEN_BELOW
    return out


def layer_labels(piece: Piece, layer: Draped) -> tuple[Array, tuple[tuple[int, int], ...]]:
    """Scores (V, C) and (part, material) labels of a layer; shoes and socks are told apart by the subject's side."""
    classes, material = class_set("body28"), MATERIAL[piece.material]
    if piece.kind in ("shoe", "sock"):
        word = piece.kind.capitalize()
        scores = np.stack([layer.side, -layer.side], 1).astype(np.float32)
        return scores, ((classes.index(f"Left_{word}"), material), (classes.index(f"Right_{word}"), material))
    part = "Upper_Clothing" if piece.kind == "upper" else "Lower_Clothing"
    return np.zeros((len(layer.vertices), 1), np.float32), ((classes.index(part), material),)

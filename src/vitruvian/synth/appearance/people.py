"""What people are made of: albedo, gloss and relief of every visible surface, drawn for each person anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vitruvian.data.gbuffer import MATERIALS
from vitruvian.synth.appearance import colors, textures
from vitruvian.synth.appearance.backgrounds import Backgrounds
from vitruvian.synth.appearance.layers import Layers
from vitruvian.synth.appearance.noise import atlas, lookup
from vitruvian.types import Array


@dataclass(frozen=True)
class Surfaces:
    """Of the N foreground pixels: albedo (N, 3) linear; height (N,) metres of relief; gloss (N,) strength of the highlight;
    power (N,) its sharpness; wrap (N, 3) how far light creeps past the terminator, per colour (skin glows red)."""

    albedo: Array
    height: Array
    gloss: Array
    power: Array
    wrap: Array


@dataclass
class Person:
    """The draws that several materials of one person share."""

    skin: Array
    hair: Array
    beard: float
    lipstick: Array | None
    polish: Array | None
    iris: Array
    oily: float
    rough: float
    shift: Array

    @classmethod
    def draw(cls, rng: np.random.Generator, tone: float | None = None) -> Person:
        """A random person; tone: of the skin, as in `colors.skin`."""
        return cls(
            skin=colors.skin(rng, tone),
            hair=colors.hair(rng),
            beard=float(np.clip(rng.normal(0.3, 0.5), 0, 1)),
            lipstick=colors.linear((rng.uniform(90, 220), rng.uniform(10, 80), rng.uniform(20, 100)))
            if rng.random() < 0.2
            else None,
            polish=colors.vivid(rng) if rng.random() < 0.15 else None,
            iris=colors.pick(rng, colors.IRIS),
            oily=float(rng.uniform(0.02, 0.3)),
            rough=float(rng.gamma(1.0, 0.6)),
            shift=rng.uniform(0, 1, 3).astype(np.float32),
        )


def surfaces(layers: Layers, rng: np.random.Generator, photos: Backgrounds, tone: float | None = None) -> Surfaces:
    """Draw what everything in sight is made of. tone: everybody's skin, as in `colors.skin`."""
    n = len(layers.at)
    out = Surfaces(
        np.empty((n, 3), np.float32), np.zeros(n, np.float32), np.full(n, 0.05, np.float32),
        np.full(n, 20, np.float32), np.full((n, 3), 0.25, np.float32),
    )  # fmt: skip
    people: dict[int, Person] = {}
    for number, material, run in layers.runs:
        if number not in people:
            people[number] = Person.draw(rng, tone)
        person = people[number]
        name = MATERIALS[material]
        if name in _CLOTH:
            _dress(out, run, name, layers, rng, photos)
        elif name == "hair":
            _comb(out, run, person, layers, rng)
        else:
            _flesh(out, run, name, person, layers, rng)
    return out


_CLOTH = ("upper_cloth", "outer_cloth", "lower_cloth", "apparel", "headwear", "shoe", "sock")


def _flesh(out: Surfaces, run: slice, name: str, person: Person, layers: Layers, rng: np.random.Generator) -> None:
    rest = layers.rest[run]
    u, v = rest[:, 0] + 0.6 * rest[:, 1] + person.shift[0], rest[:, 2] + 0.6 * rest[:, 1] + person.shift[1]
    mottle = lookup(atlas("fbm"), u * 2.1, v * 2.1)
    fine = lookup(atlas("rough"), u * 7.3, v * 7.3)
    out.wrap[run] = (0.36, 0.2, 0.14)
    out.gloss[run], out.power[run] = person.oily, 18
    skin = person.skin * (1 + mottle[:, None] * np.array([0.03, 0.06, 0.07], np.float32)) * (1 + 0.04 * fine[:, None])
    if name == "skin":
        out.albedo[run] = skin
        out.height[run] = person.rough * (0.0003 * mottle + 0.0001 * fine)
    elif name in _WET:
        rgb, spread, out.gloss[run] = _WET[name]
        out.albedo[run], out.power[run] = colors.linear(rgb) * rng.uniform(1 - spread, 1 + spread), 60
    else:
        _FEATURES[name](out, run, skin, fine, person, rng)


def _lips(out: Surfaces, run: slice, skin: Array, _fine: Array, person: Person, rng: np.random.Generator) -> None:
    bare = skin * np.array([0.85, 0.5, 0.5], np.float32) * rng.uniform(0.85, 1.15)
    out.albedo[run] = bare if person.lipstick is None else 0.25 * bare + 0.75 * person.lipstick
    out.gloss[run] = rng.uniform(0.1, 0.5)


def _brow(out: Surfaces, run: slice, skin: Array, fine: Array, person: Person, rng: np.random.Generator) -> None:
    cover = np.clip(rng.uniform(0.35, 0.95) + 0.2 * fine, 0, 1)[:, None]
    out.albedo[run] = skin * (1 - cover) + person.hair * rng.uniform(0.5, 1.0) * cover


def _beard(out: Surfaces, run: slice, skin: Array, fine: Array, person: Person, _rng: np.random.Generator) -> None:
    cover = np.clip(person.beard * (0.9 + 0.5 * fine), 0, 0.95)[:, None]
    out.albedo[run] = skin * (1 - cover) + person.hair * cover
    out.gloss[run] *= 1 - person.beard


def _nail(out: Surfaces, run: slice, skin: Array, _fine: Array, person: Person, _rng: np.random.Generator) -> None:
    out.albedo[run] = skin * np.array([1.1, 1.0, 1.0], np.float32) if person.polish is None else person.polish
    out.gloss[run] = 0.3


def _iris(out: Surfaces, run: slice, _skin: Array, _fine: Array, person: Person, _rng: np.random.Generator) -> None:
    out.albedo[run] = person.iris
    out.gloss[run], out.power[run] = 0.8, 80


DARK = 0.5  # of garments are black, navy, dark grey: people on photos are mostly darker than what is behind them
_FEATURES: dict[str, Callable[[Surfaces, slice, Array, Array, Person, np.random.Generator], None]] = {
    "lips": _lips, "brow": _brow, "beard": _beard, "nail": _nail, "iris": _iris,
}  # fmt: skip
# name: (colour, its spread, highlight)
_WET: dict[str, tuple[tuple[int, int, int], float, float]] = {
    "sclera": ((222, 214, 208), 0.15, 0.5), "pupil": ((12, 10, 10), 0.2, 0.9), "lash": ((22, 18, 16), 0.3, 0.0),
    "mouth": ((70, 24, 22), 0.4, 0.1), "teeth": ((226, 216, 196), 0.15, 0.4), "tongue": ((176, 88, 84), 0.2, 0.3),
}  # fmt: skip


def _comb(out: Surfaces, run: slice, person: Person, layers: Layers, rng: np.random.Generator) -> None:
    """Hair: strands that run mostly downwards, some curled; a broad highlight."""
    rest = layers.rest[run]
    lie = rng.normal(0, 0.5)
    u = rest[:, 0] + rng.choice([-0.8, 0.8]) * rest[:, 1] + lie * rest[:, 2] + person.shift[2]
    v = rest[:, 2] - lie * rest[:, 0] + person.shift[1]
    curl = rng.uniform(0, 0.05) * lookup(atlas("fbm"), u * 3, v * 3)
    strands = lookup(atlas("strand"), (u + curl) * rng.uniform(0.8, 2.0), v * rng.uniform(0.5, 1.5))
    clumps = lookup(atlas("soft"), (u + curl) * 4, v * 1.2)
    tone = np.exp(rng.uniform(0.15, 0.45) * strands + rng.uniform(0.1, 0.35) * clumps)
    tips = 1 + rng.choice([0.0, 0.0, rng.uniform(0, 1.2)]) * np.clip(0.5 - v / 0.4, 0, 1)
    out.albedo[run] = np.clip(person.hair * (tone * tips)[:, None], 0, 0.9)
    out.height[run] = rng.uniform(0.0002, 0.001) * strands + rng.uniform(0.001, 0.005) * clumps
    out.gloss[run], out.power[run] = rng.uniform(0.03, 0.3) * np.exp(0.5 * strands), rng.uniform(6, 16)


def _dress(out: Surfaces, run: slice, name: str, layers: Layers, rng: np.random.Generator, photos: Backgrounds) -> None:
    rest, pixel = layers.rest[run], layers.metres_per_pixel
    if name in ("shoe", "sock"):
        out.albedo[run] = _footwear(rest, name, rng)
    else:
        out.albedo[run] = textures.garment(rng, rest, pixel, photos, 0.5 if name == "lower_cloth" else 0.0)
    if rng.random() < DARK:
        out.albedo[run] *= rng.uniform(0.05, 0.4)
    np.clip(out.albedo[run], 0.004, 0.92, out=out.albedo[run])
    out.height[run] = _folds(rest, rng) * (0.35 if name in ("shoe", "sock", "apparel", "headwear") else 1.0)
    leather = rng.random() < (0.4 if name == "shoe" else 0.07)
    out.gloss[run], out.power[run] = (rng.uniform(0.1, 0.5), 25) if leather else (rng.uniform(0, 0.04), 6)
    out.wrap[run] = rng.uniform(0.03, 0.3)


def _footwear(rest: Array, name: str, rng: np.random.Generator) -> Array:
    base = colors.pick(rng, colors.SHOE) if rng.random() < 0.75 else colors.vivid(rng)
    grain = 1 + 0.1 * lookup(atlas("rough"), rest[:, 1] * 5 + rest[:, 0], rest[:, 2] * 5)
    albedo = base * np.maximum(grain, 0.3)[:, None]
    edge = np.min(rest[:, 2]) + (rng.uniform(0.01, 0.035) if name == "shoe" else rng.uniform(0.1, 0.3))
    trim = colors.pick(rng, colors.SHOE)
    chosen = rest[:, 2] < edge if name == "shoe" else rest[:, 2] > edge
    return np.where((chosen & (rng.random() < 0.6))[:, None], trim, albedo)


def _folds(rest: Array, rng: np.random.Generator) -> Array:
    """(N,) metres: long folds that hang or wrap around, and small creases."""
    turn = rng.uniform(0, np.pi)
    x = rest[:, 0] + 0.7 * rest[:, 1] + rng.uniform(0, 9)
    z = rest[:, 2] + 0.5 * rest[:, 1] + rng.uniform(0, 9)
    u, v = np.cos(turn) * x + np.sin(turn) * z, np.cos(turn) * z - np.sin(turn) * x
    repeats = rng.uniform(0.7, 1.8)
    bend = 0.06 * lookup(atlas("soft"), u * 0.7, v * 0.7)
    long = lookup(atlas("ridges"), (u + bend) * repeats, (v - bend) * repeats)
    where = np.clip(0.6 + 0.7 * lookup(atlas("soft"), v * 0.6, u * 0.6), 0, 1.6)
    small = lookup(atlas("soft"), u * 3, v * 2)
    depth = rng.gamma(2.0, 0.5)
    folds: Array = depth * (0.0055 / repeats * long * where + 0.003 * small)
    return folds

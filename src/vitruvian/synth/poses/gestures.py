"""Hands and arms: what people do with them while standing or sitting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vitruvian.synth.poses.posture import Arm, Bend, Hand, Reach

Rng = np.random.Generator
Arms = tuple[Arm, Arm]
Hands = tuple[Hand, Hand]
Reaches = tuple[Reach | None, Reach | None]


def normal(rng: Rng, mean: float, spread: float) -> float:
    """A normal draw."""
    return float(rng.normal(mean, spread))


def between(rng: Rng, low: float, high: float) -> float:
    """A uniform draw."""
    return float(rng.uniform(low, high))


# ---- hands -----------------------------------------------------------------------------------------------------------


def even(curl: float) -> tuple[float, float, float, float, float]:
    """The same flexion of all fingers, less of the thumb."""
    return (curl * 0.6, curl, curl, curl, curl)


def _closed(thumb: float, fingers: float) -> Hand:
    return Hand((thumb, fingers, fingers, fingers, fingers))


def sample_hand(rng: Rng, kind: str | None = None) -> Hand:
    """relaxed, open, flat, fist, grip, point, two (a V), thumb; drawn at random when not given."""
    kinds = ("relaxed", "open", "flat", "fist", "grip", "point", "two", "thumb")
    kind = kind or str(rng.choice(kinds, p=[0.46, 0.14, 0.1, 0.1, 0.1, 0.05, 0.025, 0.025]))
    if kind == "relaxed":
        base = between(rng, 2, 28)
        thumb, index, middle, ring, little = (base * s + normal(rng, 0, 4) for s in (0.6, 0.7, 0.9, 1.1, 1.25))
        return Hand((thumb, index, middle, ring, little), between(rng, -4, 2))
    if kind in ("open", "flat"):
        return Hand(even(between(rng, -14, -4)), between(rng, 3, 9) if kind == "open" else -4.0)
    if kind == "fist":
        return _closed(55.0, between(rng, 68, 78))
    if kind == "grip":
        return _closed(30.0, between(rng, 38, 60))
    bent = between(rng, 62, 75)
    straight = {"point": (1,), "two": (1, 2), "thumb": (0,)}[kind]
    thumb, index, middle = (-6.0 if finger in straight else (45.0, bent, bent)[finger] for finger in range(3))
    return Hand((thumb, index, middle, bent, bent), 5.0 if kind == "two" else 0.0)


# ---- arms of a standing or sitting person ----------------------------------------------------------------------------


def hanging(rng: Rng) -> Arm:
    """An arm that hangs."""
    return Arm(
        between(rng, 4, 20),
        normal(rng, 20, 25),
        normal(rng, 25, 12),
        between(rng, 5, 35),
        normal(rng, 15, 25),
        normal(rng, 0, 8),
    )


def bent(rng: Rng) -> Arm:
    """Forearm in front: holding something, a telephone, gesturing while talking."""
    return Arm(
        between(rng, 8, 40),
        normal(rng, 60, 25),
        normal(rng, 25, 22),
        between(rng, 60, 120),
        normal(rng, 10, 35),
        normal(rng, 0, 15),
    )


def waving(rng: Rng) -> Arm:
    """An arm raised to wave."""
    return Arm(
        between(rng, 60, 130),
        normal(rng, 25, 15),
        normal(rng, -65, 12),
        between(rng, 50, 120),
        normal(rng, 40, 25),
        normal(rng, -5, 12),
    )


def pointing(rng: Rng) -> Arm:
    """An arm that points ahead or aside."""
    return Arm(
        between(rng, 55, 115),
        between(rng, 0, 110),
        normal(rng, 10, 20),
        between(rng, 0, 30),
        normal(rng, 50, 20),
        normal(rng, 0, 8),
    )


def raised(rng: Rng) -> Arm:
    """An arm overhead."""
    return Arm(between(rng, 135, 172), between(rng, 20, 100), normal(rng, -40, 20), between(rng, 3, 60), normal(rng, 10, 30))


def outstretched(rng: Rng) -> Arm:
    """An arm held out to the side."""
    return Arm(between(rng, 50, 100), normal(rng, 10, 18), normal(rng, -10, 25), between(rng, 3, 45), normal(rng, 30, 30))


def jittered(rng: Rng, reach: Reach, spread: float = 0.015) -> Reach:
    """A reach whose target is moved a little."""
    x, y, z = (float(v + rng.normal(0, spread)) for v in reach.offset)
    return replace(reach, offset=(x, y, z))


def _shifted(reach: Reach, by: tuple[float, float, float]) -> Reach:
    x, y, z = (a + b for a, b in zip(reach.offset, by, strict=True))
    return replace(reach, offset=(x, y, z))


ON_HIP = Reach("upperleg01", (0.085, 0.0, 0.13), (0.9, 0.35, 0.0))
IN_POCKET = Reach("upperleg01", (0.085, -0.02, 0.02), (0.6, 0.75, 0.0))
ON_THIGH = Reach("lowerleg01", (0.0, -0.08, 0.14), (0.8, 0.5, -0.3))
ON_KNEE = Reach("lowerleg01", (0.01, -0.12, 0.05), (0.8, 0.4, -0.2))
AT_EAR = Reach("head", (0.12, 0.01, -0.03), (0.75, -0.2, -0.6))
AT_CHIN = Reach("head", (0.04, -0.17, -0.11), (0.6, -0.2, -0.8))
ON_HEAD = Reach("head", (0.10, 0.0, 0.20), (0.95, 0.0, 0.1))
AT_EYES = Reach("head", (0.05, -0.22, 0.03), (0.75, -0.3, -0.6))
BELLY = Reach("spine04", (0.05, -0.24, -0.02), (0.8, 0.5, -0.3))
CHEST = Reach("spine02", (0.07, -0.26, 0.0), (0.75, 0.4, -0.6))
CROSSED = Reach("spine03", (-0.07, -0.22, 0.04), (0.8, 0.15, -0.5))
BEHIND = Reach("root", (0.02, 0.17, 0.06), (0.7, 0.7, 0.0))
HOLD = Reach("spine03", (0.12, -0.34, 0.02), (0.8, 0.4, -0.5))
LAP = Reach("root", (0.05, -0.30, 0.02), (0.8, 0.5, -0.2))
FOLDED = {
    CROSSED: (0.0, -0.045, 0.05),
    BELLY: (0.0, -0.05, 0.02),
    BEHIND: (0.0, 0.05, 0.02),
}  # the second hand lies on the first
SHADE = Reach("head", (0.13, -0.17, 0.10), (0.9, -0.1, -0.2))


def standing_arms(rng: Rng) -> tuple[Arms, Reaches, Hands]:
    """Both arms of somebody who stands: hanging, one busy, both at one place, or free."""
    hands = (sample_hand(rng), sample_hand(rng))
    kind = str(rng.choice(("hang", "one", "both", "free"), p=[0.34, 0.36, 0.18, 0.12]))
    left, right = hanging(rng), hanging(rng)
    if kind == "hang":
        return (left, right), (None, None), (sample_hand(rng, "relaxed"), sample_hand(rng, "relaxed"))
    if kind == "one":
        return one_arm(rng, left, right, hands)
    if kind == "free":
        free = [bent, outstretched, pointing, raised]
        return (free[rng.integers(4)](rng), free[rng.integers(2)](rng)), (None, None), hands
    places = (ON_HIP, IN_POCKET, CHEST, BELLY, CROSSED, BEHIND, HOLD, ON_HEAD)
    place = places[rng.choice(len(places), p=[0.2, 0.17, 0.1, 0.13, 0.13, 0.07, 0.15, 0.05])]
    shift = FOLDED.get(place, (0.0, 0.0, 0.0))
    return (left, right), (jittered(rng, place), jittered(rng, _shifted(place, shift))), hands


def one_arm(rng: Rng, left: Arm, right: Arm, hands: Hands) -> tuple[Arms, Reaches, Hands]:
    """One hand busy, the other arm as given."""
    choices: tuple[tuple[Callable[[Rng], Arm] | Reach, str | None], ...] = (
        (bent, None), (waving, "open"), (pointing, "point"), (ON_HIP, None), (IN_POCKET, "relaxed"), (AT_EAR, "grip"),
        (AT_CHIN, "relaxed"), (HOLD, "grip"), (ON_HEAD, "relaxed"), (SHADE, "flat"), (BELLY, None),
    )  # fmt: skip
    chosen, kind = choices[rng.choice(len(choices), p=[0.26, 0.07, 0.06, 0.14, 0.14, 0.09, 0.06, 0.1, 0.03, 0.02, 0.03])]
    hand = sample_hand(rng, kind)
    if isinstance(chosen, Reach):
        return (left, right), (jittered(rng, chosen), None), (hand, hands[1])
    return (chosen(rng), right), (None, None), (hand, hands[1])


def look(rng: Rng, spread: float = 1.0) -> Bend:
    """A head looking somewhere about ahead."""
    return Bend(normal(rng, 4, 9 * spread), normal(rng, 0, 5 * spread), normal(rng, 0, 20 * spread))

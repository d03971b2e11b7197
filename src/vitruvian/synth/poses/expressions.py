"""Random facial expressions as mixtures of the 52 ARKit-style actions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Rng = np.random.Generator


def _both(name: str, value: float, rng: Rng, spread: float = 0.15) -> dict[str, float]:
    return {f"{name}{side}": value * float(1 + rng.normal(0, spread)) for side in ("Left", "Right")}


def _smile(rng: Rng) -> dict[str, float]:
    strength = float(rng.uniform(0.25, 1.0))
    out = (
        _both("mouthSmile", strength, rng)
        | _both("cheekSquint", 0.5 * strength, rng)
        | _both("eyeSquint", 0.35 * strength, rng)
    )
    if rng.random() < 0.6:  # teeth
        out |= {"jawOpen": float(rng.uniform(0.03, 0.3))} | _both("mouthUpperUp", float(rng.uniform(0.1, 0.5)), rng)
        out |= _both("mouthLowerDown", float(rng.uniform(0.1, 0.5)), rng)
    return out


def _talk(rng: Rng) -> dict[str, float]:
    out = {"jawOpen": float(rng.uniform(0.05, 0.45))}
    shape = str(rng.choice(["mouthFunnel", "mouthPucker", "mouthRollLower", "mouthShrugUpper", "none"]))
    if shape != "none":
        out[shape] = float(rng.uniform(0.1, 0.7))
    return out | _both("mouthStretch", float(rng.uniform(0, 0.4)), rng)


def _shout(rng: Rng) -> dict[str, float]:
    out = {"jawOpen": float(rng.uniform(0.5, 1.0)), "browInnerUp": float(rng.uniform(0, 0.8))}
    out |= _both("mouthUpperUp", float(rng.uniform(0, 0.5)), rng) | _both("mouthLowerDown", float(rng.uniform(0, 0.6)), rng)
    if rng.random() < 0.3:
        out["tongueOut"] = float(rng.uniform(0.3, 1.0))
    return out


def _strain(rng: Rng) -> dict[str, float]:
    out = _both("browDown", float(rng.uniform(0.3, 1)), rng) | _both("eyeSquint", float(rng.uniform(0.2, 0.9)), rng)
    out |= _both("noseSneer", float(rng.uniform(0, 0.7)), rng)
    return out | (_both("mouthStretch", 0.6, rng) | {"jawOpen": 0.1} if rng.random() < 0.4 else _both("mouthPress", 0.6, rng))


def _sad(rng: Rng) -> dict[str, float]:
    out = {"browInnerUp": float(rng.uniform(0.2, 0.9)), "mouthShrugLower": float(rng.uniform(0, 0.6))}
    return out | _both("mouthFrown", float(rng.uniform(0.3, 1.0)), rng)


def _pucker(rng: Rng) -> dict[str, float]:
    return {"mouthPucker": float(rng.uniform(0.4, 1.0)), "jawOpen": float(rng.uniform(0, 0.1))}


def _random(rng: Rng, actions: tuple[str, ...]) -> dict[str, float]:
    chosen = rng.choice(len(actions), size=int(rng.integers(3, 8)), replace=False)
    return {actions[i]: float(rng.uniform(0.1, 0.6)) for i in chosen if not actions[i].startswith("eyeLook")}


def sample_expression(rng: Rng, actions: tuple[str, ...], gaze: tuple[float, float] = (0.0, 0.0)) -> Mapping[str, float]:
    """Action -> strength 0..1: neutral, smiling, talking, shouting, straining, sad or any mixture; blinks.

    The lids follow a gaze (left, up) in degrees; the eyeballs are turned by the pose.
    """
    kinds = (_smile, _talk, _shout, _strain, _sad, _pucker)
    pick = rng.random()
    out: dict[str, float] = {}
    if pick > 0.3:
        out = _random(rng, actions) if pick > 0.94 else kinds[rng.choice(6, p=[0.42, 0.26, 0.12, 0.09, 0.07, 0.04])](rng)
    if rng.random() < 0.08:
        out |= _both("eyeBlink", 1.0, rng, 0.0)
    elif rng.random() < 0.3 or gaze[1] < -8:
        out |= _both("eyeBlink", float(rng.uniform(0.1, 0.45)), rng)
    elif rng.random() < 0.12:
        out |= _both("eyeWide", float(rng.uniform(0.2, 0.9)), rng)
    if rng.random() < 0.15:
        out |= _both("browOuterUp", float(rng.uniform(0.2, 0.9)), rng)
    return {name: float(np.clip(value, 0, 1)) for name, value in out.items() if name in actions}

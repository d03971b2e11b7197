"""How deep a pose pushes a limb into the body, judged by capsules on the bones."""

from __future__ import annotations

import numpy as np

from vitruvian.synth.poses.posing import Rig, forward
from vitruvian.types import Array

_CONTACT = (
    "root",
    "spine04",
    "spine02",
    "spine01",
    "neck01",
    "head",
    *tuple(
        f"{b}.{s}" for s in "LR" for b in ("upperarm01", "lowerarm01", "wrist", "finger3-3", "upperleg01", "lowerleg01", "foot")
    ),
)


def _segment_gap(p: tuple[Array, Array], q: tuple[Array, Array]) -> float:
    """Smallest distance between sampled points of two segments, metres."""
    t = np.linspace(0, 1, 6)[:, None]
    a, b = p[0] + t * (p[1] - p[0]), q[0] + t * (q[1] - q[0])
    return float(np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)).min())


def penetration(rig: Rig, rotations: Array) -> float:
    """How deep (metres, summed) forearms, hands and shins stick in other limbs, after capsules on the bones."""
    turns, at = forward(rig, rotations, _CONTACT)
    size = float(np.linalg.norm(rig.head("neck01") - rig.head("root"))) / 0.612
    across = turns["spine02"] @ np.array([0.06 * size, 0, 0])
    forwards = turns["spine02"] @ np.array([0, -0.04 * size, 0])
    obstacles = [
        ((at["root"] + s * across + forwards, at["spine01"] + s * across + forwards), 0.085 * size, "") for s in (-1, 1)
    ]
    skull = at["head"] + turns["head"] @ (np.array([0, -0.02, 0.09]) * size)
    obstacles.append(((skull, skull), 0.10 * size, ""))
    for s in "LR":
        obstacles.append(((at[f"upperleg01.{s}"], at[f"lowerleg01.{s}"]), 0.06 * size, f"leg{s}"))
        obstacles.append(((at[f"lowerleg01.{s}"], at[f"foot.{s}"]), 0.045 * size, f"leg{s}"))
        obstacles.append(((at[f"lowerarm01.{s}"], at[f"finger3-3.{s}"]), 0.03 * size, f"arm{s}"))
    movers = [((at[f"lowerarm01.{s}"], at[f"finger3-3.{s}"]), 0.03 * size, f"arm{s}") for s in "LR"]
    movers += [((at[f"lowerleg01.{s}"], at[f"foot.{s}"]), 0.045 * size, f"leg{s}") for s in "LR"]
    depth = 0.0
    for segment, radius, owner in movers:
        for other, other_radius, other_owner in obstacles:
            if owner != other_owner or not owner:
                depth += max(radius + other_radius - _segment_gap(segment, other), 0.0)
    return depth

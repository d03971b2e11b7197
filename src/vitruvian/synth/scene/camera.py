"""Where the camera stands, and how much of the person the frame shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vitruvian.synth.body import Body
from vitruvian.synth.clothes.garments import patterns
from vitruvian.synth.poses.posing import axis_rotation
from vitruvian.synth.scene.people import Figure, head_rows
from vitruvian.types import Array

Rng = np.random.Generator

FRAMINGS = {"full": 0.45, "knees": 0.15, "half": 0.20, "bust": 0.10, "face": 0.05, "hand": 0.03, "far": 0.02}
NEAREST = 0.28  # metres from the camera to the nearest shown point


@dataclass(frozen=True)
class Camera:
    """rotation (3, 3) world -> camera axes (+x right, +y down, +z forward); position (3,) world; intrinsics (3, 3)."""

    rotation: Array
    position: Array
    intrinsics: Array

    def see(self, points: Array) -> Array:
        """(V, 3) world points in camera axes."""
        out: Array = (points - self.position) @ self.rotation.T
        return out


def draw_framing(rng: Rng) -> str:
    """One of FRAMINGS by its share (the shares need not add up to one)."""
    share = np.array(list(FRAMINGS.values()))
    return str(rng.choice(list(FRAMINGS), p=share / share.sum()))


def draw_yaw(rng: Rng, framing: str) -> float:
    """Degrees between the camera and the person's front: 0 frontal, 180 seen from behind."""
    kind = rng.random()
    if framing == "face":
        return float(rng.uniform(-80, 80))
    if kind < 0.55:
        return float(rng.uniform(-60, 60))
    if kind < 0.70:
        return float(180 + rng.uniform(-50, 50))
    return float(rng.uniform(60, 130) * (1 if rng.random() < 0.5 else -1))


def shown_points(figure: Figure, framing: str, rng: Rng) -> Array:
    """(N, 3) world points of the person that the framing must hold."""
    body, levels = Body.load(), patterns().levels
    chart = patterns().body
    skin = figure.vertices[body.groups["body"]]
    if framing in ("full", "far"):
        return skin[::3]
    if framing == "knees":
        return skin[chart.leg < levels.leg * 0.5][::3]
    if framing == "half":
        return skin[(chart.z > levels.hip - 0.05) & (chart.arm < levels.arm * 0.75)][::3]
    if framing == "bust":
        return skin[(chart.z > levels.shoulder - 0.12) & (chart.arm < 0.12)][::2]
    if framing == "face":
        return figure.vertices[head_rows()]
    side = 1.0 if rng.random() < 0.5 else -1.0
    return skin[(chart.arm > levels.arm * 0.97) & (chart.x * side > 0)]


def place_camera(rng: Rng, shown: Array, framing: str, size: tuple[int, int]) -> tuple[Camera, dict[str, float]]:
    """A camera, looking roughly along world +y, that frames the points `shown` (N, 3); and its angles for the record."""
    height, width = size
    focal = float(np.exp(rng.uniform(np.log(0.8), np.log(2.6)))) * height
    pitch = float(np.clip(rng.normal(4, 7), -15, 18)) if rng.random() < 0.8 else float(rng.uniform(-28, 35))
    roll = float(np.clip(rng.normal(0, 4), -12, 12))
    rotation = _rotation(pitch, roll)
    fill = float(rng.uniform(0.10, 0.3) if framing == "far" else rng.uniform(0.55, 0.97))
    if framing in ("half", "bust", "face", "hand"):
        fill = float(rng.uniform(0.7, 1.1))
    aim = np.clip(rng.normal(0, 0.05, 2), -0.12, 0.12) * (3.0 if framing == "far" else 1.0)
    intrinsics = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    position = _stand(shown.astype(np.float64), rotation, focal, size, fill, aim)
    return Camera(rotation, position, intrinsics), {
        "pitch": round(pitch, 2),
        "roll": round(roll, 2),
        "focal": round(focal / height, 3),
    }


def _rotation(pitch: float, roll: float) -> Array:
    """Level camera along +y, pitched down by `pitch` (seen from above), rolled."""
    level = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    turned: Array = axis_rotation(np.array([0, 0, 1.0]), roll) @ axis_rotation(np.array([1.0, 0, 0]), -pitch) @ level
    return turned


def _stand(points: Array, rotation: Array, focal: float, size: tuple[int, int], fill: float, aim: Array) -> Array:
    """The position from which the points' outline fills `fill` of the tighter side, its centre off by `aim` frames."""
    height, width = size
    seen = points @ rotation.T
    centre = (seen.min(0) + seen.max(0)) / 2
    near = float(seen[:, 2].min())
    extent = float(np.ptp(seen[:, :2], axis=0).max())
    distance = focal * extent / height
    offset = centre[:2].copy()
    for _ in range(6):
        z = seen[:, 2] - near + distance
        x, y = (seen[:, 0] - offset[0]) / z * focal, (seen[:, 1] - offset[1]) / z * focal
        span = max(float(np.ptp(x)) / width, float(np.ptp(y)) / height)
        middle = np.array([(x.max() + x.min()) / 2 - aim[0] * width, (y.max() + y.min()) / 2 - aim[1] * height])
        depth = float(np.median(z))
        offset = offset + middle * depth / focal
        distance = max(NEAREST, distance + depth * (span / fill - 1))
    back = np.array([offset[0], offset[1], near - distance])
    out: Array = back @ rotation
    return out

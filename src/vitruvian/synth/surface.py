"""What a rasteriser gets: posed triangle surfaces in camera space, and what it must label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vitruvian.types import Array


@dataclass(frozen=True)
class Surface:
    """One open or closed triangle mesh of one person, already posed and seen from the camera.

    vertices (V, 3) float32 metres in camera axes (+x right, +y down, +z forward); faces (F, 3) int32;
    rest (V, 3) float32: the vertices on the unposed template (texture coordinates);
    scores (V, C) float32: one column for each entry of `labels`. At a pixel the interpolated scores are compared
    and the largest column names the pixel's (body28 part id, MATERIALS id), so borders are straight iso-lines.
    person: index into Scene.people, or -1 for furniture, which hides people and is background itself.
    No surface is culled: cloth is seen from both sides.
    """

    name: str
    vertices: Array
    faces: Array
    rest: Array
    scores: Array
    labels: tuple[tuple[int, int], ...]
    person: int


@dataclass(frozen=True)
class Points:
    """3-D keypoints of one person in camera axes, metres: position (K, 3) float32; defined (K,) bool;
    surface (K,) bool: lies on the skin (else inside a limb); normal (K, 3) float32 outward, for surface points;
    radius (K,) float32 metres: how far behind the first visible surface an unoccluded point may lie."""

    position: Array
    defined: Array
    surface: Array
    normal: Array
    radius: Array


@dataclass(frozen=True)
class ScenePerson:
    """The 3-D keypoints of one person, by skeleton name, and what it is (gender, age, framing, pose, ...)."""

    points: dict[str, Points]
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """One frame before rasterisation. intrinsics (3, 3) float64 with pixel centres at integers; size (H, W)."""

    surfaces: tuple[Surface, ...]
    people: tuple[ScenePerson, ...]
    intrinsics: Array
    size: tuple[int, int]
    key: str = ""

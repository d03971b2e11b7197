"""Point clouds of metric depth as binary PLY."""

from __future__ import annotations

import numpy as np

from vitruvian.geometry import AXES, unproject
from vitruvian.types import Array


def cloud(
    depth: Array, camera: Array, colors: Array | None, axes: str = "camera", stride: int = 1
) -> tuple[Array, Array | None]:
    """Metric depth (H, W), NaN elsewhere, K (3, 3), colours (H, W, 3) uint8 -> points (N, 3) float32 in metres, colours (N, 3).

    axes: a name of `geometry.AXES`; stride: take every so many pixels.
    """
    here = np.zeros(depth.shape, bool)
    here[::stride, ::stride] = True
    here &= np.isfinite(depth)
    points = unproject(depth.astype(np.float64), camera)[here] * np.array(AXES[axes])
    return points.astype(np.float32), None if colors is None else colors[here]


def ply_bytes(points: Array, colors: Array | None, comment: str) -> bytes:
    """Points (N, 3) float32 and colours (N, 3) uint8 as a file."""
    fields: list[tuple[str, str]] = [(name, "<f4") for name in "xyz"]
    fields += [(name, "u1") for name in ("red", "green", "blue")] if colors is not None else []
    rows = np.empty(len(points), fields)
    for i, name in enumerate("xyz"):
        rows[name] = points[:, i]
    if colors is not None:
        for i, name in enumerate(("red", "green", "blue")):
            rows[name] = colors[:, i]
    kinds = {"<f4": "float", "u1": "uchar"}
    head = ["ply", "format binary_little_endian 1.0", f"comment {comment}", f"element vertex {len(points)}"]
    head += [*(f"property {kinds[kind]} {name}" for name, kind in fields), "end_header"]
    return ("\n".join(head) + "\n").encode() + rows.tobytes()

"""What all rasterisers share: the near limit."""

from __future__ import annotations

import numpy as np

from vitruvian.types import Array

NEAR = 0.05  # metres


def in_front(vertices: Array, faces: Array) -> Array | None:
    """(F,) bool: all three vertices lie farther than NEAR; None when that holds for every face.

    Triangles that cross the limit are dropped whole, not clipped: a clipped one would have no row of its own in `faces`.
    """
    far = vertices[:, 2] > NEAR
    if far.all():
        return None
    out: Array = np.asarray(far[faces].all(axis=1))
    return out

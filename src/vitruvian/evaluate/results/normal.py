"""Maps of surface normals in folders: the angles between them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.maps import axes_of, read_vectors
from vitruvian.errors import InputError
from vitruvian.evaluate.results.pairs import Folders
from vitruvian.tasks.normal import Angles
from vitruvian.types import Array

SHORT = 0.1  # a truth of less length says nothing


def normal_figures(folders: Folders, axes: str = "camera", given_axes: str = "camera") -> dict[str, Any]:
    """Angles over all counted pixels of all photos (Eigen and Fergus, 2015): `mean`, `median` (degrees), `within_5` ...
    `within_30`.

    folders: .npy or .exr (H, W, 3), or .png whose colours are (n + 1) / 2; a truth that is not finite, or shorter than 0.1,
    is not counted (the official -1000 neither). axes, given_axes: `camera` (x right, y down, z away), `opengl` or `directx`,
    of the truth and of the predictions. Raises InputError where a prediction is not finite at a counted pixel.
    """
    angles, photos = Angles(), 0
    for pair in folders.pairs("normal", (".npy", ".exr", ".png"), partial(_read, axes=axes), partial(_read, axes=given_axes)):
        length = np.linalg.norm(pair.truth, axis=-1)
        counted = np.isfinite(length) & (length > SHORT) & (length < 1 / SHORT) & pair.mask
        given = pair.given[counted]
        if not np.isfinite(given).all():
            missing = int((~np.isfinite(given).all(-1)).sum())
            raise InputError(
                f"{pair.name} of {folders.predictions}: no normal at {missing} of {counted.sum()} counted pixels. "
                "Fix: predict the whole frame, or give --masks where both have a value."
            )
        angles.add(given, pair.truth[counted])
        photos += 1
    return {**angles.compute(), "pixels": int(angles.histogram.sum()), "photos": photos}


def _read(path: Path, axes: str) -> Array:
    order, signs = axes_of(axes)
    return np.asarray(read_vectors(path)[..., order] * signs)

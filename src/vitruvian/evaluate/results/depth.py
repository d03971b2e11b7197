"""Depth maps in folders: errors after an alignment that is named, photo by photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.maps import read_plane
from vitruvian.errors import InputError
from vitruvian.evaluate.results.pairs import Folders
from vitruvian.tasks.depth import Alignment, align_depth, depth_errors
from vitruvian.types import Array

LEAST_PIXELS = 16


def depth_figures(folders: Folders, alignment: Alignment = "scale_shift", unit: float = 0.001) -> dict[str, Any]:
    """Figures of each photo, then their mean, as the paper's tables: `RMSE` (the truth's unit), `AbsRel`, `delta1..3`, and
    more.

    folders: .npy or .exr (H, W) in metres, or 16-bit .png whose numbers are `unit` metres; a truth of 0, NaN or infinity is
    no reading. alignment: of each photo's prediction to its truth over the counted pixels, by least squares: `none` for
    metric models, `scale`, or `scale_shift` for relative ones. Photos with fewer than 16 counted pixels are counted in
    `left_out`. Raises InputError where a prediction is not finite at a counted pixel.
    """
    rows, left_out = [], []
    for pair in folders.pairs("depth", (".npy", ".exr", ".png"), partial(_read, unit=unit)):
        counted = np.isfinite(pair.truth) & (pair.truth > 0) & pair.mask
        if counted.sum() < LEAST_PIXELS:
            left_out.append(pair.name)
            continue
        z = pair.given[counted].astype(np.float64)
        if not np.isfinite(z).all():
            missing = int((~np.isfinite(z)).sum())
            raise InputError(
                f"{pair.name} of {folders.predictions}: no depth at {missing} of {counted.sum()} counted pixels. "
                "Fix: predict the whole frame, or give --masks where both have a value."
            )
        rows.append(depth_errors(*align_depth(z, pair.truth[counted].astype(np.float64), alignment)))
    if not rows:
        raise InputError(f"{folders.truth}: no photo has {LEAST_PIXELS} pixels to count. Fix: check the unit and the masks.")
    return {**mean_errors(rows), "alignment": alignment, "photos": len(rows), "left_out": left_out}


def mean_errors(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of the figures of `depth_errors`, by the names of `depth_figures`."""
    mean = {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}
    named = {"RMSE": mean.pop("rmse"), "AbsRel": mean.pop("abs_rel")}
    return {**named, **mean}


def _read(path: Path, unit: float) -> Array:
    plane = read_plane(path)
    return np.asarray(plane.astype(np.float32) * unit) if path.suffix.lower() == ".png" else plane

"""How near keypoints are, measured against the person's box."""

from __future__ import annotations

import numpy as np

from vitruvian.errors import InputError, UsageError
from vitruvian.types import Array, Keypoints, Prediction, Sample
from vitruvian.vocab import keypoint_map, skeleton

PCK_FRACTION = 0.1
AUC_REACH, AUC_STEPS = 0.2, 20  # of the box's longer side; thresholds below it


def labelled_points(sample: Sample, name: str) -> Array | None:
    """A sample's keypoints (K, 3) in the skeleton `name`, visibility 0 where its own skeleton has no such point.

    Raises InputError where the two have no point in common.
    """
    if sample.keypoints is None or sample.skeleton is None:
        return None
    if sample.skeleton == name:
        return sample.keypoints
    rows = keypoint_map(sample.skeleton, name)
    if (rows < 0).all():
        raise InputError(f"sample {sample.key} has the skeleton {sample.skeleton}, which has no point in common with {name}.")
    return np.where(rows[:, None] >= 0, sample.keypoints[rows], 0.0).astype(np.float32)


def nearer(distance: Array, reach: float, steps: int) -> Array:
    """How many distances lie below each of the thresholds 0, reach / steps, ..., (steps - 1) * reach / steps: (steps,) int64.

    Their mean over the number of distances is the area under the PCK curve (AUC) up to `reach`.
    """
    limits = np.arange(steps) * (reach / steps)
    out: Array = (distance[None] < limits[:, None]).sum(1)
    return out


class PoseMetric:
    """PCK: the part of labelled points (visibility > 0) within 0.1 x the box's longer side. NME: mean distance / that side.

    EPE: mean distance in source px. AUC: mean of the part within 0, 0.01, ..., 0.19 x that side.

    Overall and for each named group of the skeleton, as fractions; NaN where nothing was labelled.
    """

    def __init__(self, skeleton_name: str) -> None:
        self.skeleton = skeleton(skeleton_name)
        count = len(self.skeleton)
        self.labelled, self.near, self.distance, self.pixels = (np.zeros(count, np.float64) for _ in range(4))
        self.nearer = np.zeros(AUC_STEPS, np.int64)

    def update(self, prediction: Prediction, sample: Sample) -> None:
        """Count one person; one without keypoints counts nothing."""
        value = prediction.value
        if not isinstance(value, Keypoints) or value.skeleton != self.skeleton.name:
            raise UsageError(f"the {self.skeleton.name} metric cannot count a prediction of {type(value).__name__}")
        truth = labelled_points(sample, self.skeleton.name)
        if truth is None:
            return
        side = float(max(sample.box[2] - sample.box[0], sample.box[3] - sample.box[1], 1e-6))
        seen = truth[:, 2] > 0
        distance = np.linalg.norm(value.xy.astype(np.float64) - truth[:, :2], axis=1) / side
        self.labelled += seen
        self.near += seen & (distance <= PCK_FRACTION)
        self.distance += np.where(seen, distance, 0.0)
        self.pixels += np.where(seen, distance * side, 0.0)
        self.nearer += nearer(distance[seen], AUC_REACH, AUC_STEPS)

    def compute(self) -> dict[str, float]:
        """`pck`, `nme`, `epe`, `auc` and `pck/<group>` of the skeleton's groups."""
        everything, counted = tuple(range(len(self.skeleton))), self.labelled.sum()
        out = {"pck": self._share(self.near, everything), "nme": self._share(self.distance, everything)}
        out["epe"] = self._share(self.pixels, everything)
        out["auc"] = float(self.nearer.mean() / counted) if counted else float("nan")
        return out | {f"pck/{name}": self._share(self.near, rows) for name, rows in self.skeleton.groups.items()}

    def _share(self, values: Array, rows: tuple[int, ...]) -> float:
        labelled = self.labelled[list(rows)].sum()
        return float(values[list(rows)].sum() / labelled) if labelled else float("nan")

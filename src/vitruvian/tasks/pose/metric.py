"""How near keypoints are, measured against the person's box."""

from __future__ import annotations

import numpy as np

from vitruvian.errors import UsageError
from vitruvian.types import Array, Keypoints, Prediction, Sample
from vitruvian.vocab import keypoint_map, skeleton

PCK_FRACTION = 0.1


def labelled_points(sample: Sample, name: str) -> Array | None:
    """A sample's keypoints (K, 3) in the skeleton `name`, visibility 0 where its own skeleton has no such point."""
    if sample.keypoints is None or sample.skeleton is None:
        return None
    if sample.skeleton == name:
        return sample.keypoints
    rows = keypoint_map(sample.skeleton, name)
    return np.where(rows[:, None] >= 0, sample.keypoints[rows], 0.0).astype(np.float32)


class PoseMetric:
    """PCK: the part of labelled points (visibility > 0) within 0.1 x the box's longer side. NME: mean distance / that side.

    Overall and for each named group of the skeleton, as fractions; NaN where nothing was labelled.
    """

    def __init__(self, skeleton_name: str) -> None:
        self.skeleton = skeleton(skeleton_name)
        count = len(self.skeleton)
        self.labelled, self.near, self.distance = (np.zeros(count, np.float64) for _ in range(3))

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

    def compute(self) -> dict[str, float]:
        """`pck`, `nme` and `pck/<group>` of the skeleton's groups."""
        everything = tuple(range(len(self.skeleton)))
        out = {"pck": self._share(self.near, everything), "nme": self._share(self.distance, everything)}
        return out | {f"pck/{name}": self._share(self.near, rows) for name, rows in self.skeleton.groups.items()}

    def _share(self, values: Array, rows: tuple[int, ...]) -> float:
        labelled = self.labelled[list(rows)].sum()
        return float(values[list(rows)].sum() / labelled) if labelled else float("nan")

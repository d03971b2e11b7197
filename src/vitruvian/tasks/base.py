"""The contract of a task: what it trains on (Objective), and what it says about a picture (Task).

A task's fields are its configuration; it holds no tensors. Size, fit, padding, mean and std belong to the ModelSpec, not to
the task. Adding a task is one module and one line in `TASKS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from torch import Tensor

from vitruvian.types import Array, Crop, HeadSpec, ModelSpec, Prediction, Sample, Value


class Metric(Protocol):
    """Sums over samples; `compute` turns them into named figures."""

    def update(self, prediction: Prediction, sample: Sample) -> None:
        """Count one prediction against its truth, in source pixels."""

    def compute(self) -> dict[str, float]:
        """Named figures over everything counted so far."""


class Objective(ABC):
    """What a head is trained for. Tensors of `output`, `target` have a leading batch dimension unless said otherwise."""

    name: ClassVar[str]

    @abstractmethod
    def head_spec(self, spec: ModelSpec) -> HeadSpec:
        """The official head's widths for this task, for a model of this spec."""

    @abstractmethod
    def encode(self, sample: Sample, crop: Crop, spec: ModelSpec) -> dict[str, Tensor]:
        """Targets of one sample on the crop's frame, no batch dimension. Runs in a loader's worker, on the CPU.

        A sample without this task's label gives a target that no loss counts.
        """

    @abstractmethod
    def loss(self, output: Any, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Named scalar parts; their sum is trained."""

    def usable(self, target: Mapping[str, Tensor]) -> bool:
        """Whether one sample's target, as `encode` gave it, teaches enough; if not, training draws another sample."""
        return True

    def counts(self, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Of parts that are a mean over a number of items that differs from batch to batch: how many (a scalar tensor).

        With gradients of several micro-batches added, these parts weigh by it.
        """
        return {}

    def inputs(self, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the model is given besides the image: arguments of its `forward`."""
        return {}


class Task(Objective):
    """An objective whose output is of use to somebody: it can be decoded, measured and drawn."""

    @abstractmethod
    def decode(self, output: Any, crops: Sequence[Crop], spec: ModelSpec) -> list[Value]:
        """(B, C, h, w) head output -> one value per crop: points in source px, maps on the crop's frame.

        Of a flipped or rotated crop everything but the pixel grid of maps is turned back: sides, ids and vectors are true.
        """

    @abstractmethod
    def flip(self, output: Any) -> Any:
        """The head output of a mirrored input, mirrored back (channels swapped, signs turned) for the flip test."""

    @abstractmethod
    def metric(self) -> Metric:
        """A fresh accumulator of this task's figures."""

    @abstractmethod
    def draw(self, image: Array, predictions: Sequence[Prediction]) -> Array:
        """The predictions over a (H, W, 3) uint8 RGB image; returns a new image."""

"""Examples in a module of their own, so that worker processes can import them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Noise:
    count: int
    bad: tuple[int, ...] = ()
    image_type: str = "uint8"
    mixed: bool = False  # targets of odd examples have a part more
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.count

    def example(self, index: int, rng: np.random.Generator) -> Any:
        if index in self.bad:
            raise OSError(f"noise {index} is truncated")
        parts = {"random": rng.normal(size=3).astype(np.float32), "half": np.ones(2, np.float16), "label": np.int64(index)}
        if self.mixed and index % 2:
            parts["more"] = np.zeros(1, np.float32)
        image = np.random.default_rng(index).integers(0, 256, (6, 5, 3)).astype(self.image_type)
        return image, {"t": parts}, f"noise {index}"


def as_it_is(sample: Any, _: np.random.Generator) -> Any:
    """A view that changes nothing."""
    return sample.image, {}

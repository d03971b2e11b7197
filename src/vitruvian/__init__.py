"""Human-centric vision: from raw images to a foundation model, and from a photo to pose, parts, depth and normals.

`vitruvian.load().predict("photo.jpg")`. Names are imported when they are first used: `import vitruvian` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitruvian.errors import InputError, UsageError, VitruvianError, WeightsError
    from vitruvian.predict import Frame, ImageResult, PersonResult, Predictor, load, read_photo
    from vitruvian.tasks import TASKS, task
    from vitruvian.types import (
        Classes,
        Crop,
        Depth,
        HeadSpec,
        Keypoints,
        ModelSpec,
        Normals,
        Person,
        Prediction,
        Sample,
    )
    from vitruvian.vocab import class_set, keypoint_map, skeleton

__version__ = "0.1.0"

_HOMES = {
    "errors": ("InputError", "UsageError", "VitruvianError", "WeightsError"),
    "predict": ("Frame", "ImageResult", "PersonResult", "Predictor", "load", "read_photo"),
    "tasks": ("TASKS", "task"),
    "types": ("Classes", "Crop", "Depth", "HeadSpec", "Keypoints", "ModelSpec", "Normals", "Person", "Prediction", "Sample"),
    "vocab": ("class_set", "keypoint_map", "skeleton"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "TASKS",
    "Classes",
    "Crop",
    "Depth",
    "Frame",
    "HeadSpec",
    "ImageResult",
    "InputError",
    "Keypoints",
    "ModelSpec",
    "Normals",
    "Person",
    "PersonResult",
    "Prediction",
    "Predictor",
    "Sample",
    "UsageError",
    "VitruvianError",
    "WeightsError",
    "__version__",
    "class_set",
    "keypoint_map",
    "load",
    "read_photo",
    "skeleton",
    "task",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vitruvian' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"vitruvian.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__

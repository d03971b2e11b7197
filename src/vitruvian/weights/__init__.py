"""Weights: one safetensors file with one metadata entry that says all that is needed to use it."""

from vitruvian.weights.card import Card
from vitruvian.weights.load import (
    DETECTOR_MODELS,
    MODELS,
    Kind,
    Loaded,
    file_hash,
    load,
    packaged_names,
    packaged_path,
    read_card,
    resolve,
    save,
)

__all__ = [
    "DETECTOR_MODELS",
    "MODELS",
    "Card",
    "Kind",
    "Loaded",
    "file_hash",
    "load",
    "packaged_names",
    "packaged_path",
    "read_card",
    "resolve",
    "save",
]

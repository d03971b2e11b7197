"""Weights: one safetensors file whose one metadata entry says all that is needed to use it; and the official checkpoints."""

from vitruvian.weights.card import Card
from vitruvian.weights.folder import HubFolder, cached_folder, folder_of, is_folder_at_hub, parse_folder
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
from vitruvian.weights.transfer import encoder_for
from vitruvian.weights.zoo import Release, releases

__all__ = [
    "DETECTOR_MODELS",
    "MODELS",
    "Card",
    "HubFolder",
    "Kind",
    "Loaded",
    "Release",
    "cached_folder",
    "encoder_for",
    "file_hash",
    "folder_of",
    "is_folder_at_hub",
    "load",
    "packaged_names",
    "packaged_path",
    "parse_folder",
    "read_card",
    "releases",
    "resolve",
    "save",
]

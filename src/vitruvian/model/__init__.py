"""Modules with learned parameters; they know no task, file, device or rank."""

from vitruvian.model.build import BACKBONES, Model, build
from vitruvian.model.heads import DeconvHead, ShuffleHead
from vitruvian.model.mae import MaskedAutoencoder, mae_head
from vitruvian.model.vit import SIZES, ViT

__all__ = ["BACKBONES", "SIZES", "DeconvHead", "MaskedAutoencoder", "Model", "ShuffleHead", "ViT", "build", "mae_head"]

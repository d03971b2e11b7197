"""What is measured: packaged and downloaded models, files, and official sizes with random weights, which need no file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from vitruvian import weights
from vitruvian.errors import UsageError
from vitruvian.model import build
from vitruvian.weights import zoo
from vitruvian.weights.card import card_of

RANDOM = "random:"


def load_model(name: str) -> weights.Loaded:
    """A model of people by name or path, or `random:0.3b-pose308` and the like: that official model with random weights."""
    if not name.startswith(RANDOM):
        return weights.load(name, kind="people")
    release = zoo.release(f"sapiens-{name.removeprefix(RANDOM).removeprefix('sapiens-')}")
    if release.row.task is None:
        raise UsageError(f"{name} is an encoder, which says nothing of people. Fix: a task, as in random:0.3b-pose308.")
    spec = replace(release.spec, name=f"random-{release.name}")
    torch.manual_seed(0)
    return weights.Loaded(build(spec).eval(), card_of(spec, {}, ""), "0" * 64, Path(name), layout="random weights")

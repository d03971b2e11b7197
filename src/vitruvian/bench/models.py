"""What is measured: packaged and downloaded models, files, and official sizes with random weights, which need no file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from vitruvian import weights
from vitruvian.errors import unknown_name
from vitruvian.model import build
from vitruvian.weights import zoo
from vitruvian.weights.card import card_of

RANDOM = "random:"


def load_model(name: str) -> weights.Loaded:
    """A model of people by name or path, or `random:0.3b-pose308` and the like: that official model with random weights."""
    if not name.startswith(RANDOM):
        return weights.load(name, kind="people")
    asked = f"sapiens-{name.removeprefix(RANDOM).removeprefix('sapiens-')}"
    known = {each: release for each, release in zoo.releases().items() if release.row.task}  # encoders say nothing of people
    if asked not in known:
        names = [f"{RANDOM}{each.removeprefix('sapiens-')}" for each in known]
        raise unknown_name("model with random weights", name, names, _forms(known.values()))
    release = known[asked]
    spec = replace(release.spec, name=f"random-{release.name}")
    torch.manual_seed(0)
    return weights.Loaded(build(spec).eval(), card_of(spec, {}, ""), "0" * 64, Path(name), layout="random weights")


def _forms(releases: Iterable[zoo.Release]) -> str:
    sizes, tasks = zip(*((release.size, release.row.name) for release in releases), strict=True)
    return f"{RANDOM}SIZE-TASK, sizes {' '.join(dict.fromkeys(sizes))}, tasks {' '.join(dict.fromkeys(tasks))}"

"""Official checkpoints with random weights, in every layout: tiny ones, and ones of true 0.3B shapes that take little room."""

from __future__ import annotations

import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from reference import official
from safetensors.torch import save_file
from torch import Tensor, nn

TASKS = {"pose17": ("pose", 17), "pose133": ("pose", 133), "pose308": ("pose", 308),
         "seg28": ("seg", 28), "depth": ("depth", 1), "normal": ("normal", 3)}  # fmt: skip
TINY = (32, 2, 2, 64)  # width, blocks, attention heads, hidden
TINY_SIZE = (64, 48)
TINY_WIDTHS = {"pose": ((8, 8), (8, 8)), "seg": ((8,) * 3,) * 2, "depth": ((4,) * 4, (4, 4)), "normal": ((8,) * 3,) * 2}
POOL = 13_000_000  # random numbers that all tensors of a true-size file share: as many as its largest has


def tiny(row: str) -> nn.Module:
    """A tiny model of the yardstick, whose names and structure are the official ones."""
    torch.manual_seed(7)
    task, out = TASKS[row]
    model = official.Sapiens(task, out, TINY, TINY_SIZE, TINY_WIDTHS[task]).eval()
    nn.init.normal_(model.backbone.pos_embed)
    return model


def tiny_encoder() -> OrderedDict[str, Tensor]:
    """A tiny pretrained encoder as distributed: no prefix, a class token, a square grid of 4x4 patches."""
    state = tiny("seg28").backbone.state_dict()
    return OrderedDict({**state, "cls_token": torch.randn(1, 1, TINY[0]), "pos_embed": torch.randn(1, 17, TINY[0])})


def as_checkpoint(state: Mapping[str, Tensor], path: Path) -> Path:
    """{state_dict, meta}, the meta plain."""
    torch.save({"state_dict": OrderedDict(state), "meta": {"epoch": 3, "cfg": "model = dict()"}}, path)
    return path


def as_flat(state: Mapping[str, Tensor], path: Path) -> Path:
    """The weights themselves, as in `_clean.pth`."""
    torch.save(OrderedDict(state), path)
    return path


def as_legacy(state: Mapping[str, Tensor], path: Path) -> Path:
    """A .pth as PyTorch wrote them before version 1.6: no zip."""
    torch.save({"state_dict": OrderedDict(state)}, path, _use_new_zipfile_serialization=False)
    return path


def as_training(state: Mapping[str, Tensor], path: Path) -> Path:
    """A .pth straight from training, as `sapiens_1b_goliath_best_goliath_AP_639.pth`: settings of mmengine and NumPy arrays."""
    with _mmengine() as library:
        settings = library.ConfigDict(model=library.ConfigDict(type="TopdownPoseEstimator"), epochs=[1, 2])
        meta = {"cfg": settings, "dataset_meta": {"sigmas": np.arange(3.0), "flip": np.array([1, 0])}, "lr": np.float64(0.1)}
        hub = {"log": library.HistoryBuffer(), "runtime": OrderedDict(iter=7)}
        content = {"state_dict": OrderedDict(state), "meta": meta, "message_hub": hub, "optimizer": {"lr": torch.ones(1)}}
        torch.save(content, path)
    return path


def as_safetensors(state: Mapping[str, Tensor], path: Path) -> Path:
    """Official names in safetensors."""
    save_file({name: value.contiguous().clone() for name, value in state.items()}, path)
    return path


def as_torchscript(model: nn.Module, path: Path, size: tuple[int, int] = TINY_SIZE) -> Path:
    """A traced model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(model, torch.zeros(1, 3, *size), check_trace=False).save(str(path))
    return path


class Holder(nn.Module):
    """A module that holds tensors under dotted names and does nothing with them: to be traced without a forward pass."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        children: dict[str, dict[str, Tensor]] = {}
        for name, value in state.items():
            first, _, rest = name.partition(".")
            if rest:
                children.setdefault(first, {})[rest] = value
            else:
                self.register_parameter(first, nn.Parameter(value, requires_grad=False))
        for name, inner in children.items():
            self.add_module(name, Holder(inner))

    def forward(self, x: Tensor) -> Tensor:
        return x + 1


def written_torchscript(state: Mapping[str, Tensor], path: Path) -> Path:
    """TorchScript with these weights."""
    return as_torchscript(Holder(state), path)


LAYOUTS: dict[str, tuple[Callable[[Mapping[str, Tensor], Path], Path], str]] = {
    "checkpoint": (as_checkpoint, ".pth"),
    "flat": (as_flat, ".pth"),
    "legacy": (as_legacy, ".pth"),
    "training": (as_training, ".pth"),
    "torchscript": (written_torchscript, "_torchscript.pt2"),
    "safetensors": (as_safetensors, ".safetensors"),
}


def made(layout: str, state: Mapping[str, Tensor], folder: Path, stem: str = "model") -> Path:
    """A file with these tensors in one of LAYOUTS."""
    writer, ending = LAYOUTS[layout]
    return writer(state, folder / f"{stem}{ending}")


def true_size(row: str) -> dict[str, Tensor]:
    """Random weights of the 0.3B model of a task, all views of one pool: a file of them holds the pool once."""
    pool = torch.randn(POOL, generator=torch.Generator().manual_seed(1)) * 0.02
    with torch.device("meta"):
        if row == "pretrain":
            state = official.Sapiens("seg", 28, official.ARCHITECTURES["0.3b"]).backbone.state_dict()
            state |= {"cls_token": torch.empty(1, 1, 1024), "pos_embed": torch.empty(1, 4097, 1024)}
        else:
            state = official.Sapiens(*TASKS[row], official.ARCHITECTURES["0.3b"]).state_dict()
    return {name: pool[: value.numel()].view(value.shape) for name, value in state.items()}


@contextmanager
def _mmengine() -> Iterator[Any]:
    """The library that official training writes its settings with, as far as a pickle of it goes."""
    names = ("mmengine", "mmengine.config", "mmengine.config.config")
    modules = {name: ModuleType(name) for name in names}
    library = modules[names[-1]]

    class ConfigDict(dict[str, Any]):
        pass

    class HistoryBuffer:
        def __init__(self) -> None:
            self.values = np.arange(4.0)

    for kind in (ConfigDict, HistoryBuffer):
        kind.__module__, kind.__qualname__ = names[-1], kind.__name__
        setattr(library, kind.__name__, kind)
    sys.modules.update(modules)
    try:
        yield library
    finally:
        for name in names:
            del sys.modules[name]

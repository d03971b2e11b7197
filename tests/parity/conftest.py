"""Golden values: VITRUVIAN_GOLDEN names their folder (then all must be there); else the shared one, or a reasoned skip."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from vitruvian.model import Model, mae_head
from vitruvian.types import HeadSpec, ModelSpec
from vitruvian.weights.keymaps import from_official, to_official

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Entry:
    """One golden entry: its description and its tensors."""

    info: dict[str, Any]
    tensors: dict[str, Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def under(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name starts with `prefix`, without it."""
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}


class Golden:
    """Entries by name; a missing one fails the test that asks for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = json.loads((folder / "golden.json").read_text())

    def __call__(self, name: str) -> Entry:
        if name not in self.index["entries"]:
            pytest.fail(f"{self.folder}/golden.json has no entry {name!r}")
        info = self.index["entries"][name]
        path = self.folder / f"{name}.safetensors"
        if "tensors" in info and not path.is_file():
            pytest.fail(f"golden file {path} is missing")
        return Entry(info, load_file(path) if path.is_file() else {})

    def json(self, name: str) -> Any:
        """A golden table that is a JSON file of its own."""
        path = self.folder / name
        if not path.is_file():
            pytest.fail(f"golden file {path} is missing")
        return json.loads(path.read_text())


@pytest.fixture(scope="session")
def golden() -> Golden:
    named = os.environ.get("VITRUVIAN_GOLDEN")
    shared = Path(os.environ.get("VITRUVIAN_SHARED", REPOSITORY.parent / "shared"))
    folder = Path(named) if named else shared / "golden"
    if not (folder / "golden.json").is_file():
        if named:
            pytest.fail(f"VITRUVIAN_GOLDEN names {folder}, where there is no golden.json")
        pytest.skip(f"goldens not found at {folder}; set VITRUVIAN_GOLDEN")
    return Golden(folder)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _spec(info: dict[str, Any], task: str | None = None, patch: int = 16) -> ModelSpec:
    """Our specification of a golden model, from its official configuration."""
    backbone, head = info.get("backbone", info.get("config")), info.get("head", {})
    arch, size = backbone["arch"], backbone["img_size"]
    heads: tuple[HeadSpec, ...] = ()
    if task == "mae":
        neck = info["neck"]
        heads = (
            mae_head(
                patch,
                dim=neck["decoder_embed_dim"],
                depth=neck["decoder_depth"],
                heads=neck["decoder_num_heads"],
                mlp_ratio=neck["mlp_ratio"],
                mask_ratio=backbone["mask_ratio"],
            ),
        )
    elif task is not None:
        out = head.get("out_channels", head.get("num_classes"))
        heads = (HeadSpec(task, tuple(head["deconv_out_channels"]), tuple(head["conv_out_channels"]), out),)
    return ModelSpec(
        name="golden",
        size=(size, size) if isinstance(size, int) else tuple(size),
        dim=arch["embed_dims"],
        depth=arch["num_layers"],
        heads_attn=arch["num_heads"],
        mlp=arch["feedforward_channels"],
        heads=heads,
        padding=backbone.get("patch_cfg", {}).get("padding", 0),
        class_token=task == "mae",
        sigma=float(info.get("codec", {}).get("sigma", 2.0)),
        codec="official",
    )


@dataclass(frozen=True)
class Parity:
    """What parity tests share: the measure, and a golden model built from its official configuration and weights."""

    spec = staticmethod(_spec)

    @staticmethod
    def close(ours: Tensor, official: Tensor, tolerance: float = 1e-5, what: str = "") -> None:
        """max|a - b| <= tolerance * max|b|, same shape."""
        ours, official = torch.as_tensor(ours).detach().double(), torch.as_tensor(official).double()
        assert ours.shape == official.shape, f"{what}: {tuple(ours.shape)} against {tuple(official.shape)}"
        gap, limit = float((ours - official).abs().max()), tolerance * float(official.abs().max())
        assert gap <= limit, f"{what}: off by {gap:.3g}, allowed {limit:.3g}"

    @staticmethod
    def model(entry: Entry, task: str) -> Model:
        """The golden task model in evaluation mode, with the official weights."""
        model = Model(_spec(entry.info, task)).eval()
        model.load_state_dict(from_official(entry.under("sd."), task))
        return model

    def gradients(self, model: torch.nn.Module, entry: Entry, task: str) -> None:
        """Every golden gradient against ours, after backward."""
        ours = to_official({k: v.grad for k, v in model.named_parameters() if v.grad is not None}, task)
        for name, grad in entry.under("grad.").items():
            self.close(ours[name], grad, what=f"gradient of {name}")


@pytest.fixture(scope="session")
def parity() -> Parity:
    return Parity()

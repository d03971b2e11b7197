"""The packaged network that tells watermarks, overlaid text and drawings: its file, and its answer to one picture."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vitruvian.errors import WeightsError
from vitruvian.geometry import shrink
from vitruvian.model.marks import OUTPUTS, STRIDE, MarkNet
from vitruvian.types import Array

PACKAGED = Path(__file__).parent / "embedded" / "marks.safetensors"
FIRST = (1, 2, 4)  # dilations of files that do not tell theirs
LONGEST = 512  # px of the picture as the network sees it


@dataclass(frozen=True)
class Marks:
    """offsets: subtracted from the logits, so that 0.5 is where a line was drawn when it was trained; hash: of the file."""

    net: MarkNet
    offsets: tuple[float, ...]
    hash: str = ""

    @torch.inference_mode()
    def logits(self, pixels: Array) -> Tensor:
        """(H, W, 3) uint8 RGB -> (3,) of `OUTPUTS`, before the offsets."""
        first = next(self.net.parameters())
        small = shrink(pixels, LONGEST)
        beyond = [(0, max(0, STRIDE - side)) for side in small.shape[:2]]
        small = np.pad(small, (*beyond, (0, 0)), mode="edge")
        image = torch.from_numpy(np.ascontiguousarray(small)).to(first.device).permute(2, 0, 1)[None].float() / 255
        _, picture = self.net(image.contiguous(memory_format=torch.channels_last))
        said: Tensor = picture[0].cpu()
        return said

    def scores(self, pixels: Array) -> dict[str, float]:
        """0 to 1 by name."""
        values = torch.sigmoid(self.logits(pixels) - torch.tensor(self.offsets))
        return dict(zip(OUTPUTS, values.tolist(), strict=True))


def save_marks(path: Path, marks: Marks, provenance: dict[str, Any]) -> None:
    """Write it; convolutions as float16."""
    tensors = {name: value.contiguous() for name, value in marks.net.state_dict().items()}
    halves = {name: value.half() if value.dim() == 4 else value for name, value in tensors.items()}
    told = {
        "widths": marks.net.widths,
        "dilations": marks.net.dilations,
        "offsets": marks.offsets,
        "outputs": OUTPUTS,
        "licence": "Apache-2.0",
    } | provenance
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    save_file(halves, temporary, metadata={"vitruvian": json.dumps(told)})
    temporary.replace(path)


def load_marks(path: Path = PACKAGED) -> Marks:
    """Read it, strictly, ready to be asked.

    WeightsError for a file that is missing, damaged or another's.
    """
    marks = read_marks(path)
    return replace(marks, net=marks.net.fused())


def read_marks(path: Path) -> Marks:
    """The same as it was trained, to be trained on."""
    try:
        content = path.read_bytes()
        with safe_open(path, "pt") as file:
            told = json.loads((file.metadata() or {})["vitruvian"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  the file is no dict
        net = MarkNet(tuple(told["widths"]), tuple(told.get("dilations", FIRST)))
        offsets = tuple(float(value) for value in told["offsets"])
        net.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in tensors.items()})
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: no weights of marks, or damaged ({error!r}). Fix: install vitruvian again.") from error
    return Marks(net.eval(), offsets, hashlib.sha256(content).hexdigest())

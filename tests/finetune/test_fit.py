"""Each task learns eight people by heart: the whole way from labels over targets, losses and maps back to figures is right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_people import People
from small_model import HEADS, SPEC
from test_views import STILL

from vitruvian.device import choose_compute
from vitruvian.finetune.validate import Validation
from vitruvian.finetune.views import Labelled, Lessons
from vitruvian.model import Model
from vitruvian.tasks import task
from vitruvian.train import TrainConfig, train

# task -> its fields, and what its figures must reach: (at least, at most)
WANTED: dict[str, tuple[dict[str, Any], dict[str, tuple[float, float]]]] = {
    "pose": ({"skeleton": "coco17", "loss_kind": "cross_entropy"}, {"pose/pck": (1, 1), "pose/nme": (0, 0.015)}),
    "seg": ({"balance": 0.0}, {"seg/miou": (0.97, 1), "seg/foreground_iou": (0.98, 1)}),
    "depth": (
        {"l1_weight": 10.0},
        {"depth/rmse": (0, 0.01), "depth/order": (0.97, 1)},
    ),  # m; a flat guess is 0.047 off
    "normal": ({}, {"normal/mean": (0, 3)}),  # degrees
}


@pytest.mark.parametrize("name", sorted(WANTED))
def test_eight_people_are_learned_by_heart(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    fields, wanted = WANTED[name]
    spec = replace(SPEC, dim=64, mlp=128).with_heads(
        next(replace(head, upsample=(32, 16)) for head in HEADS if head.task == name)
    )
    labelled, one, model = Labelled((People(8),), ("drawn",)), task(name, **fields), Model(spec)  # type: ignore[arg-type]
    config = TrainConfig(
        tmp_path, steps=250, batch=8, lr=3e-3, weight_decay=0.0, warmup=10, dtype="fp32", device="cpu", progress=False,
        checkpoint_every=1000,
    )  # fmt: skip
    train(config, model, [one], Lessons(labelled, (one,), spec, STILL))
    figures = Validation(labelled, [one], spec, choose_compute("cpu", "fp32"))(model.eval(), 0)
    for figure, (low, high) in wanted.items():
        assert low <= figures[figure] <= high, figures

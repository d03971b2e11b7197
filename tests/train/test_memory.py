"""What a step takes is told before the first one, near enough to refuse what cannot fit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from vitruvian.device import Compute
from vitruvian.errors import UsageError
from vitruvian.model import SIZES, mae_head
from vitruvian.model.cost import operations, parameters
from vitruvian.train import memory
from vitruvian.train.memory import check_memory, estimate
from vitruvian.types import HeadSpec, ModelSpec

FP32 = Compute(torch.device("cpu"), torch.float32)
BF16 = Compute(torch.device("cpu"), torch.bfloat16)
POSE = ModelSpec(
    "wide", (256, 192), dim=256, depth=8, heads_attn=8, mlp=1024, heads=(HeadSpec("pose", (128,), (128,), 17, "coco17"),)
)
MAE = replace(POSE, size=(256, 256), heads=(mae_head(16, dim=256, depth=4, heads=8),))
MEASURED = """
import sys, torch
from dataclasses import replace
from vitruvian.machine import memory
from vitruvian.device import Compute
from vitruvian.model import build
from vitruvian.train.step import keep_freed_memory
sys.path.insert(0, "tests/train")
from test_memory import MAE, POSE
spec, batch = {"pose": POSE, "mae": MAE}[sys.argv[1]], int(sys.argv[2])
dtype, saving = getattr(torch, sys.argv[3]), sys.argv[4] == "1"
torch.set_num_threads(1)
model = build(spec).train()
model.backbone.checkpointing = saving
optimizer = torch.optim.AdamW(model.parameters(), fused=True)
def step(count):
    with Compute(torch.device("cpu"), dtype).autocast():
        out = model(torch.randn(count, 3, *spec.size))
    out = out["pose"] if "pose" in out else out["mae"]["pred"]
    out.float().square().mean().backward()
    optimizer.step()
step(1)
before = memory("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
step(batch)
print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the process's peak memory is read from /proc")
@pytest.mark.parametrize(("name", "dtype", "saving"), [("pose", "float32", 0), ("pose", "bfloat16", 1), ("mae", "float32", 0)])
def test_activations_are_near_the_measured_ones(name: str, dtype: str, saving: int) -> None:
    command = [sys.executable, "-c", MEASURED, name, "24", dtype, str(saving)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    compute = FP32 if dtype == "float32" else BF16
    expected = estimate({"pose": POSE, "mae": MAE}[name], compute, 24, checkpointing=bool(saving)).activations
    assert 0.5 < expected / int(ran.stdout) < 2, (expected / 2**20, int(ran.stdout) / 2**20)


def test_state_is_shared_out_and_checkpointing_saves() -> None:
    whole, half = (estimate(POSE, FP32, 8, ranks) for ranks in (1, 2))
    assert whole.state == 16 * parameters(POSE) and half.state == whole.state // 2
    assert half.activations == whole.activations // 2
    assert estimate(POSE, FP32, 8, checkpointing=True).activations < whole.activations / 2
    assert estimate(POSE, FP32, 8, ema=True).state == 20 * parameters(POSE)


def test_what_cannot_fit_is_refused_with_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    arch = SIZES["0.3b"]
    heads = (HeadSpec("pose", (768, 768), (768, 768), 308, "sapiens308"),)
    spec = ModelSpec(
        "large", (1024, 768), dim=arch.dim, depth=arch.depth, heads_attn=arch.heads_attn, mlp=arch.mlp, heads=heads
    )
    monkeypatch.setattr(memory, "free_memory", lambda _: 24 * 2**30)
    assert check_memory(spec, BF16, 2, 1, False, True).total < 24 * 2**30
    with pytest.raises(
        UsageError, match=r"a step of 64 examples on 1 rank needs about .* of activations\), and 24\.0 GiB are free"
    ):
        check_memory(spec, BF16, 64, 1, False, False)
    with pytest.raises(UsageError, match=r"Fix: a batch of \d would fit; accumulate the rest"):
        check_memory(spec, BF16, 64, 1, False, False)
    monkeypatch.setattr(memory, "free_memory", lambda _: 8 * 2**30)
    with pytest.raises(UsageError, match=r"a batch of \d+ with checkpointing would fit"):
        check_memory(spec, BF16, 16, 1, False, False)
    monkeypatch.setattr(memory, "free_memory", lambda _: 2 * 2**30)
    with pytest.raises(UsageError, match=r"Fix: \d+ ranks or more"):
        check_memory(spec, BF16, 2, 1, False, False)


def test_operations_of_pretraining_are_those_of_what_is_seen() -> None:
    sparse = replace(MAE, heads=(mae_head(16, dim=256, depth=4, heads=8, mask_ratio=0.95),))
    saved = operations(MAE) - operations(sparse)
    trunk = operations(replace(POSE, size=MAE.size, heads=()))  # of all 256 patches; 64 and 12 of them are seen
    assert 0.8 < saved / (trunk * (64 - 12) / 256) < 1.05, "linear layers alone are linear in what is seen"

"""The fast official head gives what the official head gives."""

from __future__ import annotations

import pytest
import torch

from vitruvian.model import fast
from vitruvian.model.heads import DeconvHead
from vitruvian.types import HeadSpec


@pytest.mark.parametrize(
    ("up", "conv", "size"),
    [
        ((24, 20), (16,), (7, 5)),
        ((12, 12, 8), (8, 8), (6, 4)),
        ((8, 8, 8, 8), (8,), (2, 3)),
        ((8,), (), (3, 4)),
        ((8,), (8,), (1, 1)),
    ],
)
def test_equal_to_the_official_head(
    monkeypatch: pytest.MonkeyPatch, up: tuple[int, ...], conv: tuple[int, ...], size: tuple[int, int]
) -> None:
    monkeypatch.setattr(fast, "WINDOWS_AT_ONCE", 11)
    monkeypatch.setattr(fast, "ROWS_AT_ONCE", 7)
    torch.manual_seed(0)
    head = DeconvHead(20, HeadSpec("pose", up, conv, 5)).eval()
    features = torch.randn(2, 20, *size) + 0.3
    with torch.inference_mode():
        official, ours = head(features), fast.FastDeconvHead(head)(features)
    assert ours.shape == official.shape
    assert float((ours - official).abs().max()) <= 1e-5 * float(official.abs().max())


def test_channels_far_from_zero_keep_their_digits() -> None:
    """Sums of squares of values near 1000 would lose a variance of 1."""
    torch.manual_seed(0)
    phases = list((torch.randn(4, 500, 3) + torch.tensor([1000.0, -50.0, 0.0])).unbind())
    whole = torch.cat(phases).double()
    fast.norm_silu_(phases)
    expected = torch.nn.functional.silu((whole - whole.mean(0)) / (whole.var(0, correction=0) + fast.EPS).sqrt())
    torch.testing.assert_close(torch.cat(phases).double(), expected, atol=1e-3, rtol=1e-3)


def test_bfloat16_stays_near() -> None:
    torch.manual_seed(0)
    head = DeconvHead(32, HeadSpec("seg", (32, 32), (32,), 8)).eval()
    features = torch.randn(1, 32, 6, 6)
    with torch.inference_mode():
        official = head(features)
        ours = fast.FastDeconvHead(head).bfloat16()(features.bfloat16()).float()
    assert float((ours - official).norm() / official.norm()) < 0.05

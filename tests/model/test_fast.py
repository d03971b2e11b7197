"""The fast official head gives what the official head gives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

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
    monkeypatch.setattr(fast, "PAIRS_AT_ONCE", 11)
    monkeypatch.setattr(fast, "ROWS_AT_ONCE", 7)
    torch.manual_seed(0)
    head = DeconvHead(20, HeadSpec("pose", up, conv, 5)).eval()
    features = torch.randn(2, 20, *size) + 0.3
    with torch.inference_mode():
        official, ours = head(features), fast.FastDeconvHead(head)(features)
    assert ours.shape == official.shape
    assert float((ours - official).abs().max()) <= 1e-5 * float(official.abs().max())


def test_biases_before_a_norm_change_nothing() -> None:
    torch.manual_seed(0)
    head = DeconvHead(8, HeadSpec("pose", (8,), (8,), 5)).eval()
    features = torch.randn(1, 8, 4, 3)
    with torch.inference_mode():
        before = fast.FastDeconvHead(head)(features)
        head.conv[0].bias.add_(3)  # type: ignore[operator]
        torch.testing.assert_close(fast.FastDeconvHead(head)(features), before)
        torch.testing.assert_close(head(features), before, atol=1e-5, rtol=1e-4)


def _far_from_zero(dtype: torch.dtype) -> torch.Tensor:
    torch.manual_seed(0)
    return (torch.randn(2000, 3) * torch.tensor([1.0, 1.0, 1e-3]) + torch.tensor([1000.0, -50.0, 0.0])).to(dtype)


@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-3), (torch.bfloat16, 2e-2)])
def test_channels_far_from_zero_keep_their_digits(dtype: torch.dtype, near: float) -> None:
    """Sums of squares of values near 1000 would lose a variance of 1."""
    rows = _far_from_zero(dtype)
    whole = rows.double()
    expected = F.silu((whole - whole.mean(0)) / (whole.var(0, correction=0) + fast.EPS).sqrt())
    weight = torch.eye(3, 2, dtype=dtype)
    torch.testing.assert_close(fast.silu_normed_times(rows, weight).double(), expected[:, :2], atol=near, rtol=near)
    torch.testing.assert_close(fast.silu_normed_(rows).double(), expected, atol=near, rtol=near)


def test_bfloat16_stays_near() -> None:
    torch.manual_seed(0)
    head = DeconvHead(32, HeadSpec("seg", (32, 32), (32,), 8)).eval()
    features = torch.randn(1, 32, 6, 6)
    with torch.inference_mode():
        official = head(features)
        ours = fast.FastDeconvHead(head).bfloat16()(features.bfloat16()).float()
    assert float((ours - official).norm() / official.norm()) < 0.05


def test_a_head_of_another_build_is_refused() -> None:
    with pytest.raises(ValueError, match="transposed convolutions"):
        fast.FastDeconvHead(DeconvHead(8, HeadSpec("pose", (), (8,), 5)))

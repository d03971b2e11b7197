"""A small convolutional network that says of every place of a picture what is on it, and of the picture what it is.

Three logits: of see-through marks, of solid words, of being drawn. Small enough for every image of the web.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.nn.utils.fusion import fuse_conv_bn_eval

OUTPUTS = ("watermark", "text", "artistic")
LOCAL = 2  # of the outputs, the first ones are of places; the others are of the whole picture
STRIDE = 16  # px between places
DECIDE = 4  # places that look most like a mark decide for the picture: a small one in a corner covers no more


class MarkNet(nn.Module):
    """(B, 3, H, W) 0 to 1, sides of 16 px or more -> logits of places (B, 3, H / 16, W / 16), rounded up, and of pictures
    (B, 3): what the places say that look most like a mark, corrected by what is seen anywhere and on the whole."""

    def __init__(
        self, widths: tuple[int, int, int, int] = (24, 48, 96, 128), dilations: tuple[int, ...] = (1, 2, 4, 6, 3, 1)
    ) -> None:
        super().__init__()
        a, b, c, d = widths
        self.widths, self.dilations = widths, dilations
        self.body = nn.Sequential(
            _Layer(3, a, 2), _Layer(a, b, 2), _Residual(b), _Layer(b, c, 2), _Residual(c), _Residual(c, 2), _Layer(c, d, 2),
            *(_Residual(d, dilation) for dilation in dilations),
        )  # fmt: skip
        self.last = nn.Conv2d(d, len(OUTPUTS), 1)
        final = nn.Linear(d, len(OUTPUTS))
        nn.init.zeros_(final.weight)
        nn.init.zeros_(final.bias)
        self.whole = nn.Sequential(nn.Linear(2 * d, d), nn.GELU(), final)  # a ReLU died here

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of every place, and of the picture."""
        features = self.body(pixels * 4 - 2)
        places: Tensor = self.last(features)
        seen = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        return places, self._pooled(places) + self.whole(seen)

    def _pooled(self, places: Tensor) -> Tensor:
        """(B, 3, h, w) logits of places -> (B, 3) of pictures: the mean of the highest few, or of all."""
        flat = places.flatten(2)
        highest = flat[:, :LOCAL].topk(min(flat.shape[2], DECIDE), dim=2).values.mean(2)
        return torch.cat([highest, flat[:, LOCAL:].mean(2)], 1)

    def fused(self) -> MarkNet:
        """Ready to be asked: every normalisation goes into the convolution before it, one pass over the pixels less."""
        self.eval()
        for layer in self.modules():
            if isinstance(layer, _Layer):
                layer.fuse()
        return self


class _Layer(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def fuse(self) -> None:
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.norm(self.conv(x)))


class _Residual(nn.Module):
    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.layer = _Layer(width, width, 1, dilation)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layer(x)
        return out

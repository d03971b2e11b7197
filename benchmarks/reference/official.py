"""Sapiens v1 as officially run: fp32, eager, one image at a time, post-processing on the CPU through NumPy and OpenCV.

FROZEN. Speed figures are ratios to this file, so it is never optimised; tests/parity/test_reference.py holds it to the official
outputs. It shares no code with the package. Module names are the official keys: `load_state_dict` takes official files.
Flip test off. Images are BGR uint8 (H, W, 3) as from cv2.imread; sizes are (H, W); boxes x0, y0, x1, y1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Array = npt.NDArray[np.generic]
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # RGB
ARCHITECTURES = {"0.3b": (1024, 24, 16), "0.6b": (1280, 32, 16), "1b": (1536, 40, 24), "2b": (1920, 48, 32)}  # C, layers, heads
PADDING = {"pose": 2, "normal": 2, "seg": 0, "depth": 0}
HEADS = {  # deconvolution and 1x1 widths
    "pose": ((768, 768), (768, 768)),
    "seg": ((768,) * 3, (768,) * 3),
    "depth": ((384,) * 4, (384, 384)),
    "normal": ((768,) * 3, (768,) * 3),
}


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, count, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, count, dim))


class FeedForward(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Sequential(nn.Linear(dim, hidden), nn.GELU()), nn.Linear(hidden, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Layer(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn, self.ffn = Attention(dim, heads), FeedForward(dim, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln1(x))
        return x + self.ffn(self.ln2(x))


class PatchEmbed(nn.Module):
    def __init__(self, dim: int, padding: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, dim, 16, 16, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.projection(x)


class Backbone(nn.Module):
    """Task form: no class token; positions of its own grid, which is that of every input here."""

    def __init__(self, dim: int, layers: int, heads: int, hidden: int, size: tuple[int, int], padding: int) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(dim, padding)
        self.pos_embed = nn.Parameter(torch.zeros(1, (size[0] // 16) * (size[1] // 16), dim))
        self.layers = nn.ModuleList(Layer(dim, heads, hidden) for _ in range(layers))
        self.ln1 = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        grid = self.patch_embed(x)
        x = grid.flatten(2).transpose(1, 2) + self.pos_embed
        for layer in self.layers:
            x = layer(x)
        return self.ln1(x).transpose(1, 2).reshape(grid.shape)


def _stages(widths: Sequence[int], deconvolution: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        conv = nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False) if deconvolution else nn.Conv2d(before, after, 1)
        layers += [conv, nn.InstanceNorm2d(after), nn.SiLU()]
    return nn.Sequential(*layers)


class Head(nn.Module):
    def __init__(self, dim: int, up: Sequence[int], conv: Sequence[int], out: int, last: str) -> None:
        super().__init__()
        self.deconv_layers = _stages((dim, *up), True)
        self.conv_layers = _stages(((dim, *up)[-1], *conv), False)
        self.last = last
        self.add_module(last, nn.Conv2d(((dim, *up)[-1], *conv)[-1], out, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.get_submodule(self.last)(self.conv_layers(self.deconv_layers(x)))


class Sapiens(nn.Module):
    """One official task model; `architecture` is (C, layers, attention heads[, feed-forward width])."""

    def __init__(
        self,
        task: str,
        out: int,
        architecture: tuple[int, ...],
        size: tuple[int, int] = (1024, 768),
        widths: tuple[Sequence[int], Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        dim, layers, heads = architecture[:3]
        hidden = architecture[3] if len(architecture) > 3 else 4 * dim
        self.task, self.size = task, size
        self.backbone = Backbone(dim, layers, heads, hidden, size, PADDING[task])
        last = "final_layer" if task == "pose" else "conv_seg"
        self.add_module("head" if task == "pose" else "decode_head", Head(dim, *(widths or HEADS[task]), out, last))

    def forward(self, x: Tensor) -> Tensor:
        return self.get_submodule("head" if self.task == "pose" else "decode_head")(self.backbone(x))


def normalised(image: Array) -> Tensor:
    """BGR uint8 (H, W, 3) -> (1, 3, H, W) RGB, normalised."""
    pixels = torch.from_numpy(image.transpose(2, 0, 1).copy())[[2, 1, 0]].float()
    return ((pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))[None]


@torch.no_grad()
def predict(model: Sapiens, image: Array, box: Sequence[float] | None = None) -> dict[str, Array]:
    """{"keypoints", "scores"} of `box` (of the whole image where None), or {task: a map of the image's size}."""
    if model.task == "pose":
        return predict_pose(model, image, box)
    height, width = model.size
    output = model(normalised(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)))
    return {model.task: dense(model.task, output, model.size, image.shape[:2])}


def dense(task: str, output: Tensor, size: tuple[int, int], source: tuple[int, int]) -> Array:
    """Head output (1, C, h, w) -> a map of the image: class ids uint8, depth float32 or unit normals float32 (H, W, 3)."""
    if task == "seg":
        output = F.interpolate(output, size, mode="bilinear", align_corners=False)
    output = F.interpolate(output, source, mode="bilinear", align_corners=False)[0]
    if task == "seg":
        return output.argmax(0).numpy().astype(np.uint8)
    if task == "depth":
        return output[0].numpy()
    normals = output.permute(1, 2, 0).numpy()
    return normals / (np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-5)


def predict_pose(model: Sapiens, image: Array, box: Sequence[float] | None) -> dict[str, Array]:
    height, width = image.shape[:2]
    center, scale = box_to_center_scale(box or (0, 0, width, height), model.size)
    matrix = udp_matrix(center, scale, model.size)
    crop = cv2.warpAffine(image, matrix, model.size[::-1], flags=cv2.INTER_LINEAR)
    points, scores = decode(model(normalised(crop))[0].numpy(), model.size)
    return {"keypoints": points / model.size[::-1] * scale + center - scale / 2, "scores": scores}


def box_to_center_scale(box: Sequence[float], size: tuple[int, int]) -> tuple[Array, Array]:
    """Centre, and size times 1.25 with the shorter side widened to the input's aspect."""
    x0, y0, x1, y1 = box
    width, height = (x1 - x0) * 1.25, (y1 - y0) * 1.25
    aspect = size[1] / size[0]
    scale = (width, width / aspect) if width > height * aspect else (height * aspect, height)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2]), np.array(scale)


def udp_matrix(center: Array, scale: Array, size: tuple[int, int]) -> Array:
    """(2, 3) image -> input pixels, unrotated."""
    gain = (np.array(size[::-1]) - 1) / scale
    return np.array([[gain[0], 0, gain[0] * (scale[0] / 2 - center[0])], [0, gain[1], gain[1] * (scale[1] / 2 - center[1])]])


def decode(heatmaps: Array, size: tuple[int, int]) -> tuple[Array, Array]:
    """(K, h, w) -> points (K, 2) in input pixels and scores (K,): the peak and one Newton step on the blurred logarithm."""
    count, rows, cols = heatmaps.shape
    flat = heatmaps.reshape(count, -1)
    scores = flat.max(1)
    peaks = np.stack(np.unravel_index(flat.argmax(1), (rows, cols))[::-1], 1).astype(np.float64)
    peaks[scores <= 0] = -1
    blurred = np.log(np.clip(blur(heatmaps), 1e-3, 50))
    around = np.pad(blurred, ((0, 0), (1, 1), (1, 1)), mode="edge")
    for number, (x, y) in enumerate(peaks.astype(int)):
        if scores[number] > 0:
            peaks[number] -= newton_step(around[number, y : y + 3, x : x + 3])
    return peaks / (cols - 1, rows - 1) * size[::-1], scores


def blur(heatmaps: Array, kernel: int = 11) -> Array:
    """Every map blurred over zeros beyond its border, and rescaled to its former maximum."""
    border, out = kernel // 2, np.empty_like(heatmaps)
    for number, heatmap in enumerate(heatmaps):
        padded = np.pad(heatmap, border)
        smooth = cv2.GaussianBlur(padded, (kernel, kernel), 0)[border:-border, border:-border]
        out[number] = smooth * (heatmap.max() / max(smooth.max(), 1e-12))
    return out


def newton_step(v: Array) -> Array:
    """(3, 3) values -> what to take from the peak (x, y)."""
    gradient = np.array([(v[1, 2] - v[1, 0]) / 2, (v[2, 1] - v[0, 1]) / 2])
    mixed = (v[2, 2] - v[1, 2] - v[2, 1] + 2 * v[1, 1] - v[1, 0] - v[0, 1] + v[0, 0]) / 2
    hessian = np.array([[v[1, 2] - 2 * v[1, 1] + v[1, 0], mixed], [mixed, v[2, 1] - 2 * v[1, 1] + v[0, 1]]])
    return np.linalg.solve(hessian + np.finfo(np.float32).eps * np.eye(2), gradient)

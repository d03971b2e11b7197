"""Masked autoencoder pretraining (arXiv 2111.06377, as in Sapiens v1): a quarter of the patches is seen, the rest guessed."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from vitruvian.errors import UsageError
from vitruvian.model.vit import NORM_EPS, Block, ViT
from vitruvian.types import HeadSpec, ModelSpec

MAE_OPTIONS = {"dim": 512, "depth": 8, "heads": 16, "mlp_ratio": 4, "mask_ratio": 0.75}


def mae_head(patch: int = 16, **options: float) -> HeadSpec:
    """The head of a pretraining spec; `options` override the official decoder (MAE_OPTIONS)."""
    unknown = options.keys() - MAE_OPTIONS.keys()
    if unknown:
        raise UsageError(f"unknown MAE option {', '.join(sorted(unknown))}. Allowed: {', '.join(MAE_OPTIONS)}.")
    return HeadSpec("mae", upsample=(), out=3 * patch * patch, kind="mae", options={**MAE_OPTIONS, **options})


def sincos_table(grid: tuple[int, int], dim: int, class_token: bool = False) -> Tensor:
    """(1, [1 +] rows * cols, dim) fixed positions, row-major; a token at (r, c) is [sin rw, cos rw, sin cw, cos cw].

    Row first, unlike the original MAE code; w_i = 10000^(-i / (dim / 4)). The class row is zeros.
    """
    if dim % 4:
        raise UsageError(f"a sin-cos position table needs a width that is a multiple of 4, not {dim}")
    frequency = 10000.0 ** (-torch.arange(dim // 4, dtype=torch.float64) / (dim / 4))
    row, col = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in grid), indexing="ij")
    angles = [axis.reshape(-1, 1) * frequency for axis in (row, col)]
    table = torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], 1).float()
    return torch.cat([torch.zeros(int(class_token), dim), table])[None]


def patchify(image: Tensor, patch: int) -> Tensor:
    """(B, 3, H, W) -> (B, rows * cols, patch * patch * 3), each vector ordered (row, column, channel)."""
    batch, channels, height, width = image.shape
    grid = image.reshape(batch, channels, height // patch, patch, width // patch, patch)
    return grid.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, patch * patch * channels)


def random_mask(noise: Tensor, ratio: float) -> tuple[Tensor, Tensor, Tensor]:
    """Noise (B, N) -> kept indices (B, n), smallest first; indices that restore the order (B, N); mask (B, N), 1 = removed."""
    keep = int(noise.shape[1] * (1 - ratio))
    shuffle = noise.argsort(dim=1)
    restore = shuffle.argsort(dim=1)
    return shuffle[:, :keep], restore, (restore >= keep).float()


class MaeDecoder(nn.Module):
    """A small transformer that sees the kept tokens and a learned token in every gap, and guesses pixels."""

    def __init__(self, spec: ModelSpec, head: HeadSpec) -> None:
        super().__init__()
        options = {**MAE_OPTIONS, **head.options}
        dim = int(options["dim"])
        self.embed = nn.Linear(spec.dim, dim)
        self.mask_token = nn.Parameter(torch.empty(1, 1, dim))
        self.position = nn.Parameter(sincos_table(spec.grid, dim, spec.class_token), requires_grad=False)
        heads, hidden = int(options["heads"]), int(dim * options["mlp_ratio"])
        self.blocks = nn.ModuleList(Block(dim, heads, hidden) for _ in range(int(options["depth"])))
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.pred = nn.Linear(dim, head.out)

    def forward(self, latent: Tensor, restore: Tensor) -> Tensor:
        """Encoded tokens (B, [1 +] n, C) and the restoring order (B, N) -> pixels of every patch (B, N, out)."""
        tokens = self.embed(latent)
        front = self.position.shape[1] - restore.shape[1]
        gaps = self.mask_token.to(tokens.dtype).expand(len(tokens), restore.shape[1] + front - tokens.shape[1], -1)
        patches = torch.cat([tokens[:, front:], gaps], 1)
        patches = patches.gather(1, restore[..., None].expand(-1, -1, patches.shape[2]))
        tokens = torch.cat([tokens[:, :front], patches], 1) + self.position
        for block in self.blocks:
            tokens = block(tokens)
        return cast(Tensor, self.pred(self.norm(tokens))[:, front:])


class MaskedAutoencoder(nn.Module):
    """Encoder and decoder of one pretraining spec. `backbone` has the keys of a task model's backbone."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        if len(spec.heads) != 1 or spec.heads[0].kind != "mae":
            raise UsageError(f"{spec.name}: pretraining needs exactly one head, of kind 'mae' (see mae_head)")
        if spec.stem != "patch" or spec.padding:
            raise UsageError(f"{spec.name}: pretraining needs stem 'patch' and padding 0; others let hidden pixels through")
        self.spec = spec
        self.mask_ratio = float({**MAE_OPTIONS, **spec.heads[0].options}["mask_ratio"])
        self.backbone = ViT(spec)
        self.decoder = MaeDecoder(spec, spec.heads[0])
        self.backbone.position = nn.Parameter(sincos_table(spec.grid, spec.dim, spec.class_token), requires_grad=False)
        self.apply(_initialise)
        _initialise_tokens(self)

    def forward(self, image: Tensor, noise: Tensor | None = None) -> dict[str, dict[str, Tensor]]:
        """(B, 3, H, W) normalised -> {"mae": {pred (B, N, out), mask (B, N) 1 = removed, patches (B, N, out)}}.

        noise (B, N) decides what is kept (the smallest); drawn at random where absent. The size must be the spec's.
        """
        if tuple(image.shape[-2:]) != self.spec.size:
            raise UsageError(f"pretraining {self.spec.name} takes images of {self.spec.size}, not {tuple(image.shape[-2:])}")
        latent, restore, mask = self.encode(image, noise)
        pred = self.decoder(latent, restore)
        return {"mae": {"pred": pred, "mask": mask, "patches": patchify(image, self.spec.patch)}}

    def encode(self, image: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Encoded kept tokens (B, [1 +] n, C), restoring order (B, N), mask (B, N)."""
        tokens, _ = self.backbone.embed(image)
        front = int(self.backbone.class_token is not None)
        if noise is None:
            noise = torch.rand(len(tokens), tokens.shape[1] - front, device=tokens.device)
        keep, restore, mask = random_mask(noise, self.mask_ratio)
        kept = tokens[:, front:].gather(1, keep[..., None].expand(-1, -1, tokens.shape[2]))
        return self.backbone.encode(torch.cat([tokens[:, :front], kept], 1)), restore, mask


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def _initialise_tokens(model: MaskedAutoencoder) -> None:
    nn.init.xavier_uniform_(model.backbone.patch.weight.view(model.spec.dim, -1))
    if model.backbone.class_token is not None:
        nn.init.normal_(model.backbone.class_token, std=0.02)
    nn.init.normal_(model.decoder.mask_token, std=0.02)

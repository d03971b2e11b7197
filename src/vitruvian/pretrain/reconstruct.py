"""The verb `reconstruct`: what a masked autoencoder makes of photos of which it sees a part, as one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from vitruvian import weights
from vitruvian.checks import above
from vitruvian.device import Compute, choose_compute
from vitruvian.errors import InputError, UsageError, WeightsError
from vitruvian.model import MaskedAutoencoder
from vitruvian.predict.images import read_photo
from vitruvian.predict.outputs import Outputs
from vitruvian.predict.sources import find_sources
from vitruvian.pretrain.examples import middle_square
from vitruvian.pretrain.network import trained
from vitruvian.pretrain.sheet import HIDDEN, Row, sheet
from vitruvian.tasks.mae import Mae
from vitruvian.train.run import last_step
from vitruvian.types import Array


@dataclass(frozen=True)
class Guess:
    """Of one photo at one ratio: what was seen and what was made of it, (H, W, 3) uint8, and the loss as in training."""

    seen: Array
    made: Array
    loss: float


def run(
    model: str,
    photos: Sequence[str],
    out: Path,
    ratios: Sequence[float] = (0.5, 0.75, 0.95),
    seed: int = 0,
    device: str = "auto",
    dtype: str = "auto",
    overwrite: bool = False,
) -> int:
    """Write the picture. Returns 0, or 1 if a photo could not be used.

    UsageError for wrong ratios or a file that is no .png, WeightsError for a model without a decoder.
    """
    if not ratios or not all(above(ratio, 0) and ratio < 1 for ratio in ratios):
        raise UsageError(f"--ratios {' '.join(map(str, ratios))}. Allowed: numbers above 0 and below 1.")
    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out}. Allowed: a file that ends in .png.")
    found, problems = find_sources(photos, out)
    sources = [source for source in found if source.path.resolve() != out.resolve()]
    autoencoder, name = _open(model)
    compute = choose_compute(device, dtype)
    autoencoder.to(compute.device)
    outputs, rows = Outputs(overwrite), list[Row]()
    for problem in problems:
        outputs.fail(problem.message)
    print(f"{name} on {compute}")
    for source in sources:
        with outputs.attempt(str(source.path)):
            image = middle_square(read_photo(source.path).pixels, autoencoder.spec.size[0])
            guesses = guess(autoencoder, image, ratios, seed, compute)
            rows.append(Row(source.name, image, [(g.seen, g.made) for g in guesses]))
            losses = "  ".join(f"{ratio:.0%} {g.loss:.3f}" for ratio, g in zip(ratios, guesses, strict=True))
            print(f"{source.path}: loss where hidden  {losses}", flush=True)
    if not rows:
        raise InputError("no photo could be used, so no picture was made. Fix: see the lines above.")
    with outputs.attempt(str(out)):
        outputs.write(out.parent, {out.name: _png(sheet(rows, ratios, name))}, str(out))
    return outputs.end(told=f"{len(rows)} {'photo' if len(rows) == 1 else 'photos'} -> {out}")


def _open(model: str) -> tuple[MaskedAutoencoder, str]:
    """The model of a run's folder or of weights, and a line that says which."""
    if Path(model).is_dir():
        autoencoder, _ = trained(Path(model))
        return autoencoder, f"{autoencoder.spec.name} after {last_step(Path(model)):,} steps"
    loaded = weights.load(model)
    if not isinstance(loaded.model, MaskedAutoencoder):
        what = "an encoder without its decoder" if loaded.card.is_encoder else "no masked autoencoder"
        raise WeightsError(f"{model} is {what}: it guesses no pixels. Allowed: the folder of a run, or weights with a decoder.")
    return loaded.model, f"{loaded.card.spec.name} ({loaded.hash[:8]})"


@torch.inference_mode()
def guess(model: MaskedAutoencoder, image: Array, ratios: Sequence[float], seed: int, compute: Compute) -> list[Guess]:
    """One guess a ratio for a picture (H, W, 3) uint8 of the model's size. What is hidden at one is hidden at larger ones.

    The model guesses patches with mean and deviation taken out: those of the true patch are put back, as the picture says.
    """
    mean, std = (torch.tensor(v, device=compute.device).view(3, 1, 1) for v in (model.spec.mean, model.spec.std))
    pixels = (torch.from_numpy(image.copy()).to(compute.device).permute(2, 0, 1).float() - mean) / std
    rows, columns = model.spec.grid
    noise = torch.rand(1, rows * columns, generator=torch.Generator().manual_seed(seed)).to(compute.device)
    before, out = model.mask_ratio, list[Guess]()
    try:
        for ratio in ratios:
            model.mask_ratio = _usable(ratio, rows * columns)
            with compute.autocast():
                found = {name: value.float() for name, value in model(pixels[None], noise)["mae"].items()}
            loss = float(Mae().loss(found, {})["mae"])
            patches, hidden = found["patches"], found["mask"][..., None] > 0
            made = torch.where(hidden, with_own_statistics(found["pred"], patches), patches)
            seen = _picture(patches, (rows, columns), mean, std)
            seen[_spread(hidden[0, :, 0], (rows, columns), model.spec.patch)] = HIDDEN
            out.append(Guess(seen, _picture(made, (rows, columns), mean, std), loss))
    finally:
        model.mask_ratio = before
    return out


def with_own_statistics(pred: Tensor, patches: Tensor) -> Tensor:
    """Guesses (B, N, P) without mean and deviation -> pixels, with those of the true patches (B, N, P): the inverse of
    `tasks.mae.normalise_patches`."""
    return pred * (patches.var(-1, keepdim=True) + 1e-6).sqrt() + patches.mean(-1, keepdim=True)


def unpatchify(patches: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, rows * cols, patch * patch * 3) -> (B, 3, H, W): the inverse of `model.mae.patchify`."""
    side = round((patches.shape[-1] // 3) ** 0.5)
    cells = patches.reshape(len(patches), *grid, side, side, 3).permute(0, 5, 1, 3, 2, 4)
    return cells.reshape(len(patches), 3, grid[0] * side, grid[1] * side)


def _usable(ratio: float, count: int) -> float:
    """At least one patch is seen, and at least one hidden."""
    kept = int(count * (1 - ratio))
    if not 0 < kept < count:
        raise UsageError(f"--ratios {ratio} hides {count - kept} of {count} patches. Allowed: some seen, some hidden.")
    return ratio


def _picture(patches: Tensor, grid: tuple[int, int], mean: Tensor, std: Tensor) -> Array:
    pixels = unpatchify(patches, grid)[0] * std + mean
    image: Array = pixels.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return image


def _spread(hidden: Tensor, grid: tuple[int, int], patch: int) -> Array:
    """(N,) bool of patches -> (H, W) bool of pixels."""
    cells = hidden.reshape(grid).repeat_interleave(patch, 0).repeat_interleave(patch, 1)
    out: Array = cells.cpu().numpy()
    return out


def _png(image: Image.Image) -> bytes:
    with io.BytesIO() as file:
        image.save(file, "PNG", optimize=True)
        return file.getvalue()

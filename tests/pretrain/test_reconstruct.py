from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_photos import made_photo
from PIL import Image

from vitruvian import weights
from vitruvian.cli import main
from vitruvian.device import choose_compute
from vitruvian.model import build
from vitruvian.pretrain.network import autoencoder_spec
from vitruvian.pretrain.recipe import TINY
from vitruvian.pretrain.reconstruct import guess
from vitruvian.pretrain.sheet import HIDDEN

SPEC = autoencoder_spec("small", TINY, 64, {"dim": 16, "depth": 1, "heads": 2})
COMPUTE = choose_compute("cpu", "fp32")


@pytest.fixture
def drawn(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(model: Any, *words: Any) -> tuple[int, str, str]:
        code = main(["reconstruct", *map(str, [model, *words, "--out", tmp_path / "sheet.png", "--device", "cpu"])])
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


def picture() -> Any:
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def test_seen_patches_are_the_photos_and_hidden_ones_are_not_shown() -> None:
    torch.manual_seed(0)
    model, image = build(SPEC).eval(), picture()
    found = guess(model, image, (0.25, 0.75), 0, COMPUTE)
    hidden = [(one.seen == HIDDEN).all(-1) for one in found]
    assert [int(one.sum()) for one in hidden] == [4 * 256, 12 * 256]
    assert (hidden[1] | ~hidden[0]).all()  # what is hidden at one ratio is hidden at larger ones
    for one, mask in zip(found, hidden, strict=True):
        assert np.array_equal(one.seen[~mask], image[~mask]) and np.array_equal(one.made[~mask], image[~mask])
        assert not np.array_equal(one.made[mask], image[mask]) and one.loss > 0
    assert model.mask_ratio == 0.75


def test_a_perfect_guess_gives_the_photo_back() -> None:
    model, image = build(SPEC).eval(), picture()

    class Perfect(torch.nn.Module):
        spec, mask_ratio = SPEC, 0.5

        def forward(self, pixels: Any, noise: Any) -> Any:
            from vitruvian.tasks.mae import normalise_patches

            out = model(pixels, noise)["mae"]
            return {"mae": {**out, "pred": normalise_patches(out["patches"])}}

    (one,) = guess(Perfect(), image, (0.75,), 0, COMPUTE)  # type: ignore[arg-type]
    assert np.array_equal(one.made, image) and one.loss == pytest.approx(0)


def test_the_picture_of_a_run(pretrain: Callable[..., Any], drawn: Callable[..., Any], photos: Path, tmp_path: Path) -> None:
    assert pretrain("--steps", 2, "--resolution", 64)[0] == 0
    code, told, _ = drawn(tmp_path / "run", photos / "sub0", "--ratios", 0.5, 0.75)
    assert code == 0 and "pretrain-tiny after 2 steps on cpu" in told and "loss where hidden  50%" in told
    assert "5 photos ->" in told
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 5 * 224 and sheet.height > 5 * 224
        colours = np.asarray(sheet.convert("RGB")).reshape(-1, 3)
    assert (colours == HIDDEN).all(1).mean() > 0.1
    code, _, error = drawn(tmp_path / "run", photos / "sub0", "--ratios", 0.5)
    assert code == 1 and "already there. Fix: --overwrite" in error


def test_what_cannot_be_drawn(drawn: Callable[..., Any], photos: Path, tmp_path: Path) -> None:
    model = build(SPEC)
    weights.save(tmp_path / "mae.safetensors", model, provenance={})
    made_photo(tmp_path / "mixed" / "a.png", 1)
    (tmp_path / "mixed" / "b.png").write_bytes(b"x")
    code, told, error = drawn(tmp_path / "mae.safetensors", tmp_path / "mixed", "--ratios", 0.5)
    assert code == 1 and "b.png" in error and "1 photo ->" in told and (tmp_path / "sheet.png").is_file()
    code, _, error = drawn("vitruvian-s", photos)
    assert code == 1 and "no masked autoencoder" in error
    assert drawn(tmp_path / "mae.safetensors", photos, "--ratios", 1.5)[0] == 2
    code, _, error = drawn(tmp_path / "mae.safetensors", photos, "--ratios", 0.99)
    assert code == 2 and "hides 16 of 16 patches" in error
    code, _, error = drawn(photos, photos)
    assert code == 1 and "no run of `vitruvian pretrain`" in error
    assert drawn(tmp_path / "mae.safetensors", tmp_path / "gone.png", "--ratios", 0.5)[0] == 1

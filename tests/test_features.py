from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vitruvian import weights
from vitruvian.cli import main
from vitruvian.errors import InputError
from vitruvian.features import to_photo, whole_crop
from vitruvian.model import build
from vitruvian.model.mae import mae_head
from vitruvian.types import HeadSpec, ModelSpec

BARE = ModelSpec(name="tiny", size=(64, 48), dim=32, depth=1, heads_attn=2, mlp=32, heads=(), licence="CC0-1.0")
Run = Callable[..., tuple[int, str, str]]


def saved(path: Path, spec: ModelSpec) -> Path:
    torch.manual_seed(0)
    weights.save(path, build(spec), provenance={"data": "none"}, run="0")
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    head = HeadSpec("depth", (8,), out=1, kind="shuffle")
    return saved(tmp_path_factory.mktemp("weights") / "tiny.safetensors", BARE.with_heads(head))


@pytest.fixture
def run(tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """run("photo.jpg", ...) -> exit code, stdout, stderr of `vitruvian features`, results in tmp_path/out."""

    def call(*words: str | Path, model: Path | None = None) -> tuple[int, str, str]:
        fixed = ["--model", model or tiny, "--out", tmp_path / "out", "--device", "cpu", "--dtype", "fp32"]
        code = main(["features", *map(str, [*words, *fixed])])
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photos" / "a.png"
    path.parent.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)).save(path)
    return path


def results(folder: Path, stem: str = "a") -> tuple[Any, Any]:
    return np.load(folder / "out" / f"{stem}.features.npy"), json.loads((folder / "out" / f"{stem}.features.json").read_text())


def test_the_grid_of_the_whole_frame_and_what_it_means(run: Run, photo: Path, tmp_path: Path) -> None:
    code, told, problems = run(photo)
    assert code == 0 and problems == "" and "a.png: 4 x 3 x 32 ->" in told
    values, record = results(tmp_path)
    assert values.shape == (4, 3, 32) == tuple(record["shape"]) and values.dtype == np.float32 and np.isfinite(values).all()
    assert record["made_by"]["model"] == "tiny" and len(record["made_by"]["weights"]) == 64 and record["fit"] == "pad"
    middle = np.array(record["views"][0]["to_photo"]) @ [1, 1.5, 1]
    np.testing.assert_allclose(middle, [47.5, 31.5], atol=1e-4)  # the middle of the grid is the middle of the photo


def test_cells_are_the_encoders_own(run: Run, photo: Path, tiny: Path, tmp_path: Path) -> None:
    assert run(photo, "--fit", "photo")[0] == 0
    values, record = results(tmp_path)
    assert values.shape == (4, 6, 32)
    np.testing.assert_allclose(record["views"][0]["to_photo"], [[16, 0, 7.5], [0, 16, 7.5]])
    loaded = weights.load(tiny)
    image = (np.array(Image.open(photo), np.float32) - BARE.mean) / BARE.std
    with torch.inference_mode():
        expected = loaded.model.backbone(torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None])
    np.testing.assert_allclose(values, expected[0].permute(1, 2, 0).numpy(), atol=1e-4)


def test_people_have_grids_of_their_own(run: Run, photo: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(photo.with_name("b.png"))
    (tmp_path / "boxes.csv").write_text("a.png,10,0,40,60\na.png,50,10,90,60,0.5\n")
    assert run(photo.parent, "--boxes", tmp_path / "boxes.csv")[0] == 0
    values, record = results(tmp_path)
    assert values.shape == (2, 4, 3, 32)
    assert [view["box"] for view in record["views"]] == [[10, 0, 40, 60], [50, 10, 90, 60]] and record["fit"] == "affine"
    for view in record["views"]:
        x0, y0, x1, y1 = view["box"]
        np.testing.assert_allclose(np.array(view["to_photo"]) @ [1, 1.5, 1], [(x0 + x1) / 2, (y0 + y1) / 2], atol=1e-4)
    empty, told = results(tmp_path, "b")
    assert empty.shape == (0, 4, 3, 32) and told["image"]["notes"] == ["no box in boxes.csv"]


def test_a_pretrained_encoder_has_features_too(run: Run, photo: Path, tmp_path: Path) -> None:
    mae = saved(tmp_path / "mae.safetensors", BARE.with_heads(mae_head(dim=16, depth=1, heads=2)))
    assert run(photo, model=mae)[0] == 0
    assert results(tmp_path)[0].shape == (4, 3, 32)


def test_padding_of_the_patches_shifts_the_cells() -> None:
    crop = whole_crop((64, 48), BARE, "stretch")
    np.testing.assert_allclose(to_photo(crop, BARE), [[16, 0, 7.5], [0, 16, 7.5]])
    padded = ModelSpec(**{**BARE.__dict__, "padding": 2})
    np.testing.assert_allclose(to_photo(crop, padded), [[16, 0, 5.5], [0, 16, 5.5]])
    with pytest.raises(InputError, match="are too many for --fit photo"):
        whole_crop((4000, 6000), BARE, "photo")


def test_what_cannot_be_done(run: Run, photo: Path, tmp_path: Path) -> None:
    photo.with_name("b.png").write_bytes(b"x")
    code, told, problems = run(photo.parent)
    assert code == 1 and "b.png" in problems and told.endswith(f"2 files -> {tmp_path / 'out'}; 1 failed\n")
    code, _, problems = run(photo)
    assert code == 1 and "already there. Fix: --overwrite" in problems
    assert run(photo, "--overwrite")[0] == 0
    (tmp_path / "boxes.csv").write_text("a.png,10,0,400,60\nc.png,1,1,5,5\n")
    code, _, problems = run(photo, "--boxes", tmp_path / "boxes.csv")
    assert code == 1 and "ends outside the photo" in problems and "c.png" in problems
    assert run(photo, "--fit", "photo", "--boxes", tmp_path / "boxes.csv")[0] == 2
    assert run(photo, model=tmp_path / "gone.safetensors")[0] == 1

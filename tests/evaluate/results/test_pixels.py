"""Maps in folders against figures worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vitruvian.cli import main
from vitruvian.errors import InputError
from vitruvian.evaluate.results import Folders, depth_figures, normal_figures, part_figures


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    for name in ("truth", "given", "masks"):
        (tmp_path / name).mkdir()
    return Folders(tmp_path / "truth", tmp_path / "given")


def put(path: Path, values: Any) -> None:
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        assert cv2.imwrite(str(path), values)


def test_parts_by_hand(folders: Folders) -> None:
    put(folders.truth / "a.png", np.array([[0, 0, 2, 2], [0, 255, 2, 3]], np.uint8))
    put(folders.predictions / "a.parts.png", np.array([[0, 2, 2, 2], [0, 3, 0, 3]], np.uint8))
    put(folders.predictions / "a.owner.png", np.zeros((9, 9), np.uint8))  # predict's other maps lie beside
    figures = part_figures(folders)
    assert figures["parts"] == {"Background": 2 / 4, "Face_Neck": 2 / 4, "Hair": 1.0}
    assert figures["mIoU"] == pytest.approx(2 / 3)
    assert figures["mAcc"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert figures["aAcc"] == pytest.approx(5 / 7)
    masked = Folders(folders.truth, folders.predictions, folders.truth.parent / "masks")
    put(folders.truth.parent / "masks" / "a.png", np.array([[1, 0, 1, 1], [1, 1, 0, 1]], np.uint8))
    assert part_figures(masked)["aAcc"] == 1


@pytest.mark.parametrize(
    ("where", "told"), [("truth", "28 classes. Allowed: 0 to 27, and 255"), ("given", "Allowed: 0 to 27.")]
)
def test_unknown_ids_are_told(folders: Folders, where: str, told: str) -> None:
    for name, folder in (("truth", folders.truth), ("given", folders.predictions)):
        put(folder / "a.png", np.full((4, 4), 77 if name == where else 1, np.uint8))
    with pytest.raises(InputError, match="id 77") as error:
        part_figures(folders)
    assert told in str(error.value)


def test_pixels_without_an_answer_are_no_right_ones(folders: Folders) -> None:
    put(folders.truth / "a.png", np.ones((4, 4), np.uint8))
    put(folders.predictions / "a.png", np.full((4, 4), 255, np.uint8))
    with pytest.raises(InputError, match="id 255"):
        part_figures(folders)


@pytest.mark.parametrize(("alignment", "rmse"), [("none", None), ("scale", None), ("scale_shift", 0.0)])
def test_depth_alignments(folders: Folders, alignment: Any, rmse: float | None) -> None:
    truth = np.linspace(1, 3, 64, dtype=np.float32).reshape(8, 8)
    put(folders.truth / "a.npy", np.where(truth > 2.9, np.nan, truth))
    put(folders.predictions / "a.depth.npy", (truth - 0.5) / 4)
    figures = depth_figures(folders, alignment)
    seen = truth[truth <= 2.9]
    given = (seen - 0.5) / 4
    if alignment == "scale":
        given = given * (given @ seen) / (given @ given)
    expected = np.sqrt(np.mean((given - seen) ** 2)) if rmse is None else rmse
    assert figures["RMSE"] == pytest.approx(expected, abs=1e-6)
    assert (figures["delta1"] == 1) == (alignment == "scale_shift")
    assert figures["photos"] == 1


def test_depth_of_millimetres_and_photos_without_readings(folders: Folders) -> None:
    depth = np.arange(1000, 1064, dtype=np.uint16).reshape(8, 8)
    for name, values in (("a", depth), ("b", np.zeros_like(depth))):
        put(folders.truth / f"{name}.png", values)
        put(folders.predictions / f"{name}.png", depth * 2)
    figures = depth_figures(folders, "none")
    assert figures["left_out"] == ["b"] and figures["photos"] == 1
    assert figures["AbsRel"] == pytest.approx(1) and figures["delta3"] == 0
    assert figures["log10"] == pytest.approx(np.log10(2)) and figures["rmse_log"] == pytest.approx(np.log(2))
    assert figures["silog"] == pytest.approx(np.log(2) * np.sqrt(0.5), rel=1e-5)


def test_a_pixel_without_depth_is_told(folders: Folders) -> None:
    put(folders.truth / "a.npy", np.ones((8, 8), np.float32))
    put(folders.predictions / "a.npy", np.where(np.eye(8) > 0, np.nan, 1).astype(np.float32))
    with pytest.raises(InputError, match="no depth at 8 of 64 counted pixels"):
        depth_figures(folders)


def test_normals_by_hand(folders: Folders) -> None:
    angle = np.deg2rad([0, 4, 6, 10, 20, 25, 40, 90]).reshape(2, 4)
    turned = np.stack([np.sin(angle), np.zeros_like(angle), -np.cos(angle)], -1).astype(np.float32)
    truth = np.broadcast_to(np.array([0, 0, -2], np.float32), (2, 4, 3)).copy()  # any length
    truth[1, 3] = -1000  # the official sign of nothing
    put(folders.truth / "a.npy", truth)
    put(folders.predictions / "a.normal.npy", turned)
    figures = normal_figures(folders)
    assert figures["pixels"] == 7
    assert figures["mean"] == pytest.approx(np.mean([0, 4, 6, 10, 20, 25, 40]), abs=1e-3)
    assert figures["median"] == pytest.approx(10, abs=0.05)
    shares = [figures[f"within_{limit}"] for limit in ("5", "7.5", "11.25", "22.5", "30")]
    assert shares == pytest.approx([2 / 7, 3 / 7, 4 / 7, 5 / 7, 6 / 7])
    assert normal_figures(folders, axes="opengl")["mean"] > 90, "the truth turned round"


def test_folders_that_do_not_fit(folders: Folders) -> None:
    with pytest.raises(InputError, match="has no maps"):
        depth_figures(folders)
    for name in "abcde":
        put(folders.truth / f"{name}.npy", np.ones((8, 8), np.float32))
    put(folders.predictions / "a.npy", np.ones((8, 8), np.float32))
    with pytest.raises(InputError, match=r"lacks 4 of the 5 photos of .*: b, c, d \.\.\."):
        depth_figures(folders)
    for name in "bcde":
        put(folders.predictions / f"{name}.npy", np.ones((8, 9), np.float32))
    with pytest.raises(InputError, match=r"9x8 px, but .* has 8x8"):
        depth_figures(folders)
    (folders.truth / "a.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match="not an array file"):
        depth_figures(folders)


def test_the_verbs(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--truth", str(folders.truth), "--predictions", str(folders.predictions)]
    for folder in (folders.truth, folders.predictions):
        put(folder / "a.png", np.arange(64, dtype=np.uint8).reshape(8, 8) % 27 + 1)
        np.save(folder / "n.npy", np.ones((8, 8, 3), np.float32))
    assert main(["evaluate", "parts", *places, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mIoU"] == 1
    assert main(["evaluate", "depth", *places, "--align", "none"]) == 1, "an array of normals is no depth"
    for folder in (folders.truth, folders.predictions):
        (folder / "n.npy").unlink()
        put(folder / "a.npy", np.ones((8, 8), np.float32))
    assert main(["evaluate", "depth", *places, "--align", "none"]) == 0
    assert "AbsRel" in capsys.readouterr().out
    assert main(["evaluate", "normal", *places]) == 1, "a depth is no normals"
    for folder in (folders.truth, folders.predictions):
        put(folder / "a.npy", np.ones((8, 8, 3), np.float32))
    assert main(["evaluate", "normal", *places]) == 0
    assert "0.0" in capsys.readouterr().out

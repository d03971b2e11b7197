from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from vitruvian.cli import main
from vitruvian.data.masks import decode_rle
from vitruvian.errors import UsageError
from vitruvian.maps.command import convert
from vitruvian.types import UNSTATED_AXES, Array

Result = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """run("--to", "exr", ...) -> exit code, stdout, stderr of `vitruvian maps convert`."""

    def call(*words: str | Path) -> tuple[int, str, str]:
        code = main(["maps", "convert", *map(str, words)])
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


def channels(path: Path) -> dict[str, Array]:
    library = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
    with library.File(str(path), separate_channels=True) as file:
        return {name: np.array(channel.pixels) for name, channel in file.channels().items()}


def pixels(path: Path) -> Any:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_a_matte_is_white_where_somebody_is(run: Run, result: Result, tmp_path: Path) -> None:
    path = result("deep/a", people=2)
    result("empty", people=0)
    code, told, _ = run(path.parents[1], "--to", "alpha", "--out", tmp_path / "out")
    assert code == 0 and told == f"2 files -> {tmp_path / 'out'}\n"
    matte, owner = pixels(tmp_path / "out" / "deep" / "a.alpha.png"), pixels(path.with_name("a.owner.png"))
    assert matte.dtype == np.uint8 and ((matte == 255) == (owner > 0)).all() and set(np.unique(matte)) == {0, 255}
    assert not pixels(tmp_path / "out" / "empty.alpha.png").any()
    code, _, problems = run(result("b", mask="boxes"), "--to", "alpha", "--out", tmp_path / "out")
    assert code == 1 and "no outline of the people is known. Fix: vitruvian predict with --tasks seg" in problems


def test_a_cutout_keeps_the_photo_under_the_matte(run: Run, result: Result, tmp_path: Path) -> None:
    path = result("a")
    Image.new("RGB", (80, 60), (255, 0, 0)).save(tmp_path / "a.jpg", quality=100)
    assert run(path, "--to", "cutout", "--photos", tmp_path, "--out", tmp_path / "out")[0] == 0
    found = np.array(Image.open(tmp_path / "out" / "a.cutout.png"))
    assert found.shape == (60, 80, 4) and found[30, 40, 0] > 250 and found[30, 40, 2] < 5, "red stays red"
    assert ((found[..., 3] == 255) == (pixels(path.with_name("a.owner.png")) > 0)).all()
    code, _, problems = run(path, "--to", "cutout", "--photos", tmp_path / "gone", "--out", tmp_path / "out", "--overwrite")
    assert code == 1 and "no such file" in problems


def test_depth_has_names_that_compositors_read(run: Run, result: Result, tmp_path: Path) -> None:
    path = result("a")
    assert run(path, "--to", "exr", "--out", tmp_path / "out")[0] == 0
    depth = np.load(path.with_name("a.depth.npy"))
    found = channels(tmp_path / "out" / "a.depth.exr")
    assert set(found) == {"Y", "Z", "A"} and {values.dtype for values in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(found["Z"], np.nan_to_num(depth))
    np.testing.assert_array_equal(found["Y"], found["Z"])
    np.testing.assert_array_equal(found["A"], np.isfinite(depth).astype(np.float32))


@pytest.mark.parametrize(
    ("axes", "vector"), [("camera", (0.6, 0, -0.8)), ("opengl", (0.6, 0, 0.8)), ("directx", (0.6, 0, 0.8))]
)
def test_normals_take_the_axes_asked_for(run: Run, result: Result, tmp_path: Path, axes: str, vector: Any) -> None:
    normal = np.full((60, 80, 3), np.nan, np.float16)
    normal[20:40, 20:40] = 0.6, 0, -0.8
    normal[20, 20] = 0, 0.6, -0.8  # faces downward: +y is down in camera axes
    path = result("a", normal=normal, depth=None)
    assert run(path, "--to", "exr", "--out", tmp_path / "out", "--axes", axes)[0] == 0
    found = channels(tmp_path / "out" / "a.normal.exr")
    at = np.stack([found[name] for name in "RGBA"], -1)
    np.testing.assert_allclose(at[30, 30], (*vector, 1), atol=1e-3)
    assert at[20, 20, 1] == pytest.approx(-0.6 if axes == "opengl" else 0.6, abs=1e-3)
    assert not at[0, 0].any() and np.isfinite(at).all() and at.dtype == np.float16
    assert not (tmp_path / "out" / "a.depth.exr").exists()


def test_a_sequence_numbers_photos_and_leaves_gaps(run: Run, result: Result, tmp_path: Path) -> None:
    for i in (1, 2, 10):
        result(f"f{i}", **({"owner": None} if i == 2 else {}))
    words = [tmp_path / "results", "--to", "alpha", "--out", tmp_path / "out", "--sequence", "shot"]
    code, _, problems = run(*words, "--start", "1001", "--digits", "5")
    assert code == 1 and "f2.json: there is no owner map" in problems
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["shot.alpha.01001.png", "shot.alpha.01003.png"]
    code, _, problems = run(*words, "--start", "9", "--digits", "1")
    assert code == 2 and "--digits 1 are too few for 3 files from 9" in problems
    run(result("f1"), "--to", "exr", "--out", tmp_path / "exr", "--sequence", "shot")
    assert sorted(path.name for path in (tmp_path / "exr").iterdir()) == ["shot.depth.0001.exr", "shot.normal.0001.exr"]


def test_coco_masks_of_results_that_are_there(run: Run, result: Result, tmp_path: Path) -> None:
    path = result("a", people=2)
    assert run(path, "--to", "coco", "--out", tmp_path / "people.json")[0] == 0
    owner = pixels(path.with_name("a.owner.png"))
    for i, found in enumerate(json.loads((tmp_path / "people.json").read_text())["annotations"], 1):
        assert (decode_rle(found["segmentation"]) == (owner == i)).all() and len(found["keypoints"]) == 51


def test_wrong_words(run: Run, result: Result, tmp_path: Path) -> None:
    path = result("a")
    for words, told in [
        (["--to", "cutout"], "--to cutout needs the photos. Fix: --photos FOLDER"),
        (["--to", "alpha", "--photos", tmp_path], "--photos belongs to --to cutout"),
        (["--to", "coco"], "people.json"),
        (["--to", "alpha", "--sequence", "a/b"], "a name without folders"),
        (["--to", "alpha", "--digits", "0"], "1 to 9 digits"),
    ]:
        code, _, problems = run(path, *words, "--out", tmp_path / "out")
        assert code == 2 and told in problems
    assert not (tmp_path / "out").exists()
    code, _, problems = run(result("bare", depth=None, normal=None), "--to", "exr", "--out", tmp_path / "out")
    assert code == 1 and "neither depth nor normals. Fix: vitruvian predict with --tasks depth normal" in problems


def test_normals_of_unstated_axes_are_refused_unless_they_are_stated(
    result: Result, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = result("a", depth=None)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"normal": {"frame": UNSTATED_AXES}}))
    assert convert([str(path)], "exr", tmp_path / "out") == 1 and not (tmp_path / "out").exists()
    problems = capfd.readouterr().err
    assert "the axes of its normals are not stated. Fix: --given-axes camera, opengl, directx" in problems
    assert problems.count("\n") == 1
    assert convert([str(path)], "exr", tmp_path / "out", given_axes="opengl") == 0
    found = channels(tmp_path / "out" / "a.normal.exr")
    np.testing.assert_allclose([found[name][30, 40] for name in "RGB"], (0.6, 0, 0.8), atol=1e-3)
    with pytest.raises(UsageError, match="unknown axes 'unstated'"):
        convert([str(path)], "exr", tmp_path / "out", given_axes="unstated")

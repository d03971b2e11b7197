"""Folders of pictures with masks, depth and normals: small ones written here, and the shared RGB-D and normals."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from vitruvian.data.exr import read_exr
from vitruvian.data.loader import Loader
from vitruvian.data.maps import Maps, axes_of
from vitruvian.data.sources import Views
from vitruvian.errors import InputError, UsageError
from vitruvian.maps.exr import exr_bytes
from vitruvian.types import Array

SIZE = (6, 8)


def plane() -> Array:
    return np.linspace(1, 3, 48, dtype=np.float32).reshape(SIZE)


def vectors() -> Array:
    n = np.random.default_rng(0).normal(size=(*SIZE, 3)).astype(np.float32)
    n[..., 2] = -1
    return n / np.linalg.norm(n, axis=-1, keepdims=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, a and b, with a mask each."""
    for name in ("images", "masks", "depths", "normals"):
        (tmp_path / name).mkdir()
    mask = np.zeros((*SIZE, 3), np.uint8)
    mask[1:5, 2:7] = (0, 0, 255)  # red: OpenCV's last channel
    for stem, ending in (("a", "jpg"), ("b", "png")):
        cv2.imwrite(str(tmp_path / f"images/{stem}.{ending}"), np.full((*SIZE, 3), 90, np.uint8))
        cv2.imwrite(str(tmp_path / f"masks/{stem}.png"), mask)
        np.save(tmp_path / f"depths/{stem}.npy", plane())
        np.save(tmp_path / f"normals/{stem}.npy", vectors())
    return tmp_path


def test_a_picture_with_all_its_maps(folder: Path) -> None:
    source = pickle.loads(pickle.dumps(Maps(folder, normal_frame="camera")))
    assert len(source) == source.samples == 2 and not source.problems
    sample = source.sample(1)
    assert sample.key == "b.png" and sample.box.tolist() == [2, 1, 7, 5] and sample.area == 20
    inside = sample.mask
    assert np.array_equal(sample.depth[inside], plane()[inside]) and np.isnan(sample.depth[~inside]).all()
    assert np.allclose(sample.normal[inside], vectors()[inside]) and np.isnan(sample.normal[~inside]).all()
    assert source[0].people[0].key == "a.jpg" and source[0].size == SIZE


@pytest.mark.parametrize("ending", ["npy", "exr", "png"])
def test_depth_in_every_format(folder: Path, ending: str) -> None:
    shutil.rmtree(folder / "normals")
    for stem in "ab":
        (folder / f"depths/{stem}.npy").unlink()
        path = folder / f"depths/{stem}.{ending}"
        if ending == "npy":
            np.save(path, plane().astype(np.float64))
        elif ending == "exr":
            path.write_bytes(exr_bytes({"Z": plane().astype(np.float32)}, "m"))
        else:
            cv2.imwrite(str(path), np.round(plane() * 1000).astype(np.uint16))
    source = Maps(folder, depth_unit=0.001 if ending == "png" else None)
    inside = source.sample(0).mask
    assert np.abs(source.sample(0).depth - plane())[inside].max() <= (0.0006 if ending == "png" else 0)


@pytest.mark.parametrize("ending", ["npy", "exr", "png8", "png16"])
def test_normals_in_every_format_and_frame(folder: Path, ending: str) -> None:
    shutil.rmtree(folder / "depths")
    shutil.rmtree(folder / "masks")
    stored = -vectors()  # left up back
    stored[0, 0] = 0
    for stem in "ab":
        (folder / f"normals/{stem}.npy").unlink()
        path = folder / f"normals/{stem}.{ending[:3]}"
        if ending == "npy":
            np.save(path, np.where(stored == 0, -1000, stored))
        elif ending == "exr":
            path.write_bytes(exr_bytes(dict(zip("XYZ", np.moveaxis(stored, -1, 0), strict=True)), "left up back"))
        else:
            kind = np.uint8 if ending == "png8" else np.uint16
            whole = np.round((stored + 1) / 2 * np.iinfo(kind).max).astype(kind)
            whole[0, 0] = 0
            cv2.imwrite(str(path), np.ascontiguousarray(whole[..., ::-1]))
    normal = Maps(folder, normal_frame="left up back").sample(0).normal
    assert np.isnan(normal[0, 0]).all() and np.isfinite(normal).sum() == 47 * 3
    assert np.nanmax(np.abs(normal - vectors())) < (0.01 if ending == "png8" else 1e-4 if ending == "png16" else 1e-6)


def test_frames_are_names_or_directions() -> None:
    assert axes_of("camera")[0] == axes_of("right down forward")[0] == [0, 1, 2]
    assert axes_of("opengl")[1].tolist() == axes_of("right up back")[1].tolist() == [1, -1, -1]
    order, signs = axes_of("back up left")
    assert order == [2, 1, 0] and signs.tolist() == [-1, -1, -1]
    for wrong in ("openGL", "left right up", "left up", "x y z"):
        with pytest.raises(UsageError, match="three directions such as 'left up back'"):
            axes_of(wrong)


FAULTS = {
    "depths/a.npy: missing": lambda f: (f / "depths/a.npy").unlink(),
    "masks/a.png: missing": lambda f: (f / "masks/a.png").unlink(),
    "an empty mask": lambda f: cv2.imwrite(str(f / "masks/a.png"), np.zeros(SIZE, np.uint8)),
    "masks/a.png: 3x3 px, but": lambda f: cv2.imwrite(str(f / "masks/a.png"), np.ones((3, 3), np.uint8)),
    "depths/a.npy: 3x3 px, but .*a.jpg has 8x6": lambda f: np.save(f / "depths/a.npy", np.ones((3, 3))),
    "depths/a.npy: no depth is known within the mask": lambda f: np.save(f / "depths/a.npy", np.full(SIZE, np.nan)),
    r"depths/a.npy: 1 axes. Allowed: \(H, W\)": lambda f: np.save(f / "depths/a.npy", np.ones(3)),
    "depths/a.npy: not an array file": lambda f: (f / "depths/a.npy").write_bytes((f / "depths/a.npy").read_bytes()[:90]),
    "normals/a.npy: no vector is known": lambda f: np.save(f / "normals/a.npy", np.full((*SIZE, 3), -1000.0)),
    r"normals/a.npy: shape \(6, 8\)": lambda f: np.save(f / "normals/a.npy", np.ones(SIZE)),
    "images/a.jpg: not an image": lambda f: (f / "images/a.jpg").write_bytes(b"x"),
}


@pytest.mark.parametrize("words", FAULTS)
def test_a_bad_picture_is_named_and_the_others_go_on(folder: Path, words: str) -> None:
    FAULTS[words](folder)
    source = Maps(folder, normal_frame="camera")
    pattern = words.replace("depths/a.npy: missing", r"depths/a: missing \(.npy, .exr, .png\)")
    with pytest.raises(InputError, match=pattern):
        source.sample(0)
    assert source.sample(1).depth is not None


def test_holes_in_depth_are_unknown(folder: Path) -> None:
    holes = plane()
    holes[2, 3:6] = np.nan, 0, np.inf
    np.save(folder / "depths/a.npy", holes)
    assert np.isnan(Maps(folder, normal_frame="camera").sample(0).depth[2, 3:6]).all()


def test_what_must_be_stated(folder: Path) -> None:
    with pytest.raises(UsageError, match="normal_frame is not stated"):
        Maps(folder)
    cv2.imwrite(str(folder / "depths/a.png"), plane().astype(np.uint16))
    with pytest.raises(UsageError, match=r"PNG files hold whole numbers, and depth_unit is not stated.*0.001 for millimetres"):
        Maps(folder, normal_frame="camera")
    (folder / "depths/a.npy").unlink()
    cv2.imwrite(str(folder / "depths/a.png"), plane().astype(np.uint8))
    with pytest.raises(InputError, match=r"8 bit. Allowed: 16 bit"):
        Maps(folder, 0.001, "camera").sample(0)
    with pytest.raises(UsageError, match="depth_unit is 0"):
        Maps(folder, 0, "camera")
    with pytest.raises(UsageError, match="neither masks/ nor depths/"):
        (folder / "x/images").mkdir(parents=True)
        Maps(folder / "x")


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.uint8])
def test_whole_numbers_of_depth_need_their_unit(folder: Path, kind: type) -> None:
    shutil.rmtree(folder / "normals")
    np.save(folder / "depths/a.npy", np.full(SIZE, 100, kind))
    with pytest.raises(UsageError, match=rf"depths/a\.npy: {np.dtype(kind)}.*depth_unit is not stated.*0\.001 for millimetres"):
        Maps(folder)
    assert np.nanmax(Maps(folder, depth_unit=0.001).sample(0).depth) == pytest.approx(0.1)
    np.save(folder / "depths/a.npy", plane())
    np.save(folder / "depths/b.npy", np.full(SIZE, 100, kind))  # not the first one
    source = Maps(folder)
    with pytest.raises(InputError, match=r"depths/b\.npy: .*depth_unit is not stated"):
        source.sample(1)


def test_pictures_of_one_stem_are_left_out_and_told(folder: Path) -> None:
    cv2.imwrite(str(folder / "images/a.png"), np.full((*SIZE, 3), 200, np.uint8))
    source = Maps(folder, normal_frame="camera")
    assert [path.name for path in source.files] == ["b.png"]
    (told,) = source.problems
    assert told.startswith(f"{folder}/images: a.jpg and a.png have one stem") and "Fix: rename" in told
    (folder / "images/b.png").unlink()
    with pytest.raises(InputError, match=r"a\.jpg and a\.png have one stem"):
        Maps(folder, normal_frame="camera")


def test_maps_without_a_picture_are_problems(folder: Path) -> None:
    (folder / "images/a.jpg").unlink()
    source = Maps(folder, normal_frame="camera")
    assert [Path(text.split(":")[0]).name for text in source.problems] == ["a.png", "a.npy", "a.npy"]


@pytest.mark.parametrize("compression", ["NO", "RLE", "ZIPS", "ZIP"])
def test_exr_of_another_writer(tmp_path: Path, compression: str) -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=(35, 7, 3)), 3, 1).astype(np.float32)  # runs for RLE
    np.save(tmp_path / "a.npy", values)
    code = (
        "import cv2, numpy as np, sys\n"
        f"ok = cv2.imwrite(sys.argv[1] + '/a.exr', np.load(sys.argv[1] + '/a.npy'), [cv2.IMWRITE_EXR_COMPRESSION,"
        f" cv2.IMWRITE_EXR_COMPRESSION_{compression}, cv2.IMWRITE_EXR_TYPE, cv2.IMWRITE_EXR_TYPE_FLOAT])\n"
        "sys.exit(not ok)"
    )
    env = {**os.environ, "OPENCV_IO_ENABLE_OPENEXR": "1"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, check=True)
    assert np.array_equal(read_exr(tmp_path / "a.exr", (("B", "G", "R"),)), values)
    with pytest.raises(InputError, match=r"channels B, G, R. Allowed: Z"):
        read_exr(tmp_path / "a.exr", (("Z",),))
    (tmp_path / "b.exr").write_bytes((tmp_path / "a.exr").read_bytes()[:-700])
    with pytest.raises(InputError, match=r"b.exr: not an OpenEXR file, or cut short"):
        read_exr(tmp_path / "b.exr", (("R",),))


def test_the_shared_depth_of_a_camera(shared: Path, tmp_path: Path) -> None:
    for kind, name in (("images", "rgb"), ("depths", "depth_mm")):
        (tmp_path / kind).mkdir()
        shutil.copy(shared / f"data/rgbd/five_people_left_{name}.png", tmp_path / kind / "five.png")
    depth = Maps(tmp_path, depth_unit=0.001).sample(0).depth
    assert np.isfinite(depth).mean() == pytest.approx(0.8271, abs=1e-4)  # as its index says
    assert (float(np.nanmin(depth)), float(np.nanmax(depth))) == (pytest.approx(1.936), pytest.approx(9.757))


def test_the_shared_normals_of_a_street(shared: Path, tmp_path: Path) -> None:
    for kind, name in (("images", "img"), ("normals", "normal")):
        (tmp_path / kind).mkdir()
        shutil.copy(shared / f"data/normals/dsine_000000_{name}.png", tmp_path / kind / "street.png")
    normal = Maps(tmp_path, normal_frame="left up back").sample(0).normal
    known = np.isfinite(normal[..., 0])
    assert not known[:100, :400].any(), "the sky has none"
    assert np.abs(np.linalg.norm(normal[known], axis=1) - 1).max() < 1e-5
    assert (normal[known][:, 2] < 0).mean() > 0.9, "surfaces face the camera"
    assert np.nanmean(normal[255:275, 350:380, 0]) < -0.5, "a wall that faces left"


def test_bad_pictures_are_counted_and_named_in_training(folder: Path) -> None:
    for stem in "cdef":
        for kind, ending in (("images", "png"), ("masks", "png"), ("depths", "npy"), ("normals", "npy")):
            shutil.copy(folder / f"{kind}/b.{ending}", folder / f"{kind}/{stem}.{ending}")
    (folder / "depths/a.npy").unlink()
    np.save(folder / "depths/c.npy", np.full(SIZE, np.nan))
    cv2.imwrite(str(folder / "images/e.png"), np.zeros((3, 3, 3), np.uint8))
    told: list[str] = []
    source = Views(Maps(folder, normal_frame="camera"), lambda sample, _: (sample.image, {}))
    loader = Loader(source, 6, 0, (0, 0, 0), (1, 1, 1), shuffle=False, report=told.append)
    (batch,) = loader.batches(0, 1)
    assert batch.keys == ("b.png", "b.png", "d.png", "d.png", "f.png", "f.png") and loader.bad == 3
    assert [words in text for words, text in zip(("depths/a: missing", "depths/c.npy: no depth", "3x3"), told, strict=True)]

"""EXR files, read back by two libraries that are not ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vitruvian.maps.exr import exr_bytes
from vitruvian.types import Array

SHAPES = [(1, 1), (5, 7), (16, 3), (17, 20), (40, 64)]


def planes(shape: tuple[int, int]) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(shape[0]), np.arange(shape[1])).astype(np.float32) / 7
    return {"Z": smooth, "Y": rng.random(shape).astype(np.float32), "A": rng.standard_normal(shape).astype(np.float16)}


@pytest.mark.parametrize("shape", SHAPES)
def test_openexr_reads_every_channel_by_name(shape: tuple[int, int], tmp_path: Path) -> None:
    library = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
    given = planes(shape)
    (tmp_path / "a.exr").write_bytes(exr_bytes(given, "metres, größer = weiter"))
    with library.File(str(tmp_path / "a.exr"), separate_channels=True) as file:
        found = {name: np.array(channel.pixels) for name, channel in file.channels().items()}
        assert file.header()["comments"] == "metres, größer = weiter"
    assert found.keys() == given.keys()
    for name, values in given.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


def test_opencv_reads_colours(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    given = {name: rng.standard_normal((33, 20)).astype(np.float16) for name in "RGBA"}
    (tmp_path / "a.exr").write_bytes(exr_bytes(given, ""))
    code = f"import cv2, numpy; numpy.save({str(tmp_path / 'a.npy')!r}, cv2.imread({str(tmp_path / 'a.exr')!r}, -1))"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "OPENCV_IO_ENABLE_OPENEXR": "1"})
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.stack([given[name] for name in "BGRA"], -1))


def test_flat_maps_are_small() -> None:
    flat = {"Z": np.zeros((1000, 1000), np.float32)}
    assert len(exr_bytes(flat, "")) < 10_000

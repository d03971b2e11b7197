from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitruvian.cli import main
from vitruvian.depth.command import align
from vitruvian.errors import UsageError
from vitruvian.geometry import focal_of_35mm, focal_of_fov, pinhole, unproject
from vitruvian.types import UNSTATED_AXES

Result = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]
HEIGHTS = {"nose": 10, "left_hip": 30, "right_hip": 30, "left_ankle": 50, "right_ankle": 50}
UPRIGHT = {name: (40, y, 0.9) for name, y in HEIGHTS.items()}


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """run("align", ...) -> exit code, stdout, stderr of `vitruvian depth`."""

    def call(*words: str | Path | float) -> tuple[int, str, str]:
        code = main(["depth", *map(str, words)])
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


def anchors(tmp_path: Path, *rows: tuple[float, float, float]) -> Path:
    path = tmp_path / "anchors.csv"
    path.write_text("x,y,metres\n" + "".join(f"{x},{y},{m}\n" for x, y, m in rows))
    return path


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def ply(path: Path) -> tuple[str, Any]:
    head, _, body = path.read_bytes().partition(b"end_header\n")
    colors = [(name, "u1") for name in ("red", "green", "blue")] if b"red" in head else []
    return head.decode(), np.frombuffer(body, [(name, "<f4") for name in "xyz"] + colors)


def test_each_person_is_aligned_alone(run: Run, result: Result, tmp_path: Path) -> None:
    path = result("a", people=2)
    depth = np.load(path.with_name("a.depth.npy"))
    given = anchors(tmp_path, (10, 10, 2 + depth[10, 10]), (10.4, 50, 2 + depth[50, 10]))
    code, told, problems = run("align", path, "--anchors", given, "--out", tmp_path / "out")
    assert code == 0 and problems == ""
    assert "person 1: 2.00 to 3.00 m, by 2 anchors (two anchors are always met: no check" in told
    assert "without depth, as nothing is known of them: person 2" in told
    record, metres = read(tmp_path / "out" / "a.metric.json"), np.load(tmp_path / "out" / "a.metric.npy")
    owner = np.array(Image.open(tmp_path / "out" / "a.metric.owner.png"))
    np.testing.assert_allclose(metres[owner == 1], 2 + depth[owner == 1], atol=1e-5)
    assert np.isnan(metres[owner != 1]).all() and metres.dtype == np.float32
    assert record["depth"]["kind"] == "metric" and record["depth"]["unit"] == "metre"
    assert record["people"][0]["alignment"]["scale"] == pytest.approx(1, abs=1e-4) and record["people"][1]["alignment"] is None
    assert len(record["people"][0]["alignment"]["notes"]["anchors"]) == 2


def test_maps_convert_takes_aligned_depth(run: Run, result: Result, tmp_path: Path) -> None:
    given = anchors(tmp_path, (10, 10, 2), (10, 50, 3))
    run("align", result("a"), "--anchors", given, "--out", tmp_path / "out")
    assert (
        main(["maps", "convert", str(tmp_path / "out" / "a.metric.json"), "--to", "exr", "--out", str(tmp_path / "exr")]) == 0
    )
    assert b"metres along the viewing axis" in (tmp_path / "exr" / "a.metric.depth.exr").read_bytes()


def test_anchors_that_cannot_be_used(run: Run, result: Result, tmp_path: Path) -> None:
    path = result("a")
    for rows, told in [
        ([(0, 0, 2), (10, 50, 3)], "the anchor at 0, 0 lies on nobody"),
        ([(500, 0, 2)], "lies outside the photo of 80x60 px"),
        ([(10, 10, -2)], "line 2: '10,10,-2'. Allowed: finite numbers, metres above 0"),
        ([(10, 10, 2)], "person 1 has 1 anchor"),
        ([], "no anchors"),
    ]:
        code, _, problems = run("align", path, "--anchors", anchors(tmp_path, *rows), "--out", tmp_path / "out")
        assert code == 1 and told in problems
    (tmp_path / "words.csv").write_text("here,there\n")
    for name, told in [("words.csv", "'here,there'. Allowed: x,y,metres"), ("gone.csv", "cannot be read")]:
        code, _, problems = run("align", path, "--anchors", tmp_path / name, "--out", tmp_path / "out")
        assert code == 1 and told in problems
    assert not (tmp_path / "out").exists()


def test_a_height_needs_a_camera_and_an_upright_person(run: Run, result: Result, tmp_path: Path) -> None:
    path = result("a", points=UPRIGHT)
    words = ["align", path, "--height", 1.8, "--out", tmp_path / "out", "--span", 0.3]
    code, _, problems = run(*words)
    assert code == 1 and "the camera is not known. Fix: --fov DEGREES (horizontal)" in problems
    code, told, problems = run(*words, "--fov", 50)
    assert code == 0 and "by height; span of 0.30 m from --span" in told
    record, metres = read(tmp_path / "out" / "a.metric.json"), np.load(tmp_path / "out" / "a.metric.npy")
    assert record["camera"] == {"focal_px": round(focal_of_fov(50, 80), 3), "principal_point": "the middle", "from": "--fov 50"}
    rows = unproject(metres, pinhole(focal_of_fov(50, 80), (60, 80)))[5:55, 40]
    assert np.linalg.norm(rows[-1] - rows[0]) == pytest.approx(1.8 * 49 / 50, rel=0.02)
    lying = result("b", points={**UPRIGHT, "nose": (40, 50, 0.9)})
    code, _, problems = run("align", lying, "--height", 1.8, "--span", 0.3, "--fov", 50, "--out", tmp_path / "out")
    assert code == 1 and "not seen upright from head to feet" in problems
    code, _, problems = run("align", result("c", people=2), "--height", 1.8, "--fov", 50, "--out", tmp_path / "out")
    assert code == 2 and "--person 1 or 2" in problems


def test_the_camera_may_be_in_the_photo(run: Run, result: Result, tmp_path: Path) -> None:
    path = result("a", points=UPRIGHT)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 28
    Image.new("RGB", (80, 60)).save(tmp_path / "a.jpg", exif=exif)
    Image.new("RGB", (80, 60)).save(tmp_path / "bare.jpg")
    words = ["align", path, "--height", 1.8, "--span", 0.3, "--out", tmp_path / "out", "--photo"]
    code, _, problems = run(*words, tmp_path / "bare.jpg")
    assert code == 1 and "bare.jpg: no 35 mm focal length in its EXIF" in problems
    assert run(*words, tmp_path / "a.jpg")[0] == 0
    camera = read(tmp_path / "out" / "a.metric.json")["camera"]
    assert camera["focal_px"] == pytest.approx(focal_of_35mm(28, (60, 80)), abs=1e-3) and "28 mm" in camera["from"]
    run("align", path, "--anchors", anchors(tmp_path, (10, 10, 2), (10, 50, 3)), "--out", tmp_path / "plain")
    code, told, _ = run("cloud", tmp_path / "plain" / "a.metric.json", "--photo", tmp_path, "--out", tmp_path / "ply")
    assert code == 0 and "camera by EXIF: 28 mm (35 mm equivalent)" in told


def test_depth_that_is_not_relative_or_not_there(run: Run, result: Result, tmp_path: Path) -> None:
    given = anchors(tmp_path, (10, 10, 2), (10, 50, 3))
    empty = result("empty", people=0)
    none = result("none", depth=None)
    run("align", result("a"), "--anchors", given, "--out", tmp_path / "out")
    for path, told in [
        (empty, "nobody's depth is in it"),
        (none, "no depth map. Fix: vitruvian predict with --tasks depth"),
        (tmp_path / "out" / "a.metric.json", "in metres already"),
        (tmp_path / "gone.json", "no such file"),
    ]:
        code, _, problems = run("align", path, "--anchors", given, "--out", tmp_path / "other")
        assert code == 1 and told in problems


def test_one_alignment_where_one_model_saw_the_whole_frame(run: Run, result: Result, tmp_path: Path) -> None:
    path = result("a", people=0, depth=np.tile(np.linspace(0, 1, 80, dtype=np.float32), (60, 1)), mask="frame")
    record = read(path)
    path.write_text(json.dumps({**record, "depth": {**record["depth"], "range": {"near": 0, "far": 1}}}))
    code, told, _ = run("align", path, "--anchors", anchors(tmp_path, (0, 0, 1), (79, 9, 3)), "--out", tmp_path / "out")
    assert code == 0 and "the whole frame: 1.00 to 3.00 m" in told
    assert np.load(tmp_path / "out" / "a.metric.npy")[3, 79] == pytest.approx(3)


def test_relative_depth_is_never_unprojected(run: Run, result: Result, tmp_path: Path) -> None:
    code, told, problems = run("cloud", result("a"), "--fov", 50, "--out", tmp_path / "out")
    assert code == 1 and not (tmp_path / "out").exists() and told.startswith("0 files")
    assert (
        "Relative depth has no unit, and no scale that two people share" in problems
        and "Fix: vitruvian depth align" in problems
    )


def test_a_cloud_of_aligned_depth(run: Run, result: Result, tmp_path: Path) -> None:
    run("align", result("a"), "--anchors", anchors(tmp_path, (10, 10, 2), (10, 50, 3)), "--out", tmp_path / "out")
    aligned = tmp_path / "out" / "a.metric.json"
    code, _, problems = run("cloud", aligned, "--out", tmp_path / "ply")
    assert code == 1 and "the camera is not known" in problems
    assert run("cloud", aligned, "--out", tmp_path / "ply", "--fov", 60, "--axes", "opengl")[0] == 0
    head, points = ply(tmp_path / "ply" / "a.metric.ply")
    metres = np.load(tmp_path / "out" / "a.metric.npy")
    assert f"element vertex {np.isfinite(metres).sum()}\n" in head and "metres, opengl axes, camera by --fov 60" in head
    expected = unproject(metres.astype(float), pinhole(focal_of_fov(60, 80), (60, 80)))[np.isfinite(metres)] * [1, -1, -1]
    np.testing.assert_allclose(np.stack([points[name] for name in "xyz"], -1), expected, rtol=1e-5, atol=1e-6)


def test_a_cloud_has_the_colours_of_the_photo(run: Run, result: Result, tmp_path: Path) -> None:
    run("align", result("a"), "--anchors", anchors(tmp_path, (10, 10, 2), (10, 50, 3)), "--fov", 60, "--out", tmp_path / "out")
    Image.new("RGB", (80, 60), (255, 0, 0)).save(tmp_path / "a.jpg", quality=100)
    words = ["cloud", tmp_path / "out" / "a.metric.json", "--photo", tmp_path, "--out", tmp_path / "ply", "--stride", 2]
    assert run(*words)[0] == 0, "the camera is that of the alignment"
    _, points = ply(tmp_path / "ply" / "a.metric.ply")
    assert points["red"].min() > 250 and points["blue"].max() < 5
    assert len(points) == np.isfinite(np.load(tmp_path / "out" / "a.metric.npy"))[::2, ::2].sum()


def test_wrong_words(run: Run, result: Result, tmp_path: Path) -> None:
    path, out = result("a"), tmp_path / "out"
    given = anchors(tmp_path, (10, 10, 2))
    for words, told in [
        (["align", path], "what is known of the scene?"),
        (["align", path, "--anchors", given, "--height", 1.8], "what is known of the scene?"),
        (["align", path, "--anchors", given, "--span", 1], "--person and --span go with --height"),
        (["align", path, "--height", 180], "0.3 to 3 metres"),
        (["align", path, "--height", 1.8, "--span", -1], "to 5 metres"),
        (["align", path, "--height", 1.8, "--fov", 200], "1 to 170 degrees"),
        (["align", path, "--height", 1.8, "--fov", 50, "--focal", 50], "exclude each other"),
        (["cloud", path, "--focal", -3], "a positive number of pixels"),
        (["cloud", path, "--stride", 0], "1 or more"),
    ]:
        code, _, problems = run(*words, "--out", out)
        assert code == 2 and told in problems


def test_a_height_takes_no_scale_from_normals_of_unstated_axes(
    result: Result, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = result("a", points=UPRIGHT)
    path.write_text(json.dumps(read(path) | {"normal": {"frame": UNSTATED_AXES}}))
    told = {}
    for axes in (None, "opengl"):
        assert align(path, tmp_path / "out", height=1.8, fov=50, given_axes=axes) == 1
        told[axes] = capfd.readouterr().err
    assert "normals are not stated. Fix: --given-axes camera, opengl, directx, as they were trained or --span" in told[None]
    assert "normals do not tell the scale of depth" in told["opengl"], "stated, they are used"
    assert align(path, tmp_path / "out", height=1.8, fov=50, span=0.3) == 0
    with pytest.raises(UsageError, match="unknown axes 'unstated'"):
        align(path, tmp_path / "out", height=1.8, fov=50, given_axes="unstated")

"""The verbs of `vitruvian data`, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from vitruvian.cli import main
from vitruvian.data.layouts import open_source
from vitruvian.survey.sheet import SIZE, views


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of one person, as COCO and as maps."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks", "depths", "normals", "val"):
        (tmp_path / name).mkdir()
    mask = np.zeros((60, 80), np.uint8)
    mask[10:50, 20:60] = 1
    facing = np.tile(np.array([0, 0, -1], np.float32), (60, 80, 1))
    for i in range(2):
        picture = cv2.resize(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8), (80, 60), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / f"images/{i}.png"), picture)
        cv2.imwrite(str(tmp_path / f"masks/{i}.png"), mask)
        np.save(tmp_path / f"depths/{i}.npy", np.full((60, 80), 2.0))
        np.save(tmp_path / f"normals/{i}.npy", facing)
    cv2.imwrite(str(tmp_path / "val/copy.jpg"), picture)
    (tmp_path / "maps.toml").write_text('kind = "maps"\nfolder = "."\nnormal_frame = "camera"')
    points = [25, 20, 2, 35, 20, 2, 30, 30, 1]
    person = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [20, 10, 40, 40], "keypoints": points}
    document = {
        "images": [{"id": i, "file_name": f"{i}.png", "height": 60, "width": 80} for i in range(2)],
        "annotations": [person, {**person, "id": 2, "image_id": 1}],
        "categories": [{"id": 1, "name": "person", "keypoints": ["left_tip", "right_tip", "root"]}],
    }
    (tmp_path / "train.json").write_text(json.dumps(document))
    rows = '{ name = "left_tip", swap = "right_tip" }, { name = "right_tip", swap = "left_tip" }, { name = "root" }'
    (tmp_path / "fork.toml").write_text(f'name = "prong3"\nkeypoints = [{rows}]')
    return tmp_path


def test_a_good_set(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = folder / "out"
    words = ["data", "check", str(folder / "train.json"), str(folder / "maps.toml"), "--skeleton", str(folder / "fork.toml")]
    assert main([*words, "--out", str(out)]) == 0
    told = capfd.readouterr().out
    assert "nothing is wrong" in told and "prong3: 3 points, 1 mirrored pairs, sigmas 0.05 to 0.05" in told
    rows = [line.split()[1:] for line in told.splitlines() if line.startswith(str(folder))]
    assert rows == [["coco", "2", "2", "2", "0"], ["maps", "2", "2", "2", "0"]]
    record = json.loads((out / "findings.json").read_text())
    assert record["findings"] == [] and [source["kind"] for source in record["sources"]] == ["coco", "maps"]
    assert cv2.imread(str(out / "sheet.jpg")).shape[0] > SIZE[0]


def test_what_is_wrong_is_named(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "depths/0.npy").unlink()
    cv2.imwrite(str(folder / "masks/1.png"), np.zeros((60, 80), np.uint8))
    words = ["data", "check", str(folder / "maps.toml"), "--train", str(folder / "images"), "--val", str(folder / "val")]
    assert main([*words, "--out", str(folder / "out")]) == 1
    told = capfd.readouterr().out
    assert "unusable: 2" in told and "depths/0: missing" in told and "masks/1.png: an empty mask" in told
    assert "split leak: 1" in told and "val/copy.jpg: nearly the same as" in told and "3 findings" in told
    assert len(json.loads((folder / "out/findings.json").read_text())["findings"]) == 3


def test_a_source_that_cannot_be_opened_stops_no_other(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "half.json").write_text((folder / "train.json").read_text()[:100])
    assert main(["data", "check", str(folder / "half.json"), str(folder / "images"), "--limit", "1"]) == 1
    told = capfd.readouterr().out
    assert "half.json: not JSON, or cut short" in told and "photos         2     1" in told


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "no source given"),
        (["{}/images", "--limit", "0"], "--limit 0"),
        (["{}/images", "--train", "{}/images"], "give both"),
        (["{}/nowhere"], "no such file or folder"),
        (["{}/train.json", "--skeleton", "fork"], "unknown skeleton 'fork'"),
        (["{}/train.json", "--skeleton", "{}/maps.toml"], "keypoints is missing"),
    ],
)
def test_wrong_usage(folder: Path, capfd: pytest.CaptureFixture[str], words: list[str], text: str) -> None:
    assert main(["data", "check", *(word.format(folder) for word in words)]) == 2
    assert text in capfd.readouterr().err


def test_the_list_names_every_layout(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    told = capfd.readouterr().out
    assert all(f'kind = "{kind}"' in told for kind in ("coco", "parts", "maps", "synth", "shards", "photos"))
    assert "wholebody133" in told and "cihp20" in told


def test_a_mirrored_view_shows_left_as_left(folder: Path) -> None:
    sample = open_source(str(folder / "train.json"), str(folder / "fork.toml")).source.sample(0)
    plain, mirrored = views(sample, "body28")
    green, orange = np.array((0, 255, 0)), np.array((255, 128, 0))
    for view in (plain, mirrored):  # who is mirrored changes sides, and so do the names
        left, right = (np.nonzero((view == color).all(-1))[1].mean() for color in (green, orange))
        assert left < right
    assert not np.array_equal(plain, mirrored)
    dense = open_source(str(folder / "maps.toml")).source.sample(0)
    assert [view.shape for view in views(dense, "body28")] == [(*SIZE, 3)] * 3


def test_a_pair_that_is_not_swapped_is_told(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "fork.toml").write_text('name = "prong3c"\nkeypoints = [{ name = "left_tip" }, { name = "right_tip" }]')
    assert main(["data", "check", str(folder / "train.json"), "--skeleton", str(folder / "fork.toml")]) == 1
    assert "flip pair: 1\n  left_tip and right_tip are not each other's swap" in capfd.readouterr().out

"""What is done to kept images on their way into the shards."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")

from PIL import Image
from piles import DARKER, RED, jpeg, picture, png

from vitruvian.cli import main
from vitruvian.curate.faces import SOFT, Faces, blurred, face_circle
from vitruvian.curate.limits import Limits
from vitruvian.curate.run import curate, read_ledger
from vitruvian.curate.settings import Settings
from vitruvian.errors import UsageError
from vitruvian.predict import read_photo

ROOT = Path(__file__).parents[2]
SKIER = ROOT / "examples/photos/skier.jpg"


SETTINGS = Settings(scorers=(RED,), edits=(DARKER,))


def shard_of(out: Path) -> dict[str, bytes]:
    with tarfile.open(out / "shards" / "000000.tar") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pile")
    for seed in range(12):
        image = picture(seed)
        exif = Image.Exif()
        exif[0x010E] = "where it was taken"
        content = jpeg(image, exif=exif) if seed % 2 else png(image)
        (folder / f"{seed:02d}.{'jpg' if seed % 2 else 'png'}").write_bytes(content)
    (folder / "bad.jpg").write_bytes(jpeg(Image.eval(picture(3), lambda v: v // 2).resize((444, 333))))
    return folder


@pytest.fixture(scope="module")
def reference(pile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    curate([str(pile)], out, SETTINGS, workers=0)
    return out


def test_edited_images_are_told_and_the_others_keep_their_bytes(reference: Path) -> None:
    shard, rows = shard_of(reference), [row for row in read_ledger(reference) if row["decision"] == "keep"]
    edited = [row for row in rows if row["edited"]]
    assert {row["edited"] for row in edited} == {DARKER}
    assert len(edited) >= 2
    assert len(rows) - len(edited) >= 2
    for row in rows:
        ending = Path(row["source"]).suffix
        content, beside = shard[row["key"] + ending], json.loads(shard[row["key"] + ".json"])
        plain = read_photo(row["source"]).pixels
        if not row["edited"]:
            assert content == Path(row["source"]).read_bytes()
            assert "edits" not in beside
            continue
        with Image.open(io.BytesIO(content)) as image:
            assert len(image.getexif()) == 0  # it may hold a thumbnail, or a place
            assert abs(np.asarray(image, int) - plain // 2).mean() < 3
        assert beside["edits"] == {DARKER: {"model": "classical", "done": {"by": 2}}}


def test_what_cannot_be_edited_is_left_out(pile: Path, reference: Path) -> None:
    (row,) = [one for one in read_ledger(reference) if Path(one["source"]).name == "bad.jpg"]
    assert (row["decision"], row["stage"], row["shard"]) == ("drop", "pack", None)
    assert row["reason"].startswith("unedited")
    assert "no such size" in row["reason"]


def test_several_workers_write_the_same(pile: Path, reference: Path, tmp_path: Path) -> None:
    curate([str(pile)], tmp_path / "out", SETTINGS, workers=2)
    assert shard_of(tmp_path / "out") == shard_of(reference)
    assert read_ledger(tmp_path / "out") == read_ledger(reference)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (Settings(scorers=(RED,), edits=("nose",)), "faces, or PACKAGE.MODULE:NAME"),
        (Settings(scorers=(RED,), edits=("faces",)), "person among --scorers"),
        (Settings(scorers=(RED,), edits=("piles:Redness",)), "has no edit"),
        (Settings(scorers=(RED, "person"), edits=(DARKER, "faces")), "faces first"),
        (Settings(scorers=(RED,), edits=("piles:Unready",)), "cannot be made .*no-such-file"),
    ],
)
def test_wrong_edits_speak_up_before_anything_is_done(settings: Settings, word: str, pile: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=word):
        curate([str(pile)], tmp_path / "out", settings, workers=0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("answer", ["float", "smaller", "bare", "unwritable"])
@pytest.mark.parametrize("workers", [0, 1])
def test_answers_that_are_none_drop_the_image_with_the_reason(answer: str, workers: int, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(picture(4)))
    settings = Settings(scorers=(), edits=(f"piles:Wrong{answer.title()}",))
    curate([str(tmp_path / "a.png")], tmp_path / "out", settings, workers=workers)
    (row,) = read_ledger(tmp_path / "out")
    assert (row["stage"], row["reason"].partition(":")[0]) == ("pack", "unedited")


def test_edits_are_done_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(picture(4)))
    settings = Settings(scorers=(), edits=("piles:Darkened", "piles:Brightened"))
    curate([str(tmp_path / "a.png")], tmp_path / "out", settings, workers=0)
    (row,) = read_ledger(tmp_path / "out")
    assert row["edited"] == "piles:Darkened,piles:Brightened"
    with Image.open(io.BytesIO(shard_of(tmp_path / "out")["0000000000.png"])) as image:
        assert np.array_equal(np.asarray(image), np.asarray(picture(4)) // 2 + 100)


def test_tune_edits_what_it_writes_anew(reference: Path, tmp_path: Path) -> None:
    assert main(["curate", "tune", str(reference), "--out", str(tmp_path / "out"), "--workers", "0"]) == 0
    assert shard_of(tmp_path / "out") == shard_of(reference)


def test_faces_of_a_whole_run_are_blurred_in_the_shards(tmp_path: Path) -> None:
    settings = Settings(Limits(box=100), scorers=("person",), edits=("faces",))
    curate([str(SKIER)], tmp_path / "out", settings, workers=0)
    (row,) = read_ledger(tmp_path / "out")
    assert (row["decision"], row["edited"]) == ("keep", "faces")
    shard = shard_of(tmp_path / "out")
    (circle, *_) = json.loads(shard["0000000000.json"])["edits"]["faces"]["done"]
    with Image.open(io.BytesIO(shard["0000000000.jpg"])) as image:
        changed = np.abs(np.asarray(image, int) - read_photo(SKIER).pixels).mean(2)
    x, y = (int(value) for value in circle[:2])
    assert changed[y - 5 : y + 5, x - 5 : x + 5].mean() > 10 > 3 > changed[:100].mean()


def test_a_blur_covers_its_circles_and_nothing_else() -> None:
    image = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    circles = [(100.0, 80.0, 40.0), (295.0, 190.0, 30.0), (-500.0, 0.0, 20.0)]
    out = blurred(image, circles)
    y, x = np.mgrid[:200, :300] + 0.5
    inside = np.any([np.hypot(x - cx, y - cy) <= r for cx, cy, r in circles], axis=0)
    outside = np.all([np.hypot(x - cx, y - cy) >= SOFT * r for cx, cy, r in circles], axis=0)
    assert np.array_equal(out[outside], image[outside])
    assert out[inside].astype(float).std() < image[inside].astype(float).std() / 4
    assert np.array_equal(image, np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8))  # the given one stays


def test_a_circle_is_as_wide_as_its_points_and_not_less_than_a_person_tells() -> None:
    points = np.array([[90, 100], [110, 100], [100, 95], [100, 120]], np.float32)
    x, y, radius = face_circle(points, np.array([50, 80, 150, 400]))
    assert (x, y) == (100, 100)
    assert radius == pytest.approx(1.6 * 25 / 2)
    assert face_circle(points, np.array([0, 0, 100, 2000]))[2] == 80


def test_the_faces_of_an_example_are_blurred() -> None:
    image = read_photo(SKIER).pixels
    box = next(line for line in (ROOT / "examples/photos/boxes.csv").read_text().splitlines() if "skier" in line)
    corners = dict(zip(("x1", "y1", "x2", "y2"), map(float, box.split(",")[1:5]), strict=True))
    faces = Faces("cpu")
    edited = faces.edit(image, {"boxes": [corners | {"score": 0.95}]})
    assert edited is not None
    ((x, y, radius),) = edited.told
    assert corners["x1"] <= x <= corners["x2"]
    assert corners["y1"] <= y <= (corners["y1"] + corners["y2"]) / 2  # in the upper half of who stands
    changed = np.abs(edited.image.astype(int) - image).max(2) > 0
    assert changed.any()
    assert changed.sum() <= np.pi * (SOFT * radius + 2) ** 2
    assert faces.edit(image, {"boxes": []}) is None
    with pytest.raises(ValueError, match="not sought"):
        faces.edit(image, {"boxes": None})
    beyond = {"x1": 0.0, "y1": 0.0, "x2": image.shape[1] + 2.0, "y2": image.shape[0] + 2.0, "score": 0.9}  # rounded upwards
    assert faces.edit(image, {"boxes": [beyond, beyond | {"x1": beyond["x2"] - 1}]}) is not None

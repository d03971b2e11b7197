"""What is wrong with labels is found, in sets that were made wrong in one place."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vitruvian.data.check import check_sample, check_source, spread
from vitruvian.data.leaks import leaks, prints
from vitruvian.data.maps import Maps
from vitruvian.data.parts import Parts
from vitruvian.data.sources import Coco, Folder
from vitruvian.types import Array, ImageRecord, Sample

sys.path.insert(0, str(Path(__file__).parent))
from coco_files import write_coco

SIZE = (40, 30)


def person(**changes: object) -> tuple[Sample, ImageRecord]:
    mask = np.zeros(SIZE, bool)
    mask[5:35, 5:25] = True
    points = np.tile(np.array([10, 10, 2], np.float32), (17, 1))
    found = {"box": np.array([5, 5, 25, 35], np.float32), "mask": mask, "skeleton": "coco17", "keypoints": points, **changes}
    return Sample(np.zeros((*SIZE, 3), np.uint8), key="a/1", **found), ImageRecord(0, SIZE, "a")  # type: ignore[arg-type]


def points(row: tuple[float, float, float]) -> Array:
    out = np.tile(np.array([10, 10, 2], np.float32), (17, 1))
    out[5] = row
    return out


CASES = {
    "degenerate box: x1, y1, x2, y2 = 5, 5, 6, 35": {"box": np.array([5, 5, 6, 35])},
    "degenerate box: x1, y1, x2, y2 = nan": {"box": np.array([np.nan, 5, 6, 35])},
    "degenerate box: 25, 5, 60, 35: less than half of it": {"box": np.array([25, 5, 60, 35]), "mask": None},
    "degenerate box: 0, 0, 5, 40, but the mask lies in 5, 5, 25, 35": {"box": np.array([0, 0, 5, 40])},
    "empty mask: the mask has no pixel": {"mask": np.zeros(SIZE, bool)},
    "out-of-range id: left_shoulder: visibility 3": {"keypoints": points((10, 10, 3))},
    "keypoint outside: left_shoulder at 31, 10 in a picture of 30x40 px": {"keypoints": points((31, 10, 1))},
    "keypoint outside: left_shoulder at nan, 10": {"keypoints": points((np.nan, 10, 2))},
    "empty mask: nothing but background": {"classes": np.where(np.eye(*SIZE, dtype=np.uint8) > 0, 255, 0)},
    "depth: half of it beyond 2500 m: is depth_unit right?": {"depth": np.full(SIZE, 2500, np.float32)},
    "depth: known in 0 of 600 pixels": {"depth": np.full(SIZE, np.nan, np.float32)},
    "normal: 100 % look away": {"normal": np.tile(np.array([0, 0, 1], np.float32), (*SIZE, 1))},
}


@pytest.mark.parametrize("words", CASES)
def test_a_fault_of_one_person(words: str) -> None:
    (found,) = check_sample(*person(**CASES[words]))
    assert f"{found.kind}: {found.text}".startswith(words) and found.where == "a/1"


def test_a_good_person_has_none() -> None:
    facing = np.tile(np.array([0, 0, -1], np.float32), (*SIZE, 1))
    classes = np.full(SIZE, 3, np.uint8)
    assert not list(check_sample(*person(depth=np.full(SIZE, 2, np.float32), normal=facing, classes=classes)))
    assert not list(check_sample(*person(keypoints=points((99, 99, 0)))))


def test_photos_are_read_evenly_apart() -> None:
    assert spread(5, None) == spread(5, 9) == [0, 1, 2, 3, 4]
    assert spread(101, 3) == [0, 50, 100] and spread(9, 1) == [0]


def test_one_bad_photo_is_a_finding_and_the_others_go_on(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"images/{i}.png"), np.zeros((*SIZE, 3), np.uint8))
        Image.fromarray(np.full(SIZE, 3 if i != 2 else 77, np.uint8)).save(tmp_path / f"masks/{i}.png")
    (tmp_path / "masks/1.png").unlink()
    checked = check_source(Parts(tmp_path / "images", tmp_path / "masks"))
    assert (checked.photos, checked.people) == (3, 2)
    assert [finding.kind for finding in checked.findings] == ["source", "unusable"]
    assert "no mask 1.png" in checked.findings[0].text and "2.png: ids 77 are not of body28" in checked.findings[1].text


def test_flip_pairs_that_the_names_or_the_labels_contradict(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    rows = '{ name = "nose" }, { name = "left_eye" }, { name = "right_eye" }, { name = "left_ear", swap = "right_ear" },'
    path.write_text(f'name = "contradicting"\nkeypoints = [{rows} {{ name = "right_ear", swap = "left_ear" }}]')

    def crowd(document):  # type: ignore[no-untyped-def]
        first = document["annotations"][0]
        first["keypoints"][9:12] = [4, 4, 2]  # a left ear
        document["annotations"] = [{**first, "id": i} for i in range(12)]

    write_coco(tmp_path, crowd)
    told = [f.text for f in check_source(Coco(tmp_path / "a.json", tmp_path, str(path))).findings]
    assert told[0] == "left_eye and right_eye are not each other's swap"
    assert told[-1] == "left_ear has 12 labels, its mirror image right_ear none"


def test_shared_sets_have_no_fault(shared: Path) -> None:
    photos = shared / "data/coco"
    coco = check_source(Coco(photos / "annotations/person_keypoints.json", photos), limit=12)
    whole = shared / "data/mmpose_coco"
    bodies = check_source(Coco(whole / "annotations/test_coco_wholebody.json", whole, "wholebody133"))
    cihp = shared / "data/parsing_cihp"
    parts = check_source(Parts(cihp, cihp, "cihp20", suffix="_parts"))
    assert coco.findings == bodies.findings == parts.findings == ()
    assert (coco.photos, bodies.people, parts.people) == (12, 4, 3)


def test_normals_read_in_a_wrong_frame_are_noticed(shared: Path, tmp_path: Path) -> None:
    for kind, name in (("images", "img"), ("normals", "normal")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "street.png").write_bytes((shared / f"data/normals/dsine_000000_{name}.png").read_bytes())
    assert not check_source(Maps(tmp_path, normal_frame="left up back")).findings
    (found,) = check_source(Maps(tmp_path, normal_frame="camera")).findings
    assert found.kind == "normal" and "is normal_frame right?" in found.text


def scene(seed: int, size: tuple[int, int] = (60, 90)) -> Array:
    small = np.random.default_rng(seed).integers(0, 256, (6, 9, 3)).astype(np.uint8)
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC)


def test_pictures_that_two_sets_share(tmp_path: Path) -> None:
    for name in ("train", "val"):
        (tmp_path / name).mkdir()
    for i in range(8):
        cv2.imwrite(str(tmp_path / f"train/t{i}.png"), scene(i))
    val = {"same": scene(1), "other": scene(100), "small": cv2.resize(scene(2), (45, 30), interpolation=cv2.INTER_AREA),
           "mirror": scene(3)[:, ::-1], "crop": scene(4)[1:-1, 1:-1], "flat": np.full((60, 90, 3), 7, np.uint8)}  # fmt: skip
    for name, image in val.items():
        cv2.imwrite(str(tmp_path / f"val/{name}.png"), image)
    cv2.imwrite(str(tmp_path / "val/worse.jpg"), scene(5), [cv2.IMWRITE_JPEG_QUALITY, 20])
    cv2.imwrite(str(tmp_path / "train/flat.png"), np.full((60, 90, 3), 9, np.uint8))
    (tmp_path / "val/broken.png").write_bytes(b"")
    found = {Path(one.val).stem: (Path(one.train).stem, one.how) for one in
             leaks(prints(Folder(tmp_path / "train")), prints(Folder(tmp_path / "val")))}  # fmt: skip
    assert found == {
        "same": ("t1", "the same pixels"), "small": ("t2", "nearly the same"), "mirror": ("t3", "its mirror image"),
        "crop": ("t4", "nearly the same"), "worse": ("t5", "nearly the same"),
    }  # fmt: skip


def test_twins_among_the_shared_photos_and_no_others(shared: Path) -> None:
    data = shared / "data"
    marked, clean = prints(Folder(data / "curation/watermark")), prints(Folder(data / "curation/watermark_clean_twin"))
    assert len(list(leaks(marked, clean))) == len(clean.names) == 2
    assert not list(leaks(prints(Folder(data / "coco"), 20), prints(Folder(data / "coco_val2014"))))

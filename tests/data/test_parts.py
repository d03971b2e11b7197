"""Masks of body parts, on small files written here and on the shared pictures of CIHP."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vitruvian.data.parts import Parts
from vitruvian.errors import InputError, UsageError

SIZE = (6, 8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("images", "masks", "people"):
        (tmp_path / name).mkdir()
    ids = np.zeros(SIZE, np.uint8)
    ids[1:4, 1:3], ids[2:5, 5:8] = 2, 18
    for stem in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"images/{stem}.jpg"), np.full((*SIZE, 3), 90, np.uint8))
        Image.fromarray(ids).save(tmp_path / f"masks/{stem}.png")
        Image.fromarray((ids > 0) * np.where(np.arange(8) < 4, 1, 2).astype(np.uint8)).save(tmp_path / f"people/{stem}.png")
    return tmp_path


def test_ids_become_classes(folder: Path) -> None:
    plain = Parts(folder / "images", folder / "masks", classes="cihp20")
    assert (len(plain), plain.class_set) == (2, "cihp20")
    assert np.unique(plain.sample(0).classes).tolist() == [0, 2, 18] and plain.sample(0).box.tolist() == [1, 1, 8, 5]
    mapped = pickle.loads(pickle.dumps(Parts(folder / "images", folder / "masks", mapping="cihp20")))
    assert (np.unique(mapped.sample(1).classes).tolist(), mapped.class_set) == ([0, 3, 8], "body28")
    assert mapped[0].people[0].area == 15


def test_people_are_told_apart_by_masks_of_their_own(folder: Path) -> None:
    source = Parts(folder / "images", folder / "masks", classes="cihp20", people=folder / "people")
    people = source[0].people
    assert [p.box.tolist() for p in people] == [[1, 1, 3, 4], [5, 2, 8, 5]] and [p.area for p in people] == [6, 9]


def test_a_mask_with_a_palette_keeps_its_numbers(folder: Path) -> None:
    image = Image.open(folder / "masks/a.png").convert("P")
    ids = np.array(Image.open(folder / "masks/a.png"))
    image = Image.fromarray(ids, "L").copy()
    image.putpalette([7 * i % 256 for i in range(768)])
    image.save(folder / "masks/a.png")
    assert np.unique(Parts(folder / "images", folder / "masks", classes="cihp20").sample(0).classes).tolist() == [0, 2, 18]


def test_bad_masks_are_named(folder: Path) -> None:
    source = Parts(folder / "images", folder / "masks", classes="cihp20")
    for array, words in (
        (np.full(SIZE, 20, np.uint8), "masks/a.png: ids 20 are not of cihp20, with 20 classes"),
        (np.zeros(SIZE, np.uint8), "masks/a.png: an empty mask"),
        (np.ones((3, 3), np.uint8), "masks/a.png: 3x3 px"),
        (np.ones((*SIZE, 3), np.uint8), "masks/a.png: mode RGB. Allowed: grey or palette"),
    ):
        Image.fromarray(array).save(folder / "masks/a.png")
        with pytest.raises(InputError, match=words):
            source.sample(0)
        assert source.sample(1).area == 15
    (folder / "masks/a.png").write_bytes((folder / "masks/a.png").read_bytes()[:40])
    with pytest.raises(InputError, match=r"masks/a.png: not an image"):
        source.sample(0)
    (folder / "masks/a.png").unlink()
    with pytest.raises(InputError, match=r"masks/a.png: missing"):
        source.sample(0)


def test_what_has_no_partner_is_a_problem(folder: Path) -> None:
    (folder / "masks/a.png").rename(folder / "masks/c.png")
    source = Parts(folder / "images", folder / "masks", classes="cihp20")
    assert len(source) == 1 and ["no mask a.png" in source.problems[0], "c.png: no picture" in source.problems[1]] == [True] * 2
    with pytest.raises(InputError, match=r"no STEM_x.png for a picture"):
        Parts(folder / "images", folder / "masks", suffix="_x")
    with pytest.raises(UsageError, match="not a folder"):
        Parts(folder / "images", folder / "nowhere")


def test_pictures_of_one_stem_are_left_out_and_told(folder: Path) -> None:
    cv2.imwrite(str(folder / "images/a.png"), np.full((*SIZE, 3), 200, np.uint8))
    source = Parts(folder / "images", folder / "masks", classes="cihp20")
    assert [path.name for path in source.files] == ["b.jpg"]
    (told,) = source.problems
    assert told.startswith(f"{folder}/images: a.jpg and a.png have one stem") and "Fix: rename" in told
    (folder / "images/b.jpg").unlink()
    with pytest.raises(InputError, match=r"a\.jpg and a\.png have one stem"):
        Parts(folder / "images", folder / "masks", classes="cihp20")


def test_masks_beside_their_pictures_are_no_second_pictures(folder: Path) -> None:
    for path in (folder / "masks").glob("*.png"):
        path.rename(folder / "images" / path.name)
    source = Parts(folder / "images", folder / "images", classes="cihp20")
    assert [path.name for path in source.files] == ["a.jpg", "b.jpg"] and not source.problems


def test_people_of_a_mask_of_one_bit(folder: Path) -> None:
    ids = np.asarray(Image.open(folder / "masks/a.png"))
    Image.fromarray(ids > 0).save(folder / "people/a.png")
    (person,) = Parts(folder / "images", folder / "masks", classes="cihp20", people=folder / "people")[0].people
    assert person.area == 15 and person.key == "a.jpg/1"


def test_the_shared_pictures_of_cihp(shared: Path) -> None:
    folder = shared / "data/parsing_cihp"
    own = Parts(folder, folder, classes="cihp20", suffix="_parts")
    ours = Parts(folder, folder, mapping="cihp20", suffix="_parts")
    assert len(own) == 3 and not own.problems
    for i in range(3):
        truth, mapped = own.sample(i).classes, ours.sample(i).classes
        assert ((truth == 2) == (mapped == 3)).all() and ((truth == 13) == (mapped == 2)).all()
        assert ((truth == 14) <= (mapped == 255)).all(), "an arm is no one class of the 28"
    arms = [np.nonzero(own.sample(1).classes == i)[1].mean() for i in (14, 15)]
    assert arms[0] > arms[1], "left is the person's own: seen from the front it lies on the right"

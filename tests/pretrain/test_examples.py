from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from made_photos import made_photo
from PIL import Image

from vitruvian.data.loader import Loader
from vitruvian.errors import InputError, UsageError
from vitruvian.pretrain.examples import Crops, middle_square, random_crop
from vitruvian.pretrain.sources import open_photos


def crops(photos: Path, **changes: object) -> Crops:
    return Crops(open_photos([str(photos)], photos / "run"), 32, **changes)  # type: ignore[arg-type]


def test_crops_are_of_the_told_share_and_shape() -> None:
    rng = np.random.default_rng(0)
    found = np.array([random_crop((400, 600), (0.2, 1.0), (3 / 4, 4 / 3), rng) for _ in range(2000)])
    left, top, width, height = found.T
    assert (left >= 0).all() and (top >= 0).all() and (left + width <= 600).all() and (top + height <= 400).all()
    share, shape = width * height / 240_000, width / height
    assert share.min() > 0.19 and share.max() <= 1 and shape.min() > 0.74 and shape.max() < 1.35
    assert left.std() > 50 and top.std() > 30
    square = np.array([random_crop((500, 500), (0.2, 0.5), (3 / 4, 4 / 3), rng)[2:] for _ in range(2000)])
    assert abs(square.prod(1).mean() / 250_000 - 0.35) < 0.01  # even in the share, and as often wide as tall
    assert abs(np.log(square[:, 0] / square[:, 1]).mean()) < 0.015
    assert random_crop((10, 1000), (0.9, 1.0), (3 / 4, 4 / 3), rng) == (493, 0, 13, 10)  # nothing fits: the middle


def test_half_are_mirrored_and_the_picture_is_the_photos(photos: Path) -> None:
    whole = {"area": (1.0, 1.0), "aspect": (56 / 40, 56 / 40)}
    plain, mirrored = crops(photos, flip=0.0, **whole), crops(photos, flip=1.0, **whole)
    a, target, name = plain.example(3, np.random.default_rng(0))
    b, _, _ = mirrored.example(3, np.random.default_rng(0))
    assert a.shape == (32, 32, 3) and a.dtype == np.uint8 and target["mae"]["noise"].shape == (4,) and name.endswith(".png")
    assert np.array_equal(a[:, ::-1], b) and not np.array_equal(a, b)
    photo = Image.fromarray(plain.photos.photo(3)[0])
    assert np.array_equal(a, np.asarray(photo.resize((32, 32), Image.Resampling.BICUBIC)))
    sometimes = crops(photos, **whole)
    seen = [np.array_equal(sometimes.example(3, np.random.default_rng(i))[0], b) for i in range(200)]
    assert 70 < sum(seen) < 130


def test_examples_hang_on_the_seed_and_the_position_alone(photos: Path) -> None:
    def batches(workers: int, seed: int = 1) -> list[torch.Tensor]:
        loader = Loader(crops(photos), 4, seed, (0, 0, 0), (1, 1, 1), workers=workers)
        return [batch.image for batch in loader.batches(0, 4)]

    alone, together = batches(0), batches(2)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
    assert not torch.equal(alone[0], batches(0, seed=2)[0])


def test_sources(photos: Path, tmp_path: Path) -> None:
    made_photo(tmp_path / "other" / "z.jpg", 99)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for i in range(3):
            tar.add(photos / "sub0" / f"{2 * i}.png", f"{i}.png")
    both = open_photos([str(photos / "sub1" / "*.png"), str(tmp_path / "other"), str(tmp_path / "a.tar")], tmp_path / "run")
    assert len(both) == 5 + 1 + 3 and both.groups == (6, 3)
    names = [both.photo(i)[1] for i in range(9)]
    assert len(set(names)) == 9 and names[-1] == f"{tmp_path / 'a.tar'}/2"
    assert crops(photos).groups is None


def test_the_hash_of_photos_goes_by_their_names_not_by_their_place(photos: Path, tmp_path: Path) -> None:
    before = open_photos([str(photos)], tmp_path).digest()
    moved = photos.rename(tmp_path / "moved")
    assert open_photos([str(moved)], tmp_path).digest() == before
    made_photo(moved / "new.png", 5)
    assert open_photos([str(moved)], tmp_path).digest() != before


def test_what_is_no_source(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for given, told in [
        ([], "no source of photos given"),
        ([str(tmp_path / "empty")], "no photo in this folder"),
        ([str(photos), str(tmp_path / "gone")], "gone: no such file"),
        ([str(photos / "*.tif")], "no photo matches"),
    ]:
        with pytest.raises(UsageError, match=told):
            open_photos(given, tmp_path / "run")


def test_a_damaged_photo_says_so(photos: Path, tmp_path: Path) -> None:
    whole = made_photo(tmp_path / "cut" / "a.jpg", 1, (300, 300))
    whole.write_bytes(whole.read_bytes()[:-900])
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(whole, "cut.jpg")
        tar.add(photos / "sub0" / "0.png", "good.png")
    for given in (whole.parent, tmp_path / "a.tar"):
        with pytest.raises(InputError, match="damaged or truncated"):
            open_photos([str(given)], tmp_path / "run").photo(0)


def test_the_middle_of_a_photo() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 10:50] = 200
    assert middle_square(image, 16).shape == (16, 16, 3) and (middle_square(image, 16) == 200).all()

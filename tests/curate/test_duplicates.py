from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")

from piles import jpeg, picture

from vitruvian.curate.duplicates import find_twins, near_pairs
from vitruvian.curate.integrity import open_image
from vitruvian.curate.looks import looks_of


@pytest.mark.parametrize("limit", [1, 4, 7])
def test_bands_find_what_comparing_every_pair_finds(limit: int) -> None:
    rng = np.random.default_rng(limit)
    seeds = rng.integers(0, 2**63, 40, np.uint64)
    flips = [sum(1 << int(bit) for bit in rng.choice(64, rng.integers(0, 10), replace=False)) for _ in range(400)]
    hashes = np.unique(seeds[rng.integers(40, size=400)] ^ np.array(flips, np.uint64))
    pairs = near_pairs(hashes, limit)
    values = [int(value) for value in hashes]
    wanted = {
        (i, j, (values[i] ^ values[j]).bit_count())
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= limit
    }
    assert len(wanted) > 20
    assert set(zip(*(part.tolist() for part in pairs), strict=True)) == wanted


def test_a_copy_takes_the_place_of_a_better_one_that_is_dropped() -> None:
    names = ["00", "00", "01", "ff"]
    all_kept = find_twins(names, range(4), 1, lambda _: "kept")
    assert all_kept.of == {1: (0, 0, None), 2: (0, 1, None)}
    first_bad = find_twins(names, range(4), 1, lambda place: "failed" if place == 0 else "kept")
    assert first_bad.of == {2: (1, 1, None)}
    unknown = find_twins(names, range(4), 1, lambda _: "unknown")
    assert (unknown.open, unknown.waiting, unknown.of) == ([0, 3], 2, {})


@pytest.mark.parametrize("seed", range(5))
def test_the_hash_knows_a_picture_again(seed: int) -> None:
    def hash_of(content: bytes) -> int:
        return int(looks_of(open_image(content, "").view.pixels)["phash"], 16)

    image = picture(seed)
    own = hash_of(jpeg(image))
    assert (own ^ hash_of(jpeg(image, 40))).bit_count() <= 4
    assert (own ^ hash_of(jpeg(image.resize((250, 200))))).bit_count() <= 4
    assert (own ^ hash_of(jpeg(picture(seed + 100)))).bit_count() > 12


def test_looks_tell_grey_flat_and_soft_pictures() -> None:
    def looks(image) -> dict[str, float]:
        return looks_of(np.asarray(image))

    good = looks(picture(1))
    assert looks(picture(1).convert("L").convert("RGB"))["colour"] == 0
    assert good["colour"] > 20
    assert looks(picture(1, grain=0))["sharpness"] < good["sharpness"] - 2

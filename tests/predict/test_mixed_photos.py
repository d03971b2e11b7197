"""Photos as people have them, good and broken, in one call: the benchmark of that name on a small folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import mixed_photos


def test_good_photos_are_done_and_bad_ones_told(tmp_path: Path) -> None:
    good, bad, boxes = mixed_photos.make(tmp_path, 16, largest=0.1)
    assert len(good) == 14 and len(bad) == 2
    out = tmp_path / "out"
    ran = mixed_photos.run(tmp_path / "photos", out, "--boxes", str(boxes), "--device", "cpu")
    assert mixed_photos.faults(ran, good, bad, out, counted=True) == []


def test_the_benchmark_sees_what_is_wrong(tmp_path: Path) -> None:
    good = {"a.jpg": mixed_photos.Good((32, 32), 1), "b.jpg": mixed_photos.Good((32, 32), 0)}
    (tmp_path / "left.tmp").write_bytes(b"half")
    ran = mixed_photos.Ran(0, {"b.jpg": {"file": "b.jpg", "error": "x"}, "c.jpg": {"error": "two\nlines"}}, 1.0, 1.0, "")
    wrong = mixed_photos.faults(ran, good, ["c.jpg"], tmp_path, counted=True)
    assert len(wrong) == 5
    for text in ("exit code 0", "a.jpg: not a word", "c.jpg: told", "b.jpg: x", "left.tmp: not named"):
        assert any(text in line for line in wrong), text


@pytest.mark.parametrize(("name", "content"), mixed_photos.BROKEN)
def test_every_broken_file_is_broken(tmp_path: Path, name: str, content: object) -> None:
    from vitruvian.errors import InputError
    from vitruvian.predict.images import read_photo

    (tmp_path / name).write_bytes(content())  # type: ignore[operator]
    with pytest.raises(InputError):
        read_photo(tmp_path / name)

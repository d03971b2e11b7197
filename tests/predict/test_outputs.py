from __future__ import annotations

from pathlib import Path

import pytest

from vitruvian.errors import InputError, UsageError
from vitruvian.predict.outputs import Outputs


def test_nothing_is_replaced_unasked_or_written_twice(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    outputs = Outputs()
    with pytest.raises(InputError, match=r"already there\. Fix: --overwrite"):
        outputs.write(tmp_path, {"b": b"1", "a": b"2"}, "x.json")
    assert not (tmp_path / "b").exists() and (tmp_path / "a").read_bytes() == b"mine"
    outputs = Outputs(overwrite=True)
    outputs.write(tmp_path, {"b": b"1", "a": lambda: b"2"}, "x.json")
    assert (tmp_path / "a").read_bytes() == b"2"
    with pytest.raises(InputError, match=r"y\.json: .*a is already made of x\.json"):
        outputs.write(tmp_path, {"a": b"3"}, "y.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"], "no temporary files"


def test_one_bad_input_is_told_and_stops_no_other(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outputs = Outputs()
    with outputs.attempt("a.json"):
        raise InputError("no keypoints\nin it")
    with outputs.attempt("b.json"):
        raise MemoryError
    with outputs.attempt("c.json"):
        outputs.write(tmp_path / "a" / "b", {"c": b""}, "c.json")
    with outputs.attempt("d.json"):
        outputs.write(tmp_path / "a" / "b" / "c", {"d": b""}, "d.json")  # a file is in the way
    assert outputs.end(out=tmp_path) == 1
    told = capfd.readouterr()
    assert told.out == f"1 file -> {tmp_path}; 3 failed\n"
    first, second, third = told.err.splitlines()
    assert first == "error: a.json: no keypoints in it" and "not enough memory" in second and "cannot be written" in third
    with pytest.raises(UsageError), outputs.attempt("e.json"):
        raise UsageError("wrong for all")

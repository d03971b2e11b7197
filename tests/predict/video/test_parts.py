from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest

from vitruvian.predict.video.parts import Parts

from .conftest import scene

VIDEO = (96, 128), Fraction(1, 1000), Fraction(10)


def add(parts: Parts, first: int, count: int, whole: bool = True, drawn: bool = True) -> None:
    with parts.begin(*VIDEO) as part:
        for i in range(first, first + count):
            part.add(f'{{"i": {i}}}', scene([]) if drawn else None, 100 * i)
        if whole:
            part.close({"next": first + count})


def test_pieces_that_are_whole_are_found_again(tmp_path: Path) -> None:
    folder, plan = tmp_path / "p", {"a": 1}
    parts = Parts(folder, plan)
    assert (parts.state, parts.count, parts.dropped) == (None, 0, False)
    add(parts, 0, 3)
    add(parts, 3, 2)
    again = Parts(folder, plan)
    assert (again.state, again.count, again.dropped) == ({"next": 5}, 2, False)
    assert "".join(again.lines()) == "".join(f'{{"i": {i}}}\n' for i in range(5))
    assert len(again.pictures()) == 2


def test_a_piece_that_is_not_whole_never_was(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "p", {})
    add(parts, 0, 2)
    add(parts, 2, 2, whole=False)
    (tmp_path / "p" / "000001.jsonl").write_text("half")  # killed between two renames
    again = Parts(tmp_path / "p", {})
    assert again.state == {"next": 2}
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == [
        "000000.json",
        "000000.jsonl",
        "000000.nut",
        "plan.json",
    ]
    add(again, 2, 1)
    assert Parts(tmp_path / "p", {}).state == {"next": 3}


def test_another_plan_begins_anew(tmp_path: Path) -> None:
    add(Parts(tmp_path / "p", {"smooth": False}), 0, 2)
    again = Parts(tmp_path / "p", {"smooth": True})
    assert (again.state, again.count, again.dropped) == (None, 0, True)
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["plan.json"]


def test_pieces_without_pictures_and_what_else_is_kept(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "p", {})
    add(parts, 0, 2, drawn=False)
    assert parts.pictures() == [] and len(list(parts.lines())) == 2
    assert parts.kept("range") is None
    parts.keep("range", '{"ends": [0.25, 3]}')
    assert Parts(tmp_path / "p", {}).kept("range") == {"ends": [0.25, 3]}
    parts.remove()
    assert not (tmp_path / "p").exists()


def test_a_mistake_inside_a_piece_leaves_no_whole_piece(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "p", {})
    with pytest.raises(ValueError, match="stopped"), parts.begin(*VIDEO) as part:
        part.add("{}", scene([]), 0)
        raise ValueError("stopped")
    assert Parts(tmp_path / "p", {}).count == 0


def test_two_who_keep_at_once_do_not_take_each_others_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, real = Parts(tmp_path / "p", {}), Path.replace

    def late(self: Path, target: Path) -> Path:
        with monkeypatch.context() as other:
            other.setattr(Path, "replace", real)
            other.setattr(os, "getpid", lambda: 1)
            parts.keep("depths", "[1]")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", late)
    parts.keep("depths", "[2]")
    assert parts.kept("depths") == [2]

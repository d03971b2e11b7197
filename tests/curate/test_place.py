"""The folder of a run: one run alone, and whose fault is whose."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")

from vitruvian.curate.place import Place
from vitruvian.curate.report import write_report
from vitruvian.curate.settings import Settings
from vitruvian.errors import InputError, UsageError, VitruvianError


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    place = Place(tmp_path / "out")
    with place.alone(), pytest.raises(UsageError, match="another run is at work"), place.alone():
        pass
    with place.alone():
        pass


def test_what_fails_inside_a_run_is_not_laid_to_its_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"), Place(tmp_path / "out").alone():
        (tmp_path / "absent").open()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VitruvianError, match=r"cannot write .*out \(Not a directory\)"), Place(tmp_path / "file/out").alone():
        pass


def test_a_disk_without_locks_is_no_other_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(VitruvianError, match=r"out: cannot be locked \(No locks available\)"), Place(tmp_path / "out").alone():
        pass


def test_settings_nested_without_end_are_damaged(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="damaged"):
        Place(tmp_path).told()


def test_two_reports_at_once_do_not_take_each_others_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, path = Path.replace, tmp_path / "report.html"

    def late(self: Path, target: Path) -> Path:
        with monkeypatch.context() as other:
            other.setattr(Path, "replace", real)
            other.setattr(os, "getpid", lambda: 1)
            write_report(path, [], Settings())
        return real(self, target)

    monkeypatch.setattr(Path, "replace", late)
    write_report(path, [], Settings())
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]

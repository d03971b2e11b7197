from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vitruvian.errors import UsageError
from vitruvian.predict.video.camera import Camera
from vitruvian.predict.video.find import find_inputs

Photo = Callable[..., Path]


@pytest.fixture
def folder(photo: Photo) -> Path:
    """Two photos, a video, a note."""
    place = photo("b.jpg").parent
    photo("sub/a10.png"), photo("sub/a9.png")
    (place / "clip.MP4").write_bytes(b"x")
    (place / "note.txt").write_text("x")
    return place


def names(found: list) -> list[str]:
    return [one.name for one in found]


def test_photos_and_videos_of_a_folder_and_cameras(folder: Path, tmp_path: Path) -> None:
    found = find_inputs([str(folder), "webcam:1"], tmp_path / "out")
    assert names(found.photos) == ["b.jpg", "sub/a10.png", "sub/a9.png"]
    assert names(found.clips) == ["clip.MP4", "webcam:1"]
    assert isinstance(found.clips[1], Camera) and found.clips[1].stem.startswith("webcam1-")
    assert found.problems == []


def test_a_sequence_is_a_folder_or_a_pattern_in_the_order_of_numbers(folder: Path, tmp_path: Path) -> None:
    (clip,) = find_inputs([str(folder / "sub")], tmp_path / "out", sequence=True, fps=25).clips
    assert (clip.name, clip.stem, float(clip.fps)) == ("sub", "sub", 25.0)
    assert names(clip.files) == ["a9.png", "a10.png"]
    (clip,) = find_inputs([str(folder / "sub" / "*0.png")], tmp_path / "out", sequence=True).clips
    assert names(clip.files) == ["a10.png"] and clip.fps == 30


def test_what_is_no_sequence_is_told_and_the_others_are_done(folder: Path, tmp_path: Path) -> None:
    (folder / "empty").mkdir()
    given = [str(folder / "b.jpg"), str(folder / "empty"), str(folder / "sub")]
    found = find_inputs(given, tmp_path / "out", sequence=True)
    assert len(found.clips) == 1
    assert [problem.message.split(": ")[1].split(".")[0] for problem in found.problems] == [
        "one file is no sequence",
        "no photo in this folder",
    ]


def test_sequences_with_odd_names(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "sub").rename(folder / "~sub")
    (folder / "b.jpg").rename(folder / "~b.jpg")
    found = find_inputs(["~sub", "~b.jpg", "a" * 300], tmp_path / "out", sequence=True)
    assert names(found.clips) == ["~sub"]
    assert [problem.name for problem in found.problems] == ["~b.jpg", "a" * 300]
    assert "one file is no sequence" in found.problems[0].message and "too long" in found.problems[1].message


def test_results_of_earlier_runs_are_no_inputs(folder: Path) -> None:
    (folder / "clip.json").write_text('{"files": {"overlay": "clip.overlay.mp4"}, "fingerprint": {}}')
    (folder / "clip.overlay.mp4").write_bytes(b"x")
    assert names(find_inputs([str(folder)], folder).clips) == ["clip.MP4"]


@pytest.mark.parametrize(
    ("given", "options", "told"),
    [
        (["webcam:front"], {}, "webcam:front: no camera of this name"),
        (["x"], {"fps": 25.0}, "--fps 25. Allowed: together with --sequence"),
        (["x"], {"sequence": True, "fps": 0.0}, "--fps 0. Allowed: a number above 0"),
        ([], {}, "no photo given"),
        (["webcam:0"], {"sequence": True}, "no pictures given"),
    ],
)
def test_wrong_arguments(given: list[str], options: dict, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        find_inputs(given, tmp_path, **options)


def test_a_result_never_replaces_an_input(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    (tmp_path / "a.overlay.mp4").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"a result of .*a.mp4 would replace"):
        find_inputs([str(tmp_path / "a.mp4"), str(tmp_path / "a.overlay.mp4")], tmp_path)

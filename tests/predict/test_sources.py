from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vitruvian.errors import UsageError
from vitruvian.predict.sources import expanded, find_sources


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "p/a.jpg",
        "p/deep/er/b.PNG",
        "p/deep/c.txt",
        "p/.hidden.jpg",
        "p/.thumbs/x.jpg",
        "q/a.jpg",
        "empty/readme.md",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stems(given: list[str], out: str = "out") -> dict[str, str]:
    sources, problems = find_sources(given, Path(out))
    assert not problems
    return {source.path.as_posix(): source.stem for source in sources}


def test_a_folder_is_searched_in_depth_and_mirrored(tree: Path) -> None:
    assert stems(["p"]) == {"p/a.jpg": "a", "p/deep/er/b.PNG": "deep/er/b"}
    sources, _ = find_sources(["p"], Path("out"))
    assert [source.name for source in sources] == ["a.jpg", "deep/er/b.PNG"]


def test_a_file_goes_by_its_name_and_a_glob_by_what_follows_its_fixed_part(tree: Path) -> None:
    assert stems(["p/deep/er/b.PNG"]) == {"p/deep/er/b.PNG": "b"}
    assert stems(["p/*/*/*.PNG"]) == {"p/deep/er/b.PNG": "deep/er/b"}
    assert sorted(stems(["p/**/*"]).values()) == ["a", "deep/er/b"]
    assert sorted(stems([f"{tree}/p/**/*"]).values()) == ["a", "deep/er/b"]


def test_equal_stems_keep_their_extension(tree: Path) -> None:
    (tree / "p/a.png").write_bytes(b"x")
    (tree / "p/A.webp").write_bytes(b"x")
    assert stems(["p"]) == {"p/A.webp": "A.webp", "p/a.jpg": "a.jpg", "p/a.png": "a.png", "p/deep/er/b.PNG": "deep/er/b"}


def test_equal_names_of_two_roots_keep_their_folder(tree: Path) -> None:
    assert stems(["p/a.jpg", "q/a.jpg"]) == {"p/a.jpg": "p/a.jpg", "q/a.jpg": "q/a.jpg"}
    assert [source.name for source in find_sources(["p", "q"], Path("out"))[0]] == ["p/a.jpg", "deep/er/b.PNG", "q/a.jpg"]


def test_a_name_with_two_extensions_stays_in_the_mirrored_tree(tree: Path) -> None:
    for name in ("deep/x.jpg", "deep/x.png", "deep/x.png.jpg"):
        (tree / "p" / name).write_bytes(b"x")
    assert [v for k, v in stems(["p"]).items() if "x" in k] == ["deep/x.jpg", "deep/x.png", "deep/x.png.jpg"]


def test_a_photo_given_twice_is_done_once(tree: Path) -> None:
    assert list(stems(["p/a.jpg", "p", str(tree / "p/a.jpg")])) == ["p/a.jpg", "p/deep/er/b.PNG"]


def test_results_are_not_taken_for_photos(tree: Path) -> None:
    (tree / "p/out").mkdir()
    (tree / "p/out/a.overlay.jpg").write_bytes(b"x")
    assert list(stems(["p"], "p/out")) == ["p/a.jpg", "p/deep/er/b.PNG"]
    assert list(stems(["p/**/*.jpg"], "p/out")) == ["p/a.jpg"]


def test_results_beside_photos_are_not_taken_for_photos(tree: Path) -> None:
    for name in ("a.parts.png", "a.overlay.jpg", "deep/z.depth.png"):
        (tree / "p" / name).write_bytes(b"x")
    (tree / "p/a.json").write_text(
        json.dumps({"fingerprint": {}, "files": {"parts": "a.parts.png", "overlay": "a.overlay.jpg"}})
    )
    for given, out in (("p", "p"), ("p/**/*", "p"), ("p", "elsewhere")):
        assert sorted(stems([given], out)) == ["p/a.jpg", "p/deep/er/b.PNG", "p/deep/z.depth.png"], "nobody's z is a photo"
    assert list(stems(["p/a.overlay.jpg"])) == ["p/a.overlay.jpg"], "who names it, means it"


def test_what_holds_no_photo_is_a_problem_and_the_others_remain(tree: Path) -> None:
    sources, problems = find_sources(["empty", "p/*.gif", "p/a.jpg"], Path("out"))
    assert [source.stem for source in sources] == ["a"]
    assert [problem.name for problem in problems] == ["empty", "p/*.gif"]
    assert "no photo in this folder" in problems[0].message
    assert "no photo matches" in problems[1].message


def test_an_unreadable_folder_is_told_and_the_rest_of_the_tree_is_found(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: Any) -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    sources, problems = find_sources(["p"], Path("out"))
    assert [source.stem for source in sources] == ["a"]
    assert [problem.message for problem in problems] == [
        "p/deep: the folder cannot be read (Permission denied). Fix: change its permissions."
    ]


def test_a_name_that_is_no_text_is_told(tree: Path) -> None:
    Path(os.fsdecode(b"p/\xff.jpg")).write_bytes(b"x")
    sources, problems = find_sources(["p"], Path("out"))
    assert [source.stem for source in sources] == ["a", "deep/er/b"]
    assert ["not valid UTF-8" in problem.message for problem in problems] == [True]
    json.dumps(problems[0].message).encode()


def test_nothing_given() -> None:
    with pytest.raises(UsageError, match="no photo given"):
        find_sources([], Path("out"))


def test_a_tilde_that_is_nobodys_home_is_a_letter_like_any_other(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "~photo.jpg").write_bytes(b"x")
    monkeypatch.setenv("HOME", str(tree / "q"))
    assert stems(["~photo.jpg", "~/a.jpg"]) == {"~photo.jpg": "~photo", f"{tree}/q/a.jpg": "a"}
    assert stems(["~p*.jpg"]) == {"~photo.jpg": "~photo"}
    assert expanded("~photo.jpg") == Path("~photo.jpg")


@pytest.mark.parametrize("name", ["a" * 300 + ".jpg", "p/" + "a" * 300 + "*.jpg", "a/" * 3000])
def test_a_name_that_is_too_long_is_told_and_the_others_remain(tree: Path, name: str) -> None:
    sources, problems = find_sources([name, "p/a.jpg"], Path("out"))
    assert [source.stem for source in sources] == ["a"]
    assert [problem.name for problem in problems] == [name]
    assert "File name too long" in problems[0].message and "Fix: " in problems[0].message

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")

import pyarrow as pa
from piles import jpeg, make_pile, picture

from vitruvian.curate.inputs import list_inputs
from vitruvian.curate.integrity import Refusal
from vitruvian.curate.record import write_rows
from vitruvian.curate.work import read_input
from vitruvian.errors import InputError, UsageError


def shard(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_a_folder_and_a_glob_name_every_picture_once(tmp_path: Path) -> None:
    pile = make_pile(tmp_path / "pile", 2)
    found = list_inputs([str(pile), str(pile / "good-*.jpg")], tmp_path / "out")
    assert len(found) == len(list(pile.iterdir()))
    assert [row["index"] for row in found] == list(range(len(found)))


def test_a_shard_gives_its_pictures_where_they_lie_with_their_licence(tmp_path: Path) -> None:
    one = jpeg(picture(1))
    path = shard(tmp_path / "a.tar", {"x/1.jpg": one, "x/1.json": b'{"license": "CC0"}', "x/2.png": b"?", "x/2.txt": b"hello"})
    first, second = list_inputs([str(path)], tmp_path)
    assert (first["source"], first["licence"], second["licence"]) == (f"{path}/x/1.jpg", "CC0", None)
    assert read_input(first) == one


def test_a_shard_cut_short_is_an_input_of_its_own(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", {"1.jpg": jpeg(picture(1)), "2.jpg": jpeg(picture(2))})
    path.write_bytes(path.read_bytes()[:-12_000])
    *whole, damaged = list_inputs([str(path)], tmp_path)
    assert [row["source"] for row in whole][:1] == [f"{path}/1.jpg"]
    assert damaged["problem"] is None or "damaged shard" in damaged["problem"]


def test_lists_name_paths_beside_themselves(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("path,licence\na.jpg,CC0\nsub/b.jpg,\n")
    (tmp_path / "b.jsonl").write_text('{"path": "c.jpg"}\nnonsense\n{"other": 1}\n')
    write_rows(tmp_path / "c.parquet", [{"file": "d.jpg"}], pa.schema([("file", pa.string())]))
    rows = list_inputs([str(tmp_path / name) for name in ("a.csv", "b.jsonl", "c.parquet")], tmp_path)
    assert [Path(row["source"]).name for row in rows] == ["a.jpg", "b.jpg", "c.jpg", "b.jsonl:2", "b.jsonl:3", "d.jpg"]
    assert [bool(row["problem"]) for row in rows] == [False, False, False, True, True, False]
    assert rows[0]["licence"] == "CC0"


def test_json_that_is_nested_without_end_costs_itself_alone(tmp_path: Path) -> None:
    deep = "[" * 100_000
    path = shard(tmp_path / "a.tar", {"1.jpg": jpeg(picture(1)), "1.json": deep.encode()})
    (tmp_path / "b.jsonl").write_text(deep + '\n{"path": "c.jpg"}\n')
    first, broken, last = list_inputs([str(path), str(tmp_path / "b.jsonl")], tmp_path)
    assert (first["licence"], first["problem"]) == (None, None)
    assert "row without path" in broken["problem"] and last["source"] == str(tmp_path / "c.jpg")


def test_a_tilde_that_is_nobodys_home_is_a_letter_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~photo.jpg").write_bytes(jpeg(picture(1)))
    (tmp_path / "~list.csv").write_text("path\n~photo.jpg\n")
    shard(tmp_path / "~pictures.tar", {"1.jpg": jpeg(picture(2))})
    rows = list_inputs(["~photo.jpg", "~list.csv", "~pictures.tar"], tmp_path / "out")
    assert [row["source"] for row in rows] == ["~photo.jpg", "~pictures.tar/1.jpg"]
    (tmp_path / "b.jsonl").write_text('{"path": "~\\u0000.jpg"}\n')
    (odd,) = list_inputs(["b.jsonl"], tmp_path / "out")
    with pytest.raises(Refusal, match="unreadable"):
        read_input(odd)


@pytest.mark.parametrize("ending", [".jpg", ".tar", ".csv", ".parquet"])
def test_a_name_that_is_too_long_is_told(tmp_path: Path, ending: str) -> None:
    with pytest.raises(UsageError, match="File name too long"):
        list_inputs([str(tmp_path / ("a" * 300 + ending))], tmp_path / "out")


def test_a_list_of_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00p")
    with pytest.raises(InputError, match=r"a\.csv: no CSV that can be read"):
        list_inputs([str(tmp_path / "a.csv")], tmp_path / "out")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_list_that_cannot_be_opened_is_told(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).write_text("path\n")

    def refused(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(InputError, match=f"{name}: cannot be read .Permission denied"):
        list_inputs([str(tmp_path / name)], tmp_path / "out")


@pytest.mark.parametrize("words", [[], ["nowhere"], ["nowhere.tar"], ["nowhere.csv"], ["*.gibtsnicht"]])
def test_a_source_that_is_not_there_is_named_at_once(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        list_inputs([str(tmp_path / word) for word in words], tmp_path)

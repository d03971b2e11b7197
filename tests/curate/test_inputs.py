from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")

import pyarrow as pa
from piles import jpeg, make_pile, picture

from vitruvian.curate.inputs import list_inputs
from vitruvian.curate.record import write_rows
from vitruvian.curate.work import read_input
from vitruvian.errors import UsageError


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


@pytest.mark.parametrize("words", [[], ["nowhere"], ["nowhere.tar"], ["nowhere.csv"], ["*.gibtsnicht"]])
def test_a_source_that_is_not_there_is_named_at_once(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        list_inputs([str(tmp_path / word) for word in words], tmp_path)

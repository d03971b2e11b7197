"""Image datasets of Hugging Face as a source: pictures inside parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")
import pyarrow as pa
import pyarrow.parquet as pq
from piles import RED, jpeg, make_pile, picture

from vitruvian.curate.inputs import list_inputs
from vitruvian.curate.integrity import Refusal
from vitruvian.curate.run import curate, read_ledger
from vitruvian.curate.settings import Settings
from vitruvian.curate.tables import picture_column, read_picture
from vitruvian.curate.work import read_input
from vitruvian.errors import InputError, UsageError

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
Pictures = list[tuple[bytes | None, str | None]]


def write(path: Path, pictures: Pictures, column: str = "image", rows_of_a_group: int = 3, **more: list[Any]) -> Path:
    """As the library datasets writes them."""
    held = pa.array([{"bytes": content, "path": name} for content, name in pictures], PICTURE)
    pq.write_table(pa.table({"label": list(range(len(pictures))), column: held, **more}), path, row_group_size=rows_of_a_group)
    return path


@pytest.fixture
def contents() -> list[bytes]:
    return [jpeg(picture(number)) for number in range(8)]


def test_every_row_is_an_input_with_its_own_bytes_and_licence(contents: list[bytes], tmp_path: Path) -> None:
    licences = ["CC0" if number % 2 else None for number in range(8)]
    file = write(tmp_path / "train.parquet", [(one, f"{n}.jpg") for n, one in enumerate(contents)], license=licences)
    rows = list_inputs([str(file)], tmp_path / "out")
    assert [row["source"] for row in rows] == [f"{file}/{n}/{n}.jpg" for n in range(8)]
    assert [row["licence"] for row in rows] == licences
    assert [read_input(row) for row in rows] == contents
    assert [read_picture(file, row) for row in (7, 0, 4)] == [contents[7], contents[0], contents[4]]


def test_patterns_name_several_files_and_names_of_pictures_may_be_absent(contents: list[bytes], tmp_path: Path) -> None:
    for number in range(2):
        write(tmp_path / f"train-{number}.parquet", [(one, None) for one in contents[number * 4 : number * 4 + 4]])
    for given in (str(tmp_path / "*.parquet"), str(tmp_path / "train-{0..1}.parquet")):
        rows = list_inputs([given], tmp_path / "out")
        assert [read_input(row) for row in rows] == contents
        assert rows[5]["source"] == f"{tmp_path}/train-1.parquet/1"


def test_the_column_of_pictures_is_found(contents: list[bytes], tmp_path: Path) -> None:
    other = write(tmp_path / "a.parquet", [(contents[0], None)], column="photo")
    both = write(tmp_path / "b.parquet", [(contents[0], None)], thumb=pa.array([{"bytes": b"", "path": ""}], PICTURE))
    pq.write_table(pa.table({"path": ["a.jpg"]}), tmp_path / "list.parquet")
    assert [picture_column(path) for path in (other, both, tmp_path / "list.parquet")] == ["photo", "image", None]


def test_a_list_of_paths_is_still_one(contents: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(contents[0])
    pq.write_table(pa.table({"path": ["a.jpg"], "licence": ["CC0"]}), tmp_path / "list.parquet")
    (row,) = list_inputs([str(tmp_path / "list.parquet")], tmp_path / "out")
    assert (read_input(row), row["licence"]) == (contents[0], "CC0")


def test_the_ledger_is_that_of_the_same_files_in_a_folder(tmp_path: Path) -> None:
    pile = make_pile(tmp_path / "pile", 6)
    files = [path for path in sorted(pile.iterdir()) if path.is_file()]
    write(tmp_path / "pile.parquet", [(path.read_bytes(), path.name) for path in files])
    settings, ledgers = Settings(scorers=(RED,), shard_size=4), []
    for source in (pile, tmp_path / "pile.parquet"):
        curate([str(source)], tmp_path / f"out-{source.name}", settings, workers=1)
        ledgers.append({Path(row["source"]).name: row for row in read_ledger(tmp_path / f"out-{source.name}")})
    for name, row in ledgers[0].items():
        told = {key: row[key] for key in ("decision", "stage", "reason", "sha256", "phash", "width", "format")}
        assert {key: ledgers[1][name][key] for key in told} == told, name
    assert len(ledgers[0]) == len(ledgers[1])


def test_rows_without_a_picture_are_dropped_and_the_rest_goes_on(contents: list[bytes], tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", [(contents[0], "a.jpg"), (None, "b.jpg"), (contents[1], "c.jpg")])
    curate([str(file)], tmp_path / "out", Settings(scorers=(RED,)), workers=0)
    rows = read_ledger(tmp_path / "out")
    assert [row["stage"] == "decode" for row in rows] == [False, True, False]
    assert "no picture in this row" in rows[1]["reason"]


@pytest.mark.parametrize(("content", "word"), [(None, "missing"), (b"PAR1 nothing", "unreadable")])
def test_a_file_that_went_after_it_was_listed(contents: list[bytes], tmp_path: Path, content: bytes | None, word: str) -> None:
    (row,) = list_inputs([str(write(tmp_path / "a.parquet", [(contents[0], None)]))], tmp_path / "out")
    (tmp_path / "a.parquet").unlink()
    if content is not None:
        (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(Refusal, match=word):
        read_input(row)


def test_a_damaged_file_and_a_pattern_that_fits_nothing_are_told(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match="no parquet file that can be read"):
        list_inputs([str(tmp_path / "bad.parquet")], tmp_path / "out")
    with pytest.raises(UsageError, match="no file fits"):
        list_inputs([str(tmp_path / "*.parquet").replace("*", "x*")], tmp_path / "out")

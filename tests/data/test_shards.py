"""Shards: any one picture is read on its own, in an order that depends on nothing but the seed."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vitruvian.data import fetch, shards
from vitruvian.data.fetch import expand, fetched
from vitruvian.data.loader import Loader
from vitruvian.data.shards import Shards
from vitruvian.data.sources import Views
from vitruvian.errors import InputError, UsageError

sys.path.insert(0, str(Path(__file__).parent))  # so that worker processes find the view
from loader_examples import as_it_is

COUNTS = (3, 5, 2, 4)


def write(path: Path, numbers: range, more: dict[str, bytes] | None = None) -> Path:
    with tarfile.open(path, "w") as tar:
        for number in numbers:
            picture = cv2.imencode(".png", np.full((4, 5, 3), number, np.uint8))[1].tobytes()
            for name, content in ((f"d/{number:04d}.png", picture), (f"d/{number:04d}.json", b"{}")):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        for name, content in (more or {}).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    start = 0
    for i, count in enumerate(COUNTS):
        write(tmp_path / f"s-{i:03d}.tar", range(start, start + count))
        start += count
    return tmp_path


def numbers(source: Any) -> list[int]:
    return [int(source.sample(i).image[0, 0, 0]) for i in range(source.samples)]


def test_pictures_of_shards_are_numbered(folder: Path) -> None:
    source = pickle.loads(pickle.dumps(Shards((str(folder / "s-{000..003}.tar"),))))
    assert source.groups == COUNTS and not source.problems
    assert numbers(source) == list(range(14))
    assert source.sample(3).key == f"{folder}/s-001.tar/d/0003" and source[13].size == (4, 5)
    with pytest.raises(IndexError):
        source.sample(14)


def test_names_in_braces() -> None:
    assert expand("a{0..2}-{8..11}.tar") == [f"a{i}-{j}.tar" for i in range(3) for j in range(8, 12)]
    assert expand("s3://b/{098..101}.tar") == [f"s3://b/{i:03d}.tar" for i in range(98, 102)]
    with pytest.raises(UsageError, match="counts down"):
        expand("{3..1}.tar")
    with pytest.raises(UsageError, match="no file fits"):
        expand("/nowhere/*.tar")


@pytest.mark.parametrize(("ranks", "workers"), [(1, 0), (1, 2), (2, 1), (3, 0)])
def test_the_order_is_the_same_for_any_ranks_and_workers(folder: Path, ranks: int, workers: int) -> None:
    source = Views(Shards((str(folder / "*.tar"),)), as_it_is)

    def keys(rank: int, ranks: int, workers: int, start: int) -> list[tuple[str, ...]]:
        made = Loader(source, 6, 3, (0, 0, 0), (1, 1, 1), workers=workers, rank=rank, ranks=ranks)
        return [b.keys for b in made.batches(start, 5)]

    alone = keys(0, 1, 0, 0)
    assert len({key for batch in alone[:2] for key in batch}) == 12 and alone[0] != tuple(sorted(alone[0]))
    shares = [keys(r, ranks, workers, 2) for r in range(ranks)]  # after a stop
    assert [sum(parts, ()) for parts in zip(*shares, strict=True)] == alone[2:]


def cut(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])


@pytest.mark.parametrize(
    ("length", "whole"), [(2048 * 3 + 530, 3), (2048 * 3 + 100, 3), (2048 * 3, 3), (2048 * 2 + 1200, 3), (512, 0)]
)
def test_a_shard_cut_short_gives_what_is_whole(folder: Path, length: int, whole: int) -> None:
    cut(folder / "s-001.tar", length)
    source = Shards((str(folder / "*.tar"),))
    assert source.groups == (3, whole, 2, 4)
    (problem,) = source.problems
    assert "s-001.tar: cut short" in problem and f"{whole} pictures are whole" in problem
    assert numbers(source) == [0, 1, 2, *range(3, 3 + whole), *range(8, 14)]


def test_shards_that_cannot_be_read_are_named(folder: Path) -> None:
    (folder / "s-000.tar").write_bytes(b"\x1f\x8b" + b"x" * 2000)
    (folder / "s-002.tar").unlink()
    write(folder / "s-003.tar", range(10, 12), {"e/x.txt": b"no picture"})
    source = Shards((str(folder / "s-{000..003}.tar"),))
    assert source.groups == (0, 5, 0, 2)
    told = [text.removeprefix(f"{folder}/") for text in source.problems]
    assert told[0].startswith("s-000.tar: no tar file") and told[1] == "s-002.tar: cannot be read (No such file or directory)"
    assert told[2].startswith("s-003.tar: 1 of 3 samples have no picture")
    with pytest.raises(InputError, match=r"no shard of 1 has a picture; .*s-000.tar: no tar file"):
        Shards((str(folder / "s-000.tar"),))


def test_a_damaged_picture_is_replaced_and_told(folder: Path) -> None:
    write(folder / "s-000.tar", range(2), {"d/x.jpg": b"not a picture"})
    told: list[str] = []
    source = Views(Shards((str(folder / "*.tar"),)), as_it_is)
    made = Loader(source, 7, 0, (0, 0, 0), (1, 1, 1), shuffle=False, report=told.append)
    first, _ = made.batches(0, 2)
    assert first.keys[2] == first.keys[3] and made.bad == 1
    assert f"{folder}/s-000.tar/d/x: not an image, or damaged" in told[0]


def test_counts_are_kept_and_made_anew_where_a_shard_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scanned: list[str] = []
    real = shards.scan
    monkeypatch.setattr(shards, "scan", lambda path: (scanned.append(path.name), real(path))[1])
    urls, cache = (str(folder / "*.tar"),), folder / "cache"
    Shards(urls, cache)
    assert len(scanned) == 4
    write(folder / "s-002.tar", range(20, 23))
    assert Shards(urls, cache).groups == (3, 5, 3, 4) and scanned[4:] == ["s-002.tar"]
    (cache / "index.json").write_text("{")
    with pytest.raises(InputError, match=r"index.json: damaged"):
        Shards(urls, cache)


def test_a_shard_that_changes_under_the_run_is_named(folder: Path) -> None:
    source = Shards((str(folder / "*.tar"),))
    write(folder / "s-001.tar", range(1))
    with pytest.raises(InputError, match=r"s-001.tar: 1 pictures, but 5 when it was counted"):
        source.sample(7)


def test_commands_and_urls_are_fetched_once(folder: Path) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    cache = folder / "cache"
    counter = folder / "count"
    urls = (f"pipe:echo x >> {counter}; cat {folder}/s-{{000..001}}.tar", f"local://{folder}/s-002.tar")
    source = Shards(urls, cache)
    assert numbers(source) == list(range(10)) and source.groups == COUNTS[:3]
    assert counter.read_text() == "x\n" * 2 and len(list(cache.glob("*.tar"))) == 3
    small = Shards(urls, folder / "small", keep=1)
    assert numbers(small) == list(range(10)) and len(list((folder / "small").glob("*.tar"))) == 1


def test_what_cannot_be_fetched_is_told(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"pipe:cat x: shards that are no local files need a cache"):
        Shards(("pipe:cat x",))
    source = Shards((str(folder / "s-000.tar"), "pipe:cat /nowhere/x.tar"), folder / "cache")
    assert source.groups == (3, 0) and "the command ended with 1 (cat: /nowhere/x.tar" in source.problems[0]
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    with pytest.raises(UsageError, match=r"nosuch://x/a.tar: this kind of URL cannot be read here .*use pipe:"):
        Shards(("nosuch://x/a.tar",), folder / "cache")


@pytest.mark.parametrize("noted", [False, True])
def test_a_shard_that_could_not_be_fetched_is_asked_for_again(folder: Path, noted: bool) -> None:
    down, cache = folder / "down", folder / "cache"
    down.touch()
    urls = (str(folder / "s-000.tar"), f"pipe:test ! -e {down} && cat {folder}/s-001.tar")
    source = Shards(urls, cache)
    assert source.groups == (3, 0) and "the command ended with 1" in source.problems[0]
    assert set(json.loads((cache / "index.json").read_text())) == {urls[0]}
    if noted:  # as in the index of an earlier version
        known = json.loads((cache / "index.json").read_text())
        failed = {"pictures": 0, "problem": "the command ended with 1 ().", "file": []}
        (cache / "index.json").write_text(json.dumps(known | {urls[1]: failed}))
    down.unlink()
    source = Shards(urls, cache)
    assert source.groups == (3, 5) and not source.problems and numbers(source) == list(range(8))


@pytest.mark.parametrize("moment", ["before it is marked as used", "before its size is read", "before it is opened"])
def test_a_shard_that_another_process_deletes_is_fetched_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    cache = folder / "cache"
    source = Shards((f"pipe:cat {folder}/s-000.tar",), cache)
    (place,) = cache.glob("*.tar")
    holder, name = {
        "before it is marked as used": (os, "utime"),
        "before its size is read": (fetch, "fetched"),
        "before it is opened": (shards, "_members"),
    }[moment]
    real, taken = getattr(holder, name), list[str]()

    def racing(*given: Any, **named: Any) -> Any:
        out = real(*given, **named) if name != "utime" else None
        if not taken:
            taken.append(moment)
            place.unlink()
        return real(*given, **named) if name == "utime" else out

    monkeypatch.setattr(holder, name, racing)
    assert numbers(source) == [0, 1, 2] and taken == [moment]
    taken.clear()
    if name != "_members":
        assert Shards((*source.urls, str(folder / "s-001.tar")), cache).groups == (3, 5)


def test_files_that_go_while_the_cache_is_tidied_are_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = folder / "cache"
    urls = tuple(f"pipe:cat {folder}/s-00{i}.tar" for i in range(3))
    Shards(urls[:2], cache)
    real = Path.stat

    def gone(path: Path, **words: Any) -> Any:
        if path.parent == cache and path.suffix == ".tar" and len(list(cache.glob("*.tar"))) == 3:
            path.unlink()
        return real(path, **words)

    monkeypatch.setattr(Path, "stat", gone)
    assert fetched(urls[2], cache, 1).is_file()


def test_a_shard_that_is_gone_for_good_says_so(folder: Path) -> None:
    cache, source = folder / "cache", folder / "once.tar"
    shutil.copy(folder / "s-000.tar", source)
    found = Shards((f"pipe:cat {source}",), cache)
    source.unlink()
    for path in cache.glob("*.tar"):
        path.unlink()
    with pytest.raises(InputError, match=r"the command ended with 1 \(cat: .*once.tar"):
        found.sample(0)


def test_pictures_of_the_shared_set_through_a_shard(shared: Path, tmp_path: Path) -> None:
    photos = sorted((shared / "data/coco").glob("*.jpg"))[:5]
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for path in photos:
            tar.add(path, path.name)
    source = Shards((str(tmp_path / "a.tar"),))
    assert [source.content(i)[0] for i in range(5)] == [path.read_bytes() for path in photos]
    assert source.sample(2).image.ndim == 3

"""The whole of `vitruvian curate`, with a scorer that costs nothing in place of the models."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")

from piles import RED, hostile, jpeg, make_pile, picture

from vitruvian.cli import main
from vitruvian.curate.limits import Limits
from vitruvian.curate.run import curate, read_ledger
from vitruvian.curate.settings import Settings
from vitruvian.data.shards import Shards
from vitruvian.errors import UsageError

SETTINGS = Settings(scorers=(RED,), shard_size=4)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pile(tmp_path_factory.mktemp("pile") / "pile", 10)


@pytest.fixture(scope="module")
def reference(pile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    curate([str(pile)], out, SETTINGS, workers=0)
    return out


@pytest.fixture
def by_name(reference: Path) -> dict[str, Row]:
    return {Path(row["source"]).name: row for row in read_ledger(reference)}


def shards_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "shards").iterdir())}


def test_every_input_has_one_row_that_says_what_became_of_it(pile: Path, by_name: dict[str, Row]) -> None:
    assert sorted(by_name) == sorted(path.name for path in pile.iterdir())
    for name, (_, word) in hostile().items():
        assert (by_name[name]["decision"], by_name[name]["stage"]) == ("drop", "decode")
        assert by_name[name]["reason"].startswith(word)
    assert by_name["small.jpg"]["stage"] == "size"
    assert by_name["grey.jpg"]["stage"] == by_name["flat.jpg"]["stage"] == "quality"
    assert all(row["stage"] or (row["decision"], row["shard"] is not None) == ("keep", True) for row in by_name.values())


def test_of_one_picture_one_is_kept_and_the_others_name_it(by_name: dict[str, Row]) -> None:
    same = [by_name[name] for name in ("good-0.jpg", "copy-0.jpg", "near-0.jpg", "near-1.png")]
    if all(row["stage"] == "red" for row in same):
        pytest.fail("choose another picture: this one is too red for the test")
    kept = [row for row in same if not row["stage"]]
    assert [Path(row["source"]).name for row in kept] == ["copy-0.jpg"]  # the first of the largest
    assert {row["duplicate_of"] for row in same if row["stage"] == "duplicate"} == {kept[0]["source"]}


def test_shards_hold_what_is_kept_as_it_came(reference: Path, by_name: dict[str, Row]) -> None:
    kept = [row for row in by_name.values() if row["decision"] == "keep"]
    assert len(kept) > 4
    shards = Shards((str(reference / "shards" / "*.tar"),))
    assert len(shards) == len(kept)
    assert not shards.problems
    assert {shards.content(number)[0] for number in range(len(shards))} == {Path(row["source"]).read_bytes() for row in kept}
    assert not list((reference / "shards").glob(".*"))


def test_several_workers_write_the_same(pile: Path, reference: Path, tmp_path: Path) -> None:
    curate([str(pile)], tmp_path / "out", SETTINGS, workers=2)
    assert read_ledger(tmp_path / "out") == read_ledger(reference)
    assert shards_of(tmp_path / "out") == shards_of(reference)


def test_all_scores_decide_the_same_and_score_everything(pile: Path, by_name: dict[str, Row], tmp_path: Path) -> None:
    curate([str(pile)], tmp_path / "out", Settings(scorers=(RED,), shard_size=4, all_scores=True), workers=0)
    rows = read_ledger(tmp_path / "out")
    assert [(row["stage"], row["duplicate_of"]) for row in rows] == [(r["stage"], r["duplicate_of"]) for r in by_name.values()]
    assert all(row["red"] is not None for row in rows if row["stage"] != "decode")
    assert by_name["small.jpg"]["red"] is None


KILLED = """
import os, signal, sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from piles import RED
from vitruvian.curate import record, work
from vitruvian.curate.run import curate
from vitruvian.curate.settings import Settings
import vitruvian.curate.run as run
import vitruvian.curate.pool as pool
left = {after}
plain = record.write_rows
def write(*words):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    plain(*words)
run.write_rows = pool.write_rows = write
run.CHUNK = pool.CHUNK = 5
curate([{pile!r}], Path({out!r}), Settings(scorers=(RED,), shard_size=4), workers=0)
"""


def test_a_killed_run_goes_on_to_the_same_ledger(pile: Path, reference: Path, tmp_path: Path, monkeypatch: Any) -> None:
    out, codes = tmp_path / "out", []
    for after in (0, 1, 3, 2, 2, 2, 1, 1):
        script = KILLED.format(folder=str(Path(__file__).parent), after=after, pile=str(pile), out=str(out))
        codes.append(subprocess.run([sys.executable, "-c", script], check=False).returncode)
        if codes[-1] == 0:
            break
    assert codes[:4] == [-signal.SIGKILL] * 4
    monkeypatch.setattr("vitruvian.curate.run.CHUNK", 5)
    curate([str(pile)], out, SETTINGS, workers=0)
    assert read_ledger(out) == read_ledger(reference)
    assert shards_of(out) == shards_of(reference)


def test_an_image_that_kills_its_worker_costs_itself_alone(tmp_path: Path) -> None:
    folder = tmp_path / "pile"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(jpeg(picture(number)))
    (folder / "poison.jpg").write_bytes(jpeg(picture(7, (333, 444))))
    outcome = curate([str(folder)], tmp_path / "out", Settings(scorers=("piles:Poison",)), workers=1)
    last = read_ledger(tmp_path / "out")[-1]
    assert (outcome.total, outcome.stages["decode"]) == (6, 1)
    assert last["source"].endswith("poison.jpg")
    assert last["reason"].startswith("crash")


def test_a_full_disk_is_one_clear_line_and_the_run_goes_on_later(pile: Path, reference: Path, tmp_path: Path) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from vitruvian.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, str(Path(__file__).parent), "curate", str(pile), "--out", str(tmp_path / "out")]
    words += ["--scorers", RED, "--shard-size", "4", "--workers", "0"]
    full = subprocess.run(words, preexec_fn=little_room, capture_output=True, text=True, check=False)
    assert full.returncode == 1
    assert full.stderr.count("\n") == 1
    assert "cannot write" in full.stderr and "Free space" in full.stderr
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    assert read_ledger(tmp_path / "out") == read_ledger(reference)


def test_a_folder_of_another_run_is_left_alone(pile: Path, reference: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="begun with limits"):
        curate([str(pile)], reference, Settings(Limits(side=200), scorers=(RED,), shard_size=4), workers=0)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="not empty"):
        curate([str(pile)], tmp_path, SETTINGS, workers=0)
    assert curate([str(pile)], reference, SETTINGS, workers=0).before


def test_tune_decides_again_and_writes_the_new_set(pile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curate([str(pile)], tmp_path / "a", Settings(scorers=(RED,), shard_size=4, all_scores=True), workers=0)
    assert (
        main(["curate", "tune", str(tmp_path / "a"), "--min-side", "90", "--out", str(tmp_path / "b"), "--workers", "0"]) == 0
    )
    assert "size" in capsys.readouterr().out
    curate([str(pile)], tmp_path / "c", Settings(Limits(side=90), (RED,), shard_size=4, all_scores=True), workers=0)
    assert read_ledger(tmp_path / "b") == read_ledger(tmp_path / "c")
    assert shards_of(tmp_path / "b") == shards_of(tmp_path / "c")


@pytest.mark.parametrize("all_scores", [False, True])
def test_a_scorer_that_says_nothing_is_named(pile: Path, tmp_path: Path, all_scores: bool) -> None:
    with pytest.raises(UsageError, match=r"classical gives no red for .* Fix: a number"):
        curate([str(pile)], tmp_path / "out", Settings(scorers=("piles:Silent",), all_scores=all_scores), workers=0)


def test_a_stage_may_bound_a_score_on_both_sides(pile: Path, tmp_path: Path) -> None:
    curate([str(pile)], tmp_path / "out", Settings(scorers=("piles:Band",), all_scores=True), workers=0)
    rows = [row for row in read_ledger(tmp_path / "out") if row["stage"] in ("", "red")]
    assert {row["stage"] for row in rows} == {"", "red"}
    assert all((0.45 <= row["red"] <= 0.52) == (row["stage"] == "") for row in rows)


def test_tune_decides_about_people_as_the_run_did(pile: Path, tmp_path: Path) -> None:
    limits = Limits(person=0.6, box=300)  # 0.6 is not above it; as float32 it would be
    curate([str(pile)], tmp_path / "a", Settings(limits, ("piles:Somebody",), all_scores=True), workers=0)
    assert main(["curate", "tune", str(tmp_path / "a"), "--person-score", "0.6", "--out", str(tmp_path / "b")]) == 0
    first, again = (read_ledger(tmp_path / name) for name in "ab")
    told = ("decision", "person", "people")
    assert [[row[name] for name in told] for row in first] == [[row[name] for name in told] for row in again]
    assert {row["person"] for row in first if row["person"] is not None} == {0.6, 0.7}


def test_tune_does_not_guess_scores(reference: Path) -> None:
    assert main(["curate", "tune", str(reference), "--min-side", "90"]) == 2


def test_what_is_kept_feeds_pretraining(reference: Path, tmp_path: Path) -> None:
    words = [str(reference / "shards" / "*.tar"), "--out", str(tmp_path / "run"), "--size", "tiny", "--resolution", "32"]
    words += ["--steps", "2", "--batch", "2", "--lr", "0.01", "--warmup", "1", "--workers", "0", "--device", "cpu"]
    assert main(["pretrain", *words]) == 0


def test_the_report_shows_every_stage_and_what_it_took(pile: Path, reference: Path) -> None:
    words = [str(pile), "--out", str(reference), "--scorers", RED, "--shard-size", "4", "--workers", "0", "--report"]
    assert main(["curate", *words]) == 0
    page = (reference / "report.html").read_text()
    assert "Dropped by decode (11)" in page
    assert "Dropped by duplicate" in page
    assert page.count("data:image/jpeg") >= 10
    assert "script&gt;" not in page and "<script" not in page

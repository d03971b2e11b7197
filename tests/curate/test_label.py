"""Answers of a person about a run: what is asked, what is kept of the answers, what follows from them."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")

from piles import RED, jpeg, picture

from vitruvian.cli import main
from vitruvian.curate.label import Answers, Frame, advise, figures, frame_of, sample
from vitruvian.curate.label_page import HOST, Desk, Handler, serve
from vitruvian.curate.limits import Bound, Limits
from vitruvian.curate.run import curate, read_ledger
from vitruvian.curate.settings import Settings
from vitruvian.errors import UsageError

SETTINGS = Settings(Limits(person=0.5))


def made_ledger(count: int = 2000, seed: int = 0) -> tuple[list[dict[str, Any]], dict[int, bool]]:
    """Rows with a score `watermark` and one of people, and whether each should be kept: less likely with a higher score."""
    rng = np.random.default_rng(seed)
    rows, right = [], {}
    for index in range(count):
        score = float(rng.beta(0.7, 1.2))
        row = {"index": index, "source": f"{index}.jpg", "watermark": score, "text": 0.0, "artistic": 0.0, "person": 0.8}
        row |= {"side": 500.0, "aspect": 1.5, "colour": 30.0, "contrast": 40.0, "sharpness": 6.0, "boxes": None}
        row["stage"] = "watermark" if score > 0.5 else ""
        if index % 20 == 19:
            row |= {"stage": "duplicate"}
        rows.append(row | {"decision": "drop" if row["stage"] else "keep"})
        right[index] = bool(rng.random() > score)
    return rows, right


def answered(frame: Frame, right: dict[int, bool], count: int, seed: int) -> dict[int, Any]:
    return {index: "yes" if right[index] else "no" for index in sample(frame, count, seed)}


def true_shares(frame: Frame, right: dict[int, bool]) -> tuple[float, float]:
    kept = [right[i] for i, group in frame.groups.items() if group.kept]
    return sum(kept) / len(kept), sum(kept) / sum(right[i] for i in frame.rows)


def test_all_answers_give_the_shares_themselves() -> None:
    rows, right = made_ledger(400)
    frame = frame_of(rows, SETTINGS)
    told = figures(frame, answered(frame, right, 400, 0))
    assert told.precision is not None and told.recall is not None
    assert (told.precision.value, told.recall.value) == pytest.approx(true_shares(frame, right))
    assert told.precision.low == pytest.approx(told.precision.high)


def test_intervals_hold_the_truth_though_borderline_images_are_asked_about_more_often() -> None:
    rows, right = made_ledger()
    frame = frame_of(rows, SETTINGS)
    truth, runs, held, values = true_shares(frame, right), 200, np.zeros(2), []
    for seed in range(runs):
        told = figures(frame, answered(frame, right, 160, seed))
        assert told.precision is not None and told.recall is not None
        shares = (told.precision, told.recall)
        held += [share.low <= true <= share.high for share, true in zip(shares, truth, strict=True)]
        values.append([share.value for share in shares])
    assert (held / runs > 0.9).all()
    assert np.mean(values, 0) == pytest.approx(truth, abs=0.01)


def test_half_of_the_sample_lies_near_a_threshold() -> None:
    rows, _ = made_ledger()
    frame = frame_of(rows, SETTINGS)
    near = [frame.rows[i]["watermark"] for i in sample(frame, 200, 3) if frame.groups[i].near]
    far = [frame.rows[i]["watermark"] for i in sample(frame, 200, 3) if not frame.groups[i].near]
    assert len(near) == len(far) == 100
    assert max(abs(score - 0.5) for score in near) < min(abs(score - 0.5) for score in far) + 0.1


def test_a_sample_is_what_there_is_once_each_without_duplicates() -> None:
    rows, _ = made_ledger(300)
    frame = frame_of(rows, SETTINGS)
    asked = sample(frame, 10_000, 0)
    assert sorted(asked) == [row["index"] for row in rows if row["stage"] != "duplicate"]
    assert sample(frame, 50, 1) == sample(frame, 50, 1) != sample(frame, 50, 2)


def test_nothing_is_claimed_of_groups_without_answers() -> None:
    rows, right = made_ledger(300)
    frame = frame_of(rows, SETTINGS)
    kept = {i: said for i, said in answered(frame, right, 300, 0).items() if frame.groups[i].kept}
    assert figures(frame, {}).precision is None
    assert figures(frame, kept).precision is not None and figures(frame, kept).recall is None


def test_a_threshold_is_advised_that_reaches_the_precision() -> None:
    rows, right = made_ledger()
    frame = frame_of(rows, SETTINGS, "watermark")
    said, bound = answered(frame, right, 2000, 0), Bound("watermark", "most", 0.5)
    advice = advise(frame, said, bound, 0.9)
    assert advice is not None and advice.precision >= 0.9 and advice.bound.limit < 0.5
    stays = [right[i] for i, row in frame.rows.items() if row["watermark"] <= advice.bound.limit]
    assert sum(stays) / len(stays) == pytest.approx(advice.precision)
    assert advise(frame, dict.fromkeys(said, "no"), bound, 0.9) is None


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over eight pictures, of which small ones are dropped."""
    folder = tmp_path_factory.mktemp("labels")
    (folder / "pile").mkdir()
    for number in range(8):
        size = (320, 400) if number % 2 else (100, 120)
        (folder / "pile" / f"{number}.jpg").write_bytes(jpeg(picture(number, size)))
    curate([str(folder / "pile")], folder / "out", Settings(scorers=(RED,)), workers=0)
    return folder / "out"


@pytest.fixture
def frame(finished: Path) -> Frame:
    return frame_of(read_ledger(finished), Settings(scorers=(RED,)))


def test_answers_outlive_the_process_and_a_line_cut_short(frame: Frame, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    answers = Answers(path, frame)
    answers.say(0, "yes")
    answers.say(1, "no")
    assert answers.undo() == 1
    with path.open("a") as file:
        file.write('{"index": 2, "sou')
    again = Answers(path, frame)
    assert (again.given, again.damaged) == ({0: "yes"}, 1)
    again.say(3, "no")
    assert Answers(path, frame).given == {0: "yes", 3: "no"}
    assert Answers(path, Frame(frame.rows, frame.groups, "size")).given == {}


def test_undo_goes_back_over_what_was_said_before_a_restart(frame: Frame, tmp_path: Path) -> None:
    answers = Answers(tmp_path / "labels.jsonl", frame)
    for index in (4, 2):
        answers.say(index, "yes")
    again = Answers(answers.path, frame)
    assert [again.undo(), again.undo(), again.undo()] == [2, 4, None]


def test_a_line_nested_without_end_is_damaged(frame: Frame, tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text("[" * 100_000 + "\n")
    assert Answers(tmp_path / "labels.jsonl", frame).damaged == 1


def test_answers_about_another_ledger_are_refused(frame: Frame, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps({"index": 0, "source": "other.jpg", "stage": "", "answer": "yes"}) + "\n")
    with pytest.raises(UsageError, match="of another ledger"):
        Answers(path, frame)


class Page:
    """Speaks to a desk's server as a browser does."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=20)
        told = {"Content-Type": "application/json", **headers} if body is not None else headers
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), told)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def say(self, index: int | None, answer: str) -> dict[str, Any]:
        status, told = self.ask("/answer", {"index": index, "answer": answer})
        assert status == 200, told
        return dict(json.loads(told))


@pytest.fixture
def desk(frame: Frame, tmp_path: Path) -> Desk:
    return Desk(frame, sample(frame, 6, 0), Answers(tmp_path / "labels.jsonl", frame), lambda line: None)


@pytest.fixture
def page(desk: Desk) -> Iterator[Page]:
    with serve(desk, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Page(server.server_address[1])
        server.shutdown()


def test_the_page_asks_about_one_picture_after_the_other(page: Page, desk: Desk) -> None:
    assert b"Should this picture" in page.ask("/")[1]
    first = json.loads(page.ask("/state")[1])
    assert first["index"] == desk.order[0] and first["progress"].startswith("0 of 6")
    assert page.ask(f"/image/{first['index']}")[1][:2] == b"\xff\xd8"
    state = page.say(first["index"], "yes")
    assert state["index"] == desk.order[1]
    assert page.say(None, "undo")["index"] == desk.order[0]
    for index in desk.order:
        state = page.say(index, "skip" if index == desk.order[2] else "no")
    assert state["index"] is None and state["progress"].startswith("6 of 6")
    assert sum(answer == "no" for answer in desk.answers.given.values()) == 5


def test_only_this_machine_and_only_the_sample_is_served(page: Page, desk: Desk, frame: Frame) -> None:
    assert page.ask("/state", Host=f"evil.example:{page.port}")[0] == 403
    assert page.ask("/answer", {"index": 0, "answer": "yes"}, Host="evil.example")[0] == 403
    assert page.ask("/answer", {"index": desk.order[0], "answer": "yes"}, **{"Content-Type": "text/plain"})[0] == 415
    other = next(index for index in frame.rows if index not in desk.order)
    for path in (f"/image/{other}", "/image/../../etc/passwd", "/image/-1", "/anything"):
        assert page.ask(path)[0] == 404
    for body in ({"index": other, "answer": "yes"}, {"index": desk.order[0], "answer": "maybe"}, [1]):
        assert page.ask("/answer", body)[0] == 400
    assert not desk.answers.given


def test_who_connects_and_says_nothing_holds_nobody_up(page: Page, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "timeout", 3)
    begun = time.monotonic()
    with socket.create_connection((HOST, page.port)) as idle, socket.create_connection((HOST, page.port)) as half:
        half.sendall(b"POST /answer HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\n" % page.port)
        half.sendall(b"Content-Length: 99\r\n\r\n{")
        time.sleep(0.1)
        assert page.say(desk.order[0], "yes")["index"] == desk.order[1]
        assert time.monotonic() - begun < 2.5
        idle.settimeout(10)
        half.settimeout(10)
        assert idle.recv(1) == b"" == half.recv(1), "in the end it is hung up on"


@pytest.mark.parametrize("length", ["-5", "1001", "9" * 20, "9" * 5000, "x", "²"])
def test_a_length_that_no_answer_has_is_refused_at_once(page: Page, desk: Desk, length: str) -> None:
    connection = http.client.HTTPConnection(HOST, page.port, timeout=5)
    connection.putrequest("POST", "/answer")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", length.encode("latin-1"))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    assert "Allowed: 0 to 1000" in json.loads(answer.read())["problem"]


def test_an_answer_nested_without_end_is_none(page: Page, desk: Desk) -> None:
    connection = http.client.HTTPConnection(HOST, page.port, timeout=5)
    connection.request("POST", "/answer", "[" * 1000, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 400


def test_answers_given_at_once_are_all_kept(page: Page, desk: Desk, frame: Frame) -> None:
    threads = [threading.Thread(target=page.say, args=(index, "no")) for index in desk.order]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Answers(desk.answers.path, frame).given == dict.fromkeys(desk.order, "no")


def test_a_picture_that_is_gone_is_told_and_not_asked_about(frame: Frame, tmp_path: Path) -> None:
    order, told = sample(frame, 8, 0), list[str]()
    rows = frame.rows | {order[0]: frame.rows[order[0]] | {"path": str(tmp_path / "gone.jpg")}}
    lost = Desk(Frame(rows, frame.groups, ""), order, Answers(tmp_path / "labels.jsonl", frame), told.append)
    assert lost.state()["index"] == order[1]
    assert "1 cannot be read" in lost.state()["progress"]
    assert len(told) == 1 and "no such file" in told[0]


def test_figures_of_the_answers_are_printed(finished: Path, frame: Frame, capsys: pytest.CaptureFixture[str]) -> None:
    answers = Answers(finished / "labels.jsonl", Frame(frame.rows, frame.groups, "size"))
    for index in frame.rows:
        answers.say(index, "yes" if index % 4 else "no")
    assert main(["curate", "label", str(finished), "--stage", "size", "--figures-only"]) == 0
    told = capsys.readouterr().out
    assert "precision 100.0% [100.0%, 100.0%]" in told
    assert "recall    66.7% [66.7%, 66.7%] of what should be kept is let through by size" in told
    answers.path.unlink()


def test_wrong_words_are_told(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--stage", "watermarks"], ["--count", "0"], ["--precision", "1.5"]):
        assert main(["curate", "label", str(finished), *words]) == 2
    assert "Allowed" in capsys.readouterr().err
    assert main(["curate", "label", str(finished.parent)]) != 0

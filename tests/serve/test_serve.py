"""A model asked over HTTP: what is answered, what is refused, and that nothing asked stops it."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra serve is not installed")
import uvicorn

from vitruvian import load
from vitruvian.cli import main
from vitruvian.serve import app as serving
from vitruvian.serve.answer import Request, plain_name
from vitruvian.serve.app import Service, app

MOST = 200_000


class Served:
    """A server in a thread, and how to ask it."""

    def __init__(self, port: int, service: Service, told: list[str]) -> None:
        self.port, self.service, self.told = port, service, told

    def ask(self, path: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data, headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def error(self, path: str, data: bytes | None = None, **headers: str) -> tuple[int, str]:
        status, body = self.ask(path, data, **headers)
        return status, json.loads(body)["error"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    told: list[str] = []
    service = Service(load(detector="whole-image", device="cpu", dtype="fp32", flip_test=False), MOST, told.append)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app(service, ["127.0.0.1"]), log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield Served(listening.getsockname()[1], service, told)
    server.should_exit = True
    thread.join(20)


def photo(size: tuple[int, int] = (60, 80), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)).save(out, kind)
    return out.getvalue()


def test_it_says_who_answers_and_shows_a_page_that_needs_no_other_server(served: Served) -> None:
    status, body = served.ask("/health")
    told = json.loads(body)
    assert status == 200
    assert (told["model"], told["tasks"], told["detector"]) == (
        "vitruvian-s",
        ["pose", "seg", "depth", "normal"],
        "whole-image",
    )
    status, body = served.ask("/")
    page = body.decode()
    assert status == 200 and "<title>vitruvian</title>" in page
    assert "http://" not in page and "https://" not in page


def test_a_record_as_predict_writes_it(served: Served, tmp_path: Path) -> None:
    (tmp_path / "ä.png").write_bytes(photo())
    words = ["predict", str(tmp_path / "ä.png"), "--detector", "whole-image", "--no-flip-test", "--dtype", "fp32"]
    assert main([*words, "--device", "cpu", "--tasks", "pose", "--out", str(tmp_path / "out")]) == 0
    wanted = json.loads((tmp_path / "out/ä.json").read_text())
    status, body = served.ask("/predict?tasks=pose", photo(), **{"X-File-Name": "%C3%A4.png"})
    record = json.loads(body)
    assert status == 200
    assert record["people"] == wanted["people"] and record["image"] == wanted["image"]
    assert record["made_by"] == wanted["made_by"] and record["files"] == {}
    assert served.told[-1].startswith("ä.png: json of ")


def test_given_boxes_and_all_files_in_an_archive(served: Served) -> None:
    status, body = served.ask("/predict?format=zip&boxes=5,5,40,55,0.5;30,10,70,50", photo(), **{"X-File-Name": "a.png"})
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        record = json.loads(archive.read("a.json"))
        assert sorted(archive.namelist()) == sorted([*record["files"].values(), "a.json"])
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist()), "the page unpacks no others"
        assert np.load(io.BytesIO(archive.read("a.depth.npy"))).shape == (60, 80)
    assert [(person["box"], person["score"]) for person in record["people"]] == [([5, 5, 40, 55], 0.5), ([30, 10, 70, 50], 1.0)]


def test_an_overlay_is_a_picture(served: Served) -> None:
    status, body = served.ask("/predict?format=overlay&tasks=pose,depth", photo(kind="JPEG"))
    assert status == 200 and Image.open(io.BytesIO(body)).format == "JPEG"


@pytest.mark.parametrize(
    ("path", "data", "status", "words"),
    [
        ("/predict", b"", 422, "the file is empty"),
        ("/predict", b"no photo", 422, "not an image that can be read"),
        ("/predict", photo()[:200], 422, "damaged"),
        ("/predict", photo((4, 4)), 422, "too small"),
        ("/predict", bytes(MOST + 1), 413, "more than 0.2 MB"),
        ("/predict?tasks=poes", photo(), 400, "unknown task 'poes'. Did you mean pose"),
        ("/predict?format=gif", photo(), 400, "format=gif. Allowed: json, overlay, zip"),
        ("/predict?task=pose", photo(), 400, "unknown field task. Allowed: tasks, boxes, format"),
        ("/predict?boxes=1,2,x,4", photo(), 400, "boxes=1,2,x,4. Allowed: x1,y1,x2,y2"),
        ("/predict?boxes=1,2,3", photo(), 400, "boxes=1,2,3. Allowed: x1,y1,x2,y2"),
        ("/predict?boxes=50,5,10,20", photo(), 422, "0 <= x1 < x2 <= width"),
        ("/predict", None, 405, "GET /predict. Allowed: GET /, GET /health, POST /predict"),
        ("/serve", None, 404, "GET /serve. Allowed: GET /"),
    ],
)
def test_what_is_wrong_is_told_and_costs_no_other(
    served: Served, path: str, data: bytes | None, status: int, words: str
) -> None:
    got, told = served.error(path, data)
    assert got == status and words in told
    assert served.ask("/predict?tasks=pose", photo())[0] == 200
    assert served.service.waiting == 0


def test_a_defect_is_told_and_costs_no_other(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, status, words in (
        (ZeroDivisionError("by zero"), 500, "unexpected ZeroDivisionError"),
        (MemoryError(), 507, "memory"),
    ):

        def fails(*_: Any, error: Exception = error) -> bytes:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(serving, "answer", fails)
            got, told = served.error("/predict", photo())
        assert got == status and words in told
    assert served.ask("/predict?tasks=pose", photo())[0] == 200


def test_too_many_are_told_to_come_again(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.service, "waiting", serving.WAITING)
    assert served.error("/predict", photo()) == (503, "16 photos wait already. Fix: try again.")


def test_a_photo_that_never_arrives_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PATIENCE", 0.2)
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nhalf")
        answer = slow.recv(4096)
    assert b" 408 " in answer.splitlines()[0]
    assert served.service.waiting == 0


def test_a_web_page_cannot_reach_it_under_a_name_of_its_own(served: Served) -> None:
    assert served.ask("/health", Host="evil.example")[0] == 400


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a/b.jpg", "b.jpg"),
        ("..\\..\\c.png", "c.png"),
        ("../.ssh", "ssh"),
        ("", "photo"),
        ("a\nb.jpg", "ab.jpg"),
        ("..", "photo"),
    ],
)
def test_names_lead_nowhere(given: str, name: str) -> None:
    assert plain_name(given) == name


def test_no_boxes_is_nobody() -> None:
    boxes = Request.of({"boxes": ""}).boxes
    assert boxes is not None and boxes.shape == (0, 5)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--port", "70000"], 2, "--port 70000. Allowed: 0"),
        (["--max-mb", "0"], 2, "--max-mb 0. Allowed: more than 0"),
        (["--model", "nothing"], 2, "unknown model 'nothing'"),
        (["--host", "nowhere.invalid"], 1, "nowhere.invalid:8000 cannot be served"),
    ],
)
def test_what_cannot_be_served(words: list[str], code: int, told: str, capfd: pytest.CaptureFixture[str]) -> None:
    words = words if "--port" in words or "--host" in words else [*words, "--port", "0"]
    assert main(["serve", *words]) == code
    assert told in capfd.readouterr().err


def test_ctrl_c_ends_it_well() -> None:
    words = [sys.executable, "-m", "vitruvian", "serve", "--port", "0", "--detector", "whole-image", "--device", "cpu"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stderr is not None
        address = [server.stdout.readline() for _ in range(2)][1].split()[0]
        with urllib.request.urlopen(f"{address}/health", timeout=60) as answer:
            assert json.load(answer)["status"] == "ok"
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
        assert server.stderr.read() == ""


def test_a_port_that_is_taken(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    assert f"127.0.0.1:{port} cannot be served (Address already in use)" in capfd.readouterr().err

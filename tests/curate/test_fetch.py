"""URLs of a server on this machine that is slow, fails, redirects and lies."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")

from piles import RED, jpeg, picture

from vitruvian.curate.fetch import LONGEST_GAP, Fetcher, Manners, _parsed
from vitruvian.curate.integrity import Refusal
from vitruvian.curate.run import curate, read_ledger
from vitruvian.curate.settings import Settings

GOOD = jpeg(picture(1))
WANTED = {
    "/good.jpg": "", "/moved.jpg": "", "/lies-about-type.jpg": "", "/gone.jpg": "http-404", "/fails.jpg": "http-500",
    "/loop.jpg": "redirects", "/inward.jpg": "private-address", "/short.jpg": "truncated", "/secret/a.jpg": "robots",
    "/noai.jpg": "opt-out", "/tdm.jpg": "opt-out", "/hangs.jpg": "timeout", "/breaks.jpg": "connection",
    "/to-file.jpg": "bad-url",
}  # fmt: skip


class Server(BaseHTTPRequestHandler):
    done = threading.Event()

    def do_GET(self) -> None:
        path = self.path
        if path == "/robots.txt":
            return self.answer(b"User-agent: *\nDisallow: /secret/\n", kind="text/plain")
        if path == "/gone.jpg":
            return self.answer(b"", 404)
        if path == "/fails.jpg":
            return self.answer(b"", 500)
        onward = {"/moved.jpg": "/good.jpg", "/loop.jpg": "/loop.jpg", "/inward.jpg": "http://127.0.0.2:1/x.jpg",
                  "/to-file.jpg": "file:///etc/passwd"}.get(path)  # fmt: skip
        if onward:
            return self.answer(b"", 302, Location=onward)
        if path == "/hangs.jpg":
            self.done.wait(10)
            return None
        if path == "/breaks.jpg":
            return self.connection.close()
        more = {"/noai.jpg": {"X-Robots-Tag": "otherbot: noindex, noai"}, "/tdm.jpg": {"tdm-reservation": "1"}}.get(path, {})
        kind = "text/html" if path == "/lies-about-type.jpg" else "image/jpeg"
        return self.answer(GOOD, length=len(GOOD) + 1000 * (path == "/short.jpg"), kind=kind, **more)

    def answer(self, body: bytes, code: int = 200, length: int | None = None, kind: str = "image/jpeg", **more: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(length or len(body)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    Server.done.set()
    made.shutdown()
    made.server_close()
    thread.join()


MANNERS = Manners(gap=0, patience=0.7, allow=("127.0.0.1/32",))


def test_every_answer_is_accounted_for(server: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("url,licence\n" + "".join(f"{server}{path},CC0\n" for path in WANTED))
    settings = Settings(scorers=(RED,))
    curate([str(tmp_path / "list.csv")], tmp_path / "out", settings, workers=0, manners=MANNERS)
    rows = {row["source"].removeprefix(server): row for row in read_ledger(tmp_path / "out")}
    assert {path: row["reason"].partition(":")[0] for path, row in rows.items() if row["stage"] == "fetch"} == {
        path: word for path, word in WANTED.items() if word
    }
    stages = [rows[path]["stage"] for path, word in WANTED.items() if not word]
    assert sorted(stages) == ["", "duplicate", "duplicate"]
    assert {row["licence"] for row in rows.values()} == {"CC0"}


def test_private_addresses_are_refused_whatever_they_are_called(server: str) -> None:
    fetcher = Fetcher(Manners(gap=0, patience=0.7))
    port = server.rpartition(":")[2]
    for host in (
        "127.0.0.1",
        "localhost",
        "[::1]",
        "2130706433",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
    ):
        with pytest.raises(Refusal) as told:
            fetcher.get(f"http://{host}:{port}/good.jpg")
        assert told.value.kind in ("private-address", "unknown-host"), host


@pytest.mark.parametrize("url", ["ftp://a/b", "http://", "http://a:b/", "file:///etc/passwd"])
def test_only_the_web_is_fetched(url: str) -> None:
    with pytest.raises(Refusal, match="bad-url"):
        _parsed(url)


Talk = Callable[[bytes, Sequence[bytes]], str]
OK = b"HTTP/1.1 200 OK\r\n"


def whole(body: bytes) -> bytes:
    return OK + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.fixture
def talk() -> Iterator[Talk]:
    """talk(robots, pieces): a server whose robots.txt holds `robots` and that says all else in pieces, one every 0.2 s."""
    ended, lines = threading.Event(), list[socket.socket]()

    def answer(line: socket.socket, robots: bytes, pieces: Sequence[bytes]) -> None:
        with line, contextlib.suppress(OSError):
            if b"/robots.txt" in line.recv(4096):
                pieces = [whole(robots)]
            for piece in pieces:
                line.sendall(piece)
                if len(pieces) > 1 and ended.wait(0.2):
                    return

    def listen(line: socket.socket, robots: bytes, pieces: Sequence[bytes]) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(line.accept()[0], robots, pieces), daemon=True).start()

    def begin(robots: bytes, pieces: Sequence[bytes]) -> str:
        lines.append(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=listen, args=(lines[-1], robots, pieces), daemon=True).start()
        return f"http://127.0.0.1:{lines[-1].getsockname()[1]}"

    yield begin
    ended.set()
    for line in lines:
        line.shutdown(socket.SHUT_RDWR)
        line.close()


@pytest.mark.parametrize(
    "pieces",
    [
        [OK[:1], *[b"T"] * 40],
        [OK + b"X-A: ", *[b"a"] * 40],
        [OK, *[b"X-A: 1\r\n"] * 40],
        [b"HTTP/1.1 100 Continue\r\n\r\n"] * 40,
        [OK + b"Content-Length: 40\r\n\r\n", *[b"a"] * 40],
        [OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", *[b"X-A: 1\r\n"] * 40],
    ],
    ids=["status", "header", "headers", "continues", "body", "trailers"],
)
def test_an_answer_that_drips_ends_with_our_patience(talk: Talk, pieces: list[bytes]) -> None:
    url, begun = talk(b"", pieces), time.monotonic()
    with pytest.raises(Refusal, match=r"timeout: .*0\.7 s"):
        Fetcher(MANNERS).get(f"{url}/a.jpg")
    assert time.monotonic() - begun < 4


def test_an_answer_in_pieces_that_come_in_time_is_whole(talk: Talk) -> None:
    said = whole(b"abc")
    assert Fetcher(MANNERS).get(f"{talk(b'', [said[:9], said[9:-1], said[-1:]])}/a.jpg") == b"abc"


@pytest.mark.parametrize("delay", [str(LONGEST_GAP + 1), "86400", "9" * 25, "9" * 400])
def test_a_host_that_wants_too_long_a_wait_is_refused(talk: Talk, delay: str, tmp_path: Path) -> None:
    url = talk(f"User-agent: *\nCrawl-delay: {delay}\n".encode(), [whole(GOOD)])
    (tmp_path / "list.csv").write_text("url\n" + "".join(f"{url}/{i}.jpg\n" for i in range(3)))
    begun = time.monotonic()
    curate([str(tmp_path / "list.csv")], tmp_path / "out", Settings(scorers=(RED,)), workers=0, manners=MANNERS)
    assert time.monotonic() - begun < 20
    reasons = {row["reason"] for row in read_ledger(tmp_path / "out")}
    assert reasons == {f"robots: 127.0.0.1 asks to wait more than {LONGEST_GAP} s between requests"}


def test_a_wait_that_can_be_kept_to_is_kept_to(talk: Talk) -> None:
    url, fetcher = talk(b"User-agent: *\nCrawl-delay: 1\n", [whole(GOOD)]), Fetcher(MANNERS)
    begun = time.monotonic()
    assert [fetcher.get(f"{url}/{i}.jpg") for i in range(2)] == [GOOD] * 2
    assert time.monotonic() - begun > 0.9


@pytest.mark.parametrize("line", ["Crawl-delay: ²", f"Crawl-delay: {'9' * 5000}", "Disallow: http://["])
def test_a_robots_txt_that_makes_no_sense_costs_its_host_alone(talk: Talk, line: str) -> None:
    url = talk(f"User-agent: *\n{line}\n".encode(), [whole(GOOD)])
    with pytest.raises(Refusal, match=r"robots: robots\.txt of 127\.0\.0\.1 makes no sense"):
        Fetcher(MANNERS).get(f"{url}/a.jpg")


def test_a_host_whose_name_makes_no_sense_is_refused() -> None:
    with pytest.raises(Refusal):
        Fetcher(MANNERS).get("http://a%5Bb/a.jpg")

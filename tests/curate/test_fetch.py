"""URLs of a server on this machine that is slow, fails, redirects and lies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")

from piles import RED, jpeg, picture

from vitruvian.curate.fetch import Fetcher, Manners, _parsed
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

"""A hub on this machine: it announces files as huggingface.co does, redirects to where they lie, and fails on demand."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

COMMIT = "c" * 40
ERRORS = {"RepoNotFound": 404, "EntryNotFound": 404, "RevisionNotFound": 404, "GatedRepo": 403}


class FakeHub:
    """files: "owner/name/file" -> content; announced: other content that is announced in its stead.

    ranges: what was asked for, in order; drop_after: bytes of an answer, then the line breaks; error: what is answered to all.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.announced: dict[str, bytes] = {}
        self.ranges: list[str | None] = []
        self.drop_after: int | None = None
        self.error = ""

    @contextmanager
    def running(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Answer on a free port, where huggingface_hub is told to look."""
        from huggingface_hub import constants

        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        place = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", place)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place + "/{repo_id}/resolve/{revision}/{filename}")
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        if self.path.startswith("/cdn/"):
            self._send(self.hub.files[self.path.removeprefix("/cdn/")])
        else:
            self._answer()

    def _answer(self) -> None:
        name = "/".join(part for i, part in enumerate(self.path.strip("/").split("/")) if i not in (2, 3))
        error = self.hub.error or ("" if name in self.hub.files else "EntryNotFound")
        if error:
            self._head(ERRORS[error], {"X-Error-Code": error, "X-Repo-Commit": COMMIT, "Content-Length": "0"})
            return
        content = self.hub.announced.get(name, self.hub.files[name])
        digest = hashlib.sha256(content).hexdigest()
        elsewhere = self.headers["Host"].replace("127.0.0.1", "localhost")  # another machine, as far as a client can tell
        where = {"Location": f"http://{elsewhere}/cdn/{name}", "Content-Length": "0"}
        about = {"X-Repo-Commit": COMMIT, "X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        self._head(302, {**where, **about})

    def _send(self, content: bytes) -> None:
        asked = self.headers["Range"]
        self.hub.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        rest = content[start:]
        more = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if asked else {}
        self._head(206 if asked else 200, {"Content-Length": str(len(rest)), **more})
        self.wfile.write(rest[: self.hub.drop_after])

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Not on the terminal."""

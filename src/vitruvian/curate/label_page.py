"""The page on which a person labels: one picture at a time, keys y, n, s and u, served to this machine alone."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

import cv2
from PIL import Image

from vitruvian.curate.integrity import Refusal, open_image
from vitruvian.curate.label import Answers, Frame, figures
from vitruvian.curate.record import Row
from vitruvian.curate.work import read_input
from vitruvian.errors import UsageError, VitruvianError

HOST = "127.0.0.1"
LARGEST_ANSWER = 1000  # bytes
PATIENCE = 30  # s with a browser that has connected and says nothing, as they do in advance
SHOWN = 3  # boxes of people, the surest: ledgers hold faint ones too
TOLD = ("width", "height", "colour", "contrast", "sharpness", "watermark", "text", "artistic", "person", "people", "licence")
PAGE = files("vitruvian.curate") / "label.html"


class Desk:
    """What is asked next; several threads may ask it. order: indices of the sample; gone: images that cannot be read any more,
    with why."""

    def __init__(self, frame: Frame, order: Sequence[int], answers: Answers, note: Callable[[str], None]) -> None:
        self.frame, self.order, self.answers, self._note = frame, order, answers, note
        self.gone: dict[int, str] = {}
        self._seen: tuple[int, bytes] | None = None
        self._turn = threading.RLock()

    def state(self) -> dict[str, Any]:
        """Of the page: the picture that is asked about (None: all are answered), what is known of it, how far it is."""
        with self._turn:
            index, given, gone = self._next(), dict(self.answers.given), len(self.gone)
        done = sum(one in given for one in self.order)
        missing = f", {gone} cannot be read" if gone else ""
        told = figures(self.frame, given)
        shares = [f"{name} {share}" for name, share in (("precision", told.precision), ("recall", told.recall)) if share]
        progress = f"{done} of {len(self.order)} answered{missing}. {', '.join(shares)}"
        return {"index": index, "progress": progress, "told": [] if index is None else told_of(self.frame.rows[index])}

    def answer(self, index: object, word: object) -> None:
        """Take an answer of the page, or take the last one back. UsageError for what is neither."""
        with self._turn:
            if word == "undo":
                self.answers.undo()
            elif isinstance(index, int) and index in self.order and word in ("yes", "no", "skip"):
                self.answers.say(index, word)
            else:
                raise UsageError(
                    f"answer {word!r} to image {index!r}. Allowed: yes, no, skip or undo, to an image of the sample."
                )

    def picture(self, index: int) -> bytes:
        """JPEG with the surest boxes of people drawn. Refusal where the image cannot be read."""
        with self._turn:
            if self._seen is None or self._seen[0] != index:
                self._seen = index, _drawn(self.frame.rows[index])
            return self._seen[1]

    def _next(self) -> int | None:
        for index in self.order:
            if index in self.answers.given or index in self.gone:
                continue
            try:
                self.picture(index)
            except Refusal as refusal:
                self.gone[index] = str(refusal)
                self._note(f"{self.frame.rows[index]['source']}: {refusal}; not asked about")
                continue
            return index
        return None


def told_of(row: Row) -> list[tuple[str, str]]:
    """Names and values beside a picture; not what became of it, which would lead the answer."""
    return [
        (name, f"{row[name]:g}" if isinstance(row[name], float) else str(row[name]))
        for name in TOLD
        if row.get(name) is not None
    ]


def _drawn(row: Row) -> bytes:
    view = open_image(read_input({**row, "problem": None}), "").view
    pixels = view.pixels.copy()
    for box in sorted(row["boxes"] or [], key=lambda one: -one["score"])[:SHOWN]:
        x1, y1, x2, y2 = (round(box[name] / view.scale) for name in ("x1", "y1", "x2", "y2"))
        cv2.rectangle(pixels, (x1, y1), (x2, y2), (255, 200, 0), 2)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def serve(desk: Desk, port: int) -> HTTPServer:
    """Bound to this machine alone, not yet running. UsageError where the port is taken."""
    try:
        return ThreadingHTTPServer((HOST, port), partial(Handler, desk))
    except OSError as error:
        raise UsageError(f"port {port}: {error.strerror or error}. Fix: another --port, or 0 for any that is free.") from error


class Handler(BaseHTTPRequestHandler):
    """Answers only what is addressed to this machine by name, so that no other site's page can speak to it."""

    timeout = PATIENCE

    def __init__(self, desk: Desk, *given: Any) -> None:
        self._desk = desk
        super().__init__(*given)

    def do_GET(self) -> None:
        """The page, its state, or a picture by its index."""
        if not self._from_here():
            return
        if self.path == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", PAGE.read_bytes())
        elif self.path == "/state":
            self._send_json(HTTPStatus.OK, self._desk.state())
        else:
            self._send_picture(self.path.removeprefix("/image/"))

    def do_POST(self) -> None:
        """An answer; what comes back is the state after it."""
        if not self._from_here():
            return
        if self.headers.get_content_type() != "application/json":  # what a form of another site cannot send
            self._send_json(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"problem": "answers are JSON"})
            return
        try:
            told = json.loads(self.rfile.read(self._length()))
            self._desk.answer(told.get("index"), told.get("answer"))
        except (ValueError, AttributeError, RecursionError) as error:
            self._send_json(HTTPStatus.BAD_REQUEST, {"problem": f"no answer: {error}"})
        except VitruvianError as error:
            self._send_json(HTTPStatus.BAD_REQUEST, {"problem": str(error)})
        else:
            self._send_json(HTTPStatus.OK, self._desk.state())

    def _length(self) -> int:
        """Bytes of the answer. UsageError for what none can have."""
        told = self.headers.get("Content-Length", "")
        if not (told.isdecimal() and len(told) < 10 and int(told) <= LARGEST_ANSWER):
            raise UsageError(f"Content-Length {told[:20]!r}. Allowed: 0 to {LARGEST_ANSWER}.")
        return int(told)

    def _from_here(self) -> bool:
        port = self.connection.getsockname()[1]
        here = self.headers.get("Host") in (f"{HOST}:{port}", f"localhost:{port}")
        if not here:
            self._send_json(HTTPStatus.FORBIDDEN, {"problem": "only for this machine"})
        return here

    def _send_picture(self, name: str) -> None:
        if not name.isdecimal() or int(name) not in self._desk.order:
            self._send_json(HTTPStatus.NOT_FOUND, {"problem": "no such image"})
            return
        try:
            content = self._desk.picture(int(name))
        except Refusal as refusal:
            self._send_json(HTTPStatus.NOT_FOUND, {"problem": str(refusal)})
        else:
            self._send(HTTPStatus.OK, "image/jpeg", content)

    def _send_json(self, status: HTTPStatus, told: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(told).encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(content))), ("Cache-Control", "no-store")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *given: Any) -> None:
        """Nothing: the terminal is for the figures."""

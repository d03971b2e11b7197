"""The interface: GET / a page, GET /health who answers, POST /predict a photo.

One photo is computed at a time, in a thread of its own; a few more may wait, and who comes after them is told to come again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from urllib.parse import unquote

import torch
from anyio import CapacityLimiter, fail_after, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from vitruvian.errors import InputError, VitruvianError
from vitruvian.predict.pipeline import Predictor
from vitruvian.serve.answer import MEDIA, Request, about, answer, plain_name

WAITING = 16  # photos, each in memory
AGAIN = 5  # seconds until one that was sent away may come again
PATIENCE = 60  # seconds until all of a photo must have arrived


@dataclass
class Service:
    """A predictor behind HTTP. most: bytes of a photo; say: told a line a photo; waiting: photos that arrive, wait or are
    computed."""

    predictor: Predictor
    most: int
    say: Callable[[str], None] = print
    waiting: int = 0
    turn: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))

    async def page(self, _request: HttpRequest) -> Response:
        """The page."""
        return HTMLResponse(files("vitruvian.serve").joinpath("page.html").read_text("utf-8"))

    async def health(self, _request: HttpRequest) -> Response:
        """Who answers, and how many photos wait."""
        return JSONResponse(about(self.predictor, self.predictor.choose(None)) | {"waiting": self.waiting})

    async def predict(self, request: HttpRequest) -> Response:
        """The answer to one photo."""
        if self.waiting >= WAITING:
            raise HTTPException(503, f"{self.waiting} photos wait already. Fix: try again.", {"Retry-After": str(AGAIN)})
        self.waiting += 1
        try:
            asked = Request.of(request.query_params)
            data, began = await self._body(request), time.perf_counter()
            name = plain_name(unquote(request.headers.get("x-file-name", "photo")))
            out = await to_thread.run_sync(answer, self.predictor, data, name, asked, limiter=self.turn)
        finally:
            self.waiting -= 1
        self.say(f"{name}: {asked.format} of {len(out)} bytes after {time.perf_counter() - began:.2f} s")
        return Response(out, media_type=MEDIA[asked.format])

    async def _body(self, request: HttpRequest) -> bytes:
        """The photo: the body as it is. Read no further and waited for no longer than allowed, whatever its header says."""
        data = bytearray()
        try:
            with fail_after(PATIENCE):
                async for chunk in request.stream():
                    data += chunk
                    if len(data) > self.most:
                        told = f"the photo has more than {self.most / 1e6:g} MB. Fix: make it smaller, or serve with --max-mb."
                        raise HTTPException(413, told)
        except TimeoutError:
            raise HTTPException(408, f"the photo had not arrived after {PATIENCE} s. Fix: send it again.") from None
        return bytes(data)


def app(service: Service, hosts: list[str]) -> Starlette:
    """The application. hosts: names by which it may be called, so that no web page can reach it under a name of its own."""
    routes = [
        Route("/", service.page),
        Route("/health", service.health),
        Route("/predict", service.predict, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
        exception_handlers={
            VitruvianError: _refused,
            HTTPException: _http,
            MemoryError: _full,
            torch.OutOfMemoryError: _full,
            Exception: _defect,
        },
    )


async def _refused(_request: HttpRequest, error: Exception) -> Response:
    """What was sent is wrong: 422 for a photo that cannot be used, 400 for words that cannot."""
    status = 422 if isinstance(error, InputError) else 400
    return JSONResponse({"error": " ".join(str(error).split())}, status)


async def _http(request: HttpRequest, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    told = f"{request.method} {request.url.path}. Allowed: GET /, GET /health, POST /predict."
    told = told if error.status_code in (404, 405) else error.detail
    return JSONResponse({"error": told}, error.status_code, error.headers)


async def _full(_request: HttpRequest, _error: Exception) -> Response:
    return JSONResponse({"error": "not enough memory. Fix: make the photo smaller."}, 507)


async def _defect(_request: HttpRequest, error: Exception) -> Response:
    told = f"unexpected {type(error).__name__}: {error}. Fix: please report it with this photo."
    return JSONResponse({"error": told}, 500)

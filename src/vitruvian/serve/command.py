"""The verb `serve`: a predictor loaded once, then asked over HTTP until Ctrl-C."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec

from vitruvian.errors import InputError, UsageError
from vitruvian.predict.pipeline import DEFAULT_MODEL, Predictor, load

LIBRARIES = ("starlette", "uvicorn")
OWN = ["127.0.0.1", "localhost", "[::1]"]


def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    model: Sequence[str] = (),
    detector: str = "auto",
    device: str = "auto",
    dtype: str = "auto",
    flip_test: bool | None = None,
    engine: str = "eager",
    max_mb: float = 32.0,
) -> int:
    """Serve until Ctrl-C; returns 0. port 0 takes a free one. The address is printed when the model is there.

    UsageError for what is no address or size, InputError where a library is missing or the address is taken.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port}. Allowed: 0 (any free one) to 65535.")
    if max_mb <= 0:
        raise UsageError(f"--max-mb {max_mb:g}. Allowed: more than 0.")
    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        raise InputError(f'serve: {" and ".join(missing)} not installed. Fix: pip install "vitruvian[serve]"')
    with _bound(host, port) as listening:  # before a model is loaded for nothing
        predictor = load(
            model or DEFAULT_MODEL, detector=detector, device=device, dtype=dtype, flip_test=flip_test, engine=engine
        )
        return _run(predictor, listening, host, round(max_mb * 1e6))


def _bound(host: str, port: int) -> socket.socket:
    """A socket at the address, to be closed by who gets it."""
    out = None
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        out = socket.socket(family, socket.SOCK_STREAM)
        out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        out.bind((host, port))
        out.listen()  # who comes while the model is loaded waits
    except OSError as error:
        if out is not None:
            out.close()
        raise InputError(f"{host}:{port} cannot be served ({error.strerror}). Fix: another --port or --host.") from None
    return out


def _run(predictor: Predictor, listening: socket.socket, host: str, most: int) -> int:
    import uvicorn

    from vitruvian.serve.answer import about
    from vitruvian.serve.app import Service, app

    told = about(predictor, predictor.choose(None))
    name = f"[{host}]" if ":" in host else host
    print(f"{told['model']}, boxes from {told['detector']}, on {told['device']} in {told['dtype']}", flush=True)
    print(f"http://{name}:{listening.getsockname()[1]} (Ctrl-C ends it)", flush=True)
    if not _is_own(host):
        print(f"note: {host} can be reached from other machines, and whoever reaches it may ask", flush=True)
    hosts = [*OWN, name] if _is_own(host) else ["*"]
    config = uvicorn.Config(app(Service(predictor, most), hosts), log_level="warning", timeout_graceful_shutdown=5)
    with suppress(KeyboardInterrupt):  # uvicorn sends on what has ended it
        uvicorn.Server(config).run(sockets=[listening])
    return 0


def _is_own(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

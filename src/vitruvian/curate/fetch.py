"""URLs -> bytes, politely and warily: robots.txt and opt-outs honoured, few requests to a host at once, bounds on everything.

The network is trusted with nothing: no private address is asked, every redirect is checked as the first address was, and the
address that was checked is the one that is connected to. A request ends in its time however little of an answer comes at once,
and no host makes us wait long; the look-up of a name alone has the system's bound.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.robotparser
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitruvian import __version__
from vitruvian.curate.integrity import Refusal
from vitruvian.curate.record import Row, unwritable
from vitruvian.errors import UsageError

AGENT = f"vitruvian-curate/{__version__}"
REDIRECTS = 5
MOST_BYTES = 64 << 20
ROBOTS_BYTES = 512 << 10
OPT_OUTS = ("noai", "noimageai", "noindex", "none")  # words of X-Robots-Tag
AT_ONCE = 2  # requests to one host
LONGEST_GAP = 60  # s between two requests that a host may ask for (Crawl-delay)
PIECE = 64 << 10


@dataclass(frozen=True)
class Manners:
    """threads: requests in all; gap: seconds between two to a host; patience: seconds for one request and all of its answer;
    allow: hosts or networks that may be private (CIDR, addresses or names)."""

    threads: int = 16
    gap: float = 0.2
    patience: float = 30
    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for one in self.allow:
            if _is_numeric(one):
                try:
                    ipaddress.ip_network(one, strict=False)
                except ValueError as error:
                    raise UsageError(
                        f"allow-private {one}: {error}. Allowed: names, addresses, networks (10.0.0.0/8)."
                    ) from None


def _is_numeric(text: str) -> bool:
    return text[:1].isdigit() or ":" in text


def is_url(text: str) -> bool:
    """Whether it must be fetched."""
    return text.startswith(("http://", "https://"))


@dataclass
class _Host:
    """What is known of one host. refused: why nothing may be fetched from it, whatever its rules say."""

    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))
    turn: threading.Lock = field(default_factory=threading.Lock)
    next: float = 0.0
    gap: float = 0.0
    robots: urllib.robotparser.RobotFileParser | None = None
    refused: str = ""
    asking: threading.Lock = field(default_factory=threading.Lock)


class Fetcher:
    """Fetches for one run; several threads may ask it."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._hosts: dict[str, _Host] = defaultdict(_Host)
        self._tls = ssl.create_default_context()

    def get(self, url: str) -> bytes:
        """The body. Refusal for everything that stands in the way."""
        return self._follow(url, MOST_BYTES, robots=True)

    def _follow(self, url: str, most: int, robots: bool) -> bytes:
        for _ in range(REDIRECTS + 1):
            parts = _parsed(url)
            if robots:
                self._heed_robots(parts, url)
            with self._polite(parts):
                body, onward = self._ask(parts, most)
            if onward is None:
                return body
            url = urllib.parse.urljoin(url, onward)
        raise Refusal("redirects", f"more than {REDIRECTS}")

    def _host(self, parts: urllib.parse.SplitResult) -> _Host:
        return self._hosts[f"{parts.scheme}://{parts.netloc}"]

    @contextmanager
    def _polite(self, parts: urllib.parse.SplitResult) -> Iterator[None]:
        """At most so many at once, and not sooner than the gap after the one before."""
        host = self._host(parts)
        with host.slots:
            with host.turn:
                wait = host.next - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                host.next = time.monotonic() + max(self._manners.gap, host.gap)
            yield

    def _heed_robots(self, parts: urllib.parse.SplitResult, url: str) -> None:
        """Refusal where robots.txt does not let it be fetched."""
        host = self._host(parts)
        with host.asking:
            if host.robots is None:
                host.robots = self._robots(parts, host)
        if host.refused:
            raise Refusal("robots", host.refused)
        try:
            allowed = host.robots.can_fetch(AGENT, url)
        except ValueError as error:  # it unquotes the whole address, which need not be one after that
            raise Refusal("bad-url", str(error)) from None
        if not allowed:
            raise Refusal("robots", f"{parts.hostname} asks not to fetch it")

    def _robots(self, parts: urllib.parse.SplitResult, host: _Host) -> urllib.robotparser.RobotFileParser:
        """What robots.txt allows (RFC 9309): all where there is none, nothing where the server fails. Sets the host's gap, or
        why it is refused."""
        rules = urllib.robotparser.RobotFileParser()
        try:
            body = self._follow(f"{parts.scheme}://{parts.netloc}/robots.txt", ROBOTS_BYTES, robots=False)
            rules.parse(body.decode(errors="replace").splitlines())
        except Refusal as refusal:
            if refusal.kind == "private-address":
                raise
            rules.parse(["User-agent: *", "Allow: /" if refusal.kind.startswith("http-4") else "Disallow: /"])
        except ValueError:  # Python's reader takes "²" for a number, and what begins with http:// for an address
            host.refused = f"robots.txt of {parts.hostname} makes no sense"
        delay = int(rules.crawl_delay(AGENT) or 0)
        if delay > LONGEST_GAP:
            host.refused = f"{parts.hostname} asks to wait more than {LONGEST_GAP} s between requests"
        else:
            host.gap = float(delay)
        return rules

    def _ask(self, parts: urllib.parse.SplitResult, most: int) -> tuple[bytes, str | None]:
        """One request: its body, or where it points to."""
        until = time.monotonic() + self._manners.patience
        try:
            line = self._connect(parts, until)
            try:
                path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
                line.request("GET", path, headers={"User-Agent": AGENT, "Accept": "image/*", "Accept-Encoding": "identity"})
                return self._read(line.getresponse(), most)
            finally:
                line.close()
        except TimeoutError:
            raise Refusal("timeout", f"no answer within {self._manners.patience:g} s") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Refusal("connection", " ".join(str(error).split())[:150] or type(error).__name__) from error

    def _connect(self, parts: urllib.parse.SplitResult, until: float) -> http.client.HTTPConnection:
        host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Refusal("unknown-host", host) from None
        addresses = [str(one[4][0]) for one in found]
        for address in addresses:
            if not self._allowed(host, address):
                raise Refusal("private-address", f"{host} is {address}")
        line, sock = http.client.HTTPConnection(host, port), socket.create_connection((addresses[0], port), _left(until))
        try:
            sock.settimeout(_left(until))
            line.sock = _Line(self._tls.wrap_socket(sock, server_hostname=host) if parts.scheme == "https" else sock, until)
        except BaseException:
            sock.close()
            raise
        return line

    def _allowed(self, host: str, address: str) -> bool:
        ip = ipaddress.ip_address(address.partition("%")[0])
        if host in self._manners.allow:
            return True
        networks = (one for one in self._manners.allow if _is_numeric(one))
        mapped = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in ipaddress.ip_network(one, strict=False) for one in networks) or (
            mapped.is_global and not mapped.is_multicast
        )

    def _read(self, answer: http.client.HTTPResponse, most: int) -> tuple[bytes, str | None]:
        if answer.status in (301, 302, 303, 307, 308):
            return b"", answer.headers.get("Location") or _refuse("redirects", "to nowhere")
        if answer.status != 200:
            raise Refusal(f"http-{answer.status}", answer.reason[:80])
        _honour(answer.headers)
        body = bytearray()
        while piece := answer.read1(PIECE):
            body += piece
            if len(body) > most:
                raise Refusal("too-large", f"more than {most >> 10} KB")
        if answer.length:
            raise Refusal("truncated", f"{answer.length} bytes less than announced")
        return bytes(body), None


class _Line:
    """A connected socket, as `http.client` uses it, that gives up at a moment of the monotonic clock: a socket's own timeout
    begins anew with every byte."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until

    def sendall(self, content: bytes) -> None:
        """TimeoutError when the moment has come."""
        self._sock.settimeout(_left(self._until))
        self._sock.sendall(content)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What comes, to be read in time."""
        return io.BufferedReader(_Coming(self._sock, self._until))

    def close(self) -> None:
        """As with a socket, what is being read stays open until it is closed itself."""
        self._sock.close()


class _Coming(io.RawIOBase):
    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._file, self._until = sock, sock.makefile("rb", buffering=0), until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left(self._until))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def _left(until: float) -> float:
    """Seconds to a moment of the monotonic clock. TimeoutError where it has come."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _refuse(kind: str, told: str) -> str:
    raise Refusal(kind, told)


def _parsed(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise Refusal("bad-url", str(error)) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refusal("bad-url", f"scheme {parts.scheme!r}, host {parts.hostname!r}; http and https alone")
    return parts


def _honour(headers: http.client.HTTPMessage) -> None:
    """Refusal where the owner does not want it: X-Robots-Tag, and the TDM Reservation Protocol."""
    for value in headers.get_all("X-Robots-Tag", []):
        words = {word.rpartition(":")[2].strip().lower() for word in value.split(",")}
        if found := words & set(OPT_OUTS):
            raise Refusal("opt-out", f"X-Robots-Tag: {min(found)}")
    if headers.get("tdm-reservation", "").strip() == "1":
        raise Refusal("opt-out", "tdm-reservation: 1")


def fetch(inputs: Sequence[Row], store: Path, fetcher: Fetcher, threads: int) -> list[Row]:
    """Fetch URLs into one file, as they come; returns the inputs with the place of their bytes in it, or their problem."""
    temporary, one_writes = store.with_name(f".{store.name}.tmp"), threading.Lock()

    def attempt(one: Row) -> Row:
        try:
            body = fetcher.get(one["source"])
        except Refusal as refusal:
            return {**one, "problem": str(refusal)}
        with one_writes:
            start = file.tell()
            file.write(body)
        return {**one, "path": str(store), "start": start, "bytes": len(body)}

    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file, ThreadPoolExecutor(threads) as pool:
            rows = list(pool.map(attempt, inputs))
        temporary.replace(store)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(store, error) from error
    return rows

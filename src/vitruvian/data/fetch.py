"""Files by path, by command or by URL, as local files."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from vitruvian.errors import InputError, UsageError

PIPE = "pipe:"
TRIES = 3  # fetches of a file that other processes delete before it is opened
T = TypeVar("T")


def expand(pattern: str) -> list[str]:
    """`a-{000..012}.tar` -> its thirteen names, as in a shell; of local patterns with * or ? the files that fit, sorted.

    A pattern that no file fits is a UsageError; a name without wild cards may be missing.
    """
    match = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if match:
        first, last = match.groups()
        if int(first) > int(last):
            raise UsageError(f"{pattern}: {{{first}..{last}}} counts down. Allowed: the lower number first.")
        width = len(first) if first.startswith("0") or len(first) == len(last) else 1
        names = (f"{pattern[: match.start()]}{n:0{width}d}{pattern[match.end() :]}" for n in range(int(first), int(last) + 1))
        return [name for one in names for name in expand(one)]
    if is_remote(pattern) or not glob.has_magic(pattern):
        return [pattern]
    found = sorted(glob.glob(pattern))  # noqa: PTH207
    if not found:
        raise UsageError(f"{pattern}: no file fits. Fix: check the pattern.")
    return found


def is_remote(url: str) -> bool:
    """Whether it must be fetched: a command or a URL; file:// is none."""
    return url.startswith(PIPE) or ("://" in url and not url.startswith("file://"))


def fetched(url: str, cache: Path | None, keep: int | None = None) -> Path:
    """The local file of a path, or of a command or URL, fetched into `cache` if it is not there yet; of what was fetched at
    most `keep` files stay, the last used.

    Raises InputError for what cannot be fetched, UsageError where a library or the cache is missing.
    """
    if not is_remote(url):
        return Path(url.removeprefix("file://"))
    if cache is None:
        raise UsageError(f"{url}: not a local file, so it needs a cache. Fix: give a folder.")
    path = cache / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.tar"
    with suppress(FileNotFoundError):  # it was never fetched, or another process has just deleted it
        os.utime(path)
        return path
    cache.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        (_run if url.startswith(PIPE) else _download)(url, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _forget(cache, keep, path)
    return path


def read_fetched(url: str, cache: Path | None, keep: int | None, read: Callable[[Path], T]) -> T:
    """What `read` makes of the local file of `fetched`, which is fetched again where another process deletes it in between.

    Raises what `fetched` and `read` do; FileNotFoundError for a local path that is absent, or a file deleted again and again.
    """
    for _ in range(TRIES - 1 if is_remote(url) else 0):
        with suppress(FileNotFoundError):
            return read(fetched(url, cache, keep))
    return read(fetched(url, cache, keep))


def _run(url: str, target: Path) -> None:
    """The output of a shell command; one that fails leaves nothing."""
    with target.open("wb") as file:
        done = subprocess.run(url.removeprefix(PIPE), shell=True, stdout=file, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        told = " ".join(done.stderr.decode(errors="replace").split())[-200:]
        raise InputError(f"{url}: the command ended with {done.returncode} ({told}).")


def _download(url: str, target: Path) -> None:
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(f"{url}: URLs need fsspec. Fix: pip install fsspec.") from error
    try:
        with fsspec.open(url, "rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    except (ImportError, ValueError) as error:  # of a protocol that is unknown, or whose library is missing
        raise UsageError(
            f"{url}: this kind of URL cannot be read here ({error}). Fix: install its library, or use pipe:."
        ) from error
    except Exception as error:  # every file system has errors of its own
        raise InputError(f"{url}: cannot be fetched ({type(error).__name__}: {error}).") from error


def _forget(cache: Path, keep: int | None, but: Path) -> None:
    """Delete the files that were not used for longest. Who has one open reads on; who has only its name must fetch it again,
    as `read_fetched` does."""
    if keep is None:
        return
    used: list[tuple[float, Path]] = []
    for path in cache.glob("*.tar"):
        with suppress(FileNotFoundError):  # other processes tidy up too
            used += [(path.stat().st_mtime, path)] if path != but else []
    for _, path in sorted(used)[: max(0, len(used) + 1 - max(1, keep))]:
        path.unlink(missing_ok=True)

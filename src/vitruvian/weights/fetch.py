"""Weights from the hub: found in its local cache, or fetched into it when asked for. Nothing else here uses a network.

The cache, its place (HF_HOME, HF_HUB_CACHE), progress and HF_HUB_OFFLINE are those of huggingface_hub. Beside each
fetched file stands FILE.licence.json: the licence, where it came from, when, and which checkpoint it has been found to be.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vitruvian.errors import UsageError, WeightsError
from vitruvian.weights import zoo
from vitruvian.weights.download import download
from vitruvian.weights.zoo import Release

PREFIX = "hub:"
RECORD = ".licence.json"
UNREACHABLE = {"ConnectError", "ConnectionError", "ConnectTimeout", "NetworkError"}  # of httpx or requests, by version
FORM = "hub:OWNER/REPOSITORY/FILE or hub:OWNER/REPOSITORY/FILE@REVISION"


@dataclass(frozen=True)
class HubFile:
    """One file at the hub. revision: a branch, tag or commit; None is the main branch."""

    repo: str
    file: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}/{self.file}" + (f"@{self.revision}" if self.revision else "")

    @property
    def address(self) -> str:
        """Where people can look at it."""
        return f"https://huggingface.co/{self.repo}/tree/{self.revision or 'main'}"


@dataclass(frozen=True)
class Record:
    """What stands beside a fetched file. model: the checkpoint that it has been found to be, or empty; revision: the commit."""

    model: str
    repository: str
    file: str
    revision: str
    licence: str
    fetched: str


def parse(text: str) -> HubFile:
    """`hub:owner/repository/file[@revision]`; UsageError for anything else."""
    place, _, revision = text.removeprefix(PREFIX).partition("@")
    parts = place.split("/")
    if not text.startswith(PREFIX) or len(parts) < 3 or not all(parts) or ".." in parts or text.endswith("@"):
        raise UsageError(f"{text!r} is no file at the hub. Allowed: {FORM}.")
    return HubFile("/".join(parts[:2]), "/".join(parts[2:]), revision or None)


def place_of(release: Release, repo: str | None = None, file: str | None = None, revision: str | None = None) -> HubFile:
    """Where a checkpoint lies, or is said to lie. UsageError for one that was never released, unless both are given."""
    if not (repo and file) and (release.status == "missing" or not release.file):
        raise UsageError(
            f"{release.name} is not at the hub. Fix: take another size; or, if you know where it is,"
            f" vitruvian models fetch {release.name} --repo OWNER/NAME --file FILE"
        )
    return HubFile(repo or release.repo, file or release.file, revision)


def cached(place: HubFile) -> Path | None:
    """The file in the local cache; None if it is not there. No network."""
    from huggingface_hub import try_to_load_from_cache

    found = _checked(place, lambda: try_to_load_from_cache(place.repo, place.file, revision=place.revision))
    return Path(found) if isinstance(found, str) and Path(found).is_file() else None


def cached_releases() -> dict[str, Path]:
    """The checkpoints in the local cache by short name, from wherever they were fetched. No network."""
    fetched = {record.model: path for path, record in reversed(_records()) if record.model}  # the latest of each
    usual = {name: cached(HubFile(one.repo, one.file)) for name, one in zoo.releases().items() if one.file}
    return fetched | {name: path for name, path in usual.items() if path}


def record_of(path: Path) -> Record | None:
    """What stands beside a fetched file; None if nothing does."""
    try:
        raw = json.loads(_beside(path).read_text(encoding="utf-8"))
        return Record(**{name: str(raw[name]) for name in Record.__dataclass_fields__})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def fetch(place: HubFile, release: Release | None, say: Callable[[str], None]) -> Path:
    """The file, downloaded unless it is in the cache already; an interrupted download goes on where it stopped.

    say: hears the licence, before the download, and the place. WeightsError says what stands in the way and what mends it.
    """
    path = cached(place)
    terms = zoo.licence_text() if release or zoo.release_of_file(place.file) else f"as its repository says: {place.address}"
    if path is None or record_of(path) is None:
        say(f"licence: {terms}")
    if path is None:
        say(f"fetching {place}")
        path = Path(_checked(place, lambda: download(place.repo, place.file, place.revision, say)))
    if record_of(path) is None:
        now = datetime.now(UTC).isoformat("T", "seconds")
        _write(path, Record("", place.repo, place.file, _commit(path, place), terms, now))
    return path


def remember(path: Path, release: Release) -> None:
    """From now on this fetched file, found to be that checkpoint, is what its short name means, wherever it came from."""
    record = record_of(path)
    if record and record.model != release.name:
        _write(path, replace(record, model=release.name))


def _checked(place: HubFile, action: Callable[[], Any]) -> Any:
    """Do it; what huggingface_hub and the network below it raise becomes one line that says how to mend it."""
    from huggingface_hub import errors

    try:
        return action()
    except WeightsError as error:
        raise WeightsError(f"{place}: {error}") from error
    except errors.HFValidationError as error:
        raise UsageError(f"{place} is no file at the hub ({_line(error)}). Allowed: {FORM}.") from error
    except Exception as error:  # the network's own errors differ between versions of huggingface_hub
        problem, fix = _explained(place, error)
        raise WeightsError(f"{place}: {problem}. Fix: {fix}.") from error


def _explained(place: HubFile, error: Exception) -> tuple[str, str]:
    """What is wrong, and what mends it."""
    from huggingface_hub import constants, errors

    known: tuple[tuple[Any, str, str], ...] = (
        (errors.GatedRepoError, "its terms must be accepted first", f"accept them at {place.address}, then `hf auth login`"),
        (errors.RepositoryNotFoundError, "no such repository, or a private one", "--repo OWNER/NAME, or `hf auth login`"),
        (errors.RevisionNotFoundError, "no such revision", f"leave --revision out; see {place.address}"),
        (errors.OfflineModeIsEnabled, "not in the cache, and HF_HUB_OFFLINE forbids to fetch it", "unset HF_HUB_OFFLINE"),
        (errors.LocalEntryNotFoundError, "not in the cache, and the hub cannot be reached", "connect, then run it again"),
        (errors.EntryNotFoundError, "no such file", f"--file NAME; {place.address} lists them"),
    )
    for kind, problem, fix in known:
        if isinstance(error, kind):
            return problem, fix
    if not UNREACHABLE.isdisjoint(kind.__name__ for kind in type(error).__mro__):
        return f"the hub cannot be reached ({_line(error)})", "connect, then run it again: it goes on where it stopped"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space left on the device", f"make room in {constants.HF_HUB_CACHE}, or set HF_HUB_CACHE; then run it again"
    return f"could not be fetched ({type(error).__name__}: {_line(error)})", "run it again, it goes on where it stopped"


def _records() -> list[tuple[Path, Record]]:
    """Every file in the cache that this package has fetched, the latest first."""
    from huggingface_hub import constants

    sheets = Path(constants.HF_HUB_CACHE).glob(f"models--*/snapshots/*/**/*{RECORD}")
    files = [sheet.with_name(sheet.name.removesuffix(RECORD)) for sheet in sheets]
    found = [(path, record) for path in files if path.is_file() and (record := record_of(path))]
    return sorted(found, key=lambda pair: pair[1].fetched, reverse=True)


def _commit(path: Path, place: HubFile) -> str:
    """The commit that a file of the cache is of: the folder below `snapshots`."""
    parts = path.parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts else place.revision or "main"


def _beside(path: Path) -> Path:
    return path.with_name(path.name + RECORD)


def _write(path: Path, record: Record) -> None:
    temporary = _beside(path).with_name(f".{path.name}.{os.getpid()}.tmp")
    content: Mapping[str, str] = asdict(record)
    try:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        temporary.replace(_beside(path))
    except OSError as error:
        reason = f"the licence cannot be recorded beside {path} ({error.strerror})"
        raise WeightsError(f"{reason}. Fix: make its folder writable.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")[:200]

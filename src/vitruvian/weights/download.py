"""One file from the hub into the cache of huggingface_hub, going on where an earlier try stopped.

huggingface_hub 2 throws away what an interrupted download has got; official files have up to 9 GB. So the bytes are collected
here, in BLOB.part beside where the library keeps its blobs, checked, and handed over: it finds the blob and does the rest.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vitruvian.errors import WeightsError

SHA256 = re.compile(r"[0-9a-f]{64}")  # large files are named after it, small ones after another hash
HASH = re.compile(r"[0-9a-f]{40,64}")


def download(repo: str, file: str, revision: str | None, say: Callable[[str], None]) -> str:
    """The file's path in the cache. Raises what huggingface_hub raises, and WeightsError for a full disk or damaged bytes."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url

    url = hf_hub_url(repo, file, revision=revision)
    about = get_hf_file_metadata(url)
    if about.size and HASH.fullmatch(about.etag or ""):
        blob = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "blobs" / str(about.etag)
        if not blob.exists():
            _collect(url, blob, int(about.size), say)
    return str(hf_hub_download(repo, file, revision=revision))


def _collect(url: str, blob: Path, size: int, say: Callable[[str], None]) -> None:
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    part = blob.with_name(f"{blob.name}.part")
    blob.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(part.with_suffix(".lock")):  # two downloads into one file would ruin it
        if blob.exists():
            return
        part.touch()
        if part.stat().st_size > size:
            part.write_bytes(b"")
        have = part.stat().st_size
        if have:
            say(f"going on at {have / size:.0%} of {size / 1e9:.2f} GB")
        _make_sure_of_room(part.parent, size - have)
        _get(url, part, have, size)
        _check(part, blob.name, size)
        part.replace(blob)


def _get(url: str, part: Path, have: int, size: int) -> None:
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    headers: dict[str, Any] = build_hf_headers()
    with part.open("r+b") as target:
        target.seek(have)
        http_get(url, target, resume_size=have, headers=headers, expected_size=size)


def _make_sure_of_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WeightsError(
            f"{needed / 1e9:.2f} GB are needed in {folder}, {free / 1e9:.2f} GB are free."
            " Fix: make room, or set HF_HUB_CACHE to a folder on a larger disk."
        )


def _check(part: Path, name: str, size: int) -> None:
    """What was announced: as many bytes and, where the name is their sha256, these bytes."""
    wrong = part.stat().st_size != size
    if not wrong and SHA256.fullmatch(name):
        with part.open("rb") as file:
            wrong = hashlib.file_digest(file, "sha256").hexdigest() != name
    if wrong:
        part.unlink()
        raise WeightsError(f"{part.name}: what was downloaded is not what the hub announced. Fix: run it again.")

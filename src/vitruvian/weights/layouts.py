"""Files as they come: which kind of container one is, and the tensors in it under the names they have there.

Whatever the layout, no pickle is ever run: see `archive`, and PyTorch's own `weights_only`.
"""

from __future__ import annotations

import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vitruvian.errors import WeightsError
from vitruvian.weights.archive import Archive, named_tensors
from vitruvian.weights.card import ENTRY
from vitruvian.weights.zoo import release_of_file, stem_of

SAFETENSORS, CHECKPOINT, TORCHSCRIPT = "safetensors", "PyTorch checkpoint (.pth)", "TorchScript (.pt2, weights only)"
DAMAGE = (
    OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, MemoryError, struct.error,
    zipfile.BadZipFile, SafetensorError,
)  # fmt: skip
STATE = "state_dict"
CUT = "Fix: fetch it again, it is cut or damaged."
ALLOWED = "safetensors, .pth, _torchscript.pt2"
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
NO_WEIGHTS = {  # what a browser or git leaves in the place of a large file
    b"version https://git-lfs": "a pointer of Git LFS, not the weights themselves. Fix: git lfs pull",
    b"<": "a web page, not weights. Fix: vitruvian models fetch, or download the file itself",
}


@dataclass(frozen=True)
class Raw:
    """What a file holds. layout: in words; extras: names of what lies beside the weights; metadata: of safetensors."""

    path: Path
    layout: str
    tensors: Mapping[str, Tensor]
    extras: tuple[str, ...] = ()
    metadata: Mapping[str, str] | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the file says itself what model it is of."""
        return ENTRY in (self.metadata or {})


def read(path: Path) -> Raw:
    """A file's tensors; on the CPU, mapped from the file where its layout allows.

    WeightsError for a file that is damaged, of a layout that holds no plain weights, or asks for anything to be run.
    """
    _refuse_program(path, path.name.endswith("_bfloat16.pt2"))
    _refuse_text(path)
    try:
        return _read(path)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: refused, it is no plain pickle of weights; nothing of it was run."
            " Fix: take the file from its official place again."
        ) from error
    except DAMAGE as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise WeightsError(f"{path}: cannot be read as {_kind(path)} ({reason}). {CUT}") from error


def read_metadata(path: Path) -> Mapping[str, str] | None:
    """The metadata of a safetensors file, without its tensors; None for any other file."""
    if _kind(path) != SAFETENSORS:
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read as safetensors ({error}). {CUT}") from error


def _read(path: Path) -> Raw:
    if not _head(path):
        raise EOFError("it is empty")
    if _kind(path) == SAFETENSORS:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Raw(path, SAFETENSORS, tensors, metadata=file.metadata() or {})
    if not zipfile.is_zipfile(path):
        if _head(path).startswith(ZIP):
            raise zipfile.BadZipFile("its end is missing")
        with path.open("rb") as file:
            return _checkpoint(path, _by_pytorch(file))
    archive = Archive(path)
    if archive.has("code/"):
        return Raw(path, TORCHSCRIPT, named_tensors(archive.objects()))
    _refuse_program(path, not archive.root)
    return _checkpoint(path, _objects(path, archive))


def _objects(path: Path, archive: Archive) -> Any:
    """By PyTorch's own restricted reader; by ours where training records of other libraries lie beside the weights."""
    if path.suffix == ".safetensors":  # PyTorch goes by the name
        return archive.objects()
    try:
        return _by_pytorch(path, mmap=True)
    except pickle.UnpicklingError:
        return archive.objects()


def _by_pytorch(source: Path | BinaryIO, mmap: bool = False) -> Any:
    with warnings.catch_warnings():  # that it may not know what a later pickle asks for: then it says so
        warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
        return torch.load(source, map_location="cpu", weights_only=True, mmap=mmap)


def _checkpoint(path: Path, content: Any) -> Raw:
    """{`state_dict`: ..., `meta`: ...} or the weights themselves."""
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, no weights by name. Allowed: {ALLOWED}.")
    state = content.get(STATE, content)
    if not isinstance(state, Mapping):
        raise WeightsError(f"{path}: its {STATE!r} is a {type(state).__name__}, no weights by name. Allowed: {ALLOWED}.")
    tensors = {str(name): value.detach() for name, value in state.items() if isinstance(value, Tensor)}
    beside = [name for name in content if name != STATE] if state is not content else []
    extras = (*beside, *(name for name, value in state.items() if not isinstance(value, Tensor)))
    return Raw(path, CHECKPOINT, tensors, tuple(map(str, extras)))


def _kind(path: Path) -> str:
    """By its first bytes where they tell, by its name otherwise."""
    head = _head(path)
    if head[4:9] == b"\0\0\0\0{":  # the length of its header, below 4 GB, and the header
        return SAFETENSORS
    return SAFETENSORS if path.suffix == ".safetensors" and not head.startswith((ZIP, PICKLE)) else CHECKPOINT


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(32)


def _refuse_text(path: Path) -> None:
    head = _head(path)
    for start, told in NO_WEIGHTS.items():
        if head.lstrip().startswith(start) and b"\0" not in head:
            raise WeightsError(f"{path}: {told}.")


def _refuse_program(path: Path, refused: bool) -> None:
    if not refused:
        return
    stem = stem_of(path.name)
    release = release_of_file(path.name)
    fetch = f" Fix: vitruvian models fetch {release.name}" if release else ""
    raise WeightsError(
        f"{path}: a program exported for one version of PyTorch, not a file of weights."
        f" Allowed: {stem}.pth or {stem}_torchscript.pt2 instead.{fetch}"
    )

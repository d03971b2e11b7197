"""Tensors out of a zip of PyTorch without running anything that is in it.

A file of weights is a pickle, a program that builds objects by calling what it names. This reader gives it nothing to call: the
builder of tensors is one of ours, the classes of TorchScript modules and of training records become empty shells, and any other
name ends the reading with an error. TorchScript's own code (`torch.jit.load` compiles it and runs the `__setstate__` of its
modules) is not even opened: the tensors and their names lie in `data.pkl` and `data/`.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from vitruvian.errors import WeightsError

STORAGES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16,
    "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
# modules of TorchScript, and what training leaves beside the weights (settings, history, random states): of no use here
SHELLS = ("__torch__", "mmengine", "addict", "numpy", "_codecs")
DEEPEST = 64  # modules within modules; official models have 8
LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip entry: lengths of its name and of its extra field, 30 bytes in all


@dataclass
class Shell:
    """What stands in for an object of any class: it keeps the state it is given and does nothing."""

    state: Any = None

    def __new__(cls, *_: Any, **__: Any) -> Shell:
        """Whatever it is made of is dropped."""
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        self.state = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """An entry of a dictionary in disguise."""

    def append(self, value: Any) -> None:
        """An entry of a list in disguise."""

    def extend(self, values: Any) -> None:
        """Entries of a list in disguise."""


class Archive:
    """One zip of PyTorch: its names and, on demand, its objects with tensors that lie in the file until they are used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with zipfile.ZipFile(path) as file:
            self.entries = {entry.filename: entry for entry in file.infolist()}
        pickles = [name for name in self.entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        self.root = pickles[0].removesuffix("data.pkl") if pickles else ""
        self._size = path.stat().st_size

    def has(self, name: str) -> bool:
        """Whether there is an entry of that name, or one in a folder of that name."""
        return any(entry.startswith(self.root + name) for entry in self.entries) if self.root else False

    def objects(self) -> Any:
        """What `data.pkl` describes. WeightsError if it names anything that is not known to be harmless."""
        if self.root + "byteorder" in self.entries and self._bytes("byteorder") != b"little":
            raise WeightsError(f"{self.path}: its numbers are big-endian. Allowed: little-endian files.")
        return _Reader(self._bytes("data.pkl"), self).load()

    def storage(self, key: str, count: int, dtype: torch.dtype) -> torch.UntypedStorage:
        """The bytes of one storage: mapped from the file, or read if they are compressed."""
        entry = self.entries[f"{self.root}data/{key}"]
        if entry.file_size < count * dtype.itemsize:
            raise ValueError(f"storage {key} has {entry.file_size} bytes, {count * dtype.itemsize} are announced")
        if entry.compress_type != zipfile.ZIP_STORED:
            return torch.frombuffer(bytearray(self._bytes(f"data/{key}")), dtype=torch.uint8).untyped_storage()
        start = self._start(entry)
        if start + entry.file_size > self._size:
            raise ValueError(f"storage {key} ends behind the end of the file")
        return cast(torch.UntypedStorage, self._whole[start : start + entry.file_size])

    @cached_property
    def _whole(self) -> torch.UntypedStorage:
        """The file mapped into memory; what is written to it there stays there."""
        return cast(torch.UntypedStorage, torch.UntypedStorage.from_file(str(self.path), False, self._size))

    def _start(self, entry: zipfile.ZipInfo) -> int:
        with self.path.open("rb") as file:
            file.seek(entry.header_offset)
            name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
        return entry.header_offset + LOCAL_HEADER.size + int(name) + int(extra)

    def _bytes(self, name: str) -> bytes:
        with zipfile.ZipFile(self.path) as file:
            return file.read(self.root + name)


def named_tensors(root: Any) -> dict[str, Tensor]:
    """The tensors of a TorchScript module by the names they had in Python: `backbone.layers.0.ln1.weight`."""
    found: dict[str, Tensor] = {}
    _collect(root, "", 0, found)
    return found


def _collect(node: Any, prefix: str, depth: int, found: dict[str, Tensor]) -> None:
    if depth > DEEPEST:
        raise ValueError(f"modules nested deeper than {DEEPEST}")
    state = node.state if isinstance(node, Shell) else node
    if not isinstance(state, Mapping):
        return
    for name, value in state.items():
        if isinstance(value, Tensor):
            found[f"{prefix}{name}"] = value
        else:
            _collect(value, f"{prefix}{name}.", depth + 1, found)


class _Reader(pickle.Unpickler):
    def __init__(self, content: bytes, archive: Archive) -> None:
        super().__init__(io.BytesIO(content))
        self._archive = archive

    def find_class(self, module: str, name: str) -> Any:
        """The only way a pickle reaches anything by name: what it gets instead."""
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        # functions are wrapped anew each time: a pickle may set attributes on what it is given
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *arguments: _tensor(*arguments)
        if (module, name) == ("torch._utils", "_rebuild_parameter") or module == "torch.jit._pickle":
            return lambda value, *_: value  # lists and typed values of TorchScript: the value itself
        if module.split(".")[0] in SHELLS:
            return Shell
        raise WeightsError(
            f"{self._archive.path}: refused, it asks for {module}.{name}, which no weights need; nothing of it was run."
            " Fix: take the file from its official place again."
        )

    def persistent_load(self, pid: Any) -> Any:
        """A storage, by its key: (dtype, key, number of elements)."""
        kind, dtype, key, _, count = pid
        if kind != "storage":
            raise ValueError(f"unknown reference {kind!r}")
        return self._archive.storage(str(key), int(count), dtype), dtype


def _tensor(storage: tuple[torch.UntypedStorage, torch.dtype], offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    """A tensor within the bounds of its storage."""
    data, dtype = storage
    size, stride = tuple(map(int, size)), tuple(map(int, stride))
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if math.prod(size) else offset - 1
    if offset < 0 or min((*size, *stride, 0)) < 0 or (last + 1) * dtype.itemsize > data.nbytes():
        raise ValueError(f"a tensor of {size} does not fit its storage")
    return torch.empty(0, dtype=dtype).set_(data, offset, size, stride)

"""The released checkpoints of Sapiens v1, read from zoo.toml: where each lies and the specification of the model in it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, Literal, TypeAlias

from vitruvian.errors import unknown_name
from vitruvian.model import SIZES
from vitruvian.model.vit import Size
from vitruvian.types import Fit, HeadSpec, ModelSpec

Status: TypeAlias = Literal["released", "missing"]

TASK_INPUT, ENCODER_INPUT = (1024, 768), (1024, 1024)
PRETRAIN = "pretrain"
ENDINGS = ("_torchscript.pt2", "_bfloat16.pt2", ".safetensors", ".pth", ".pt2", ".pt")


@dataclass(frozen=True)
class Row:
    """One task of the zoo: what its tensors show, what they cannot show, and where its files lie. Without a task: encoders."""

    name: str
    task: str | None
    out: int
    vocabulary: str | None
    upsample: tuple[int, ...]
    conv: tuple[int, ...]
    padding: int
    fit: Fit
    sigma: float
    options: Mapping[str, Any]
    repo: str
    folder: str
    files: Mapping[str, str]
    listed: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    torchscript: str = ""
    former: Mapping[str, str] = field(default_factory=dict)

    def head(self, upsample: tuple[int, ...], conv: tuple[int, ...]) -> tuple[HeadSpec, ...]:
        """The head of this task with other widths; none for an encoder."""
        if self.task is None:
            return ()
        return (HeadSpec(self.task, upsample, conv, self.out, self.vocabulary, options=dict(self.options)),)


@dataclass(frozen=True)
class Release:
    """One checkpoint. spec: that of the model in its file; verified: whether the file has been seen in its repository."""

    name: str
    size: str
    row: Row
    spec: ModelSpec
    repo: str
    file: str
    status: Status
    verified: bool
    notes: tuple[str, ...]

    @property
    def stem(self) -> str:
        """The file's name without ending, which the TorchScript file of the same weights shares; empty if there is none."""
        return stem_of(self.file)

    @property
    def stems(self) -> tuple[str, ...]:
        """That, and the one of an upload before it; none if there is none."""
        return tuple(filter(None, (self.stem, stem_of(self.row.former.get(self.size, "")))))


def spec_of(
    row: Row, name: str, arch: Size, size: tuple[int, int], heads: tuple[HeadSpec, ...], licence: str, **more: Any
) -> ModelSpec:
    """The specification of an official model: shapes as given, all the rest from its row."""
    return ModelSpec(
        name=name,
        size=size,
        dim=arch.dim,
        depth=arch.depth,
        heads_attn=arch.heads_attn,
        mlp=arch.mlp,
        heads=heads,
        padding=row.padding,
        fit=row.fit,
        codec="official",
        sigma=row.sigma,
        licence=licence,
        **more,
    )


@cache
def rows() -> Mapping[str, Row]:
    """The tasks of the zoo by name."""
    return {name: _row(name, raw) for name, raw in _raw()["rows"].items()}


@cache
def releases() -> Mapping[str, Release]:
    """Every checkpoint by its short name, `sapiens-SIZE-ROW`, small to large within a task."""
    all_of_them = [_release(row, size) for row in rows().values() for size in row.files]
    return {release.name: release for release in all_of_them}


def release(name: str) -> Release:
    """The checkpoint of a short name; UsageError for a name that none has."""
    if name not in releases():
        listed = "sapiens-SIZE-TASK, such as sapiens-1b-pose308 (`vitruvian models` lists them)"
        raise unknown_name("official checkpoint", name, releases(), listed)
    return releases()[name]


def row_of(task: str, out: int) -> Row | None:
    """The row of a head with so many channels; None where nothing like it was released."""
    return next((row for row in rows().values() if (row.task, row.out) == (task, out)), None)


def release_of_file(name: str) -> Release | None:
    """The checkpoint that a file of this name is, in whichever official layout; None for any other name."""
    return next((release for release in releases().values() if stem_of(name) in release.stems), None)


def stem_of(name: str) -> str:
    """A file's name without folder and official ending."""
    name = PurePosixPath(name).name
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)


def size_of(arch: Size) -> str | None:
    """The name of an official size; None for another."""
    return next((name for name, known in SIZES.items() if known == arch), None)


def licence() -> str:
    """The licence of all official weights of Sapiens v1."""
    return str(_raw()["licence"])


def licence_text() -> str:
    """The licence in a few words and its address."""
    raw = _raw()
    return f"{raw['licence']} ({raw['licence_says']}): {raw['licence_url']}"


def _raw() -> dict[str, Any]:
    return tomllib.loads((files("vitruvian.weights") / "zoo.toml").read_text(encoding="utf-8"))


def _row(name: str, raw: Mapping[str, Any]) -> Row:
    lists = {key: tuple(raw[key]) for key in ("upsample", "conv", "listed", "missing", "notes")}
    optional = {"task": None, "out": 0, "vocabulary": None}
    return Row(**{**optional, **raw, **lists, "name": name})


def _release(row: Row, size: str) -> Release:
    name = f"sapiens-{size}-{row.name}"
    encoder = row.task is None
    heads = row.head(row.upsample, row.conv)
    image = ENCODER_INPUT if encoder else TASK_INPUT
    twin = row.torchscript.format(size=size)
    return Release(
        name=name,
        size=size,
        row=row,
        spec=spec_of(row, name, SIZES[size], image, heads, licence(), class_token=encoder),
        repo=row.repo.format(size=size),
        file=row.folder.format(size=size) + row.files[size] if row.files[size] else "",
        status="missing" if size in row.missing else "released",
        verified=size in row.listed,
        notes=(*row.notes, *([_raw()["notes"]["torchscript"].format(torchscript=twin)] if twin else [])),
    )

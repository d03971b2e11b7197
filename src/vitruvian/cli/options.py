"""What several verbs take: how it is written, and what stands for its value in the help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import tyro

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]  # --name alone
Pair: TypeAlias = bool | None  # --name or --no-name; None where neither is given
Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]
Dtype: TypeAlias = Literal["auto", "fp32", "bf16"]
Task: TypeAlias = Literal["pose", "seg", "depth", "normal"]
Axes: TypeAlias = Literal["camera", "opengl", "directx"]

Folder = Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
File = Annotated[Path, tyro.conf.arg(metavar="FILE")]
MaybeFolder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")]
MaybeFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]
MaybeWhole = Annotated[int | None, tyro.conf.arg(metavar="N")]
Whole = Annotated[int, tyro.conf.arg(metavar="N")]
Model = Annotated[str, tyro.conf.arg(metavar="MODEL")]
Name = Annotated[str, tyro.conf.arg(metavar="NAME")]
MaybeName = Annotated[str | None, tyro.conf.arg(metavar="NAME")]
NameOrToml = Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE.toml")]

ModelWord = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
RunWord = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
Sources = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE...")]
Results = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RESULT...")]

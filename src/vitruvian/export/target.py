"""What an export target must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from vitruvian.errors import UsageError
from vitruvian.export.graph import Graph
from vitruvian.types import Array

Run: TypeAlias = Callable[[Array], Mapping[str, Array]]  # (B, 3, H, W) float32 -> task -> (B, out, h, w) float32


def no_other_default(_: Path) -> tuple[str, Run] | None:
    """For runtimes that calculate as the file says."""
    return None


@dataclass(frozen=True)
class Target:
    """One kind of file. write: the graph into a file whose folder exists; open: that file as its runtime runs it, as exactly
    as it can; by_default: the name of the precision the runtime takes by itself and the file run so, None where it is the same.

    companions: endings of the files that may lie beside it, in place of (`.bin`) or after (`+.data`) its own; dtypes: the first
    is the default; modules: what must be installed, by `extra`; copies: how often the weights lie on the disk while it is made.
    """

    name: str
    suffix: str
    dtypes: tuple[str, ...]
    write: Callable[[Graph, Path], None]
    open: Callable[[Path], Run]
    by_default: Callable[[Path], tuple[str, Run] | None] = no_other_default
    companions: tuple[str, ...] = ()
    extra: str = ""
    modules: tuple[str, ...] = ()
    copies: int = 1

    def beside(self, path: Path) -> list[Path]:
        """The places of the companions of a file."""
        return [
            path.with_name(path.name + end[1:]) if end.startswith("+") else path.with_suffix(end) for end in self.companions
        ]

    def check_installed(self) -> None:
        """UsageError where a library is absent."""
        absent = [module for module in self.modules if find_spec(module) is None]
        if absent:
            raise UsageError(f'export to {self.name} needs {", ".join(absent)}. Fix: pip install "vitruvian[{self.extra}]"')

"""Files made of results: no file is replaced unasked or written twice, and one bad input never stops the others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vitruvian.errors import InputError, UsageError, VitruvianError
from vitruvian.predict.write import write_all


class Outputs:
    """Writes files, tells what fails, and knows the exit code at the end. overwrite: replace what is already there."""

    def __init__(self, overwrite: bool = False) -> None:
        self.overwrite = overwrite
        self.written: dict[Path, str] = {}
        self.failed = 0

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """What goes wrong inside with this one input is told; UsageError passes, for it is wrong for every input."""
        try:
            yield
        except UsageError:
            raise
        except VitruvianError as error:
            self.fail(str(error) if name in str(error) else f"{name}: {error}")
        except MemoryError:
            self.fail(f"{name}: not enough memory. Fix: make the photo smaller.")

    def fail(self, message: str) -> None:
        """One line on stderr for one input that cannot be used."""
        self.failed += 1
        print(f"error: {' '.join(message.split())}", file=sys.stderr, flush=True)

    def write(self, folder: Path, contents: Mapping[str, bytes | Callable[[], bytes]], source: str) -> None:
        """File name -> bytes or what makes them, all or none, the last one last. source: what they are made of.

        InputError where they cannot be written.
        """
        for name in contents:
            self._claim(folder / name, source)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_all(folder, {name: _encoder(data) for name, data in contents.items()})
        except OSError as error:
            reason = f"{source}: {folder / next(iter(contents))} cannot be written ({error.strerror or error})"
            raise InputError(f"{reason}. Fix: free space, or give --out another place.") from error
        self.written |= {(folder / name).resolve(): source for name in contents}

    def end(self, told: str = "", out: Path | None = None) -> int:
        """The sum on stdout, by itself "N files -> out"; and the exit code: 0 if every input was done."""
        count = len(self.written)
        told = told or f"{count} {'file' if count == 1 else 'files'} -> {out}"
        print(told + (f"; {self.failed} failed" if self.failed else ""), flush=True)
        return 1 if self.failed else 0

    def _claim(self, place: Path, source: str) -> None:
        before = self.written.get(place.resolve())
        if before is not None:
            raise InputError(f"{source}: {place} is already made of {before}. Fix: give them to separate runs and folders.")
        if place.exists() and not self.overwrite:
            made = "" if source == str(place) else f"{source}: "
            raise InputError(f"{made}{place} is already there. Fix: --overwrite, or give --out another place.")


def _encoder(data: bytes | Callable[[], bytes]) -> Callable[[], bytes]:
    return (lambda: data) if isinstance(data, bytes) else data

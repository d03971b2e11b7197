"""Where an exported file lies: nothing half done is ever seen there, and nothing is replaced unasked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitruvian.errors import InputError, UsageError
from vitruvian.export.target import Target


def report_path(path: Path) -> Path:
    """Where the parity report of an exported file lies."""
    return path.with_name(f"{path.name}.parity.json")


def choose_place(out: Path | None, target: Target, stem: str, overwrite: bool) -> Path:
    """The place asked for, or `stem` with the target's ending in this folder. UsageError for another ending, InputError where
    there is a file already, unless it may be overwritten."""
    place = out or Path(f"{stem}{target.suffix}")
    if place.suffix != target.suffix:
        fix = place.with_name(f"{place.name}{target.suffix}") if place.name else Path(f"{stem}{target.suffix}")
        raise UsageError(f"--out {place}: a file for {target.name} ends in {target.suffix}. Fix: --out {fix}")
    there = [path for path in (place, *target.beside(place), report_path(place)) if path.exists()]
    if there and not overwrite:
        raise InputError(f"{there[0]} is already there. Fix: give --out another name, or --overwrite.")
    return place


@contextmanager
def workshop(place: Path, target: Target, needed: int) -> Iterator[Path]:
    """A folder beside the place, for bytes `needed`; what lies in it at the end is moved to the place, the file itself last.

    InputError where it cannot be written. On any error nothing is moved.
    """
    folder = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        _check_space(folder, needed * target.copies)
        yield folder
        for path in target.beside(place):
            path.unlink(missing_ok=True)  # of an earlier file
        for made in sorted(folder.iterdir(), key=lambda path: path.name == place.name):
            made.replace(place.with_name(made.name))
    except OSError as error:
        reason = f"{place}: cannot be written ({error.strerror or error})"
        raise InputError(f"{reason}. Fix: free space, or give --out another place.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_space(folder: Path, needed: float) -> None:
    """Beforehand, as the libraries tell a full disk each in their own words."""
    free = shutil.disk_usage(folder).free
    if free < 1.1 * needed:
        raise InputError(
            f"{folder.parent}: {free / 1e6:.0f} MB are free, {1.1 * needed / 1e6:.0f} MB are needed."
            " Fix: free space, or give --out another place."
        )

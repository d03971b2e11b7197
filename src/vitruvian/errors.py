"""The one family of errors that a user can cause: what was given, what is allowed, how to fix it; and how messages count."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VitruvianError(Exception):
    """A problem the user can mend. The command line prints its text as one line and exits 1."""


class UsageError(VitruvianError):
    """A wrong argument: unknown name, impossible combination. The command line exits 2."""


class InputError(VitruvianError):
    """One input (photo, boxes file, sample) cannot be used; the others go on."""


class WeightsError(VitruvianError):
    """A weights file that is missing, damaged, or does not fit its specification."""


def unknown_name(kind: str, given: object, allowed: Iterable[str], listed: str | None = None) -> UsageError:
    """The error for a name that is not in a registry: the near ones first, then what is allowed, or `listed` in its stead."""
    names = sorted(allowed)
    near = difflib.get_close_matches(str(given), names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return UsageError(f"unknown {kind} {given!r}.{hint} Allowed: {listed or ', '.join(names)}.")


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number and its noun: `1 step`, `1,200 steps`. several: the noun's plural where it is not that with an s."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"

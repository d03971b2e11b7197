"""What becomes of one input, photo or clip: its outcome, what an earlier run left of it, and whether that still holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import torch

from vitruvian.errors import InputError, VitruvianError
from vitruvian.predict.pipeline import Predictor
from vitruvian.predict.record import FORMAT, Record
from vitruvian.predict.write import files_of, read_record
from vitruvian.tasks import TASKS

Kind: TypeAlias = Literal["photo", "clip"]
Did = TypeVar("Did")
MEANS = {
    "weights": "weights", "detector": "detector", "detector_weights": "the detector's weights", "dtype": "dtype",
    "flip_test": "flip test", "fit": "fit", "selection": "who stays", "track": "track",
}  # fmt: skip
GIVEN_BOXES = "boxes "  # begins the `detector` of a fingerprint where boxes were given, before their hash


@dataclass(frozen=True)
class Options:
    """How inputs are done. tasks: None is all of the model's; boxes: a boxes file instead of the detector."""

    out: Path
    tasks: Sequence[str] | None = None
    boxes: Path | None = None
    draw: bool = True
    overwrite: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one input: its record and where that lies, or the message of what went wrong."""

    name: str
    state: Literal["done", "skipped", "failed"]
    message: str = ""
    record: Record | None = None
    path: Path | None = None


def attempt(do: Callable[[], Did], path: Path, kind: Kind, out: Path) -> Did | Outcome:
    """What `do` returns, or how it failed: one input must not cost the others. A wrong name or weights file costs them all."""
    try:
        return do()
    except InputError as error:
        return Outcome(str(path), "failed", str(error))
    except VitruvianError:
        raise
    except (MemoryError, torch.OutOfMemoryError):
        told = f"not enough memory. Fix: make the {kind}'s pictures smaller."
    except OSError as error:
        reason = f"the result cannot be written to {out} ({error.strerror or error})"
        told = f"{reason}. Fix: free space, or give --out another folder."
    except Exception as error:  # a defect of ours
        told = f"unexpected {type(error).__name__}: {error}. Fix: please report it with this {kind}."
    return Outcome(str(path), "failed", f"{path}: {told}")


def fingerprint(predictor: Predictor, names: tuple[str, ...], kind: Kind, content: str, place: str, boxes: str = "") -> Record:
    """What decides whether a result must be made anew. content: hash of the input; boxes: hash of given ones."""
    made = predictor.made_by(predictor.boxes_from(names, "given" if boxes else None))
    return {
        "format": FORMAT,
        kind: content,
        "weights": made.weights,
        "detector": f"{GIVEN_BOXES}{boxes}" if boxes else made.detector,
        "detector_weights": made.detector_weights,
        "dtype": made.dtype,
        "flip_test": made.flip_test,
        "fit": made.fit,
        **({"selection": dict(made.selection)} if made.selection else {}),
        "place": hashlib.sha256(place.encode()).hexdigest()[:16],
    }


def earlier(path: Path, source: Path, wanted: Mapping[str, Any], kind: Kind, overwrite: bool) -> Record | None:
    """The record of an earlier run at `path`; InputError where it is of another input or by other means, or not ours at all.

    Where the same input, or its given boxes, have changed since, it is this input's still, and is to be made anew.
    """
    before = read_record(path)
    made = (before or {}).get("fingerprint")
    if path.exists() and not isinstance(made, dict):
        raise _not_ours(path)
    if not made or overwrite:
        return before
    if all(made.get(key) != wanted[key] for key in (kind, "place")):
        reason = f"{source}: {path} is the result of another {kind} of this name"
        raise InputError(f"{reason}. Fix: give --out another folder, or --overwrite.")
    if other := other_means(made, wanted):
        reason = f"{source}: {path} was made by other means ({'; '.join(other)})"
        raise InputError(f"{reason}. Fix: the same options, another folder for --out, or --overwrite to replace it.")
    return before


def other_means(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """In what two fingerprints differ beside their inputs, as words: what it was and what it is now."""
    before, now = _means(made), _means(wanted)
    if before["detector"] != now["detector"]:  # its weights differ then, of course
        before["detector_weights"] = now["detector_weights"]
    told = [f"{name} {_short(before[key])}, now {_short(now[key])}" for key, name in MEANS.items() if before[key] != now[key]]
    frames, fewer = made.get("limit"), wanted.get("limit")
    if fewer is not None and (frames is None or fewer < frames):  # more frames of a clip take nothing away
        told.append(f"limit {_short(frames)}, now {fewer}")
    return told


def _means(made: Mapping[str, Any]) -> dict[str, Any]:
    """What a result was made by; given boxes are an input, like the photo, whatever they are."""
    out = {key: made.get(key) for key in MEANS}
    if str(out["detector"]).startswith(GIVEN_BOXES):
        out["detector"] = "given boxes"
    return out


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', '-')} {one:g}" for name, one in value.items())
    if value is None or isinstance(value, bool):
        return {None: "none", True: "on", False: "off"}[value]
    return str(value)[:60]


def spare(places: Iterable[Path], path: Path, before: Record | None) -> None:
    """InputError where one of these files is there and the record `before`, which lies at `path`, does not name it."""
    ours = {path.name, *files_of(before).values()}
    for place in places:
        if place.name not in ours and place.exists():
            raise _not_ours(place)


def with_what_was_there(before: Record, names: tuple[str, ...], draw: bool) -> tuple[tuple[str, ...], bool]:
    """Tasks and picture asked for together with those of a record by the same means: none gets lost."""
    wanted = {*names, *before.get("tasks", ())}
    return tuple(name for name in TASKS if name in wanted), draw or "overlay" in files_of(before)


def file_hash(path: Path, allowed: str) -> str:
    """SHA-256 of an input. InputError where it cannot be read; allowed: what it might have been."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Allowed: {allowed}, a folder or a glob pattern.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Fix: check the file and its permissions.") from error


def _not_ours(path: Path) -> InputError:
    return InputError(f"{path} is not a result of vitruvian and would be replaced. Fix: give --out another folder.")

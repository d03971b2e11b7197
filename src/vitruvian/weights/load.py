"""Save and load one model as one safetensors file. Strict: what is missing, unexpected or misshapen is listed, and it stops."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from vitruvian.errors import UsageError, VitruvianError, WeightsError, unknown_name
from vitruvian.model import MaskedAutoencoder, Model, build
from vitruvian.types import ModelSpec
from vitruvian.weights.card import FIX, Card, card_of, from_metadata, to_metadata

Kind: TypeAlias = Literal["people", "detector"]

EMBEDDED = Path(__file__).parent / "embedded"
MODELS = {"vitruvian-s": "vitruvian-s.safetensors"}
DETECTOR_MODELS = {"person": "person.safetensors"}
PACKAGED: dict[Kind, dict[str, str]] = {"people": MODELS, "detector": DETECTOR_MODELS}
LISTED = 5  # names of each kind in an error message


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode (float32 on the CPU), its card, and the sha256 of the file it came from."""

    model: Model | MaskedAutoencoder
    card: Card
    hash: str
    path: Path


def packaged_names(kind: Kind | None = None) -> tuple[str, ...]:
    """The packaged models that say something of people, or the detectors, or both."""
    return tuple(name for each, names in PACKAGED.items() if kind in (None, each) for name in names)


def packaged_path(name: str) -> Path | None:
    """Where the packaged weights of that name lie; None if the name is unknown or the file is not in this installation."""
    path = _packaged_place(name)
    return path if path and path.is_file() else None


def resolve(name_or_path: str | Path, kind: Kind | None = None) -> Path:
    """The file of a packaged model's name or of a path. UsageError for an unknown name, WeightsError for an absent file.

    kind: `people` refuses the names of detectors, `detector` those of all others; what a file holds is not looked at.
    """
    name, allowed = str(name_or_path), packaged_names(kind)
    place = _packaged_place(name)
    if place is not None:
        if name not in allowed:
            raise UsageError(_wrong_kind(name, kind))
        if not place.is_file():
            raise WeightsError(
                f"the packaged weights {name!r} are not in this installation ({place} is absent)."
                " Fix: pip install --force-reinstall vitruvian, or give the path of a .safetensors file."
            )
        return place
    path = Path(name)
    if path.is_file():
        return path
    if isinstance(name_or_path, Path) or path.suffix or len(path.parts) > 1:
        raise WeightsError(
            f"no weights file at {name}. Allowed: the path of a .safetensors file or a packaged model: {', '.join(allowed)}."
        )
    raise unknown_name("model", name, allowed)


def _packaged_place(name: str) -> Path | None:
    file = {**MODELS, **DETECTOR_MODELS}.get(name)
    return EMBEDDED / file if file else None


def _wrong_kind(what: str, kind: Kind | None) -> str:
    found, wanted = ("a detector", "a model of people") if kind == "people" else ("a model of people", "a detector")
    return f"{what} is {found}, not {wanted}. Allowed: {', '.join(packaged_names(kind))}, or the path of {wanted}."


def file_hash(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(
    path: Path,
    model: Model | MaskedAutoencoder,
    *,
    provenance: Mapping[str, Any],
    run: str = "",
    dtype: torch.dtype = torch.bfloat16,
) -> Card:
    """Write `model` with its spec, vocabularies, licence, provenance and the hash of its run; atomic. Returns the card."""
    card = card_of(model.spec, provenance, run)
    state = {name: value.detach().to("cpu", dtype).contiguous().clone() for name, value in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(to_bytes(state, metadata=to_metadata(card)))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return card


def read_card(path: Path) -> Card:
    """The metadata alone, without the tensors."""
    return _read(path, tensors=False)[0]


def load(name_or_path: str | Path, kind: Kind | None = None) -> Loaded:
    """The model of a packaged name or of a file: float32, evaluation mode, on the CPU.

    kind: `people` refuses detectors, `detector` all others; see `Card.is_detector`.
    Raises WeightsError for a file that is absent, damaged, of another kind or does not fit its own spec, UsageError for a name
    that is unknown or of another kind.
    """
    path = resolve(name_or_path, kind)
    card, state = _read(path, tensors=True)
    if kind is not None and card.is_detector != (kind == "detector"):
        raise WeightsError(_wrong_kind(str(path), kind))
    model = _empty(card.spec, path)
    _check(state, {name: tuple(value.shape) for name, value in model.state_dict().items()}, path)
    model.load_state_dict(state, strict=True, assign=True)
    return Loaded(model.eval(), card, file_hash(path), path)


def _empty(spec: ModelSpec, path: Path) -> Model | MaskedAutoencoder:
    """The model without values: they are replaced at once, so no time and no memory are spent on them."""
    try:
        with torch.device("meta"):
            return build(spec)
    except (VitruvianError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise WeightsError(f"{path}: its model specification cannot be built ({reason}). {FIX}") from error


def _read(path: Path, tensors: bool) -> tuple[Card, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            card = from_metadata(file.metadata(), str(path))
            return card, {name: file.get_tensor(name).float() for name in file.keys()} if tensors else {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path}: cannot be read as safetensors ({error}). Allowed: files saved by vitruvian; no pickled .pth or .pt files."
        ) from error


def _check(state: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]], path: Path) -> None:
    shapes = {name: f"{name} {tuple(value.shape)}, wanted {wanted[name]}" for name, value in state.items() if name in wanted}
    problems = {
        "missing": sorted(wanted.keys() - state.keys()),
        "unexpected": sorted(state.keys() - wanted.keys()),
        "of the wrong shape": [text for name, text in shapes.items() if tuple(state[name].shape) != wanted[name]],
        "not finite": [name for name, value in state.items() if not torch.isfinite(value).all()],
    }
    told = [f"{len(names)} {kind}: {_some(names)}" for kind, names in problems.items() if names]
    if told:
        raise WeightsError(f"{path} does not fit its own model specification. {'; '.join(told)}. {FIX}")


def _some(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")

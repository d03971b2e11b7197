"""Save and load one model as one safetensors file. Strict: what is missing, unexpected or misshapen is listed, and it stops."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from vitruvian.errors import WeightsError, unknown_name
from vitruvian.model import MaskedAutoencoder, Model, build
from vitruvian.weights.card import Card, card_of, from_metadata, to_metadata

EMBEDDED = Path(__file__).parent / "embedded"
MODELS = {"vitruvian-s": "vitruvian-s.safetensors"}
DETECTOR_MODELS = {"person": "person.safetensors"}
LISTED = 5  # names of each kind in an error message


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode (float32 on the CPU), its card, and the sha256 of the file it came from."""

    model: Model | MaskedAutoencoder
    card: Card
    hash: str
    path: Path


def packaged_path(name: str) -> Path | None:
    """Where the packaged weights of that name lie; None if the name is unknown or the file is not in this installation."""
    file = {**MODELS, **DETECTOR_MODELS}.get(name)
    path = EMBEDDED / file if file else None
    return path if path and path.is_file() else None


def resolve(name_or_path: str | Path) -> Path:
    """The file of a packaged model's name or of a path. UsageError for an unknown name, WeightsError for an absent file."""
    name = str(name_or_path)
    if name in MODELS or name in DETECTOR_MODELS:
        path = packaged_path(name)
        if path is None:
            raise WeightsError(
                f"the packaged weights {name!r} are not in this installation. Fix: pip install --force-reinstall vitruvian,"
                " or give the path of a .safetensors file."
            )
        return path
    path = Path(name)
    if path.is_file():
        return path
    if isinstance(name_or_path, Path) or path.suffix or len(path.parts) > 1:
        raise WeightsError(
            f"no weights file at {name}. Allowed: the path of a .safetensors file or a packaged model: {', '.join(MODELS)}."
        )
    raise unknown_name("model", name, MODELS)


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


def load(name_or_path: str | Path) -> Loaded:
    """The model of a packaged name or of a file: float32, evaluation mode, on the CPU.

    Raises WeightsError for a file that is absent, damaged or does not fit its own spec, UsageError for an unknown name.
    """
    path = resolve(name_or_path)
    card, state = _read(path, tensors=True)
    with torch.device("meta"):  # no time and no memory for values that are replaced at once
        model = build(card.spec)
    _check(state, {name: tuple(value.shape) for name, value in model.state_dict().items()}, path)
    model.load_state_dict(state, strict=True, assign=True)
    return Loaded(model.eval(), card, file_hash(path), path)


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
        raise WeightsError(
            f"{path} does not fit its own model specification. {'; '.join(told)}. Fix: save or fetch the file again."
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")

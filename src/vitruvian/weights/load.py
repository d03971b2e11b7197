"""Save and load one model: by a packaged name, the short name of an official checkpoint, a place at the hub, or a path.

Strict: what is missing, unexpected or misshapen is listed, and it stops. Nothing is fetched here: see `fetch`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from vitruvian.errors import UsageError, VitruvianError, WeightsError, unknown_name
from vitruvian.installed import reinstall
from vitruvian.model import MaskedAutoencoder, Model, build
from vitruvian.types import ModelSpec
from vitruvian.weights import eight_bits, fetch, layouts, official, zoo
from vitruvian.weights.card import FIX, Card, card_of, from_metadata, to_metadata
from vitruvian.weights.check import check, reads_back
from vitruvian.weights.zoo import Release

Kind: TypeAlias = Literal["people", "detector"]

EMBEDDED = Path(__file__).parent / "embedded"
MODELS = {"vitruvian-s": "vitruvian-s.safetensors"}
DETECTOR_MODELS = {"person": "person.safetensors"}
PACKAGED: dict[Kind, dict[str, str]] = {"people": MODELS, "detector": DETECTOR_MODELS}
SUFFIXES = (".safetensors", ".pth", ".pt", ".pt2")  # a name that ends so is a path, whatever else it looks like
OFFICIAL = "or an official checkpoint (`vitruvian models` lists them)"


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode (float32 on the CPU), its card, and the sha256 of the file it came from.

    layout: of that file, in words; release: the official checkpoint that it is; notes: what reading it passed over.
    """

    model: Model | MaskedAutoencoder
    card: Card
    hash: str
    path: Path
    layout: str = layouts.SAFETENSORS
    release: Release | None = None
    notes: tuple[str, ...] = ()


def packaged_names(kind: Kind | None = None) -> tuple[str, ...]:
    """The packaged models that say something of people, or the detectors, or both."""
    return tuple(name for each, names in PACKAGED.items() if kind in (None, each) for name in names)


def packaged_path(name: str) -> Path | None:
    """Where the packaged weights of that name lie; None if the name is unknown or the file is not in this installation."""
    path = _packaged_place(name)
    return path if path and path.is_file() else None


def resolve(name_or_path: str | Path, kind: Kind | None = None) -> Path:
    """The file of a name, of a place at the hub (hub:OWNER/REPOSITORY/FILE) or of a path, without a network.

    UsageError for an unknown name, WeightsError for an absent file or one that has not been fetched.
    kind: `people` refuses the names of detectors, `detector` those of all others; what a file holds is not looked at.
    """
    return _find(name_or_path, kind)[0]


def _find(name_or_path: str | Path, kind: Kind | None) -> tuple[Path, Release | None]:
    """The file, and the official checkpoint that was asked for by name."""
    name, allowed = str(name_or_path), packaged_names(kind)
    if _packaged_place(name) is not None:
        return _packaged(name, kind), None
    if name in zoo.releases():
        if kind == "detector":
            raise UsageError(_wrong_kind(name, kind))
        return _cached(zoo.releases()[name]), zoo.releases()[name]
    if name.startswith(fetch.PREFIX):
        place = fetch.parse(name)
        if (found := fetch.cached(place)) is None:
            raise WeightsError(f"{place} is not in the cache. Fix: vitruvian models fetch {place}")
        return found, None
    path = Path(name)
    if path.is_file():
        return path, None
    if isinstance(name_or_path, Path) or path.suffix in SUFFIXES or len(path.parts) > 1:
        raise WeightsError(f"no weights file at {name}. Allowed: the path of a weights file, {', '.join(allowed)}, {OFFICIAL}.")
    known = allowed if kind == "detector" else (*allowed, *zoo.releases())
    raise unknown_name("model", name, known, None if kind == "detector" else f"{', '.join(sorted(allowed))}, {OFFICIAL}")


def _packaged(name: str, kind: Kind | None) -> Path:
    if name not in packaged_names(kind):
        raise UsageError(_wrong_kind(name, kind))
    place = packaged_path(name)
    if place is None:
        raise WeightsError(
            f"the packaged weights {name!r} are not in this installation ({_packaged_place(name)} is absent)."
            f" Fix: {reinstall()}; or give the path of a weights file."
        )
    return place


def _cached(release: Release) -> Path:
    found = fetch.cached_releases().get(release.name)
    if found is None:
        if release.status == "missing":
            fetch.place_of(release)  # raises, and says why
        raise WeightsError(f"{release.name} is not in the cache. Fix: vitruvian models fetch {release.name}")
    return found


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
    verify: bool = False,
) -> Card:
    """Write `model` with its spec, vocabularies, licence, provenance and the hash of its run; atomic. Returns the card.

    dtype: of the numbers in the file; int8 as `eight_bits` makes it. verify: read it back first, bit for bit.
    WeightsError for a file that cannot be written or reads back otherwise.
    """
    card = card_of(model.spec, provenance, run)
    state = {name: value.detach().to("cpu") for name, value in model.state_dict().items()}
    state = (
        eight_bits.shrink(state)
        if dtype is torch.int8
        else {name: value.to(dtype).contiguous() for name, value in state.items()}
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_sure_of_room(path, sum(value.nbytes for value in state.values()))
        save_file(state, temporary, metadata=to_metadata(card))
        if verify and not reads_back(temporary, state):
            raise WeightsError(
                f"{path} did not read back equal and was not written. Fix: run it again; the disk may be failing."
            )
        temporary.chmod(0o644)  # the library makes files that only their owner may read
        temporary.replace(path)
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise WeightsError(f"{path} cannot be written ({reason}). Fix: make room, or another place.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return card


def _make_sure_of_room(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        told = f"{os.strerror(errno.ENOSPC)}: {needed / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free"
        raise OSError(errno.ENOSPC, told)


def read_card(path: Path) -> Card:
    """The metadata of a file of ours alone, without the tensors."""
    return from_metadata(layouts.read_metadata(path), str(path))


def load(
    name_or_path: str | Path, kind: Kind | None = None, *, expected: str | None = None, heads_attn: int | None = None
) -> Loaded:
    """The model of a packaged name, of an official checkpoint's short name (`sapiens-0.3b-pose308`), of a file at the hub
    (`hub:OWNER/REPOSITORY/FILE`), or of a file: float32, evaluation mode, on the CPU. Never the network.

    kind: `people` refuses detectors and encoders, `detector` all others. expected: the official checkpoint that a file must be,
    where it is not asked for by that name. heads_attn: attention heads of an official file of no official size.
    Raises WeightsError for a file that is absent, damaged, of another kind, or that does not fit its own specification or the
    name it was asked for by; UsageError for a name that is unknown or of another kind.
    """
    path, asked = _find(name_or_path, kind)
    asked = zoo.release(expected) if expected else asked
    raw = layouts.read(path)
    loaded = _ours(raw, asked) if raw.is_ours else _official(raw, asked, heads_attn)
    _check_kind(loaded, kind)
    return loaded


def _ours(raw: layouts.Raw, asked: Release | None) -> Loaded:
    card = from_metadata(raw.metadata, str(raw.path))
    if asked and (card.spec.heads, card.spec.dim, card.spec.depth) != (asked.spec.heads, asked.spec.dim, asked.spec.depth):
        raise WeightsError(f"{raw.path} is {card.spec.name}, not {asked.name}. Fix: vitruvian models fetch {asked.name}")
    model = _empty(card.spec, raw.path)
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    tensors = eight_bits.restore(raw.tensors)
    check(tensors, wanted, raw.path, "its own model specification")
    return Loaded(_filled(model, tensors), card, file_hash(raw.path), raw.path, raw.layout, asked)


def _official(raw: layouts.Raw, asked: Release | None, heads_attn: int | None) -> Loaded:
    found = official.understand(raw, asked, heads_attn)
    digest = file_hash(raw.path)
    provenance = {"source": "Sapiens v1 (arXiv 2408.12569)", "file": raw.path.name, "sha256": digest, "layout": raw.layout}
    model = _filled(_empty(found.spec, raw.path), found.state)
    return Loaded(model, card_of(found.spec, provenance, ""), digest, raw.path, raw.layout, found.release, found.notes)


def _filled(model: Model | MaskedAutoencoder, state: Mapping[str, Tensor]) -> Model | MaskedAutoencoder:
    """The tensors themselves become the model's, converted only where they are not float32."""
    model.load_state_dict({name: value.float() for name, value in state.items()}, strict=True, assign=True)
    return model.eval()


def _check_kind(loaded: Loaded, kind: Kind | None) -> None:
    if kind is None:
        return
    if loaded.card.is_encoder:
        raise WeightsError(
            f"{loaded.path} is an encoder ({loaded.card.spec.name}): it answers no task."
            " Allowed: models with a head. Fix: fine-tune it first; `vitruvian features` writes what it sees."
        )
    if loaded.card.is_detector != (kind == "detector"):
        raise WeightsError(_wrong_kind(str(loaded.path), kind))


def _empty(spec: ModelSpec, path: Path) -> Model | MaskedAutoencoder:
    """The model without values: they are replaced at once, so no time and no memory are spent on them."""
    try:
        with torch.device("meta"):
            return build(spec)
    except (VitruvianError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise WeightsError(f"{path}: its model specification cannot be built ({reason}). {FIX}") from error

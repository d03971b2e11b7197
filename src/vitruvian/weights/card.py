"""What a weights file says about itself: the one metadata entry, as JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from vitruvian.checks import Rule, above, fault, finite, several, whole
from vitruvian.errors import UsageError, WeightsError, unknown_name
from vitruvian.model import BACKBONES
from vitruvian.types import HeadSpec, ModelSpec
from vitruvian.vocab import class_set, class_set_names, define, definition, is_skeleton, skeleton, skeleton_names

FORMAT = 1
ENTRY = "vitruvian"
DETECTOR_TASK = "person"
FIX = "Fix: save or fetch the file again."

SPEC_RULES: tuple[Rule, ...] = (
    ("name", "a name", bool),
    ("size", "height and width, whole numbers of at least 1", lambda v: several(v, lambda n: whole(n, 1), 2)),
    ("dim depth heads_attn mlp patch", "a whole number of at least 1", lambda v: whole(v, 1)),
    ("padding", "a whole number of at least 0", lambda v: whole(v, 0)),
    ("mean", "three finite numbers", lambda v: several(v, finite, 3)),
    ("std", "three finite numbers above 0", lambda v: several(v, lambda n: above(n, 0), 3)),
    ("box_padding sigma", "a finite number above 0", lambda v: above(v, 0)),
    ("class_token flip_test", "true or false", lambda v: isinstance(v, bool)),
    ("heads", "heads, or none in an encoder", lambda v: isinstance(v, tuple)),
)
HEAD_RULES: tuple[Rule, ...] = (
    ("task", "a name", bool),
    ("upsample conv", "widths, whole numbers of at least 1", lambda v: several(v, lambda n: whole(n, 1))),
    ("out", "a whole number of at least 1", lambda v: whole(v, 1)),
    ("vocabulary", "the name of a skeleton or a class set, or null", lambda v: v is None or isinstance(v, str)),
    ("options", "names and values", lambda v: isinstance(v, Mapping)),
)
CARD_RULES: tuple[Rule, ...] = (("provenance definitions", "names and values", lambda v: isinstance(v, Mapping)),)


@dataclass(frozen=True)
class Card:
    """The metadata of one file. `vocabularies`: name -> its words in the order of the head's channels.

    provenance: free words and numbers (data, command, commit, date); run: hash of the run that made the weights.
    definitions: whole tables of the vocabularies that do not come with the package; reading the card makes them known.
    """

    spec: ModelSpec
    vocabularies: Mapping[str, tuple[str, ...]]
    licence: str = "unknown"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    definitions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def is_detector(self) -> bool:
        """Whether the model finds people in a whole photo, rather than saying something of one person."""
        return any(head.task == DETECTOR_TASK for head in self.spec.heads)

    @property
    def is_encoder(self) -> bool:
        """Whether the model says nothing by itself: no head, or only the decoder of its pretraining."""
        return all(head.kind == "mae" for head in self.spec.heads)


def words_of(vocabulary: str) -> tuple[str, ...]:
    """The words of a skeleton or a class set in channel order; an unknown name is an error that lists both kinds."""
    if is_skeleton(vocabulary):
        return skeleton(vocabulary).names
    try:
        return class_set(vocabulary).names
    except UsageError:
        pass
    raise UsageError(
        f"unknown skeleton or class set {vocabulary!r}."
        f" Allowed: {', '.join(skeleton_names())} (skeletons), {', '.join(class_set_names())} (class sets)."
    )


def name_of(vocabulary: str) -> str:
    """The name of a skeleton or a class set given by name or file."""
    return skeleton(vocabulary).name if is_skeleton(vocabulary) else class_set(vocabulary).name


def card_of(spec: ModelSpec, provenance: Mapping[str, Any], run: str) -> Card:
    """The card of a model about to be saved. UsageError for a specification that could not be loaded again."""
    found = _spec_fault(spec)
    if found:
        raise UsageError(f"the model {spec.name!r} cannot be saved: {found}")
    heads = tuple(replace(head, vocabulary=name_of(head.vocabulary)) if head.vocabulary else head for head in spec.heads)
    names = sorted({head.vocabulary for head in heads if head.vocabulary})
    own = {name: table for name in names if (table := definition(name)) is not None}
    words = {name: words_of(name) for name in names}
    return Card(replace(spec, heads=heads), words, spec.licence, dict(provenance), run, own)


def to_metadata(card: Card) -> dict[str, str]:
    """The safetensors metadata: a single entry."""
    return {ENTRY: json.dumps({"format": FORMAT, **asdict(card)}, sort_keys=True)}


def from_metadata(metadata: Mapping[str, str] | None, where: str) -> Card:
    """The card back, checked: format, fields, and that every vocabulary still has the words the weights were trained with."""
    if not metadata or ENTRY not in metadata:
        raise WeightsError(
            f"{where}: a safetensors file without the metadata entry {ENTRY!r}."
            f" Allowed: files saved by vitruvian. Fix: vitruvian models convert {where} --out X.safetensors"
        )
    try:
        raw = json.loads(metadata[ENTRY])
        found = raw.pop("format")
        if found != FORMAT:
            raise WeightsError(f"{where}: format {found}; this version reads format {FORMAT}. Fix: pip install -U vitruvian")
        words = {name: tuple(value) for name, value in raw.pop("vocabularies").items()}
        card = Card(spec=spec_from(raw.pop("spec")), vocabularies=words, **raw)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise WeightsError(f"{where}: its metadata is damaged or of another version ({reason}). {FIX}") from error
    found = fault(card, CARD_RULES) or _spec_fault(card.spec)
    if found:
        raise WeightsError(f"{where}: {found} {FIX}")
    try:
        for name, table in card.definitions.items():
            define(table, f"{where}: {name}")
    except UsageError as error:
        raise WeightsError(str(error)) from error
    _check_words(card, where)
    return card


def spec_from(raw: Mapping[str, Any]) -> ModelSpec:
    """The inverse of `asdict`, also after JSON made lists of the tuples. KeyError or TypeError for what is no specification."""
    heads = tuple(
        HeadSpec(**{**head, "upsample": tuple(head["upsample"]), "conv": tuple(head["conv"])}) for head in raw["heads"]
    )
    tuples = {name: tuple(raw[name]) for name in ("size", "mean", "std")}
    return ModelSpec(**{**raw, **tuples, "heads": heads})


def _spec_fault(spec: ModelSpec) -> str | None:
    """The first thing in a specification that no model can have; what only building it shows is left to `build`."""
    found = fault(spec, SPEC_RULES)
    if found:
        return f"its model specification: {found}"
    if spec.backbone not in BACKBONES:
        return f"its model specification: {unknown_name('backbone', spec.backbone, BACKBONES)}"
    tasks = [head.task for head in spec.heads]
    for number, head in enumerate(spec.heads, 1):
        found = fault(head, HEAD_RULES)
        if found:
            return f"head {number} of its model specification: {found}"
        if tasks.count(head.task) > 1:
            return f"head {number} of its model specification: a second head {head.task!r}. Allowed: one of each task."
    return None


def _check_words(card: Card, where: str) -> None:
    for head in card.spec.heads:
        if head.vocabulary is None:
            continue
        if head.vocabulary not in card.vocabularies:
            raise WeightsError(f"{where}: the words of {head.vocabulary!r} (head {head.task}) are not in its metadata. {FIX}")
        words = card.vocabularies[head.vocabulary]
        if len(words) != head.out:
            raise WeightsError(
                f"{where}: head {head.task} has {head.out} channels, {head.vocabulary} has {len(words)} words. {FIX}"
            )
        try:
            ours = words_of(head.vocabulary)
        except UsageError as error:
            raise WeightsError(f"{where}: head {head.task}: {error} Fix: pip install -U vitruvian.") from error
        if words != ours:
            raise WeightsError(
                f"{where}: {head.vocabulary} had other words when these weights were trained; their order is not safe."
                " Fix: train again, or install the version of vitruvian that saved them."
            )

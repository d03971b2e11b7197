"""What a run of the curation is to do, as it is kept in OUT/run.json and sent to workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from vitruvian.curate.limits import DUPLICATE, PACK, PERSON, UNREAD, Limits, Stage
from vitruvian.curate.scorer import Scorer, plug_in
from vitruvian.curate.told import is_told, read_told
from vitruvian.errors import UsageError, unknown_name


@dataclass(frozen=True)
class Settings:
    """scorers: names of `SCORERS`, PACKAGE.MODULE:NAME, or FILE.toml:TABLE, in the order in which they are asked. shard_size:
    images of a shard. all_scores: every scorer sees every image that can be decoded, also what another stage drops. embedding:
    `packaged`, a folder or hub:OWNER/NAME of what finds copies that hashes miss, or none. edits: names of `edit.EDITS`, or
    PACKAGE.MODULE:NAME, done in this order to what is kept."""

    limits: Limits = field(default_factory=Limits)
    scorers: tuple[str, ...] = ("marks", PERSON)
    detector: str = "auto"
    device: str = "auto"
    all_scores: bool = False
    shard_size: int = 1000
    embedding: str = ""
    edits: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As it is written."""
        return asdict(self) | {"scorers": list(self.scorers), "edits": list(self.edits)}


def settings_of(told: dict[str, Any]) -> Settings:
    """What `as_json` has told, whatever else is told beside it."""
    known = {one.name: told[one.name] for one in fields(Settings) if one.name in told}
    lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    return Settings(**(known | lists | {"limits": Limits(**told["limits"])}))


def check_limits(settings: Settings, given: Mapping[str, float | None]) -> None:
    """UsageError for limits of something that is not asked."""
    if not settings.embedding and (of_embedding := [name for name in ("likeness", "points") if given.get(name) is not None]):
        raise UsageError(f"--min-{of_embedding[0]} without an embedding. Fix: curate with --embedding, or leave it out.")


def _people(settings: Settings) -> Scorer:
    from vitruvian.curate.people import People  # with torch; nothing else of a run needs it

    return People(settings)


def _marks(settings: Settings) -> Scorer:
    from vitruvian.curate.marks import Marks

    return Marks(settings)


SCORERS: dict[str, tuple[tuple[str, ...], Callable[[Settings], Scorer]]] = {
    "marks": (("watermark", "text", "artistic"), _marks),
    PERSON: ((PERSON,), _people),
}


DEFAULT = tuple(SCORERS)


def make_scorers(settings: Settings) -> list[Scorer]:
    """The models themselves."""
    return [_made(name, settings) for name in _checked(settings)]


def _made(name: str, settings: Settings) -> Scorer:
    if name in SCORERS:
        return SCORERS[name][1](settings)
    if is_told(name):
        from vitruvian.curate.foreign import Foreign  # with torch

        return Foreign(read_told(name), settings.device)
    return plug_in(name)


def stages_of(settings: Settings) -> tuple[Stage, ...]:
    """Those that models decide, in their order; only plug-ins of Python are loaded to know theirs."""
    out: list[Stage] = []
    for name in _checked(settings):
        built_in = SCORERS.get(name)
        out += [settings.limits.stage(one) for one in built_in[0]] if built_in else _others(name)
    return tuple(out)


def _others(name: str) -> tuple[Stage, ...]:
    return read_told(name).stages if is_told(name) else plug_in(name).stages


def funnel(settings: Settings) -> list[str]:
    """Names of all stages, in their order."""
    looks = [stage.name for stage in settings.limits.looks()]
    return [*UNREAD, *looks, DUPLICATE, *(stage.name for stage in stages_of(settings)), PACK]


def _checked(settings: Settings) -> tuple[str, ...]:
    for name in settings.scorers:
        if name not in SCORERS and ":" not in name:
            raise unknown_name("scorer", name, SCORERS, f"{', '.join(SCORERS)}, FILE.toml:TABLE, or PACKAGE.MODULE:NAME")
    return settings.scorers

"""The verb `models`: which there are, what one is, fetch one, convert one."""

from __future__ import annotations

from pathlib import Path

from vitruvian.installed import reinstall
from vitruvian.types import HeadSpec, ModelSpec
from vitruvian.weights import fetch as hub
from vitruvian.weights import zoo
from vitruvian.weights.convert import convert as convert_file
from vitruvian.weights.fetch import PREFIX
from vitruvian.weights.folder import fetch_folder, is_folder_at_hub, parse_folder
from vitruvian.weights.load import PACKAGED, Loaded, file_hash, load, packaged_names, packaged_path, read_card, resolve
from vitruvian.weights.zoo import Release


def show_all() -> int:
    """One line for each packaged model and each official checkpoint. Returns 0, or 1 if a packaged one is not installed."""
    missing = 0
    for kind, models in PACKAGED.items():
        for name in models:
            path = packaged_path(name)
            missing += path is None
            print(f"{name} ({kind}): {f'not installed. Fix: {reinstall()}' if path is None else _summary(path)}")
    print(f"official Sapiens v1, {zoo.licence_text()}")
    there = hub.cached_releases()
    for name, release in zoo.releases().items():
        cached = "cached" if name in there else "not cached"
        print(f"{name:<21}  {release.status:<8}  {cached:<10}  {release.spec.licence}  {_heads(release.spec)}")
    return 1 if missing else 0


def show(name: str) -> int:
    """All that is known of a model: what its file says, what its tensors show, what its release is known for. Returns 0.

    UsageError or WeightsError if there is none of that name or its file is unusable.
    """
    release = zoo.releases().get(name)
    if release is not None and name not in hub.cached_releases():
        facts = {**_place(release), "status": f"{release.status}, not cached", **_spec_facts(release.spec)}
        _print(name, release.spec, {**facts, **_notes(release.notes)})
        print(f"Fix: vitruvian models fetch {name}" if release.status == "released" else "it cannot be had at the hub")
        return 0
    loaded = load(name)
    _print(name, loaded.card.spec, _facts(loaded))
    return 0


def fetch(name: str, repo: str | None = None, file: str | None = None, revision: str | None = None) -> int:
    """Download a checkpoint into the cache and look whether it is what its name says. Returns 0.

    name: a short name, whose place `repo`, `file` and `revision` override, or hub:OWNER/REPOSITORY/FILE[@REVISION], or a whole
    detector for `predict --detector`, hub:OWNER/NAME[@REVISION].
    """
    if is_folder_at_hub(name):
        return _fetch_detector(name)
    if name in packaged_names():
        print(f"{name} is packaged ({_size(resolve(name))}): there is nothing to fetch")
        return 0
    release = None if name.startswith(PREFIX) else zoo.release(name)
    place = hub.parse(name) if release is None else hub.place_of(release, repo, file, revision)
    if release is not None and not release.verified and repo is None:
        print(f"{place}: this place follows the pattern of the others and has not been verified", flush=True)
    path = hub.fetch(place, release, lambda line: print(line, flush=True))
    loaded = load(path, expected=name if release else None)
    if loaded.release is not None:
        hub.remember(path, loaded.release)
    print(f"{name}: {path} ({_size(path)}, {loaded.layout}, sha256 {loaded.hash})")
    print(f"it is {_describe(loaded.card.spec)}; its licence is recorded beside it, in {path.name}{hub.RECORD}")
    return 0


def _fetch_detector(name: str) -> int:
    """All of a detector that is needed; whether it knows people is seen where it is used."""
    place = parse_folder(name)
    folder, commit = fetch_folder(place, lambda line: print(line, flush=True))
    print(f"{place}: {folder} (commit {commit}); its licence is recorded beside each file")
    print(f"use it: vitruvian predict PHOTO --detector {place}, or as the model of a scorer told to vitruvian curate")
    return 0


def convert(source: str, out: Path, name: str | None, dtype: str, heads: int | None, overwrite: bool) -> int:
    """Write any weights as safetensors of ours. Returns 0."""
    done = convert_file(source, out, name, dtype, heads, overwrite)
    spec = done.source.card.spec
    print(f"{done.path}: {_describe(spec)}, {_size(done.path)}, licence {spec.licence}, sha256 {file_hash(done.path)}")
    print(f"{done.tensors} tensors of {done.source.path.name} ({done.source.layout}) read back equal bit for bit in {dtype}")
    for note in done.source.notes:
        print(f"note: {note}")
    return 0


def _print(name: str, spec: ModelSpec, facts: dict[str, object]) -> None:
    print(f"{name}: {_describe(spec)}")
    for key, value in facts.items():
        print(f"{key}: {value}")


def _facts(loaded: Loaded) -> dict[str, object]:
    card, path = loaded.card, loaded.path
    record = hub.record_of(path)
    told = {
        "file": f"{path} ({_size(path)})",
        "layout": loaded.layout,
        "sha256": loaded.hash,
        "licence": card.licence,
        **({"fetched": f"{record.fetched} from {record.repository} at {record.revision}"} if record else {}),
        **({"checkpoint": loaded.release.name} if loaded.release else {}),
        "parameters": f"{sum(value.numel() for value in loaded.model.state_dict().values()):,}",
        **_spec_facts(card.spec),
        **({"run": card.run} if card.run else {}),
    }
    beside = {
        f"source {key}" if key in told else key: value
        for key, value in card.provenance.items()
        if value not in (told.get(key), path.name)
    }
    return {**told, **beside, **_notes((*loaded.notes, *(loaded.release.notes if loaded.release else ())))}


def _spec_facts(spec: ModelSpec) -> dict[str, object]:
    """How a photo becomes the input and an output becomes an answer."""
    widths = {f"head {head.task}": f"{head.kind} {head.upsample} {head.conv} -> {head.out}{_axes(head)}" for head in spec.heads}
    return {
        "backbone": f"{spec.dim} wide, {spec.depth} blocks, {spec.heads_attn} attention heads, {spec.mlp} hidden",
        **widths,
        "patches": f"{spec.patch}x{spec.patch}, padding {spec.padding}{', class token' if spec.class_token else ''}",
        "photo": f"fit {spec.fit}, mean {spec.mean}, std {spec.std}",
        **({"keypoints": f"codec {spec.codec}, sigma {spec.sigma:g}"} if any(h.task == "pose" for h in spec.heads) else {}),
    }


def _axes(head: HeadSpec) -> str:
    """Of normals, where they are not the camera's."""
    return f", axes {head.options['axes']}" if "axes" in head.options else ""


def _place(release: Release) -> dict[str, object]:
    place = f"{PREFIX}{release.repo}/{release.file or '(never named)'}"
    return {"place": f"{place}{'' if release.verified else ' (unverified)'}", "licence": zoo.licence_text()}


def _notes(notes: tuple[str, ...]) -> dict[str, object]:
    return {f"note {number}": note for number, note in enumerate(notes, 1)}


def _heads(spec: ModelSpec) -> str:
    return ", ".join(f"{head.task} ({head.vocabulary or head.out})" for head in spec.heads) or "encoder"


def _describe(spec: ModelSpec) -> str:
    heads = f"heads {_heads(spec)}" if spec.heads else "encoder without a head"
    return f"{spec.backbone} {spec.dim}x{spec.depth}, input {spec.size[0]}x{spec.size[1]} (HxW), {heads}"


def _summary(path: Path) -> str:
    card = read_card(path)
    return f"{_describe(card.spec)}, {_size(path)}, {card.licence}"


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"

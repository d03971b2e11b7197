"""The labels of a data set: opened in the set they are written in, and held against what the model answers in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitruvian.data.coco import BY_PARTS, read_json
from vitruvian.data.layouts import Opened, class_set_of, labelled, open_source, skeleton_of
from vitruvian.data.sources import Source
from vitruvian.errors import InputError, UsageError
from vitruvian.evaluate.results.keypoints import COMMON, judged_rows
from vitruvian.vocab import class_map, class_map_names, definition, equivalents, is_skeleton, skeleton, skeleton_names
from vitruvian.vocab.custom import read_toml

SHOWN = 3  # names told of many


@dataclass(frozen=True)
class PointSets:
    """Three skeletons: of the labels, of the model's answers, and the judged one, of which `rows` count. name: as told."""

    labels: str
    model: str
    judged: str
    rows: tuple[int, ...]
    name: str


def open_labels(data: str, task: str, skeleton: str | None, answers_in: str | None) -> Source:
    """The source of these labels. answers_in: the model's skeleton. UsageError where it labels nothing of the task."""
    source = (_open_points(data, skeleton, answers_in) if task == "pose" else open_source(data)).source
    told = labelled(source)
    if task not in told:
        has = f"it has labels of {', '.join(told)}" if told else "it has no labels"
        fix = "Fix: --task of these, or" if told else "Fix: give"
        raise UsageError(f"{data}: no labels for --task {task}; {has}. {fix} another source (see `vitruvian data list`).")
    return source


def point_sets(source: Source, data: str, wanted: str | None, model: str, answers_in: str) -> PointSets:
    """What is judged: `wanted`, or the skeleton of the labels. UsageError where the labels or the model lack points of it."""
    labels = skeleton(getattr(source, "skeleton", "wholebody133")).name
    sets = _sets(wanted, labels, answers_in)
    for who, own in ((data, labels), (model, answers_in)):
        if missing := _missing(own, sets):
            some = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
            told = f"{model} answers in {answers_in}, {data} is labelled in {labels}, and {sets.name} is judged: {who} has no"
            fix = _fitting(labels, answers_in)
            raise UsageError(f"{told} {some} ({len(missing)} of {len(sets.rows)} points). Fix: {fix}.")
    return sets


def check_classes(source: Source, data: str, model: str, answers_in: str) -> None:
    """UsageError where the ids of the labels are not those of the model."""
    labels = class_set_of(source)
    if labels is None or labels == answers_in:
        return
    maps = [name for name in class_map_names() if name.startswith(labels) and class_map(name).target == answers_in]
    mapping = f'mapping = "{maps[0]}"' if maps else f"mapping = a class map to {answers_in}"
    raise UsageError(
        f"{model} answers in {answers_in}, {data} is labelled in {labels}."
        f" Fix: {mapping} in the TOML of the source, in the place of classes, or a model of {labels}."
    )


def _open_points(data: str, wanted: str | None, answers_in: str | None) -> Opened:
    """Whole bodies show by their fields and are read as such; other files by the names of the set that is wanted or, where the
    model has a set of its own, of that."""
    if wanted not in (None, COMMON):
        return open_source(data, None if _tells(Path(data)) or wanted in BY_PARTS else wanted)
    if answers_in is None or definition(answers_in) is None or _tells(Path(data)):
        return open_source(data)
    try:
        return open_source(data, answers_in)
    except InputError:
        return open_source(data)  # labels of another set: held against the model's afterwards


def _tells(path: Path) -> bool:
    """Whether a file says itself which skeleton it is labelled in."""
    if path.suffix == ".toml" and path.is_file():
        return "skeleton" in read_toml(path)
    return path.suffix == ".json" and path.is_file() and skeleton_of(read_json(path)) in BY_PARTS


def _sets(wanted: str | None, labels: str, answers_in: str) -> PointSets:
    judged, rows = judged_rows(wanted or labels)
    judged = judged or labels
    name = COMMON if wanted == COMMON else judged
    return PointSets(labels, answers_in, judged, rows or tuple(range(len(skeleton(judged)))), name)


def _missing(own: str, sets: PointSets) -> list[str]:
    """Judged points that a skeleton has no equivalent of."""
    there = equivalents(own, sets.judged)
    return [there[row].name for row in sets.rows if there[row].kind == "none"]


def _fitting(labels: str, answers_in: str) -> str:
    """What could be judged instead."""
    names: Sequence[str] = (COMMON, labels, answers_in, *skeleton_names())
    fit = [name for name in dict.fromkeys(names) if name == COMMON or is_skeleton(name)]
    fit = [name for name in fit if not any(_missing(own, _sets(name, labels, answers_in)) for own in (labels, answers_in))]
    known = f"--skeleton {' or '.join(fit[:SHOWN])}" if fit else ""
    return known or f"a model that answers in {labels}, or labels in {answers_in}"

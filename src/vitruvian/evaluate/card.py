"""The generated parts of a model card: everything that changes with the weights, between marks of the Markdown file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitruvian.errors import InputError
from vitruvian.evaluate.groups import EVERYBODY
from vitruvian.evaluate.report import INTERVAL, flipped, group_table, write_text

METHOD = f"""{INTERVAL} Groups differ in more than their name (a face alone is also a large face): compare within a table
with care; only the tables of skin and of shrunk pictures change one thing alone."""
GROUPINGS = {
    EVERYBODY: "",
    "framing": "What of the person the picture holds, by the points that lie in it.",
    "border": "Sides of the picture that the person's box touches.",
    "size": "Longer side of the person in the picture (the frames have {frame} px).",
    "pose": "Family of the pose.",
    "age": "On the body model's scale from 0 to 1: infant below 0.2, child below 0.6, younger adult below 0.8.",
    "body shape": "The body model's word for the shape.",
    "seen": "Angle between the camera and the person's front: below 60°, below 130°, above.",
    "company": "Others in the frame.",
}
SKIN = """The same people, light, clothes and scene in four skin tones; the camera's exposure follows, as a camera's would.
Classes of the individual typology angle of the colour before light falls on it."""
SHRUNK = """The same pictures with fewer pixels: shrunk by area until the person's longer side is so long. Only people who are
larger as they are."""


def mark(part: str) -> tuple[str, str]:
    """The lines between which a part of a card is generated."""
    return f"<!-- generated: {part} -->", f"<!-- end of {part} -->"


def fill(card: Path, part: str, text: str) -> None:
    """Put `text` between the part's marks, whole or not at all. InputError where the card or a mark is missing."""
    begin, end = mark(part)
    try:
        before = card.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{card}: cannot be read ({error.strerror}). Fix: give a file with {begin} and {end}.") from error
    head, opened, rest = before.partition(begin)
    _, closed, tail = rest.partition(end)
    if not opened or not closed:
        raise InputError(f"{card}: no place for {part}. Fix: add the lines {begin} and {end}.")
    write_text(card, f"{head}{begin}\n\n{text.strip()}\n\n{end}{tail}")


def measured(figures: Mapping[str, Any]) -> str:
    """Who was measured, when, with what: the list at the head of a card."""
    made, source = figures["provenance"], figures["hold_out"]
    trained = ", ".join(f"{name} {value}" for name, value in figures["training"].items())
    lines = [
        f"- Weights of {made['model']}: sha256 `{made['weights']}`. The file says: {trained or 'nothing of its training'}.",
        f"- {made['date']}; {made['hardware']}; {made['software']}; fp32.",
        f"- `{made['command']}`",
        f"- {source['people']} people of `{source['folder']}` ({source['frames']} frames of {source['frame']} px, "
        f"seed {source['seed']}), boxes given, {flipped(made)}.",
    ]
    if source["limit"]:
        lines.append(f"- **A trial** of the first {source['limit']} frames, not the figures of the set.")
    return "\n".join(lines)


def tables(figures: Mapping[str, Any]) -> str:
    """All tables by group, of `HoldOut.figures`."""
    parts = [METHOD]
    for grouping, groups in figures["groups"].items():
        said = GROUPINGS.get(grouping, "").format(frame=figures["hold_out"]["frame"])
        parts += [said, group_table(grouping, groups)] if said else [group_table(grouping, groups)]
    changes = (("skin", "skin", SKIN, "to the lightest"), ("shrunk", "longer side", SHRUNK, "to the picture as it is"))
    for key, title, said, change in changes:
        if figures[key]:
            parts += [said, group_table(title, figures[key]), f"Difference {change}, person by person:"]
            parts += [group_table(title, figures[f"{key}_differences"], signed=True)]
    return "\n\n".join(parts)


def failures(figures: Mapping[str, Any], sheet: Path, card: Path) -> str:
    """What is said of the worst, and the sheet."""
    if not figures["worst"]:
        return "Nobody had enough body points in the picture to be judged by them."
    everybody = figures["groups"][EVERYBODY][EVERYBODY]
    place = Path(os.path.relpath(sheet, card.parent)).as_posix()
    return (
        f"Less than half of the body points in the picture are found of {figures['less_than_half_of_the_body']} of "
        f"{everybody['people']} people. The worst {len(figures['worst'])} by body points, of those with at least 8 in the "
        f"picture (prediction left, truth right):\n\n![The worst held-out people]({place})"
    )

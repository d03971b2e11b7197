"""What may be done to the images that are kept, on their way into the shards. The files of the source stay as they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from vitruvian.curate.limits import PERSON
from vitruvian.curate.scorer import made_by_user
from vitruvian.errors import UsageError, unknown_name
from vitruvian.types import Array

if TYPE_CHECKING:
    from vitruvian.curate.settings import Settings

FACES = "faces"


class Edited(NamedTuple):
    """image (H, W, 3) uint8 RGB; told: what was done, as it is written beside the image in its shard (JSON)."""

    image: Array
    told: Any


class Edit(Protocol):
    """It is made anew in every worker. model: what decides, with the hash of its weights, or `classical`; cost: milliseconds an
    image on one core."""

    model: str
    cost: float

    def edit(self, image: Array, row: Mapping[str, Any]) -> Edited | None:
        """image: upright, in full size; row: of the ledger, with `boxes` of people. The answer has the same shape; None where
        nothing is to be done: the image keeps its bytes. What it does must not depend on other images. An image for which it
        raises is left out, and told."""


def checked(made: Any, shape: tuple[int, ...]) -> Edited | None:
    """What an edit of an image (H, W, 3) has answered. ValueError or TypeError if it is not as it should be."""
    if made is None:
        return None
    image, told = made
    if getattr(image, "dtype", None) != np.uint8 or image.shape != shape:
        answer = f"{getattr(image, 'dtype', type(image).__name__)} {getattr(image, 'shape', '')}"
        raise ValueError(f"it answers with {answer.strip()}, not with uint8 {shape}: boxes would not fit any more")
    json.dumps(told)  # it is written beside the image
    return Edited(image, told)


def _faces(settings: Settings) -> Edit:
    from vitruvian.curate.faces import Faces  # with torch

    if PERSON not in settings.scorers:
        raise UsageError(f"edit {FACES}: faces are sought in boxes of people. Fix: {PERSON} among --scorers.")
    if settings.edits[0] != FACES:
        raise UsageError(
            f"edit {FACES} after {settings.edits[0]}: boxes are those of the image as it came. Fix: {FACES} first."
        )
    return Faces(settings.device)


EDITS: dict[str, Callable[[Settings], Edit]] = {FACES: _faces}


def make_edits(settings: Settings) -> dict[str, Edit]:
    """By name. UsageError for a name that is neither known nor PACKAGE.MODULE:NAME."""
    made: dict[str, Edit] = {}
    for name in settings.edits:
        if name not in EDITS and ":" not in name:
            raise unknown_name("edit", name, EDITS, f"{', '.join(EDITS)}, or PACKAGE.MODULE:NAME")
        made[name] = EDITS[name](settings) if name in EDITS else made_by_user("edit", name, ("model", "cost", "edit"))
    return made

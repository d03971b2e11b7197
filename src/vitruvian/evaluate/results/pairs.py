"""Maps of two folders that belong together, by the name of their photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitruvian.data.images import read_ids
from vitruvian.errors import InputError
from vitruvian.types import Array

Read = Callable[[Path], Array]
SHOWN = 3  # names told of many


@dataclass(frozen=True)
class Pair:
    """One photo's maps of equal height and width, and where they are counted."""

    name: str
    truth: Array
    given: Array
    mask: Array


@dataclass(frozen=True)
class Folders:
    """The truth's folder, the predictions' and, perhaps, one of masks (PNG, counted where not 0)."""

    truth: Path
    predictions: Path
    masks: Path | None = None

    def pairs(self, kind: str, endings: tuple[str, ...], read: Read, read_given: Read | None = None) -> Iterator[Pair]:
        """Photo by photo. kind: what `predict` puts between a photo's name and the ending, as `depth` in STEM.depth.npy.

        Raises InputError where the truth of a photo has no prediction or no mask, or the sizes differ: figures over what
        happens to be there would be figures of something else.
        """
        truth, given = named_files(self.truth, kind, endings), named_files(self.predictions, kind, endings)
        masks = named_files(self.masks, "mask", (".png",)) if self.masks else None
        for folder, files in ((self.predictions, given), (self.masks, masks)):
            if files is not None and (absent := sorted(set(truth) - set(files))):
                told = ", ".join(absent[:SHOWN]) + (" ..." if len(absent) > SHOWN else "")
                raise InputError(f"{folder} lacks {len(absent)} of the {len(truth)} photos of {self.truth}: {told}.")
        for name, path in truth.items():
            labels, answer = read(path), (read_given or read)(given[name])
            mask = _mask(masks[name]) if masks else np.ones(labels.shape[:2], bool)
            for other, file in ((answer, given[name]), (mask, masks[name] if masks else path)):
                if other.shape[:2] != labels.shape[:2]:
                    sizes = f"{other.shape[1]}x{other.shape[0]} px, but {path} has {labels.shape[1]}x{labels.shape[0]}"
                    raise InputError(f"{file}: {sizes}. Fix: bring both to the photo's size.")
            yield Pair(name, labels, answer, mask)


def named_files(folder: Path, kind: str, endings: tuple[str, ...]) -> dict[str, Path]:
    """Photo's name -> its file, sorted: of NAME.ending and NAME.kind.ending; the first of the endings where there are
    several."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder. Fix: give the folder of the maps ({', '.join(endings)}).")
    found: dict[str, Path] = {}
    for ending in endings:
        whole = sorted(path for path in folder.iterdir() if path.suffix.lower() == ending and path.is_file())
        ours = [path for path in whole if path.stem.endswith(f".{kind}")]
        for path in ours or whole:  # beside the maps of `predict` lie others of its
            found.setdefault(path.stem.removesuffix(f".{kind}"), path)
    if not found:
        raise InputError(f"{folder} has no maps. Allowed: NAME.{kind}{endings[0]} or NAME with {', '.join(endings)}.")
    return dict(sorted(found.items()))


def _mask(path: Path) -> Array:
    return np.asarray(read_ids(path) > 0)

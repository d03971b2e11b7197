"""The verb `maps convert`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vitruvian.errors import UsageError, unknown_name
from vitruvian.geometry import AXES
from vitruvian.maps.convert import Files, alpha_files, cutout_files, exr_files
from vitruvian.predict.outputs import Outputs
from vitruvian.predict.record import Record, coco_of
from vitruvian.predict.stored import Stored, find_results, read_results, with_masks

TARGETS = ("alpha", "cutout", "exr", "coco")


@dataclass(frozen=True)
class Numbering:
    """Names of numbered files, NAME.KIND.0001.ENDING; without a name, files are called after their photo."""

    name: str = ""
    start: int = 1
    digits: int = 4

    def path(self, stored: Stored, place: int, kind: str, ending: str) -> PurePosixPath:
        """Where the file of the `place`-th photo (from 0) belongs, below the output folder."""
        if not self.name:
            return PurePosixPath(f"{stored.stem}.{kind}.{ending}")
        return PurePosixPath(f"{self.name}.{kind}.{self.start + place:0{self.digits}d}.{ending}")


def convert(
    results: Sequence[str],
    to: str,
    out: Path,
    numbering: Numbering | None = None,
    axes: str = "camera",
    photos: Path | None = None,
    overwrite: bool = False,
    given_axes: str | None = None,
) -> int:
    """Write the maps of results for other programs. Returns 0, or 1 if an input failed. UsageError for wrong arguments.

    given_axes: of normals whose record does not state them; such normals are refused where it is left out.
    """
    numbering = numbering or Numbering()
    _check(to, out, numbering, axes, photos, given_axes)
    outputs = Outputs(overwrite)
    files, problems = find_results(results)
    for problem in problems:
        outputs.fail(problem.message)
    if numbering.name and len(str(numbering.start + len(files) - 1)) > numbering.digits:
        raise UsageError(f"--digits {numbering.digits} are too few for {len(files)} files from {numbering.start}.")
    records: list[Record] = []
    for place, file in enumerate(files):  # a number belongs to a photo: one that fails leaves a gap
        with outputs.attempt(str(file.path)):
            for stored in read_results(file):
                if to == "coco":
                    records.append(with_masks(stored))
                else:
                    _write(stored, _files(stored, to, axes, photos, given_axes), place, out, numbering, outputs)
    if to == "coco" and records:
        with outputs.attempt(str(out)):
            outputs.write(out.parent, {out.name: json.dumps(coco_of(records), allow_nan=False).encode()}, str(out))
    return outputs.end(out=out)


def _files(stored: Stored, to: str, axes: str, photos: Path | None, given_axes: str | None) -> Files:
    if to == "exr":
        return exr_files(stored, axes, given_axes)
    return alpha_files(stored) if photos is None else cutout_files(stored, photos)


def _write(stored: Stored, files: Files, place: int, out: Path, numbering: Numbering, outputs: Outputs) -> None:
    paths = {numbering.path(stored, place, *kind): encode for kind, encode in files.items()}
    folder = next(iter(paths)).parent
    outputs.write(out / folder, {path.name: encode for path, encode in paths.items()}, stored.where)


def _check(to: str, out: Path, numbering: Numbering, axes: str, photos: Path | None, given_axes: str | None) -> None:
    if to not in TARGETS:
        raise unknown_name("kind of file", to, TARGETS)
    for name in (axes, given_axes or axes):
        if name not in AXES:
            raise unknown_name("axes", name, AXES)
    if to == "cutout" and photos is None:
        raise UsageError("--to cutout needs the photos. Fix: --photos FOLDER (or the photo).")
    if to != "cutout" and photos is not None:
        raise UsageError(f"--photos belongs to --to cutout, not --to {to}. Fix: leave it out.")
    if to == "coco" and out.suffix.lower() != ".json":
        raise UsageError(f"--out {out}: COCO is one file. Fix: --out {out / 'people.json'}")
    if numbering.name and PurePosixPath(numbering.name).name != numbering.name:
        raise UsageError(f"--sequence {numbering.name!r}. Allowed: a name without folders; --out says where.")
    if numbering.start < 0 or not 1 <= numbering.digits <= 9:
        raise UsageError(f"--start {numbering.start} --digits {numbering.digits}. Allowed: from 0, and 1 to 9 digits.")

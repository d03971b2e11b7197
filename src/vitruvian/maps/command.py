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
    normal_frame: str = "camera",
    photos: Path | None = None,
    overwrite: bool = False,
) -> int:
    """Write the maps of results for other programs. Returns 0, or 1 if an input failed. UsageError for wrong arguments."""
    numbering = numbering or Numbering()
    _check(to, out, numbering, normal_frame, photos)
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
                    _write(stored, _files(stored, to, normal_frame, photos), place, out, numbering, outputs)
    if to == "coco" and records:
        with outputs.attempt(str(out)):
            outputs.write(out.parent, {out.name: json.dumps(coco_of(records), allow_nan=False).encode()}, str(out))
    return outputs.end(out=out)


def _files(stored: Stored, to: str, normal_frame: str, photos: Path | None) -> Files:
    if to == "exr":
        return exr_files(stored, normal_frame)
    return alpha_files(stored) if photos is None else cutout_files(stored, photos)


def _write(stored: Stored, files: Files, place: int, out: Path, numbering: Numbering, outputs: Outputs) -> None:
    paths = {numbering.path(stored, place, *kind): encode for kind, encode in files.items()}
    folder = next(iter(paths)).parent
    outputs.write(out / folder, {path.name: encode for path, encode in paths.items()}, stored.where)


def _check(to: str, out: Path, numbering: Numbering, normal_frame: str, photos: Path | None) -> None:
    if to not in TARGETS:
        raise unknown_name("kind of file", to, TARGETS)
    if normal_frame not in AXES:
        raise unknown_name("normal frame", normal_frame, AXES)
    if (to == "cutout") != (photos is not None):
        raise UsageError(f"--to {to}: --photos goes with --to cutout, and --to cutout with --photos FOLDER.")
    if to == "coco" and out.suffix.lower() != ".json":
        raise UsageError(f"--out {out}: COCO is one file. Fix: --out {out / 'people.json'}")
    if numbering.name and PurePosixPath(numbering.name).name != numbering.name:
        raise UsageError(f"--sequence {numbering.name!r}. Allowed: a name without folders; --out says where.")
    if numbering.start < 0 or not 1 <= numbering.digits <= 9:
        raise UsageError(f"--start {numbering.start} --digits {numbering.digits}. Allowed: from 0, and 1 to 9 digits.")

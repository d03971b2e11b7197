"""Arguments -> photos, clips, and what cannot be used."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vitruvian.errors import UsageError
from vitruvian.predict.sources import Problem, Source, expand, expanded, find_sources, with_stems
from vitruvian.predict.video.camera import Camera
from vitruvian.predict.video.clip import Clip
from vitruvian.predict.video.file import VideoFile
from vitruvian.predict.video.names import CAMERA, ENDINGS
from vitruvian.predict.video.sequence import PictureSequence, in_order

FPS = 30.0  # of pictures, where nothing else is said


@dataclass(frozen=True)
class Found:
    """What the arguments stand for."""

    photos: list[Source]
    clips: list[Clip]
    problems: list[Problem]


def find_inputs(given: Sequence[str], out: Path, sequence: bool = False, fps: float | None = None) -> Found:
    """Photos, videos and cameras (`webcam:0`). sequence: each folder or pattern is one clip of pictures, `fps` a second.

    UsageError if nothing is given, for a camera without a number, for `fps` without `sequence`, and where the result of one
    input would replace another.
    """
    if fps is not None and not (sequence and 0 < fps <= 1000):
        allowed = "a number above 0 and up to 1000" if sequence else "together with --sequence; videos know their own times"
        raise UsageError(f"--fps {fps:g}. Allowed: {allowed}.")
    cameras: list[Clip] = [_camera(text) for text in given if text.startswith(CAMERA)]
    others = [text for text in given if not text.startswith(CAMERA)]
    if sequence:
        clips, problems = _sequences(others, out, Fraction(fps or FPS).limit_denominator(1001))
        return Found([], [*clips, *cameras], problems)
    if not others and cameras:
        return Found([], cameras, [])
    sources, problems = find_sources(others, out, videos=True)
    files: list[Clip] = [VideoFile(source.path, source.name, source.stem) for source in sources if source.is_video]
    _protect(files, sources, out)
    return Found([source for source in sources if not source.is_video], [*files, *cameras], problems)


def _camera(text: str) -> Camera:
    number = text.removeprefix(CAMERA)
    if not number.isdecimal():
        raise UsageError(f"{text}: no camera of this name. Allowed: {CAMERA}0 for the first, {CAMERA}1 for the second, ...")
    return Camera(int(number), f"webcam{int(number)}-{time.strftime('%Y%m%d-%H%M%S')}")


def _sequences(given: Sequence[str], out: Path, fps: Fraction) -> tuple[list[Clip], list[Problem]]:
    if not given:
        raise UsageError("no pictures given. Allowed: one or more folders or glob patterns, each of which is one clip.")
    problems: list[Problem] = []
    groups: dict[Path, list[Path]] = {}
    for text in given:
        path, files = expanded(text), expand(text, out, problems)
        if not files:
            continue
        if path.is_file():
            problems.append(Problem(text, f"{text}: one file is no sequence. Allowed: a folder of pictures or a glob pattern."))
            continue
        here = [file for file, root in files if file.parent == root] if path.is_dir() else [file for file, _ in files]
        if here:
            groups.setdefault(files[0][1].resolve(), []).extend(in_order(here))
        else:
            problems.append(
                Problem(text, f"{text}: no pictures in this folder itself. Fix: name the folders in it, one clip each.")
            )
    named = with_stems([(folder, folder.parent) for folder in groups])
    clips: list[Clip] = [PictureSequence(s.path, s.name, s.stem, tuple(dict.fromkeys(groups[s.path])), fps) for s in named]
    return clips, problems


def _protect(files: Sequence[Clip], sources: Sequence[Source], out: Path) -> None:
    """Results may lie beside what they are made of, but never in its place."""
    taken = {source.path.resolve() for source in sources}
    for file in files:
        for ending in ENDINGS.values():
            if (place := (out / f"{file.stem}.{ending}").resolve()) in taken:
                raise UsageError(f"a result of {file.path} would replace {place}. Fix: give --out another folder.")

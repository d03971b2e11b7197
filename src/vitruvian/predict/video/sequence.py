"""Pictures of a folder, or those that a pattern matches, as the frames of a clip."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vitruvian.errors import InputError
from vitruvian.predict.images import read_photo
from vitruvian.predict.video.clip import Still


@dataclass(frozen=True)
class PictureSequence:
    """files in the order of their numbers; fps: how many of them are a second."""

    path: Path
    name: str
    stem: str
    files: tuple[Path, ...]
    fps: Fraction
    live: bool = False

    def digest(self) -> str:
        """SHA-256 of names and contents."""
        out = hashlib.sha256(str(self.fps).encode())
        for file in self.files:
            out.update(f"{file.name}\0".encode())
            try:
                with file.open("rb") as data:
                    out.update(hashlib.file_digest(data, "sha256").digest())
            except OSError as error:  # told of its frame; what can be read later makes another sequence
                out.update(str(error.errno).encode())
        return out.hexdigest()

    @contextmanager
    def open(self) -> Iterator[PictureReader]:
        """InputError where no picture can be read."""
        yield PictureReader(self)


class PictureReader:
    """See `clip.Reader`. A picture that cannot be read, or of another size than the first, is a frame with a fault."""

    def __init__(self, sequence: PictureSequence) -> None:
        self._files = sequence.files
        self.tick, self.rate, self.count = 1 / sequence.fps, sequence.fps, len(sequence.files)
        self.notes: list[str] = []
        self.problem = ""
        self.size = _first_size(sequence)

    def stills(self, start: int = 0) -> Iterator[Still]:
        """The pictures from number `start` on."""
        for index, file in enumerate(self._files[start:], start):
            try:
                pixels = read_photo(file).pixels
            except InputError as error:
                yield Still(index, index, None, str(error))
                continue
            if pixels.shape[:2] == self.size:
                yield Still(index, index, pixels)
            else:
                sizes = f"{pixels.shape[1]}x{pixels.shape[0]} px, not {self.size[1]}x{self.size[0]} px as the first"
                yield Still(index, index, None, f"{file}: {sizes}")
            del pixels


def in_order(files: Sequence[Path]) -> list[Path]:
    """As people count: frame2 before frame10."""
    return sorted(files, key=lambda file: ([_part(part) for part in re.split(r"(\d+)", file.name)], str(file)))


def _part(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdecimal() else (-1, text.casefold())


def _first_size(sequence: PictureSequence) -> tuple[int, int]:
    for file in sequence.files:
        try:
            return read_photo(file).size
        except InputError:
            continue
    raise InputError(
        f"{sequence.path}: none of its {len(sequence.files)} pictures can be read. Fix: give a folder of pictures."
    )

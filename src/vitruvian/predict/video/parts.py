"""Work in progress on one clip: pieces of so many frames on disk, each whole or absent, so that a killed run can go on.

A piece is a file of lines, a file of pictures, and last the state after it (`.json`), which says that it is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

from vitruvian.predict.video.encode import PIECE, Piece
from vitruvian.types import Array

FRAMES = 64  # of a piece: what a killed run loses at most; a power of two


class Parts:
    """The pieces in `folder`, those of an earlier run with the same plan included. state: after the last whole piece, if any.

    dropped: whether an earlier run with another plan left pieces, which are gone now.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any]) -> None:
        self.folder = folder
        text = json.dumps(plan, sort_keys=True)
        kept = _text(folder / "plan.json")
        self.dropped = kept not in ("", text)
        if kept != text:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self.keep("plan", text)
        self.count = 0
        self.state: dict[str, Any] | None = None
        while state := _text(self._path(self.count, "json")):
            self.state, self.count = json.loads(state), self.count + 1
        for left in folder.iterdir():  # of a piece that was never whole
            number = left.name.partition(".")[0]
            if left.suffix == ".tmp" or (number.isdecimal() and int(number) >= self.count):
                left.unlink()

    def keep(self, name: str, text: str) -> None:
        """Write NAME.json in one go."""
        place = self.folder / f"{name}.json.{os.getpid()}.tmp"
        place.write_text(text, encoding="utf-8")
        place.replace(self.folder / f"{name}.json")

    def kept(self, name: str) -> Any:
        """What NAME.json holds; None where there is none."""
        text = _text(self.folder / f"{name}.json")
        return json.loads(text) if text else None

    def begin(self, size: tuple[int, int], tick: Fraction, rate: Fraction) -> Part:
        """The next piece; its pictures are of `size` (H, W)."""
        return Part(self, (size, tick, rate))

    def lines(self) -> Iterator[str]:
        """All lines of all pieces, one after the other."""
        for number in range(self.count):
            with self._path(number, "jsonl").open(encoding="utf-8") as file:
                yield from file

    def pictures(self) -> list[Path]:
        """The files of pictures, in order."""
        return [path for number in range(self.count) if (path := self._path(number, PIECE)).exists()]

    def remove(self) -> None:
        """All of it, once the results stand."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int, ending: str) -> Path:
        return self.folder / f"{number:06d}.{ending}"

    def whole(self, places: Mapping[str, Path], state: Mapping[str, Any]) -> None:
        """The files of a finished piece take their names, its state last."""
        for ending, place in places.items():
            place.replace(self._path(self.count, ending))
        self.keep(f"{self.count:06d}", json.dumps(state, allow_nan=False))
        self.count += 1
        self.state = dict(state)


class Part:
    """A piece being written. frames: how many there are in it."""

    def __init__(self, parts: Parts, video: tuple[tuple[int, int], Fraction, Fraction]) -> None:
        self._parts, self._video = parts, video
        self._places = {ending: parts.folder / f"next.{ending}.{os.getpid()}.tmp" for ending in ("jsonl", PIECE)}
        self._lines = self._places["jsonl"].open("w", encoding="utf-8")
        self._pictures: Piece | None = None
        self.frames = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """A piece that is not whole by now will never be; its files go when the clip is taken up again."""
        self._lines.close()
        if self._pictures is not None:
            self._pictures.close()

    def add(self, line: str, picture: Array | None, ticks: int) -> None:
        """A frame: its line of JSON, and what the overlay shows of it, if anything."""
        self._lines.write(line + "\n")
        if picture is not None:
            self._pictures = self._pictures or Piece(self._places[PIECE], *self._video)
            self._pictures.add(picture, ticks)
        self.frames += 1

    def close(self, state: Mapping[str, Any]) -> None:
        """The piece is whole."""
        self._lines.close()
        if self._pictures is None:
            del self._places[PIECE]
        else:
            self._pictures.close()
        self._parts.whole(self._places, state)


def _text(path: Path) -> str:
    """What a file holds; nothing where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""

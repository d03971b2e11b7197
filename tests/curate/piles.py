"""Piles of made images, some of them hostile."""

from __future__ import annotations

import io
import os
import signal
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vitruvian.curate.edit import Edited
from vitruvian.curate.limits import Bound, Stage
from vitruvian.curate.scorer import Scores, View


def picture(seed: int, size: tuple[int, int] = (320, 400), grain: float = 12.0) -> Image.Image:
    """A smooth coloured picture (H, W) with some grain, another one for every seed."""
    rng = np.random.default_rng(seed)
    grid = Image.fromarray(rng.integers(0, 255, (9, 11, 3), np.uint8)).resize(size[::-1], Image.Resampling.BICUBIC)
    noisy = np.asarray(grid, np.float32) + rng.normal(0, grain, (*size, 1))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int = 90, **more: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, **more)
    return file.getvalue()


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A few bytes that say they are a picture of any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def hostile() -> dict[str, tuple[bytes, str]]:
    """name -> bytes, and the word that they are refused with."""
    good = jpeg(picture(99))
    whole = png(picture(98))
    return {
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"not an image at all", "no-image"),
        "bomb.png": (huge_png(30_000, 30_000), "bomb"),
        "long.png": (huge_png(40_000, 20), "absurd-size"),
        "dot.png": (png(picture(1, (4, 4))), "absurd-size"),
        "really-a-png.jpg": (whole, "wrong-extension"),
        "cut.jpg": (good[: len(good) // 2], "truncated"),
        "cut.png": (whole[: len(whole) // 2], "truncated"),
        "zip.jpg": (good + b"PK\x03\x04" + b"rest of an archive", "polyglot"),
        "pdf.png": (whole + b"\n%PDF-1.4 and so on", "polyglot"),
        "script.jpg": (jpeg(picture(97), comment=b"<script>alert(1)</script>"), "polyglot"),
    }


def make_pile(folder: Path, count: int = 6) -> Path:
    """`count` good pictures, an exact and two near duplicates of the first, a small, a grey, a flat one, and hostile ones."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"good-{number}.jpg").write_bytes(jpeg(picture(number)))
    first = picture(0)
    (folder / "copy-0.jpg").write_bytes(jpeg(first))
    (folder / "near-0.jpg").write_bytes(jpeg(first, 60))
    (folder / "near-1.png").write_bytes(png(first.resize((360, 300))))
    (folder / "small.jpg").write_bytes(jpeg(picture(50, (100, 120))))
    (folder / "grey.jpg").write_bytes(jpeg(picture(51).convert("L").convert("RGB")))
    (folder / "flat.jpg").write_bytes(jpeg(Image.new("RGB", (400, 400), (200, 60, 40))))
    for name, (content, _) in hostile().items():
        (folder / name).write_bytes(content)
    return folder


class Redness:
    """A scorer of tests: the mean of red over 255, and one that no view of others can change."""

    model = "classical"
    cost = 0.1
    stages: tuple[Stage, ...] = (Stage("red", (Bound("red", "most", 0.52),)),)

    def score(self, batch: list[View]) -> list[Scores]:
        return [{"red": float(view.pixels[..., 0].mean()) / 255} for view in batch]


class Poison(Redness):
    """One that dies of a certain picture, as a decoder with a fault might."""

    def score(self, batch: list[View]) -> list[Scores]:
        if any(view.size == (333, 444) for view in batch):
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().score(batch)


RED = f"{__name__}:Redness"


class Silent(Redness):
    """One that answers with nothing."""

    def score(self, batch: list[View]) -> list[Scores]:
        return [{"red": None} for _ in batch]


class Band(Redness):
    """One that keeps what lies between two values."""

    stages: tuple[Stage, ...] = (Stage("red", (Bound("red", "least", 0.45), Bound("red", "most", 0.52))),)


class Somebody(Redness):
    """One that finds one person everywhere, as surely as the picture is red."""

    stages: tuple[Stage, ...] = (Stage("person", (Bound("person", "above", 0.6),)),)

    def score(self, batch: list[View]) -> list[Scores]:
        box = {"x1": 0.0, "y1": 0.0, "x2": 310.0, "y2": 310.0}
        return [{"boxes": [box | {"score": 0.6 if view.pixels[..., 0].mean() < 128 else 0.7}]} for view in batch]


class Darker:
    """An edit of tests: dark pictures stay as they are, one of a certain size cannot be edited."""

    model = "classical"
    cost = 0.1

    def edit(self, image: Any, row: Any) -> Edited | None:
        if image.shape[:2] == (333, 444):
            raise ValueError("no such size")
        return None if image.mean() < 128 else Edited(image // 2, {"by": 2})


DARKER = f"{__name__}:Darker"


class Darkened(Darker):
    """One that halves everything."""

    def edit(self, image: Any, row: Any) -> Edited | None:
        return Edited(image // 2, 1)


class Brightened(Darker):
    """One that adds to everything."""

    def edit(self, image: Any, row: Any) -> Edited | None:
        return Edited(image + np.uint8(100), 2)


class WrongFloat(Darker):
    """One that answers with other numbers."""

    def edit(self, image: Any, row: Any) -> Any:
        return Edited(image / 2, 1)


class WrongSmaller(Darker):
    """One that cuts the image."""

    def edit(self, image: Any, row: Any) -> Any:
        return Edited(image[::2], 1)


class WrongBare(Darker):
    """One that does not say what it did."""

    def edit(self, image: Any, row: Any) -> Any:
        return image


class WrongUnwritable(Darker):
    """One that says it in numbers which JSON does not know."""

    def edit(self, image: Any, row: Any) -> Any:
        return Edited(image, np.float32(1))


class Unready(Darker):
    """One whose weights are not there."""

    def __init__(self) -> None:
        Path("no-such-file").read_bytes()

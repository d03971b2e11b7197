"""Bytes that say they are an image -> its pixels, or the reason why not: nothing doubtful is decoded, nothing is mended."""

from __future__ import annotations

import io
import re
import warnings
from functools import cache
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from vitruvian.curate.scorer import View
from vitruvian.errors import VitruvianError
from vitruvian.geometry import shrink
from vitruvian.predict.images import MAX_PIXELS, MAX_SIDE, MIN_SIDE, ORIENTATION, from_pillow

LONGEST = 1024  # px of the views that scorers see
MAX_BYTES = 256 << 20
ENDINGS = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif"), "MPO": ("jpg", "jpeg", "mpo"), "PNG": ("png",), "WEBP": ("webp",),
    "BMP": ("bmp",), "TIFF": ("tif", "tiff"), "GIF": ("gif",), "JPEG2000": ("jp2",), "PPM": ("ppm", "pgm"), "AVIF": ("avif",),
}  # fmt: skip
FOREIGN = {  # what a second reader of the same bytes may take them for
    "zip": rb"PK\x03\x04|PK\x05\x06", "pdf": rb"%PDF-", "html": rb"(?i:<html|<script|<svg|<!doctype html)", "php": rb"<\?php",
    "rar": rb"Rar!\x1a\x07", "7z": rb"7z\xbc\xaf\x27\x1c", "elf": rb"\x7fELF",
}  # fmt: skip
_FOREIGN = re.compile(b"|".join(b"(?P<%s>%s)" % (b"x" + name.encode(), sign) for name, sign in FOREIGN.items()))
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # in scan data: neither stuffed, nor a restart, nor fill


class Refusal(VitruvianError):
    """Why an image is not used. kind: one word for it."""

    def __init__(self, kind: str, told: str) -> None:
        super().__init__(f"{kind}: {told}")
        self.kind = kind


class Opened(NamedTuple):
    """An image that is whole. format: as Pillow names it."""

    view: View
    format: str


def open_image(content: bytes, name: str) -> Opened:
    """Decode one image, of whose bytes the header, the frame and the end were checked before. Raises Refusal."""
    if not content:
        raise Refusal("empty", "no bytes")
    if len(content) > MAX_BYTES:
        raise Refusal("too-large", f"{len(content) >> 20} MB; at most {MAX_BYTES >> 20}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of odd metadata and of sizes that are refused here
        image = _header(content)
        _check(image, content, name)
        return Opened(_view(image), str(image.format))


def _header(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=_formats())
    except UnidentifiedImageError:
        raise Refusal("no-image", f"begins with {content[:8]!r}") from None
    except Image.DecompressionBombError:
        raise Refusal("bomb", f"more than {2 * MAX_PIXELS / 1e6:.0f} megapixels") from None
    except Exception as error:  # readers of damaged files raise whatever they stumble over
        raise Refusal("damaged", _line(error)) from error


@cache
def _formats() -> tuple[str, ...]:
    """Those of ENDINGS that this Pillow reads; MPO is found by its reader of JPEG."""
    Image.init()
    return tuple(name for name in ENDINGS if name in Image.OPEN and name != "MPO")


def _check(image: Image.Image, content: bytes, name: str) -> None:
    """All that can be known before pixels are decoded."""
    width, height, kind = image.width, image.height, str(image.format)
    if width * height > MAX_PIXELS:
        raise Refusal("bomb", f"{width}x{height} px; at most {MAX_PIXELS / 1e6:.0f} megapixels")
    if max(width, height) > MAX_SIDE:
        raise Refusal("absurd-size", f"{width}x{height} px; sides up to {MAX_SIDE} px")
    if min(width, height) < MIN_SIDE:
        raise Refusal("absurd-size", f"{width}x{height} px; at least {MIN_SIDE}x{MIN_SIDE}")
    ending = name.lower().rpartition(".")[2] if "." in name.rpartition("/")[2] else ""
    if ending and ending not in ENDINGS[kind]:
        raise Refusal("wrong-extension", f".{ending}, but the bytes are {kind}")
    if kind != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise Refusal("animation", f"{getattr(image, 'n_frames', 1)} frames")
    head, tail = _outside_pixels(content, kind)
    if found := _FOREIGN.search(tail) or _FOREIGN.search(head):
        raise Refusal("polyglot", f"{kind} that is also {(found.lastgroup or 'x')[1:]}")


def _outside_pixels(content: bytes, kind: str) -> tuple[bytes, bytes]:
    """The bytes before and after the pixels, which a decoder of images does not look at."""
    if kind in ("JPEG", "MPO"):
        return _around_jpeg(content, kind)
    if kind == "PNG":
        return _around_png(content)
    if kind == "WEBP":
        length = int.from_bytes(content[4:8], "little") + 8
        if len(content) < length:
            raise Refusal("truncated", f"{len(content)} of {length} bytes")
        return b"", content[length:]
    if kind == "GIF":
        return b"", content[content.rfind(b"\x3b") + 1 :]
    return b"", content[-1024:] if kind in ("BMP", "PPM") else b""


def _around_jpeg(content: bytes, kind: str) -> tuple[bytes, bytes]:
    """Up to the first scan, and from the end of the image; Refusal where that never comes."""
    place, first = 2, None
    while place + 4 <= len(content):
        if content[place] != 0xFF:
            raise Refusal("damaged", f"no marker at byte {place}")
        code = content[place + 1]
        if code == 0xD9:
            after = content[place + 2 :]
            return content[:first], b"" if kind == "MPO" else after
        if code == 0xFF or code == 1 or 0xD0 <= code <= 0xD8:
            place += 1 if code == 0xFF else 2
            continue
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        if code == 0xDA:
            first = place if first is None else first
            found = _MARKER.search(content, place)
            if found is None:
                break
            place = found.start()
    if content[place : place + 2] == b"\xff\xd9":
        return content[:first], b""
    raise Refusal("truncated", "no end of the image")


def _around_png(content: bytes) -> tuple[bytes, bytes]:
    """The chunks without pixels, and what follows the last; Refusal where that is missing."""
    place, head = 8, b""
    while place + 12 <= len(content):
        length, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        if kind != b"IDAT":
            head += content[place : place + 12 + length]
        place += 12 + length
        if kind == b"IEND":
            return head, content[place:]
    raise Refusal("truncated", "no end of the image")


def _view(image: Image.Image) -> View:
    """Upright pixels, reduced to LONGEST; JPEG files are decoded no larger than that needs."""
    size = _upright_size(image)
    image.draft(None, (LONGEST, LONGEST))  # JPEG alone: an eighth, a quarter or a half, never below this size
    try:
        pixels = from_pillow(image).pixels
    except Exception as error:  # as above; from_pillow tells of all that it foresees
        raise Refusal("damaged", _line(error)) from error
    return View(shrink(pixels, LONGEST), size)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    turned = image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
    return (image.width, image.height) if turned else (image.height, image.width)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.removeprefix("image: ")[:200]

"""Any photo -> RGB uint8 as a person would see it: upright, 8 bits, opaque. Everything else is refused with its reason."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from vitruvian.errors import InputError
from vitruvian.types import Array

MAX_PIXELS = 89_478_485  # Pillow's own line between a photo and a decompression bomb: 256 MB as RGB
MIN_SIDE = 16
MAX_SIDE = 32_766  # what OpenCV can warp
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".ppm", ".pgm", ".avif", ".mpo"}
)
ORIENTATION = 0x0112  # the tag of EXIF that says which way is up
DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # Pillow's names of one channel of more than 8 bits


@dataclass(frozen=True)
class Photo:
    """pixels (H, W, 3) uint8 RGB; notes: what was done to the file that its owner may want to know."""

    pixels: Array
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.pixels.shape[0], self.pixels.shape[1]


def read_photo(path: str | Path) -> Photo:
    """Read one image file. InputError for what is absent, empty, damaged, no image, too small or too large."""
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty. Allowed: an image of at least {MIN_SIDE}x{MIN_SIDE} px.")
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata and of sizes that are refused below
            return from_pillow(_open(path, file), str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Allowed: an image file, a folder or a glob pattern.") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}). Fix: check the file and its permissions."
        ) from error


def photo_of_bytes(data: bytes, where: str) -> Photo:
    """The bytes of one image file -> Photo, as `read_photo`; where: its name in errors."""
    if not data:
        raise InputError(f"{where}: the file is empty. Allowed: an image of at least {MIN_SIDE}x{MIN_SIDE} px.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        return from_pillow(_open(Path(where), io.BytesIO(data)), where)


def pixels_of(path: str | Path) -> int:
    """How many pixels a file says it has; 0 where it says nothing, or more than is read. No error: `read_photo` tells it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above
            with Image.open(path) as image:
                count: int = image.width * image.height
        return count if count <= MAX_PIXELS else 0
    except Exception:  # readers of damaged files raise whatever they stumble over
        return 0


def _open(path: Path, file: object) -> Image.Image:
    try:
        return Image.open(file)  # type: ignore[arg-type]  # reads the header only
    except UnidentifiedImageError:
        known = ", ".join(sorted(extension[1:] for extension in EXTENSIONS))
        raise InputError(
            f"{path}: not an image that can be read. Allowed: {known}. Fix: convert it, for example to PNG."
        ) from None
    except Image.DecompressionBombError:
        raise InputError(_bomb(str(path))) from None
    except Exception as error:  # readers of damaged files raise whatever they stumble over
        raise _damaged(str(path), error) from error


def from_pillow(image: Image.Image, where: str = "image") -> Photo:
    """A Pillow image in whatever mode -> Photo. Of an animation the first frame is taken, and a note says so."""
    _check_size(image.width, image.height, where)
    notes = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in ("MPO",):
        notes.append(f"first of {frames} frames")
    try:
        image.load()
        turned = image.getexif().get(ORIENTATION, 1) != 1
        pixels = _rgb(ImageOps.exif_transpose(image) if turned else image, where)  # it copies also what is upright
    except InputError:
        raise
    except Exception as error:  # as above
        raise _damaged(where, error) from error
    return Photo(pixels, tuple(notes))


def from_array(array: Array, where: str = "image") -> Photo:
    """(H, W), (H, W, 1 | 3 | 4) uint8 or uint16 in RGB(A) order -> Photo; other shapes and types are an InputError."""
    array = np.asarray(array)
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"{where}: an array of shape {array.shape} and type {array.dtype}. Allowed: (H, W, 3) uint8 in RGB order"
            " (also grey, RGBA, uint16). Fix: scale float images to 0..255 and convert."
        )
    _check_size(array.shape[1], array.shape[0], where)
    if array.dtype == np.uint16:
        array = _eight_bits(array)
    if channels == 1:
        array = np.repeat(array.reshape(*array.shape[:2], 1), 3, 2)
    elif channels == 4:
        array = _rgb(Image.fromarray(np.ascontiguousarray(array)), where)
    return Photo(np.ascontiguousarray(array))


def _check_size(width: int, height: int, where: str) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(_bomb(where, f"{width}x{height} px"))
    if max(width, height) > MAX_SIDE:
        raise InputError(f"{where}: {width}x{height} px is too long. Allowed: sides up to {MAX_SIDE} px. Fix: shrink it.")
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{where}: {width}x{height} px is too small. Allowed: at least {MIN_SIDE}x{MIN_SIDE} px.")


def _damaged(where: str, error: Exception) -> InputError:
    reason = str(error) or type(error).__name__
    return InputError(f"{where}: the image is damaged or truncated ({reason}). Fix: copy or export it again.")


def _bomb(where: str, size: str = "far more pixels") -> str:
    return (
        f"{where}: {size}, refused before decoding. Allowed: at most {MAX_PIXELS / 1e6:.0f} megapixels. Fix: make it smaller."
    )


def _rgb(image: Image.Image, where: str) -> Array:
    if image.mode in DEEP:
        return np.repeat(_eight_bits(np.asarray(image))[..., None], 3, 2)
    if image.mode == "F":
        raise InputError(
            f"{where}: a floating-point image has no fixed white. Allowed: 8 or 16 bits. Fix: scale and convert it."
        )
    if image.has_transparency_data:  # an alpha channel or a palette with see-through entries: shown on white
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))  # a copy of megabytes costs as much as decoding


def _eight_bits(values: Array) -> Array:
    """16-bit values by their high byte, rounded; what says 32 bits but stays within 8 is taken as it is."""
    if values.dtype.kind == "i" and values.max(initial=0) <= 255:
        return values.clip(0, 255).astype(np.uint8)
    out: Array = ((values.clip(0, 65535).astype(np.uint32) + 128) // 257).astype(np.uint8)
    return out

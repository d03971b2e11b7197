"""The camera of a photo: given by its field of view or focal length, or read from the photo's EXIF."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vitruvian.errors import InputError, UsageError
from vitruvian.geometry import focal_of_35mm, focal_of_fov, pinhole
from vitruvian.predict.images import read_photo
from vitruvian.predict.record import Record
from vitruvian.predict.stored import Stored
from vitruvian.types import Array

EXIF_IFD, FOCAL_35MM = 0x8769, 0xA405
FIX = "Fix: --fov DEGREES (horizontal), --focal PIXELS, or --photo FILE with a 35 mm focal length in its EXIF."


@dataclass(frozen=True)
class Camera:
    """A pinhole with square pixels and its axis through the middle. focal: pixels; said_by: where it comes from."""

    focal: float
    said_by: str

    def matrix(self, size: tuple[int, int]) -> Array:
        """K (3, 3) for a photo of `size` (H, W)."""
        return pinhole(self.focal, size)

    def record(self) -> Record:
        """As aligned depth keeps it."""
        return {"focal_px": round(self.focal, 3), "principal_point": "the middle", "from": self.said_by}


def check_camera(fov: float | None, focal: float | None) -> None:
    """UsageError for values that no camera has, or two that say the same."""
    if fov is not None and focal is not None:
        raise UsageError("--fov and --focal exclude each other: both say how wide the camera sees.")
    if fov is not None and not 1 <= fov <= 170:
        raise UsageError(f"--fov {fov:g}. Allowed: 1 to 170 degrees, the horizontal field of view.")
    if focal is not None and not (math.isfinite(focal) and focal > 0):
        raise UsageError(f"--focal {focal:g}. Allowed: a positive number of pixels.")


def find_camera(stored: Stored, fov: float | None, focal: float | None, photo: Path | None) -> Camera | None:
    """The camera as given, else as the result keeps it, else by the photo's EXIF; None where nothing says it."""
    if fov is not None:
        return Camera(focal_of_fov(fov, stored.size[1]), f"--fov {fov:g}")
    if focal is not None:
        return Camera(focal, f"--focal {focal:g}")
    kept = stored.record.get("camera")
    if isinstance(kept, dict):
        return Camera(float(kept["focal_px"]), str(kept["from"]))
    file = photo / stored.name if photo is not None and photo.is_dir() else photo
    millimetres = None if file is None else exif_focal(file)
    if millimetres is None:
        return None
    return Camera(focal_of_35mm(millimetres, stored.size), f"EXIF: {millimetres:g} mm (35 mm equivalent)")


def need_camera(stored: Stored, fov: float | None, focal: float | None, photo: Path | None) -> Camera:
    """`find_camera`, or an InputError where nothing says it."""
    camera = find_camera(stored, fov, focal, photo)
    if camera is None:
        where = f"{photo}: no 35 mm focal length in its EXIF" if photo else f"{stored.where}: the camera is not known"
        raise InputError(f"{where}. {FIX}")
    return camera


def exif_focal(photo: Path) -> float | None:
    """The 35 mm equivalent focal length in mm of a photo that was not cropped; None where it does not say it."""
    try:
        with Image.open(photo) as image:
            value = image.getexif().get_ifd(EXIF_IFD).get(FOCAL_35MM)
    except (OSError, ValueError, Image.DecompressionBombError):
        read_photo(photo)  # says what is wrong with it
        return None
    return float(value) if value else None

"""Folders of pictures with a mask, a depth or a normal map for each, matched by their stems.

    FOLDER/images/STEM.jpg      or png, webp, bmp
    FOLDER/masks/STEM.png       first channel above 0: a person (optional)
    FOLDER/depths/STEM.npy      (H, W), or STEM.exr, or STEM.png of 16 bit
    FOLDER/normals/STEM.npy     (H, W, 3), or STEM.exr, or STEM.png of 8 or 16 bit

What the numbers are is stated, never guessed: metres in a step of a depth of whole numbers, axes of normals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from vitruvian.data.exr import read_exr
from vitruvian.data.images import PICTURES, by_stem, check_size, decoding, read_first_channel, read_image
from vitruvian.errors import InputError, UsageError
from vitruvian.geometry import AXES
from vitruvian.types import Array, ImageRecord, Sample

ENDINGS = (".npy", ".exr", ".png")
DEPTH_CHANNELS = (("Y",), ("Z",), ("R",), ("V",))  # of an EXR, the first that is there
NO_UNIT = (
    "whole numbers, and depth_unit is not stated. Fix: say it in the TOML of the source (0.001 for millimetres, 1 for metres)."
)
WORDS = {"right": (0, 1), "left": (0, -1), "down": (1, 1), "up": (1, -1), "forward": (2, 1), "back": (2, -1)}
NORMAL_CHANNELS = (("R", "G", "B"), ("X", "Y", "Z"))


@dataclass(frozen=True)
class Maps:
    """A folder as in the head of this module. depth_unit: metres in a step of the depth files, 1 for files of floats where it
    is left out; needed for whole numbers (PNG, and npy of integers). normal_frame: where the three channels of normals point
    to, such as "left up back", or camera ("right down forward"), opengl ("right up back"), directx ("right down back"); needed
    for normals.

    Pictures that share a stem are left out. Depth of 0 or less, NaN or infinite is unknown (NaN), and so is all that lies
    outside the mask; a map with nothing known is a bad one. Normals come back as unit vectors in camera axes.
    """

    folder: Path
    depth_unit: float | None = None
    normal_frame: str | None = None
    files: tuple[Path, ...] = field(init=False, repr=False)
    problems: tuple[str, ...] = field(init=False, repr=False)
    kinds: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        images = self.folder / "images"
        if not images.is_dir():
            raise UsageError(f"{images} is not a folder. Allowed: a folder with images/ and masks/, depths/ or normals/.")
        kinds = tuple(kind for kind in ("masks", "depths", "normals") if (self.folder / kind).is_dir())
        if not kinds:
            raise UsageError(f"{self.folder} has neither masks/ nor depths/ nor normals/ beside its images/.")
        found = [p for p in images.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith(".")]
        pictures, doubled = by_stem(found)
        if not pictures:
            raise InputError(doubled[0] if doubled else f"{images} has no pictures ({', '.join(PICTURES)}).")
        self._check_statements(kinds)
        object.__setattr__(self, "files", tuple(pictures.values()))
        object.__setattr__(self, "kinds", kinds)
        object.__setattr__(self, "problems", (*doubled, *self._without_picture({p.stem for p in found})))

    def __len__(self) -> int:
        return len(self.files)

    def photo(self, index: int) -> tuple[Array, str]:
        """One picture (H, W, 3) and its path, without its labels."""
        return read_image(self.files[index]), str(self.files[index])

    def __iter__(self) -> Iterator[ImageRecord]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> ImageRecord:
        sample = self.sample(index)
        return ImageRecord(index, (sample.image.shape[0], sample.image.shape[1]), str(self.files[index]), (sample,))

    @property
    def samples(self) -> int:
        """How many pictures there are."""
        return len(self.files)

    def sample(self, number: int) -> Sample:
        """A picture with its maps; the box is that of the mask, or the whole picture. InputError for an empty mask."""
        path = self.files[number]
        image = read_image(path)
        height, width = image.shape[:2]
        mask = self._mask(path, image.shape)
        box = np.array([0, 0, width, height], np.float32)
        if mask is not None:
            rows, columns = np.nonzero(mask)
            box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
        area = None if mask is None else float(mask.sum())
        depth, normal = self._depth(path, image.shape, mask), self._normal(path, image.shape, mask)
        return Sample(image, box, path.name, mask, area, depth=depth, normal=normal)

    def _check_statements(self, kinds: tuple[str, ...]) -> None:
        if self.normal_frame is not None:
            axes_of(self.normal_frame)
        if "normals" in kinds and self.normal_frame is None:
            told = f"{self.folder / 'normals'}: normal_frame is not stated. Allowed: {', '.join(AXES)}, or three directions"
            raise UsageError(f"{told}. Fix: say it in the TOML of the source.")
        if self.depth_unit is not None and not 0 < self.depth_unit < float("inf"):
            raise UsageError(f"depth_unit is {self.depth_unit}. Allowed: metres in a step, a number above 0.")
        if "depths" in kinds and self.depth_unit is None and (told := _whole_numbers(self.folder / "depths")):
            raise UsageError(f"{told} {NO_UNIT}")

    def _without_picture(self, stems: set[str]) -> Iterator[str]:
        for kind in self.kinds:
            endings = (".png",) if kind == "masks" else ENDINGS
            for path in sorted((self.folder / kind).iterdir()):
                if path.suffix.lower() in endings and path.stem not in stems:
                    yield f"{path}: no picture of this name in {self.folder / 'images'}"

    def _file(self, kind: str, picture: Path) -> Path:
        """The map of a picture. InputError where there is none."""
        stem = self.folder / kind / picture.stem
        found = [path for ending in ENDINGS if (path := stem.with_name(stem.name + ending)).is_file()]
        if not found:
            raise InputError(f"{stem}: missing ({', '.join(ENDINGS)}). Fix: every picture needs its own in {kind}/.")
        return found[0]

    def _mask(self, picture: Path, size: tuple[int, ...]) -> Array | None:
        if "masks" not in self.kinds:
            return None
        path = self.folder / "masks" / f"{picture.stem}.png"
        mask = check_size(read_first_channel(path), size, path, picture) > 0
        if not mask.any():
            raise InputError(f"{path}: an empty mask: nobody is marked.")
        return mask

    def _depth(self, picture: Path, size: tuple[int, ...], mask: Array | None) -> Array | None:
        if "depths" not in self.kinds:
            return None
        path = self._file("depths", picture)
        raw = check_size(read_plane(path), size, path, picture)
        if self.depth_unit is None and raw.dtype.kind in "iu":
            raise InputError(f"{path}: {raw.dtype} means {NO_UNIT}")
        depth = raw.astype(np.float32) * np.float32(1.0 if self.depth_unit is None else self.depth_unit)
        depth[~(np.isfinite(depth) & (depth > 0))] = np.nan
        if mask is not None:
            depth[~mask] = np.nan
        if not np.isfinite(depth).any():
            raise InputError(f"{path}: no depth is known{' within the mask' if mask is not None else ''} (NaN, 0 or less).")
        return depth

    def _normal(self, picture: Path, size: tuple[int, ...], mask: Array | None) -> Array | None:
        if "normals" not in self.kinds or self.normal_frame is None:
            return None
        path = self._file("normals", picture)
        order, signs = axes_of(self.normal_frame)
        normal = check_size(read_vectors(path), size, path, picture)[..., order] * signs
        length = np.linalg.norm(normal, axis=-1, keepdims=True)
        known = (length > 0.5) & (length < 2)  # also False for NaN; official files have -1000 outside
        normal = np.where(known, normal / np.where(known, length, 1), np.nan).astype(np.float32)
        if mask is not None:
            normal[~mask] = np.nan
        if not np.isfinite(normal).any():
            raise InputError(f"{path}: no vector is known{' within the mask' if mask is not None else ''}.")
        return normal


def axes_of(frame: str) -> tuple[list[int], Array]:
    """A frame -> which channel is x, y and z of the camera, and with which sign (3,) float32.

    frame: a name of `geometry.AXES`, or the directions of the channels: right or left, down or up, forward or back.
    """
    if frame in AXES:
        return [0, 1, 2], np.array(AXES[frame], np.float32)
    words = frame.split()
    axes = [WORDS.get(word, (-1, 0))[0] for word in words]
    if sorted(axes) != [0, 1, 2]:
        told = f"{', '.join(AXES)}, or three directions such as 'left up back' ({', '.join(WORDS)})"
        raise UsageError(f"normal_frame is {frame!r}. Allowed: {told}.")
    order = [axes.index(axis) for axis in range(3)]
    return order, np.array([WORDS[words[channel]][1] for channel in order], np.float32)


def read_plane(path: Path) -> Array:
    """(H, W) of a depth file, in its own numbers."""
    if path.suffix.lower() == ".png":
        plane = read_first_channel(path)
        if plane.dtype != np.uint16:
            raise InputError(f"{path}: {8 * plane.itemsize} bit. Allowed: 16 bit; 256 steps are no depth.")
        return plane
    values = _npy(path) if path.suffix.lower() == ".npy" else read_exr(path, DEPTH_CHANNELS)[..., 0]
    if values.ndim != 2:
        raise InputError(f"{path}: {values.ndim} axes. Allowed: (H, W).")
    return values


def read_vectors(path: Path) -> Array:
    """(H, W, 3) float32 of a normal file, x, y, z in its own axes; of a PNG 0..255 (or 65535) is -1..1, and 0, 0, 0 nothing."""
    if path.suffix.lower() == ".png":
        with decoding(str(path)):
            raw: Array | None = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if raw is None or raw.ndim != 3 or raw.shape[2] < 3:
            raise InputError(f"{path}: not a picture of three channels, or damaged. Fix: write it again.")
        whole = raw[..., 2::-1]
        values = whole.astype(np.float32) / np.iinfo(raw.dtype).max * 2 - 1
        values[(whole == 0).all(-1)] = 0
        return values
    values = _npy(path) if path.suffix.lower() == ".npy" else read_exr(path, NORMAL_CHANNELS)
    if values.ndim != 3 or values.shape[2] != 3:
        raise InputError(f"{path}: shape {values.shape}. Allowed: (H, W, 3).")
    return values.astype(np.float32)


def _whole_numbers(folder: Path) -> str:
    """Which files of depth hold whole numbers, "" if none does. Of .npy only the first is looked into; others when read."""
    if any(folder.glob("*.png")):
        return f"{folder}: its PNG files hold"
    first = min(folder.glob("*.npy"), default=None)
    try:
        kind = None if first is None else np.load(first, mmap_mode="r", allow_pickle=False).dtype
    except (OSError, ValueError, EOFError):
        return ""  # a damaged file speaks up when it is read
    return f"{first}: {kind} means" if kind is not None and kind.kind in "iu" else ""


def _npy(path: Path) -> Array:
    try:
        array: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not an array file, or damaged ({error}). Fix: write it again.") from error
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: {array.dtype}. Allowed: numbers.")
    return array

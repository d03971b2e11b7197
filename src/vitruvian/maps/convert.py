"""What becomes of the maps of one photo: a matte, a cut-out, EXR of depth and normals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from vitruvian.errors import InputError
from vitruvian.geometry import AXES
from vitruvian.maps.exr import exr_bytes
from vitruvian.predict.stored import Stored, photo_of
from vitruvian.predict.write import png_bytes
from vitruvian.types import Array

Files: TypeAlias = Mapping[tuple[str, str], Callable[[], bytes]]  # (kind, ending) of a file -> what makes its bytes
MEANING = {
    "camera": "x right, y down, z away from the camera",
    "opengl": "x right, y up, z towards the camera",
    "directx": "x right, y down, z towards the camera",
}


def alpha_files(stored: Stored) -> Files:
    """A matte: 255 where somebody is, else 0."""
    matte = foreground(stored)
    return {("alpha", "png"): lambda: png_bytes(matte)}


def cutout_files(stored: Stored, photos: Path) -> Files:
    """The photo with the matte as its alpha channel (not multiplied in)."""
    matte, pixels = foreground(stored), photo_of(stored, photos)
    return {("cutout", "png"): lambda: png_bytes(np.dstack([pixels, matte]))}


def exr_files(stored: Stored, axes: str, given_axes: str | None = None) -> Files:
    """Depth (Y and Z, float) and normals (R, G, B = x, y, z, half), each with A: 1 where there is a value, 0 elsewhere.

    given_axes: see `Stored.normals`.
    """
    made: dict[tuple[str, str], Callable[[], bytes]] = {}
    if stored.has("depth"):
        depth, said = stored.map("depth").astype(np.float32), _depth_comment(stored)
        made["depth", "exr"] = lambda: exr_bytes(_depth_channels(depth), said)
    if stored.has("normal"):
        normal = stored.normals(given_axes)
        comment = f"unit surface normals in R, G, B: {MEANING[axes]}; A = 0: nobody"
        made["normal", "exr"] = lambda: exr_bytes(_normal_channels(normal, axes), comment)
    if not made:
        raise InputError(f"{stored.where}: neither depth nor normals. Fix: vitruvian predict with --tasks depth normal.")
    return made


def foreground(stored: Stored) -> Array:
    """(H, W) uint8: 255 where somebody is. InputError where only boxes say where people are."""
    if (stored.record.get("owner") or {}).get("mask", "parts") != "parts":
        raise InputError(f"{stored.where}: no outline of the people is known. Fix: vitruvian predict with --tasks seg.")
    return np.where(stored.map("owner") > 0, 255, 0).astype(np.uint8)


def _depth_channels(depth: Array) -> dict[str, Array]:
    known: Array = np.isfinite(depth)
    plain = np.where(known, depth, np.float32(0))
    return {"A": known.astype(np.float32), "Y": plain, "Z": plain}


def _normal_channels(normal: Array, axes: str) -> dict[str, Array]:
    known = np.asarray(np.isfinite(normal).all(-1))
    turned: Array = np.where(known[..., None], normal * np.array(AXES[axes], np.float16), np.float16(0)).astype(np.float16)
    return {**{name: turned[..., i] for i, name in enumerate("RGB")}, "A": known.astype(np.float16)}


def _depth_comment(stored: Stored) -> str:
    about = stored.record.get("depth") or {}
    if about.get("kind") == "metric":
        return "metres along the viewing axis in Y and Z; A = 0: nobody"
    return f"{about.get('kind')} depth in Y and Z: {about.get('values', 'see the record')}; A = 0: nobody"

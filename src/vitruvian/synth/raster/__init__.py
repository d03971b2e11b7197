"""Rasterisers: which triangle is seen at each pixel, and nothing else.

Depth, normals, parts and the rest are worked out from the triangle ids by `synth.resolve`, so every backend labels alike.
`rasteriser("auto")` takes the first of BACKENDS that works on this machine; its `name` is recorded with a data set.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Protocol

from vitruvian.errors import UsageError, unknown_name
from vitruvian.types import Array


class Rasteriser(Protocol):
    """One backend. `name` is its key in BACKENDS."""

    name: str

    def triangle_ids(self, vertices: Array, faces: Array, intrinsics: Array, size: tuple[int, int]) -> Array:
        """Nearest triangle at each pixel centre (integer coordinates): (H, W) int32 row of `faces`, -1 where none.

        vertices (V, 3) float32 metres in camera axes; faces (F, 3) int32; intrinsics (3, 3); size (H, W).
        Both sides of a triangle are seen. At equal depth the smaller row wins. A triangle with any vertex nearer than
        `projection.NEAR` is left out whole.
        """
        ...


def _numpy() -> Rasteriser:
    from vitruvian.synth.raster.numpy_backend import NumpyRasteriser

    return NumpyRasteriser()


def _moderngl() -> Rasteriser:
    from vitruvian.synth.raster.moderngl_backend import ModernglRasteriser

    return ModernglRasteriser()


BACKENDS: dict[str, Callable[[], Rasteriser]] = {"moderngl": _moderngl, "numpy": _numpy}


@cache
def _opened(name: str) -> Rasteriser | str:
    """The backend, opened once in this process, or the reason why it does not open."""
    try:
        return BACKENDS[name]()
    except Exception as error:  # drivers raise whatever they like; the reason is kept and shown
        return f"{type(error).__name__}: {error}"


def available() -> dict[str, str]:
    """Every backend by name: an empty string where it works here, else the reason why it does not."""
    opened = {name: _opened(name) for name in BACKENDS}
    return {name: found if isinstance(found, str) else "" for name, found in opened.items()}


def rasteriser(name: str = "auto") -> Rasteriser:
    """The backend of that name, or with "auto" the first that opens. UsageError for an unknown or unusable one."""
    if name != "auto" and name not in BACKENDS:
        raise unknown_name("rasteriser", name, ("auto", *BACKENDS))
    for each in BACKENDS if name == "auto" else (name,):
        found = _opened(each)
        if not isinstance(found, str):
            return found
    raise UsageError(
        f"the rasteriser {name!r} does not open here ({_opened(name)}). "
        "Install the extra with `pip install vitruvian[synth]` and an EGL driver, or choose the rasteriser numpy."
    )

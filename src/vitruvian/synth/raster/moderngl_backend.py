"""Triangle ids through OpenGL on an EGL context without a window (extra `synth`): a driver's GPU, or Mesa in software.

One context a process, opened after any fork: workers are spawned, never forked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vitruvian.synth.raster.projection import in_front
from vitruvian.types import Array

VERTEX = """
#version 330
uniform mat4 camera;
in vec3 position;
void main() { gl_Position = camera * vec4(position, 1.0); }
"""

# Zero is "nothing here", so that an image of zeros is an empty frame.
FRAGMENT = """
#version 330
out int id;
void main() { id = gl_PrimitiveID + 1; }
"""


class ModernglRasteriser:
    """Opens its context at once; raises what moderngl raises where there is none."""

    name = "moderngl"

    def __init__(self) -> None:
        import moderngl

        self._gl: Any = moderngl
        self._context: Any = self._gl.create_context(standalone=True, backend="egl")
        self._context.enable_only(self._gl.DEPTH_TEST)
        self._context.depth_func = "<"
        self._program: Any = self._context.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
        self._frames: dict[tuple[int, int], tuple[Any, Any]] = {}

    @property
    def device(self) -> str:
        """What draws, in the driver's words."""
        return str(self._context.info["GL_RENDERER"])

    def triangle_ids(self, vertices: Array, faces: Array, intrinsics: Array, size: tuple[int, int]) -> Array:
        """See `Rasteriser.triangle_ids`."""
        front = in_front(vertices, faces)
        used = vertices[:, 2] if front is None else vertices[faces[front], 2]
        if not len(faces) or not used.size:
            return np.full(size, -1, np.int32)
        drawn = faces if front is None else np.where(front[:, None], faces, 0)
        ids, frame = self._frame(size)
        frame.use()
        frame.clear()
        ids.write(np.zeros(size, np.int32))
        self._program["camera"].write(_matrix(intrinsics, size, float(used.min()), float(used.max())).T.tobytes())
        self._draw(vertices, drawn)
        return np.frombuffer(ids.read(), np.int32).reshape(size) - 1

    def _draw(self, vertices: Array, faces: Array) -> None:
        points = self._context.buffer(np.ascontiguousarray(vertices, np.float32))
        rows = self._context.buffer(np.ascontiguousarray(faces, np.int32))
        array = self._context.vertex_array(self._program, [(points, "3f", "position")], rows)
        array.render(self._gl.TRIANGLES)
        for each in (array, rows, points):
            each.release()

    def _frame(self, size: tuple[int, int]) -> tuple[Any, Any]:
        if size not in self._frames:
            flat = (size[1], size[0])
            ids = self._context.texture(flat, 1, dtype="i4", alignment=4)
            depth = self._context.depth_renderbuffer(flat)
            self._frames[size] = ids, self._context.framebuffer([ids], depth)
        return self._frames[size]


def _matrix(intrinsics: Array, size: tuple[int, int], near: float, far: float) -> Array:
    """Camera axes -> clip space, (4, 4) float32; row 0 of the frame is the first one that OpenGL reads.

    OpenGL puts the centre of pixel i at i + 0.5. Near and far hug the scene: the depth buffer has 24 bits.
    """
    k = np.asarray(intrinsics, np.float64)
    near, far = near * 0.999, far * 1.001
    to_clip = np.zeros((4, 4))
    to_clip[0, :3] = 2 / size[1] * (k[0] + [0, 0, 0.5]) - [0, 0, 1]
    to_clip[1, :3] = 2 / size[0] * (k[1] + [0, 0, 0.5]) - [0, 0, 1]
    to_clip[2, 2:] = (far + near) / (far - near), -2 * far * near / (far - near)
    to_clip[3, 2] = 1
    return to_clip.astype(np.float32)

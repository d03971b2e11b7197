"""A contact sheet of a data set: one row a sample; picture, parts, depth, normals and key points beside each other."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vitruvian.data.gbuffer import GBuffer, read_gbuffer
from vitruvian.synth.dataset.work import write_bytes
from vitruvian.types import Array
from vitruvian.vocab import class_set, skeleton

GAP = 4  # px between tiles
TALLEST = 512  # px: larger frames are shrunk to this on the sheet
SHADE = np.array([-0.45, -0.6, -0.66])  # where the light of an undrawn frame comes from


def write_preview(folder: Path, path: Path, rows: int = 8) -> Path:
    """Draw the first `rows` samples of a data set folder into a PNG. VitruvianError when it cannot be written."""
    frames = sorted((folder / "gbuffers").glob("*.npz"))[:rows]
    shown = [row(read_gbuffer(frame), _picture(folder / "images" / f"{frame.stem}.jpg")) for frame in frames]
    sheet = np.concatenate([np.pad(each, ((GAP, 0), (0, 0), (0, 0)), constant_values=255) for each in shown])
    _, content = cv2.imencode(".png", sheet[..., ::-1])
    write_bytes(path, content.tobytes())
    return path


def _picture(path: Path) -> Array | None:
    image = cv2.imread(str(path)) if path.is_file() else None
    return None if image is None else image[..., ::-1]


def row(frame: GBuffer, picture: Array | None = None) -> Array:
    """(H, W', 3) uint8 RGB: the tiles of one frame. Without a picture, grey shading stands for it."""
    first = shaded(frame) if picture is None else picture
    tiles = [first, parts(frame, first), depths(frame), normal_colors(frame), keypoints(frame, first)]
    scale = min(1.0, TALLEST / frame.size[0])
    if scale < 1:
        tiles = [cv2.resize(tile, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for tile in tiles]
    spaced = [np.pad(tile, ((0, 0), (0, GAP), (0, 0)), constant_values=255) for tile in tiles]
    out: Array = np.concatenate(spaced, axis=1)[:, :-GAP]
    return out


def shaded(frame: GBuffer) -> Array:
    """Plain grey shading of the geometry."""
    light = np.nan_to_num(frame.normal) @ SHADE.astype(np.float32)
    out: Array = np.repeat(
        np.where(frame.person > 0, 60 + 190 * np.clip(light, 0, 1), 20).astype(np.uint8)[..., None], 3, axis=2
    )
    return out


def parts(frame: GBuffer, picture: Array) -> Array:
    """Class colours over the dimmed picture."""
    colors = np.array(class_set("body28").colors, np.uint8)[frame.part]
    mixed = 0.8 * colors + 0.2 * picture
    return np.where(frame.person[..., None] > 0, mixed, picture * 0.3).astype(np.uint8)


def depths(frame: GBuffer) -> Array:
    """Near is warm, far is cold; each frame over its own range."""
    inside = frame.person > 0
    if not inside.any():
        return np.zeros((*frame.size, 3), np.uint8)
    near, far = np.nanpercentile(frame.depth, (1, 99))
    grey = np.clip((far - np.nan_to_num(frame.depth)) / max(far - near, 1e-6), 0, 1) * 255
    colors = cv2.applyColorMap(grey.astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    return np.where(inside[..., None], colors, 0).astype(np.uint8)


def normal_colors(frame: GBuffer) -> Array:
    """Right, up and towards the viewer as red, green and blue."""
    colors = (np.nan_to_num(frame.normal) * np.array([1, -1, -1], np.float32) + 1) * 127.5
    return np.where(frame.person[..., None] > 0, colors, 0).astype(np.uint8)


def keypoints(frame: GBuffer, picture: Array) -> Array:
    """Whole-body key points and links over the dimmed picture: seen ones bright and filled, hidden ones dark rings."""
    canvas = (picture * 0.45).astype(np.uint8)
    for who in frame.people:
        _draw_skeleton(canvas, who.wholebody133)
    return canvas


def _draw_skeleton(canvas: Array, points: Array) -> None:
    names = skeleton("wholebody133")
    place = [(round(x), round(y)) for x, y in points[:, :2].tolist()]
    light = np.array([0.0, 0.4, 1.0])[points[:, 2].astype(int)]
    for link in names.links:
        bright = min(light[link.start], light[link.end])
        if bright:
            cv2.line(canvas, place[link.start], place[link.end], [bright * c for c in link.color], 1, cv2.LINE_AA)
    body = (*names.groups["body"], *names.groups["foot"])
    for i in np.flatnonzero(light):
        radius = 2 if i in body else 1
        cv2.circle(canvas, place[i], radius, [light[i] * c for c in names.colors[i]], -1 if light[i] == 1 else 1, cv2.LINE_AA)

"""Boxes, crops and cameras: pure functions on arrays; OpenCV only to resample pixels."""

from __future__ import annotations

import cv2
import numpy as np

from vitruvian.types import Array, Crop, Fit


def box_center_scale(box: Array, padding: float = 1.25) -> tuple[Array, Array]:
    """(…, 4) xyxy -> centre (…, 2) and padded size (…, 2) as width, height; float32 as in the official crop."""
    box = np.asarray(box, np.float32)
    center = (box[..., :2] + box[..., 2:]) * 0.5
    return center, (box[..., 2:] - box[..., :2]) * np.float32(padding)


def fix_aspect(scale: Array, width_over_height: float) -> Array:
    """Widen the shorter side of (…, 2) width, height until the ratio is met."""
    w, h = scale[..., 0], scale[..., 1]
    wide = w > h * width_over_height
    w, h = np.where(wide, w, h * width_over_height), np.where(wide, w / width_over_height, h)
    return np.stack([w, h], -1).astype(scale.dtype)


def udp_matrix(center: Array, scale: Array, size: tuple[int, int], rotation: float = 0.0) -> Array:
    """(2, 3) float64 matrix of the unbiased crop: source px -> input px of `size` (H, W); rotation in degrees.

    Both ends of the box land on the first and last pixel centre, hence the size - 1 (UDP, arXiv 1911.07524).
    """
    cx, cy = (float(v) for v in center)
    sw, sh = (float(v) for v in scale)
    height, width = size
    sx, sy = (width - 1.0) / sw, (height - 1.0) / sh
    cos, sin = np.cos(np.deg2rad(rotation)), np.sin(np.deg2rad(rotation))
    return np.array(
        [
            [cos * sx, -sin * sx, sx * (-cx * cos + cy * sin + 0.5 * sw)],
            [sin * sy, cos * sy, sy * (-cx * sin - cy * cos + 0.5 * sh)],
        ],
        np.float64,
    )


def stretch_matrix(source: tuple[int, int], size: tuple[int, int]) -> Array:
    """(2, 3) matrix of a plain resize of the whole frame; pixel areas (not centres) are kept, as in OpenCV."""
    sx, sy = size[1] / source[1], size[0] / source[0]
    return np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5]], np.float64)


def pad_matrix(source: tuple[int, int], size: tuple[int, int]) -> Array:
    """(2, 3) matrix that fits the whole frame inside `size`, keeping its aspect, centred."""
    s = min(size[0] / source[0], size[1] / source[1])
    dx, dy = (size[1] - source[1] * s) / 2, (size[0] - source[0] * s) / 2
    return np.array([[s, 0, 0.5 * s - 0.5 + dx], [0, s, 0.5 * s - 0.5 + dy]], np.float64)


def make_crop(
    box: Array,
    size: tuple[int, int],
    source: tuple[int, int],
    fit: Fit = "affine",
    padding: float = 1.25,
    rotation: float = 0.0,
) -> Crop:
    """The crop of one person or of the whole frame.

    `affine`: the padded box at the input's aspect, as officially for pose; `lite`: the padded box at the photo's aspect,
    stretched to the input's, as the official lite release does; `stretch`: the whole frame, as officially for dense tasks;
    `pad`: the whole frame at its own aspect. size (H, W) of the input, source (H, W) of the photo.
    """
    if fit == "stretch":
        return Crop(stretch_matrix(source, size), size, source)
    if fit == "pad":
        return Crop(pad_matrix(source, size), size, source)
    center, scale = box_center_scale(box, padding)
    height, width = source if fit == "lite" else size
    return Crop(udp_matrix(center, fix_aspect(scale, width / height), size, rotation), size, source)


def warp(image: Array, crop: Crop, border: float = 0.0, nearest: bool = False) -> Array:
    """Source array (H, W[, C]) -> input array of the crop's size; mirrored when the crop is flipped."""
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    value = (border,) * 4
    height, width = crop.size
    out = cv2.warpAffine(image, crop.matrix, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=value)
    return np.ascontiguousarray(out[:, ::-1]) if crop.flipped else out


def warp_area(image: Array, crop: Crop) -> Array:
    """`warp` for photos that does not skip pixels: what the crop makes smaller is first reduced by averaging areas."""
    gain = float(np.sqrt(abs(np.linalg.det(crop.matrix[:, :2]))))
    height, width = crop.size
    corners = crop.points_to_source(np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], np.float64))
    margin = 2 / gain
    limit = np.array(image.shape[1::-1])
    low = np.clip(np.floor(corners.min(0) - margin), 0, limit).astype(int)
    high = np.clip(np.ceil(corners.max(0) + margin) + 1, 0, limit).astype(int)
    if gain >= 1 or (high <= low).any():
        return warp(image, crop)
    size = np.maximum(np.round((high - low) * gain), 1).astype(int)
    small = cv2.resize(image[low[1] : high[1], low[0] : high[0]], (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    step = (high - low) / size
    to_source = np.array([[step[0], 0, step[0] / 2 - 0.5 + low[0]], [0, step[1], step[1] / 2 - 0.5 + low[1]], [0, 0, 1]])
    return warp(small, Crop(crop.matrix @ to_source, crop.size, small.shape[:2], crop.flipped))


def map_to_source(values: Array, crop: Crop, border: float = np.nan, nearest: bool = False) -> Array:
    """Input-frame map (H, W[, C]) -> source frame; `border` outside the crop, whose outer pixels count with their full area."""
    if crop.flipped:
        values = np.ascontiguousarray(values[:, ::-1])
    flags = (cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    size = crop.source_size[::-1]
    out: Array = cv2.warpAffine(values, crop.matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    everywhere = np.ones(values.shape[:2], np.uint8)
    inside = cv2.warpAffine(everywhere, crop.matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    out[inside == 0] = border
    return out


def unproject(depth: Array, intrinsics: Array) -> Array:
    """Metric depth (H, W) and K (3, 3) -> points (H, W, 3) in camera axes, metres."""
    height, width = depth.shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    k = np.asarray(intrinsics, np.float64)
    return np.stack([(x - k[0, 2]) / k[0, 0] * depth, (y - k[1, 2]) / k[1, 1] * depth, depth], -1)


def project(points: Array, intrinsics: Array) -> Array:
    """(…, 3) camera points in metres -> (…, 2) pixels."""
    k = np.asarray(intrinsics, np.float64)
    z = points[..., 2:]
    xy: Array = points[..., :2] / z * np.array([k[0, 0], k[1, 1]]) + np.array([k[0, 2], k[1, 2]])
    return xy


def iou_matrix(a: Array, b: Array) -> Array:
    """Intersection over union of xyxy boxes (N, 4) and (M, 4) -> (N, M)."""
    a, b = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.prod(np.clip(high - low, 0, None), -1)
    area = np.prod(a[:, 2:] - a[:, :2], -1)[:, None] + np.prod(b[:, 2:] - b[:, :2], -1)[None]
    out: Array = inter / np.maximum(area - inter, 1e-12)
    return out


def nms(boxes: Array, scores: Array, threshold: float) -> Array:
    """Indices kept by greedy non-maximum suppression, best score first."""
    order = np.argsort(-np.asarray(scores), kind="stable")
    overlap = iou_matrix(boxes, boxes)
    keep: list[int] = []
    for i in order:
        if all(overlap[i, j] <= threshold for j in keep):
            keep.append(int(i))
    return np.array(keep, np.int64)

"""Boxes, crops and cameras: pure functions on arrays; OpenCV only to resample pixels."""

from __future__ import annotations

import cv2
import numpy as np

from vitruvian.types import Array, Crop, Fit

# signs that turn vectors in camera axes (+x right, +y down, +z forward) into those of other trades
AXES = {
    "camera": (1, 1, 1),
    "opengl": (1, -1, -1),  # +y up, +z towards the viewer
    "directx": (1, 1, -1),  # +y down, +z towards the viewer: a green channel as games with DirectX expect it
}


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
    """Source array (H, W[, C]) -> input array of the crop's size; mirrored when the crop is flipped.

    The whole frame stretched has no border to blend with, also where it is enlarged.
    """
    width_height = crop.size[::-1]
    whole = image.shape[:2] == crop.source_size and np.allclose(crop.matrix, stretch_matrix(crop.source_size, crop.size))
    if whole and not nearest:
        out = cv2.resize(image, width_height, interpolation=cv2.INTER_LINEAR)
    else:
        flags, value = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR, (border,) * 4
        out = cv2.warpAffine(image, crop.matrix, width_height, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=value)
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


def shrink(image: Array, longest: int) -> Array:
    """(H, W[, C]) -> the same with its longer side at most `longest` px, by averaging areas."""
    scale = longest / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small: Array = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small


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
    return suppress(iou_matrix(boxes, boxes), scores, threshold)


def suppress(alike: Array, scores: Array, threshold: float) -> Array:
    """Indices that stay, best score first: each goes that is more alike, (N, N), than `threshold` to one that stays."""
    order = np.argsort(-np.asarray(scores), kind="stable")
    keep: list[int] = []
    for i in order:
        if all(alike[i, j] <= threshold for j in keep):
            keep.append(int(i))
    return np.array(keep, np.int64)


def oks_matrix(points: Array, areas: Array, sigmas: Array) -> Array:
    """Object keypoint similarity of poses (N, K, 2) px with each other -> (N, N); areas (N,) px², sigmas (K,).

    COCO's: the mean over all points of exp(-d² / (2 s² (2 sigma)²)), s² being the mean of the two areas.
    """
    places = np.asarray(points, np.float64)
    areas = np.asarray(areas, np.float64)
    square = ((places[:, None] - places[None]) ** 2).sum(-1)
    size = (areas[:, None] + areas[None]) / 2
    spread = 2 * np.maximum(size, 1e-12)[..., None] * (2 * np.asarray(sigmas, np.float64)) ** 2
    out: Array = np.exp(-square / spread).mean(-1)
    return out


def angle_between(a: Array, at: Array, b: Array) -> Array:
    """Degrees 0..180 between the directions from `at` to `a` and to `b`, each (…, 2); NaN where two of them fall together."""
    u, v = np.asarray(a, np.float64) - at, np.asarray(b, np.float64) - at
    across = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    angle = np.degrees(np.arctan2(np.abs(across), (u * v).sum(-1)))
    return np.where((u == 0).all(-1) | (v == 0).all(-1), np.nan, angle)


def lean(base: Array, top: Array) -> Array:
    """Degrees -180..180 of the line from `base` to `top`, each (…, 2), against the picture's upright; positive to the right."""
    line = np.asarray(top, np.float64) - base
    return np.where((line == 0).all(-1), np.nan, np.degrees(np.arctan2(line[..., 0], -line[..., 1])))


def pinhole(focal: float, size: tuple[int, int]) -> Array:
    """K (3, 3) of square pixels, the focal length in pixels, the axis through the middle of a picture of `size` (H, W)."""
    return np.array([[focal, 0, (size[1] - 1) / 2], [0, focal, (size[0] - 1) / 2], [0, 0, 1]], np.float64)


def focal_of_fov(degrees: float, width: int) -> float:
    """Focal length in pixels of a horizontal field of view."""
    return float(width / 2 / np.tan(np.radians(degrees) / 2))


def focal_of_35mm(millimetres: float, size: tuple[int, int]) -> float:
    """Focal length in pixels of a 35 mm equivalent, which compares diagonals: 43.27 mm and that of `size` (H, W)."""
    return float(millimetres * np.hypot(*size) / np.hypot(36, 24))


def scale_and_shift(values: Array, truth: Array) -> tuple[float, float]:
    """Scale and shift (N,) -> (N,) of the least squared error; needs two different values."""
    middle = values.mean()
    away = np.asarray(values, np.float64) - middle
    scale = float((away * (truth - np.mean(truth))).sum() / (away**2).sum())
    return scale, float(np.mean(truth) - scale * middle)

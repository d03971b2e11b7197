"""Exported models without PyTorch: from a photo to their input, and from their outputs to points, parts, depth, normals, boxes.

This file stands alone, and may be copied: it needs numpy and OpenCV, and ONNX Runtime to run a file. It says what
`vitruvian predict` says of crops in float32 (the tests hold it to that); there is no flip test and no composition of people.
Pixels: x right, y down, integer coordinates are pixel centres; sizes are (H, W); images are (H, W, 3) uint8 RGB, upright.
A `card` is the JSON that an exported file carries: the model's specification, its vocabularies, licence and hash.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Card = Mapping[str, Any]
Value = dict[str, Array]
AT_ONCE = 16  # crops of one pass


@dataclass(frozen=True)
class Crop:
    """What the model sees. matrix: (2, 3) float64, px of the photo, of size (H, W), -> px of the input; spec: the model's."""

    matrix: Array
    photo: tuple[int, int]
    spec: Mapping[str, Any]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the input."""
        return self.spec["size"][0], self.spec["size"][1]

    def head(self, task: str) -> Mapping[str, Any]:
        """The specification of a task's head."""
        return _head(task, self.spec)

    def to_photo(self, points: Array) -> Array:
        """(..., 2) input px -> photo px, float64."""
        return np.asarray((points - self.matrix[:, 2]) / np.diag(self.matrix[:, :2]))


class OnnxModel:
    """An exported .onnx file in ONNX Runtime. providers, threads: where and on how many processors to run (None: all)."""

    def __init__(
        self, path: str | Path, providers: Sequence[str] = ("CPUExecutionProvider",), threads: int | None = None
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        self.session = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
        entries = self.session.get_modelmeta().custom_metadata_map
        if "vitruvian" not in entries:
            raise ValueError(f"{path}: not a file made by `vitruvian export`: it has no metadata entry 'vitruvian'")
        self.card: Card = json.loads(entries["vitruvian"])

    def words(self, task: str) -> list[str]:
        """The names of a head's channels: keypoints of pose, classes of seg; none where channels have no names."""
        return list(self.card["vocabularies"].get(_head(task, self.card["spec"])["vocabulary"], []))

    def run(self, pixels: Array) -> Value:
        """(B, 3, H, W) float32 -> task -> (B, out, h, w) float32."""
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, {"image": pixels}), strict=True))

    def predict(self, image: Array, boxes: Array | None = None) -> list[dict[str, Any]]:
        """Per box (N, 4) xyxy px, or for the whole photo where none are given: task -> values, see `decode`."""
        whole = np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32)
        rows = whole if boxes is None else np.asarray(boxes, np.float32).reshape(-1, 4)
        out: list[dict[str, Any]] = []
        for start in range(0, len(rows), AT_ONCE):
            pixels, crops = prepare(image, rows[start : start + AT_ONCE], self.card)
            out += decode(self.run(pixels), crops)
        return out


def prepare(image: Array, boxes: Array, card: Card) -> tuple[Array, list[Crop]]:
    """The model's input (N, 3, H, W) float32 for boxes (N, 4), N > 0, and the crops it was made by."""
    spec, photo = card["spec"], (image.shape[0], image.shape[1])
    crops = [Crop(crop_matrix(box, photo, spec), photo, spec) for box in boxes]
    fetch = warp_area if spec["resample"] == "area" else warp
    pixels: Array = np.stack([fetch(image, crop) for crop in crops]).astype(np.float32)
    pixels = (pixels - np.array(spec["mean"], np.float32)) / np.array(spec["std"], np.float32)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)), crops


def decode(outputs: Mapping[str, Array], crops: Sequence[Crop]) -> list[dict[str, Any]]:
    """Outputs for N crops -> N times task -> values; points in photo px, maps at the input's size (see `map_to_photo`).

    pose: xy (K, 2), score (K,) in the vocabulary's order · seg: ids (H, W) uint8, score (H, W) · depth: z (H, W), relative,
    0 near, 1 far · normal: n (H, W, 3), +x right, +y down, +z forward, but as the weights were trained where the head's option
    `axes` is "unstated" · person: xyxy (M, 4), score (M,), best first.
    Under "crop" lies the crop itself.
    """
    return [
        {"crop": crop, **{task: DECODERS[task](values[i], crop) for task, values in outputs.items()}}
        for i, crop in enumerate(crops)
    ]


def crop_matrix(box: Array, photo: tuple[int, int], spec: Mapping[str, Any]) -> Array:
    """(2, 3) float64: photo px -> input px, as the model was trained. The box xyxy counts where crops are of people."""
    height, width = spec["size"]
    if spec["fit"] == "stretch":
        sx, sy = width / photo[1], height / photo[0]
        return np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5]])
    if spec["fit"] == "pad":
        s = min(height / photo[0], width / photo[1])
        left, top = (width - photo[1] * s) / 2, (height - photo[0] * s) / 2
        return np.array([[s, 0, 0.5 * s - 0.5 + left], [0, s, 0.5 * s - 0.5 + top]])
    cx, cy = (box[:2] + box[2:]) * np.float32(0.5)
    w, h = (box[2:] - box[:2]) * np.float32(spec["box_padding"])
    aspect = photo[1] / photo[0] if spec["fit"] == "lite" else width / height
    w, h = (w, np.float32(w / aspect)) if w > h * aspect else (np.float32(h * aspect), h)
    gain_x, gain_y = (width - 1) / float(w), (height - 1) / float(h)  # the box's ends on the outer pixel centres (UDP)
    return np.array([[gain_x, 0, gain_x * (0.5 * float(w) - float(cx))], [0, gain_y, gain_y * (0.5 * float(h) - float(cy))]])


def warp(image: Array, crop: Crop) -> Array:
    """The crop's pixels (H, W, 3); black outside the photo. A whole photo that is stretched has no outside."""
    gain = np.array(crop.size) / image.shape[:2]
    whole = np.array([[gain[1], 0, 0.5 * gain[1] - 0.5], [0, gain[0], 0.5 * gain[0] - 0.5]])
    if np.allclose(crop.matrix, whole):
        return np.asarray(cv2.resize(image, crop.size[::-1], interpolation=cv2.INTER_LINEAR))
    return np.asarray(cv2.warpAffine(image, crop.matrix, crop.size[::-1], flags=cv2.INTER_LINEAR))


def warp_area(image: Array, crop: Crop) -> Array:
    """`warp` that skips no pixels: what the crop makes smaller is first reduced by averaging areas."""
    height, width = crop.size
    gain = math.sqrt(crop.matrix[0, 0] * crop.matrix[1, 1])
    corners = crop.to_photo(np.array([[0, 0], [width - 1, height - 1]], np.float64))
    limit = np.array(image.shape[1::-1])
    low = np.clip(np.floor(corners[0] - 2 / gain), 0, limit).astype(int)
    high = np.clip(np.ceil(corners[1] + 2 / gain) + 1, 0, limit).astype(int)
    if gain >= 1 or (high <= low).any():
        return warp(image, crop)
    size = np.maximum(np.round((high - low) * gain), 1).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    small = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    step = (high - low) / size
    to_large = np.array([[step[0], 0, step[0] / 2 - 0.5 + low[0]], [0, step[1], step[1] / 2 - 0.5 + low[1]], [0, 0, 1]])
    return warp(small, replace(crop, matrix=crop.matrix @ to_large))


def map_to_photo(values: Array, crop: Crop, border: float = math.nan) -> Array:
    """A map (H, W[, C]) at the input's size -> one of the photo's size, `border` outside the crop; uint8 maps stay ids."""
    method = (cv2.INTER_NEAREST if values.dtype == np.uint8 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    size = crop.photo[::-1]
    out = np.asarray(cv2.warpAffine(values, crop.matrix, size, flags=method, borderMode=cv2.BORDER_REPLICATE))
    everywhere = np.ones(values.shape[:2], np.uint8)
    out[cv2.warpAffine(everywhere, crop.matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP) == 0] = border
    return out


def decode_pose(maps: Array, crop: Crop) -> Value:
    """(K, h, w) heatmaps, or logits of a head with activation softmax -> xy (K, 2) and score (K,)."""
    height, width = crop.size
    if crop.head("pose")["options"].get("activation") == "softmax":
        sigma = crop.spec["sigma"]
        share = np.exp(maps - maps.max((1, 2), keepdims=True))
        share /= share.sum((1, 2), keepdims=True)
        points, _ = _peaks(share * np.float32(2 * math.pi * sigma**2))  # a map like its target peaks at 1
        score = _mass(share, sigma)
    else:
        points, score = _peaks(maps)
    # the official codec's full sizes cancel on the way back to the photo, so that both codecs end in the same place
    points = points / np.array([maps.shape[2] - 1, maps.shape[1] - 1]) * np.array([width - 1, height - 1])
    return {"xy": crop.to_photo(points).astype(np.float32), "score": score.astype(np.float32)}


def _mass(share: Array, sigma: float) -> Array:
    """(K,) probability within two sigma of the peak, along x and along y."""
    rows, cols = share.shape[1:]
    y, x = np.divmod(share.reshape(len(share), -1).argmax(1), cols)
    radius = math.ceil(2 * sigma)
    near_y = np.abs(np.arange(rows) - y[:, None]) <= radius
    near_x = np.abs(np.arange(cols) - x[:, None]) <= radius
    return np.asarray((share * near_y[:, :, None] * near_x[:, None]).sum((1, 2)))


def _peaks(maps: Array) -> tuple[Array, Array]:
    """(K, h, w) -> places x, y (K, 2) float64 in map px, refined by a Newton step on the logarithm (DARK), and heights (K,)."""
    rows, cols = maps.shape[1:]
    flat = maps.reshape(len(maps), -1)
    index, score = flat.argmax(1), flat.max(1)
    y, x = np.divmod(index, cols)
    blurred = _blur(rows) @ maps @ _blur(cols)
    peak = blurred.max((1, 2))
    gain = np.where((score > 0) & (peak > 0), score / np.where(peak > 0, peak, 1), 1).astype(np.float32)
    offset = np.arange(-1, 2)
    near_y, near_x = (y[:, None] + offset).clip(0, rows - 1), (x[:, None] + offset).clip(0, cols - 1)
    around = blurred[np.arange(len(maps))[:, None, None], near_y[:, :, None], near_x[:, None]] * gain[:, None, None]
    step = _newton(np.log(around.clip(1e-3, 50).astype(np.float64)))
    found = (score > 0)[:, None]
    return np.where(found, np.stack([x, y], 1) + step, -1.0), score


def _blur(length: int) -> Array:
    """(length, length) band matrix of an 11-tap Gaussian of sigma 2, zeros beyond the ends."""
    taps = np.exp(-(np.arange(6) ** 2) / 8)
    taps = np.append(taps / (2 * taps.sum() - taps[0]), 0.0)
    distance = np.abs(np.arange(length)[:, None] - np.arange(length))
    return np.asarray(taps[distance.clip(max=6)].astype(np.float32))


def _newton(v: Array) -> Array:
    """(K, 3, 3) values -> (K, 2) step x, y to the maximum of their second-order expansion, 3 px at most."""
    up, left, center, right, down = v[:, 0, 1], v[:, 1, 0], v[:, 1, 1], v[:, 1, 2], v[:, 2, 1]
    ridge = 1.1920929e-07
    dx, dy = (right - left) / 2, (down - up) / 2
    dxx, dyy = right - 2 * center + left + ridge, down - 2 * center + up + ridge
    dxy = (v[:, 2, 2] - right - down + 2 * center - left - up + v[:, 0, 0]) / 2
    determinant = dxx * dyy - dxy * dxy
    safe = np.abs(determinant) > 1e-20
    step = np.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], 1) / np.where(safe, determinant, 1)[:, None]
    return np.asarray(np.where(safe[:, None], step, 0).clip(-3, 3))


def _resized(maps: Array, crop: Crop) -> Array:
    """(C, h, w) -> (H, W, C) float32 at the input's size."""
    layers = [cv2.resize(layer, crop.size[::-1], interpolation=cv2.INTER_LINEAR) for layer in maps]
    return np.stack(layers, -1)


def decode_seg(logits: Array, crop: Crop) -> Value:
    """(C, h, w) -> class ids and the probability of each."""
    values = _resized(logits, crop)
    score = 1 / np.exp(values - values.max(-1, keepdims=True)).sum(-1)
    return {"ids": values.argmax(-1).astype(np.uint8), "score": score}


def decode_depth(values: Array, crop: Crop) -> Value:
    """(1, h, w) -> relative depth."""
    return {"z": _resized(values, crop)[..., 0]}


def decode_normal(values: Array, crop: Crop) -> Value:
    """(3, h, w) -> unit normals."""
    vectors = _resized(values, crop)
    return {"n": vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-5)}


def decode_person(maps: Array, crop: Crop) -> Value:
    """(5, h, w), middles and distances to the sides -> boxes within the photo: local peaks, then non-maximum suppression."""
    head = crop.head("person")
    stride = crop.spec["patch"] // 2 ** len(head["upsample"])
    score = 1 / (1 + np.exp(-maps[0]))
    peaks = np.where(score == cv2.dilate(score, np.ones((3, 3), np.uint8)), score, 0).ravel()
    places = np.argsort(-peaks, kind="stable")[:100]
    places = places[peaks[places] > head["options"].get("threshold", 0.3)]
    rows, cols = np.divmod(places, score.shape[1])
    left, top, right, bottom = np.exp(maps[1:].clip(-4, 6)).reshape(4, -1)[:, places].astype(np.float64)
    cells = np.stack([cols + 0.5 - left, rows + 0.5 - top, cols + 0.5 + right, rows + 0.5 + bottom], 1) * stride - 0.5
    keep = _nms(cells, 0.6)
    boxes = crop.to_photo(cells[keep].reshape(-1, 2, 2)).reshape(-1, 4)
    boxes = boxes.clip(0, np.array([crop.photo[1], crop.photo[0]] * 2)).astype(np.float32)
    large = (boxes[:, 2:] - boxes[:, :2] >= 2).all(1)
    return {"xyxy": boxes[large], "score": peaks[places[keep]][large]}


def _nms(boxes: Array, overlap: float) -> list[int]:
    """Rows kept of boxes (N, 4) that stand best first."""
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    keep: list[int] = []
    for i, box in enumerate(boxes):
        low, high = np.maximum(box[:2], boxes[keep, :2]), np.minimum(box[2:], boxes[keep, 2:])
        inside = (high - low).clip(0).prod(1)
        if (inside <= overlap * np.maximum(area[i] + area[keep] - inside, 1e-12)).all():
            keep.append(i)
    return keep


def _head(task: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(head for head in spec["heads"] if head["task"] == task)
    return found


DECODERS: dict[str, Callable[[Array, Crop], Value]] = {
    "pose": decode_pose, "seg": decode_seg, "depth": decode_depth, "normal": decode_normal, "person": decode_person,
}  # fmt: skip

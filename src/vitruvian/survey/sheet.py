"""Samples with their labels drawn on, so that a person sees whether they are right."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from vitruvian.data.check import spread
from vitruvian.data.layouts import Opened
from vitruvian.errors import InputError, VitruvianError
from vitruvian.geometry import make_crop, warp, warp_area
from vitruvian.tasks.depth import Depth
from vitruvian.tasks.normal import Normal
from vitruvian.tasks.pose.draw import draw_skeletons
from vitruvian.tasks.seg import part_colors
from vitruvian.types import Array, Crop, Keypoints, Normals, Person, Prediction, Sample, Value
from vitruvian.types import Depth as DepthValue
from vitruvian.vocab import skeleton

SIZE = (256, 192)  # px of a view: height, width
CAPTION, GAP, WIDTH = 18, 6, 1240
GROUND = (28, 28, 32)


def tiles(opened: Opened, count: int) -> Iterator[Array]:
    """Up to `count` samples of a source, evenly apart, each as its views side by side with its key below."""
    source = opened.source
    for number in spread(source.samples, count):
        try:
            sample = source.sample(number)
        except InputError:
            continue  # among the findings
        yield _captioned(views(sample, getattr(source, "class_set", "body28")), sample.key)


def views(sample: Sample, classes: str) -> list[Array]:
    """The person with box and points, the same mirrored with left and right swapped, then parts, depth and normals."""
    crop = make_crop(sample.box, SIZE, sample.image.shape[:2])
    plain = warp_area(sample.image, crop)
    out = [_with_box(_with_points(plain, sample, crop), sample, crop)]
    if sample.keypoints is not None and sample.skeleton is not None:
        mirrored = Crop(crop.matrix, crop.size, crop.source_size, flipped=True)
        out.append(_with_points(np.ascontiguousarray(plain[:, ::-1]), sample, mirrored))
    if sample.classes is not None:
        out.append(part_colors(warp(sample.classes, crop, nearest=True), classes))
    dark = (plain * 0.4).astype(np.uint8)
    if sample.depth is not None:
        z = warp(sample.depth, crop, border=np.nan, nearest=True)
        out.append(Depth().draw(dark, [_prediction("depth", DepthValue(z, "metric", "m"))]))
    if sample.normal is not None:
        n = warp(sample.normal, crop, border=np.nan, nearest=True)
        out.append(Normal().draw(dark, [_prediction("normal", Normals(n))]))
    return out


def write_sheet(drawn: Sequence[Array], path: Path) -> None:
    """Tiles in rows as a JPEG; atomic."""
    rows, row = list[Array](), list[Array]()
    for tile in drawn:
        if row and sum(t.shape[1] + GAP for t in row) + tile.shape[1] > WIDTH:
            rows.append(_row(row))
            row = []
        row.append(tile)
    rows.append(_row(row))
    width = max(r.shape[1] for r in rows)
    sheet = np.concatenate([np.pad(r, ((0, GAP), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in rows])
    done, content = cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not done:
        raise VitruvianError(f"{path}: a sheet of {sheet.shape[1]}x{sheet.shape[0]} px cannot be encoded as JPEG")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content.tobytes())
    temporary.replace(path)


def _row(drawn: Sequence[Array]) -> Array:
    height = max(tile.shape[0] for tile in drawn)
    padded = [np.pad(t, ((0, height - t.shape[0]), (0, GAP), (0, 0)), constant_values=255) for t in drawn]
    return np.concatenate(padded, 1)


def _captioned(found: Sequence[Array], key: str) -> Array:
    shown = [np.pad(view, ((0, 0), (int(i > 0), 0), (0, 0)), constant_values=255) for i, view in enumerate(found)]
    line = np.full((CAPTION, sum(view.shape[1] for view in shown), 3), GROUND, np.uint8)
    fitting = line.shape[1] // 7
    text = key if len(key) <= fitting else f"...{key[3 - fitting :]}"
    cv2.putText(line, text, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (235, 235, 235), 1, cv2.LINE_AA)
    return np.concatenate([np.concatenate(shown, 1), line])


def _with_points(view: Array, sample: Sample, crop: Crop) -> Array:
    """Points as the crop shows them; of a mirrored one each stands for its mirror image, as in training."""
    if sample.keypoints is None or sample.skeleton is None:
        return view
    xy, seen = crop.points_to_input(sample.keypoints[:, :2]), (sample.keypoints[:, 2] > 0).astype(np.float32)
    if crop.flipped:
        flip = list(skeleton(sample.skeleton).flip)
        xy, seen = xy[flip], seen[flip]
    return draw_skeletons(view, [_prediction("pose", Keypoints(xy.astype(np.float32), seen, sample.skeleton))], 0.5)


def _with_box(view: Array, sample: Sample, crop: Crop) -> Array:
    x0, y0, x1, y1 = (int(v) for v in crop.points_to_input(sample.box.reshape(2, 2)).ravel().clip(-9999, 9999))
    out: Array = cv2.rectangle(view.copy(), (x0, y0), (x1, y1), (255, 235, 60), 1)
    return out


def _prediction(task: str, value: Value) -> Prediction:
    whole = Crop(np.eye(2, 3), SIZE, SIZE)
    return Prediction(Person(np.array([0, 0, SIZE[1], SIZE[0]], np.float32)), whole, task, "", value)

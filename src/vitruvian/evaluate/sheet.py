"""All qualifying photos on one sheet: prediction beside truth, failures included, licences kept.

A photo that may be republished is shown; of any other only what was predicted and what is true, on a flat ground.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from vitruvian.errors import VitruvianError
from vitruvian.evaluate.keypoints import hits
from vitruvian.evaluate.photos import Photo, Subject
from vitruvian.evaluate.report import write_text
from vitruvian.geometry import box_center_scale
from vitruvian.tasks.pose.draw import draw_skeletons
from vitruvian.tasks.seg import Seg
from vitruvian.types import Array, Crop, Keypoints, Person, Prediction

WIDTH, TALLEST, CAPTION, GAP = 1800, 330, 20, 8  # px: of the sheet; height of a picture, of its line of text; between tiles
MIDDLE = 2  # px between prediction and truth
FONT, FONT_SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
HEADING = "Left: prediction. Right: truth. Points found of those labelled, within 0.1 of the box."
GROUND = (28, 28, 32)
QUALITY = 88
LEAST_SCORE = 0.1


def write_sheet(subjects: Sequence[Subject], path: Path) -> None:
    """A JPEG with one tile a photo, and beside it a text file that lists the photos and their licences."""
    photos = {s.photo.file: s.photo for s in subjects}
    members = [[s for s in subjects if s.photo.file == file] for file in photos]
    if not members:
        return
    rows = [_row(row) for row in _rows(members)]
    sheet = np.concatenate([_line(HEADING, WIDTH), *rows])
    done, content = cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise VitruvianError(f"{path}: the sheet of {sheet.shape[1]}x{sheet.shape[0]} px cannot be encoded as JPEG")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content.tobytes())
    temporary.replace(path)
    write_text(path.with_suffix(".txt"), licences(list(photos.values())))


def licences(photos: Sequence[Photo]) -> str:
    """One line a photo: its licence, where it is from, whether it is shown."""
    lines = [
        "Photos of the sheet, row by row. The tile of a shown photo stands under that photo's licence.",
        "",
    ]
    for photo in photos:
        shown = "shown" if photo.shown else "not shown: labels and predictions only"
        lines.append(f"{photo.file}: {photo.licence}, {photo.source}, {shown}")
    return "\n".join(lines) + "\n"


def tile(photo: Photo, subjects: Sequence[Subject], height: int = TALLEST) -> Array:
    """(CAPTION + height, W, 3): prediction left, truth right, around the qualifying people, with the share of points found."""
    image = photo.record.people[0].image if photo.shown else np.full((*photo.record.size, 3), GROUND, np.uint8)
    window = _window(np.stack([s.truth.box for s in subjects]), photo.record.size)
    panels = [_panel(picture, window, height) for picture in (_predicted(image, subjects), _true(image, subjects))]
    body = np.concatenate([panels[0], np.full((height, MIDDLE, 3), 255, np.uint8), panels[1]], 1)
    found, labelled = np.sum([[part.sum() for part in hits(s, s.points[0])] for s in subjects], 0)
    return np.concatenate([_line(_caption(photo, f"{found}/{labelled}", body.shape[1]), body.shape[1]), body])


def _caption(photo: Photo, points: str, width: int) -> str:
    """Set, photo and points, as much of it as the tile is wide; the points first of all."""
    stem = Path(photo.file).stem.lstrip("0") or "0"
    for text in (f"{photo.group} {stem[-12:]}  {points} points", f"{stem[-12:]}  {points}", f"{stem[-5:]} {points}"):
        if cv2.getTextSize(text, FONT, FONT_SIZE, 1)[0][0] <= width - 4:
            return text
    return points


def _line(text: str, width: int) -> Array:
    out = np.full((CAPTION, width, 3), 255, np.uint8)
    cv2.putText(out, text, (2, CAPTION - 6), FONT, FONT_SIZE, (0, 0, 0), 1, cv2.LINE_AA)
    return out


def _rows(members: Sequence[Sequence[Subject]]) -> Iterator[list[Sequence[Subject]]]:
    """Tiles in rows that fill the sheet's width at TALLEST or a little less; the last one may be shorter."""
    row: list[Sequence[Subject]] = []
    for subjects in members:
        row.append(subjects)
        if _height(row) < TALLEST:
            yield row
            row = []
    if row:
        yield row


def _height(row: Sequence[Sequence[Subject]]) -> int:
    """Px at which the row's tiles, all equally high, fill the width."""
    free = WIDTH - len(row) * (MIDDLE + GAP)
    return int(free / sum(2 * _aspect(subjects) for subjects in row))


def _aspect(subjects: Sequence[Subject]) -> float:
    x0, y0, x1, y1 = _window(np.stack([s.truth.box for s in subjects]), subjects[0].photo.record.size)
    return (x1 - x0) / (y1 - y0)


def _row(row: Sequence[Sequence[Subject]]) -> Array:
    height = min(_height(row), TALLEST)
    tiles = [np.pad(tile(s[0].photo, s, height), ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for s in row]
    wide = np.concatenate(tiles, 1)[:, :WIDTH]
    return np.pad(wide, ((0, 0), (0, WIDTH - wide.shape[1]), (0, 0)), constant_values=255)


def _predicted(image: Array, subjects: Sequence[Subject]) -> Array:
    parts = [s.predictions["seg"] for s in subjects if "seg" in s.predictions]
    out = Seg().draw(image, parts) if parts else image
    poses = [_pose(s, *s.points) for s in subjects]
    return draw_skeletons(out, poses, LEAST_SCORE)


def _true(image: Array, subjects: Sequence[Subject]) -> Array:
    out = image.copy()
    for subject in subjects:
        if subject.truth.mask is not None:
            out[subject.truth.mask] = (0.6 * out[subject.truth.mask] + (70, 70, 70)).clip(0, 255).astype(np.uint8)
    points = [(s, np.asarray(s.truth.keypoints)) for s in subjects]
    return draw_skeletons(out, [_pose(s, xyv[:, :2], (xyv[:, 2] > 0).astype(float)) for s, xyv in points], LEAST_SCORE)


def _pose(subject: Subject, xy: Array, score: Array) -> Prediction:
    size = subject.photo.record.size
    value = Keypoints(xy.astype(np.float32), score.astype(np.float32), "coco17")
    return Prediction(Person(subject.truth.box), Crop(np.eye(2, 3), size, size), "pose", "", value)


def _window(boxes: Array, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """What to show: all boxes with a margin, within the photo: x0, y0, x1, y1."""
    center, scale = box_center_scale(np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)]), 1.25)
    low = np.maximum(np.floor(center - scale / 2), 0).astype(int)
    high = np.minimum(np.ceil(center + scale / 2), (size[1], size[0])).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _panel(picture: Array, window: tuple[int, int, int, int], height: int) -> Array:
    """The window, `height` px high."""
    x0, y0, x1, y1 = window
    scale = height / (y1 - y0)
    size = (max(1, round((x1 - x0) * scale)), height)
    out: Array = cv2.resize(picture[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return out

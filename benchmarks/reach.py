"""Whom the packaged detector's finds reach on photos, and whom crops all over the photo would.

python benchmarks/reach.py --shared ../shared/data

People: as in benchmarks/detectors.py, 100 px and more. Somebody is reached by a box of IoU 0.5 (0.3) or more, whatever its
score: the best that any judge of these boxes could do. Finds: those of `predict.finder`, on the whole photo and its pieces,
then as their parts move them. Crops: of three sizes and two shapes, half a side apart; the box of each is the outline of the
parts that the packaged model sees in it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from detectors import photos

from vitruvian import weights
from vitruvian.device import choose_compute
from vitruvian.evaluate.report import processor, table
from vitruvian.geometry import iou_matrix
from vitruvian.predict.cascade import FINDER, MODEL, look, moved, read_judge
from vitruvian.predict.finder import Find, Finder
from vitruvian.predict.network import Network
from vitruvian.types import Array

LARGE = 100  # px
SIZES = (0.3, 0.5, 0.8)  # longer side of a crop, of the photo's longer side
SHAPES = ((1.0, 0.5), (0.8, 0.8))  # height and width in that side


def crops_of(size: tuple[int, int]) -> list[Find]:
    """Boxes all over a photo of `size` (H, W)."""
    boxes = []
    for side in SIZES:
        for tall, wide in SHAPES:
            high, broad = side * max(size) * tall, side * max(size) * wide
            for y in _middles(size[0], high):
                for x in _middles(size[1], broad):
                    boxes.append([x - broad / 2, y - high / 2, x + broad / 2, y + high / 2])
    clipped = np.clip(boxes, 0, [size[1] - 1, size[0] - 1] * 2).astype(np.float32)
    return [Find(box, 0.5) for box in clipped]


def _middles(length: int, side: float) -> Array:
    if length <= side:
        return np.array([length / 2])
    return np.linspace(side / 2, length - side / 2, int(np.ceil((length - side) / (side / 2))) + 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    compute, judge = choose_compute("cpu", "fp32"), read_judge()
    loaded = weights.load(FINDER, kind="detector")
    finder = Finder(FINDER, loaded, compute, judge.most)
    network = Network(weights.load(MODEL, kind="people"), compute, flip_test=False)
    best: dict[str, list[float]] = {"finds": [], "finds, moved": [], "crops": []}
    count = []
    for image, record in photos(parser.parse_args().shared):
        people = np.array([person.box for person in record.people])
        people = people[(people[:, 2:] - people[:, :2]).max(1) >= LARGE]
        finds, crops = finder.find(image), crops_of(image.shape[:2])
        seen, swept = (look(network, image, some) if some else [] for some in (finds, crops))
        boxes = {
            "finds": [find.box for find in finds],
            "finds, moved": [moved(find.box, one.extent, judge.agreement) for find, one in zip(finds, seen, strict=True)],
            "crops": [crop.box if one.extent is None else one.extent for crop, one in zip(crops, swept, strict=True)],
        }
        for name, some in boxes.items():
            best[name] += iou_matrix(np.array(some), people).max(0, initial=0).tolist()
        count.append(len(crops))
    print(f"{len(best['finds'])} people; {np.mean(count):.0f} crops a photo; {FINDER} {loaded.hash[:12]}; {processor()}\n")
    rows = [(name, *(f"{100 * np.mean(np.array(values) >= iou):.1f}" for iou in (0.5, 0.3))) for name, values in best.items()]
    print(table(("boxes", "reached at IoU 0.5, %", "at 0.3, %"), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

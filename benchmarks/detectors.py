"""Person detectors beside each other.

python benchmarks/detectors.py --shared ../shared/data [--detectors hog person cascade] [--out FILE]

People to find: everybody without the crowd mark whose longer side is 100 px or more on the 30 COCO photos with people. A box is
right from IoU 0.5; one on a smaller person (IoU 0.5) or half inside a crowd region counts neither way. False boxes are counted
on the person-free photos of no_person/ that may not be redistributed: those never served as training backgrounds.
Of each detector: recall, precision and false boxes as it ships; from all it finds, down to a score of FAINT, average precision,
the recall at a precision of 60 %, and the point of the best F1 on these very photos (the most it could do).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vitruvian.data.sources import Coco, read_image
from vitruvian.device import choose_compute
from vitruvian.evaluate.detection import detection_figures
from vitruvian.evaluate.photos import read_index
from vitruvian.evaluate.report import plain, processor, table, write_text
from vitruvian.predict.detect import choose_detector
from vitruvian.predict.selection import Selection
from vitruvian.types import Array, ImageRecord, Person

COLUMNS = {
    "recall_large": "recall", "precision_large": "precision", "ap50_large": "AP50", "ap50": "AP50 any size",
    "recall_when_precise_large": "recall at precision 60", "best_recall_large": "best F1: recall",
    "best_precision_large": "precision", "best_threshold_large": "threshold",
    "false_per_empty_photo": "false boxes per empty photo", "false_per_empty_photo_best": "at best F1",
}  # fmt: skip
SHIPPED = ("recall_large", "precision_large", "recall", "precision", "false_per_empty_photo")
FAINT = 0.01
PLAIN = ("best_threshold_large", "false_per_empty_photo", "false_per_empty_photo_best")


def photos(shared: Path) -> list[tuple[Array, ImageRecord]]:
    records = [record for record in Coco(shared / "coco/annotations/person_keypoints.json", shared / "coco") if record.people]
    return [(record.people[0].image, record) for record in records]


def empty_photos(shared: Path) -> list[Array]:
    entries = read_index(shared)
    chosen = [f for f, e in entries.items() if f.startswith("no_person/") and not e["redistribute"].startswith("yes")]
    return [read_image(shared / file) for file in sorted(chosen)]


def timed(detect: Callable[[Array], list[Person]], seconds: list[float]) -> Callable[[Array], list[Person]]:
    def run(image: Array) -> list[Person]:
        start = time.perf_counter()
        found = detect(image)
        seconds.append(time.perf_counter() - start)
        return found

    return run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument(
        "--detectors", nargs="+", default=["hog", "person", "cascade"], help="names, or .safetensors files of detectors"
    )
    parser.add_argument("--out", type=Path, help="JSON of all figures")
    chosen = parser.parse_args(arguments)
    labelled, empty = photos(chosen.shared), empty_photos(chosen.shared)
    figures, rows = {}, []
    for name in chosen.detectors:
        compute, seconds = choose_compute("cpu", "fp32"), list[float]()
        detector, faint = choose_detector(name, compute), choose_detector(name, compute, Selection(min_score=FAINT))
        shipped = detection_figures(labelled, timed(detector.detect, seconds), empty)
        found = {**detection_figures(labelled, faint.detect, empty), **{key: shipped[key] for key in SHIPPED}}
        figures[name] = {**found, "seconds_per_photo": float(np.median(seconds)), "weights": detector.weights}
        rows.append((name, *(f"{found[c]:.2f}" if c in PLAIN else found[c] for c in COLUMNS), f"{np.median(seconds):.3f}"))
    people = next(iter(figures.values()))["people_large"]
    print(f"{people} people of 100 px and more on {len(labelled)} photos; {len(empty)} photos without people; {processor()}\n")
    print(table(("detector", *COLUMNS.values(), "s per photo"), rows))
    if chosen.out:
        write_text(chosen.out, json.dumps(plain(figures), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

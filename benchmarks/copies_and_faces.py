"""How well copies are told from other pictures, and how much of the faces the blur covers; on the real photos.

python benchmarks/copies_and_faces.py copies --shared ../shared/data [--embedding packaged]
python benchmarks/copies_and_faces.py faces --shared ../shared/data [--sheet FILE.png]

`copies`: every photo beside eight changed copies of itself, and beside every other photo. `faces`: COCO's photos through the
packaged detector, then the blur; a face counts where nose or eyes are labelled as visible, and is covered when all of them
are.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from vitruvian.curate.embed import make_embedder
from vitruvian.curate.faces import Faces
from vitruvian.curate.integrity import LONGEST
from vitruvian.curate.limits import Limits
from vitruvian.curate.looks import looks_of
from vitruvian.curate.people import LEAST, MOST
from vitruvian.curate.points import points_of, shared
from vitruvian.curate.scorer import View
from vitruvian.geometry import shrink
from vitruvian.predict import load, read_photo
from vitruvian.types import Array

RNG = np.random.default_rng(0)
HEAD = (0, 1, 2)  # nose and eyes of COCO's 17 points


def cut(image: Array, share: float) -> Array:
    tall, wide = (int(side * share) for side in image.shape[:2])
    y, x = (int(RNG.integers(side - left + 1)) for side, left in zip(image.shape[:2], (tall, wide), strict=True))
    return image[y : y + tall, x : x + wide]


def framed(image: Array) -> Array:
    y, x = (side // 10 for side in image.shape[:2])
    return cv2.copyMakeBorder(image, y, y, x, x, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def written_on(image: Array) -> Array:
    height, width = image.shape[:2]
    place, size, thick = (width // 20, height // 2), width / 350, max(2, width // 100)
    return cv2.putText(image.copy(), "SOME WORDS HERE", place, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), thick)


def turned(image: Array) -> Array:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 5, 1.1)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def tinted(image: Array) -> Array:
    return np.clip(image * RNG.uniform(0.75, 1.25, 3) + RNG.uniform(-15, 15), 0, 255).astype(np.uint8)


def under_a_ticker(image: Array) -> Array:
    image, (height, width) = image.copy(), image.shape[:2]
    thick = max(2, width // 250)

    def write(words: str, x: float, y: float, size: float) -> None:
        place = int(width * x), int(height * y)
        cv2.putText(image, words, place, cv2.FONT_HERSHEY_SIMPLEX, width * size, (255, 255, 255), thick)

    image[int(height * 0.82) :] = (200, 30, 40)
    image[int(height * 0.04) : int(height * 0.16), int(width * 0.82) : int(width * 0.96)] = (20, 40, 160)
    write("BREAKING NEWS: MARKETS FALL", 1 / 30, 0.93, 1 / 620)
    write("TV7", 0.835, 0.13, 1 / 500)
    return image


def on_a_card(image: Array) -> Array:
    card = np.full((600, 800, 3), 235, np.uint8)
    cv2.rectangle(card, (10, 10), (790, 590), (90, 60, 30), 6)
    for i in range(12):
        cv2.circle(card, (40 + 65 * i, 40), 14, (30 * i % 255, 90, 160), -1)
        cv2.rectangle(card, (30 + 65 * i, 540), (60 + 65 * i, 570), (50, 20 * i, 140), -1)
    cv2.putText(card, "MUSEUM OF MODERN ART  No. 1234", (60, 520), cv2.FONT_HERSHEY_SIMPLEX, 1, (20, 20, 20), 2)
    card[80:480, 120:680] = cv2.resize(image, (560, 400), interpolation=cv2.INTER_AREA)
    return card


WORN = {"that bear one ticker and sign": under_a_ticker, "on the same decorated card": on_a_card}  # by different photos
CHANGES = {
    "other colours": tinted,
    "words over it": written_on,
    "a white frame": framed,
    "turned by 5 degrees": turned,
    "cut to 90 %": lambda image: cut(image, 0.9),
    "cut to 75 %": lambda image: cut(image, 0.75),
    "cut to 50 %": lambda image: cut(image, 0.5),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
}


def copies(chosen: argparse.Namespace) -> None:
    entries = json.loads((chosen.shared / "INDEX.json").read_text())["entries"]
    photos = [chosen.shared / e["file"] for e in entries if e["kind"] in ("photo_person", "photo_no_person")]
    embedder, limits = make_embedder(chosen.embedding, "cpu"), Limits()
    taken = {"embedding": 0.0, "points": 0.0, "pair": 0.0}

    def timed(name: str, do, *words):  # type: ignore[no-untyped-def]
        begin = time.perf_counter()
        out = do(*words)
        taken[name] += time.perf_counter() - begin
        return out

    def known_by(image: Array) -> tuple[int, Array, bytes]:
        image = shrink(np.ascontiguousarray(image), LONGEST)
        vector = timed("embedding", lambda: embedder.embed([View(image, image.shape[:2])])[0]).astype(np.float32)
        return int(looks_of(image)["phash"], 16), vector, timed("points", points_of, image)

    images = [shrink(read_photo(path).pixels, LONGEST) for path in photos]
    plain = [known_by(image) for image in images]
    made = {name: [known_by(change(image)) for image in images] for name, change in CHANGES.items()}

    def told(first: tuple[int, Array, bytes], second: tuple[int, Array, bytes]) -> tuple[bool, bool, bool]:
        near = (first[0] ^ second[0]).bit_count() <= limits.hash_distance
        like = float(first[1] @ second[1]) >= limits.likeness
        same = timed("pair", shared, first[2], second[2]) >= limits.points
        return near, like, like and same

    others = {"": plain} | {name: [known_by(change(image)) for image in images] for name, change in WORN.items()}
    print(f"{len(photos)} photos; likeness {limits.likeness:g}, points {limits.points}, {embedder.model}")
    print("| pair | hash | embedding alone | embedding and points | hash, or both of these |\n| --- | --- | --- | --- | --- |")
    for name, two in made.items():
        found = np.array([told(a, b) for a, b in zip(plain, two, strict=True)])
        shares = [*found.mean(0), (found[:, 0] | found[:, 2]).mean()]
        print(f"| {name} |", *(f"{share:.0%} |" for share in shares))
    apart = len(photos) * (len(photos) - 1) // 2
    for name, these in others.items():
        found = np.array([told(a, b) for a, b in combinations(these, 2)])
        counts = [*found.sum(0), (found[:, 0] | found[:, 2]).sum()]
        print(f"| {f'two photos {name}'.strip()}, of {apart:,} |", *(f"{count} |" for count in counts))
    seen, compared = len(photos) * (len(others) + len(made)), apart * len(others) + len(photos) * len(made)
    per_image, per_pair = 1e3 / seen, 1e3 / compared
    print(f"ms an image: embedding {taken['embedding'] * per_image:.1f}, points {taken['points'] * per_image:.1f}")
    print(f"ms a pair: {taken['pair'] * per_pair:.2f}")


def faces(chosen: argparse.Namespace) -> None:
    annotations = json.loads((chosen.shared / "coco/annotations/person_keypoints.json").read_text())
    labelled = defaultdict(list)
    for one in annotations["annotations"]:
        labelled[one["image_id"]].append(one)
    predictor = load(flip_test=False, min_score=LEAST, max_people=MOST)
    blur, tiles = Faces("cpu"), []
    found: dict[str, list[bool]] = defaultdict(list)
    covered = pixels = seconds = people = 0.0
    for photo in annotations["images"]:
        image = read_photo(chosen.shared / "coco" / photo["file_name"]).pixels
        boxes = [dict(zip(("x1", "y1", "x2", "y2"), map(float, p.box), strict=True)) | {"score": p.score}
                 for p in predictor.detector.detect(image)]  # fmt: skip
        begin = time.perf_counter()
        edited = blur.edit(image, {"boxes": boxes})
        seconds += time.perf_counter() - begin
        people += len(boxes)
        circles = np.array(edited.told if edited else []).reshape(-1, 3)
        covered, pixels = covered + _covered(circles, image.shape[:2]), pixels + image.shape[0] * image.shape[1]
        for one in labelled[photo["id"]]:
            points = np.array(one["keypoints"], float).reshape(-1, 3)[list(HEAD)]
            points = points[points[:, 2] == 2, :2]
            side = max(one["bbox"][2:])
            if len(points) and side >= 80:
                away = np.hypot(*(points[:, None] - circles[None, :, :2]).transpose(2, 0, 1)) <= circles[:, 2]
                hidden = bool(away.any(1).all())
                found["80 px and more"].append(hidden)
                found["150 px and more" if side >= 150 else "80 to 150 px"].append(hidden)
        if edited and labelled[photo["id"]]:
            tiles.append(cv2.resize(edited.image, (320, 240), interpolation=cv2.INTER_AREA))
    for name, hidden in sorted(found.items()):
        print(f"people of {name}: {sum(hidden)} of {len(hidden)} faces covered ({np.mean(hidden):.0%})")
    print(f"blurred: {covered / pixels:.1%} of all pixels; {1e3 * seconds / people:.0f} ms a person")
    if chosen.sheet:
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 5)
        rows = [np.concatenate(tiles[i : i + 5], 1) for i in range(0, len(tiles), 5)]
        cv2.imwrite(str(chosen.sheet), np.concatenate(rows)[..., ::-1])


def _covered(circles: Array, size: tuple[int, int]) -> int:
    hidden = np.zeros(size, np.uint8)
    for x, y, radius in circles:
        cv2.circle(hidden, (round(x), round(y)), round(radius), 1, -1)
    return int(hidden.sum())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("copies")
    one.add_argument("--shared", type=Path, required=True)
    one.add_argument("--embedding", default="packaged")
    one.set_defaults(do=copies)
    two = verbs.add_parser("faces")
    two.add_argument("--shared", type=Path, required=True)
    two.add_argument("--sheet", type=Path)
    two.set_defaults(do=faces)
    chosen = parser.parse_args()
    chosen.do(chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Two hundred photos as people have them, in one call of `vitruvian predict`: is every good one done, every bad one told?

python benchmarks/mixed_photos.py [--count 200] [--largest 24] [--out docs/results] [--work DIR]

The bundled photos in all sizes up to `largest` megapixels, colour models, depths, rotations and formats, with none, one, two,
twelve or sixty people whose boxes are given; one in eight files is broken or no photo at all, each in another way. The
command runs in a process of its own, whose peak memory the kernel tells when it ends. Then every file is looked at: good
photos have all their results, of the right size and number of people; bad ones have an error of one line and no results;
nothing else lies in the folder. The same photos are done once more with the packaged detector. Writes mixed-photos.md; exit
code 1 if anything is not as it should be.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tables import origin

from vitruvian.device import processor
from vitruvian.evaluate.report import table, write_text
from vitruvian.predict.write import ENDINGS

PHOTOS = Path(__file__).resolve().parents[1] / "examples" / "photos"
SEED = 11
COLLAGE = 240  # px of a side of one photo in a collage
Boxes = list[tuple[float, float, float, float]]


@dataclass(frozen=True)
class Good:
    """A photo that can be read: its size upright (width, height) and how many boxes it is given."""

    size: tuple[int, int]
    people: int


@dataclass(frozen=True)
class Ran:
    """What one call said and took. told: file -> its line of JSON."""

    code: int
    told: dict[str, dict[str, object]]
    seconds: float
    mebibytes: float
    errors: str


def bundled() -> list[tuple[Image.Image, Boxes]]:
    """The photos of the repository with the boxes of their people."""
    boxes: dict[str, Boxes] = {}
    with (PHOTOS / "boxes.csv").open() as file:
        for name, *numbers in list(csv.reader(file))[1:]:
            x1, y1, x2, y2 = map(float, numbers)
            boxes.setdefault(name, []).append((x1, y1, x2, y2))
    return [(Image.open(PHOTOS / name).convert("RGB"), found) for name, found in boxes.items()]


def scaled(image: Image.Image, boxes: Boxes, megapixels: float) -> tuple[Image.Image, Boxes]:
    """Of another size, with at least 16 pixels a side."""
    gain = max((megapixels * 1e6 / (image.width * image.height)) ** 0.5, 17 / min(image.size))
    size = round(image.width * gain), round(image.height * gain)
    sx, sy = size[0] / image.width, size[1] / image.height
    return image.resize(size, Image.Resampling.BILINEAR), [(a * sx, b * sy, c * sx, d * sy) for a, b, c, d in boxes]


def collage(people: int, sources: Sequence[tuple[Image.Image, Boxes]]) -> tuple[Image.Image, Boxes]:
    """One person a cell, as many as are asked for."""
    columns = int(np.ceil(people**0.5))
    canvas = Image.new("RGB", (columns * COLLAGE, -(-people // columns) * COLLAGE))
    boxes: Boxes = []
    for i in range(people):
        image, found = sources[i % len(sources)]
        left, top = i % columns * COLLAGE, i // columns * COLLAGE
        canvas.paste(image.resize((COLLAGE, COLLAGE)), (left, top))
        sx, sy = COLLAGE / image.width, COLLAGE / image.height
        a, b, c, d = found[0]
        boxes.append((left + a * sx, top + b * sy, left + c * sx, top + d * sy))
    return canvas, boxes


def plain(ending: str, mode: str = "RGB", **options: object) -> Callable[[Image.Image, Path], None]:
    """A writer of one format and colour model."""

    def write(image: Image.Image, path: Path) -> None:
        image.convert(mode).save(path.with_suffix(ending), **options)  # type: ignore[arg-type]

    return write


def deep(image: Image.Image, path: Path) -> None:
    """16 bits a pixel."""
    Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(path.with_suffix(".png"))


def turned(image: Image.Image, path: Path) -> None:
    """Stored on its side, with the tag that tells viewers to turn it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(path.with_suffix(".jpg"), exif=exif)


def moving(image: Image.Image, path: Path) -> None:
    """An animation."""
    frames = [image.convert("P"), image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).convert("P")]
    frames[0].save(path.with_suffix(".gif"), save_all=True, append_images=frames[1:])


WRITERS: tuple[Callable[[Image.Image, Path], None], ...] = (
    plain(".jpg", quality=85), plain(".png"), plain(".jpg", "L"), plain(".png", "RGBA"), plain(".jpg", "CMYK"), deep, turned,
    moving, plain(".webp"), plain(".tiff"), plain(".bmp"), plain(".png", "P"), plain(".JPG", progressive=True),
)  # fmt: skip


def jpeg() -> bytes:
    """A small file that is whole."""
    buffer = io.BytesIO()
    bundled()[0][0].resize((320, 240)).save(buffer, "JPEG")
    return buffer.getvalue()


def huge() -> bytes:
    """A PNG of a few bytes that says it is 60,000 pixels wide and high."""
    buffer = io.BytesIO()
    Image.new("L", (16, 16)).save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


def tiny() -> bytes:
    """Eight pixels a side."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    return buffer.getvalue()


BROKEN: tuple[tuple[str, Callable[[], bytes]], ...] = (
    ("cut.jpg", lambda: jpeg()[:900]),
    ("empty.png", lambda: b""),
    ("letter.jpg", lambda: b"Dear all, please find the photo attached.\n" * 40),
    ("bomb.png", huge),
    ("stamp.png", tiny),
    ("garbled.jpg", lambda: jpeg()[:300] + bytes(2000)),
    ("page.gif", lambda: b"GIF89a" + bytes(30)),
    ("archive.webp", lambda: b"PK\x03\x04" + bytes(500)),
)


def make(folder: Path, count: int, largest: float) -> tuple[dict[str, Good], list[str], Path]:
    """The folder of photos; the good ones by name, the names of the bad ones, and the file of boxes."""
    rng, sources = np.random.default_rng(SEED), bundled()
    photos, good, bad = folder / "photos", dict[str, Good](), list[str]()
    (photos / "summer holiday").mkdir(parents=True)
    rows: list[tuple[object, ...]] = []
    for number in range(count):
        place = photos / "summer holiday" if number % 5 == 0 else photos
        if number % 8 == 7:
            ending, content = BROKEN[number // 8 % len(BROKEN)]
            path = place / f"{number:03} {ending}"
            path.write_bytes(content())
            bad.append(str(path))
            continue
        people = 60 if number % 50 == 20 else 12 if number % 20 == 4 else -1
        image, boxes = collage(people, sources) if people > 0 else sources[number % len(sources)]
        megapixels = largest if number % 67 == 3 else float(np.exp(rng.uniform(np.log(0.01), np.log(min(3.0, largest)))))
        image, boxes = (image, boxes) if people > 0 else scaled(image, boxes, megapixels)
        if number % 9 == 0:
            boxes = []
        path = place / f"{number:03} {'фото' if number % 3 else 'photo'}.x"
        before = set(place.iterdir())
        WRITERS[number % len(WRITERS)](image, path)
        (written,) = set(place.iterdir()) - before
        good[str(written)] = Good(image.size, len(boxes))
        rows += [(written.relative_to(photos), *box) for box in boxes]
    boxes_file = folder / "boxes.csv"
    with boxes_file.open("w", newline="") as file:
        csv.writer(file).writerows([("image", "x1", "y1", "x2", "y2"), *rows])
    return good, bad, boxes_file


def run(photos: Path, out: Path, *more: str) -> Ran:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "vitruvian", "predict", str(photos), "--out", str(out), "--json", *more]
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=said, stderr=errors, text=True)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        said.seek(0)
        errors.seek(0)
        lines = [json.loads(line) for line in said]
        told = {line["file"]: line for line in lines}
        if len(told) < len(lines):
            raise SystemExit("a file was told twice")
        return Ran(process.returncode, told, seconds, usage.ru_maxrss / 1024, errors.read())


def faults(ran: Ran, good: dict[str, Good], bad: Sequence[str], out: Path, counted: bool) -> list[str]:
    """All that is not as it should be, a line each. counted: as many people as boxes are expected."""
    wrong = [] if ran.code == (1 if bad else 0) else [f"exit code {ran.code}"]
    wrong += [f"{name}: not a word about it" for name in [*good, *bad] if name not in ran.told]
    expected: set[Path] = set()
    for name in bad:
        message = str(ran.told.get(name, {}).get("error", ""))
        if not message or "\n" in message or "unexpected" in message:
            wrong.append(f"{name}: told {message!r}")
    for name, photo in good.items():
        record = ran.told.get(name)
        if record is None:
            continue
        if "error" in record or "people" not in record:
            wrong.append(f"{name}: {record.get('error', 'no record')}")
            continue
        place = Path(str(record["result"]))
        files = {place, *(place.parent / str(file) for file in dict(record["files"]).values())}  # type: ignore[call-overload]
        expected |= files
        people = len(list(record["people"]))  # type: ignore[call-overload]
        if counted and people != photo.people:
            wrong.append(f"{name}: {people} people, {photo.people} boxes")
        wrong += [f"{name}: {text}" for text in spoilt(files, photo.size, people)]
    wrong += [f"{path}: not named by any record" for path in out.rglob("*") if path.is_file() and path not in expected]
    return wrong


def spoilt(files: set[Path], size: tuple[int, int], people: int) -> list[str]:
    """What is wrong with the files of one photo of `size` (width, height)."""
    wrong = [f"{file.name} is missing" for file in files if not file.is_file()]
    if people and len(files) != len(ENDINGS):
        wrong.append(f"{len(files)} files instead of {len(ENDINGS)}")
    for file in files:
        if not file.is_file() or file.name.endswith((".json", ".overlay.jpg")):
            continue
        if file.suffix == ".npy":
            height, width = np.load(file, mmap_mode="r").shape[:2]
        else:
            with Image.open(file) as image:
                width, height = image.size
        if (width, height) != size:
            wrong.append(f"{file.name} is {width}x{height}, the photo {size[0]}x{size[1]}")
    return wrong


def megapixels(good: dict[str, Good]) -> float:
    return sum(photo.size[0] * photo.size[1] for photo in good.values()) / 1e6


def page(good: dict[str, Good], bad: Sequence[str], ran: dict[str, Ran], largest: float) -> str:
    made = origin(1)
    counts = Counter(photo.people for photo in good.values())
    people = ", ".join(f"{counts[n]} with {n}" for n in sorted(counts))
    head = ("boxes", "done", "failed, each told in a line", "people", "s", "photos/s", "Mpx/s", "peak memory, MiB")
    rows = []
    for name, one in ran.items():
        done = [line for line in one.told.values() if "people" in line]
        found = sum(len(list(line["people"])) for line in done)  # type: ignore[call-overload]
        speed = (f"{len(done) / one.seconds:.2f}", f"{megapixels(good) / one.seconds:.1f}")
        rows.append((name, len(done), len(one.told) - len(done), found, f"{one.seconds:.0f}", *speed, f"{one.mebibytes:.0f}"))
    return f"""# {len(good) + len(bad)} mixed photos in one call

`python benchmarks/mixed_photos.py` · after commit {made["commit"]} · {made["date"]} · {processor()}, {os.cpu_count()} cores

{len(good)} photos ({people}; {megapixels(good):.0f} Mpx in all, the largest {largest:g}; JPEG in RGB, grey and CMYK, PNG with
palette, alpha and 16 bits, WebP, TIFF, BMP, animated GIF, EXIF rotations, other alphabets and spaces in names) and {len(bad)}
files that are cut off, empty, text, too small, a decompression bomb or something else. Exit code 1, as it must be; every good
photo has all its results, of its size; nothing else lies in the folder.

{table(head, rows)}

With all four tasks, overlays drawn. The machine did other work meanwhile: the seconds are an upper bound.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--largest", type=float, default=24.0, help="megapixels")
    parser.add_argument("--out", type=Path, default=None, help="folder for mixed-photos.md")
    parser.add_argument("--work", type=Path, default=None, help="folder for photos and results; a temporary one if left out")
    given = parser.parse_args(arguments)
    ran: dict[str, Ran] = {}
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(dir=given.work) as name:
        folder = Path(name)
        good, bad, boxes = make(folder, given.count, given.largest)
        for kind, more in (("given", ("--boxes", str(boxes))), ("packaged detector", ())):
            out = folder / kind
            ran[kind] = run(folder / "photos", out, *more)
            wrong += [f"{kind}: {fault}" for fault in faults(ran[kind], good, bad, out, counted=kind == "given")]
    text = page(good, bad, ran, given.largest)
    print(text)
    print("\n".join(wrong) or "all as it should be")
    if given.out is not None and not wrong:
        write_text(given.out / "mixed-photos.md", text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

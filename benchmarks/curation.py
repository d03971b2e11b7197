"""How well curation tells what to keep: on made pictures with marks that were never learned from, and on real photos.

python benchmarks/curation.py made --fonts /usr/share/fonts --synth runs/geo-a [--count 2000] [--sheet FILE.png]
                                    [--weights FILE] [--limits WATERMARK TEXT ARTISTIC]
python benchmarks/curation.py real --shared ../shared/data --work runs/curated

`made`: the backgrounds that the recipe `curation` has kept for validation, and synthetic people of other geometry; half of the
pictures are marked, with font files, two logos and three drawing styles of which none was learned from. `real`: every photo of
the index through `vitruvian curate --all-scores`, and what each stage says beside what it should. Intervals: Wilson's, of 95 %.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import torch

from vitruvian.curate.limits import Limits
from vitruvian.curate.run import curate, read_ledger
from vitruvian.curate.settings import Settings
from vitruvian.model.marks import OUTPUTS
from vitruvian.recipes.curation import CleanPictures, people_pictures, split
from vitruvian.synth.appearance.backgrounds import Backgrounds
from vitruvian.synth.appearance.degrade import degrade
from vitruvian.synth.marks import caption, draw_as, font_files, watermark
from vitruvian.synth.marks.logos import JUDGED as OTHER_LOGOS
from vitruvian.synth.marks.styles import JUDGED
from vitruvian.types import Array
from vitruvian.weights.marks import PACKAGED, load_marks

LIMIT = 0.5


def wilson(hits: int, of: int, z: float = 1.96) -> str:
    """Share with its interval, in percent."""
    if not of:
        return "none"
    share, spread = hits / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    return f"{hits} of {of}: {share:.0%} [{max(middle - half, 0):.0%}, {min(middle + half, 1):.0%}]"


def judged_example(clean: CleanPictures, fonts: tuple[str, ...], rng: np.random.Generator, kind: str) -> Array:
    """A picture of a kind; its marks are of what was never learned from."""
    size = (384, 512) if rng.random() < 0.5 else (512, 384)
    picture, before = clean.draw(rng, size), rng.random() < 0.5
    picture = degrade(picture, rng) if before else picture
    if kind == "watermark":
        picture = watermark(picture, fonts, rng, OTHER_LOGOS)[0]
    elif kind == "text":
        picture = caption(picture, fonts, rng)[0]
    elif kind.startswith("artistic"):
        picture = draw_as(kind.partition(":")[2], picture, rng)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 97))]
    return cv2.imdecode(cv2.imencode(".jpg", picture[..., ::-1], quality)[1], cv2.IMREAD_COLOR)[..., ::-1]


def made(chosen: argparse.Namespace) -> None:
    marks, rng, limits = load_marks(chosen.weights), np.random.default_rng(2026), dict(zip(OUTPUTS, chosen.limits, strict=True))
    _, photos = split(Backgrounds.load())
    people = people_pictures(chosen.synth, 150, photos, 9) if chosen.synth else ()
    clean, fonts = CleanPictures(photos, people), font_files(chosen.fonts)
    kinds = ["clean", "watermark", "text", *(f"artistic:{style}" for style in JUDGED)]
    chances = [0.5, 0.17, 0.17, *(0.16 / len(JUDGED) for _ in JUDGED)]
    kept: dict[str, list[bool]] = defaultdict(list)
    own: dict[str, list[bool]] = defaultdict(list)
    tiles: dict[str, list[Array]] = defaultdict(list)
    for _ in range(chosen.count):
        kind = str(rng.choice(kinds, p=chances))
        picture = judged_example(clean, fonts, rng, kind)
        scores = marks.scores(picture)
        kept[kind].append(all(score <= limits[name] for name, score in scores.items()))
        for name, score in scores.items():
            own[f"{kind} -> {name}"].append(score > limits[name])
        wrong = kept[kind][-1] != (kind == "clean")
        tiles[f"{kind} {'wrong' if wrong else 'right'}"].append(picture[:384, :384][::2, ::2])
    right, all_kept = sum(kept["clean"]), sum(sum(values) for values in kept.values())
    print(f"fonts {len(fonts)}, people {len(people)}, weights {marks.hash[:12]}")
    print(f"precision of what is kept: {wilson(right, all_kept)}")
    print(f"recall of clean pictures: {wilson(right, len(kept['clean']))}")
    for kind in kinds:
        print(f"| {kind} | {wilson(sum(kept[kind]), len(kept[kind]))} |", *(
            f"{name} {np.mean(own[f'{kind} -> {name}']):.0%} |" for name in OUTPUTS))  # fmt: skip
    if chosen.sheet:
        rows = [np.concatenate((values * 9)[:9], 1) for _, values in sorted(tiles.items())]
        print("sheet:", *sorted(tiles), sep="\n  ")
        cv2.imwrite(str(chosen.sheet), np.concatenate(rows)[..., ::-1])


def real(chosen: argparse.Namespace) -> None:
    shared = chosen.shared.resolve()  # paths of a list are read from its own folder
    index = json.loads((shared / "INDEX.json").read_text())
    entries = next(value for value in index.values() if isinstance(value, list) and value and "kind" in value[0])
    wanted = {"photo_person", "photo_no_person", "artistic", "watermark", "text"}
    photos = {str(shared / e["file"]): e for e in entries if e["kind"] in wanted}
    chosen.work.mkdir(parents=True, exist_ok=True)
    with (chosen.work / "photos.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "licence"))
        writer.writerows((path, e["licence"]) for path, e in photos.items())
    settings = Settings(Limits(), all_scores=True)
    curate([str((chosen.work / "photos.csv").resolve())], chosen.work / "out", settings, workers=1)
    rows = {row["source"]: row for row in read_ledger(chosen.work / "out")}
    of_kind: dict[str, list[dict]] = defaultdict(list)
    for path, one in photos.items():
        of_kind[one["kind"]].append(rows[str(Path(path))])
    for kind, found in of_kind.items():
        read = [row for row in found if row["stage"] != "decode"]
        told = [f"{name} {wilson(sum(row[name] > LIMIT for row in read), len(read))}" for name in OUTPUTS]
        told.append(f"none of the three {wilson(sum(all(row[name] <= LIMIT for name in OUTPUTS) for row in read), len(read))}")
        stages: dict[str, int] = defaultdict(int)
        for row in found:
            stages[row["stage"] or "kept"] += 1
        print(f"{kind} ({len(found)}): {'; '.join(told)}; taken by {dict(stages)}")
    for row in [*of_kind["watermark"], *of_kind["text"], *of_kind["artistic"]]:
        print(
            " ",
            Path(row["source"]).name,
            row["stage"] or "kept",
            *(f"{n} {row[n]:.2f}" for n in OUTPUTS),
        )
    for path in sorted(photos):
        if "twin" in path:
            row = rows[path]
            print("  twin", Path(path).name, *(f"{n} {row[n]:.2f}" for n in OUTPUTS))
    for row in rows.values():
        if row["stage"] in ("decode", "quality"):
            print("  ", row["stage"], Path(row["source"]).name, row["reason"])
    for limit in (0.3, 0.5, 0.7, 0.9):
        hits = [sum((row["person"] or 0) > limit for row in of_kind[kind]) for kind in ("photo_person", "photo_no_person")]
        of = [len(of_kind[kind]) for kind in ("photo_person", "photo_no_person")]
        print(f"person > {limit}: {hits[0]} of {of[0]} with people, {hits[1]} of {of[1]} without")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("made")
    one.add_argument("--fonts", type=Path, required=True)
    one.add_argument("--synth", type=Path)
    one.add_argument("--count", type=int, default=2000)
    one.add_argument("--sheet", type=Path)
    one.add_argument("--weights", type=Path, default=PACKAGED)
    one.add_argument("--limits", type=float, nargs=3, default=[LIMIT] * 3, metavar=("WATERMARK", "TEXT", "ARTISTIC"),
                     help="as --max-watermark, --max-text and --max-artistic of vitruvian curate")  # fmt: skip
    one.set_defaults(run=made)
    two = verbs.add_parser("real")
    two.add_argument("--shared", type=Path, required=True)
    two.add_argument("--work", type=Path, required=True)
    two.set_defaults(run=real)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    chosen.run(chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Piles of images: `curate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vitruvian.cli.options import Flag, Sources


def curate(
    sources: Sources,
    out: Path,
    workers: int = 1,
    min_side: float | None = None,
    max_aspect: float | None = None,
    min_colour: float | None = None,
    min_contrast: float | None = None,
    min_sharpness: float | None = None,
    hash_distance: int | None = None,
    min_likeness: float | None = None,
    min_points: int | None = None,
    max_watermark: float | None = None,
    max_text: float | None = None,
    max_artistic: float | None = None,
    person_score: float | None = None,
    person_box: float | None = None,
    scorers: tuple[str, ...] | None = None,
    embedding: str = "",
    edits: tuple[str, ...] = (),
    detector: str = "auto",
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    all_scores: Flag = False,
    shard_size: int = 1000,
    patience: float = 120,
    report: Flag = False,
    allow_private: tuple[str, ...] = (),
    ray: str | None = None,
) -> int:
    """Any pile of images -> shards of the people in it, and a ledger that says of every image what became of it and why.

    The word `run` may be left out; its options: `vitruvian curate run --help`. The same command goes on where it was stopped.
    `vitruvian curate tune OUT` decides again with other thresholds.

    Args:
        sources: Folders (searched recursively), glob patterns, files, shards (*.tar), or lists (.csv .jsonl .parquet) of
            paths or URLs.
        out: Folder of ledger/*.parquet and shards/*.tar.
        workers: Processes; 0 works in this one.
        min_side: Of the image, in pixels; 300 if left out.
        max_aspect: Longer over shorter side; 4.
        min_colour: Colourfulness; 4. Grey photos have 0.
        min_contrast: Spread of the luminance, of 255; 12.
        min_sharpness: Logarithm of the variance of the Laplacian; 2.
        hash_distance: Bits of 64 in which two images may differ to count as one picture; 4. -1: exact copies alone.
        min_likeness: Cosine of two embeddings from which images may be one picture; 0.93. With --embedding alone.
        min_points: Points that both must share then; 12. 0: the embedding alone decides.
        max_watermark: Highest score of a watermark; 0.5.
        max_text: Of overlaid text; 0.5.
        max_artistic: Of drawings and paintings; 0.5.
        person_score: A person counts with a score above this; 0.9.
        person_box: And both sides of the box above this, in pixels; 300.
        scorers: Models to ask, in this order: names, FILE.toml:TABLE, or PACKAGE.MODULE:NAME of your own.
        embedding: Find copies that hashes miss (cut, framed, written on): packaged, or a vision model of transformers (a
            folder, hub:OWNER/NAME).
        edits: Of what is kept, in the shards: faces (blurred, as far as they are found), or PACKAGE.MODULE:NAME of your own.
        detector: Of people, as in `vitruvian predict`.
        device: Where models run; auto takes the fastest there is.
        all_scores: Every model scores every image, also what is dropped, so that tune can move any threshold.
        shard_size: Images of a shard.
        patience: Seconds that an image may take before it is given up.
        report: Also write OUT/report.html: the funnel, scores beside their thresholds, samples of what was kept and dropped.
        allow_private: Hosts or networks (10.0.0.0/8) of URLs that may be private; none is fetched from otherwise.
        ray: Work on Ray Data instead: local, or the address of a cluster that sees the same folders (auto finds one).
    """
    from vitruvian.curate.command import run
    from vitruvian.curate.fetch import Manners

    limits = {
        "side": min_side, "aspect": max_aspect, "colour": min_colour, "contrast": min_contrast, "sharpness": min_sharpness,
        "hash_distance": hash_distance, "likeness": min_likeness, "points": min_points, "watermark": max_watermark,
        "text": max_text, "artistic": max_artistic, "person": person_score, "box": person_box,
    }  # fmt: skip
    return run(sources, out, limits, scorers, detector, device, all_scores, shard_size, workers, patience, report,
               Manners(allow=allow_private), ray, embedding, edits)  # fmt: skip


def curate_tune(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    out: Path | None = None,
    report: Flag = False,
    workers: int = 1,
    min_side: float | None = None,
    max_aspect: float | None = None,
    min_colour: float | None = None,
    min_contrast: float | None = None,
    min_sharpness: float | None = None,
    hash_distance: int | None = None,
    min_likeness: float | None = None,
    min_points: int | None = None,
    max_watermark: float | None = None,
    max_text: float | None = None,
    max_artistic: float | None = None,
    person_score: float | None = None,
    person_box: float | None = None,
) -> int:
    """Decide again with other thresholds, from the scores in a ledger: nothing is decoded, no model is asked.

    Args:
        run: Folder (--out) of a run that has finished.
        out: Write the new ledger and its shards here; without it only the counts are shown.
        report: Also write OUT/report.html.
        workers: Processes that write shards.
        min_side: As of `vitruvian curate`; what is left out is as it was in the run.
        max_aspect: Likewise.
        min_colour: Likewise.
        min_contrast: Likewise.
        min_sharpness: Likewise.
        hash_distance: Likewise.
        min_likeness: Likewise.
        min_points: Likewise.
        max_watermark: Likewise.
        max_text: Likewise.
        max_artistic: Likewise.
        person_score: Likewise.
        person_box: Likewise.
    """
    from vitruvian.curate.command import tune

    limits = {
        "side": min_side, "aspect": max_aspect, "colour": min_colour, "contrast": min_contrast, "sharpness": min_sharpness,
        "hash_distance": hash_distance, "likeness": min_likeness, "points": min_points, "watermark": max_watermark,
        "text": max_text, "artistic": max_artistic, "person": person_score, "box": person_box,
    }  # fmt: skip
    return tune(run, limits, out, workers, report)


def curate_label(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    stage: str = "",
    count: int = 200,
    seed: int = 0,
    port: int = 0,
    precision: float = 0.9,
    figures_only: Flag = False,
) -> int:
    """Say yes or no to pictures of a run on a page of this machine: precision and recall of what is kept, with intervals.

    Half of the pictures lie near a threshold, half elsewhere; the figures are weighted accordingly. Answers are kept in
    RUN/labels.jsonl; the same command goes on where it was left, and more answers (another --seed) make the figures sharper.

    Args:
        run: Folder (--out) of a run that has finished.
        stage: Only pictures that this stage has dropped, and what is kept; also suggests a threshold.
        count: Pictures to ask about.
        seed: Of the sample.
        port: Of the page, on this machine alone; 0: any that is free.
        precision: That the suggested threshold should reach.
        figures_only: Ask nothing; print what follows from the answers there are.
    """
    from vitruvian.curate.command import label

    return label(run, stage, count, seed, port, precision, figures_only)

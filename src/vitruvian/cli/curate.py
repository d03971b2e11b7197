"""Piles of images: `curate`."""

from __future__ import annotations

from typing import Annotated

import tyro

from vitruvian.cli.options import Device, Flag, Folder, MaybeFolder, RunWord, Sources, Whole


def curate() -> int:
    """Turn any pile of images into shards of the people in it, with a ledger of what became of every image and why; then tune
    the thresholds (tune), or say yes or no to samples to measure the set (label).
    """
    raise NotImplementedError  # a group: see GROUPS


def curate_run(
    sources: Sources,
    out: Folder,
    workers: Whole = 1,
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
    scorers: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="SCORER...")] = None,
    embedding: Annotated[str, tyro.conf.arg(metavar="packaged|MODEL")] = "",
    edits: Annotated[tuple[str, ...], tyro.conf.arg(metavar="EDIT...")] = (),
    detector: Annotated[str, tyro.conf.arg(metavar="DETECTOR")] = "auto",
    device: Device = "auto",
    all_scores: Flag = False,
    shard_size: Whole = 1000,
    patience: float = 120,
    report: Flag = False,
    allow_private: Annotated[tuple[str, ...], tyro.conf.arg(metavar="HOST...")] = (),
    ray: Annotated[str | None, tyro.conf.arg(metavar="local|auto|ADDRESS")] = None,
) -> int:
    """Any pile of images -> shards of the people in it, and a ledger of what became of every image and why.

    The word `run` may be left out. The same command resumes where it was stopped. `vitruvian curate tune OUT` decides again
    with other thresholds.

    Args:
        sources: Folders (searched recursively), glob patterns, files, shards (*.tar), or lists (.csv .jsonl .parquet) of
            paths or URLs.
        out: Folder for ledger/*.parquet and shards/*.tar.
        workers: Number of processes; 0 works in this one.
        min_side: Shortest side of an image in pixels; 300 if left out.
        max_aspect: Longer side over shorter side; 4 if left out.
        min_colour: Colourfulness, 0 for grey photos; 4 if left out.
        min_contrast: Spread of the luminance, of 255; 12 if left out.
        min_sharpness: Logarithm of the variance of the Laplacian; 2 if left out.
        hash_distance: Bits of 64 in which two images may differ and still count as one picture; 4 if left out. -1: exact
            copies only.
        min_likeness: Cosine of two embeddings above which images may be one picture; 0.93 if left out. Only with --embedding.
        min_points: Number of points that both must then share; 12 if left out. 0: the embedding alone decides.
        max_watermark: Highest score for a watermark; 0.5 if left out.
        max_text: Highest score for overlaid text; 0.5 if left out.
        max_artistic: Highest score for drawings and paintings; 0.5 if left out.
        person_score: A person counts with a score above this; 0.9 if left out.
        person_box: Both sides of the person's box must be above this, in pixels; 300 if left out.
        scorers: Models to ask, in this order: names, FILE.toml:TABLE, or PACKAGE.MODULE:NAME of your own.
        embedding: Find copies that hashes miss (cut, framed, written on): packaged, or a vision model of transformers (a
            folder, hub:OWNER/NAME).
        edits: What to change in the kept images, in the shards: faces (blurred, as far as they are found), or
            PACKAGE.MODULE:NAME of your own.
        detector: Person detector, as in `vitruvian predict`.
        device: Where models run; auto takes the fastest available.
        all_scores: Let every model score every image, even dropped ones, so that `tune` can move any threshold.
        shard_size: Images per shard.
        patience: Seconds an image may take before it is given up.
        report: Also write OUT/report.html: the funnel, scores beside their thresholds, samples of what was kept and dropped.
        allow_private: Private hosts or networks (10.0.0.0/8) from which URLs may be fetched; by default none.
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
    run: RunWord,
    out: MaybeFolder = None,
    report: Flag = False,
    workers: Whole = 1,
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
    """Decide again with other thresholds, from the scores in a ledger; nothing is decoded, and no model runs.

    Thresholds that are left out stay as they were in the run.

    Args:
        run: Folder (--out) of a finished run of `vitruvian curate`.
        out: Write the new ledger and its shards here; if left out, only the counts are shown.
        report: Also write OUT/report.html.
        workers: Number of processes that write shards.
        min_side: Shortest side of an image in pixels.
        max_aspect: Longer side over shorter side.
        min_colour: Colourfulness, 0 for grey photos.
        min_contrast: Spread of the luminance, of 255.
        min_sharpness: Logarithm of the variance of the Laplacian.
        hash_distance: Bits of 64 in which two images may differ and still count as one picture; -1: exact copies only.
        min_likeness: Cosine of two embeddings above which images may be one picture.
        min_points: Number of points that both must then share; 0: the embedding alone decides.
        max_watermark: Highest score for a watermark.
        max_text: Highest score for overlaid text.
        max_artistic: Highest score for drawings and paintings.
        person_score: A person counts with a score above this.
        person_box: Both sides of the person's box must be above this, in pixels.
    """
    from vitruvian.curate.command import tune

    limits = {
        "side": min_side, "aspect": max_aspect, "colour": min_colour, "contrast": min_contrast, "sharpness": min_sharpness,
        "hash_distance": hash_distance, "likeness": min_likeness, "points": min_points, "watermark": max_watermark,
        "text": max_text, "artistic": max_artistic, "person": person_score, "box": person_box,
    }  # fmt: skip
    return tune(run, limits, out, workers, report)


def curate_label(
    run: RunWord,
    stage: Annotated[str, tyro.conf.arg(metavar="STAGE")] = "",
    count: Whole = 200,
    seed: Whole = 0,
    port: Whole = 0,
    precision: float = 0.9,
    figures_only: Flag = False,
) -> int:
    """Say yes or no to pictures of a run on a local web page; get the precision and recall of what is kept, with intervals.

    Half of the pictures lie near a threshold, half elsewhere; the figures are weighted accordingly. Answers are kept in
    RUN/labels.jsonl; the same command resumes where it was left, and more answers (another --seed) make the figures sharper.

    Args:
        run: Folder (--out) of a finished run of `vitruvian curate`.
        stage: Ask only about pictures that this stage has dropped and about what is kept; also suggests a threshold.
        count: Number of pictures to ask about.
        seed: Seed for choosing the pictures.
        port: Port of the page, which only this machine can open; 0 takes any free one.
        precision: Precision that the suggested threshold should reach.
        figures_only: Ask nothing; print the figures from the answers so far.
    """
    from vitruvian.curate.command import label

    return label(run, stage, count, seed, port, precision, figures_only)

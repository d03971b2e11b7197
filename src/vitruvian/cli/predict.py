"""What photos and videos say: `predict`, `features`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vitruvian.cli.options import (
    Device,
    Dtype,
    Flag,
    Folder,
    MaybeFile,
    MaybeWhole,
    Model,
    Pair,
    Sources,
)


def predict(
    sources: Sources,
    tasks: Annotated[tuple[str, ...], tyro.conf.arg(metavar="TASK...")] = (),
    model: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="MODEL")] = (),
    out: Folder = Path("vitruvian-output"),
    boxes: MaybeFile = None,
    detector: Annotated[str, tyro.conf.arg(metavar="DETECTOR")] = "auto",
    min_score: float | None = None,
    nms: float | None = None,
    max_people: MaybeWhole = None,
    oks_nms: float | None = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    flip_test: Pair = None,
    fit: Literal["auto", "affine", "pad", "stretch", "lite"] = "auto",
    engine: Literal["eager", "compile", "openvino", "pruned"] = "eager",
    draw: bool = True,
    json: Flag = False,
    overwrite: Flag = False,
    coco: MaybeFile = None,
    sequence: Flag = False,
    fps: float | None = None,
    track: MaybeWhole = None,
    smooth: Flag = False,
    depth_range: Literal["fixed", "two-pass"] = "fixed",
    limit: MaybeWhole = None,
) -> int:
    """Photos and videos -> pose, body parts, depth and normals of the people in them.

    Photos and videos that are already done are skipped. Exit code: 0 all done, 1 some input failed, 2 wrong usage.

    Args:
        sources: Photos, videos, folders (searched recursively), glob patterns, or webcam:0 (until Ctrl-C).
        tasks: Any of pose, seg, depth, normal, separated by spaces; all tasks of the model if left out.
        model: Name (see `vitruvian models`) or path of weights; vitruvian-s if left out. Repeat the option for several models
            that answer different tasks.
        out: Folder for the results, which mirror the paths below each source.
        boxes: Person boxes to use instead of a detector: CSV (image,x1,y1,x2,y2[,score]), results of `predict`, or COCO JSON.
            For one video: CSV with frame,x1,y1,x2,y2[,score][,track], such as its tracks.csv.
        detector: auto (the best packaged one), cascade (finds people on the photo and on pieces of it, then judges them with
            the packaged model), person, hog, whole-image (the whole photo is one person), or a person detector of the library
            transformers: hub:OWNER/NAME, once fetched with `vitruvian models fetch`, or its folder.
        min_score: Drop boxes with a lower score, 0 to 1; each detector has its own default.
        nms: Of two boxes that overlap by more than this (intersection over union), keep the more confident one.
        max_people: Keep at most N people per photo, the most confident.
        oks_nms: Of two poses more alike than this (OKS, 0 to 1), keep the more confident one; 0.9 removes people found twice.
        device: Where to run; auto takes the fastest available.
        dtype: Precision of matrix products; auto is bf16 where the hardware has it.
        flip_test: Average the answers for the photo and its mirror image: more accurate, but twice the time. If left out, the
            packaged model does it and others do not.
        fit: How models of parts, depth and normals see a photo: as trained (auto), one crop per person (affine), or the whole
            frame (pad, stretch); lite prepares photos for all models as the official lite release does.
        engine: compile needs half a minute to prepare and is up to a tenth faster; openvino (needs the extra of that name) is
            another library for CPUs; pruned skips what is far from people, which is faster but less accurate.
        draw: Make the overlay picture, or the overlay video with its sound.
        json: Print one JSON line per photo or video on stdout, and everything else on stderr.
        overwrite: Redo photos and videos that are already done.
        coco: Also write all people in the photos to this COCO file.
        sequence: Treat every folder or pattern as one video made of its pictures.
        fps: Pictures per second of a sequence; 30 if left out.
        track: Predict only the person with this number in each video; the overlay and the records show the numbers.
        smooth: Smooth the keypoints of videos (One-Euro filter); the record tells the jitter before and after.
        depth_range: Colours of depth in videos: fixed, or fitted to the whole video in an extra pass (two-pass).
        limit: Stop after the first N frames of each video.
    """
    from vitruvian.predict.command import run  # torch is imported here

    return run(
        sources,
        tasks=tasks,
        model=model,
        out=out,
        boxes=boxes,
        detector=detector,
        min_score=min_score,
        nms=nms,
        max_people=max_people,
        oks_nms=oks_nms,
        device=device,
        dtype=dtype,
        flip_test=flip_test,
        fit=fit,
        engine=engine,
        draw=draw,
        as_json=json,
        overwrite=overwrite,
        coco=coco,
        sequence=sequence,
        fps=fps,
        track=track,
        smooth=smooth,
        depth_range=depth_range,
        limit=limit,
    )


def features(
    sources: Sources,
    out: Folder,
    model: Model = "vitruvian-s",
    boxes: MaybeFile = None,
    fit: Literal["pad", "stretch", "photo"] = "pad",
    device: Device = "auto",
    dtype: Dtype = "auto",
    overwrite: Flag = False,
) -> int:
    """Write an encoder's features of photos, one vector per patch: STEM.features.npy, and a .json that says which pixels each
    patch covers.

    Args:
        sources: Photos, folders (searched recursively) or glob patterns.
        out: Folder for the results, which mirror the paths below each source.
        model: Name (see `vitruvian models`) or path of weights; a pretrained encoder will do.
        boxes: Person boxes as for `vitruvian predict`: features of each person's crop instead of the whole frame.
        fit: How the whole frame is seen: pad (scaled into the model's input, aspect kept), stretch, or photo (at its own size).
        device: Where to run; auto takes the fastest available.
        dtype: Precision of matrix products; features are float32 in any case.
        overwrite: Replace files that are already there.
    """
    from vitruvian.features import run

    return run(sources, out, model, boxes, fit, device, dtype, overwrite)

"""What photos and videos say: `predict`, `features`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import tyro

from vitruvian.cli.options import Flag, Sources, either


def predict(
    sources: Sources,
    tasks: tuple[str, ...] = (),
    model: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    out: Path = Path("vitruvian-output"),
    boxes: Path | None = None,
    detector: str = "auto",
    min_score: float | None = None,
    nms: float | None = None,
    max_people: int | None = None,
    oks_nms: float | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["auto", "fp32", "bf16"] = "auto",
    flip_test: Flag = False,
    no_flip_test: Flag = False,
    fit: Literal["auto", "affine", "pad", "stretch", "lite"] = "auto",
    engine: Literal["eager", "compile", "openvino", "pruned"] = "eager",
    draw: bool = True,
    json: Flag = False,
    overwrite: Flag = False,
    coco: Path | None = None,
    sequence: Flag = False,
    fps: float | None = None,
    track: int | None = None,
    smooth: Flag = False,
    depth_range: Literal["fixed", "two-pass"] = "fixed",
    limit: int | None = None,
) -> int:
    """Photos and videos -> pose, body parts, depth and normals of the people in them.

    Done photos and videos are skipped on a second run. Exit code: 0 all done, 1 some input failed, 2 wrong usage.

    Args:
        sources: Photos, videos, folders (searched recursively), glob patterns, or webcam:0 (until Ctrl-C).
        tasks: Any of pose, seg, depth, normal; all that the model has if none is named.
        model: Name (see `vitruvian models`) or path of weights; vitruvian-s if left out. Repeat it for several models that
            answer different tasks.
        out: Folder of the results; they mirror the paths below each source.
        boxes: Person boxes instead of the detector: CSV (image,x1,y1,x2,y2[,score]), results of predict, or COCO JSON; of one
            video, CSV with frame,x1,y1,x2,y2[,score][,track], such as its tracks.csv.
        detector: auto, cascade (person on the photo and its pieces, and the packaged model judges the surest finds), person,
            hog, whole-image (the whole photo is one person), or one of the library transformers that knows people:
            hub:OWNER/NAME (after `vitruvian models fetch` of the same), or its folder.
        min_score: Leave out boxes with a lower score, 0 to 1; each detector has its own least score.
        nms: Of two boxes whose intersection over union is above this, keep the surer one.
        max_people: So many of a photo, the surest.
        oks_nms: Of two poses that are more alike than this (OKS, 0 to 1), keep the surer one; 0.9 ends double finds.
        device: Where to run; auto takes the fastest there is.
        dtype: Precision of matrix products; auto is bf16 where the hardware has it.
        flip_test: Mean of the photo's and its mirror image's answer: more exact, twice the time. The packaged model does it
            without being told.
        no_flip_test: One answer only, in half of the time.
        fit: How parts, depth and normal models see a photo: as trained (auto), a crop for each person (affine), the whole
            frame (pad, stretch); lite is the official lite release's way for all models.
        engine: compile takes half a minute of preparation and is up to a tenth faster; openvino (extra of this name) is
            another library on a CPU; pruned leaves out what is far from people: faster, less exact.
        draw: Make the overlay picture, or the overlay video with the sound kept.
        json: One JSON line a photo or video on stdout, everything else on stderr.
        overwrite: Do done photos and videos again.
        coco: Also write all people of the photos to this COCO file.
        sequence: Every folder or pattern is one video of its pictures.
        fps: Pictures a second of a sequence; 30 if left out.
        track: Only the person of this number in each video; numbers are in its overlay and records.
        smooth: Steady the keypoints of videos (One-Euro filter); told in the record, with the jitter before and after.
        depth_range: Colours of depth in videos: fixed, or fitted to the whole video in a pass of its own (two-pass).
        limit: So many frames of each video, from its beginning.
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
        flip_test=either(flip_test, no_flip_test, "--flip-test", "--no-flip-test"),
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
    out: Path,
    model: str = "vitruvian-s",
    boxes: Path | None = None,
    fit: Literal["pad", "stretch", "photo"] = "pad",
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["auto", "fp32", "bf16"] = "auto",
    overwrite: Flag = False,
) -> int:
    """Write what an encoder makes of photos, one vector a patch: STEM.features.npy, and .json that says which pixels it sees.

    Args:
        sources: Photos, folders (searched recursively) or glob patterns.
        out: Folder of the results; they mirror the paths below each source.
        model: Name (see `vitruvian models`) or path of weights; a pretrained encoder too.
        boxes: Person boxes as for `vitruvian predict`: features of each person's crop instead of the whole frame.
        fit: How the whole frame is seen: pad (inside the model's input, aspect kept), stretch, or photo (in its own size).
        device: Where to run.
        dtype: Precision of matrix products; features are float32 in any case.
        overwrite: Replace files that are already there.
    """
    from vitruvian.features import run

    return run(sources, out, model, boxes, fit, device, dtype, overwrite)

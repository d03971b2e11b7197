"""Words -> calls, nothing else. What a verb needs is imported when it runs, so that --help answers at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from vitruvian import __version__
from vitruvian.errors import UsageError, VitruvianError

Sources = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE...")]
Results = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RESULT...")]
Overwrite = Annotated[bool, tyro.conf.FlagCreatePairsOff]
AsJson = Annotated[bool, tyro.conf.FlagCreatePairsOff]


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
    flip_test: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    no_flip_test: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    fit: Literal["auto", "affine", "pad", "stretch", "lite"] = "auto",
    engine: Literal["eager", "compile", "openvino", "pruned"] = "eager",
    draw: bool = True,
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    coco: Path | None = None,
    sequence: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    fps: float | None = None,
    track: int | None = None,
    smooth: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
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
        flip_test=_either(flip_test, no_flip_test, "--flip-test", "--no-flip-test"),
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


def synth(
    out: Path,
    count: int,
    size: str = "256x192",
    seed: int = 0,
    workers: int = 1,
    backgrounds: Path | None = None,
    preview: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> int:
    """Make a data set of synthetic people with exact labels. The same command resumes after a stop.

    Args:
        out: Folder of the data set.
        count: Number of samples.
        size: Height x width in pixels.
        seed: Sample i is a function of the seed and i alone.
        workers: Processes, at least 1.
        backgrounds: Folder of photos to stand behind the people.
        preview: Also write a contact sheet.
    """
    from vitruvian.synth.dataset.generate import run

    return run(out, count, size, seed, workers, backgrounds, preview=preview)


def evaluate(
    out: Path,
    coco: Path | None = None,
    images: Path | None = None,
    groups: Path | None = None,
    synth: Path | None = None,
    shared: Path | None = None,
    card: Path | None = None,
    model: str = "vitruvian-s",
    limit: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> int:
    """Figures of a model with given boxes, by group and with intervals: on your own labels, on held-out synthetic people.

    The word `model` may be left out; its options: `vitruvian evaluate model --help`. Exit code: 0 done, 1 some photos could not
    be used, 2 wrong usage.

    Args:
        out: Folder of the tables: people.md of your labels, synthetic.md, photos.md of the shared photos, each with its .json.
        coco: Your own labels in COCO's layout (boxes with key points, masks or both).
        images: Folder of its file names; its own folder if left out.
        groups: CSV with the column photo, perhaps person (annotation id), and a column for each grouping of your own.
        synth: Held-out data set of `vitruvian synth`.
        shared: Folder that holds INDEX.json and the project's labelled photos.
        card: Markdown file of a model card whose generated parts are filled anew; needs --synth.
        model: Name of a packaged model or path of a .safetensors file.
        limit: Photos and frames to use; all if left out.
        device: Where to run.
    """
    from vitruvian.evaluate.command import Wanted, run

    return run(Wanted(out, shared, synth, coco, images, groups, card, limit), model, device)


def evaluate_protocol(
    task: Literal["pose", "seg", "depth", "normal"],
    data: str,
    model: str = "vitruvian-s",
    skeleton: str | None = None,
    boxes: Literal["given"] | None = None,
    detections: Path | None = None,
    detector: str | None = None,
    flip: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    no_flip: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    crop: Literal["frame", "person"] | None = None,
    align: Literal["none", "scale", "scale-shift", "minmax"] | None = None,
    out: Path | None = None,
    limit: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["auto", "fp32", "bf16"] = "fp32",
    json: AsJson = False,
) -> int:
    """One model on one data set by the paper's protocol; `vitruvian evaluate --task ...` is the same.

    Exit code: 0 done, 1 some photos or boxes could not be used (named on stderr, not in the figures), 2 wrong usage.

    Args:
        task: What is judged.
        data: SOURCE.toml, COCO's FILE.json or a folder with labels (see `vitruvian data list`).
        model: Name (see `vitruvian models`) or path of weights.
        skeleton: Poses: the set that is judged, by name or TOML file; that of the labels if left out. common114: what the 133
            and the 308 points share.
        boxes: Poses: given takes the labelled boxes, as if left out.
        detections: Poses: boxes of a COCO results file (image_id, category_id, bbox, score).
        detector: Poses: boxes of a detector, as in `vitruvian predict`.
        flip: Mean of the photo's and its mirror image's answer; usual for poses, and unusual for all else.
        no_flip: Poses without it.
        crop: Maps: frame squashes the whole photo into the model's input, as officially (the default); person takes a crop of
            each labelled person.
        align: Depth to its truth, by least squares, photo by photo: scale-shift if left out; minmax brings both to 0..1.
        out: Folder of the predictions (predictions.json and truth.json, or a map a photo) and figures.json.
        limit: So many photos, evenly apart.
        device: Where to run.
        dtype: Precision of matrix products.
        json: One JSON object on stdout, nothing else.
    """
    from vitruvian.evaluate.protocol.command import run
    from vitruvian.evaluate.protocol.wanted import Wanted

    flipped = _either(flip, no_flip, "--flip", "--no-flip")
    how: Any = None if align is None else align.replace("-", "_")
    wanted = Wanted(task, data, model, skeleton, boxes, detections, detector, flipped, crop, how, limit, out)
    return run(wanted, device, dtype, json)


def evaluate_keypoints(truth: Path, predictions: Path, skeleton: str | None = None, json: AsJson = False) -> int:
    """AP and AR (OKS) of poses in a COCO results file, of the whole and of its parts.

    Args:
        truth: COCO, COCO-WholeBody, CrowdPose or 308-point labels.
        predictions: COCO results (image_id, keypoints, score), or what `predict --coco` wrote.
        skeleton: Set that is judged, by name or TOML file; both files are taken over to it. common114: what the 133 and the
            308 points share.
        json: One JSON object on stdout (fractions), nothing else.
    """
    from vitruvian.evaluate.results import keypoint_figures
    from vitruvian.evaluate.results.command import tell

    figures = keypoint_figures(truth, predictions, skeleton)
    return tell(figures, json, figures["skeleton"])


def evaluate_people(
    truth: Path, predictions: Path, kind: Literal["bbox", "segm"] = "bbox", category: str = "person", json: AsJson = False
) -> int:
    """COCO's twelve detection figures of boxes or masks in a COCO results file.

    Args:
        truth: COCO labels of instances.
        predictions: COCO results (image_id, category_id, bbox or segmentation, score).
        kind: Boxes or masks.
        category: Name of the category; all for the mean over all.
        json: One JSON object on stdout (fractions), nothing else.
    """
    from vitruvian.evaluate.results import detection_stats
    from vitruvian.evaluate.results.command import tell

    return tell(detection_stats(truth, predictions, kind, None if category == "all" else category), json)


def evaluate_parts(
    truth: Path, predictions: Path, classes: str = "body28", masks: Path | None = None, json: AsJson = False
) -> int:
    """mIoU, mAcc, aAcc and the IoU of each part, of maps in folders.

    Args:
        truth: Folder of PNGs with the class in each pixel, 255 where nothing is counted; NAME.png or NAME.parts.png.
        predictions: Folder of the same names and sizes, as `predict --tasks seg` writes it.
        classes: Class set of both.
        masks: Folder of PNGs NAME.png or NAME.mask.png; only pixels that are not 0 there are counted.
        json: One JSON object on stdout (fractions), nothing else.
    """
    from vitruvian.evaluate.results import Folders, part_figures
    from vitruvian.evaluate.results.command import tell

    return tell(part_figures(Folders(truth, predictions, masks), classes), json, classes)


def evaluate_depth(
    truth: Path,
    predictions: Path,
    alignment: Literal["none", "scale", "scale-shift"] = "scale-shift",
    unit: float = 0.001,
    masks: Path | None = None,
    json: AsJson = False,
) -> int:
    """RMSE, AbsRel, delta1-3 and more of depth maps in folders: of each photo, then their mean.

    Args:
        truth: Folder of NAME.npy or NAME.exr (H, W) in metres, or 16-bit NAME.png; 0, NaN and infinity are no reading.
        predictions: Folder of the same names and sizes, as `predict --tasks depth` writes it (NAME.depth.npy).
        alignment: Least squares, photo by photo: none for metric predictions, scale-shift for relative ones.
        unit: Metres of the number 1 in 16-bit PNGs.
        masks: Folder of PNGs NAME.png or NAME.mask.png; only pixels that are not 0 there are counted.
        json: One JSON object on stdout, nothing else.
    """
    from vitruvian.evaluate.results import Folders, depth_figures
    from vitruvian.evaluate.results.command import tell

    how = {"none": "none", "scale": "scale", "scale-shift": "scale_shift"}[alignment]
    return tell(depth_figures(Folders(truth, predictions, masks), how, unit), json)  # type: ignore[arg-type]


def evaluate_normal(
    truth: Path,
    predictions: Path,
    axes: Literal["camera", "opengl", "directx"] = "camera",
    masks: Path | None = None,
    json: AsJson = False,
) -> int:
    """Mean and median angle, and the share within 5, 7.5, 11.25, 22.5 and 30 degrees, of maps of normals in folders.

    Args:
        truth: Folder of NAME.npy, NAME.exr (H, W, 3) or NAME.png; what is not finite or not of length 1 is not counted.
        predictions: Folder of the same names and sizes, as `predict --tasks normal` writes it (NAME.normal.npy).
        axes: Axes of the truth; those of the predictions are camera (x right, y down, z away from the camera).
        masks: Folder of PNGs NAME.png or NAME.mask.png; only pixels that are not 0 there are counted.
        json: One JSON object on stdout, nothing else.
    """
    from vitruvian.evaluate.results import Folders, normal_figures
    from vitruvian.evaluate.results.command import tell

    return tell(normal_figures(Folders(truth, predictions, masks), axes), json)


def export(
    model: Annotated[str, tyro.conf.Positional],
    to: str,
    out: Path | None = None,
    dtype: str = "fp32",
    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> int:
    """Write a model as a file for another runtime, and how exactly it repeats PyTorch beside it (FILE.parity.json).

    Exit code: 0 done, 1 the file is not exact enough or cannot be written, 2 wrong usage.

    Args:
        model: Name (see `vitruvian models`) or path of weights.
        to: onnx (.onnx), openvino (.xml and .bin) or torch-export (.pt2).
        out: The file; MODEL and the ending of the target, here, if left out.
        dtype: Precision inside: fp32, fp16, or bf16 (torch-export only). Input and outputs are float32 in any case.
        overwrite: Replace a file that is already there.
    """
    from vitruvian.export.command import run

    return run(model, to, out, dtype, overwrite)


def keypoints() -> int:
    """Keypoints of results in other sets and for other programs, and joint angles: list, convert, angles."""
    raise NotImplementedError  # a group: see GROUPS


def keypoints_list(name: Annotated[str, tyro.conf.Positional] = "") -> int:
    """List the sets of keypoints and what each has in common with those that models answer in; or the points of one set.

    Args:
        name: A set, to see its points, numbered from 0; all sets if left out.
    """
    from vitruvian.keypoints.command import show

    return show(name)


def keypoints_convert(
    results: Results,
    to: str,
    out: Path,
    style: Literal["auto", "results", "openpose", "csv", "coco"] = "auto",
    overwrite: Overwrite = False,
) -> int:
    """Write keypoints of results in another set. What has no equivalent gets score 0 and is named, in the files and here.

    Args:
        results: STEM.json or STEM.frames.jsonl of `vitruvian predict`, or folders of them.
        to: A set of `vitruvian keypoints list`, such as coco17, openpose25, halpe26, mediapipe33 or h36m17.
        out: A folder, for one file a photo; FILE.csv, for one table; FILE.json, for one COCO file.
        style: auto goes by the name of --out; openpose writes OpenPose's JSON (with --to openpose18 or openpose25).
        overwrite: Replace files that are already there.
    """
    from vitruvian.keypoints.command import convert

    return convert(results, to, out, style, overwrite)


def keypoints_angles(results: Results, out: Path, threshold: float = 0.3, overwrite: Overwrite = False) -> int:
    """Write angles of elbows, shoulders, hips, knees and ankles, and the lean of neck and trunk, one row a person and frame.

    Degrees in the plane of the picture; nan where a point that an angle needs is not seen well enough.

    Args:
        results: STEM.json or STEM.frames.jsonl of `vitruvian predict`, or folders of them.
        out: The table, FILE.csv.
        threshold: Score below which a keypoint is not used.
        overwrite: Replace a file that is already there.
    """
    from vitruvian.keypoints.command import angles

    return angles(results, out, threshold, overwrite)


def maps() -> int:
    """Maps of results for other programs, mattes, cut-outs, EXR, COCO masks: convert."""
    raise NotImplementedError  # a group: see GROUPS


def maps_convert(
    results: Results,
    to: Literal["alpha", "cutout", "exr", "coco"],
    out: Path,
    sequence: str = "",
    start: int = 1,
    digits: int = 4,
    normal_frame: Literal["camera", "opengl", "directx"] = "camera",
    photos: Path | None = None,
    overwrite: Overwrite = False,
) -> int:
    """Write maps of results for other programs.

    Args:
        results: STEM.json of `vitruvian predict`, or folders of them.
        to: alpha (PNG, 255 = somebody), cutout (the photo as RGBA PNG), exr (depth in Y and Z, normals in R, G, B, always
            with A), coco (one JSON of people with run-length masks).
        out: Folder of the files; FILE.json for coco.
        sequence: Name of a numbered sequence, SHOT.depth.0001.exr; files are called after their photo if left out.
        start: Number of the first photo in the sequence. A photo that fails leaves a gap.
        digits: Digits of the number.
        normal_frame: Axes of normals: camera (x right, y down, z away), opengl (y up, z towards the camera), directx (y down,
            z towards the camera).
        photos: Folder of the photos (or the photo), for cutout.
        overwrite: Replace files that are already there.
    """
    from vitruvian.maps.command import Numbering, convert

    return convert(results, to, out, Numbering(sequence, start, digits), normal_frame, photos, overwrite)


def depth() -> int:
    """Relative depth made metric by what is known of the scene, and point clouds of it: align, cloud."""
    raise NotImplementedError  # a group: see GROUPS


def depth_align(
    result: Annotated[Path, tyro.conf.Positional],
    out: Path,
    anchors: Path | None = None,
    height: float | None = None,
    person: int | None = None,
    span: float | None = None,
    fov: float | None = None,
    focal: float | None = None,
    photo: Path | None = None,
    overwrite: Overwrite = False,
) -> int:
    """Turn the relative depth of a result into metres, person by person: STEM.metric.json and STEM.metric.npy.

    Args:
        result: STEM.json of `vitruvian predict` with depth.
        out: Folder of the files.
        anchors: CSV x,y,metres: two or more pixels on each person whose distance along the viewing axis is known.
        height: Stature in metres of one person who stands straight and is seen from head to feet.
        person: Whose height it is, counted from 1; needed where there are several.
        span: With --height: metres from that person's nearest to the farthest pixel; from the surface normals if left out.
        fov: Horizontal field of view in degrees.
        focal: Focal length in pixels, instead of --fov.
        photo: The photo, for the focal length in its EXIF where neither is given. It must not be cropped.
        overwrite: Replace files that are already there.
    """
    from vitruvian.depth.command import align

    return align(result, out, anchors, height, person, span, fov, focal, photo, overwrite)


def depth_cloud(
    results: Results,
    out: Path,
    fov: float | None = None,
    focal: float | None = None,
    photo: Path | None = None,
    axes: Literal["camera", "opengl", "directx"] = "camera",
    stride: int = 1,
    overwrite: Overwrite = False,
) -> int:
    """Write a point cloud in metres (PLY) of metric depth. Relative depth is refused: align it first.

    Args:
        results: STEM.metric.json of `vitruvian depth align`, or STEM.json of a model of metric depth.
        out: Folder of the .ply files.
        fov: Horizontal field of view in degrees; as it was for the alignment if left out.
        focal: Focal length in pixels, instead of --fov.
        photo: The photo (or the folder of the photos), for colours, and for its EXIF where nothing else tells the camera.
        axes: camera (x right, y down, z away), opengl (y up, z towards the camera) or directx (y down, z towards the camera).
        stride: Take every so many pixels.
        overwrite: Replace files that are already there.
    """
    from vitruvian.depth.command import clouds

    return clouds(results, out, fov, focal, photo, axes, stride, overwrite)


def features(
    sources: Sources,
    out: Path,
    model: str = "vitruvian-s",
    boxes: Path | None = None,
    fit: Literal["pad", "stretch", "photo"] = "pad",
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["auto", "fp32", "bf16"] = "auto",
    overwrite: Overwrite = False,
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


def pretrain(
    sources: Sources = (),
    *,
    out: Path,
    recipe: str | None = None,
    size: Literal["0.3b", "0.6b", "1b", "2b", "tiny"] | None = None,
    resolution: int | None = None,
    mask_ratio: float | None = None,
    steps: int | None = None,
    batch: int | None = None,
    accumulate: int | None = None,
    lr: float | None = None,
    warmup: int | None = None,
    weight_decay: float | None = None,
    init: str | None = None,
    export: Path | None = None,
    seed: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["auto", "fp32", "bf16"] | None = None,
    workers: int = 1,
    shard: Literal["all", "node"] | None = None,
    checkpointing: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    compile: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    checkpoint_every: int | None = None,
    keep: int | None = None,
    resume: Literal["auto", "never", "must"] = "auto",
) -> int:
    """Photos without labels -> an encoder: a masked autoencoder learns to guess hidden patches, as Sapiens was pretrained.

    The same command goes on where it was stopped. Flags go over the recipe; all that was settled is in OUT/config.json.

    Args:
        sources: Folders of photos (searched recursively), glob patterns, shards (*.tar, URLs) or data sets (see `vitruvian data
            list`). Without any, --export writes what OUT has learned so far.
        out: Folder of the run: config.json, log.jsonl, checkpoints and, at the end, encoder.safetensors.
        recipe: tiny (for a laptop), 0.3b, 0.6b, 1b, 2b (as the paper's), or FILE.toml with the same keys.
        size: Of the encoder.
        resolution: Side of the square input in pixels, a multiple of 16; 1024 if neither this nor the recipe says.
        mask_ratio: Share of the patches that is hidden; 0.75 likewise.
        steps: Steps of the optimiser.
        batch: Photos of one step, of all processes together.
        accumulate: In so many passes, where a batch does not fit into memory; but for the masks drawn, nothing else changes.
        lr: Learning rate for a batch of 256; it is multiplied by batch / 256.
        warmup: Steps in which the rate rises.
        weight_decay: Of the optimiser (AdamW).
        init: Begin with this encoder: name (see `vitruvian models`) or path of weights in whichever layout.
        export: Write the encoder to this .safetensors file instead.
        seed: Of everything that is drawn.
        device: Where to train; auto takes the fastest there is.
        dtype: Precision of matrix products; auto is bf16 where the hardware has it.
        workers: Processes that read photos.
        shard: Several processes share the weights out over all of them, or within each node, which then holds them whole.
        checkpointing: Less memory, a third more time: activations are computed twice.
        compile: With torch.compile.
        checkpoint_every: Steps.
        keep: So many of the last checkpoints.
        resume: auto goes on where there are checkpoints, never wants a new folder, must wants checkpoints.
    """
    from vitruvian.pretrain.command import pretrain as run

    flags = {
        "size": size, "resolution": resolution, "mask_ratio": mask_ratio, "steps": steps, "batch": batch,
        "accumulate": accumulate, "lr": lr, "warmup": warmup, "weight_decay": weight_decay, "seed": seed, "dtype": dtype,
        "checkpointing": checkpointing or None, "compile": compile or None, "checkpoint_every": checkpoint_every, "keep": keep,
        "shard": shard,
    }  # fmt: skip
    return run(sources, out, flags, recipe, init, device, workers, resume, export)


def finetune(
    sources: Sources = (),
    *,
    out: Path,
    tasks: tuple[str, ...] = (),
    init: str = "vitruvian-s",
    recipe: str | None = None,
    skeleton: str | None = None,
    classes: str | None = None,
    val: tuple[str, ...] = (),
    size: tuple[int, int] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    batch: int | None = None,
    accumulate: int | None = None,
    lr: float | None = None,
    layer_decay: float | None = None,
    warmup: int | None = None,
    ema: float | None = None,
    drop_path: float | None = None,
    train: Literal["all", "heads", "lora"] | None = None,
    lora_rank: int | None = None,
    backgrounds: Path | None = None,
    export: Path | None = None,
    seed: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["auto", "fp32", "bf16"] | None = None,
    workers: int = 1,
    shard: Literal["all", "node"] | None = None,
    checkpointing: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    compile: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    checkpoint_every: int | None = None,
    keep: int | None = None,
    resume: Literal["auto", "never", "must"] = "auto",
) -> int:
    """Labelled people or photos -> a model that `predict` takes: an encoder or a whole model learns tasks, as Sapiens was.

    The same command goes on where it was stopped. Flags go over the recipe; all that was settled is in OUT/config.json.

    Args:
        sources: Labelled data: COCO's FILE.json, SOURCE.toml, folders of maps or of `vitruvian synth` (see `vitruvian data
            list`). Without any, --export writes what OUT has learned so far.
        out: Folder of the run: config.json, log.jsonl, checkpoints and, at the end, model.safetensors.
        tasks: One or more of pose, seg, depth, normal; those of --init that the sources label if neither this nor the recipe
            says.
        init: Begin with these weights: name (see `vitruvian models`) or path, an encoder or a whole model; or random:SIZE.
        recipe: pose17, pose133, pose308, seg28, depth, normal (as Sapiens'), or FILE.toml with the same keys.
        skeleton: Of poses: a name (see `vitruvian keypoints list`), or a TOML file of your own.
        classes: Of body parts, likewise.
        val: Labelled data that is not learned from; its figures are logged, and the best model is kept and written.
        size: Height and width of the input in pixels, multiples of the patch; that of --init, of an encoder 1024 768.
        epochs: Passes over all samples.
        steps: Steps of the optimiser instead.
        batch: Samples of one step, of all processes together.
        accumulate: In so many passes, where a batch does not fit into memory.
        lr: Learning rate of the heads after the warm-up.
        layer_decay: What it is multiplied by from one block to the one before it.
        warmup: Steps in which the rate rises.
        ema: Train as usual, keep and write an average of the weights with this decay, such as 0.999.
        drop_path: Chance that the last block's branches are left out; it falls evenly to 0 at the first.
        train: all, heads (the encoder stays as it is), or lora (heads, and small changes to the encoder's attention).
        lora_rank: How large these are.
        backgrounds: Folder of person-free photos to put behind people, where the recipe asks for it; packaged ones if left out.
        export: Write the model to this .safetensors file instead.
        seed: Of everything that is drawn.
        device: Where to train; auto takes the fastest there is.
        dtype: Precision of matrix products; auto is bf16 where the hardware has it.
        workers: Processes that read photos.
        shard: Several processes share the weights out over all of them, or within each node, which then holds them whole.
        checkpointing: Less memory, a third more time: activations are computed twice.
        compile: With torch.compile.
        checkpoint_every: Steps.
        keep: So many of the last checkpoints.
        resume: auto goes on where there are checkpoints, never wants a new folder, must wants checkpoints.
    """
    from vitruvian.finetune.command import finetune as run

    flags = {
        "tasks": tasks or None, "skeleton": skeleton, "classes": classes, "size": size, "epochs": epochs, "steps": steps,
        "batch": batch, "accumulate": accumulate, "lr": lr, "layer_decay": layer_decay, "warmup": warmup, "ema": ema,
        "drop_path": drop_path, "train": train, "lora_rank": lora_rank, "seed": seed, "dtype": dtype,
        "checkpointing": checkpointing or None, "compile": compile or None, "checkpoint_every": checkpoint_every, "keep": keep,
        "shard": shard,
    }  # fmt: skip
    return run(sources, out, flags, recipe, init, val, backgrounds, device, workers, resume, export)


def reconstruct(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|WEIGHTS")],
    photos: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PHOTO...")],
    out: Path,
    ratios: tuple[float, ...] = (0.5, 0.75, 0.95),
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["auto", "fp32", "bf16"] = "auto",
    overwrite: Overwrite = False,
) -> int:
    """A picture of what a masked autoencoder makes of photos of which it sees a part: one row a photo, two columns a ratio.

    Args:
        model: Folder of a run of `vitruvian pretrain`, or weights with a decoder.
        photos: Photos, folders (searched recursively) or glob patterns.
        out: The .png file.
        ratios: Shares of the patches that are hidden.
        seed: Of which ones.
        device: Where to run.
        dtype: Precision of matrix products.
        overwrite: Replace a file that is already there.
    """
    from vitruvian.pretrain.reconstruct import run

    return run(model, photos, out, ratios, seed, device, dtype, overwrite)


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
    all_scores: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    shard_size: int = 1000,
    patience: float = 120,
    report: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
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
    report: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
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
    figures_only: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
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


def models() -> int:
    """Packaged models and official checkpoints: list (or nothing), show, fetch, convert."""
    from vitruvian.weights.command import show_all

    return show_all()


def models_list() -> int:
    """List the packaged models and the official checkpoints, with licence, status, and whether they are in the cache."""
    return models()


def models_show(name: Annotated[str, tyro.conf.Positional]) -> int:
    """Show what a model is: what its file says of itself, or what its tensors show.

    Args:
        name: Name (see `vitruvian models`), hub:OWNER/REPOSITORY/FILE, or path of weights in whichever layout.
    """
    from vitruvian.weights.command import show

    return show(name)


def models_fetch(
    name: Annotated[str, tyro.conf.Positional],
    repo: str | None = None,
    file: str | None = None,
    revision: str | None = None,
) -> int:
    """Download an official checkpoint into the cache of huggingface_hub. The same command goes on after a stop.

    Its licence is shown, and recorded beside the file. Afterwards its name is enough: --model NAME, offline.

    Args:
        name: Name of an official checkpoint (see `vitruvian models`), hub:OWNER/REPOSITORY/FILE[@REVISION], or a detector of
            people as a whole, hub:OWNER/NAME[@REVISION].
        repo: Repository at the hub, OWNER/NAME, instead of the one it is known to be in.
        file: File in that repository, instead of the one it is known as.
        revision: Branch, tag or commit; the main branch if left out.
    """
    from vitruvian.weights.command import fetch

    return fetch(name, repo, file, revision)


def models_convert(
    source: Annotated[str, tyro.conf.Positional],
    out: Path,
    name: str | None = None,
    dtype: Literal["fp32", "bf16"] = "fp32",
    heads: int | None = None,
    overwrite: Overwrite = False,
) -> int:
    """Write weights of whichever layout (.pth, _torchscript.pt2, safetensors) as one file of ours; read it back bit for bit.

    Args:
        source: Name, hub:OWNER/REPOSITORY/FILE, or path of weights.
        out: The .safetensors file.
        name: Name of the official checkpoint that it must be.
        dtype: fp32 is exact; bf16 is half the size and rounded once.
        heads: Attention heads of a backbone of no official size, which no tensor shows.
        overwrite: Replace a file that is already there.
    """
    from vitruvian.weights.command import convert

    return convert(source, out, name, dtype, heads, overwrite)


def data() -> int:
    """Data sets to train on: list (the layouts and sets there are), check."""
    raise NotImplementedError  # a group: see GROUPS


def data_list() -> int:
    """List the layouts of data sets that can be read, with an example of each, and the names of skeletons and classes."""
    from vitruvian.survey import show_layouts

    return show_layouts()


def data_check(
    sources: Sources = (),
    train: tuple[str, ...] = (),
    val: tuple[str, ...] = (),
    skeleton: str | None = None,
    out: Path | None = None,
    limit: int | None = None,
) -> int:
    """Read data sets and name what is wrong: files that cannot be used, impossible flip pairs, ids out of range, empty masks,
    degenerate boxes, sizes that differ, and pictures that training and validation share.

    Exit code: 0 nothing is wrong, 1 something is, 2 wrong usage.

    Args:
        sources: SOURCE.toml, COCO's FILE.json, folders or shards (see `vitruvian data list`).
        train: Sources to train on, whose pictures are compared with those of --val.
        val: Sources to validate on.
        skeleton: Of COCO files: name, or a TOML file of your own, which is checked too.
        out: Folder of sheet.jpg, samples with their labels, and findings.json.
        limit: Read at most so many pictures of each source, evenly apart.
    """
    from vitruvian.survey import check

    return check(sources, train, val, skeleton, out, limit)


def bench(
    model: Annotated[str, tyro.conf.Positional] = "vitruvian-s",
    engines: tuple[Literal["eager", "compile", "openvino", "pruned"], ...] = ("eager",),
    dtypes: tuple[Literal["auto", "fp32", "bf16"], ...] = ("auto",),
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    tasks: tuple[Literal["pose", "seg", "depth", "normal"], ...] = (),
    batch: int = 1,
    rounds: int = 5,
    photo: Path | None = None,
    out: Path | None = None,
) -> int:
    """How fast a model runs here by each way, beside eager fp32: times, memory, and how far the answers move.

    Args:
        model: Name or path of weights, or random:0.3b-pose308 and the like: an official model with random weights, for which
            no file is needed (sizes 0.3b 0.6b 1b 2b; pose17 pose133 pose308 seg28 depth normal).
        engines: Ways to run it.
        dtypes: Precisions of each.
        device: Where to run; auto takes the fastest there is.
        tasks: Of those that the model has; all if left out.
        batch: People that go through together.
        rounds: The ways take turns so often, after one more round that is not counted.
        photo: Taken for one person that fills it; made-up noise if left out.
        out: Also write all figures to this JSON file.
    """
    from vitruvian.bench.command import bench as measure

    return measure(model, engines, dtypes, device, tasks or None, batch, rounds, photo, out)


def doctor() -> int:
    """Show versions, devices, extras and packaged weights, and how to mend what is missing. Exit code 1 if something is."""
    from vitruvian.doctor import doctor as examine

    return examine()


VERBS: dict[str, Callable[..., Any]] = {
    "predict": predict, "keypoints": keypoints, "maps": maps, "depth": depth, "features": features,
    "synth": synth, "data": data, "curate": curate, "pretrain": pretrain, "finetune": finetune, "reconstruct": reconstruct,
    "evaluate": evaluate, "export": export, "models": models, "bench": bench, "doctor": doctor,
}  # fmt: skip
GROUPS: dict[str, dict[str, Callable[..., Any]]] = {  # verbs of two words
    "evaluate": {
        "model": evaluate,
        "protocol": evaluate_protocol,
        "keypoints": evaluate_keypoints,
        "people": evaluate_people,
        "parts": evaluate_parts,
        "depth": evaluate_depth,
        "normal": evaluate_normal,
    },
    "data": {"list": data_list, "check": data_check},
    "curate": {"run": curate, "tune": curate_tune, "label": curate_label},
    "keypoints": {"list": keypoints_list, "convert": keypoints_convert, "angles": keypoints_angles},
    "maps": {"convert": maps_convert},
    "depth": {"align": depth_align, "cloud": depth_cloud},
    "models": {"list": models_list, "show": models_show, "fetch": models_fetch, "convert": models_convert},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Exit code: 0 done, 1 an input or a file could not be used, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["--version"], ["-V"]):
        print(f"vitruvian {__version__}")
        return 0
    try:
        return _run(given)
    except UsageError as error:
        return _tell(f"error: {error}", 2)
    except VitruvianError as error:
        return _tell(f"error: {error}", 1)
    except BrokenPipeError:  # who read our output has gone, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return _tell("interrupted: finished results are kept; the same command goes on from there.", 1)


def _run(given: list[str]) -> int:
    given = _judging(given)
    verbs, prog, words = VERBS, "vitruvian", given
    description = "Human-centric vision. `vitruvian predict photo.jpg` is the first thing to try."
    if given and given[0] in GROUPS and not _stands_alone(given):
        verbs, prog, words = GROUPS[given[0]], f"vitruvian {given[0]}", given[1:]
        description = (VERBS[given[0]].__doc__ or "").partition("\n\n")[0]
    try:
        code = tyro.extras.subcommand_cli_from_dict(verbs, prog=prog, description=description, args=words or ["--help"])
    except SystemExit as stop:  # tyro has already said why
        return stop.code if isinstance(stop.code, int) else 2
    return int(code)


def _judging(given: list[str]) -> list[str]:
    """`evaluate --task ... --data ...` is `evaluate protocol ...`."""
    options = {word.partition("=")[0] for word in given[1:]}
    alone = given[:1] == ["evaluate"] and _stands_alone(given) and options & {"--task", "--data"}
    return ["evaluate", "protocol", *given[1:]] if alone else given


def _stands_alone(given: list[str]) -> bool:
    """`models` by itself lists; `evaluate` with options is `evaluate model`; `curate` with whatever else is `curate run`."""
    if given[0] == "curate":
        return bool(given[1:]) and given[1] not in (*GROUPS["curate"], "-h", "--help")
    options = len(given) > 1 and given[1].startswith("-") and given[1] not in ("-h", "--help")
    return given == ["models"] or (given[0] == "evaluate" and options)


def _either(yes: bool, no: bool, yes_name: str, no_name: str) -> bool | None:
    """True or False as told by one of two flags, None where by neither."""
    if yes and no:
        raise UsageError(f"{yes_name} and {no_name} contradict each other. Fix: leave one of them.")
    return True if yes else False if no else None


def _tell(line: str, code: int) -> int:
    print(" ".join(line.split()), file=sys.stderr)
    return code

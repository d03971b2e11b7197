"""How good a model or its results are: `evaluate`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import tyro

from vitruvian.cli.options import (
    Axes,
    Device,
    Dtype,
    File,
    Flag,
    Folder,
    MaybeFile,
    MaybeFolder,
    MaybeWhole,
    Model,
    Name,
    NameOrToml,
    Pair,
    Task,
)


def evaluate() -> int:
    """Measure a model on your own labels (--coco FILE) or by the paper's protocol (--task TASK --data SOURCE), or measure
    results in files: keypoints, people, parts, depth, normal.
    """
    raise NotImplementedError  # a group: see GROUPS


def evaluate_model(
    out: Folder,
    coco: MaybeFile = None,
    images: MaybeFolder = None,
    groups: MaybeFile = None,
    synth: MaybeFolder = None,
    shared: MaybeFolder = None,
    card: MaybeFile = None,
    model: Model = "vitruvian-s",
    limit: MaybeWhole = None,
    device: Device = "auto",
) -> int:
    """Figures of a model on people whose boxes are given, by group and with intervals: on your own labels, on held-out
    synthetic people. The word `model` may be left out.

    Exit code: 0 done, 1 some photos could not be used, 2 wrong usage.

    Args:
        out: Folder for the tables: people.md for your labels, synthetic.md, photos.md for the shared photos, each with a .json.
        coco: Your own labels as a COCO file (boxes with keypoints, masks or both).
        images: Folder of the photos that it names; its own folder if left out.
        groups: CSV with the column photo, optionally person (annotation id), and one column for each grouping of your own.
        synth: Held-out data set made by `vitruvian synth`.
        shared: Folder that holds INDEX.json and the project's labelled photos.
        card: Markdown file of a model card whose generated parts are filled in again; needs --synth.
        model: Name of a packaged model or path of a .safetensors file.
        limit: Use at most N photos and frames; all if left out.
        device: Where to run; auto takes the fastest available.
    """
    from vitruvian.evaluate.command import Wanted, run

    return run(Wanted(out, shared, synth, coco, images, groups, card, limit), model, device)


def evaluate_protocol(
    task: Task,
    data: Annotated[str, tyro.conf.arg(metavar="SOURCE")],
    model: Model = "vitruvian-s",
    skeleton: NameOrToml = None,
    boxes: Literal["given"] | None = None,
    detections: MaybeFile = None,
    detector: Annotated[str | None, tyro.conf.arg(metavar="DETECTOR")] = None,
    flip_test: Pair = None,
    crop: Literal["frame", "person"] | None = None,
    align: Literal["none", "scale", "scale-shift", "minmax"] | None = None,
    axes: Axes | None = None,
    out: MaybeFolder = None,
    limit: MaybeWhole = None,
    device: Device = "auto",
    dtype: Dtype = "fp32",
    json: Flag = False,
) -> int:
    """Judge one model on one data set by the paper's protocol; `vitruvian evaluate --task ...` is the same.

    Exit code: 0 done, 1 some photos or boxes could not be used (named on stderr, not in the figures), 2 wrong usage.

    Args:
        task: What is judged.
        data: SOURCE.toml, COCO's FILE.json or a folder with labels (see `vitruvian data list`).
        model: Name (see `vitruvian models`) or path of weights.
        skeleton: Poses: the keypoint set that is judged; that of the labels if left out. common114 is what the 133 and the 308
            points share.
        boxes: Poses: given uses the labelled boxes, which is also the default.
        detections: Poses: use the boxes of a COCO results file (image_id, category_id, bbox, score).
        detector: Poses: use the boxes of a detector, as in `vitruvian predict`.
        flip_test: Average the answers for the photo and its mirror image. If left out, poses are judged with it and maps
            without.
        crop: Maps: frame squashes the whole photo into the model's input, as officially (the default); person takes a crop of
            each labelled person.
        align: How depth is aligned to the truth, photo by photo: scale-shift (the default) and scale by least squares; minmax
            brings both to 0..1.
        axes: Normals: the axes that the model answers in, where its weights do not state them (official weights).
        out: Folder for the predictions (predictions.json and truth.json, or one map per photo) and figures.json.
        limit: Use N photos, evenly spaced.
        device: Where to run; auto takes the fastest available.
        dtype: Precision of matrix products.
        json: Print one JSON object on stdout and nothing else.
    """
    from vitruvian.evaluate.protocol.command import run
    from vitruvian.evaluate.protocol.wanted import Wanted

    how: Any = None if align is None else align.replace("-", "_")
    wanted = Wanted(task, data, model, skeleton, boxes, detections, detector, flip_test, crop, how, limit, out, axes)
    return run(wanted, device, dtype, json)


def evaluate_keypoints(truth: File, predictions: File, skeleton: NameOrToml = None, json: Flag = False) -> int:
    """AP and AR (OKS) of poses in a COCO results file, overall and by part.

    Args:
        truth: COCO, COCO-WholeBody, CrowdPose or 308-point labels.
        predictions: COCO results (image_id, keypoints, score), or what `predict --coco` wrote.
        skeleton: Keypoint set that is judged; both files are converted to it. common114 is what the 133 and the 308 points
            share.
        json: Print one JSON object on stdout (fractions) and nothing else.
    """
    from vitruvian.evaluate.results import keypoint_figures
    from vitruvian.evaluate.results.command import tell

    figures = keypoint_figures(truth, predictions, skeleton)
    return tell(figures, json, figures["skeleton"])


def evaluate_people(
    truth: File, predictions: File, kind: Literal["bbox", "segm"] = "bbox", category: Name = "person", json: Flag = False
) -> int:
    """COCO's twelve detection figures for boxes or masks in a COCO results file.

    Args:
        truth: COCO labels of instances.
        predictions: COCO results (image_id, category_id, bbox or segmentation, score).
        kind: Boxes (bbox) or masks (segm).
        category: Name of the category; all averages over all categories.
        json: Print one JSON object on stdout (fractions) and nothing else.
    """
    from vitruvian.evaluate.results import detection_stats
    from vitruvian.evaluate.results.command import tell

    return tell(detection_stats(truth, predictions, kind, None if category == "all" else category), json)


def evaluate_parts(
    truth: Folder,
    predictions: Folder,
    classes: Annotated[str, tyro.conf.arg(metavar="NAME|FILE.toml")] = "body28",
    masks: MaybeFolder = None,
    json: Flag = False,
) -> int:
    """mIoU, mAcc, aAcc and the IoU of each part, for maps in folders.

    Args:
        truth: Folder of PNGs that hold the class of each pixel, or 255 where nothing counts; NAME.png or NAME.parts.png.
        predictions: Folder of the same names and sizes, as `predict --tasks seg` writes it.
        classes: Class set of both.
        masks: Folder of PNGs NAME.png or NAME.mask.png; only pixels that are not 0 in them count.
        json: Print one JSON object on stdout (fractions) and nothing else.
    """
    from vitruvian.evaluate.results import Folders, part_figures
    from vitruvian.evaluate.results.command import tell

    return tell(part_figures(Folders(truth, predictions, masks), classes), json, classes)


def evaluate_depth(
    truth: Folder,
    predictions: Folder,
    align: Literal["none", "scale", "scale-shift"] = "scale-shift",
    unit: float = 0.001,
    masks: MaybeFolder = None,
    json: Flag = False,
) -> int:
    """RMSE, AbsRel, delta1-3 and more for depth maps in folders: for each photo, then averaged.

    Args:
        truth: Folder of NAME.npy or NAME.exr (H, W) in metres, or 16-bit NAME.png; 0, NaN and infinity mean no reading.
        predictions: Folder of the same names and sizes, as `predict --tasks depth` writes it (NAME.depth.npy).
        align: How each photo is aligned to the truth, by least squares: none for metric predictions, scale-shift for relative
            ones.
        unit: Metres per step in 16-bit PNGs.
        masks: Folder of PNGs NAME.png or NAME.mask.png; only pixels that are not 0 in them count.
        json: Print one JSON object on stdout and nothing else.
    """
    from vitruvian.evaluate.results import Folders, depth_figures
    from vitruvian.evaluate.results.command import tell

    how: Any = align.replace("-", "_")
    return tell(depth_figures(Folders(truth, predictions, masks), how, unit), json)


def evaluate_normal(
    truth: Folder,
    predictions: Folder,
    axes: Axes = "camera",
    given_axes: Axes = "camera",
    masks: MaybeFolder = None,
    json: Flag = False,
) -> int:
    """Mean and median angle, and the share within 5, 7.5, 11.25, 22.5 and 30 degrees, for maps of normals in folders.

    Args:
        truth: Folder of NAME.npy, NAME.exr (H, W, 3) or NAME.png; vectors that are not finite or not of length 1 do not count.
        predictions: Folder of the same names and sizes, as `predict --tasks normal` writes it (NAME.normal.npy).
        axes: Axes of the truth: camera (x right, y down, z away from the camera), opengl or directx.
        given_axes: Axes of the predictions.
        masks: Folder of PNGs NAME.png or NAME.mask.png; only pixels that are not 0 in them count.
        json: Print one JSON object on stdout and nothing else.
    """
    from vitruvian.evaluate.results import Folders, normal_figures
    from vitruvian.evaluate.results.command import tell

    return tell(normal_figures(Folders(truth, predictions, masks), axes, given_axes), json)

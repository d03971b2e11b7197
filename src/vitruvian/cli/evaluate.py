"""How good a model or its results are: `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from vitruvian.cli.options import Flag, either


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
    flip: Flag = False,
    no_flip: Flag = False,
    crop: Literal["frame", "person"] | None = None,
    align: Literal["none", "scale", "scale-shift", "minmax"] | None = None,
    out: Path | None = None,
    limit: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["auto", "fp32", "bf16"] = "fp32",
    json: Flag = False,
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

    flipped = either(flip, no_flip, "--flip", "--no-flip")
    how: Any = None if align is None else align.replace("-", "_")
    wanted = Wanted(task, data, model, skeleton, boxes, detections, detector, flipped, crop, how, limit, out)
    return run(wanted, device, dtype, json)


def evaluate_keypoints(truth: Path, predictions: Path, skeleton: str | None = None, json: Flag = False) -> int:
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
    truth: Path, predictions: Path, kind: Literal["bbox", "segm"] = "bbox", category: str = "person", json: Flag = False
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
    truth: Path, predictions: Path, classes: str = "body28", masks: Path | None = None, json: Flag = False
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
    json: Flag = False,
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
    json: Flag = False,
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

"""The whole evaluation: predict every labelled person from its box, count, write JSON, a table and the sheet of overlays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.errors import InputError
from vitruvian.evaluate.foreground import box_iou, foreground_iou
from vitruvian.evaluate.keypoints import oks_ap, other_photos_pose, pck, placed, synthetic_mean_pose, wholebody_figures
from vitruvian.evaluate.order import rgbd_figures
from vitruvian.evaluate.parts import cihp_figures
from vitruvian.evaluate.photos import LEAST_SIDE, Predictor, Subject, predict_subjects, read_photos
from vitruvian.evaluate.report import provenance, write_report
from vitruvian.evaluate.sheet import write_sheet
from vitruvian.evaluate.synthetic import synthetic_figures
from vitruvian.types import Array

ALL_MASKED = ("coco", "mmpose_coco")  # sets in which everybody on a photo has a mask


def evaluate_photos(
    shared_data: Path,
    predictor: Predictor,
    out: Path,
    *,
    synth: Path | None = None,
    mean_pose: Array | None = None,
    limit: int | None = None,
    command: str = "",
) -> dict[str, Any]:
    """Measure, and write photos.json, photos.md and sheet.jpg with sheet.txt (its photos and licences) into `out`.

    synth: a held-out synthetic set: adds its figures (of `limit` frames) and gives the synthetic mean pose, unless `mean_pose`
    (17, 2), parts of the box's width and height, is given. Returns what photos.json holds. InputError: a missing file.
    """
    subjects = [s for photo in read_photos(shared_data) for s in predict_subjects(photo, predictor)]
    if not subjects:
        raise InputError(f"{shared_data}: no labelled people. Allowed: the folder that holds INDEX.json and its photos.")
    if mean_pose is None and synth is not None:
        mean_pose = synthetic_mean_pose(synth)
    tasks = set(subjects[0].predictions)
    figures: dict[str, Any] = {"provenance": provenance(predictor, command)}
    if "pose" in tasks:
        figures["keypoints"] = keypoint_rows(subjects, mean_pose)
        figures["wholebody"] = wholebody_figures(shared_data, predictor)
    if "seg" in tasks:
        figures["foreground"] = foreground_rows(subjects)
        figures["parts_cihp"] = cihp_figures(shared_data / "parsing_cihp", predictor)
    if "depth" in tasks:
        figures["depth_order"] = rgbd_figures(shared_data / "rgbd", predictor)
    if synth is not None:
        figures["synthetic"] = synthetic_figures(synth, predictor, limit)
    out.mkdir(parents=True, exist_ok=True)
    write_report(figures, out)
    if "pose" in tasks:
        write_sheet([s for s in subjects if s.qualifies], out / "sheet.jpg")
    return figures


def keypoint_rows(subjects: Sequence[Subject], mean: Array | None) -> dict[str, dict[str, Any]]:
    """`qualifying` and `all` people -> each set and `together` -> figures of the model and of both baselines.

    Baselines: the mean pose of the synthetic set, and that of the people on all other photos of the same row's choice of people
    (leave one photo out). `gain` is over the stronger one.
    """
    out: dict[str, dict[str, Any]] = {}
    labelled = [s for s in subjects if s.labelled.any()]
    for choice, chosen in (("qualifying", [s for s in labelled if s.qualifies]), ("all", labelled)):
        others = {id(s): answer for s, answer in zip(chosen, other_photos_pose(chosen), strict=True)}
        names = dict.fromkeys(s.photo.group for s in chosen)
        groups = {name: [s for s in chosen if s.photo.group == name] for name in names}
        rows = {}
        for group, members in [*groups.items(), ("together", chosen)]:
            baselines = {"mean_other_photos": [others[id(s)] for s in members]}
            if mean is not None:
                baselines["mean_synthetic"] = [placed(mean, s) for s in members]
            rows[group] = _row(members, baselines)
        out[choice] = rows
    return out


def _row(members: Sequence[Subject], baselines: dict[str, list[tuple[Array, Array]]]) -> dict[str, Any]:
    answers = [s.points for s in members]
    best = max(pck(members, given)["pck"] for given in baselines.values())
    model = pck(members, answers)
    return {
        "people": len(members),
        "photos": len({s.photo.file for s in members}),
        **model,
        "gain": model["pck"] - best,
        "ap": oks_ap(members, answers),
        "baselines": {n: {**pck(members, given), "ap": oks_ap(members, given)} for n, given in baselines.items()},
    }


def foreground_rows(subjects: Sequence[Subject]) -> dict[str, dict[str, float]]:
    """Mean foreground IoU over people's crops on COCO's photos, and of calling the box a person, for three choices."""
    masked = [s for s in subjects if s.photo.group in ALL_MASKED]
    choices = {
        "qualifying": [s for s in masked if s.qualifies],
        f"side >= {LEAST_SIDE:.0f} px": [s for s in masked if s.side >= LEAST_SIDE],
        "all": masked,
    }
    return {name: _foreground(chosen) for name, chosen in choices.items()}


def _foreground(chosen: Sequence[Subject]) -> dict[str, float]:
    found, boxes = [foreground_iou(s) for s in chosen], [box_iou(s) for s in chosen]
    return {"people": len(chosen), "iou": _mean(found), "box_iou": _mean(boxes)}


def _mean(values: Sequence[float]) -> float:
    finite = [v for v in values if np.isfinite(v)]
    return float(np.mean(finite)) if finite else float("nan")

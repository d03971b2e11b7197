"""The verb `evaluate --task`: one model, one data set, the whole protocol, as a table or as one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vitruvian import weights
from vitruvian.device import choose_compute
from vitruvian.errors import UsageError, counted
from vitruvian.evaluate.protocol.judges import judge_of
from vitruvian.evaluate.protocol.labels import check_classes, open_labels, point_sets
from vitruvian.evaluate.protocol.maps import MapRun
from vitruvian.evaluate.protocol.people import choose_boxes
from vitruvian.evaluate.protocol.photos import Walk
from vitruvian.evaluate.protocol.pose import LEAST_SCORE, OKS_NMS, Poses
from vitruvian.evaluate.protocol.wanted import View, Wanted
from vitruvian.evaluate.report import plain, write_text
from vitruvian.evaluate.results.command import tell
from vitruvian.geometry import AXES
from vitruvian.predict.network import Network
from vitruvian.tasks.depth import Alignment
from vitruvian.tasks.normal import Normal
from vitruvian.tasks.pose import Pose
from vitruvian.tasks.seg import Seg
from vitruvian.types import UNSTATED, ModelSpec
from vitruvian.vocab import class_set, skeleton
from vitruvian.weights import Loaded

RULE = f"box x mean of the points above {LEAST_SCORE:g}"


def run(wanted: Wanted, device: str = "auto", dtype: str = "fp32", as_json: bool = False) -> int:
    """Judge, and print. Returns the exit code: 1 where some photos or boxes could not be used, which are named on stderr."""
    figures = judge(wanted, device, dtype)
    if wanted.out is not None:
        write_text(wanted.out / "figures.json", json.dumps(plain(figures), indent=1) + "\n")
    faults = figures["faults"]
    if not as_json:
        print(f"protocol: {in_words(figures['protocol'])}")
    tell(figures, as_json, str(figures.get("skeleton") or figures.get("class_set") or ""))
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if faults:
        print(f"error: not in the figures: {counted(len(faults), 'input')} that could not be used.", file=sys.stderr)
    return 1 if faults else 0


def judge(wanted: Wanted, device: str = "auto", dtype: str = "fp32") -> dict[str, Any]:
    """The figures of `vitruvian evaluate keypoints|parts|depth|normal`, and `protocol`: how they were made; `faults`: a line
    for each input that could not be used.

    Raises UsageError for a model without the task, for labels of another task, skeleton or class set than the model's.
    """
    compute = choose_compute(device, dtype)
    loaded = weights.load(wanted.model, kind="people")
    network = Network(_seeing(loaded, wanted), compute, wanted.flip_test)
    if wanted.out is not None:
        wanted.out.mkdir(parents=True, exist_ok=True)
    figures = _poses(wanted, network) if wanted.task == "pose" else _maps(wanted, network, loaded.card.spec.fit)
    made = {
        "task": wanted.task, "model": network.spec.name, "weights": network.hash, "data": wanted.data,
        "input": list(network.spec.size), "flip_test": wanted.flip_test, "device": compute.device.type,
        "dtype": compute.dtype_name,
    }  # fmt: skip
    return {**figures, "protocol": made | figures["protocol"]}


def in_words(made: Mapping[str, Any]) -> str:
    """The protocol in one line."""
    height, width = made["input"]
    parts = [f"{made['task']} by {made['model']} ({made['weights'][:8]}) on {made['data']}"]
    parts += [f"boxes {made['boxes']}"] if "boxes" in made else []
    parts += [f"crop: {made['crop']}, {height}x{width} px", "flip test" if made["flip_test"] else "no flip test"]
    parts += [f"score: {made['score']}", f"OKS-NMS {made['oks_nms']:g}"] if "oks_nms" in made else []
    parts += [f"alignment {made['alignment'].replace('_', ' and ')}"] if "alignment" in made else []
    parts += [f"axes of the model: {made['axes']}"] if "axes" in made else []
    parts += [f"mask: {made['mask']}"] if "mask" in made else []
    people = f", {counted(made['people'], 'person', 'people')} judged" if "people" in made else ""
    parts += [f"{made['device']} {made['dtype']}", f"{made['photos']} of {counted(made['photos_of_data'], 'photo')}{people}"]
    parts += [f"left out: {reason} ({count})" for reason, count in made["skipped"].items()]
    return " · ".join(parts + ([made["note"]] if "note" in made else []))


def _seeing(loaded: Loaded, wanted: Wanted) -> Loaded:
    """The model without its other heads' wishes: seeing what the protocol wants it to see, whatever it was trained on; its
    normals in stated axes."""
    spec = loaded.card.spec
    if wanted.task not in {head.task for head in spec.heads}:
        raise UsageError(f"model {spec.name} has no head for {wanted.task}. Allowed: {', '.join(h.task for h in spec.heads)}.")
    if wanted.task == "normal":
        spec = _with_axes(spec, wanted.axes)
    whole = spec.fit in ("pad", "stretch")
    if whole != (wanted.view == "frame"):
        spec = replace(spec, fit="stretch" if wanted.view == "frame" else "affine")
    return replace(loaded, card=replace(loaded.card, spec=spec))


def _with_axes(spec: ModelSpec, stated: str | None) -> ModelSpec:
    """The spec with the axes of its normals stated, by weights or user. UsageError where neither does, or they differ."""
    head = spec.head("normal")
    own = head.options.get("axes", "camera")
    if own == UNSTATED and stated is None:
        told = f"model {spec.name}: the axes of its normals are not stated, and angles need them"
        raise UsageError(f"{told}. Fix: --axes {', '.join(AXES)}, as it was trained.")
    if own != UNSTATED and stated not in (None, own):
        raise UsageError(f"--axes {stated}: model {spec.name} answers in {own} axes. Fix: leave it out.")
    known = replace(head, options={**head.options, "axes": stated or own})
    return spec.with_heads(*(known if one is head else one for one in spec.heads))


def _poses(wanted: Wanted, network: Network) -> dict[str, Any]:
    task = network.tasks["pose"]
    answers_in = skeleton(task.skeleton).name if isinstance(task, Pose) else ""
    source = open_labels(wanted.data, "pose", wanted.skeleton, answers_in)
    sets = point_sets(source, wanted.data, wanted.skeleton, network.spec.name, answers_in)
    walk = Walk(source, wanted.limit)
    boxes = choose_boxes(wanted, walk, network.compute)
    poses = Poses(network, boxes, walk, sets)
    poses.run()
    figures = poses.figures(Path(wanted.data))
    if wanted.out is not None:
        poses.write(wanted.out)
    if poses.twins:
        walk.skipped[f"poses by OKS-NMS above {OKS_NMS:g}"] += poses.twins
    padding = f"each person, box x {network.spec.box_padding:g}"
    how = {"boxes": boxes.told, "crop": padding, "score": RULE, "oks_nms": OKS_NMS, "people": figures["people"]}
    return _with_protocol(figures, how, walk)


def _maps(wanted: Wanted, network: Network, trained: str) -> dict[str, Any]:
    source = open_labels(wanted.data, wanted.task, None, None)
    task = network.tasks[wanted.task]
    if isinstance(task, Seg):
        check_classes(source, wanted.data, network.spec.name, class_set(task.class_set).name)
    alignment: Alignment = wanted.align or "scale_shift"
    judging, walk = judge_of(task, alignment), Walk(source, wanted.limit)
    maps = MapRun(network, wanted.task, judging, walk, wanted.view, wanted.out)
    maps.run()
    walk.check(walk.photos, "photo")
    how: dict[str, Any] = {"crop": _seen(network.spec.fit, network.spec.box_padding), "mask": _counted(wanted)}
    how |= {"alignment": alignment} if wanted.task == "depth" else {}
    how |= {"axes": task.axes} if isinstance(task, Normal) else {}
    how |= {"people": maps.people} if wanted.view == "person" else {}
    how |= {"note": note} if (note := _note(trained, wanted.view)) else {}
    return _with_protocol({**judging.figures(), "photos": walk.photos}, how, walk)


def _with_protocol(figures: dict[str, Any], how: dict[str, Any], walk: Walk) -> dict[str, Any]:
    counts = {"photos": walk.photos, "photos_of_data": len(walk.source), "skipped": dict(walk.skipped)}
    return {**figures, "protocol": how | counts, "faults": walk.faults}


def _counted(wanted: Wanted) -> str:
    """Which pixels count, in words."""
    if wanted.task == "seg":
        return "all pixels but those labelled 255"
    return "labelled pixels of each person" if wanted.view == "person" else "labelled pixels"


def _seen(fit: str, padding: float) -> str:
    frames = {"stretch": "the whole frame, squashed", "pad": "the whole frame, padded"}
    return frames.get(fit, f"each labelled person, box x {padding:g}")


def _note(trained: str, view: View) -> str:
    """Where a model is judged by another view than it was trained with."""
    person = trained not in ("pad", "stretch")
    if person == (view == "person"):
        return ""
    learned = "crops of people: --crop person" if person else "whole frames: --crop frame"
    return f"the model was trained on {learned} judges it so"

"""Held-out synthetic people by group, and the same people in other skin and with fewer pixels: only that changes, so it is
the cause of what changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from vitruvian.data.gbuffer import GBuffer
from vitruvian.data.sources import Synthetic
from vitruvian.errors import InputError
from vitruvian.evaluate.groups import by_group, differences, estimates
from vitruvian.evaluate.people import ORDER, Judged, figures_of, label_groups
from vitruvian.evaluate.photos import Photo, Predictor, Subject
from vitruvian.evaluate.synthetic import framed, picture
from vitruvian.synth.appearance.colors import SKIN
from vitruvian.tasks.pose.metric import labelled_points
from vitruvian.types import Array, ImageRecord, Prediction, Sample

STANDING, SITTING = ("standing", "walking"), ("sitting", "floor_sitting")  # families of poses; all others are "other pose"
SIDES = (128, 64, 32)  # px of the person's longer side after shrinking
LEAST_POINTS = 8  # of the body, in the picture: who may be among the worst
AGES = ((0.2, "infant"), (0.6, "child"), (0.8, "younger adult"), (np.inf, "older adult"))  # on the body's scale from 0 to 1
TURNS = ((60, "from the front"), (130, "from the side"), (181, "from behind"))  # degrees between camera and front
GROUPS = (
    *ORDER, "standing or walking", "sitting", "other pose", *(name for _, name in AGES), *(name for _, name in TURNS),
    "alone", "with others",
)  # fmt: skip
LICENCE = "person CC0-1.0, backgrounds of synth/assets/backgrounds/ATTRIBUTION.json; the tile CC-BY-SA-4.0"


@dataclass
class HoldOut:
    """What was judged: `people` as they are, `tones` and `shrunk` the same people changed; `worst`: index of frames."""

    people: list[Judged] = field(default_factory=list)
    tones: dict[str, list[Judged]] = field(default_factory=dict)
    shrunk: dict[str, list[Judged]] = field(default_factory=dict)
    worst: list[int] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """For JSON: `groups`, and of tones and sizes the estimates and the differences (to the lightest, to unchanged)."""
        lightest = next(iter(self.tones.values()), [])
        return {
            "groups": by_group(self.people, GROUPS),
            "skin": {name: estimates(people) for name, people in self.tones.items()},
            "skin_differences": {name: differences(people, lightest) for name, people in list(self.tones.items())[1:]},
            "shrunk": {name: estimates(people) for name, people in self.shrunk.items()},
            "shrunk_differences": {name: differences(people, self.people) for name, people in self.shrunk.items()},
            "less_than_half_of_the_body": sum(p.figures.get("pose/pck/body", 1) < 0.5 for p in self.people),
        }


def judge(folder: Path, predictor: Predictor, limit: int | None = None, worst: int = 12) -> HoldOut:
    """Everybody framed in `limit` frames of a set of `vitruvian synth`, box given; eight predictions a person.

    InputError: a set without people.
    """
    out, source, marks = HoldOut(), Synthetic(folder), []
    for index, frame in _told(framed(source, limit), min(len(source), limit or len(source))):
        sample = frame.sample(0, picture(source, index, frame))
        found = _judged(sample, predictor, label_groups(sample) | info_groups(frame))
        out.people.append(found)
        if "pose/pck/body" in found.figures and _points(sample) >= LEAST_POINTS:
            marks.append((found.figures["pose/pck/body"], found.figures.get("seg/foreground_iou", 1.0), index))
        for name, tone in tones().items():
            other = replace(sample, image=picture(source, index, frame, tone))
            out.tones.setdefault(name, []).append(_judged(other, predictor))
        for name, other in shrunk(sample):
            out.shrunk.setdefault(name, []).append(_judged(other, predictor))
    if not out.people:
        raise InputError(f"{folder}: nobody is framed. Fix: give a folder of `vitruvian synth` with people.")
    out.worst = [index for *_, index in sorted(marks)[:worst]]
    return out


def _told(frames: Iterator[tuple[int, GBuffer]], count: int) -> Iterator[tuple[int, GBuffer]]:
    """The same, with a bar on a terminal: it takes minutes."""
    console = Console(stderr=True)
    yield from track(frames, "held-out people", count, console=console) if console.is_terminal else frames


def _judged(sample: Sample, predictor: Predictor, groups: Mapping[str, str] | None = None) -> Judged:
    return Judged(sample.key, sample.key, figures_of(_answer(sample, predictor), sample), groups or {})


def _answer(sample: Sample, predictor: Predictor) -> Mapping[str, Prediction]:
    (answer,) = predictor.people(sample.image, np.asarray(sample.box)[None])
    return answer


def _points(sample: Sample) -> int:
    truth = labelled_points(sample, "coco17")
    return 0 if truth is None else int((truth[:, 2] > 0).sum())


def info_groups(frame: GBuffer) -> dict[str, str]:
    """The groups that the generator noted of the framed person: pose, age, body shape, side seen, company."""
    info = frame.people[0].info
    family, turn = str(info.get("pose")), abs(float(info.get("yaw", 0)))
    pose = "standing or walking" if family in STANDING else "sitting" if family in SITTING else "other pose"
    return {
        "pose": pose,
        "age": next(name for top, name in AGES if float(info.get("age", 0)) < top),
        "body shape": str(info.get("gender", "unknown")),
        "seen": next(name for top, name in TURNS if turn < top),
        "company": "alone" if len(frame.people) == 1 else "with others",
    }


def tones() -> dict[str, float]:
    """Words of four skin tones, from light to dark -> their place on the generator's scale."""
    last = len(SKIN) - 1
    return {f"{ita_words(ita(SKIN[i]))} (ITA {ita(SKIN[i]):.0f}°)": i / last for i in range(1, last + 1, 2)}


def ita(rgb: tuple[int, int, int]) -> float:
    """Individual typology angle of a colour (sRGB 0..255), degrees: arctan((L* - 50) / b*)."""
    lightness, _, b = cv2.cvtColor(np.array([[rgb]], np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    return float(np.degrees(np.arctan2(lightness - 50, b)))


def ita_words(angle: float) -> str:
    """The six classes of Chardin et al. 1991, as extended by Del Bino and Bernerd 2013."""
    limits = ((55, "very light"), (41, "light"), (28, "intermediate"), (10, "tan"), (-30, "brown"))
    return next((word for limit, word in limits if angle > limit), "dark")


def shrunk(sample: Sample) -> Iterator[tuple[str, Sample]]:
    """The picture as if the person had fewer pixels: shrunk by area, and enlarged again so that the labels hold."""
    side = float(np.max(sample.box[2:] - sample.box[:2]))
    height, width = sample.image.shape[:2]
    for least in SIDES:
        if side > least:
            small = (max(1, round(width * least / side)), max(1, round(height * least / side)))
            image = cv2.resize(sample.image, small, interpolation=cv2.INTER_AREA)
            yield f"{least} px", replace(sample, image=cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR))


def worst_subjects(folder: Path, worst: list[int], predictor: Predictor) -> list[Subject]:
    """Those people as the sheet wants them, in 17 points."""
    source, out = Synthetic(folder), []
    for index in worst:
        frame = source.frame(index)
        sample = frame.sample(0, picture(source, index, frame))
        answer = _answer(sample, predictor)
        sample = replace(sample, skeleton="coco17", keypoints=_body(sample))
        name = f"{index:06d}"
        photo = Photo("synthetic", ImageRecord(index, frame.size, name, (sample,)), name, LICENCE, "vitruvian synth", True)
        out.append(Subject(photo, sample, answer))
    return out


def _body(sample: Sample) -> Array:
    truth = labelled_points(sample, "coco17")
    assert truth is not None  # synthetic people have points
    return truth

"""What to judge and how, checked before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from vitruvian.errors import UsageError, unknown_name
from vitruvian.geometry import AXES
from vitruvian.tasks.depth import Alignment

TaskName: TypeAlias = Literal["pose", "seg", "depth", "normal"]
View: TypeAlias = Literal["frame", "person"]


@dataclass(frozen=True)
class Wanted:
    """data: any source of `vitruvian data`; skeleton: the set that poses are judged in (name, TOML file or `common114`).

    boxes: `given` for the labelled ones, which is also what None means where neither `detections` (COCO results with bbox and
    score) nor `detector` is given. flip: None leaves it to the task: on for poses, off for maps, as officially. crop: what maps
    are made of, the whole frame (as officially) or each labelled person. align: depth to its truth. limit: so many photos,
    evenly apart. out: folder of the predictions. axes: those that a model of normals answers in (a name of `geometry.AXES`),
    needed where its weights do not state them. UsageError for what does not go together.
    """

    task: TaskName
    data: str
    model: str = "vitruvian-s"
    skeleton: str | None = None
    boxes: Literal["given"] | None = None
    detections: Path | None = None
    detector: str | None = None
    flip: bool | None = None
    crop: View | None = None
    align: Alignment | None = None
    limit: int | None = None
    out: Path | None = None
    axes: str | None = None

    def __post_init__(self) -> None:
        people = {"--boxes": self.boxes, "--detections": self.detections, "--detector": self.detector}
        chosen = [name for name, value in people.items() if value is not None]
        if len(chosen) > 1:
            raise UsageError(f"{' and '.join(chosen)}: boxes come from one place. Fix: leave one of them.")
        self._only_of("pose", {**people, "--skeleton": self.skeleton})
        self._only_of("depth", {"--align": self.align})
        self._only_of("normal", {"--axes": self.axes})
        if self.axes not in (None, *AXES):
            raise unknown_name("axes", str(self.axes), AXES)
        if self.task == "pose" and self.crop == "frame":
            raise UsageError("--crop frame: poses are read from crops of people. Allowed: --crop person, or leave it out.")
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit {self.limit}: nothing is left. Allowed: 1 and more; all photos if left out.")

    @property
    def flip_test(self) -> bool:
        """Whether the mirrored photo is asked too."""
        return self.task == "pose" if self.flip is None else self.flip

    @property
    def view(self) -> View:
        """What the model sees at once."""
        return self.crop or ("person" if self.task == "pose" else "frame")

    def _only_of(self, task: str, given: dict[str, object]) -> None:
        for name, value in given.items():
            if value is not None and self.task != task:
                raise UsageError(f"{name} belongs to --task {task}, and the task is {self.task}. Fix: leave it out.")

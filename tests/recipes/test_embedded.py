"""The recipe of the packaged model, short, in three stages: rendered, trained, killed, resumed, exported, measured.

Meant for ten minutes on two idle cores (21 beside another training), so it is left out unless it is asked for:
`pytest -m pipeline`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import vitruvian
from vitruvian.evaluate import Adapter, synthetic_figures
from vitruvian.geometry import make_crop
from vitruvian.recipes.embedded import STAGES, shortened
from vitruvian.types import Classes, Depth, Keypoints, Normals, Person, Prediction
from vitruvian.weights import load

pytestmark = pytest.mark.pipeline

SHARE, HELD_OUT = 0.0125, 60  # more than 100 steps of the last stage: it must go on after it has said step 50
SHORT = shortened(STAGES, SHARE)
LAST = len(SHORT)


class Blind:
    """What can be said without looking: every point in the middle of the box, everything a person, all facing the camera."""

    name, weights = "blind", "0" * 64

    def people(self, image, boxes):
        return [self.one(image, box) for box in boxes]

    @staticmethod
    def one(image, box):
        crop = make_crop(box, (64, 48), image.shape[:2])
        whole = np.ones(crop.size)
        values = {
            "pose": Keypoints(np.tile((box[:2] + box[2:]) / 2, (133, 1)), np.ones(133), "wholebody133"),
            "seg": Classes(whole.astype(np.uint8), whole.astype(np.float32), "body28"),
            "depth": Depth(np.tile(np.arange(crop.size[1], dtype=np.float32), (crop.size[0], 1))),
            "normal": Normals(whole[..., None] * np.array([0, 0, -1], np.float32)),
        }
        return {name: Prediction(Person(box), crop, name, "", value) for name, value in values.items()}


@contextmanager
def recipe(work: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, in a process group of its own that does not outlive the test."""
    options = ["--work", str(work), "--share", str(SHARE), "--held-out", str(HELD_OUT)]
    command = [sys.executable, "-m", "vitruvian.recipes.embedded", *options]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "COLUMNS": "200"}
    environment.pop("OMP_NUM_THREADS", None)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stderr=pipe, stdout=pipe, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """What it says, as it says it; shown where the test fails."""
    assert process.stderr is not None
    for line in process.stderr:
        print(line, end="")
        yield line


def read_until(process: subprocess.Popen[str], text: str, times: int = 1) -> None:
    for line in lines(process):
        times -= text in line
        if not times:
            return
    pytest.fail(f"the recipe ended with {process.wait()} before it said {text!r}")


def log(work: Path, stage: int) -> list[dict[str, float]]:
    records = [json.loads(line) for line in (work / f"stage-{stage}" / "log.jsonl").read_text().splitlines()]
    return [record for record in records if record["kind"] == "train"]


def checkpoints(work: Path, stage: int) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (work / f"stage-{stage}" / "checkpoints").glob("step-*.pt")}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int], list[dict[str, float]]]:
    """Killed outright in the second stage, told to stop in the last, then left to end. The folder, the checkpoints of stage 1
    after the first kill, and the log of the last stage when it was stopped."""
    work = tmp_path_factory.mktemp("recipe")
    with recipe(work) as process:
        read_until(process, "training on", times=2)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    first = checkpoints(work, 1)
    with recipe(work) as process:
        read_until(process, "training on", times=LAST - 1)  # what is done is not said again
        read_until(process, "step 50")
        process.terminate()
        read_until(process, "the same command goes on from here")
        list(lines(process))
        assert process.wait() == 1
    stopped = log(work, LAST)
    with recipe(work) as process:
        list(lines(process))
        assert process.wait() == 0
    return work, first, stopped


def test_every_stage_is_rendered_trained_and_exported(killed):
    work = killed[0]
    wanted = {f"synth-{s.geometry[0]}": s.geometry[1] for s in SHORT} | {"held-out": HELD_OUT}
    assert {name: len(list((work / name / "gbuffers").glob("*.npz"))) for name in wanted} == wanted
    views = 0
    for number, stage in enumerate(SHORT, 1):
        assert log(work, number)[-1]["step"] == stage.steps
        views += stage.steps * stage.batch
        loaded = load(work / f"stage-{number}.safetensors")
        assert loaded.card.spec.size == stage.size
        assert loaded.card.provenance["stage"] == number and loaded.card.provenance["views"] == views


def test_it_goes_on_where_it_was_killed(killed):
    work, first, stopped = killed
    assert first and checkpoints(work, 1) == first  # the stage that was done is not done again
    records = log(work, LAST)
    steps = [record["step"] for record in records]
    assert steps == sorted(set(steps))
    assert stopped and records[: len(stopped)] == stopped  # nor are the steps before the stop


def test_it_learns(killed):
    begin, end = log(killed[0], 1)[0], log(killed[0], LAST)[-1]
    for name in ("seg/ce", "normal/cosine", "depth/silog"):
        assert end[name] < begin[name], name


def test_the_weights_see_more_than_the_blind(killed):
    work = killed[0]
    predictor = Adapter(vitruvian.load(str(work / "vitruvian-s.safetensors"), device="cpu", dtype="fp32"))
    model = synthetic_figures(work / "held-out", predictor)["all"]
    blind = synthetic_figures(work / "held-out", Blind())["all"]
    print({name: (round(model[name], 3), round(blind[name], 3)) for name in model if name in blind})
    assert model["people"] == blind["people"] > 0.9 * HELD_OUT
    assert model["pose/pck/body"] > blind["pose/pck/body"] + 0.05
    assert model["seg/foreground_iou"] > blind["seg/foreground_iou"] + 0.05
    assert model["normal/mean"] < blind["normal/mean"] - 2
    assert model["depth/order"] > 0.52  # of pairs; chance is one half

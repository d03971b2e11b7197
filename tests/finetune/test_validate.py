"""Held-out samples that cannot be read: named, counted, and only so many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_people import People, write_people
from small_model import HEADS, SPEC

from vitruvian.device import choose_compute
from vitruvian.errors import InputError
from vitruvian.finetune.validate import Validation
from vitruvian.finetune.views import Labelled
from vitruvian.model import Model
from vitruvian.tasks import task
from vitruvian.train import read_log
from vitruvian.types import Sample

POSE = replace(SPEC).with_heads(next(head for head in HEADS if head.task == "pose"))


class Holed(People):
    """Drawn people of whom some cannot be read."""

    def __init__(self, count: int, bad: tuple[int, ...] = ()) -> None:
        super().__init__(count)
        self.bad = bad

    def sample(self, number: int) -> Sample:
        if number in self.bad:
            raise InputError(f"val/{number}.jpg shows nobody.")
        return super().sample(number)


@pytest.fixture
def judge() -> Callable[..., Any]:
    """judge(count, bad=(...)) -> the figures, and what was told."""
    torch.manual_seed(0)
    model = Model(POSE).eval()

    def run(source: People, max_bad: float = 0.1) -> tuple[Validation, Callable[[], Any], list[str]]:
        told: list[str] = []
        one = task("pose", skeleton="coco17")  # type: ignore[arg-type]
        found = Validation(Labelled((source,), ("drawn",)), [one], POSE, choose_compute("cpu", "fp32"), max_bad, told.append)  # type: ignore[arg-type]
        return found, lambda: found(model, 0), told

    return run


def test_a_sample_that_cannot_be_read_is_left_out_and_told_once(judge: Callable[..., Any]) -> None:
    _, ask, told = judge(Holed(20, (0, 13)))
    first, second = ask(), ask()
    assert first == second and first["bad_samples"] == 2
    assert told == [
        "bad validation sample left out: sample 0: InputError: val/0.jpg shows nobody.",
        "bad validation sample left out: sample 13: InputError: val/13.jpg shows nobody.",
    ]
    left = Holed(20)
    left.people = [who for number, who in enumerate(left.people) if number not in (0, 13)]
    left.samples = 18
    expected = judge(left)[1]()
    assert first == pytest.approx({**expected, "bad_samples": 2})


def test_a_whole_batch_may_be_bad(judge: Callable[..., Any]) -> None:
    assert judge(Holed(20, tuple(range(8))))[1]()["bad_samples"] == 8


@pytest.mark.parametrize(
    ("count", "bad", "words"),
    [
        (20, 9, r"9 of 20 validation samples are bad, more than the 10\.0% allowed; the last: sample 8: .*val/8\.jpg"),
        (3, 3, r"none of 3 validation samples can be read; the last: sample 2: .*val/2\.jpg"),
    ],
)
def test_too_many_of_them_are_refused(judge: Callable[..., Any], count: int, bad: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        judge(Holed(count, tuple(range(bad))))[1]()


def test_a_run_goes_on_where_a_held_out_photo_is_missing(finetune: Callable[..., Any], people: Path, tmp_path: Path) -> None:
    held_out = write_people(tmp_path / "val", 4)
    (held_out.parent / "2.png").unlink()
    code, told, said = finetune("--tasks", "pose", "--steps", 4, "--batch", 2, "--val", held_out)
    assert code == 0 and "best by pose/pck" in told
    assert said.count("bad validation sample left out: sample 2: InputError: ") == 1 and "2.png" in said
    figures = [line for line in read_log(tmp_path / "run" / "log.jsonl") if line["kind"] == "evaluate"]
    assert [line["bad_samples"] for line in figures] == [1, 1]

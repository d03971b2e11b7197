"""The queue of the two claims with trunks and budgets of seconds: it resumes, does nothing twice, and reports what it found."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vitruvian.errors import UsageError
from vitruvian.model.vit import Size
from vitruvian.recipes.claims import command, comparison, curves, plan, report, views
from vitruvian.recipes.claims import queue as work
from vitruvian.recipes.claims.held_out import FIGURES, HeldOut
from vitruvian.recipes.embedded import SynthViews
from vitruvian.synth.dataset.generate import generate

TINY = {"small": Size(8, 1, 1, 16), "medium": Size(16, 1, 2, 32), "large": Size(24, 1, 3, 48)}
BUDGET = plan.Budget(views=32, passes=1, frames=4, held_out=2, points=2)
QUIET = work.Machine(threads=1, workers=0, progress=False)


@pytest.fixture(scope="module")
def geometry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("geometry") / "frames"
    return generate(folder, 4, (80, 60), seed=3, workers=0, images=False).folder


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """One seed is enough to see how runs hang together; trunks that train in no time."""
    for module in (plan, comparison, report):
        monkeypatch.setattr(module, "SEEDS", (1,))
    for module in (plan, comparison, report):
        monkeypatch.setattr(module, "SIZES", TINY)
    monkeypatch.setattr(views, "SHARD", 16)


@pytest.fixture
def pool(tmp_path: Path, geometry: Path) -> views.Pool:
    drawn = views.Pool(tmp_path / "views-1", plan.model_spec("medium"), BUDGET.views)
    views.draw_pool(drawn, geometry, seed=1, workers=0)
    return drawn


@pytest.fixture
def queue(tmp_path: Path, geometry: Path, pool: views.Pool) -> command.Queue:
    judge = HeldOut(geometry, plan.model_spec("medium"), BUDGET.held_out)
    work.begin(tmp_path, BUDGET, str(geometry))
    return command.Queue(tmp_path, BUDGET, geometry, judge, QUIET)


def results(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/result.json")}


def test_the_queue_goes_on_after_a_crash_and_does_nothing_twice(queue, monkeypatch):
    done: list[str] = []
    train = work.train

    def dying(config, *rest):
        done.append(config.folder.name)
        if len(done) == 3:
            raise KeyboardInterrupt
        return train(config, *rest)

    monkeypatch.setattr(work, "train", dying)
    with pytest.raises(KeyboardInterrupt):
        queue.work_off()
    assert done == ["medium-random-1", "medium-pretraining-1", "medium-pretrained-1"]
    before = results(queue.work)
    assert set(before) == set(done[:2])
    assert queue.work_off()
    assert done[3:] == ["medium-pretrained-1", "small-random-1", "large-random-1", "medium-longer-1"]
    after = results(queue.work)
    assert set(after) == {run.name for run in plan.all_runs()} and before.items() <= after.items()
    assert queue.work_off() and len(done) == 7  # nothing is left
    assert results(queue.work) == after

    one = json.loads((queue.work / "medium-random-1/result.json").read_text())
    assert one["views"] == 32 and one["people"] > 0 and set(one["figures"]) == set(FIGURES)
    assert [point["views"] for point in one["curve"]] == [16, 32]
    blind = json.loads((queue.work / work.BLIND).read_text())["figures"]
    text = report.write_report(queue.work, queue.work / "report", commit="abc1234").read_text()
    assert f"| **pose: PCK of 133 points, % ↑** | {100 * blind['pose/pck']:.1f} | " in text
    assert all(f"| {name} | " in text for name in after) and "commit abc1234" in text
    assert "runs are finished" not in text and "nan" not in text
    assert json.loads((queue.work / "report/claims.json").read_text())["runs"].keys() == after.keys()
    with Image.open(queue.work / "report/claims.png") as picture:
        assert picture.size[0] > 1000


def test_what_another_process_has_is_left_alone(queue):
    run = next(plan.all_runs())
    with work.taken(queue.work, run.name) as mine:
        assert mine
        with work.taken(queue.work, run.name) as again:
            assert not again
        assert queue._attempt(run) is None
    with work.taken(queue.work, run.name) as free:
        assert free


def test_the_blind_answer_everybody_alike(geometry):
    judge = HeldOut(geometry, plan.model_spec("medium"), 4)
    shape = (2, 3, 4)
    answer = {"pose": torch.arange(24.0).reshape(shape)}
    judge._outputs = lambda model, people: {"pose": torch.stack([k * answer["pose"] for k in range(len(people))])}
    seen = {}
    judge.figures = lambda model: seen.update(model(torch.zeros(5, 3, 8, 8)))
    judge.blind(work.Model(plan.model_spec("medium")))
    assert len(judge.people) > 1
    assert torch.allclose(seen["pose"], (len(judge.people) - 1) / 2 * answer["pose"].expand(5, *shape))


def test_the_pretrained_one_waits_for_its_pretraining(tmp_path):
    run = plan.Run("pretrained", "medium", 1)
    assert not work.ready(tmp_path, run)
    work.write_json(tmp_path / "medium-pretraining-1" / work.RESULT, {})
    assert work.ready(tmp_path, run)
    work.write_json(tmp_path / run.name / work.RESULT, {})
    assert not work.ready(tmp_path, run)


def test_two_beginnings_differ_in_the_pretraining_alone(tmp_path, pool, monkeypatch):
    run = plan.Run("random", "medium", 1)
    start, *_ = work.beginning(tmp_path, replace(run, kind="pretraining"), pool)
    nothing, *_ = work.beginning(tmp_path, run, pool)
    changed = {name: value + 1 for name, value in start.state_dict().items()}
    monkeypatch.setattr(work, "read_weights", lambda folder: changed)
    pretrained, *_ = work.beginning(tmp_path, replace(run, kind="pretrained"), pool)
    ours, theirs, first = nothing.state_dict(), pretrained.state_dict(), start.state_dict()
    for name, value in ours.items():
        backbone = name.startswith("backbone.")
        assert torch.equal(theirs[name], first[name] + 1 if backbone else value)
        assert not backbone or torch.equal(value, first[name])


def test_stored_views_are_the_views(pool, geometry):
    rng = np.random.default_rng(0)
    sources = SynthViews.of(geometry, pool.spec)
    order = views.Loader(sources, 16, 1, pool.spec.mean, pool.spec.std)
    batch = next(order.batches(0, 1))
    stored = [pool.example(i, rng) for i in range(4)]
    for i, (image, target, _) in enumerate(stored):
        normalised = (torch.from_numpy(image).permute(2, 0, 1).float() - order._mean) / order._std
        assert torch.equal(normalised, batch.image[i])
        for task, parts in target.items():
            for name, value in parts.items():
                assert torch.equal(value.to(batch.target[task][name].dtype), batch.target[task][name][i]), (task, name)


def test_drawing_goes_on_where_it_was_stopped(pool, geometry, monkeypatch):
    last = views.shard_path(pool.folder, 1)
    drawn = np.load(last)
    last.unlink()
    assert not views.is_drawn(pool)
    first = views.shard_path(pool.folder, 0).stat().st_mtime_ns
    views.draw_pool(pool, geometry, seed=1, workers=0)
    assert views.is_drawn(pool) and views.shard_path(pool.folder, 0).stat().st_mtime_ns == first
    assert drawn.tobytes() == np.load(last).tobytes()


def test_a_folder_begun_for_something_else_is_refused(tmp_path):
    work.begin(tmp_path, BUDGET, "here")
    work.begin(tmp_path, BUDGET, "here")
    with pytest.raises(UsageError, match="begun with"):
        work.begin(tmp_path, replace(BUDGET, views=64), "here")
    with pytest.raises(UsageError, match="no finished run"):
        report.write_report(tmp_path, tmp_path / "report")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"small": (0.1, 0.2), "medium": (0.3, 0.3), "large": (0.4, 0.5)}, "holds"),
        ({"small": (0.5, 0.5), "medium": (0.6, 0.4), "large": (0.4, 0.5)}, "does not hold"),
        ({"small": (0.1, 0.2), "medium": (0.3, 0.3), "large": (0.4, 0.25)}, "undecided: 2 of 2, 1 of 2"),
        ({"small": (0.1, 0.2), "medium": (0.3, 0.3), "large": (0.4,)}, "open: 1 of 2 seeds finished"),
    ],
)
def test_verdicts(values, told, monkeypatch):
    monkeypatch.setattr(comparison, "SEEDS", (1, 2))
    found = {
        plan.Run("random", size, seed).name: {"figures": {"pose/pck": value, "normal/mean": -value}}
        for size, row in values.items()
        for seed, value in enumerate(row, 1)
    }
    for figure in ("pose/pck", "normal/mean"):  # of which one is better high and the other low
        assert comparison.verdict(found, figure, comparison.BY_SIZE) == told


def finished(run: plan.Run, quality: float) -> dict[str, object]:
    """A result as the queue writes it, better the higher `quality` is."""
    figures = {name: quality if more else 1 - quality for name, more in FIGURES.items()}
    judged = run.kind != "pretraining"
    return {
        "run": {"kind": run.kind, "size": run.size, "seed": run.seed}, "steps": 4, "batch": 8, "views": 32, "people": 2,
        "training_tflop": 1.0, "seconds": 2.0, "images_per_s": 16.0, "loss": {"first": 1.0, "last": 0.5},
        "figures": figures if judged else {}, "curve": [{"views": 32, **figures}] if judged else [],
        "made_by": {"date": "2026-01-02 03:04 UTC", "hardware": "1 core", "software": "torch", "precision": "fp32"},
    }  # fmt: skip


def write(folder: Path, qualities: dict[str, float]) -> tuple[str, dict[str, object]]:
    """Text and data of the report of runs by name; all others are missing."""
    work.begin(folder, BUDGET, "here")
    for run in plan.all_runs():
        if run.name in qualities:
            work.write_json(folder / run.name / work.RESULT, finished(run, qualities[run.name]))
    text = report.write_report(folder, folder / "report").read_text(encoding="utf-8")
    return text, json.loads((folder / "report/claims.json").read_text(encoding="utf-8"))


def test_the_report_of_a_part_says_what_is_missing(tmp_path):
    text, told = write(tmp_path, {"medium-random-1": 0.5, "small-random-1": 0.4})
    absent = ["medium-pretraining-1", "medium-pretrained-1", "large-random-1", "medium-longer-1"]
    assert told["missing"] == absent
    assert "**2 of 6 runs are finished.** Missing: " + ", ".join(absent) in text
    assert "(a) pretraining helps**: open for pose, parts, depth, normals." in text
    assert "its verdicts mean little" in text  # not the recipe's budget
    assert "is not finished" in text and "At equal cost" not in text and "nan" not in text


def test_negative_results_are_reported_as_such(tmp_path):
    runs = {"medium-random-1": 0.5, "medium-pretraining-1": 0, "medium-pretrained-1": 0.45, "medium-longer-1": 0.6}
    text, told = write(tmp_path, {**runs, "small-random-1": 0.4, "large-random-1": 0.7})
    assert "(a) pretraining helps**: does not hold for pose, parts, depth, normals." in text
    assert "(b) larger is better, twice**: holds for pose, parts, depth, normals." in text
    assert "no task, and worse for pose, parts, depth, normals" in text
    assert all(claim["gains"]["1"] == pytest.approx(-0.05) for claim in told["claims"]["pretraining"].values())


def test_a_figure_that_the_blind_win_is_named(tmp_path):
    blind = {name: 0.0 if more else 1.0 for name, more in FIGURES.items()} | {"depth/rmse": 0.45}
    work.write_json(tmp_path / work.BLIND, {"figures": blind})
    text, _ = write(tmp_path, {"medium-random-1": 0.5, "small-random-1": 0.6})
    (line,) = [part for part in text.split("- **") if part.startswith("Beware")]
    assert line.startswith("Beware, depth") and "medium-random" in line and "small-random" not in line


def test_views_of_the_pretraining_count_for_the_pretrained(tmp_path):
    text, _ = write(tmp_path, {"medium-random-1": 0.5, "medium-pretraining-1": 0, "medium-pretrained-1": 0.5})
    rows = {line.split(" | ")[0][2:]: line.split(" | ")[1:3] for line in text.splitlines() if line.startswith("| medium-")}
    assert rows == {
        "medium-random-1": ["32", "0"],
        "medium-pretraining-1": ["0", "32"],
        "medium-pretrained-1": ["32", "32"],
    }


def test_the_control_costs_what_pretraining_and_fine_tuning_cost(monkeypatch):
    budget = plan.Budget()
    cost = {kind: plan.forward_cost(plan.Run(kind, "medium", 1).spec) for kind in ("random", "pretraining")}
    both = cost["random"] * budget.views + cost["pretraining"] * budget.views * budget.passes
    assert plan.longer_views("medium", budget) * cost["random"] == pytest.approx(both, rel=1e-3)


def test_ticks_are_round():
    assert [words for _, words in curves.ticks(0.13, 0.52)] == ["0.2", "0.3", "0.4", "0.5"]
    assert [words for _, words in curves.ticks(18, 41)] == ["20", "25", "30", "35", "40"]


def test_the_picture_holds_its_words_and_a_panel_without_runs():
    line = [(10.0, 0.2), (20.0, 0.4)]
    full = curves.Panel("figure", "higher is better", [curves.Curve("one", curves.BLUE, [line])])
    drawn = curves.picture("title", "told", {"row": [full, curves.Panel("none", "", [])]})
    colors = {color for _, color in drawn.getcolors(drawn.size[0] * drawn.size[1])}
    assert curves.BLUE in colors
    paper = np.asarray(drawn)[:, -4:]
    assert (paper == paper[0, 0]).all()  # nothing is cut off at the right


def test_two_who_write_at_once_do_not_take_each_others_file(tmp_path, monkeypatch):
    real, path = Path.replace, tmp_path / "a.json"

    def late(self, target):
        with monkeypatch.context() as other:
            other.setattr(Path, "replace", real)
            other.setattr(os, "getpid", lambda: 1)
            work.write_text(path, "theirs")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", late)
    work.write_text(path, "ours")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a.json", "ours")]

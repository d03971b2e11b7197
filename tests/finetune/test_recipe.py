from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vitruvian.errors import UsageError
from vitruvian.finetune.config import Facts, Words, config_of
from vitruvian.finetune.recipe import Recipe, read_recipe, recipe_names
from vitruvian.train.optim import lr_factor

POSE = {"pose17": ("coco17", 5e-4), "pose133": ("wholebody133", 5e-4), "pose308": ("sapiens308", 5e-5)}
# of the specification, section 6: size -> layer decay
DECAY = {
    "pose17": dict.fromkeys(("0.3b", "0.6b", "1b", "2b"), 0.85),
    "pose133": {"0.3b": 0.75, "0.6b": 0.75, "1b": 0.85, "2b": 0.85},
    "pose308": {"0.3b": 0.85, "0.6b": 0.85, "1b": 0.95, "2b": 0.85},
    **{name: dict.fromkeys(("0.3b", "0.6b", "1b", "2b"), 0.85) for name in ("seg28", "depth", "normal")},
}


def words(out: Path) -> Words:
    return Words(out, ("a",), (), None, "sapiens-1b", None, "cpu", 0, "auto")


def test_every_task_of_the_paper_has_its_recipe() -> None:
    assert set(recipe_names()) == set(DECAY)


@pytest.mark.parametrize("name", sorted(DECAY))
@pytest.mark.parametrize("size", ["0.3b", "0.6b", "1b", "2b"])
def test_rates_of_the_specification(name: str, size: str) -> None:
    recipe = read_recipe(name, {}, size)
    skeleton, lr = POSE.get(name, (None, 5e-4))
    assert (recipe.skeleton, recipe.lr, recipe.layer_decay) == (skeleton, lr, DECAY[name][size])
    assert (recipe.weight_decay, recipe.clip, recipe.warmup_factor, recipe.size) == (0.1, 1.0, 1e-3, (1024, 768))
    assert recipe.loss == ("ohkm" if name == "pose308" and size in ("0.3b", "1b") else "mse" if skeleton else "auto")
    assert recipe.ema is None and recipe.drop_path == 0 and recipe.train == "all"


def test_poses_fall_to_a_tenth_after_170_and_200_of_210_epochs(tmp_path: Path) -> None:
    recipe = read_recipe("pose17", {"batch": 4})
    config = config_of(recipe, words(tmp_path), Facts(4 * 1000 - 1, "", "", ("pose",)))
    assert (config.steps, config.milestones, config.warmup) == (210_000, (170_000, 200_000), 500)
    rates = [lr_factor(step, config) for step in (0, 499, 169_999, 170_000, 200_000)]
    assert rates == pytest.approx([1e-3, 1, 1, 0.1, 0.01])


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_try_of_a_few_steps_of_an_official_recipe(tmp_path: Path, steps: int) -> None:
    recipe = read_recipe("pose17", {"steps": steps, "warmup": 0})
    config = config_of(recipe, words(tmp_path), Facts(1000, "", "", ("pose",)))
    assert lr_factor(0, config) == 1.0


def test_maps_fall_linearly_epoch_by_epoch_and_the_last_runs_at_nothing(tmp_path: Path) -> None:
    config = config_of(read_recipe("seg28", {"batch": 2}), words(tmp_path), Facts(2000, "", "", ("seg",)))
    assert (config.steps, config.schedule_unit, config.warmup) == (200_000, 1000, 400)
    assert [lr_factor(step, config) for step in (999, 1000, 198_999, 199_000)] == pytest.approx([1, 198 / 199, 1 / 199, 0])


def test_augmentation_of_the_specification() -> None:
    pose, seg, depth, normal = (read_recipe(name, {}).augment for name in ("pose308", "seg28", "depth", "normal"))
    assert (pose.flip, pose.half_body, pose.shift_chance, pose.shift, pose.scale) == (0.5, 0.3, 0.3, 0.16, 0.5)
    assert (pose.rotate_chance, pose.rotate, pose.channels, pose.blur, pose.median) == (0.6, 80, 0.5, 0.1, 0.1)
    assert (pose.hole, pose.hole_side, pose.background) == (1.0, (0.2, 0.4), 0.0)
    assert [a.background for a in (seg, depth, normal)] == [0.8, 0.5, 0.5]
    assert [(a.rotate_chance, a.rotate) for a in (seg, depth, normal)] == [(0.5, 45), (0.5, 60), (0, 0)]
    assert all((a.zoom, a.channels, a.hole, a.blur) == ((0.2, 2.0), 0, 0, 0) for a in (seg, depth, normal))


def test_flags_go_over_the_recipe_and_steps_take_the_place_of_epochs() -> None:
    recipe = read_recipe("pose17", {"steps": 40, "lr": 1e-3, "batch": None})
    assert (recipe.steps, recipe.epochs, recipe.lr, recipe.batch) == (40, None, 1e-3, 512)
    assert recipe.total(10_000) == 40


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lrr = 1", "lrr.*lr"),
        ("lr = 0", "lr is 0"),
        ('tasks = ["pose", "pose"]', "tasks is"),
        ('tasks = ["posse"]', "tasks is"),
        ('schedule = "step"', "milestones"),
        ("milestones = [0.9, 0.8]", "milestones is"),
        ("batch = 5\naccumulate = 2", "5 cannot be done in 2 equal passes"),
        ("epochs = 1\nsteps = 1", "both epochs and steps"),
        ("augment = 3", "augment is 3"),
        ("[augment]\nflp = 1", "flp.*flip"),
        ("[augment]\nflip = 2", "flip is 2"),
        ("by_size = 3", "by_size is 3"),
        ('[by_size."1b"]\nlrr = 3', "lrr.*lr"),
        ('train = "nothing"', "all, heads, lora"),
        ('size = 3', "size is 3"),
    ],
)  # fmt: skip
def test_what_a_recipe_may_not_say(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(UsageError, match=f"(?s){told}"):
        read_recipe(str(tmp_path / "r.toml"), {})


@pytest.mark.parametrize(("given", "told"), [("pose18", "pose17"), (None, "--epochs N")])
def test_an_unknown_recipe_and_an_open_length(given: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read_recipe(given, {}).total(10)


def test_a_warmup_longer_than_the_run() -> None:
    with pytest.raises(UsageError, match="warmup is 500, the run has 40 steps"):
        read_recipe("pose17", {"steps": 40}).warm(40)
    assert Recipe(steps=40).warm(40) == 2 and Recipe().warm(100_000) == 500

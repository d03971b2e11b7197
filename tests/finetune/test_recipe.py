from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vitruvian.errors import UsageError
from vitruvian.finetune.config import Facts, Words, config_of
from vitruvian.finetune.recipe import Recipe, read_recipe, recipe_names
from vitruvian.train.optim import lr_factor

# of the specification, section 6: size -> layer decay
DECAY = {
    "pose17": dict.fromkeys(("0.3b", "0.6b", "1b", "2b"), 0.85),
    "pose133": {"0.3b": 0.75, "0.6b": 0.75, "1b": 0.85, "2b": 0.85},
    "pose308": {"0.3b": 0.85, "0.6b": 0.85, "1b": 0.95, "2b": 0.85},
    **{name: dict.fromkeys(("0.3b", "0.6b", "1b", "2b"), 0.85) for name in ("seg28", "depth", "normal")},
}
# The same, for every size. A batch is 64 people or 2 photos a GPU, of 8 GPUs (assumed: the number is not stated).
RUN = {"size": (1024, 768), "heads": "official", "weight_decay": 0.1, "clip": 1.0, "warmup_factor": 1e-3, "ema": None,
       "drop_path": 0.0, "train": "all"}  # fmt: skip
POSES = RUN | {
    "epochs": 210,
    "batch": 512,
    "schedule": "step",
    "milestones": (170 / 210, 200 / 210),
    "warmup": 500,
    "fit": None,
}
MAPS = RUN | {"epochs": 200, "batch": 16, "schedule": "linear", "milestones": (), "warmup": 400, "fit": "stretch"}
RUNS = {
    "pose17": POSES | {"tasks": ("pose",), "skeleton": "coco17", "lr": 5e-4},
    "pose133": POSES | {"tasks": ("pose",), "skeleton": "wholebody133", "lr": 5e-4},
    "pose308": POSES | {"tasks": ("pose",), "skeleton": "sapiens308", "lr": 5e-5, "topk": 128, "checkpoint_every": 1000},
    "seg28": MAPS | {"tasks": ("seg",), "classes": "body28", "lr": 5e-4},
    "depth": MAPS | {"tasks": ("depth",), "lr": 5e-4},
    "normal": MAPS | {"tasks": ("normal",), "lr": 5e-4},
}
LIGHT = {"light": 0.5, "brightness": 32, "contrast": 0.5, "saturation": 0.5, "hue": 18, "flip": 0.5}
OF_PEOPLE = LIGHT | {
    "half_body": 0.3, "shift_chance": 0.3, "shift": 0.16, "scale": 0.5, "rotate_chance": 0.6, "rotate": 80,
    "channels": 0.5, "blur": 0.1, "median": 0.1, "hole": 1, "hole_side": (0.2, 0.4), "background": 0,
}  # fmt: skip
OF_PHOTOS = LIGHT | {"zoom": (0.2, 2), "channels": 0, "blur": 0, "median": 0, "hole": 0}
AUGMENT = {
    **dict.fromkeys(("pose17", "pose133", "pose308"), OF_PEOPLE),
    "seg28": OF_PHOTOS | {"background": 0.8, "rotate_chance": 0.5, "rotate": 45, "most_of_one_class": 0.75},
    "depth": OF_PHOTOS | {"background": 0.5, "rotate_chance": 0.5, "rotate": 60},
    "normal": OF_PHOTOS | {"background": 0.5, "rotate_chance": 0},
}


def words(out: Path) -> Words:
    return Words(out, ("a",), (), None, "sapiens-1b", None, "cpu", 0, "auto")


def test_every_task_of_the_paper_has_its_recipe() -> None:
    assert set(recipe_names()) == set(DECAY)


@pytest.mark.parametrize("name", sorted(DECAY))
@pytest.mark.parametrize("size", ["0.3b", "0.6b", "1b", "2b"])
def test_recipes_are_those_of_the_specification(name: str, size: str, tmp_path: Path) -> None:
    recipe = read_recipe(name, {}, size)
    assert {field: getattr(recipe, field) for field in RUNS[name]} == RUNS[name]
    assert recipe.layer_decay == DECAY[name][size]
    worst = name == "pose308" and size in ("0.3b", "1b")
    assert recipe.loss == ("ohkm" if worst else "mse" if recipe.tasks == ("pose",) else "auto")
    assert {field: getattr(recipe.augment, field) for field in AUGMENT[name]} == AUGMENT[name]
    config = config_of(recipe, words(tmp_path), Facts(100_000, "", "", recipe.tasks or ()))
    assert (config.betas, config.gamma, config.floor, config.clip) == ((0.9, 0.999), 0.1, 0.0, 1.0)


def test_poses_fall_to_a_tenth_after_170_and_200_of_210_epochs(tmp_path: Path) -> None:
    recipe = read_recipe("pose17", {"batch": 4})
    config = config_of(recipe, words(tmp_path), Facts(4 * 1000, "", "", ("pose",)))
    assert (config.steps, config.milestones, config.warmup) == (210_000, (170_000, 200_000), 500)
    rates = [lr_factor(step, config) for step in (0, 499, 169_999, 170_000, 200_000)]
    assert rates == pytest.approx([1e-3, 1, 1, 0.1, 0.01])


@pytest.mark.parametrize(
    ("epochs", "samples", "batch", "steps"), [(3, 6, 4, 5), (25, 100, 16, 157), (2, 8, 4, 4), (1, 1, 16, 1)]
)
def test_epochs_are_no_more_passes_than_asked_for(epochs: int, samples: int, batch: int, steps: int) -> None:
    assert Recipe(epochs=epochs, batch=batch).total(samples) == steps


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_try_of_a_few_steps_of_an_official_recipe(tmp_path: Path, steps: int) -> None:
    recipe = read_recipe("pose17", {"steps": steps, "warmup": 0})
    config = config_of(recipe, words(tmp_path), Facts(1000, "", "", ("pose",)))
    assert lr_factor(0, config) == 1.0


def test_maps_fall_linearly_epoch_by_epoch_and_the_last_runs_at_nothing(tmp_path: Path) -> None:
    config = config_of(read_recipe("seg28", {"batch": 2}), words(tmp_path), Facts(2000, "", "", ("seg",)))
    assert (config.steps, config.schedule_unit, config.warmup) == (200_000, 1000, 400)
    assert [lr_factor(step, config) for step in (999, 1000, 198_999, 199_000)] == pytest.approx([1, 198 / 199, 1 / 199, 0])


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
        ('tasks = ["posse"]', "^tasks is posse. Allowed: different ones of pose, seg, depth, normal"),
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

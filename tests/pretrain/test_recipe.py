from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vitruvian.errors import InputError, UsageError
from vitruvian.model import build
from vitruvian.pretrain.config import Words, config_of
from vitruvian.pretrain.network import spec_of
from vitruvian.pretrain.recipe import Recipe, read_recipe, recipe_names

PAPER = {"0.3b": 98_304, "0.6b": 65_536, "1b": 40_960, "2b": 20_480}
PARAMETERS = {"0.3b": 335_532_288, "0.6b": 664_278_528, "1b": 1_169_238_784, "2b": 2_162_608_768}  # with the decoder


@pytest.mark.parametrize("name", PAPER)
def test_a_packaged_recipe_is_the_papers(name: str, tmp_path: Path) -> None:
    recipe = read_recipe(name, {}).complete()
    assert (recipe.size, recipe.batch, recipe.resolution, recipe.mask_ratio) == (name, PAPER[name], 1024, 0.75)
    assert recipe.tokens == pytest.approx(1.2e12, rel=0.01)
    assert (recipe.betas, recipe.weight_decay, recipe.area, recipe.flip) == ((0.9, 0.95), 0.05, (0.2, 1.0), 0.5)
    assert (recipe.clip, recipe.warmup_factor, recipe.aspect) == (1.0, 1e-4, (3 / 4, 4 / 3))
    assert recipe.peak_lr == pytest.approx(2.4e-3 * PAPER[name] / 4096)
    config = config_of(recipe, Words(tmp_path, ("a",), name, None, "cpu", 0, "auto"), "", "")
    assert (config.schedule, config.decay_from, config.floor, config.schedule_unit) == ("cosine", "warmup", 0.0, 1)
    assert (config.lr, config.betas, config.clip, config.warmup_factor) == (recipe.peak_lr, (0.9, 0.95), 1.0, 1e-4)
    assert (config.area, config.aspect, config.flip, config.weight_decay) == ((0.2, 1.0), (3 / 4, 4 / 3), 0.5, 0.05)
    assert recipe.warmup / (recipe.steps or 1) == pytest.approx(40 / 1600, rel=0.02)
    with torch.device("meta"):
        model = build(spec_of(recipe))
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    options = model.spec.heads[0].options
    assert (options["dim"], options["depth"], options["heads"], options["mask_ratio"]) == (512, 8, 16, 0.75)


def test_every_packaged_recipe_is_whole() -> None:
    assert recipe_names() == ("tiny", *PAPER)
    for name in recipe_names():
        spec_of(read_recipe(name, {}).complete())


def test_flags_go_over_the_recipe() -> None:
    recipe = read_recipe("0.3b", {"batch": 64, "accumulate": 4, "steps": 100, "warmup": None, "resolution": 512})
    assert (recipe.batch, recipe.accumulate, recipe.steps, recipe.warmup, recipe.resolution) == (64, 4, 100, 74, 512)
    assert recipe.peak_lr == pytest.approx(1.5e-4 / 4)
    assert recipe.tokens == 100 * 64 * 32 * 32
    assert read_recipe(None, {"size": "tiny", "steps": 1, "batch": 256}).peak_lr == pytest.approx(1.5e-4)


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('size = "tiny"\nmask_ration = 0.6\n')
    with pytest.raises(UsageError, match=r"unknown key of the recipe .*'mask_ration'. Did you mean mask_ratio"):
        read_recipe(str(path), {})
    path.write_text("steps = ")
    with pytest.raises(InputError, match="not TOML"):
        read_recipe(str(path), {})
    with pytest.raises(UsageError, match=r"unknown recipe '0.4b'. Did you mean .*0.3b"):
        read_recipe("0.4b", {})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"resolution": 100}, "no multiple of the patch, 16. Fix: --resolution 96 or 112"),
        ({"size": "3b"}, "unknown size '3b'"),
        ({"mask_ratio": 1.0}, "mask_ratio is 1.0. Allowed: a number above 0 and below 1"),
        ({"area": (0.9, 0.1)}, "area is"),
        ({"batch": 10, "accumulate": 4}, "cannot be done in 4 equal passes"),
    ],
)
def test_what_cannot_be(values: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Recipe(**values)  # type: ignore[arg-type]


def test_what_nobody_can_guess() -> None:
    with pytest.raises(UsageError, match=r"steps and batch not given. Fix: --steps N --batch N, or --recipe"):
        Recipe(size="tiny").complete()
    with pytest.raises(UsageError, match=r"warmup is 9\. Allowed: 0 to 5"):
        Recipe(size="tiny", steps=5, batch=1, warmup=9).complete()
    with pytest.raises(UsageError, match="no size given"):
        spec_of(Recipe(steps=5, batch=1))

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_people import MINE

from vitruvian import weights
from vitruvian.errors import UsageError
from vitruvian.finetune.network import begin_with, new_model, spec_of, tasks_of, trained_numbers
from vitruvian.finetune.recipe import Recipe, read_recipe
from vitruvian.model import Model, build
from vitruvian.model.lora import merged


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "five.toml").write_text(MINE)
    return str(tmp_path / "five.toml")


def test_an_encoder_gets_the_official_model(encoder: Path) -> None:
    begin = begin_with(str(encoder))
    spec = spec_of(Recipe(tasks=("pose",), skeleton="coco17"), begin)
    assert (spec.size, spec.fit, spec.sigma, spec.class_token, spec.padding) == ((1024, 768), "affine", 6.0, False, 2)
    head = spec.head("pose")
    assert (head.kind, head.upsample, head.conv, head.out, head.options) == (
        "deconv",
        (768,) * 2,
        (768,) * 2,
        17,
        {"std": 0.001},
    )
    assert tasks_of(spec, Recipe())[0].loss_kind == "mse"  # type: ignore[attr-defined]
    dense = spec_of(Recipe(tasks=("seg", "depth")), begin)
    assert dense.fit == "stretch" and [h.upsample for h in dense.heads] == [(768,) * 3, (384,) * 4]


@pytest.mark.parametrize(
    ("recipe", "padding"), [("pose17", 2), ("pose133", 2), ("pose308", 2), ("normal", 2), ("seg28", 0), ("depth", 0)]
)
def test_patches_are_padded_as_officially(recipe: str, padding: int, encoder: Path) -> None:
    for init in (str(encoder), "random:0.3b"):
        begin = begin_with(init)
        assert spec_of(read_recipe(recipe, {}, begin.size), begin).padding == padding


@pytest.mark.parametrize(("classes", "padding"), [("lip20", 2), ("cihp20", 2), ("body28", 0)])
def test_patches_of_the_sets_of_20_parts_are_padded_too(classes: str, padding: int, encoder: Path) -> None:
    assert spec_of(Recipe(tasks=("seg",), classes=classes), begin_with(str(encoder))).padding == padding


def test_an_encoder_is_taken_over_and_its_positions_resized(encoder: Path) -> None:
    begin, recipe = begin_with(str(encoder)), Recipe(tasks=("depth",), size=(64, 48))
    model, told = new_model(spec_of(recipe, begin), recipe, begin)
    assert begin.loaded is not None
    for name, value in begin.loaded.model.state_dict().items():
        if name.startswith("backbone.blocks"):
            assert torch.equal(model.state_dict()[name], value)
    assert model.backbone.position.shape == (1, 12, 32)
    assert "depth head: new" in told and any("class token left out" in line for line in told)


def test_a_whole_model_keeps_its_form(small: Path) -> None:
    begin = begin_with(str(small))
    spec = spec_of(Recipe(tasks=("pose", "normal")), begin)
    assert begin.loaded is not None
    assert replace(spec, name="small", heads=()) == replace(begin.loaded.card.spec, heads=())
    assert [(h.task, h.kind, h.upsample) for h in spec.heads] == [("pose", "shuffle", (16,)), ("normal", "shuffle", (16,))]
    assert spec_of(Recipe(), begin).heads == begin.heads
    larger = spec_of(Recipe(size=(128, 96)), begin)
    assert (larger.size, larger.sigma) == ((128, 96), 3.0)
    official = spec_of(Recipe(tasks=("pose",), heads="official"), begin).head("pose")
    assert (official.kind, official.upsample) == ("deconv", (768, 768))


def test_normals_learned_from_labels_are_in_camera_axes_whatever_the_weights_answered_in(small: Path) -> None:
    begin = begin_with(str(small))
    assert begin.loaded is not None
    card = begin.loaded.card
    heads = [replace(head, options={**head.options, "axes": "unstated"}) for head in card.spec.heads if head.task == "normal"]
    loaded = replace(begin.loaded, card=replace(card, spec=card.spec.with_heads(*heads)))
    spec = spec_of(Recipe(tasks=("normal",)), replace(begin, loaded=loaded))
    assert heads and "axes" not in spec.head("normal").options
    assert tasks_of(spec, Recipe())[0].axes == "camera"  # type: ignore[attr-defined]


def test_words_of_the_last_layer_go_by_name(small: Path, mine: str) -> None:
    begin, recipe = begin_with(str(small)), Recipe(tasks=("pose",), skeleton=mine)
    model, told = new_model(spec_of(recipe, begin), recipe, begin)
    assert begin.loaded is not None
    ours, theirs = model.heads["pose"].final, begin.loaded.model.heads["pose"].final  # type: ignore[union-attr,index]
    rows = weights.load(str(small)).card.vocabularies["coco17"]
    for i, name in enumerate(("nose", "left_wrist", "right_wrist")):
        assert torch.equal(ours.weight[i], theirs.weight[rows.index(name)])  # type: ignore[index,union-attr]
    assert any("3 of 5 outputs by name, new: crown, belt" in line for line in told)


def test_a_head_of_another_form_is_new(small: Path) -> None:
    begin, recipe = begin_with(str(small)), Recipe(tasks=("normal",), heads="official")
    _, told = new_model(spec_of(recipe, begin), recipe, begin)
    assert told == ("normal head: new, no layer fits",)


def test_weights_that_are_new_depend_on_the_seed_alone(small: Path, mine: str) -> None:
    begin = begin_with(str(small))
    recipe = Recipe(tasks=("pose",), skeleton=mine, seed=5)
    one, two, other = (
        new_model(spec_of(r, begin), r, begin)[0].heads["pose"].final.weight for r in (recipe, recipe, replace(recipe, seed=6))
    )
    assert torch.equal(one, two) and not torch.equal(one, other)


@pytest.mark.parametrize("train", ["heads", "lora"])
def test_what_is_frozen_stays_and_what_was_adapted_can_be_merged(small: Path, train: Any) -> None:
    begin, recipe = begin_with(str(small)), Recipe(train=train, lora_rank=2)
    spec = spec_of(recipe, begin)
    model, _ = new_model(spec, recipe, begin)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all(name.startswith("heads.") or "lora_" in name for name in learning)
    adapted = sum("lora_" in name for name in learning)
    assert adapted == (2 * 2 * 3 if train == "lora" else 0)
    assert trained_numbers(model)[0] == sum(model.state_dict()[name].numel() for name in learning)
    for name, p in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(p, std=0.1)
    plain = build(spec)
    plain.load_state_dict(merged(model.state_dict()))
    image = torch.randn(2, 3, 64, 48)
    for task, out in model.eval()(image).items():
        torch.testing.assert_close(plain.eval()(image)[task], out, rtol=1e-4, atol=1e-4)
    assert isinstance(plain, Model)


def test_the_rate_of_lora_changes_nothing_at_first(small: Path) -> None:
    begin, image = begin_with(str(small)), torch.randn(1, 3, 64, 48)
    recipe = Recipe(train="lora")
    model, _ = new_model(spec_of(recipe, begin), recipe, begin)
    assert begin.loaded is not None
    torch.testing.assert_close(model.eval()(image)["depth"], begin.loaded.model.eval()(image)["depth"])


@pytest.mark.parametrize(
    ("fields", "init", "told"),
    [
        ({}, "encoder", "has no heads, and no task is given"),
        ({"tasks": ("depth",), "skeleton": "coco17"}, "encoder", "--skeleton coco17, but the tasks are depth"),
        ({"tasks": ("pose",), "classes": "body28"}, "encoder", "--classes body28"),
        ({"tasks": ("pose",), "fit": "stretch"}, "encoder", "points need a crop"),
        ({"tasks": ("pose",), "skeleton": "coco18"}, "encoder", "coco17"),
        ({"size": (60, 48)}, "small", "multiple of the patch"),
        ({"loss": "mse"}, "small", "does not go with a head"),
        ({}, "random:3b", "0.3b"),
    ],
)
def test_what_cannot_be(fields: Any, init: str, told: str, small: Path, encoder: Path) -> None:
    given = {"small": str(small), "encoder": str(encoder)}.get(init, init)
    recipe = Recipe(**fields)
    with pytest.raises(UsageError, match=told):
        begin = begin_with(given)
        spec = spec_of(recipe, begin)
        tasks_of(spec, recipe)
        new_model(spec, recipe, begin)


def test_a_backbone_that_has_learned_nothing() -> None:
    begin = begin_with("random:0.3b")
    spec = spec_of(read_recipe("pose17", {}, begin.size), begin)
    assert (spec.dim, spec.depth, spec.padding, begin.hash, begin.size) == (1024, 24, 2, "", "0.3b")

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from drawn_people import MINE, person, write_maps, write_parts, write_people
from safetensors.torch import load_file

from vitruvian import weights
from vitruvian.cli import main
from vitruvian.train import read_log, read_weights

NAMES = ("nose", "left_wrist", "right_wrist", "crown", "belt")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "five.toml").write_text(MINE)
    return tmp_path / "five.toml"


def test_a_run_and_what_it_leaves(finetune: Callable[..., Any], config: Callable[..., Any], tmp_path: Path) -> None:
    code, told, _ = finetune("--tasks", "pose", "--epochs", 2, "--batch", 4, "--accumulate", 2)
    assert code == 0
    assert "6 samples; small-tuned: pose (17 of coco17)" in told and "12 of 12 tensors" not in told
    assert "3 steps of 4 samples in 2 passes: 2.0 epochs" in told and "all 17 outputs by name" in told
    found = config()["config"]
    assert (found["batch"], found["accumulate"], found["global_batch"], found["steps"]) == (2, 2, 4, 3)
    assert (found["layer_decay"], found["weight_decay"], found["betas"]) == (0.85, 0.1, [0.9, 0.999])
    card = weights.load(str(tmp_path / "run" / "model.safetensors")).card
    assert (card.spec.name, card.licence, card.provenance["made_by"]) == ("small-tuned", "Apache-2.0", "vitruvian finetune")
    assert card.provenance["init"] == "small.safetensors" and card.provenance["done"] == 3
    assert all(str(tmp_path) not in str(value) for value in card.provenance.values())


def test_five_points_of_ones_own_end_in_predictions(finetune: Callable[..., Any], mine: Path, tmp_path: Path) -> None:
    data = write_people(tmp_path / "own", 6, NAMES)
    words = ["--tasks", "pose", "--skeleton", mine, "--steps", 3, "--batch", 4, "--export", tmp_path / "five.safetensors"]
    code, told, _ = finetune(*words, sources=[data])
    assert code == 0 and "3 of 5 outputs by name, new: crown, belt" in told
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), person(9).image[..., ::-1])
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2\nphoto.png,15,15,50,65\n")
    code = (
        "import json, sys; from vitruvian.cli import main; from pathlib import Path;"
        "done = main(sys.argv[1:]); found = json.loads(Path('out/photo.json').read_text());"
        "print(done, list(found['people'][0]['keypoints']))"
    )
    words = ["predict", photo, "--model", tmp_path / "five.safetensors", "--boxes", tmp_path / "boxes.csv", "--out", "out"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1:] == [f"0 {list(NAMES)}"], done.stderr


def test_a_run_is_exported_later_and_elsewhere(finetune: Callable[..., Any], mine: Path, tmp_path: Path) -> None:
    data = write_people(tmp_path / "own", 4, NAMES)
    words = ["--tasks", "pose", "--skeleton", mine, "--steps", 2, "--batch", 2, "--ema", 0.5]
    assert finetune(*words, sources=[data])[0] == 0
    mine.unlink()
    place = tmp_path / "later.safetensors"
    words = ["-m", "vitruvian", "finetune", "--out", tmp_path / "run", "--export", place]
    subprocess.run([sys.executable, *map(str, words)], check=True, capture_output=True)
    one, two = load_file(tmp_path / "run" / "model.safetensors"), load_file(place)
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    average = read_weights(tmp_path / "run")
    assert all(torch.equal(two[name], average[name]) for name in two)
    assert finetune("--export", place, sources=[])[0] == 2  # it is there already
    assert finetune("--export", tmp_path / "x.safetensors", sources=[], out="none")[0] == 1


@pytest.mark.parametrize("words", [(), ("--train", "lora", "--lora-rank", 2), ("--train", "heads"), ("--drop-path", 0.2)])
def test_four_tasks_learn_together_from_data_of_several_kinds(
    words: Any, finetune: Callable[..., Any], people: Path, small: Path, tmp_path: Path
) -> None:
    before = load_file(small)
    sources = [people, write_maps(tmp_path / "maps", 4), write_parts(tmp_path / "parts", 4)]
    told = finetune("--steps", 3, "--batch", 8, *words, sources=sources)
    assert told[0] == 0, told
    last = [line for line in read_log(tmp_path / "run" / "log.jsonl") if line["kind"] == "train"][-1]
    assert {"pose/heatmap", "seg/ce", "depth/silog", "normal/cosine"} <= set(last)
    after = load_file(tmp_path / "run" / "model.safetensors")
    assert after.keys() == before.keys()
    moved = {name for name in after if not torch.equal(after[name].float(), before[name].float())}
    trunk = {name for name in moved if name.startswith("backbone.")}
    if "heads" in words:
        assert not trunk
    elif "lora" in words:
        assert trunk and all(".attn." in name and name.endswith("weight") for name in trunk)
    else:
        assert len(trunk) > 30
    assert any(name.startswith("heads.depth") for name in moved)


def test_validation_decides_what_is_written(finetune: Callable[..., Any], people: Path, tmp_path: Path) -> None:
    code, told, _ = finetune("--tasks", "pose", "--steps", 4, "--batch", 2, "--val", people)
    assert code == 0 and "best by pose/pck" in told
    figures = [line for line in read_log(tmp_path / "run" / "log.jsonl") if line["kind"] == "evaluate"]
    assert [line["step"] for line in figures] == [3, 4] and all(0 <= line["pose/pck"] <= 1 for line in figures)
    best, written = read_weights(tmp_path / "run", best=True), load_file(tmp_path / "run" / "model.safetensors")
    assert all(torch.equal(best[name], written[name]) for name in written)


def test_a_validated_run_without_a_best_model_is_exported_as_it_is_and_says_so(
    finetune: Callable[..., Any], people: Path, tmp_path: Path
) -> None:
    assert finetune("--tasks", "pose", "--steps", 2, "--batch", 2, "--val", people)[0] == 0
    (tmp_path / "run" / "checkpoints" / "best.pt").unlink()  # as before the first evaluation
    code, told, _ = finetune("--export", tmp_path / "now.safetensors", sources=[])
    assert code == 0 and "after 2 steps, not the best: no evaluation has had a finite pose/pck" in told
    last, written = read_weights(tmp_path / "run"), load_file(tmp_path / "now.safetensors")
    assert all(torch.equal(last[name], written[name]) for name in written)


def test_another_run_is_not_gone_on_with(finetune: Callable[..., Any], encoder: Path, small: Path) -> None:
    words = ["--tasks", "pose", "--batch", 2, "--warmup", 0]
    assert finetune(*words, "--steps", 2)[0] == 0
    code, _, told = finetune(*words, "--steps", 2, "--lr", 1e-3)
    assert code == 2 and "lr: 0.0005 in the checkpoint, 0.001 now" in told
    weights.save(small, weights.load(str(small)).model, provenance={}, dtype=torch.bfloat16)  # type: ignore[arg-type]
    code, _, told = finetune(*words, "--steps", 2)
    assert code == 2 and "init_hash" in told
    code, _, told = finetune(*words, "--steps", 2, "--size", 64, 48, init=encoder)
    assert code == 2 and "other settings" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--steps", 2, "--tasks", "posse"), "posse"),
        (("--tasks", "pose"), "--epochs N"),
        (("--steps", 2, "--recipe", "pose18"), "pose17"),
        (("--steps", 2, "--init", "vitruvian-x"), "vitruvian-s"),
        (("--steps", 2, "--export", "model.pt"), ".safetensors"),
        (("--steps", 2, "--skeleton", "nobody.toml"), "nobody.toml"),
        (("--steps", 2, "--batch", 3, "--accumulate", 2), "equal passes"),
    ],
)
def test_wrong_words(words: Any, told: str, finetune: Callable[..., Any], tmp_path: Path) -> None:
    code, _, said = finetune(*words, init=None if "--init" in words else tmp_path / "small.safetensors")
    assert code in (1, 2) and told in said and "Traceback" not in said and not (tmp_path / "run").exists()


def test_a_skeleton_that_the_labels_do_not_have(finetune: Callable[..., Any], mine: Path, tmp_path: Path) -> None:
    data = write_people(tmp_path / "own", 2, ("grip", "knot", "toe"))
    code, _, told = finetune("--steps", 1, "--tasks", "pose", "--skeleton", mine, sources=[data])
    assert code == 1 and "none of drawn5" in told


def test_heads_without_labels_are_left_out_and_told(finetune: Callable[..., Any], tmp_path: Path) -> None:
    code, told, _ = finetune("--steps", 1, "--batch", 2)
    assert code == 0 and "small-tuned: pose (17 of coco17)\n" in told
    assert all(f"{name} head: left out, no source has labels for it" in told for name in ("seg", "depth", "normal"))
    card = weights.load(str(tmp_path / "run" / "model.safetensors")).card
    assert [head.task for head in card.spec.heads] == ["pose"]


@pytest.mark.parametrize("tasks", [("depth",), ("pose", "seg")])
def test_a_task_that_no_source_labels(tasks: tuple[str, ...], finetune: Callable[..., Any], tmp_path: Path) -> None:
    code, _, told = finetune("--steps", 1, "--tasks", *tasks)
    assert code == 2 and f"no source has labels for {tasks[-1]}; they have pose" in told and not (tmp_path / "run").exists()


def test_part_ids_of_another_class_set_are_refused(finetune: Callable[..., Any], tmp_path: Path) -> None:
    classes = ", ".join(f'{{name = "part {i}"}}' for i in range(13))
    (tmp_path / "thirteen.toml").write_text(f'name = "thirteen"\nclasses = [{classes}]\n')
    own = write_parts(tmp_path / "own", 4, "../thirteen.toml")
    words = ("--steps", 1, "--batch", 2, "--tasks", "seg")
    code, _, told = finetune(*words, sources=[own])
    assert code == 2 and "labelled in thirteen, and the seg head answers in body28" in told and "--classes" in told
    code, _, told = finetune(*words, "--val", own, sources=[write_parts(tmp_path / "parts", 4)])
    assert code == 2 and "labelled in thirteen" in told
    assert finetune(*words, "--classes", tmp_path / "thirteen.toml", sources=[own])[0] == 0


def test_held_out_data_without_labels_of_the_first_task(finetune: Callable[..., Any], people: Path, tmp_path: Path) -> None:
    maps = write_maps(tmp_path / "maps", 4)
    code, _, told = finetune("--steps", 1, "--tasks", "pose", "--val", maps)
    assert code == 2 and "has labels of depth, normal, and the first task, pose" in told and not (tmp_path / "run").exists()


def test_the_verb_shows_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune", "--help"]) == 0 and "--skeleton" in capsys.readouterr().out

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from vitruvian import weights
from vitruvian.cli import main
from vitruvian.model import Model, build
from vitruvian.pretrain.network import autoencoder_spec, trained
from vitruvian.pretrain.recipe import TINY
from vitruvian.train import read_log, read_weights
from vitruvian.types import HeadSpec, ModelSpec
from vitruvian.weights.keymaps import to_official

DIES = """
import os, signal, sys
from vitruvian.cli import main
from vitruvian.train.checkpoint import Checkpoints
plain = Checkpoints.write
def write(self, step, state):
    path = plain(self, step, state)
    if step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return path
Checkpoints.write = write
main(sys.argv[1:])
"""


def losses(folder: Path) -> list[Any]:
    return [(line["step"], line["loss"]) for line in read_log(folder / "log.jsonl") if line["kind"] == "train"]


def test_a_run_and_what_it_leaves(pretrain: Callable[..., Any], config: Callable[..., Any], tmp_path: Path) -> None:
    code, told, _ = pretrain("--batch", 8, "--accumulate", 2)
    assert code == 0
    assert "10 photos; pretrain-tiny" in told and "6 steps of 8 photos in 2 passes: 192 tokens" in told
    assert "learning rate 0.1 x 8 / 256 = 0.003125" in told and "encoder after 6 steps" in told
    found = config()["config"]
    assert (found["batch"], found["accumulate"], found["global_batch"], found["steps"]) == (4, 2, 8, 6)
    assert found["lr"] == pytest.approx(0.1 * 8 / 256) and found["base_lr"] == 0.1 and found["tokens"] == 192
    assert found["betas"] == [0.9, 0.95] and found["weight_decay"] == 0.05 and found["layer_decay"] == 1.0
    assert found["area"] == [0.2, 1.0] and found["sources"] == [str(tmp_path / "photos")]
    assert config()["run"]["model"]["size"] == [32, 32]
    assert (tmp_path / "run" / "encoder.safetensors").is_file()


def test_weights_without_decay(pretrain: Callable[..., Any], tmp_path: Path) -> None:
    from vitruvian.pretrain.config import Words, config_of
    from vitruvian.pretrain.recipe import Recipe
    from vitruvian.train.optim import parameter_groups

    recipe = Recipe(size="tiny", steps=1, batch=1)
    model = build(autoencoder_spec("m", TINY, 32, {"dim": 16, "depth": 1, "heads": 2}))
    groups = parameter_groups(model, config_of(recipe, Words(tmp_path, (), None, None, "cpu", 0, "auto"), "", ""))
    assert {group["lr_scale"] for group in groups} == {1.0}
    free = {name for group in groups if group["weight_decay"] == 0 for name in group["names"]}
    decayed = {name for group in groups if group["weight_decay"] == 0.05 for name in group["names"]}
    assert {"backbone.class_token", "decoder.mask_token", "backbone.norm.weight", "decoder.pred.bias"} <= free
    assert {"backbone.patch.weight", "decoder.pred.weight", "backbone.blocks.0.attn.qkv.weight"} <= decayed
    assert not any("position" in name for name in free | decayed)


def test_a_killed_run_goes_on_with_equal_losses(
    pretrain: Callable[..., Any], photos: Path, recipe: Path, tmp_path: Path
) -> None:
    assert pretrain(out="whole")[0] == 0
    words = ["pretrain", photos, "--recipe", recipe, "--out", tmp_path / "killed", "--device", "cpu", "--workers", 0]
    # sums of another number of threads differ in their last bit
    env = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    dead = subprocess.run([sys.executable, "-c", DIES, *map(str, words)], env=env, capture_output=True, check=False)
    assert dead.returncode == -signal.SIGKILL and not (tmp_path / "killed" / "encoder.safetensors").exists()
    code, _, notices = pretrain(out="killed")
    assert code == 0 and "resumed after step 4 of 6" in notices
    a, b = tmp_path / "whole", tmp_path / "killed"
    assert losses(a)[-1] == losses(b)[-1] and losses(a)
    first, second = read_weights(a), read_weights(b)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_folder_of_another_run_is_refused(pretrain: Callable[..., Any], photos: Path) -> None:
    assert pretrain("--steps", 2)[0] == 0
    code, _, told = pretrain("--steps", 3)
    assert code == 2 and "holds a run with other settings" in told and "config.steps: 2 in the checkpoint, 3 now" in told
    (photos / "sub0" / "0.png").rename(photos / "sub0" / "other.png")
    code, _, told = pretrain("--steps", 2)
    assert code == 2 and "config.photos" in told
    assert pretrain("--steps", 2, "--resume", "never")[0] == 2
    assert pretrain("--resume", "must", out="fresh")[0] == 2


def test_damaged_photos_are_counted_and_named(pretrain: Callable[..., Any], photos: Path, tmp_path: Path) -> None:
    for i in range(9):
        (photos / "sub0" / f"bad{i}.jpg").write_bytes(b"\xff\xd8\xff nothing")
    code, told, notices = pretrain("--steps", 12)
    assert code == 0 and "times a photo could not be used" in told
    assert "bad example replaced by the next" in notices and "bad3.jpg" in notices
    assert read_log(tmp_path / "run" / "log.jsonl")[-1]["bad_examples"] > 5


def test_wrong_words(pretrain: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for given, told in [
        ({"by": None}, "steps and batch not given"),
        ({"by": "0.5b"}, "unknown recipe"),
        ({"sources": [tmp_path / "empty"]}, "no photo in this folder"),
        ({"sources": []}, "no source of photos given"),
    ]:
        code, _, error = pretrain(**given)
        assert code == 2 and told in error and not (tmp_path / "run").exists()
    code, _, error = pretrain("--resolution", 40)
    assert code == 2 and "no multiple of the patch" in error
    code, _, error = pretrain("--export", tmp_path / "x.pth", sources=[])
    assert code == 2 and ".safetensors" in error
    assert pretrain("--export", tmp_path / "x.safetensors", sources=[])[0] == 1  # there is no run


def test_the_encoder_is_read_by_features_and_by_a_model_with_heads(
    pretrain: Callable[..., Any], photos: Path, tmp_path: Path
) -> None:
    place = tmp_path / "exports" / "mine.safetensors"
    assert pretrain("--steps", 2, "--export", place)[0] == 0 and not (tmp_path / "run" / "encoder.safetensors").exists()
    model, _ = trained(tmp_path / "run")
    loaded = weights.load(place)
    assert loaded.card.is_encoder and loaded.card.spec.heads == () and loaded.card.provenance["done"] == 2
    ours, theirs = model.backbone.state_dict(), loaded.model.backbone.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    words = ["features", photos / "sub0", "--model", place, "--out", tmp_path / "f", "--device", "cpu", "--dtype", "fp32"]
    assert main([str(word) for word in words]) == 0
    assert np.load(tmp_path / "f" / "0.features.npy").shape == (2, 2, 192)
    task = ModelSpec("t", (64, 48), 192, 8, 6, 768, heads=(HeadSpec("depth", (8,), out=1, kind="shuffle"),))
    state, told = weights.encoder_for(task, loaded.model)
    Model(task).load_state_dict(state, strict=False)
    assert "class token left out" in told


def test_what_a_run_has_learned_so_far_can_be_written(pretrain: Callable[..., Any], tmp_path: Path) -> None:
    assert pretrain("--steps", 2)[0] == 0
    place = tmp_path / "again.safetensors"
    code, told, _ = pretrain("--export", place, sources=[], by=None)
    assert code == 0 and "encoder after 2 steps" in told
    code, _, error = pretrain("--export", place, sources=[], by=None)
    assert code == 2 and "already there" in error
    first, second = load_file(tmp_path / "run" / "encoder.safetensors"), load_file(place)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_continuing_from_an_encoder(pretrain: Callable[..., Any], config: Callable[..., Any], tmp_path: Path) -> None:
    assert pretrain("--steps", 2)[0] == 0
    encoder = tmp_path / "run" / "encoder.safetensors"
    words = ("--init", encoder, "--steps", 1, "--warmup", 1, "--lr", 1e-9)
    code, told, _ = pretrain(*words, "--resolution", 64, out="larger")
    assert code == 0 and "position table: 5 rows -> 17 for 4x4 patches" in told and "decoder new" in told
    before, after = weights.load(encoder).model.state_dict(), read_weights(tmp_path / "larger")
    name = "backbone.blocks.3.mlp.fc1.weight"
    assert torch.allclose(before[name], after[name], atol=1e-6) and after["backbone.position"].shape[1] == 17
    assert config("larger")["config"]["init_hash"] == weights.load(encoder).hash


def test_continuing_from_an_official_file(pretrain: Callable[..., Any], tmp_path: Path) -> None:
    """The flat layout of the released encoders, here of a size that tells its own number of heads."""
    small = autoencoder_spec("small", TINY, 64, {"dim": 16, "depth": 1, "heads": 2})
    source = build(small)
    ours = tmp_path / "ours.safetensors"
    weights.save(ours, source, provenance={}, dtype=torch.float32)
    code, told, _ = pretrain("--init", ours, "--steps", 1, "--warmup", 0, out="full")
    assert code == 0 and "decoder taken over" in told
    flat = {k.removeprefix("backbone."): v.contiguous() for k, v in to_official(source.state_dict(), "mae").items()
            if k.startswith("backbone.")}  # fmt: skip
    save_file(flat, tmp_path / "flat_clean.safetensors")
    code, _, error = pretrain("--init", tmp_path / "flat_clean.safetensors", out="flat")
    assert code == 1 and "attention heads" in error  # as everywhere: convert it, and say how many
    words = [
        "models",
        "convert",
        tmp_path / "flat_clean.safetensors",
        "--heads",
        6,
        "--out",
        tmp_path / "converted.safetensors",
    ]
    assert main([str(word) for word in words]) == 0
    code, told, _ = pretrain("--init", tmp_path / "converted.safetensors", "--steps", 1, "--warmup", 0, out="flat")
    assert code == 0 and "position table: 17 rows -> 5" in told


def test_an_encoder_of_another_size_is_refused(pretrain: Callable[..., Any], tmp_path: Path) -> None:
    other = build(ModelSpec("other", (32, 32), 64, 2, 2, 64, heads=(), class_token=True))
    weights.save(tmp_path / "other.safetensors", other, provenance={})
    code, _, error = pretrain("--init", tmp_path / "other.safetensors")
    assert code == 2 and "64 wide and 2 deep, not of size tiny" in error


def test_shards_named_on_the_command_line_have_a_cache_that_is_told(
    pretrain: Callable[..., Any], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with tarfile.open(tmp_path / "s.tar", "w") as shard:
        for i, path in enumerate(sorted(photos.rglob("*.png"))):
            shard.add(path, f"{i}.png")
    code, told, _ = pretrain("--steps", 2, sources=[f"pipe:cat {tmp_path / 's.tar'}"])
    assert code == 0 and f"fetched into {tmp_path / 'cache' / 'vitruvian' / 'shards'}, where the last 64 stay" in told
    assert "10 photos" in told and len(list((tmp_path / "cache").rglob("*.tar"))) == 1

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_training import SPEC, Pictures, evaluate, model, settings

from vitruvian.model import mae_head
from vitruvian.tasks.mae import Mae
from vitruvian.train import read_log, read_weights, train

PRETRAINING = replace(SPEC, class_token=True, heads=(mae_head(dim=16, depth=1, heads=2),))


@dataclass(frozen=True)
class Unlabelled:
    pictures: Pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def example(self, index: int, rng: np.random.Generator) -> Any:
        image, _, key = self.pictures.example(index, rng)
        return image, {"mae": {}}, key


def test_pretraining_runs_in_the_same_loop_and_resumes_exactly(tmp_path: Path) -> None:
    plain = {"evaluate_every": None, "best": None, "no_decay": ("position", "class_token", "mask_token")}
    runs = [settings(tmp_path / name, **plain) for name in ("whole", "broken")]
    source = Unlabelled(Pictures())
    assert train(runs[0], model(PRETRAINING), [Mae()], source).finished
    for _ in range(2):
        train(runs[1], model(PRETRAINING), [Mae()], source)
        (runs[1].folder / "checkpoints" / "step-00000012.pt").unlink()  # as if killed before the last one
    train(runs[1], model(PRETRAINING), [Mae()], source)
    logs = [[r["mae/mae"] for r in read_log(run.folder / "log.jsonl")] for run in runs]
    assert logs[0] == logs[1] and len(logs[0]) == 4
    first, second = (read_weights(run.folder, average=False) for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_pretrained_backbone_starts_a_model_of_other_heads(tmp_path: Path) -> None:
    train(settings(tmp_path, evaluate_every=None, best=None), model(PRETRAINING), [Mae()], Unlabelled(Pictures()))
    pretrained = {k: v for k, v in read_weights(tmp_path).items() if k.startswith("backbone.")}
    network = model(replace(SPEC, class_token=True))
    missing = network.load_state_dict(pretrained, strict=False)
    assert not missing.unexpected_keys and all(key.startswith("heads.") for key in missing.missing_keys)
    assert evaluate(network.eval(), 0)["score"] != evaluate(model(replace(SPEC, class_token=True)).eval(), 0)["score"]

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_training import settings

from vitruvian.errors import UsageError
from vitruvian.train import TrainConfig

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("field", "values", "allowed"),
    [
        ("steps batch accumulate keep log_every checkpoint_every prefetch", (0, -1, 1.5, "3", True, None), "at least 1"),
        ("threads evaluate_every", (0, -1, 2.0), "at least 1, or None"),
        ("workers warmup seed", (-1, 0.5, None), "at least 0"),
        ("lr eps gamma", (0, -1, NAN, INF, "1e-3", None), "a finite number above 0"),
        ("clip", (0, -1.0, NAN, INF), "above 0, or None"),
        ("weight_decay", (-0.1, NAN, INF), "at least 0"),
        ("layer_decay", (0, 1.1, NAN), "above 0, at most 1"),
        ("floor", (-0.1, 1, NAN), "at least 0 and below 1"),
        ("warmup_factor max_bad", (-0.1, 1.1, NAN), "from 0 to 1"),
        ("betas", ((0.9, 1.0), (-0.1, 0.9), (0.9,), (NAN, 0.9), 0.9), "tuple of two numbers"),
        ("ema", (-0.1, 0, 1, 1.5, NAN), "between 0 and 1.*or None"),
        ("loss_weights", ({"hue": NAN}, {"hue": -1.0}, {"hue": "1"}, [1.0]), "finite numbers of at least 0"),
        ("checkpoint_minutes", (-1, NAN), "at least 0"),
        ("milestones", ((3, 2), (-1,), (0.5,), 3), "rising whole numbers"),
        ("no_decay", ("position", (1,), ("",)), "tuple of parts of names"),
        ("compile shuffle progress deterministic", ("no", 1, None), "True or False"),
        ("folder", (None, 3), "a path"),
    ],
)
def test_impossible_values_are_refused_with_the_field_and_what_is_allowed(
    tmp_path: Path, field: str, values: tuple[Any, ...], allowed: str
) -> None:
    for name in field.split():
        for value in values:
            with pytest.raises(UsageError, match=rf"TrainConfig: {name} is .*Allowed: .*{allowed}") as told:
                replace(settings(tmp_path), **{name: value})
            assert repr(value) in str(told.value)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("dtype", "fp16", "auto, bf16, fp32"),
        ("device", "gpu", "auto, cpu, cuda, mps"),
        ("schedule", "cosin", "constant, cosine, linear, step"),
        ("decay_from", "end", "start, warmup"),
        ("best_is", "high", "highest, lowest"),
        ("resume", True, "auto, must, never"),
        ("start_method", "thread", "fork, forkserver, spawn"),
        ("dtype", None, "auto, bf16, fp32"),
    ],
)
def test_unknown_words_are_refused_with_those_there_are(tmp_path: Path, field: str, value: Any, allowed: str) -> None:
    with pytest.raises(UsageError, match=rf"TrainConfig: unknown {field} {value!r}\..*Allowed: {allowed}"):
        settings(tmp_path, **{field: value})


def test_values_that_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"warmup is 13. Allowed: 0 to 12, the number of steps"):
        settings(tmp_path, warmup=13)
    with pytest.raises(UsageError, match="needs milestones"):
        settings(tmp_path, schedule="step")


def test_the_ends_of_what_is_allowed(tmp_path: Path) -> None:
    config = settings(
        tmp_path, clip=None, ema=None, floor=0, betas=(0.0, 0.0), weight_decay=0, layer_decay=1, warmup=12, max_bad=1.0,
        loss_weights={"hue": 0.0}, checkpoint_minutes=INF, schedule="step", milestones=(3, 6), threads=None, no_decay=(),
    )  # fmt: skip
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert TrainConfig(str(tmp_path), 1, 1, 1e-3).folder == tmp_path  # type: ignore[arg-type]

"""The folder of a run, read back: which model it trains, how far it is, and with which settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitruvian.errors import UsageError, WeightsError
from vitruvian.train.checkpoint import Checkpoints
from vitruvian.train.log import read_log
from vitruvian.train.sharded import sharded_steps
from vitruvian.types import ModelSpec
from vitruvian.weights.card import spec_from

EXPORTED = ".safetensors"


@dataclass(frozen=True)
class Run:
    """spec: of the model; config: all settings, as written; digest: of the record, to name the run by."""

    spec: ModelSpec
    config: Mapping[str, Any]
    digest: str


def read_run(folder: Path, verb: str) -> Run:
    """A run's config.json. WeightsError for a folder that is no run of `vitruvian VERB`."""
    try:
        text = (folder / "config.json").read_bytes()
        record = json.loads(text)
        return Run(spec_from(record["run"]["model"]), record["config"], hashlib.sha256(text).hexdigest())
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        told = f"{folder}: no run of `vitruvian {verb}` (its config.json: {reason}). Fix: check --out."
        raise WeightsError(told) from error


def last_step(folder: Path) -> int:
    """Steps done at the last checkpoint of a run; 0 where there is none."""
    place = folder / "checkpoints"
    return max((*Checkpoints(place).steps(), *sharded_steps(place)), default=0)


def tell_bad(folder: Path, what: str) -> None:
    """Print how often `what` (a photo, say) could not be used in a run, if it ever could not."""
    bad = [line["bad_examples"] for line in read_log(folder / "log.jsonl") if "bad_examples" in line]
    if bad and bad[-1]:
        print(f"{bad[-1]:,} times {what} could not be used (named above) and the next one was taken")


def check_export(place: Path) -> None:
    """Before anything is trained, not after: UsageError for an --export that cannot be written."""
    if place.suffix != EXPORTED:
        raise UsageError(f"--export {place}. Allowed: a file that ends in {EXPORTED}.")
    if place.exists():
        raise UsageError(f"--export {place} is already there. Fix: another name, or delete it.")

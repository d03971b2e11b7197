"""`vitruvian export`: convert, compare with PyTorch, then put file and report in their place."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vitruvian import __version__, weights
from vitruvian.errors import UsageError, unknown_name
from vitruvian.export.graph import capture
from vitruvian.export.parity import MEANING, TOLERANCE, answers, compare, varied_inputs, worst
from vitruvian.export.place import choose_place, report_path, workshop
from vitruvian.export.target import Target
from vitruvian.export.to_onnx import ONNX
from vitruvian.export.to_openvino import OPENVINO
from vitruvian.export.to_torch import TORCH_EXPORT
from vitruvian.model import Model
from vitruvian.weights.card import ENTRY, to_metadata

TARGETS = {target.name: target for target in (ONNX, OPENVINO, TORCH_EXPORT)}
LIBRARIES = ("torch", "onnx", "onnxscript", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Export:
    """An exported file and the report beside it. passed: whether every head is within the tolerance."""

    path: Path
    report: dict[str, Any]

    @property
    def passed(self) -> bool:
        """Whether the file says what the model says."""
        return bool(self.report["passed"])


def run(model: str, to: str, out: Path | None, dtype: str, overwrite: bool) -> int:
    """Export one model and say how exact the file is. Returns 0, or 1 where it is not exact enough."""
    done = export(model, to, out, dtype, overwrite, say=lambda line: print(line, file=sys.stderr, flush=True))
    print(_line(done))
    if done.passed:
        return 0
    print(
        f"error: {done.path}: differs from PyTorch by more than {done.report['tolerance']['relative']:g}. Fix: do not use it;"
        f" see {report_path(done.path)}.",
        file=sys.stderr,
    )
    return 1


def export(
    model: str | Path,
    to: str,
    out: Path | None = None,
    dtype: str = "fp32",
    overwrite: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Export:
    """A packaged model's name or a weights file -> a file for another runtime, and `<file>.parity.json` beside it.

    to: a name of `TARGETS`; out: None is `<model>[.<dtype>]<ending>` here; say: hears what takes time. The file is written
    even where it is not exact enough: ask `passed`. UsageError for an unknown target, precision or model, or an absent library;
    WeightsError for a file that is no model of ours; InputError for a place that cannot be written or holds another file.
    """
    target = _target(to, dtype)
    target.check_installed()
    loaded = weights.load(model)
    if not isinstance(loaded.model, Model):
        raise UsageError(f"{loaded.path}: a pretraining model answers no task to export. Fix: fine-tune it first.")
    place = choose_place(out, target, f"{loaded.path.stem}{'' if dtype == 'fp32' else f'.{dtype}'}", overwrite)
    needed = sum(value.nbytes for value in loaded.model.state_dict().values())
    with workshop(place, target, needed) as folder:
        say(f"{loaded.card.spec.name}: converting {needed / 1e6:.0f} MB to {to} {dtype}, then comparing with PyTorch")
        report = _make(loaded, loaded.model, target, dtype, folder / place.name)
    return Export(place, report)


def _make(loaded: weights.Loaded, model: Model, target: Target, dtype: str, path: Path) -> dict[str, Any]:
    """Write file and report into the folder of `path`."""
    inputs = varied_inputs(model.spec.size)
    truth = answers(model, inputs)  # before the model is turned into another precision
    card = json.loads(to_metadata(loaded.card)[ENTRY])
    target.write(capture(model, dtype, json.dumps({**card, "weights": loaded.hash, "dtype": dtype}, sort_keys=True)), path)
    errors = compare(target.open(path), inputs, truth)
    own = target.by_default(path)
    report: dict[str, Any] = {
        "file": path.name,
        "sha256": weights.file_hash(path),
        "target": target.name,
        "dtype": dtype,
        "model": loaded.card.spec.name,
        "licence": loaded.card.licence,
        "weights": loaded.hash,
        "passed": all(error <= TOLERANCE[dtype] for error in worst(errors).values()),
        "tolerance": {"relative": TOLERANCE[dtype], "meaning": MEANING},
        "worst": worst(errors),
        "batches": _plain(errors),
        "versions": {"vitruvian": __version__, **_versions()},
    }
    if own is not None:
        name, run_so = own
        other = compare(run_so, inputs, truth)
        report["by_default"] = {"precision": name, "worst": worst(other), "batches": _plain(other)}
    report_path(path).write_text(json.dumps(_finite(report), indent=1) + "\n")
    return report


def _target(to: str, dtype: str) -> Target:
    if to not in TARGETS:
        raise unknown_name("export target", to, TARGETS)
    target = TARGETS[to]
    if dtype not in target.dtypes:
        raise UsageError(f"{to} cannot be made in {dtype!r}. Allowed: {', '.join(target.dtypes)}.")
    return target


def _line(done: Export) -> str:
    report = done.report
    files = [done.path, *TARGETS[report["target"]].beside(done.path)]
    size = sum(path.stat().st_size for path in files if path.exists()) / 1e6
    heads = ", ".join(f"{task} {error:.1e}" for task, error in report["worst"].items())
    line = (
        f"{done.path}: {size:.1f} MB, {report['dtype']}, licence {report['licence']}; relative error to PyTorch fp32: {heads}"
    )
    line += f" (allowed {report['tolerance']['relative']:g})"
    if "by_default" in report:
        own = report["by_default"]
        line += f"; left to itself, {report['target']} takes {own['precision']} here: {max(own['worst'].values()):.1e}"
    return line


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _plain(errors: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {batch: {task: asdict(error) for task, error in heads.items()} for batch, heads in errors.items()}


def _finite(value: Any) -> Any:
    """JSON knows no NaN: null."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value

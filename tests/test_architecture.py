"""Imports point only downward: the levels of docs/concepts/architecture.md, read from the source itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "vitruvian"
LEVELS = {
    "errors": 0, "types": 0, "geometry": 0, "vocab": 0, "checks": 0, "device": 0, "openvino": 0, "machine": 0, "installed": 0,
    "model": 1,
    "tasks": 2, "data": 2,
    "weights": 3,
    "train": 4, "predict": 4, "synth": 4,
    "evaluate": 5, "keypoints": 5, "maps": 5, "depth": 5, "features": 5, "export": 5, "bench": 5, "doctor": 5,
    "survey": 5, "serve": 5, "pretrain": 5, "finetune": 5, "curate": 5,
    "recipes": 6,
    "cli": 7,
    "__main__": 8,
}  # fmt: skip
MODULES = sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
            if node.module == "vitruvian":
                names = [f"vitruvian.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        rooms |= {n.split(".")[1] for n in names if n.startswith("vitruvian.")}
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_downward(path: Path) -> None:
    own = room(path)
    if own == "__init__":
        return  # the public names
    assert own in LEVELS, f"{own} has no level: add it to LEVELS and to docs/concepts/architecture.md"
    for other in imported_rooms(path) - {own, "__version__"}:
        lower = LEVELS[other] < LEVELS[own] or LEVELS[own] == 0  # the words of level 0 may use each other
        assert lower, f"{path.relative_to(SOURCE)} (level {LEVELS[own]}) imports {other} (level {LEVELS[other]})"


def test_training_speaks_no_task() -> None:
    for path in (SOURCE / "train").rglob("*.py"):
        words = {w.lower() for node in ast.walk(ast.parse(path.read_text())) for w in names_in(node)}
        assert not words & {"pose", "seg", "depth", "normal"}, path


def names_in(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [node.attr]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def test_optional_libraries_stay_optional() -> None:
    optional = {"anny", "moderngl", "pycocotools", "av", "scipy", "ray", "transformers", "torchvision"}
    optional |= {"OpenEXR", "fsspec", "onnx", "onnxscript", "onnxruntime", "openvino"}
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:  # top level only: inside functions they may be asked for
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            roots = {n.split(".")[0] for n in names}
            assert not roots & optional, f"{path}: {roots & optional} must be imported where it is used"

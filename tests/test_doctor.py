from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import torch

from vitruvian import doctor, weights
from vitruvian.cli import main
from vitruvian.model import build
from vitruvian.types import HeadSpec, ModelSpec

SPEC = ModelSpec("tiny", (64, 48), 32, 1, 2, 32, (HeadSpec("pose", (8,), out=17, vocabulary="coco17", kind="shuffle"),))
CPU = pytest.CaptureFixture[str]


@pytest.fixture
def packaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An installation whose packaged weights are tiny ones."""
    torch.manual_seed(0)
    for name in ("vitruvian-s", "person"):
        weights.save(tmp_path / f"{name}.safetensors", build(SPEC), provenance={"data": "none"}, run="r1")
    monkeypatch.setattr(sys.modules[weights.load.__module__], "EMBEDDED", tmp_path)
    return tmp_path


def test_a_whole_installation(packaged: Path, capfd: CPU) -> None:
    assert main(["doctor"]) == 0
    told = capfd.readouterr().out
    assert f"torch {torch.__version__}" in told and "devices: " in told and "predict uses" in told
    assert weights.file_hash(packaged / "vitruvian-s.safetensors") in told
    assert "detector: person" in told and told.endswith("all is well\n")


def test_missing_weights_say_how_to_get_them(packaged: Path, capfd: CPU) -> None:
    (packaged / "person.safetensors").unlink()
    (packaged / "vitruvian-s.safetensors").write_bytes(b"damaged")
    assert main(["doctor"]) == 1
    told = capfd.readouterr().out
    assert "missing: packaged weights person. Fix: pip install --force-reinstall vitruvian" in told
    assert "missing: usable packaged weights vitruvian-s" in told
    assert "detector: hog" in told and "2 thing(s) to mend" in told


def test_missing_libraries_come_with_their_command(packaged: Path, capfd: CPU, monkeypatch: Any) -> None:
    def lacking(name: str) -> str:
        if name == "rich":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor, "version", lacking)
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    assert main(["doctor"]) == 1
    told = capfd.readouterr().out
    assert "missing: rich. Fix: pip install rich" in told
    for extra in doctor.EXTRAS:
        assert f'pip install "vitruvian[{extra}]"' in told


def test_extras_are_those_of_the_package() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert set(doctor.EXTRAS) == set(project["optional-dependencies"]) - {"dev"}
    names = [requirement.split(">")[0] for requirement in project["dependencies"]]
    assert list(doctor.CORE) == names


def test_models_are_listed_and_shown(packaged: Path, capfd: CPU) -> None:
    assert main(["models"]) == 0
    assert "vitruvian-s (people): vit 32x1, input 64x48 (HxW), heads pose (coco17)" in capfd.readouterr().out
    assert main(["models", "vitruvian-s"]) == 0
    told = capfd.readouterr().out
    for text in ("sha256: ", "licence: unknown", "run: r1", "data: none"):
        assert text in told
    assert main(["models", "vitruvian-x"]) == 2
    assert "Did you mean vitruvian-s" in capfd.readouterr().err


def test_models_that_are_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: CPU) -> None:
    monkeypatch.setattr(sys.modules[weights.load.__module__], "EMBEDDED", tmp_path)
    assert main(["models"]) == 1
    assert "vitruvian-s (people): not installed. Fix: pip install" in capfd.readouterr().out

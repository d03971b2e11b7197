from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vitruvian import doctor, installed, weights
from vitruvian.cli import main
from vitruvian.installed import reinstall
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
    assert f"torch {torch.__version__}" in told and "devices: " in told and "auto is " in told
    assert weights.file_hash(packaged / "vitruvian-s.safetensors") in told
    assert "detector: cascade" in told and told.endswith("all is well\n")


def test_missing_weights_say_how_to_get_them(packaged: Path, capfd: CPU) -> None:
    (packaged / "person.safetensors").unlink()
    (packaged / "vitruvian-s.safetensors").write_bytes(b"damaged")
    assert main(["doctor"]) == 1
    told = capfd.readouterr().out
    assert f"missing: packaged weights person. Fix: {reinstall()}" in told
    assert "missing: usable packaged weights vitruvian-s" in told
    assert "detector: hog" in told and "2 things to mend" in told


@pytest.mark.parametrize(
    ("origin", "fix"),
    [
        (None, "pip install --force-reinstall --no-deps vitruvian"),
        ('{"dir_info": {}, "url": "file:///a/b%20c"}', "pip install --force-reinstall --no-deps /a/b c"),
        ('{"dir_info": {"editable": true}, "url": "file:///a"}', "pip install --force-reinstall -e ."),
        ('{"archive_info": {}, "url": "https://x/v.whl"}', '--no-deps "vitruvian @ https://x/v.whl"'),
        ('{"vcs_info": {"vcs": "git"}, "url": "https://x/v"}', '--no-deps "vitruvian @ git+https://x/v"'),
    ],
)
def test_the_command_that_brings_the_package_back(origin: str | None, fix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = SimpleNamespace(read_text=lambda name: origin)
    monkeypatch.setattr(installed, "distribution", lambda name: noted)
    assert fix in reinstall()
    monkeypatch.setattr(installed, "distribution", missing)
    assert reinstall() == "pip install --force-reinstall --no-deps vitruvian"


def missing(name: str) -> None:
    raise PackageNotFoundError(name)


def test_missing_libraries_come_with_their_command(packaged: Path, capfd: CPU, monkeypatch: Any) -> None:
    def lacking(name: str) -> str:
        if name == "rich":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor, "version", lacking)
    absent = {"numpy"}.union(*doctor.EXTRAS.values())
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name in absent else 1)
    assert main(["doctor"]) == 1
    told = capfd.readouterr().out
    assert "missing: rich. Fix: pip install rich" in told
    assert "missing: numpy: listed as" in told and "Fix: pip install --force-reinstall numpy" in told
    assert "2 things to mend" in told and "weights vitruvian-s" not in told
    for extra in doctor.EXTRAS:
        assert f'pip install "vitruvian[{extra}]"' in told


def without(library: str, words: str) -> subprocess.CompletedProcess[str]:
    """`vitruvian` in a process that has not got that library."""
    code = (
        f"import sys; sys.modules[{library!r}] = None; sys.argv = ['vitruvian', *{words.split()!r}]\n"
        "from vitruvian.__main__ import main\n"
        "code = main(); heavy = {'torch', 'cv2', 'PIL'} & {name for name, module in sys.modules.items() if module}\n"
        "print(sorted(heavy), file=sys.stderr); sys.exit(code)"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("library", doctor.CORE.values())
def test_each_library_of_the_core_may_be_missing(library: str) -> None:
    told = without(library, "doctor")
    assert told.returncode == 1, told.stderr
    (name,) = [distribution for distribution, module in doctor.CORE.items() if module == library]
    assert f"missing: {name}: " in told.stdout and f"Fix: pip install --force-reinstall {name}" in told.stdout
    assert "devices, weights: not examined" in told.stdout and told.stdout.endswith("1 thing to mend\n")
    assert told.stderr == "[]\n", "the examination needs nothing of what it examines"


@pytest.mark.parametrize(("library", "words"), [("torch", "models"), ("tyro", "models"), ("cv2", "predict a.jpg")])
def test_other_verbs_send_to_the_doctor(library: str, words: str) -> None:
    told = without(library, words)
    assert told.returncode == 1 and told.stdout == ""
    assert told.stderr.splitlines()[0].startswith(f"error: the library {library} is missing. Fix: `vitruvian doctor`")


def test_a_library_that_does_not_load_is_missing_too(packaged: Path, capfd: CPU, monkeypatch: Any) -> None:
    def broken(name: str) -> None:
        if name == "torch":
            raise OSError("libcudart.so.12: cannot open\nshared object file")

    monkeypatch.setattr(doctor, "import_module", broken)
    assert main(["doctor"]) == 1
    told = capfd.readouterr().out
    assert "missing: a working torch (libcudart.so.12: cannot open shared object file). Fix: pip install" in told


def test_extras_are_those_of_the_package() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert set(doctor.EXTRAS) == set(project["optional-dependencies"]) - {"dev"}
    names = [requirement.split(">")[0] for requirement in project["dependencies"]]
    assert list(doctor.CORE) == names


def test_models_are_listed_and_shown(packaged: Path, capfd: CPU) -> None:
    assert main(["models"]) == 0
    assert "vitruvian-s (people): vit 32x1, input 64x48 (HxW), heads pose (coco17)" in capfd.readouterr().out
    assert main(["models", "show", "vitruvian-s"]) == 0
    told = capfd.readouterr().out
    for text in ("sha256: ", "licence: unknown", "run: r1", "data: none"):
        assert text in told
    assert main(["models", "show", "vitruvian-x"]) == 2
    assert "Did you mean vitruvian-s" in capfd.readouterr().err
    assert main(["models", "show", "nope"]) == 2
    assert "unknown model 'nope'. Allowed: person, vitruvian-s, or an official checkpoint" in capfd.readouterr().err


def test_a_model_without_a_run_says_nothing_of_it(tmp_path: Path, capfd: CPU) -> None:
    path = tmp_path / "x.safetensors"
    weights.save(path, build(SPEC), provenance={"file": "notes.txt"})
    assert main(["models", "show", str(path)]) == 0
    told = capfd.readouterr().out
    assert "run:" not in told and f"file: {path}" in told and "file: notes.txt" in told


def test_models_that_are_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: CPU) -> None:
    monkeypatch.setattr(sys.modules[weights.load.__module__], "EMBEDDED", tmp_path)
    assert main(["models"]) == 1
    assert f"vitruvian-s (people): not installed. Fix: {reinstall()}" in capfd.readouterr().out

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from vitruvian import __version__
from vitruvian.cli import GROUPS, VERBS, main

PAIRS = [[first, second] for first, verbs in GROUPS.items() for second in verbs]


@pytest.mark.parametrize("words", [["--help"], *([verb, "--help"] for verb in VERBS), *([*pair, "--help"] for pair in PAIRS)])
def test_help(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    told = capfd.readouterr()
    assert "usage: vitruvian" in told.out and told.err == ""


def test_help_answers_without_heavy_imports() -> None:
    code = (
        "import sys, contextlib, io\nfrom vitruvian.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main(['predict', '--help'])\n"
        "print(sorted({'torch', 'cv2', 'PIL', 'huggingface_hub', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_import_is_light_and_offline() -> None:
    code = "import sys, vitruvian; print(sorted({'torch', 'cv2', 'socket', 'huggingface_hub'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_words_and_the_examination_are_light() -> None:
    code = "import sys, vitruvian.cli, vitruvian.doctor; print(sorted({'torch', 'cv2', 'PIL', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_predict_asks_for_no_optional_library() -> None:
    code = (
        "import sys, vitruvian.predict.command\n"
        "print(sorted({'huggingface_hub', 'scipy', 'pycocotools', 'moderngl', 'anny', 'rich'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"vitruvian {__version__}\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["predikt"], "predikt"),
        (["predict"], "no photo given"),
        (["predict", "x.jpg", "--device", "gpu"], "'gpu'"),
        (["predict", "x.jpg", "--nonsense"], "--nonsense"),
        (["synth", "--count", "many", "--out", "x"], "many"),
        (["keypoints", "konvert"], "konvert"),
        (["maps", "convert", "x.json", "--to", "jpg", "--out", "y"], "jpg"),
    ],
)
def test_wrong_words_exit_2(words: list[str], text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    told = capfd.readouterr()
    assert told.out == "" and text in told.err


def test_no_words_show_the_help(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    told = capfd.readouterr().out
    assert [verb for verb in VERBS if verb not in told] == []


@pytest.mark.parametrize("group", sorted(GROUPS.keys() - {"models"}))
def test_a_group_alone_shows_its_verbs(group: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([group]) == 0
    told = capfd.readouterr().out
    assert f"usage: vitruvian {group}" in told and [verb for verb in GROUPS[group] if verb not in told] == []


def test_synth_passes_the_words_on(monkeypatch: Any) -> None:
    import vitruvian.synth.dataset.generate as generate

    calls: list[Any] = []
    monkeypatch.setattr(generate, "run", lambda *args, **named: calls.append((args, named)) or 0)
    words = "synth --out d --count 3 --size 64x48 --seed 5 --workers 2 --backgrounds b --preview"
    assert main(words.split()) == 0
    ((args, named),) = calls
    assert [str(arg) for arg in args] == ["d", "3", "64x48", "5", "2", "b"]
    assert named == {"preview": True}


def test_a_reader_that_has_gone_is_no_crash(monkeypatch: Any, capfd: pytest.CaptureFixture[str]) -> None:
    def gone(*args: Any, **named: Any) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("vitruvian.doctor.doctor", gone)
    assert main(["doctor"]) == 1
    assert capfd.readouterr().err == ""


def test_an_interrupt_is_one_line(monkeypatch: Any, capfd: pytest.CaptureFixture[str]) -> None:
    def interrupted(*args: Any, **named: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("vitruvian.doctor.doctor", interrupted)
    assert main(["doctor"]) == 1
    assert capfd.readouterr().err.startswith("interrupted: ")

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from typing import Any

import pytest

from vitruvian import __version__
from vitruvian.cli import GROUPS, VERBS, main
from vitruvian.cli.shown import Verb, texts_of

PAIRS = [[first, second] for first, verbs in GROUPS.items() for second in verbs]


@pytest.mark.parametrize("words", [["--help"], *([verb, "--help"] for verb in VERBS), *([*pair, "--help"] for pair in PAIRS)])
def test_help(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    told = capfd.readouterr()
    assert "usage: vitruvian" in told.out and told.err == ""


def all_verbs() -> list[Verb]:
    return [
        *(verb for name, verb in VERBS.items() if name not in GROUPS),
        *(v for verbs in GROUPS.values() for v in verbs.values()),
    ]


@pytest.mark.parametrize("verb", all_verbs(), ids=lambda verb: verb.__name__)
def test_every_word_of_a_verb_has_a_text(verb: Verb) -> None:
    texts = texts_of(verb)
    assert list(texts) == list(inspect.signature(verb).parameters)
    assert all(text.endswith(".") and text[0] != "-" for text in texts.values())


@pytest.mark.parametrize("words", [[verb] for verb in VERBS if verb not in GROUPS] + PAIRS, ids=" ".join)
def test_help_shows_no_leftovers(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    told = capfd.readouterr().out
    for leftover in ("{None", "None)", "False)", "(default: )", "STR ", "[STR", "1 values"):
        assert leftover not in told, leftover


def test_help_joins_the_lines_of_a_text(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["evaluate", "protocol", "--help"]) == 0
    assert "person takes a crop of each labelled person." in capfd.readouterr().out


def test_the_list_of_verbs_tells_what_a_group_is_for(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capfd.readouterr().out
    lines = {text.split()[0]: " ".join(text.split()) for text in re.split(r"\n  (?=\w)", told)[1:]}
    assert list(lines) == list(VERBS)
    assert "--task TASK" in lines["evaluate"] and "keypoints, people, parts, depth, normal" in lines["evaluate"]
    assert "label" in lines["curate"] and "vitruvian --version" in told


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
        (["predictt"], "Did you mean predict"),
        (["nonsense", "--help"], "unknown verb 'nonsense'"),
        (["models", "nonsense", "--help"], "Allowed: convert, fetch, list, show"),
        (["predict", "x.jpg", "--bogus"], "vitruvian predict --help"),
        (["curate", "tune", "x", "--max-foo", "3"], "vitruvian curate tune --help"),
        (["curate", "x", "--max-foo", "3"], "vitruvian curate run --help"),
        (["evaluate", "--task", "pose", "--bogus"], "vitruvian evaluate protocol --help"),
        (["predict", "x.jpg", "--draw", "--no-draw"], "contradict"),
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


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_the_help_of_a_group_shows_its_verbs(group: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([group, "--help"]) == 0
    told = capfd.readouterr().out
    assert f"usage: vitruvian {group}" in told and [verb for verb in GROUPS[group] if f"  {verb} " not in told] == []


@pytest.mark.parametrize("group", sorted(GROUPS.keys() - {"models"}))
def test_a_group_alone_is_wrong_and_shows_its_verbs(group: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([group]) == 2
    told = capfd.readouterr()
    assert told.out == "" and [verb for verb in GROUPS[group] if f"  {verb} " not in told.err] == []


@pytest.mark.parametrize(
    ("words", "where", "wanted"),
    [
        ("evaluate depth --truth a --predictions b --align none", "evaluate.results.depth_figures", "none"),
        ("evaluate depth --truth a --predictions b --align=scale-shift", "evaluate.results.depth_figures", "scale_shift"),
        ("maps convert a.json --to exr --out b --axes directx", "maps.command.convert", "directx"),
        ("maps convert a.json --to exr --out b --given-axes opengl", "maps.command.convert", "opengl"),
        ("evaluate normal --truth a --predictions b --given-axes=opengl", "evaluate.results.normal_figures", "opengl"),
        ("depth align a.json --out b --height 1.7 --given-axes directx", "depth.command.align", "directx"),
    ],
)
def test_words_that_name_a_way_are_passed_on(words: str, where: str, wanted: str, monkeypatch: Any) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(f"vitruvian.{where}", lambda *given: calls.append(given) or 0)
    monkeypatch.setattr("vitruvian.evaluate.results.command.tell", lambda *given: 0)
    main(words.split())
    ((given),) = calls
    assert wanted in given


@pytest.mark.parametrize(
    ("words", "wanted"),
    [("", None), ("--flip-test", True), ("--no-flip-test", False)],
)
def test_flip_test_of_evaluate(words: str, wanted: bool | None, monkeypatch: Any) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("vitruvian.evaluate.protocol.command.run", lambda given, *_: calls.append(given.flip) or 0)
    assert main(["evaluate", "--task", "pose", "--data", "x", *words.split()]) == 0
    assert calls == [wanted]


def test_axes_of_evaluate(monkeypatch: Any) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("vitruvian.evaluate.protocol.command.run", lambda given, *_: calls.append(given.axes) or 0)
    assert main(["evaluate", "--task", "normal", "--data", "x", "--axes", "opengl"]) == 0
    assert calls == ["opengl"]


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

"""The documentation hangs together: every page is listed, no link is broken, the reference has every public name and runs."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from PIL import Image

import vitruvian
from vitruvian import weights
from vitruvian.cli import GROUPS, main

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
INDEX, API = DOCS / "README.md", DOCS / "reference" / "api.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def links_of(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [link for link in LINK.findall(text) if not re.match(r"[a-z]+:", link)]


def anchors_of(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def sections() -> dict[str, str]:
    """Name -> what the page of the API says of it."""
    found = re.split(r"^#{2,3} ", API.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0].strip("` "): part for part in found}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_link_is_broken(page: Path) -> None:
    for link in links_of(page):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or target.suffix != ".md" or anchor in anchors_of(target), link


def test_the_index_has_every_page() -> None:
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in links_of(INDEX)}
    assert [name_of(page) for page in sorted(DOCS.rglob("*.md")) if page != INDEX and page not in listed] == []


def test_the_tree_of_the_readme_has_every_room() -> None:
    tree = (ROOT / "README.md").read_text(encoding="utf-8").partition("src/vitruvian/\n")[2].partition("```")[0]
    rooms = [place.name for place in (ROOT / "src" / "vitruvian").iterdir() if place.name not in ("__init__.py", "__pycache__")]
    assert [room for room in rooms if not re.search(rf"(^|\s){re.escape(room)}(/|\s)", tree)] == []


@pytest.mark.parametrize("name", vitruvian.__all__)
def test_the_reference_has_every_public_name(name: str) -> None:
    section, thing = sections()[name], getattr(vitruvian, name)
    if is_dataclass(thing):
        words = [field.name for field in fields(thing)]
    else:
        words = list(inspect.signature(thing).parameters) if inspect.isfunction(thing) else []
    assert [word for word in words if not re.search(rf"\b{word}\b", section)] == []


def test_the_reference_runs(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    if weights.packaged_path("vitruvian-s") is None:
        pytest.skip("the packaged weights are not in this installation")
    monkeypatch.chdir(ROOT)
    exec("\n".join(re.findall(r"```python\n(.*?)```", API.read_text(encoding="utf-8"), re.DOTALL)), {"__name__": "guide"})
    told = capfd.readouterr().out
    assert "(133, 2)" in told and "('pose',) None" in told and "Face_Neck" in told and "nothing.jpg: no such file" in told


SMALLER = {"steps=20_000, batch=32": "steps=1, batch=2, device='cpu'", "warmup=500": "warmup=0", "workers=1": "workers=0"}


@pytest.mark.parametrize(
    ("guide", "before"),
    [
        ("weights", ""),
        ("train", "synth --out people --count 2 --size 96x80"),
        ("pretrain", "pretrain 0.png 1.png --recipe tiny --steps 1 --batch 2 --warmup 0 --out run --workers 0 --device cpu"),
    ],
)
def test_python_of_the_guides_runs(guide: str, before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if weights.packaged_path("vitruvian-s") is None:
        pytest.skip("the packaged weights are not in this installation")
    monkeypatch.chdir(tmp_path)
    for n in range(2):
        Image.effect_noise((96, 96), 50 + n).convert("RGB").save(f"{n}.png")
    assert not before or main(before.split()) == 0
    (block,) = re.findall(r"```python\n(.*?)```", (DOCS / "guides" / f"{guide}.md").read_text(encoding="utf-8"), re.DOTALL)
    for whole, less in SMALLER.items():
        block = block.replace(whole, less)
    exec(block, {"__name__": "guide"})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_in_the_pages_is_python(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        ast.parse(block)


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((DOCS / "guides").glob("*.md"))], ids=name_of)
def test_commands_in_the_guides_have_the_options_that_they_name(page: Path, capfd: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    text = re.sub(r" +#.*", "", "\n".join(blocks))
    for command in re.findall(r"^(?:\$ )?vitruvian (.+(?:\n {8,}.+)*)", text, re.MULTILINE):
        assert main([*verb_of(command), "--help"]) == 0, command
        shown = capfd.readouterr().out
        assert [option for option in re.findall(r"--[a-z][a-z-]*", command) if option not in shown] == [], command


def verb_of(command: str) -> list[str]:
    """Its one or two words, also where the second is left out."""
    first, second = [*command.split(), ""][:2]
    if first not in GROUPS or second in GROUPS[first]:
        return [first] if first not in GROUPS else [first, second]
    return [first, {"evaluate": "protocol" if "--task" in command else "model", "curate": "run", "models": "list"}[first]]

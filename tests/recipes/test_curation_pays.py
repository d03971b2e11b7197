"""The queue that asks whether curation pays, in small; its figures are nobody's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitruvian.recipes import curation_pays
from vitruvian.recipes.curation_pays import KINDS, Pile, make_pile, verdict
from vitruvian.recipes.curation_pays import main as run
from vitruvian.recipes.embedded import GEOMETRY
from vitruvian.synth.appearance.backgrounds import Backgrounds
from vitruvian.synth.dataset.generate import generate


@pytest.fixture(scope="module")
def geometry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("geometry"), 8, GEOMETRY, seed=31, workers=1, images=False).folder


def test_a_pile_has_all_kinds_and_is_the_same_whenever_it_is_made(geometry: Path, tmp_path: Path) -> None:
    pile = Pile(geometry, Backgrounds.load())
    make_pile(tmp_path, pile, 24)
    assert {pile.kind(number) for number in range(200)} == set(KINDS)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "000003.jpg").unlink()
    make_pile(tmp_path, pile, 24)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_the_queue_goes_through_and_its_page_says_what_is_open(
    geometry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curation_pays, "SEEDS", (1,))
    words = ["--work", str(tmp_path / "pays"), "--geometry", str(geometry), "--held-out", str(geometry), "--share", "0.0001"]
    assert run([*words[:2], "--report", str(tmp_path / "page.md")]) == 1
    assert "no finished run yet" in capsys.readouterr().err
    assert run(words) == 0
    assert run([*words[:-1], "0.5"]) == 1
    assert "was begun with" in capsys.readouterr().err
    assert run([*words[:2], "--report", str(tmp_path / "page.md"), "--commit", "abc"]) == 0
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "3 of 3 runs are finished" in page and "| people |" in page
    kept = json.loads((tmp_path / "pays" / "kept.json").read_text())
    assert sum(sum(counts.values()) for counts in kept.values()) == 24


def test_a_verdict_needs_all_seeds() -> None:
    assert verdict([0.1, 0.2]) == "open: 2 of 3 seeds"
    assert [verdict(gains) for gains in ([1, 2, 3], [-1, 0, -2], [1, -1, 1])] == ["pays", "does not pay", "undecided: 2 of 3"]
